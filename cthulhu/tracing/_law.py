"""Laws that were read off a program: instructions that run on random bits."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from cthulhu._types import DType, HostNumber, Key, Number
from cthulhu.laws import Elementwise
from cthulhu.laws._inverse import erf_inv
from cthulhu.random import _bits as bits
from cthulhu.random._threefry import Counter, threefry2x32

Operand: TypeAlias = int | tuple[str, int] | tuple[str, DType, bytes]
"""The number of an instruction, or what else `Traced` says."""

Instruction: TypeAlias = tuple[Any, Any, *tuple[Operand, ...]]


@dataclasses.dataclass(frozen=True, eq=False)
class Traced(Elementwise):
    """A law read off a program.

    Args:
        instructions: ``(primitive or "bits", params, operands)``, hashable; an
            operand is the number of an instruction, ``("key", n)``,
            ``("scalar", n)`` or ``("literal", dtype, bytes)``.
        count: the number of keys.

    Example:
        >>> Traced((("bits", 32, ("key", 0)),), 1).keys
        1
    """

    instructions: tuple[Instruction, ...]
    count: int
    _hash: int = dataclasses.field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Hash the instructions once: there may be hundreds."""
        object.__setattr__(self, "_hash", hash((self.instructions, self.count)))

    def __hash__(self) -> int:
        """The hash of the instructions."""
        return self._hash

    def __eq__(self, other: object) -> bool:
        """Whether the instructions are the same."""
        return self is other or (
            isinstance(other, Traced)
            and self._hash == other._hash
            and (self.instructions, self.count) == (other.instructions, other.count)
        )

    @property
    def keys(self) -> int:
        """The number of keys."""
        return self.count

    @property
    def single_draw(self) -> bool:
        """Whether `quantiles` can tell what the values look like."""
        return [name for name, *_ in self.instructions].count("bits") == 1

    def block(
        self,
        key: Key,
        shape: tuple[int, ...],
        dtype: DType,
        start: Counter | None,
        *scalars: Number,
    ) -> jax.Array:
        """A block of the flat array, in the type of the traced values, whatever `dtype`.

        Args:
            key: the words of all keys, one after the other.
            shape: the number of elements; the first one's index is a multiple of
                it, and it is a power of two.
            dtype: unused.
            start: the high and the low 32 bits of the index of the first element.
            *scalars: the factor that ends the law, if it has one.

        Returns:
            The elements.
        """
        (size,) = shape
        assert start is not None
        low = lax.iota(np.uint32, size) + start[1]

        def hashed(number: int, width: int) -> jax.Array:
            words = (key[2 * number], key[2 * number + 1])
            left, right = threefry2x32(words, (start[0], low))
            if width == 64:
                return (left.astype(np.uint64) << np.uint64(32)) | right.astype(np.uint64)
            return lax.convert_element_type(left ^ right, bits.UNSIGNED[width])

        return run_instructions(self.instructions, size, hashed, scalars)

    def quantiles(self, count: int, dtype: DType, *scalars: Number) -> jax.Array:
        """The values of evenly spaced bits."""
        spacing = 2**32 // count

        def spread(number: int, width: int) -> jax.Array:
            even: jax.Array = lax.iota(np.uint32, count) * np.uint32(spacing) + np.uint32(
                spacing // 2
            )
            if width == 64:
                return even.astype(np.uint64) << np.uint64(32)
            return lax.convert_element_type(even >> np.uint32(32 - width), bits.UNSIGNED[width])

        return run_instructions(self.instructions, count, spread, scalars)


def run_instructions(
    law: tuple[Instruction, ...],
    size: int,
    bits_of: Callable[[int, int], jax.Array],
    scalars: Sequence[Number],
) -> jax.Array:
    """Run the instructions of a law on the bits that `bits_of(key, width)` gives."""
    values: list[jax.Array] = []

    def read(operand: Operand) -> Number:
        if isinstance(operand, int):
            return values[operand]
        if len(operand) == 3:
            constant: HostNumber = np.frombuffer(operand[2], operand[1])[0]
            return constant
        return scalars[operand[1]]

    for primitive, params, *operands in law:
        if primitive == "bits":
            (key,) = operands
            assert not isinstance(key, int)
            assert len(key) == 2
            values.append(bits_of(key[1], params))
            continue
        given = [read(operand) for operand in operands]
        if any(jnp.ndim(value) for value in given):
            given = [jnp.broadcast_to(value, (size,)) for value in given]
        if primitive.name == "erf_inv":
            values.append(erf_inv(given[0]))
            continue
        result = primitive.bind(*given, **primitive.get_bind_params(dict(params)))
        values.append(result[0] if primitive.multiple_results else result)
    last: jax.Array = values[-1]
    return last

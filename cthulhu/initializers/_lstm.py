"""Biases of gates in recurrent layers."""

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import NamedSharding
from jax.typing import ArrayLike

from cthulhu import checks
from cthulhu._types import DType, Number
from cthulhu.initializers import _options as options
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._registry import defined
from cthulhu.laws import Law, Moments
from cthulhu.programs._build import Draw, bind
from cthulhu.typing import DTypeLike


def order_of(owner: str, argument: str, value: Any) -> str:
    """The letters of the four gates of an LSTM, in some order."""
    if not isinstance(value, str):
        raise TypeError(f"{owner}: {argument} must be a string, as 'ifgo'; got {value!r}")
    if sorted(value) not in (sorted("ifgo"), sorted("ifco")):
        raise ValueError(
            f"{owner}: {argument} must have each of i, f, o and g (or c) once, as torch's 'ifgo' "
            f"and Keras's 'ifco'; got {value!r}"
        )
    return value


@dataclasses.dataclass(frozen=True)
class Slice(Law):
    """One in one of equal parts of the last axis, 0 in the others.

    Args:
        place: which part, counted from 0.
        parts: how many there are.

    Example:
        >>> Slice(1, 2).moments((8,))
        Moments(mean=0.5, stddev=0.5)
    """

    place: int
    parts: int

    uses_key = False

    def values(
        self, key: jax.Array | None, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The array, for any key."""
        size = shape[-1] // self.parts
        index = lax.broadcasted_iota(jnp.int32, shape, len(shape) - 1)
        inside = (index >= self.place * size) & (index < (self.place + 1) * size)
        return inside.astype(dtype)

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The share of ones, and the standard deviation that it gives."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        share = 1 / self.parts
        return Moments(share, math.sqrt(share * (1 - share)))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """Zero and one."""
        return 0.0, 1.0


@defined
@dataclasses.dataclass(frozen=True, repr=False)
class UnitForgetGate(BuiltIn):
    """Initializer of the biases of an LSTM, which starts by keeping what it holds.

    Law: 1 for the forget gate, 0 for the others, of biases whose last axis is the four
    gates, one after the other. torch adds two biases: one of them is `Zeros`.

    Args:
        order: the order of the gates, a string of ``i``, ``f``, ``o``, and ``g`` or
            ``c`` for the candidate: ``"ifgo"`` for torch and Equinox, ``"ifco"`` for
            Keras, ``"igfo"`` for Haiku, which adds a 1 of its own.

    Raises:
        TypeError: `order` is no string.
        ValueError: `order` has not each gate once, or the last dimension of the shape of
            a call is no multiple of 4.

    Example:
        >>> UnitForgetGate("ifgo")((8,)).tolist()
        [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]

    References:
        Jozefowicz, Zaremba and Sutskever (2015), "An empirical exploration of recurrent
        network architectures", https://proceedings.mlr.press/v37/jozefowicz15.html
    """

    order: str = dataclasses.field(metadata=options.required(order_of))

    draws = False
    known_as = ("unit_forget_bias",)
    arguments: ClassVar = {"shape": "``(*leading, 4 * units)``."}
    example = """
        >>> unit_forget_gate(None, (2, 4), order="igfo").tolist()
        [[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0]]
    """

    @classmethod
    def plan(
        cls,
        shape: tuple[int, ...],
        dtype: DTypeLike | None,
        sharding: NamedSharding | None,
        order: str,
    ) -> Draw:
        """Check the shape and name the program."""
        checks.rank(cls.name, shape, 1, why=" (the gates, one after the other)")
        if shape[-1] % len(order) and 0 not in shape:
            raise ValueError(
                f"{cls.name}: the last dimension must be a multiple of {len(order)}, the gates "
                f"{order!r}; got {shape!r}"
            )
        law = Slice(order.index("f"), len(order))
        return bind(law, (), shape, checks.dtype(cls.name, dtype), sharding)

"""What a law is."""

import dataclasses
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from cthulhu import compat
from cthulhu._types import DType, HostArray, HostNumber, Number
from cthulhu.random._bits import UNSIGNED, random_bits
from cthulhu.random._threefry import Counter


class Moments(NamedTuple):
    """The mean and the standard deviation of the elements of an array.

    Args:
        mean: the mean.
        stddev: the standard deviation; of complex elements, that of the modulus
            around the mean.

    Example:
        >>> Moments(0.0, 1.0).stddev
        1.0
    """

    mean: float
    stddev: float


class Section(NamedTuple):
    """A part of an array that has a law of its own, independent of the rest.

    Args:
        place: where it is: a slice, or a number, for each axis.
        law: its law.
        shape: its shape.
        scalars: the scalars of its law.

    Example:
        >>> from cthulhu.laws import Uniform
        >>> [part.shape for part in Uniform().sections((4, 2), 1.0, 0.0, 1.0)]
        [(4, 2)]
    """

    place: "tuple[slice | int, ...]"
    law: "Law"
    shape: tuple[int, ...]
    scalars: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Law:
    """What the values of an array are drawn from: a frozen, hashable value.

    A law's fields are what its compiled programs depend on. Its scalars (a scale,
    a shift, bounds) are not among them: they are handed over at each call, so
    that laws of all scales share a program. To make a law, subclass this with
    `dataclasses.dataclass(frozen=True)`, name the `scalars`, and write `values`;
    where each element depends on its own random bits alone, subclass
    `Elementwise`, and write `of_bits`.

    Example:
        >>> from cthulhu.laws import Normal, Uniform
        >>> Normal() == Normal(), Normal() == Uniform()
        (True, False)
    """

    scalars: ClassVar[tuple[str, ...]] = ()
    """The names of the scalars, in order."""

    uses_key: ClassVar[bool] = True
    """Whether the values depend on the key."""

    linear: ClassVar[tuple[str, ...]] = ()
    """The scalars which, all multiplied by a number, multiply the values by it."""

    identical: ClassVar[bool] = False
    """Whether every element has the same distribution."""

    @property
    def name(self) -> str:
        """What programs and messages call the law, as ``truncated_normal``."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key.

        Args:
            key: one PRNG key.
            shape: the shape of the result.
            dtype: the type of the computation, at least float32.
            *scalars: numbers of that type, possibly traced.

        Returns:
            An array of `shape` and `dtype`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement values(...)")

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments | None:
        """The mean and the standard deviation of the elements; `None` if they are not known.

        Args:
            shape: the shape of the array.
            *scalars: concrete numbers.

        Returns:
            A pair of numbers, or `None`.
        """
        return None

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """The least interval that holds every value, of concrete scalars."""
        return (-np.inf, np.inf)

    def sections(self, shape: tuple[int, ...], *scalars: Any) -> list[Section]:
        """The parts of an array that are independent, each with its law: here the whole."""
        return [Section((slice(None),) * len(shape), self, shape, scalars)]

    def nearly(self, shape: tuple[int, ...], *scalars: ArrayLike) -> "Section | None":
        """A law of independent elements that those of a large array nearly have, if there is one.

        Args:
            shape: the shape of the array.
            *scalars: concrete numbers.

        Returns:
            The whole array as a `Section` of that law, or `None`.
        """
        return None

    def defect(self, values: jax.Array, *scalars: ArrayLike) -> jax.Array | None:
        """How far values are from what all that the law draws have; `None` if that is nothing.

        Args:
            values: an array.
            *scalars: concrete numbers.

        Returns:
            A number relative to the size of the values: 0 but for rounding if the law
            drew them.
        """
        return None


@dataclasses.dataclass(frozen=True)
class Elementwise(Law):
    """A law of independent elements, each a function of its own random bits.

    One text, `of_bits`, is the law of a whole array, of any block of one, and of
    evenly spaced bits, which show the distribution without chance.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.laws import Uniform
        >>> one, zero = np.float32(1), np.float32(0)
        >>> Uniform().quantiles(4, np.dtype(np.float32), one, zero, one).tolist()
        [0.125, 0.375, 0.625, 0.875]
    """

    identical = True

    @property
    def keys(self) -> int:
        """The number of keys whose bits the law takes."""
        return 1

    def of_bits(self, bits: jax.Array, dtype: DType, *scalars: Number) -> jax.Array:
        """The values that random bits stand for.

        Args:
            bits: unsigned integers, of 32 bits, or of 64 for double precision.
            dtype: the type of the computation.
            *scalars: numbers of that type.

        Returns:
            An array of the shape of `bits`.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement of_bits(...)")

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        return self.block(key, shape, dtype, None, *scalars)

    def block(
        self,
        key: jax.Array,
        shape: tuple[int, ...],
        dtype: DType,
        start: Counter | None,
        *scalars: Number,
    ) -> jax.Array:
        """A block of a larger array: consecutive elements, from the flat index `start` on.

        Args:
            key: one threefry key.
            shape: the shape of the block.
            dtype: the type of the computation.
            start: the high and the low 32 bits of the index of the first element.
            *scalars: numbers of the type.

        Returns:
            The elements of the array that `values` makes.
        """
        return self.of_bits(random_bits(key, shape, bit_width(dtype), start), dtype, *scalars)

    def quantiles(self, count: int, dtype: DType, *scalars: Number) -> jax.Array:
        """The values of evenly spaced bits: what an array of `count` elements looks like."""
        width = bit_width(dtype)
        spacing = 2**32 // count
        even = lax.iota(np.uint32, count) * np.uint32(spacing) + np.uint32(spacing // 2)
        if width == 64:
            even = even.astype(UNSIGNED[64]) << np.uint64(32)
        return self.of_bits(even, dtype, *scalars)

    def distribution(self, x: ArrayLike, *scalars: ArrayLike) -> HostNumber | HostArray:
        """The probability of a value of at most `x`, in double precision on the host.

        Args:
            x: a number or an array.
            *scalars: concrete numbers.

        Returns:
            A number or an array between 0 and 1.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement distribution(...)")


@dataclasses.dataclass(frozen=True)
class OfLaw(Law):
    """A law made of another, whose scalars it takes: what such laws share.

    Args:
        law: the other law.
    """

    law: Law

    prefix: ClassVar[str]
    """What comes before the other's name."""

    @property
    def name(self) -> str:
        """What programs and messages call the law."""
        return f"{self.prefix}_{self.law.name}"

    @property
    def scalars(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the other law."""
        return self.law.scalars

    @property
    def linear(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the other law."""
        return self.law.linear

    @property
    def uses_key(self) -> bool:  # type: ignore[override]
        """Whether the other law does."""
        return self.law.uses_key


SHORT = 32
"""Where the innermost dimension is shorter than this, XLA:CPU writes loops that LLVM
unrolls. Where those differ in their last bits, a draw is made flat, as a loop of its own."""


def values_alone(
    law: Law, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
) -> jax.Array:
    """The values of a law as a program of its own has them, to the last bit."""
    short = compat.SHORT_LOOPS_DIFFER and isinstance(law, Elementwise)
    if not (short and len(shape) > 1 and shape[-1] < SHORT):
        return law.values(key, shape, dtype, *scalars)
    values = law.values(key, (math.prod(shape),), dtype, *scalars)
    return lax.optimization_barrier(values).reshape(shape)  # type: ignore[no-any-return]


def each(law: Law, one: Callable[[jax.Array], jax.Array], over: jax.Array, axis: int) -> jax.Array:
    """The arrays of a law that a function makes of each element, stacked along an axis.

    Elementwise laws make them all at once. The others one by one: a decomposition of many
    matrices is another program on a GPU than that of one, with other last bits, and ten times
    slower.
    """
    if isinstance(law, Elementwise):
        return jax.vmap(one, out_axes=axis)(over)
    return jnp.moveaxis(lax.map(one, over), 0, axis)


def bit_width(dtype: DType) -> int:
    """The random bits that an element of a law takes."""
    return 64 if dtype == np.float64 else 32


def unit(bits: jax.Array, dtype: DType) -> jax.Array:
    """Uniform values in [0, 1): random mantissas below the exponent of one.

    Args:
        bits: unsigned integers of 32 bits; of 64 for double precision.
        dtype: float32 or float64.

    Returns:
        An array of `dtype`, of the shape of `bits`.

    Example:
        >>> import numpy as np
        >>> unit(np.uint32([0, 2**31]), np.dtype(np.float32)).tolist()
        [0.0, 0.5]
    """
    width, mantissa = (64, 52) if dtype == np.float64 else (32, 23)
    one = np.ones((), dtype).view(bits.dtype)
    floats = lax.bitcast_convert_type((bits >> bits.dtype.type(width - mantissa)) | one, dtype)
    values: jax.Array = floats - dtype.type(1)
    return values


def is_complex(dtype: DType) -> bool:
    """Whether `dtype` has an imaginary part."""
    return bool(jnp.issubdtype(dtype, np.complexfloating))


def real_parts(scalars: Iterable[ArrayLike]) -> list[float]:
    """Concrete scalars as Python's numbers."""
    return [complex(value).real for value in scalars]

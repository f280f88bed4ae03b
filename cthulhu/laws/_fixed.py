"""Laws without chance: the key plays no part."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from cthulhu._types import DType, Number
from cthulhu.laws._base import Law, Moments, real_parts


@dataclasses.dataclass(frozen=True)
class Fill(Law):
    """The same `value` everywhere.

    Example:
        >>> Fill().moments((8,), 3.0)
        Moments(mean=3.0, stddev=0.0)
    """

    scalars = ("value",)
    linear = ("value",)
    identical = True
    uses_key = False

    def values(
        self, key: jax.Array | None, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The value, for any key."""
        return jnp.broadcast_to(scalars[0], shape)

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The value itself."""
        return Moments(real_parts(scalars)[0], 0.0)

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """The value itself."""
        (value,) = real_parts(scalars)
        return value, value


@dataclasses.dataclass(frozen=True)
class Eye(Law):
    """`gain` on the diagonal of a matrix, 0 elsewhere.

    Example:
        >>> Eye().moments((2, 2), 1.0)
        Moments(mean=0.5, stddev=0.5)
    """

    scalars = ("gain",)
    linear = ("gain",)
    uses_key = False

    def values(
        self, key: jax.Array | None, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The matrix, for any key."""
        (gain,) = scalars
        row = lax.broadcasted_iota(np.int32, shape, 0)
        column = lax.broadcasted_iota(np.int32, shape, 1)
        return jnp.where(row == column, gain, lax.full_like(gain, 0))

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The mean and the standard deviation over the matrix."""
        size = math.prod(shape)
        if not size:
            return Moments(0.0, 0.0)
        (gain,) = real_parts(scalars)
        mean = gain * min(shape) / size
        return Moments(mean, math.sqrt(max(0.0, gain**2 * min(shape) / size - mean**2)))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """Zero and the gain."""
        (gain,) = real_parts(scalars)
        return min(0.0, gain), max(0.0, gain)

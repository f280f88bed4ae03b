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
    """`gain` from each input to its output, 0 elsewhere: of a matrix, on the diagonal.

    Inputs and outputs are the last two axes. Others are spatial, and only their centre
    is not 0.

    Args:
        groups: the number of groups of outputs, each of which keeps the inputs.
        shift: how many outputs farther, in a circle, an input's own is.
        upper: whether the centre of an even size is the upper one.

    Example:
        >>> Eye().moments((2, 2), 1.0)
        Moments(mean=0.5, stddev=0.5)
    """

    groups: int = 1
    shift: int = 0
    upper: bool = False

    scalars = ("gain",)
    linear = ("gain",)
    uses_key = False

    def values(
        self, key: jax.Array | None, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The matrix or the kernel, for any key."""
        (gain,) = scalars
        *spatial, row, column = (
            lax.broadcasted_iota(np.int32, shape, axis) for axis in range(len(shape))
        )
        inputs, each = shape[-2], shape[-1] // self.groups
        own = row if not self.shift else (row + np.int32(self.shift % max(each, 1))) % each
        here = own == (column if self.groups == 1 else column % each)
        if self.shift or self.groups > 1:
            here &= row < min(inputs, each)
        for at, size in zip(spatial, shape, strict=False):
            here &= at == (size if self.upper else size - 1) // 2
        return jnp.where(here, gain, lax.full_like(gain, 0))

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The mean and the standard deviation over the whole."""
        size = math.prod(shape)
        if not size:
            return Moments(0.0, 0.0)
        (gain,) = real_parts(scalars)
        share = self.groups * min(shape[-2], shape[-1] // self.groups) / size
        return Moments(gain * share, abs(gain) * math.sqrt(share * (1 - share)))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """Zero and the gain."""
        (gain,) = real_parts(scalars)
        return min(0.0, gain), max(0.0, gain)

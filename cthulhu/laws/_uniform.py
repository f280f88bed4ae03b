"""The uniform law."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from cthulhu._types import DType, HostArray, HostNumber, Number
from cthulhu.laws._base import Elementwise, Moments, real_parts, unit


@dataclasses.dataclass(frozen=True)
class Uniform(Elementwise):
    """Uniform on [`low`, `low` + `width`), times `scale`.

    Example:
        >>> Uniform().moments((8,), 2.0, -1.0, 1.0).mean
        0.0
    """

    scalars = ("width", "low", "scale")
    linear = ("scale",)

    def of_bits(self, bits: jax.Array, dtype: DType, *scalars: Number) -> jax.Array:
        """The values that random bits stand for."""
        width, low, scale = scalars
        # Were the width known to be 1, XLA would take (bits - 1) + low for bits + (low - 1).
        factor = lax.optimization_barrier(jnp.asarray(width))
        values: jax.Array = (unit(bits, dtype) * factor + low) * scale
        return values

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The mean and the standard deviation."""
        width, low, scale = real_parts(scalars)
        return Moments((low + width / 2) * scale, width * abs(scale) / math.sqrt(12))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """The interval, closed: rounding may reach its end."""
        width, low, scale = real_parts(scalars)
        ends = sorted((low * scale, (low + width) * scale))
        return ends[0], ends[1]

    def distribution(self, x: ArrayLike, *scalars: ArrayLike) -> HostNumber | HostArray:
        """The probability of a value of at most `x`."""
        least, most = self.support(*scalars)
        if least == most:
            return (np.asarray(x) >= least).astype(float)
        return np.clip((np.asarray(x, float) - least) / (most - least), 0, 1)

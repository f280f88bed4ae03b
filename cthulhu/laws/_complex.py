"""Laws of complex numbers."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from cthulhu._types import DType, Number
from cthulhu.laws._base import Law, Moments, real_parts, unit
from cthulhu.random._bits import fused, random_bits

# What a cut at twice the modulus leaves of the standard deviation.
TRUNCATED_DISK_STDDEV = 0.95311164380491208


@dataclasses.dataclass(frozen=True)
class ComplexNormal(Law):
    """Complex normal of standard deviation `scale` around `shift`, as JAX draws it.

    Example:
        >>> ComplexNormal().moments((8,), 2.0, 0.0).stddev
        2.0
    """

    scalars = ("scale", "shift")
    linear = ("scale", "shift")
    identical = True

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        scale, shift = scalars
        values: jax.Array = jax.random.normal(fused(key), shape, dtype) * scale + shift
        return values

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The mean's real part, and the standard deviation."""
        scale, shift = real_parts(scalars)
        return Moments(shift, abs(scale))


@dataclasses.dataclass(frozen=True)
class ComplexDisk(Law):
    """A radius and an angle: uniform on a disk of unit variance, or normal cut at modulus 2.

    Args:
        truncated: whether it is the normal.

    Example:
        >>> ComplexDisk(truncated=False).moments((8,), 2.0).stddev
        2.0
    """

    truncated: bool

    scalars = ("scale",)
    linear = ("scale",)
    identical = True

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        (scale,) = scalars
        real = np.dtype(np.float32 if dtype == np.complex64 else np.float64)
        width = 64 if real == np.float64 else 32
        radius_key, angle_key = jax.random.split(fused(key))
        # As one loop, hash and complex functions take LLVM a minute to compile (JAX 0.12).
        spread, turn = lax.optimization_barrier(
            (
                unit(random_bits(radius_key, shape, width), real),
                unit(random_bits(angle_key, shape, width), real),
            )
        )
        angle = dtype.type(2 * np.pi) * turn.astype(dtype)
        if self.truncated:
            tail = (dtype.type(1) - jnp.exp(jnp.asarray(-4.0, dtype))) * spread.astype(dtype)
            radius = jnp.sqrt(-jnp.log(dtype.type(1) - tail))
        else:
            radius = jnp.sqrt(real.type(2) * spread).astype(dtype)
        values: jax.Array = radius * jnp.exp(dtype.type(1j) * angle) * scale
        return values

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """Zero, and the standard deviation."""
        (scale,) = real_parts(scalars)
        return Moments(0.0, abs(scale) * (TRUNCATED_DISK_STDDEV if self.truncated else 1.0))

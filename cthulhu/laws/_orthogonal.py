"""Orthogonal matrices."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from cthulhu._types import DType, Number
from cthulhu.laws._base import Law, Moments, is_complex, real_parts
from cthulhu.laws._normal import Normal
from cthulhu.random._bits import fused


@dataclasses.dataclass(frozen=True)
class Orthogonal(Law):
    """Haar-distributed matrices times `gain`: the sign-corrected QR of a Gaussian.

    Args:
        axis: the axis of the columns; the rest are rows.
        batch: the axes that stack independent matrices.

    Example:
        >>> Orthogonal(axis=1, batch=()).moments((16, 4), 1.0).stddev
        0.25
    """

    axis: int
    batch: tuple[int, ...]

    scalars = ("gain",)
    linear = ("gain",)
    identical = True

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        (gain,) = scalars
        rest = self.rows(shape)
        stack = tuple(shape[a] for a in self.batch)
        rows, columns = math.prod(shape[a] for a in rest), shape[self.axis]
        order = (*self.batch, *rest, self.axis)
        if 0 in shape:
            return jnp.zeros(shape, dtype)
        tall = (*stack, max(rows, columns), min(rows, columns))
        if is_complex(dtype):
            gaussian = jax.random.normal(fused(key), tall, dtype)
        else:
            unscaled = (dtype.type(math.sqrt(2)), dtype.type(0))
            gaussian = Normal().values(key, tall, dtype, *unscaled)
        basis, triangle = jnp.linalg.qr(gaussian)
        diagonal = jnp.diagonal(triangle, axis1=-2, axis2=-1)
        sign = jnp.where(diagonal == 0, dtype.type(1), jnp.sign(diagonal))
        matrix = basis * sign[..., None, :]
        if rows < columns:
            matrix = jnp.swapaxes(matrix, -1, -2)
        matrix = matrix.reshape(tuple(shape[a] for a in order))
        values: jax.Array = gain * jnp.transpose(matrix, tuple(int(a) for a in np.argsort(order)))
        return values

    def rows(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The axes of the rows."""
        return tuple(a for a in range(len(shape)) if a not in (*self.batch, self.axis))

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """Zero, and the root of the mean square."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        (gain,) = real_parts(scalars)
        largest = max(math.prod(shape[a] for a in self.rows(shape)), shape[self.axis])
        return Moments(0.0, abs(gain) / math.sqrt(largest))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """No element of a unit vector is larger than one."""
        (gain,) = real_parts(scalars)
        return -abs(gain), abs(gain)


@dataclasses.dataclass(frozen=True)
class DeltaOrthogonal(Law):
    """An orthogonal matrix times `gain` at the centre of the spatial axes, 0 elsewhere.

    Args:
        axis: which of the last two axes holds the columns, 0 or 1.

    Example:
        >>> DeltaOrthogonal(axis=1).moments((3, 3, 4, 4), 3.0).stddev
        0.5
    """

    axis: int

    scalars = ("gain",)
    linear = ("gain",)

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        matrix = Orthogonal(self.axis, ()).values(key, shape[-2:], dtype, *scalars)
        if 0 in shape:
            return jnp.zeros(shape, dtype)
        centre = tuple((size - 1) // 2 for size in shape[:-2])
        kernel = matrix.reshape((1,) * len(centre) + shape[-2:])
        before_after = [(at, size - 1 - at, 0) for at, size in zip(centre, shape, strict=False)]
        return lax.pad(kernel, dtype.type(0), [*before_after, (0, 0, 0), (0, 0, 0)])

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """Zero, and the root of the mean square, zeros included."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        (gain,) = real_parts(scalars)
        return Moments(0.0, abs(gain) / math.sqrt(max(shape[-2:]) * math.prod(shape[:-2])))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """No element of a unit vector is larger than one."""
        (gain,) = real_parts(scalars)
        return -abs(gain), abs(gain)

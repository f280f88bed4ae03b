"""Normal matrices of a given spectral norm."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from cthulhu._types import DType, Number
from cthulhu.laws._base import Moments, real_parts
from cthulhu.laws._matrices import Matrices, gaussians

# The mean and the variance of the Tracy-Widom laws, of real and of complex matrices.
TRACY_WIDOM = {False: (-1.2065335745820, 1.6077810345810), True: (-1.7710868074, 0.8131947928)}

# Where the smaller side is less, their approximation is off by more than a percent.
LEAST = 16


@dataclasses.dataclass(frozen=True)
class Spectral(Matrices):
    """Normal matrices, each divided by its largest singular value, times `norm`.

    Args:
        axis: the axis, or axes, of the columns; the rest are rows.
        batch: the axes that stack independent matrices.
        of_complex: whether the values are complex, which the moments depend on.

    Example:
        >>> vector = Spectral(axis=1, batch=()).moments((16, 1), 1.0)
        >>> vector.stddev
        0.25
    """

    of_complex: bool = False

    scalars = ("norm",)
    linear = ("norm",)

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        if 0 in shape:
            return jnp.zeros(shape, dtype)
        (norm,) = scalars
        order = self.order(shape)
        stack, rows, columns = self.extent(shape)
        normal = gaussians(key, shape, dtype)
        matrices = jnp.transpose(normal, order).reshape(*stack, rows, columns)
        largest = jnp.linalg.svd(matrices, compute_uv=False)[..., 0].astype(dtype)
        largest = largest.reshape(stack + (1,) * (len(shape) - len(stack)))
        factor = norm / jnp.transpose(largest, tuple(int(a) for a in np.argsort(order)))
        values: jax.Array = normal * factor
        return values

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments | None:
        """Zero, and the root of the mean square, to half a percent; `None` of small matrices."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        (norm,) = real_parts(scalars)
        _, rows, columns = self.extent(shape)
        size, least = rows * columns, min(rows, columns)
        if 1 < least < LEAST:
            return None
        share = 1.0 if least == 1 else mean_share(rows, columns, self.of_complex)
        return Moments(0.0, abs(norm) * math.sqrt(share / size))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """No element is larger than the largest singular value."""
        (norm,) = real_parts(scalars)
        return -abs(norm), abs(norm)


def mean_share(rows: int, columns: int, of_complex: bool) -> float:
    """The mean of a normal matrix's sum of squares over its largest singular value's square.

    That square, around its centre and in its scale, has nearly a Tracy-Widom law, by the
    constants of Ma (2012), https://arxiv.org/abs/1203.0839. It is the product of the sum of
    squares and of a share, which are independent. So both moments of the share are known,
    and with them nearly the mean of its inverse.
    """
    mean, variance = TRACY_WIDOM[of_complex]
    less = 0.0 if of_complex else 0.5
    long, short = math.sqrt(rows - less), math.sqrt(columns - less)
    scale = (long + short) * (1 / long + 1 / short) ** (1 / 3)
    first = (long + short) ** 2 + scale * mean
    second = first**2 + scale**2 * variance
    size = rows * columns
    inverse: float = second / first**3 * size**2 / (size + (1 if of_complex else 2))
    return inverse

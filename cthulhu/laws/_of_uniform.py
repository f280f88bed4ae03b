"""Monotone functions of a uniform."""

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from cthulhu._types import DType, HostArray, HostNumber, Number
from cthulhu.laws._base import Elementwise, Moments, real_parts, unit

PANELS, NODES = 1024, 8
HALVINGS = 60  # More than a double has bits.


@dataclasses.dataclass(frozen=True)
class OfUniform(Elementwise):
    """A monotone function of a uniform on [`low`, `low` + `width`).

    A subclass writes the function once, for JAX's arrays and for NumPy's. Of it come
    the values, and in double precision the support, the distribution (by bisection)
    and the moments (by the Gauss-Legendre rule in a thousand parts).

    Example:
        >>> class Square(OfUniform):
        ...     def of_uniform(self, uniform, xp, *scalars):
        ...         return xp.square(uniform)
        >>> round(Square().moments((8,), 1.0, 0.0).mean, 12)
        0.333333333333
        >>> round(float(Square().distribution(0.25, 1.0, 0.0)), 12)
        0.5
    """

    scalars: ClassVar[tuple[str, ...]] = ("width", "low")

    def of_uniform(self, uniform: Any, xp: Any, *scalars: Any) -> Any:
        """The function.

        Args:
            uniform: numbers of the uniform.
            xp: `jax.numpy` or `numpy`, whichever the numbers are of.
            *scalars: those that follow `width` and `low`.

        Returns:
            As many numbers.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement of_uniform(...)")

    def of_bits(self, bits: jax.Array, dtype: DType, *scalars: Number) -> jax.Array:
        """The values that random bits stand for."""
        width, low, *rest = scalars
        factor = lax.optimization_barrier(jnp.asarray(width))
        values: jax.Array = self.of_uniform(unit(bits, dtype) * factor + low, jnp, *rest)
        return values

    def of_share(self, share: Any, *scalars: ArrayLike) -> Any:
        """The function of this share of the interval, on the host."""
        width, low, *rest = real_parts(scalars)
        return self.of_uniform(np.asarray(share, float) * width + low, np, *rest)

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The mean and the standard deviation."""
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        shares = (np.arange(PANELS)[:, None] + (nodes + 1) / 2) / PANELS
        values, parts = self.of_share(shares, *scalars), weights / (2 * PANELS)
        mean = (values * parts).sum()
        variance = ((values - mean) ** 2 * parts).sum()
        return Moments(float(mean), float(np.sqrt(variance)))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """The interval, closed, but for the rounding of the values."""
        ends = sorted(self.of_share([0.0, 1.0], *scalars).tolist())
        return ends[0], ends[1]

    def distribution(self, x: ArrayLike, *scalars: ArrayLike) -> HostNumber | HostArray:
        """The probability of a value of at most `x`."""
        x = np.asarray(x, float)
        first, last = self.of_share([0.0, 1.0], *scalars)
        rises = bool(first <= last)
        left, right = np.zeros(x.shape), np.ones(x.shape)
        for _ in range(HALVINGS):
            middle = (left + right) / 2
            on = (self.of_share(middle, *scalars) <= x) == rises
            left, right = np.where(on, middle, left), np.where(on, right, middle)
        found: HostNumber | HostArray = right if rises else 1 - right
        return np.where(x < min(first, last), 0.0, found)

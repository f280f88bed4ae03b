"""The normal law, whole and truncated, by inversion."""

import dataclasses
import math

import jax
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from cthulhu._types import DType, HostArray, HostNumber, Number
from cthulhu.caches import bounded
from cthulhu.laws._base import Elementwise, Moments, real_parts, unit
from cthulhu.laws._inverse import erf_inv

# Inversion of 23 or 52 random bits reaches no further, in standard deviations.
REACH = {4: 5.5, 8: 8.3}


@dataclasses.dataclass(frozen=True)
class Normal(Elementwise):
    """Normal with mean `shift`; `scale` is the standard deviation times sqrt(2).

    Example:
        >>> Normal().moments((8,), 2**0.5, 3.0)
        Moments(mean=3.0, stddev=1.0)
    """

    scalars = ("scale", "shift")
    linear = ("scale", "shift")

    def of_bits(self, bits: jax.Array, dtype: DType, *scalars: Number) -> jax.Array:
        """The values that random bits stand for."""
        scale, shift = scalars
        low = np.nextafter(dtype.type(-1), dtype.type(0))
        uniform = lax.add(lax.mul(unit(bits, dtype), dtype.type(2)), low)
        quantile = erf_inv(uniform, ends=False)
        values: jax.Array = quantile * scale + shift
        return values

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The mean and the standard deviation."""
        scale, shift = real_parts(scalars)
        return Moments(shift, abs(scale) / math.sqrt(2))

    def distribution(self, x: ArrayLike, *scalars: ArrayLike) -> HostNumber | HostArray:
        """The probability of a value of at most `x`."""
        mean, stddev = self.moments((), *scalars)
        return standard(np.asarray(x, float), mean, stddev)


@dataclasses.dataclass(frozen=True)
class TruncatedNormal(Elementwise):
    """Normal, kept within (`least`, `most`), times `scale`, plus `shift`.

    `low` is erf(lower / sqrt(2)) of the lower bound, and `low` + `width` that of
    the upper one; `least` and `most` are the bounds' neighbours inside.

    Example:
        >>> import numpy as np
        >>> from cthulhu.functional import truncated_normal
        >>> values = truncated_normal(jax.random.key(0), (1000,), stddev=1.0)
        >>> bool((abs(values) < 2).all())
        True
    """

    scalars = ("width", "low", "least", "most", "scale", "shift")
    linear = ("scale", "shift")

    def of_bits(self, bits: jax.Array, dtype: DType, *scalars: Number) -> jax.Array:
        """The values that random bits stand for."""
        width, low, least, most, scale, shift = scalars
        inverse = erf_inv(unit(bits, dtype) * width + low, ends=True)
        unscaled = lax.min(lax.max(dtype.type(math.sqrt(2)) * inverse, least), most)
        values: jax.Array = unscaled * scale + shift
        return values

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The mean and the standard deviation, after the cut."""
        _, _, least, most, scale, shift = real_parts(scalars)
        mean, stddev = truncated_moments(least, most)
        return Moments(mean * scale + shift, stddev * abs(scale))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """The bounds."""
        _, _, least, most, scale, shift = real_parts(scalars)
        ends = sorted((least * scale + shift, most * scale + shift))
        return ends[0], ends[1]

    def distribution(self, x: ArrayLike, *scalars: ArrayLike) -> HostNumber | HostArray:
        """The probability of a value of at most `x`."""
        _, _, least, most, scale, shift = real_parts(scalars)
        if not scale:
            return (np.asarray(x) >= shift).astype(float)
        start, stop = (standard(np.asarray(end), 0.0, 1.0) for end in (least, most))
        z = (np.asarray(x, float) - shift) / scale
        below: HostArray = np.clip((standard(z, 0.0, 1.0) - start) / (stop - start), 0, 1)
        return below if scale > 0 else 1 - below


def standard(x: HostArray, mean: float, stddev: float) -> HostArray:
    """The distribution function of a normal law."""
    if not stddev:
        return (x >= mean).astype(float)
    from scipy import special

    below: HostArray = special.ndtr((np.asarray(x, float) - mean) / stddev)
    return below


NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)
PANELS = 64
NEARLY_UNIFORM = 1e4  # A normal that is wider than its cut by this.
HALVINGS = 52
DROP = 90.0  # Where the density is exp(-45) of its largest value, nothing is left to count.


@bounded(1024)
def truncated_moments(lower: float, upper: float) -> Moments:
    """The mean and the standard deviation of a standard normal cut at these bounds.

    Integrated around the point of largest density, so that no digits cancel, in far tails
    as in narrow cuts.
    """
    mode = min(max(0.0, lower), upper)
    reach = DROP / (math.sqrt(mode * mode + DROP) + abs(mode))
    start, stop = max(lower - mode, -reach), min(upper - mode, reach)
    width = (stop - start) / PANELS
    from_mode = start + width * (np.arange(PANELS)[:, None] + (NODES + 1) / 2)
    masses = np.exp(-from_mode * (mode + from_mode / 2)) * WEIGHTS
    masses /= masses.sum()
    mean = float((from_mode * masses).sum())
    variance = float(((from_mode - mean) ** 2 * masses).sum())
    return Moments(mode + mean, math.sqrt(variance))


@bounded(1024)
def parent_stddev(stddev: float, lower: float, upper: float) -> float | None:
    """The standard deviation of a normal around 0 that has `stddev` after a cut at these bounds.

    It grows with that of the normal, up to that of a uniform; `None` is for what is larger,
    or as good as equal.
    """

    def left(parent: float) -> float:
        return parent * truncated_moments(lower / parent, upper / parent).stddev

    high = stddev
    while left(high) < stddev:
        high *= 2
        if high > NEARLY_UNIFORM * (upper - lower):
            return None
    low = high / 2
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if left(middle) < stddev else (low, middle)
    return high

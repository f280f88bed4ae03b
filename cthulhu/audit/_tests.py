"""The tests of values against a law, each with the probability of what was seen under it."""

import math
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from cthulhu._types import DType, HostArray
from cthulhu.audit._observed import Observed
from cthulhu.caches import bounded
from cthulhu.laws import Elementwise, Moments
from cthulhu.laws._applied import grid

LEVELS = 2.0**-23  # The probability between two values that a draw of 23 bits can take.
FEW = 512  # Up to so many values, a distance has its exact probability.
COARSE = 0.02  # Where one number of the type has more of the law, moments are those of rounding.
HEAVY = 10.0  # Above this kurtosis, sums of squares are too far from their limit.
ROUNDING = 1e-6  # How far a bound may be off that was computed otherwise, of the law's width.


class Test(NamedTuple):
    """A test: what it looks at, how far off that is, and how probable that far is."""

    name: str
    z: float
    p: float


class Expected(NamedTuple):
    """The law of the elements of a part, as numbers."""

    law: Elementwise
    scalars: tuple[Any, ...]
    dtype: DType
    moments: Moments
    support: tuple[float, float]
    kurtosis: float

    def below(self, x: HostArray) -> HostArray:
        """The probability of a value of at most `x`."""
        return np.asarray(self.law.distribution(x, *self.scalars), float)


def expected_of(law: Any, scalars: tuple[Any, ...], dtype: DType, shape: Any) -> Expected | None:
    """The law as numbers; `None` if it does not tell its distribution."""
    if not isinstance(law, Elementwise):
        return None
    moments = law.moments(shape, *scalars)
    if moments is None or not moments.stddev or not math.isfinite(moments.stddev):
        return None
    plain = tuple(float(np.real(value)) for value in scalars)
    try:
        kurtosis = kurtosis_of(law, moments, plain)
    except NotImplementedError:
        return None
    return Expected(law, plain, dtype, moments, law.support(*plain), kurtosis)


@bounded(1024)
def kurtosis_of(law: Elementwise, moments: Moments, scalars: tuple[float, ...]) -> float:
    """The fourth moment around the mean, in standard deviations."""
    points, shares = grid(law, moments, *scalars)
    return float((((points - moments.mean) / moments.stddev) ** 4 * shares).sum())


def tests(seen: Observed, expected: Expected) -> list[Test]:
    """All tests of the values of a part."""
    values = np.sort(seen.sample.astype(np.float64))
    values = values[np.isfinite(values)]
    if not values.size:
        return []
    low, high = neighbours(values, expected.dtype)
    ends = [shape(expected, values, low, high), zeros(seen, expected), *extremes(seen, expected)]
    return [*moments(seen, expected, values, low, high), *ends]


def moments(
    seen: Observed, expected: Expected, values: HostArray, low: HostArray, high: HostArray
) -> list[Test]:
    """The tests of the mean and of the spread, where they are those of the law."""
    if float((expected.below(high) - expected.below(low)).max()) > COARSE:
        return []
    if seen.whole or expected.kurtosis > HEAVY:
        scores = normal_scores(expected, values, low, high)
        return [mean_of_scores(scores), spread_of_scores(scores)]
    return [mean(seen, expected), spread(seen, expected)]


def neighbours(values: HostArray, dtype: DType) -> tuple[HostArray, HostArray]:
    """The numbers that are rounded to each value: from where, and up to where."""
    exact, ends = values.astype(dtype), jnp.finfo(dtype)  # type: ignore[no-untyped-call]
    # Up to the last: some narrow types have no infinity.
    up = np.nextafter(exact, np.asarray(ends.max, dtype)).astype(np.float64)
    down = np.nextafter(exact, np.asarray(ends.min, dtype)).astype(np.float64)
    return (down + values) / 2, (up + values) / 2


def normal_scores(
    expected: Expected, values: HostArray, low: HostArray, high: HostArray
) -> HostArray:
    """What standard normal values the values stand for, by their probabilities."""
    from scipy import special

    middle = (expected.below(low) + expected.below(high)) / 2
    scores: HostArray = special.ndtri(np.clip(middle, 1e-12, 1 - 1e-12))
    return scores


def two_sided(z: float) -> float:
    """The probability of a standard normal value as far from 0."""
    return math.erfc(abs(z) / math.sqrt(2))


def mean(seen: Observed, expected: Expected) -> Test:
    """The mean, by the central limit."""
    z = (seen.mean - expected.moments.mean) / expected.moments.stddev * math.sqrt(seen.size)
    return Test("mean", z, two_sided(z))


def mean_of_scores(scores: HostArray) -> Test:
    """The mean of normal scores, which is exact for any number."""
    z = float(scores.mean()) * math.sqrt(scores.size)
    return Test("mean", z, two_sided(z))


def spread(seen: Observed, expected: Expected) -> Test:
    """The mean square around the mean that is expected, by a gamma law of its variance."""
    ratio = seen.squares / expected.moments.stddev**2
    return of_squares(ratio * seen.size, seen.size, expected.kurtosis - 1)


def spread_of_scores(scores: HostArray) -> Test:
    """The sum of squares of normal scores, which is that of a chi-squared law."""
    return of_squares(float(np.square(scores).sum()), scores.size, 2.0)


def of_squares(total: float, count: int, variance: float) -> Test:
    """A sum of squares, of mean `count` and of this variance for each."""
    from scipy import special

    scale = variance
    shape, x = count / scale, total / scale
    p = 2 * min(float(special.gammainc(shape, x)), float(special.gammaincc(shape, x)))
    # The relative error of the standard deviation, in standard errors.
    z = (math.sqrt(total / count) - 1) * 2 * math.sqrt(count / scale)
    return Test("stddev", z, min(1.0, p))


def shape(expected: Expected, values: HostArray, low: HostArray, high: HostArray) -> Test:
    """The largest distance between the distributions: Kolmogorov and Smirnov's.

    Values that many numbers are rounded to are compared where the rounding ends, so that the
    test is exact for them, or on the safe side.
    """
    count = values.size
    last = np.append(values[1:] != values[:-1], True)
    to = np.flatnonzero(last) + 1
    above = np.abs(to / count - expected.below(high[last])).max()
    first = np.append(True, last[:-1])
    under = np.abs(np.flatnonzero(first) / count - expected.below(low[first])).max()
    distance = float(max(above, under))
    return Test("distribution", distance * math.sqrt(count), of_distance(distance, count))


def of_distance(distance: float, count: int) -> float:
    """The probability of so large a distance, or a little more than that."""
    if count > FEW:
        return min(1.0, 2 * math.exp(-2 * count * distance**2))  # Massart's bound.
    from scipy import special

    return min(1.0, 2 * float(special.smirnov(count, min(1.0, distance))))


def zeros(seen: Observed, expected: Expected) -> Test:
    """How many values are exactly 0: not more than rounding makes, and the levels of a draw."""
    from scipy import special

    least = float(jnp.finfo(expected.dtype).smallest_normal)  # type: ignore[no-untyped-call]
    below = expected.below(np.array([-least, least]))
    share = min(1.0, float(below[1] - below[0]) + 2 * LEVELS)
    count = seen.zeros
    p = float(special.bdtrc(count - 1, seen.size, share)) if count and share < 1 else 1.0
    return Test("zeros", (count - seen.size * share) / math.sqrt(seen.size * share), p)


def extremes(seen: Observed, expected: Expected) -> list[Test]:
    """The least and the greatest value: of so many, they are neither too far out nor too near."""
    ends = np.array([seen.low, seen.high])
    low, high = neighbours(ends, expected.dtype)
    width = ROUNDING * expected.moments.stddev
    least, most = expected.support
    slack = np.abs(high - low) + width
    found = []
    for at, (name, beyond) in enumerate(
        (("minimum", least - ends[0]), ("maximum", ends[1] - most))
    ):
        if beyond > slack[at]:
            found.append(Test(name, beyond / expected.moments.stddev, 0.0))
            continue
        inner, outer = (high, low) if at == 0 else (low, high)
        # How improbable a value beyond is: as it is rounded, and as a draw has levels.
        near, far = (tail(expected, np.array([one[at]]), at) for one in (inner, outer))
        too_near = math.exp(seen.size * math.log1p(-min(max(far - LEVELS, 0.0), 1 - 1e-16)))
        too_far = -math.expm1(seen.size * math.log1p(-min(near, 1 - 1e-16)))
        p = min(1.0, 2 * min(too_near, too_far))
        side = 1.0 if too_far < too_near else -1.0
        found.append(Test(name, side * math.sqrt(-2 * math.log(max(p, 1e-300))), p))
    return found


def tail(expected: Expected, x: HostArray, at: int) -> float:
    """The probability of what is beyond `x`, on one side."""
    below = float(expected.below(x)[0])
    return below if at == 0 else 1 - below

"""Values against draws of the same law, where the law does not tell its distribution.

Their elements may depend on each other, so that nothing can be said of one array alone. A few
arrays are drawn of other keys; what is seen is compared with what these show, in Student's
manner: the test is as wide as so few draws allow. What is compared is on a logarithmic scale
where it is large, so that a law of long tails is not found wrong for one far value; and never
taken to be narrower than the chance of which elements there are, so that a law of few values
is not for another one of them.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cthulhu._types import HostArray
from cthulhu.audit._observed import Observed, on_host
from cthulhu.audit._tests import Test

DRAWS = 8
QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
FLOOR = 1e-5  # What rounding and another order of sums may change, relative to the values.


class Known(NamedTuple):
    """What draws show."""

    unit: float
    """How large their values are."""
    features: dict[str, HostArray]
    """What is compared, of each draw."""
    floors: dict[str, float]
    """What each differs by at least, by which elements there are."""
    always: HostArray | None
    """The array that all draws are, if they are one."""


def known_of(draw: Callable[[int], HostArray]) -> Known:
    """What draws show, one after the other.

    Args:
        draw: a function of a number to an array of the law.
    """
    first = draw(0)
    seen, same = [on_host(np.asarray(first), 0.0)], True
    for number in range(1, DRAWS):
        other = draw(number)
        same = same and np.array_equal(first, other, equal_nan=True)
        seen.append(on_host(np.asarray(other), 0.0))
    size = np.abs(seen[0].sample[seen[0].sample != 0].astype(np.float64))
    unit = float(np.median(size)) if size.size else 1.0
    each = [features(one, unit) for one in seen]
    found = {name: np.array([one[name] for one in each]) for name in each[0]}
    return Known(unit, found, floors(seen, unit), first if same else None)


def scaled(values: HostArray, unit: float) -> HostArray:
    """Values in a unit, as they are where they are small, by their logarithm where not."""
    found: HostArray = np.arcsinh(np.asarray(values, np.float64) / unit)
    return found


def features(seen: Observed, unit: float) -> dict[str, float]:
    """What is compared: sums and extremes of all values, quantiles of a sample."""
    sample = seen.sample.astype(np.float64)
    square = seen.mean**2 + seen.stddev**2
    ends = scaled(np.array([seen.mean, seen.low, seen.high]), unit).tolist()
    quantiles = scaled(np.quantile(sample, QUANTILES), unit).tolist()
    return {
        "mean": ends[0],
        "stddev": math.log(max(math.sqrt(square) / unit, 1e-30)),
        "zeros": float((sample == 0).mean()),
        "minimum": ends[1],
        "maximum": ends[2],
        **{f"quantile {q}": x for q, x in zip(QUANTILES, quantiles, strict=True)},
    }


def floors(seen: list[Observed], unit: float) -> dict[str, float]:
    """How far features of independent elements are apart: a standard error of each.

    It is taken from what lies four of them apart, so that a law of few values, of which a
    feature is mostly the same one, counts as one that may show another.
    """
    count = seen[0].sample.size
    pooled = np.concatenate([one.sample for one in seen]).astype(np.float64)

    def gap(share: float, by: float) -> float:
        low, high = np.quantile(pooled, np.clip([share - by, share + by], 0, 1))
        return float(scaled(high, unit) - scaled(low, unit))

    zeros = float((pooled == 0).mean())
    found = {q: gap(q, 4 * math.sqrt(q * (1 - q) / count) + 2 / count) / 8 for q in QUANTILES}
    return {
        "zeros": math.sqrt((zeros * (1 - zeros) + 1 / pooled.size) / count),
        "minimum": gap(0, 8 / count) / 4,
        "maximum": gap(1, 8 / count) / 4,
        **{f"quantile {q}": by for q, by in found.items()},
    }


def compare(seen: Observed, known: Known, resolution: float) -> list[Test]:
    """Tests of real values against draws.

    Args:
        seen: what is looked at.
        known: what draws show.
        resolution: the relative distance of the numbers of the type.

    Returns:
        A test for each feature.
    """
    own = features(seen, known.unit)
    return [
        student(name, own[name], drawn, max(FLOOR, resolution, known.floors.get(name, 0.0)))
        for name, drawn in known.features.items()
    ]


def student(name: str, seen: float, drawn: HostArray, least: float) -> Test:
    """Whether a number could be one more of those that were drawn."""
    from scipy import special

    spread = max(float(drawn.std(ddof=1)), least)
    t = (seen - float(drawn.mean())) / (spread * math.sqrt(1 + 1 / len(drawn)))
    p = 2 * float(special.stdtr(len(drawn) - 1, -abs(t)))
    return Test("distribution" if name.startswith("quantile") else name, t, p)


@functools.cache
def keys() -> HostArray:
    """The key data of the draws."""
    return np.random.default_rng(20261127).integers(0, 2**32, (DRAWS, 2), np.uint32)

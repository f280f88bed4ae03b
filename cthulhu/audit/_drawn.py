"""Values against draws of the same law, where the law does not tell its distribution.

Their elements may depend on each other, so that nothing can be said of one array alone. A few
arrays are drawn of other keys; what is seen is compared with what these show, in Student's
manner: the test is as wide as so few draws allow.
"""

import functools
import math
from collections.abc import Callable

import numpy as np

from cthulhu._types import HostArray
from cthulhu.audit._tests import Test

DRAWS = 8
QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
FLOOR = 1e-5  # What rounding and another order of sums may change, in root mean squares.


def features(values: HostArray, scale: float) -> dict[str, float]:
    """What is compared: sums, extremes and quantiles, in units of a scale."""
    flat = values.reshape(-1).astype(np.float64)
    quantiles = np.quantile(flat, QUANTILES) / scale
    return {
        "mean": float(flat.mean()) / scale,
        "stddev": math.sqrt(float(np.square(flat).mean())) / scale,
        "zeros": float((flat == 0).mean()),
        "minimum": float(flat.min()) / scale,
        "maximum": float(flat.max()) / scale,
        **{f"quantile {q}": float(x) for q, x in zip(QUANTILES, quantiles, strict=True)},
    }


def compare(values: HostArray, draw: Callable[[int], HostArray], resolution: float) -> list[Test]:
    """Tests of real values against draws.

    Args:
        values: what is looked at.
        draw: a function of a number to an array of the same law.
        resolution: the relative distance of the numbers of the type.

    Returns:
        A test for each feature.
    """
    drawn = [draw(number) for number in range(DRAWS)]
    scale = math.sqrt(float(np.mean([np.square(one.astype(np.float64)).mean() for one in drawn])))
    scale = scale or 1.0
    seen = features(values, scale)
    known = [features(one, scale) for one in drawn]
    return [
        student(name, seen[name], np.array([one[name] for one in known]), resolution)
        for name in seen
    ]


def student(name: str, seen: float, drawn: HostArray, resolution: float) -> Test:
    """Whether a number could be one more of those that were drawn."""
    from scipy import special

    spread = max(float(drawn.std(ddof=1)), FLOOR, resolution)
    t = (seen - float(drawn.mean())) / (spread * math.sqrt(1 + 1 / len(drawn)))
    p = 2 * float(special.stdtr(len(drawn) - 1, -abs(t)))
    return Test("distribution" if name.startswith("quantile") else name, t, p)


@functools.cache
def keys() -> HostArray:
    """The key data of the draws."""
    return np.random.default_rng(20261127).integers(0, 2**32, (DRAWS, 2), np.uint32)

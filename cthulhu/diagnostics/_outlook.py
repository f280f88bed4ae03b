"""What the values of a parameter should be, as numbers: moments, and how far chance moves them."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from cthulhu._types import DType, HostArray
from cthulhu.audit._looks import resolution, sections
from cthulhu.audit._observed import Observed
from cthulhu.audit._tests import HEAVY, Expected, expected_of, moments, neighbours
from cthulhu.caches import bounded
from cthulhu.laws._applied import grid
from cthulhu.laws._base import Moments, Section
from cthulhu.params._leaves import Leaf

COARSE = 0.01  # Of a type whose numbers are farther apart, moments are those of rounding.


class Outlook(NamedTuple):
    """What the values of a parameter should be."""

    mean: float | None = None
    stddev: float | None = None
    mean_error: float | None = None
    """The standard deviation of the mean of all values; 0 where nothing is random."""
    square_error: float | None = None
    """That of their mean square around `mean`, relative to it."""
    parts: "tuple[tuple[float, Expected | float], ...] | None" = None
    """The laws, or the numbers, of which so large a share of the elements each are."""
    section: Section | None = None
    """The part that stands for all, where all elements have one law."""
    random: bool | None = None
    """Whether chance plays a part; `None` if nobody knows."""

    @property
    def law(self) -> Expected | None:
        """The law of every element, where there is one."""
        if self.section is None or self.parts is None:
            return None
        only = self.parts[0][1]
        return only if isinstance(only, Expected) else None

    def below(self, x: HostArray) -> HostArray | None:
        """The share of values of at most `x`, if the law tells it."""
        if self.parts is None:
            return None
        found = np.zeros(x.shape)
        for share, one in self.parts:
            found += share * (one.below(x) if isinstance(one, Expected) else x >= one)
        return found


UNKNOWN = Outlook()


def outlook(leaf: Leaf, dtype: DType) -> Outlook:
    """What the values of a parameter should be.

    Args:
        leaf: the parameter.
        dtype: the type of its values, of which the plan may not know.
    """
    if leaf.kept or leaf.draw is None or not math.prod(leaf.shape):
        return UNKNOWN
    parts: dict[tuple[Any, ...], tuple[Section, int]] = {}
    for section in sections(leaf):
        same = (section.law, section.shape, section.scalars)
        parts[same] = (section, parts.get(same, (section, 0))[1] + 1)
    one = tuple((section._replace(place=()), count) for section, count in parts.values())
    return pooled(one, np.dtype(dtype))


@bounded(1024)
def pooled(parts: tuple[tuple[Section, int], ...], dtype: DType) -> Outlook:
    """What is expected of an array of parts, each so many times."""
    known = [section.law.moments(section.shape, *section.scalars) for section, _ in parts]
    random = any(section.law.uses_key for section, _ in parts)
    found = [one for one in known if one is not None]
    if len(found) < len(known):
        return UNKNOWN._replace(random=random)
    sizes = [math.prod(section.shape) * count for section, count in parts]
    size = sum(sizes)
    mean = sum(share * one.mean for share, one in zip(sizes, found, strict=True)) / size
    square = sum(
        share * (one.stddev**2 + (one.mean - mean) ** 2)
        for share, one in zip(sizes, found, strict=True)
    )
    if jnp.issubdtype(dtype, np.complexfloating):
        # Of real and imaginary parts together, where the mean is real.
        stddev = math.sqrt(square / size / 2 + mean**2 / 4)
        return UNKNOWN._replace(mean=mean / 2, stddev=stddev, random=random)
    outlook = Outlook(mean, math.sqrt(square / size), random=random)
    laws = [law_of(section, one, dtype) for (section, _), one in zip(parts, found, strict=True)]
    of_laws = [law for law in laws if law is not None]
    if len(of_laws) < len(laws):
        return outlook
    shares = tuple((share / size, law) for share, law in zip(sizes, of_laws, strict=True))
    only = parts[0][0] if len({law_key(law) for law in of_laws}) == 1 else None
    outlook = outlook._replace(parts=((1.0, of_laws[0]),) if only else shares, section=only)
    if resolution(dtype) > COARSE and only is None:
        return outlook
    errors = errors_of(sizes, of_laws, mean, square)
    return outlook._replace(mean_error=errors[0], square_error=errors[1])


def law_of(section: Section, known: Moments, dtype: DType) -> Expected | float | None:
    """The law of the elements of a part, one they nearly have, or the number that all are."""
    if not known.stddev:
        return known.mean
    if not section.law.uses_key:
        return None
    section = section.law.nearly(section.shape, *section.scalars) or section
    return expected_of(section.law, section.scalars, dtype, section.shape)


def law_key(law: Expected | float) -> Any:
    """What is the same for parts that have one law."""
    return (law.law, law.scalars) if isinstance(law, Expected) else law


def errors_of(
    sizes: Sequence[int], laws: Sequence[Expected | float], mean: float, square: float
) -> tuple[float, float]:
    """The standard deviation of the mean, and of the mean square, of parts of these sizes."""
    of_means = of_squares = 0.0
    for size, law in zip(sizes, laws, strict=True):
        if not isinstance(law, Expected):
            continue
        stddev = law.moments.stddev
        of_means += size * stddev**2
        if law.moments.mean == mean:
            of_squares += size * (law.kurtosis - 1) * stddev**4
        else:
            points, shares = grid(law.law, law.moments, *law.scalars)
            around = (points - mean) ** 2
            average = float((around * shares).sum())
            of_squares += size * float(((around - average) ** 2 * shares).sum())
    return math.sqrt(of_means) / sum(sizes), math.sqrt(of_squares) / square if square else 0.0


def scores(seen: Observed, outlook: Outlook, dtype: DType) -> tuple[float | None, float | None]:
    """How far the mean and the standard deviation are off, in standard errors.

    Of few values, or of heavy tails, they are those of the normal scores, which are exact.
    """
    law = outlook.law
    narrow = resolution(dtype) > 1e-4 * min(1.0, spread_to_mean(outlook))
    if law is not None and (seen.whole or law.kurtosis > HEAVY or narrow):
        values = np.sort(seen.sample.astype(np.float64))
        law = law._replace(dtype=dtype)
        found = {
            test.name: test.z for test in moments(seen, law, values, *neighbours(values, dtype))
        }
        return found.get("mean"), found.get("stddev")
    if not outlook.mean_error or not outlook.square_error:
        return None, None
    assert outlook.mean is not None
    assert outlook.stddev is not None
    ratio = math.sqrt(seen.squares) / outlook.stddev
    return (
        (seen.mean - outlook.mean) / outlook.mean_error,
        (ratio - 1) * 2 / outlook.square_error,
    )


def spread_to_mean(outlook: Outlook) -> float:
    """How wide a law is beside where it is; 1 or more if it is around 0."""
    return outlook.stddev / abs(outlook.mean) if outlook.mean and outlook.stddev else 1.0

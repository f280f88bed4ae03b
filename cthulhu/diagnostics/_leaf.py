"""`LeafReport`: what `report` saw of a parameter."""

import dataclasses
import math
from typing import Any, NamedTuple

from cthulhu.audit import Flag

FACTS = frozenset({"constant", "zero"})
"""The kinds of flags that say what is there, and not that it is wrong."""


class Histogram(NamedTuple):
    """How values are distributed: those of a sample, and what is expected of them.

    Args:
        low: where the first bin begins.
        high: where the last one ends; all are of one width.
        counts: how many values are in each.
        shares: the probability of each under the law; `None` where it is not known.

    Example:
        >>> import numpy as np
        >>> from cthulhu.diagnostics import report
        >>> leaf = report({"w": np.linspace(-1, 1, 400, dtype=np.float32)}).leaves[0]
        >>> sum(leaf.histogram.counts), max(leaf.histogram.counts)
        (400, 13)
    """

    low: float
    high: float
    counts: tuple[int, ...]
    shares: tuple[float, ...] | None = None


@dataclasses.dataclass(frozen=True)
class LeafReport:
    """A parameter: what is there, and what should be. Plain data.

    Args:
        path: its path, joined by slashes.
        shape: its shape.
        dtype: its type.
        role: what it is, if the rules say it.
        expected: what should have made it, if rules say it.
        expected_mean: the mean of that law, if it is known.
        expected_stddev: its standard deviation, likewise.
        mean: the mean of the values that are finite; of complex ones, of the real and the
            imaginary parts, like all that follows.
        stddev: their standard deviation.
        minimum: the least of them.
        maximum: the greatest.
        distinct: how many different values there are among `sampled` of them.
        sampled: how many values were looked at one by one: all, up to 4,096; of more, so many,
            from places all over the array.
        zeros: how many of all values are 0.
        non_finite: how many are no finite numbers.
        z_mean: how far the mean is off, in standard errors; `None` where that is not known.
        z_stddev: how far the standard deviation is off, likewise.
        flags: what is to be said of it. Kinds that tell what is there: ``"constant"``,
            ``"zero"``. Kinds of faults: ``"non-finite"``; ``"dead"`` and ``"zeroed"``, one
            number where a law is random (without rules: a matrix of one number but 0);
            ``"value"`` and ``"not zeroed"``, other than a law that is not; ``"mean"`` and
            ``"stddev"``, off by more than `TreeReport.z`; ``"support"``, beyond what the law
            reaches; ``"distribution"``, of another shape; ``"narrow"``, drawn in a narrower type
            than it has; ``"shape"`` and ``"missing"``.
        note: what was not looked at, and why.
        histogram: how the values that were sampled are distributed, unless all are one.

    Example:
        >>> import numpy as np
        >>> from cthulhu.diagnostics import report
        >>> leaf = report({"scale": np.ones(4, np.float32)}).leaves[0]
        >>> leaf.mean, leaf.flags[0].kind, leaf.healthy
        (1.0, 'constant', True)
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    role: str | None = None
    expected: str | None = None
    expected_mean: float | None = None
    expected_stddev: float | None = None
    mean: float | None = None
    stddev: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    distinct: int = 0
    sampled: int = 0
    zeros: int = 0
    non_finite: int = 0
    z_mean: float | None = None
    z_stddev: float | None = None
    flags: tuple[Flag, ...] = ()
    note: str = ""
    histogram: Histogram | None = None

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def z(self) -> float | None:
        """How far the mean or the standard deviation is off, whichever is farther."""
        known = [z for z in (self.z_mean, self.z_stddev) if z is not None]
        return max(known, key=abs, default=None)

    @property
    def faults(self) -> tuple[Flag, ...]:
        """The flags that say that something is wrong."""
        return tuple(flag for flag in self.flags if flag.kind not in FACTS)

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults


def leaf_of(record: dict[str, Any]) -> LeafReport:
    """A parameter of a report in JSON."""
    flags = tuple(Flag(**flag) for flag in record["flags"])
    histogram = record["histogram"]
    if histogram is not None:
        shares = histogram["shares"]
        histogram = Histogram(
            histogram["low"],
            histogram["high"],
            tuple(histogram["counts"]),
            None if shares is None else tuple(shares),
        )
    known = {**record, "shape": tuple(record["shape"]), "flags": flags, "histogram": histogram}
    return LeafReport(**known)

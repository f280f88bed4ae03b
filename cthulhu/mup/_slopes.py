"""What is measured in a coordinate check: rows, and the slopes of many."""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from cthulhu._types import HostArray

Kind: TypeAlias = Literal["layer", "readout", "contraction"]
"""What an activation is the output of.

A ``readout`` has inputs that grow with the width, and outputs that do not; a ``contraction``
is of activations with each other, as of queries and keys.
"""

Statistic: TypeAlias = Literal["l1", "l2", "std", "change"]
LeafStatistic: TypeAlias = Literal["norm", "change", "decay"]
STATISTICS: tuple[str, ...] = get_args(Statistic)
LEAF_STATISTICS: tuple[str, ...] = get_args(LeafStatistic)


class Watched(NamedTuple):
    """An activation: what it is called, and what it is the output of."""

    name: str
    kind: Kind


class Coordinate(NamedTuple):
    """An activation before a step, at a width: means over elements, averaged over seeds.

    Args:
        name: its name: the path of the kernel or table, or the scopes around a contraction.
        step: the number of the step, from 1.
        width: the width of the model.
        l1: the mean of |x|.
        l2: the root mean square.
        mean: the mean.
        std: the standard deviation.
        change: the root mean square of the difference to the activation before step 1.
    """

    name: str
    step: int
    width: int
    l1: float
    l2: float
    mean: float
    std: float
    change: float


class LeafNorm(NamedTuple):
    """A parameter before a step, at a width, averaged over seeds.

    Args:
        path: its path.
        step: the number of the step, from 1.
        width: the width of the model.
        norm: of a kernel, its largest singular value over √(outputs / inputs), by a power
            iteration; else `None`.
        change: likewise of its difference to the kernel before step 1.
        decay: which share of a weight the optimizer takes away at a step where the gradient
            is zero: the learning rate times the weight decay.
    """

    path: str
    step: int
    width: int
    norm: float | None
    change: float | None
    decay: float


class Failure(NamedTuple):
    """What is not flat: an activation before a step, or the decay of a parameter (step 0)."""

    name: str
    step: int
    slope: float
    lowest: float
    highest: float

    @property
    def text(self) -> str:
        """The failure in words."""
        what = f"{self.name} before step {self.step}" if self.step else f"the decay of {self.name}"
        if math.isnan(self.slope):
            return f"{what}: zero at some widths, and not at others"
        return f"{what}: slope {self.slope:+.2f}, not in [{self.lowest:+.2g}, {self.highest:+.2g}]"


PARTS: dict[str, Callable[..., Any]] = {
    "activations": Watched,
    "coordinates": Coordinate,
    "leaves": LeafNorm,
}


def slope(widths: tuple[int, ...], values: HostArray) -> float:
    """The slope of log values over log widths, of the least squares; NaN if one has no log."""
    if not (values > 0).all():
        return math.nan
    at = np.log(np.asarray(widths, float))
    at -= at.mean()
    return float(at @ np.log(values) / (at @ at))

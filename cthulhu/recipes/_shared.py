"""What several families share: the laws of frameworks' own layers, and shorthands."""

import dataclasses
from typing import Any

import numpy as np

from cthulhu._types import HostArray
from cthulhu.initializers import (
    Masked,
    TorchBias,
    TorchLinear,
    TruncatedNormal,
    VarianceScaling,
    ZeroFirst,
)
from cthulhu.programs._draws import TRUNCATED_STDDEV
from cthulhu.typing import Mode


def cut(stddev: float, at: float = 2.0) -> Any:
    """A normal law that is cut at so many standard deviations, and not corrected."""
    return TruncatedNormal(stddev=stddev, lower=-at, upper=at)


def torch_cut(stddev: float) -> Any:
    """What torch's ``trunc_normal_(std=…)`` draws by default: its bounds are the values ±2."""
    return TruncatedNormal(stddev=stddev, lower=-2.0, upper=2.0, absolute=True)


def fan_in_normal(scale: float = 1.0) -> Any:
    """A normal law of variance ``scale / fan_in``, which is not truncated."""
    return VarianceScaling(scale, "fan_in", "untruncated_normal")


def cut_fan(mode: Mode = "fan_in") -> Any:
    """A normal law of variance ``1 / fan``, cut at two standard deviations, and not corrected."""
    return VarianceScaling(TRUNCATED_STDDEV**2, mode, "truncated_normal")


def packed_glorot(parts: int) -> Any:
    """What Glorot uniform means for one of the square kernels that it counted together."""
    return VarianceScaling(2 / (1 + parts), "fan_avg", "uniform")


@dataclasses.dataclass(frozen=True)
class AllBut:
    """The mask of a table without one row."""

    row: int

    def __call__(self, shape: tuple[int, ...]) -> HostArray:
        """False in the row."""
        kept: HostArray = np.arange(shape[0])[:, None] != self.row
        return kept


def padded(initializer: Any, padding: int | None) -> Any:
    """A table whose row for padding is 0, as torch's ``Embedding(padding_idx=…)``."""
    if padding is None:
        return initializer
    return Masked(initializer, AllBut(padding)) if padding else ZeroFirst(initializer)


TORCH_KERNEL, TORCH_BIAS = TorchLinear(), TorchBias()

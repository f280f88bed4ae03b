"""What several families share: the laws of frameworks' own layers, and shorthands."""

from typing import Any

from cthulhu.initializers import TorchBias, TorchLinear, TruncatedNormal, VarianceScaling
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


TORCH_KERNEL, TORCH_BIAS = TorchLinear(), TorchBias()

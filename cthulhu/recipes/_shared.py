"""What several families share: the laws of frameworks' own layers, and shorthands."""

from typing import Any

from cthulhu.initializers import TorchBias, TorchLinear, TruncatedNormal, VarianceScaling


def cut(stddev: float, at: float = 2.0) -> Any:
    """A normal law that is cut at so many standard deviations, and not corrected."""
    return TruncatedNormal(stddev=stddev, lower=-at, upper=at)


def torch_cut(stddev: float) -> Any:
    """What torch's ``trunc_normal_(std=…)`` draws by default: its bounds are the values ±2."""
    return TruncatedNormal(stddev=stddev, lower=-2.0, upper=2.0, absolute=True)


def fan_in_normal(scale: float = 1.0) -> Any:
    """A normal law of variance ``scale / fan_in``, which is not truncated."""
    return VarianceScaling(scale, "fan_in", "untruncated_normal")


TORCH_KERNEL, TORCH_BIAS = TorchLinear(), TorchBias()

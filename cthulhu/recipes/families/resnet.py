"""ResNets, which differ in fans, in the last norm of a branch and in the head."""

from collections.abc import Sequence

from cthulhu.initializers import LecunNormal, RandomNormal, VarianceScaling
from cthulhu.recipes._recipe import Row, changed, family, row
from cthulhu.recipes._shared import TORCH_BIAS, TORCH_KERNEL

TORCHVISION = "pytorch/vision, torchvision/models/resnet.py"
TIMM = "huggingface/pytorch-image-models, timm/models/resnet.py"
GOYAL = "Goyal et al. 2017, arXiv:1706.02677; facebookresearch/pycls, pycls/models/blocks.py"
FLAX = "google/flax, examples/imagenet/models.py"
BIG_VISION = "google-research/big_vision, models/bit.py"

RESNET = family(
    "resnet",
    roles="stem conv downsample norm.scale norm.last.scale norm.bias head head.bias",
    layers=16,
    width=256,
    vocabulary=1000,
    channels=3,
)

FAN_OUT = VarianceScaling(2.0, "fan_out", "untruncated_normal")


@RESNET.variant("", "torchvision", "hf")
def torchvision() -> Sequence[Row]:
    """ResNet of torchvision: He normal by outputs, and a head as torch leaves it."""
    return (
        row("kernel", FAN_OUT, TORCHVISION),
        row("scale", "ones", TORCHVISION),
        row("bias", "zeros", TORCHVISION),
        row("head", TORCH_KERNEL, TORCHVISION),
        row("head.bias", TORCH_BIAS, TORCHVISION),
    )


@RESNET.variant("timm")
def timm() -> Sequence[Row]:
    """ResNet of timm: as torchvision's, with the last norm of each branch at 0."""
    rows = (one._replace(source=TIMM) for one in torchvision())
    return changed(rows, row("norm.last.scale", "zeros", TIMM))


@RESNET.variant("goyal")
def goyal(*, zero_last: bool = True) -> Sequence[Row]:
    """ResNet for large batches: the last norm of each branch at 0, and a narrow head."""
    rows = (one._replace(source=GOYAL) for one in torchvision())
    return changed(
        rows,
        # In pycls an option that is off by default, ZERO_INIT_FINAL_GAMMA.
        row("norm.last.scale", "zeros" if zero_last else "ones", GOYAL),
        row("head", RandomNormal(stddev=0.01), GOYAL),
        row("head.bias", "zeros", GOYAL),
    )


@RESNET.variant("flax")
def flax() -> Sequence[Row]:
    """ResNet of Flax's examples: LeCun normal, with the last norm of each branch at 0."""
    return (
        row("kernel", LecunNormal(), FLAX),
        row("scale", "ones", FLAX),
        row("norm.last.scale", "zeros", FLAX),
        row("bias", "zeros", FLAX),
    )


@RESNET.variant("bigvision")
def big_vision() -> Sequence[Row]:
    """ResNet of Big Vision: as Flax's, with a head of zeros; kernels are standardized in use."""
    rows = (one._replace(source=BIG_VISION) for one in flax())
    return changed(rows, row("head", "zeros", BIG_VISION))

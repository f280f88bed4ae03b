"""ConvNeXt, whose laws are one, and whose ports are true to it."""

from collections.abc import Sequence

from cthulhu.initializers import Constant, RandomNormal
from cthulhu.recipes._recipe import Row, changed, family, row
from cthulhu.recipes._shared import torch_cut

FACEBOOK = "facebookresearch/ConvNeXt, models/convnext.py"
V2 = "facebookresearch/ConvNeXt-V2, models/utils.py"
HF = "huggingface/transformers, models/convnext/modeling_convnext.py"

CONVNEXT = family(
    "convnext",
    roles="""
        patch patch.bias conv.depthwise conv.depthwise.bias mlp.in mlp.in.bias
        grn.scale grn.bias mlp.out mlp.out.bias layer_scale downsample downsample.bias
        norm.scale norm.bias head head.bias
    """,
    shapes={"grn.bias": "hidden", "downsample": "2 2 width 2*width"},
    layers=9,
    width=384,
    hidden=1536,
    vocabulary=1000,
    patch=4,
    channels=3,
)


@CONVNEXT.variant("", "timm")
def released(*, layer_scale: float = 1e-6, head_scale: float = 1.0) -> Sequence[Row]:
    """ConvNeXt: normal kernels of standard deviation 0.02, and branches that hardly count."""
    return (
        row("kernel", torch_cut(0.02), FACEBOOK),
        row("head", torch_cut(0.02 * head_scale), FACEBOOK),
        row("bias", "zeros", FACEBOOK),
        row("scale", "ones", FACEBOOK),
        row("layer_scale", Constant(layer_scale), FACEBOOK),
        row("grn.scale grn.bias", "zeros", V2),
    )


@CONVNEXT.variant("hf")
def transformers(*, stddev: float = 0.02, layer_scale: float = 1e-6) -> Sequence[Row]:
    """ConvNeXt of transformers: the same, without a cut a hundred standard deviations away."""
    normal = RandomNormal(stddev=stddev)
    return changed(
        (one._replace(source=HF) for one in released(layer_scale=layer_scale)),
        row("kernel head", normal, HF),
    )

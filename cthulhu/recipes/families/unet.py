"""The UNet of Stable Diffusion, whose zeros its port has lost."""

from collections.abc import Sequence

from cthulhu.initializers import RandomNormal
from cthulhu.recipes._recipe import Row, changed, family, row
from cthulhu.recipes._shared import TORCH_BIAS, TORCH_KERNEL

COMPVIS = "CompVis/stable-diffusion, ldm/modules/diffusionmodules/openaimodel.py"
DIFFUSERS = "huggingface/diffusers, models/unets/unet_2d_condition.py"

UNET = family(
    "unet",
    roles="""
        conv conv.bias conv.last conv.last.bias conv.out conv.out.bias
        time.in time.in.bias time.out time.out.bias time.projection time.projection.bias
        embedding.label attention.enter attention.enter.bias attention.query attention.key
        attention.value attention.out attention.out.bias mlp.gate_in mlp.gate_in.bias
        mlp.out mlp.out.bias attention.leave attention.leave.bias norm.scale norm.bias
    """,
    width=320,
    hidden=1280,
    heads=8,
    kv_heads=8,
    head_size=40,
    channels=4,
    frequencies=320,
    classes=1000,
)


@UNET.variant("", "compvis")
def released() -> Sequence[Row]:
    """The UNet as released: every residual branch, and the model, begins at 0."""
    zeros = """
        conv.last conv.last.bias conv.out conv.out.bias attention.leave attention.leave.bias
    """
    return changed(layers(COMPVIS), row(zeros, "zeros", COMPVIS))


@UNET.variant("diffusers")
def diffusers() -> Sequence[Row]:
    """The UNet of diffusers: all as torch leaves it."""
    return layers(DIFFUSERS)


def layers(source: str) -> Sequence[Row]:
    """What torch's layers begin with."""
    return (
        row("kernel mlp.gate_in attention.qkv", TORCH_KERNEL, source),
        row("bias", TORCH_BIAS, source),
        row("embedding.label", RandomNormal(stddev=1.0), source),
        row("scale", "ones", source),
        row("norm.bias", "zeros", source),
    )

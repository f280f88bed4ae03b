"""Whisper, whose authors leave all to torch's layers."""

from collections.abc import Sequence

from cthulhu.initializers import RandomNormal, SinCos
from cthulhu.recipes._recipe import Row, family, row
from cthulhu.recipes._shared import TORCH_BIAS, TORCH_KERNEL, padded

OPENAI = "openai/whisper, whisper/model.py"
HF = "huggingface/transformers, modeling_utils.py, models/whisper/modeling_whisper.py"
UNSET = f"{OPENAI}: memory as it is found, of which zeros are likely"

WHISPER = family(
    "whisper",
    roles="""
        stem stem.bias position.encoder embedding position
        attention.query attention.query.bias attention.key
        attention.value attention.value.bias attention.out attention.out.bias
        mlp.in mlp.in.bias mlp.out mlp.out.bias norm.scale norm.bias
    """,
    shapes={"stem": "3 channels width"},
    layers=6,
    width=512,
    hidden=2048,
    heads=8,
    kv_heads=8,
    head_size=64,
    channels=80,
    encoder_positions=1500,
    positions=448,
    vocabulary=51865,
)


@WHISPER.variant("", "openai")
def openai() -> Sequence[Row]:
    """Whisper as its authors make it: what torch's layers begin with."""
    return (
        row("kernel", TORCH_KERNEL, OPENAI),
        row("bias", TORCH_BIAS, OPENAI),
        row("norm.bias", "zeros", OPENAI),
        row("norm.scale", "ones", OPENAI),
        row("embedding", RandomNormal(stddev=1.0), OPENAI),
        row("position.encoder", SinCos(), OPENAI),
        row("position", "zeros", UNSET),
    )


@WHISPER.variant("hf")
def hugging_face(*, stddev: float = 0.02, padding: int | None = 50256) -> Sequence[Row]:
    """Whisper as transformers makes it: one law for all kernels, and biases of 0."""
    normal = RandomNormal(stddev=stddev)
    return (
        row("kernel position", normal, HF),
        row("bias", "zeros", HF),
        row("scale", "ones", HF),
        row("embedding", padded(normal, padding), HF),
        row("position.encoder", SinCos(), HF),
    )

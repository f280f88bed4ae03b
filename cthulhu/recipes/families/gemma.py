"""Gemma, whose norms multiply by 1 + scale: their scale starts at 0."""

from collections.abc import Sequence

from cthulhu.initializers import LecunNormal, RandomNormal
from cthulhu.recipes._recipe import Row, family, row
from cthulhu.recipes._shared import padded

BIG_VISION = "google-research/big_vision, models/ppp/gemma.py"
GOOGLE = "google-deepmind/gemma, gemma/gm/nn/{_layers,_modules}.py"
HF = "huggingface/transformers, models/gemma/modeling_gemma.py"

GEMMA = family(
    "gemma",
    roles="""
        embedding attention.query attention.key attention.value attention.out
        mlp.gate mlp.in mlp.out norm.scale
    """,
    layers=18,
    width=2048,
    hidden=16384,
    heads=8,
    kv_heads=1,
    head_size=256,
    vocabulary=256000,
)


@GEMMA.variant("bigvision")
def big_vision(*, width: int) -> Sequence[Row]:
    """Gemma as big_vision makes it: by the inputs of each kernel."""
    return (
        # Activations are multiplied by sqrt(d).
        row("embedding", RandomNormal(stddev=width**-0.5), BIG_VISION),
        row("kernel", LecunNormal(), BIG_VISION),
        row("scale", "zeros", BIG_VISION),
    )


@GEMMA.variant("deepmind")
def deepmind() -> Sequence[Row]:
    """Gemma as its authors' package makes it, which is for inference, not for training."""
    return (
        row("embedding kernel", RandomNormal(stddev=0.01), GOOGLE),
        row("scale", "zeros", GOOGLE),
    )


@GEMMA.variant("hf")
def hugging_face(*, stddev: float = 0.02, padding: int | None = 0) -> Sequence[Row]:
    """Gemma as transformers makes it: one law for all kernels."""
    normal = RandomNormal(stddev=stddev)
    return (
        row("embedding", padded(normal, padding), HF),
        row("kernel", normal, HF),
        row("bias", "zeros", HF),
        row("scale", "zeros", HF),
    )

"""Diffusion Transformers, whose blocks begin as the identity."""

from collections.abc import Sequence

from cthulhu.initializers import GlorotUniform, RandomNormal, RandomUniform, SinCos
from cthulhu.recipes._recipe import Row, family, row
from cthulhu.recipes._shared import packed_glorot

DIT = "facebookresearch/DiT, models.py"

FAMILY = family(
    "dit",
    roles="""
        patch patch.bias position embedding.label
        time.in time.in.bias time.out time.out.bias
        attention.query attention.query.bias attention.key attention.key.bias
        attention.value attention.value.bias attention.out attention.out.bias
        mlp.in mlp.in.bias mlp.out mlp.out.bias modulation modulation.bias head head.bias
    """,
    layers=28,
    width=1152,
    hidden=4608,
    heads=16,
    kv_heads=16,
    head_size=72,
    frequencies=256,
    classes=1001,
    vocabulary=32,
    positions=256,
    grid=16,
    patch=2,
    channels=4,
)


@FAMILY.variant("")
def released(*, width: int, grid: int, patch: int, channels: int) -> Sequence[Row]:
    """DiT with adaLN-Zero: what ends a branch or modulates it, and the last layer, is 0."""
    normal = RandomNormal(stddev=0.02)
    # The patches are a linear layer, whose outputs are not counted once a pixel.
    limit = (6 / (channels * patch**2 + width)) ** 0.5
    # The lowest frequency is not quite 1 / 10000, as there is none for the last of d / 4.
    waves = SinCos(grid=(grid, grid), base=10000 ** (1 - 4 / width))
    return (
        row("patch", RandomUniform(minval=-limit, maxval=limit), DIT),
        row("position", waves, DIT),
        row("embedding.label time.in time.out", normal, DIT),
        row("kernel", GlorotUniform(), DIT),
        # It counts the three that are packed together.
        row("attention.qkv", GlorotUniform(), DIT),
        row("attention.query attention.key attention.value", packed_glorot(3), DIT),
        row("bias modulation head", "zeros", DIT),
    )

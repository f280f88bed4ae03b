"""Mixtral: a Llama of experts, and as plain."""

from collections.abc import Sequence

from cthulhu.initializers import RandomNormal
from cthulhu.recipes._recipe import Row, family, row

HF = "huggingface/transformers, models/mixtral/modeling_mixtral.py"

MIXTRAL = family(
    "mixtral",
    roles="""
        embedding attention.query attention.key attention.value attention.out
        router experts.gate experts.in experts.out norm.scale head
    """,
    layers=32,
    width=4096,
    experts=8,
    expert_hidden=14336,
    heads=32,
    kv_heads=8,
    head_size=128,
    vocabulary=32000,
)


@MIXTRAL.variant("hf")
def hugging_face(*, stddev: float = 0.02) -> Sequence[Row]:
    """Mixtral as transformers makes it: one law for all kernels."""
    return (
        row("embedding kernel", RandomNormal(stddev=stddev), HF),
        row("bias", "zeros", HF),
        row("scale", "ones", HF),
    )

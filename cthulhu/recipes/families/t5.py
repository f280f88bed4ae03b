"""T5, of which the reference and the port differ in laws that are cut, biases and logits."""

from collections.abc import Sequence

from cthulhu.initializers import GlorotUniform, LecunNormal, RandomNormal
from cthulhu.recipes._recipe import Row, changed, family, row
from cthulhu.recipes._shared import fan_in_normal

T5X = "google-research/t5x, examples/t5/{layers,network}.py"
HF = "huggingface/transformers, models/t5/modeling_t5.py"

T5 = family(
    "t5",
    roles="""
        embedding position.relative
        attention.query attention.key attention.value attention.out
        mlp.gate mlp.in mlp.out norm.scale head
    """,
    layers=12,
    width=768,
    hidden=2048,
    heads=12,
    kv_heads=12,
    head_size=64,
    vocabulary=32128,
    buckets=32,
)


@T5.variant("", "t5x")
def t5x(*, head_size: int) -> Sequence[Row]:
    """T5 as t5x makes it: feed-forward kernels and logits are cut, attention's are not."""
    return (
        row("embedding", RandomNormal(stddev=1.0), T5X),
        row("position.relative", GlorotUniform(), T5X),
        # Attention does not divide by sqrt(head size): it is in the query.
        row("attention.query", fan_in_normal(1 / head_size), T5X),
        row("attention.key attention.value attention.out", fan_in_normal(), T5X),
        row("kernel", LecunNormal(), T5X),
        row("scale", "ones", T5X),
    )


@T5.variant("hf")
def hugging_face(*, width: int, head_size: int) -> Sequence[Row]:
    """T5 as transformers makes it: nothing is cut, and logits of their own start at N(1)."""
    return changed(
        t5x(head_size=head_size),
        row("position.relative", RandomNormal(stddev=width**-0.5), HF),
        row("kernel", fan_in_normal(), HF),
        row("head", RandomNormal(stddev=1.0), HF),
    )

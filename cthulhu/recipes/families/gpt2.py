"""GPT-2, whose released code and whose ports differ in positions and in depth."""

from collections.abc import Sequence

from cthulhu.initializers import ByDepth, RandomNormal
from cthulhu.recipes._recipe import Row, changed, family, row

OPENAI = "openai/gpt-2, src/model.py"
NANOGPT = "karpathy/nanoGPT, model.py"
LITGPT = "Lightning-AI/litgpt, litgpt/pretrain.py"
NEOX = "EleutherAI/gpt-neox, configs/20B.yml, megatron/model/init_functions.py"

GPT2 = family(
    "gpt2",
    roles="""
        embedding position
        attention.query attention.query.bias attention.key attention.key.bias
        attention.value attention.value.bias attention.out attention.out.bias
        mlp.in mlp.in.bias mlp.out mlp.out.bias norm.scale norm.bias
    """,
    layers=12,
    width=768,
    hidden=3072,
    heads=12,
    kv_heads=12,
    head_size=64,
    vocabulary=50257,
    positions=1024,
)


@GPT2.variant("", "hf", "nanogpt", "megatron")
def ports(*, stddev: float = 0.02, layers: int | None = None) -> Sequence[Row]:
    """GPT-2 as its ports train it: what ends a residual branch is scaled by 1/sqrt(2 L)."""
    normal = RandomNormal(stddev=stddev)
    return (
        row("embedding position", normal, NANOGPT),
        row("kernel", normal, NANOGPT),
        row("attention.out mlp.out", ByDepth(normal, "1/sqrt(2 * L)", layers=layers), NANOGPT),
        row("head", normal, NANOGPT),  # Where it is not the table of embeddings itself.
        row("bias", "zeros", NANOGPT),
        row("scale", "ones", NANOGPT),
    )


@GPT2.variant("openai")
def released() -> Sequence[Row]:
    """GPT-2 as released: no kernel is scaled by depth, and positions are half as wide."""
    normal = RandomNormal(stddev=0.02)
    return changed(
        ports(),
        row("kernel attention.out mlp.out head", normal, OPENAI),
        row("embedding", normal, OPENAI),
        row("position", RandomNormal(stddev=0.01), OPENAI),
        row("bias", "zeros", OPENAI),
        row("scale", "ones", OPENAI),
    )


@GPT2.variant("neox")
def neox(*, width: int, layers: int | None = None) -> Sequence[Row]:
    """GPT-NeoX 20B's: sqrt(2 / (5 d)), and 2 / (L sqrt(d)) for what ends a residual branch."""
    return by_width(NEOX, width, 2 / width**0.5, layers)


@GPT2.variant("litgpt")
def tiny_llama(*, width: int, layers: int | None = None) -> Sequence[Row]:
    """TinyLlama's, as GPT-NeoX's, but half as wide at the end of a residual branch."""
    return by_width(LITGPT, width, 1 / width**0.5, layers)


def by_width(source: str, width: int, end: float, layers: int | None) -> Sequence[Row]:
    """The lines of both; `end` is the scale at a branch's end, for a model of one layer."""
    normal = RandomNormal(stddev=(2 / (5 * width)) ** 0.5)
    out = ByDepth(RandomNormal(stddev=end), "1/L", layers=layers)
    return (
        row("embedding position kernel head", normal, source),
        row("attention.out mlp.out", out, source),
        row("bias", "zeros", source),
        row("scale", "ones", source),
    )

"""Llama: its authors published no initialization, so each trainer has its own."""

from collections.abc import Sequence

from cthulhu.initializers import ByDepth, LecunNormal, RandomNormal
from cthulhu.recipes._recipe import Row, family, row
from cthulhu.recipes._shared import cut, fan_in_normal, padded, torch_cut

HF = "huggingface/transformers, modeling_utils.py"
MAXTEXT = "AI-Hypercomputer/maxtext, layers/{attentions,embeddings,linears}.py"
NANOTRON = "huggingface/nanotron, scaling/parametrization.py"
TORCHTITAN = "pytorch/torchtitan, models/llama3/__init__.py"

NARROW = torch_cut(0.02)

DECODER = """
    embedding
    attention.query attention.key attention.value attention.out
    mlp.gate mlp.in mlp.out norm.scale head
"""

LLAMA = family(
    "llama",
    roles=DECODER,
    layers=32,
    width=4096,
    hidden=11008,
    heads=32,
    kv_heads=32,
    head_size=128,
    vocabulary=32000,
)

LLAMA3 = family(
    "llama3",
    roles=DECODER,
    layers=32,
    width=4096,
    hidden=14336,
    heads=32,
    kv_heads=8,
    head_size=128,
    vocabulary=128256,
)


@LLAMA.variant("hf")
def hugging_face(*, stddev: float = 0.02, padding: int | None = None) -> Sequence[Row]:
    """Llama as transformers makes it: one law for all kernels, at any depth."""
    normal = RandomNormal(stddev=stddev)
    return (
        row("embedding", padded(normal, padding), HF),
        row("kernel", normal, HF),
        row("bias", "zeros", HF),
        row("scale", "ones", HF),
    )


@LLAMA.variant("maxtext")
def maxtext(*, head_size: int) -> Sequence[Row]:
    """Llama as MaxText makes it: by the inputs, as T5, with 1/sqrt(head size) in the query."""
    return (
        row("embedding", RandomNormal(stddev=1.0), MAXTEXT),
        # Where queries are normed, MaxText leaves out the head size.
        row("attention.query", fan_in_normal(1 / head_size), MAXTEXT),
        row("attention.key attention.value attention.out", fan_in_normal(), MAXTEXT),
        row("kernel", LecunNormal(), MAXTEXT),
        row("bias", "zeros", MAXTEXT),
        row("scale", "ones", MAXTEXT),
    )


@LLAMA.variant("nanotron")
def nanotron(*, stddev: float = 0.025, layers: int | None = None) -> Sequence[Row]:
    """Llama as nanotron makes it: what ends a residual branch is scaled by 1/sqrt(2 L)."""
    normal = RandomNormal(stddev=stddev)
    return (
        row("embedding kernel", normal, NANOTRON),
        row(
            "attention.out mlp.out experts.out",
            ByDepth(normal, "1/sqrt(2 * L)", layers=layers),
            NANOTRON,
        ),
        row("bias", "zeros", NANOTRON),
        row("scale", "ones", NANOTRON),
    )


@LLAMA3.variant("torchtitan")
def torchtitan(*, width: int) -> Sequence[Row]:
    """Llama 3 as torchtitan makes it: scaled by the depth of the layer, gates not."""
    by_depth = ByDepth(NARROW, "1/sqrt(2 * (l + 1))")
    return (
        row("embedding", RandomNormal(stddev=1.0), TORCHTITAN),
        row("kernel", NARROW, TORCHTITAN),
        # It is w2 that ends the branch; w3, the other factor of the gate, is scaled too.
        row("attention.out mlp.in mlp.out", by_depth, TORCHTITAN),
        row("head", cut(width**-0.5, at=3.0), TORCHTITAN),
        row("bias", "zeros", TORCHTITAN),
        row("scale", "ones", TORCHTITAN),
    )

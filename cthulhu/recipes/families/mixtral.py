"""Mixtral: a Llama of experts."""

from collections.abc import Sequence

from cthulhu.initializers import RandomNormal, TruncatedNormal
from cthulhu.recipes._recipe import Row, changed, family, row
from cthulhu.recipes.families import llama

MAXTEXT = "AI-Hypercomputer/maxtext, layers/moe.py"
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


@MIXTRAL.variant("nanotron")
def nanotron(*, stddev: float = 0.025, layers: int | None = None) -> Sequence[Row]:
    """Mixtral as nanotron makes it: as its Llama, with routers as any kernel."""
    return llama.nanotron(stddev=stddev, layers=layers)


@MIXTRAL.variant("maxtext")
def maxtext(*, head_size: int, width: int, experts: int, expert_hidden: int) -> Sequence[Row]:
    """Mixtral as MaxText makes it: the fans of experts are how many they are, and their outputs."""

    def narrow(outputs: int) -> TruncatedNormal:
        return TruncatedNormal(stddev=(experts * outputs) ** -0.5, corrected=True)

    # (experts, inputs, outputs), of which the code calls the first axis that of the inputs.
    return changed(
        llama.maxtext(head_size=head_size),
        row("experts.gate experts.in experts.gate_in", narrow(expert_hidden), MAXTEXT),
        row("experts.out", narrow(width), MAXTEXT),
    )

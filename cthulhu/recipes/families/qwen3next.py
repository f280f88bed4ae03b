"""Qwen3-Next: gated DeltaNet layers, every fourth an attention, and experts."""

from collections.abc import Sequence

from cthulhu.initializers import Mapped, RandomNormal, RandomUniform
from cthulhu.recipes._recipe import Row, changed, family, row
from cthulhu.recipes.families import mixtral

MAXTEXT = "AI-Hypercomputer/maxtext, models/qwen3.py"
HF = "huggingface/transformers, models/qwen3_next/modeling_qwen3_next.py"

QWEN3NEXT = family(
    "qwen3next",
    roles="""
        embedding
        ssm.in ssm.gates ssm.conv ssm.dt.bias ssm.A_log norm.gated.scale ssm.out
        attention.query attention.key attention.value attention.out
        router experts.gate experts.in experts.out experts.shared_gate mlp.gate mlp.in mlp.out
        norm.scale head
    """,
    shapes={
        "ssm.in": "width 2*inner+2*ssm_keys",
        "ssm.gates": "width 2*ssm_heads",
        "ssm.conv": "conv 1 inner+2*ssm_keys",
        "ssm.dt.bias": "ssm_heads",
        "ssm.A_log": "ssm_heads",
        "norm.gated.scale": "ssm_head_size",
        "attention.query": "width 2*heads*head_size",
    },
    layers=48,
    width=2048,
    inner=4096,
    ssm_keys=2048,
    ssm_heads=32,
    ssm_head_size=128,
    conv=4,
    heads=16,
    kv_heads=2,
    head_size=256,
    experts=512,
    expert_hidden=512,
    hidden=512,
    vocabulary=151936,
)


@QWEN3NEXT.variant("", "hf")
def hugging_face(*, stddev: float = 0.02) -> Sequence[Row]:
    """Qwen3-Next as transformers makes it: a head decays by 0.01 to 16 a unit of time."""
    return (
        row("embedding kernel", RandomNormal(stddev=stddev), HF),
        # Nearer to 0, a head would never decay in a narrow type.
        row("ssm.A_log", Mapped(RandomUniform(0.01, 16.0), "log"), HF),
        row("ssm.dt.bias", "ones", HF),
        row("bias", "zeros", HF),
        # Norms multiply by 1 + scale, but for the one that the gate is of.
        row("scale", "zeros", HF),
        row("norm.gated.scale", "ones", HF),
    )


@QWEN3NEXT.variant("maxtext")
def maxtext(*, head_size: int, width: int, experts: int, expert_hidden: int) -> Sequence[Row]:
    """Qwen3-Next as MaxText makes it: as its Mixtral, and a head may hardly decay at all."""
    return changed(
        mixtral.maxtext(
            head_size=head_size, width=width, experts=experts, expert_hidden=expert_hidden
        ),
        row("ssm.A_log", Mapped(RandomUniform(1e-9, 16.0), "log"), MAXTEXT),
        row("ssm.dt.bias", "ones", MAXTEXT),
        row("scale", "zeros", MAXTEXT),
        row("norm.gated.scale", "ones", MAXTEXT),
    )

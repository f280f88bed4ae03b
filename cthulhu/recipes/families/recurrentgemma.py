"""RecurrentGemma, with the fans that its code counts, which are not those of its kernels."""

from collections.abc import Sequence

from cthulhu.initializers import ByDepth, RandomNormal, RecurrentGate, VarianceScaling
from cthulhu.recipes._recipe import Row, changed, family, row
from cthulhu.recipes._shared import fan_in_normal, padded

SOURCE = "google-deepmind/recurrentgemma, jax/{layers,modules,griffin}.py"
HF = "huggingface/transformers, models/recurrent_gemma/modeling_recurrent_gemma.py"

RECURRENTGEMMA = family(
    "recurrentgemma",
    roles="""
        embedding norm.scale
        recurrent.in recurrent.in.bias recurrent.gate recurrent.gate.bias
        recurrent.conv recurrent.conv.bias recurrent.gates recurrent.gates.bias recurrent.a
        recurrent.out recurrent.out.bias
        attention.query attention.key attention.value attention.out attention.out.bias
        mlp.gate mlp.gate.bias mlp.in mlp.in.bias mlp.out mlp.out.bias
    """,
    shapes={"recurrent.gates.bias": "heads block"},
    layers=26,
    width=2560,
    inner=2560,
    hidden=7680,
    heads=10,
    kv_heads=1,
    head_size=256,
    block=256,
    conv=4,
    vocabulary=256000,
)


@RECURRENTGEMMA.variant("")
def reference(*, width: int, layers: int | None = None) -> Sequence[Row]:
    """RecurrentGemma as its authors make it: by the inputs, and sqrt(2 / L) at a branch's end."""
    end = ByDepth(fan_in_normal(2.0), "1/sqrt(L)", layers=layers)
    # The blocks of the gates are counted as inputs, and so are the two halves of the MLP's.
    gates = VarianceScaling(1.0, "fan_in", "untruncated_normal", in_axis=(-3, -2), out_axis=-1)
    return (
        row("embedding", RandomNormal(stddev=width**-0.5), SOURCE),
        row("kernel", fan_in_normal(), SOURCE),
        row("recurrent.out attention.out mlp.out", end, SOURCE),
        row("recurrent.conv", fan_in_normal(0.01), SOURCE),
        row("recurrent.gates", gates, SOURCE),
        row("recurrent.a", RecurrentGate(), SOURCE),
        row("mlp.gate mlp.in mlp.gate_in", fan_in_normal(0.5), SOURCE),
        row("bias", "zeros", SOURCE),
        row("scale", "zeros", SOURCE),
    )


@RECURRENTGEMMA.variant("hf")
def hugging_face(
    *, width: int, conv: int = 4, layers: int | None = None, padding: int | None = 0
) -> Sequence[Row]:
    """RecurrentGemma as transformers makes it: the convolution's stddev serves all else too."""
    normal = RandomNormal(stddev=(0.01 / conv) ** 0.5)
    gates = VarianceScaling(0.01, "fan_in", "untruncated_normal", layout="moe")
    return changed(
        reference(width=width, layers=layers),
        row("embedding", padded(normal, padding), HF),
        row("recurrent.conv mlp.gate mlp.in mlp.gate_in mlp.out", normal, HF),
        row("recurrent.gates", gates, HF),
    )

"""What Flax's layers begin with: linen's and nnx's, which agree."""

from collections.abc import Sequence
from typing import Any

from cthulhu.initializers import HeUniform, LecunNormal, Orthogonal, VarianceScaling
from cthulhu.recipes._recipe import Row, changed, family, row

LINEAR = "google/flax, flax/linen/linear.py"
RNN = "google/flax, flax/linen/recurrent.py"
NORM = "google/flax, flax/linen/normalization.py"
LORA = "google/flax, flax/nnx/nn/lora.py"

ROLES = """
    kernel bias table attention.query attention.key attention.value
    recurrent.input recurrent.kernel norm.scale
"""
SIZES: dict[str, Any] = {
    "width": 512,
    "hidden": 2048,
    "heads": 8,
    "kv_heads": 8,
    "head_size": 64,
    "vocabulary": 32000,
}

LINEN = family("linen_default", roles=ROLES, framework=True, **SIZES)
NNX = family("nnx_default", roles=f"{ROLES} lora.a lora.b", framework=True, rank=8, **SIZES)


@LINEN.variant("")
def linen() -> Sequence[Row]:
    """Layers of linen: LeCun normal, orthogonal from state to state, and biases at 0."""
    # A row of the table is read whole, so that its features count.
    table = VarianceScaling(1.0, "fan_in", "untruncated_normal", layout="embedding")
    return (
        row("kernel", LecunNormal(), LINEAR),
        row("bias", "zeros", LINEAR),
        row("table", table, LINEAR),
        row("recurrent.kernel", Orthogonal(), RNN),
        # The forget gate of a minimal gated unit, whose bias no other cell has there.
        row("recurrent.input.bias", "ones", RNN),
        row("scale", "ones", NORM),
    )


@NNX.variant("")
def nnx() -> Sequence[Row]:
    """Layers of nnx: as linen's."""
    rows = (one._replace(source=one.source.replace("linen", "nnx/nn")) for one in linen())
    return changed(rows, row("lora.a", HeUniform(), LORA), row("lora.b", "zeros", LORA))

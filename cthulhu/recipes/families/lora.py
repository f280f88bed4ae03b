"""Low-rank adapters: A (inputs, rank), then B (rank, outputs)."""

from collections.abc import Sequence

from cthulhu.initializers import HeUniform, LoraA, OrthogonalPair, RandomNormal
from cthulhu.params import OrthogonalTo
from cthulhu.recipes._recipe import Row, changed, family, row

PEFT = "microsoft/LoRA, loralib/layers.py; huggingface/peft, tuners/lora/layer.py"
NNX = "google/flax, flax/nnx/nn/lora.py"

LORA = family(
    "lora",
    roles="lora.a lora.b lora.embedding.a lora.embedding.b",
    width=4096,
    rank=8,
    vocabulary=32000,
)


@LORA.variant("", "peft", "loralib")
def peft() -> Sequence[Row]:
    """LoRA of loralib and PEFT: A as torch's linear layers, B at 0; in embeddings otherwise."""
    return (
        row("lora.a", LoraA(), PEFT),
        row("lora.b", "zeros", PEFT),
        row("lora.embedding.a", "zeros", PEFT),
        row("lora.embedding.b", RandomNormal(stddev=1.0), PEFT),
        row("bias", "zeros", PEFT),
    )


@LORA.variant("gaussian")
def gaussian() -> Sequence[Row]:
    """LoRA of PEFT with init_lora_weights="gaussian": A is normal, of 1 / rank."""
    # Of a convolution, too, the rank alone counts.
    return changed(peft(), row("lora.a", LoraA("untruncated_normal", batch_axis="rest"), PEFT))


@LORA.variant("orthogonal")
def orthogonal() -> Sequence[Row]:
    """LoRA of PEFT with init_lora_weights="orthogonal": B A is 0, and neither of them."""
    return changed(
        peft(),
        row("lora.a", OrthogonalPair("A"), PEFT),
        row("lora.b", OrthogonalTo("../a/kernel"), PEFT),
    )


@LORA.variant("nnx")
def nnx() -> Sequence[Row]:
    """LoRA of Flax's nnx: A is He uniform, sqrt(6) wider than torch's."""
    return (row("lora.a", HeUniform(), NNX), row("lora.b", "zeros", NNX))

"""What MaxText calls the parameters of its decoders, scanned and not."""

from typing import Any

from cthulhu.fans import LayoutLike
from cthulhu.recipes._naming import naming

MODEL = r"(params/)?(params/)?"


def names(layer: str, stack: int | None = None) -> list[Any]:
    """The names, with those of a layer after its own."""
    of_layer: list[tuple[str, str, LayoutLike]] = [
        ("self_attention/query/kernel", "attention.query", "attention_qkv"),
        ("self_attention/key/kernel", "attention.key", "attention_qkv"),
        ("self_attention/value/kernel", "attention.value", "attention_qkv"),
        ("self_attention/out/kernel", "attention.out", "attention_out"),
        ("mlp/wi_0/kernel", "mlp.gate", None),
        ("mlp/wi(_1)?/kernel", "mlp.in", None),
        ("mlp/wo/kernel", "mlp.out", None),
        ("MoeBlock_0/gate/kernel", "router", None),
        ("MoeBlock_0/wi_0", "experts.gate", "moe"),
        ("MoeBlock_0/wi_1", "experts.in", "moe"),
        ("MoeBlock_0/wo", "experts.out", "moe"),
        ("(self_attention/)?[a-z_]*norm[a-z_]*/scale", "norm.scale", None),
    ]
    return [
        (MODEL + "token_embedder/embedding", "embedding"),
        *(
            (f"{MODEL}decoder/{layer}{name}", role, layout, stack)
            for name, role, layout in of_layer
        ),
        (MODEL + "decoder/decoder_norm/scale", "norm.scale"),
        (MODEL + "decoder/logits_dense/kernel", "head"),
    ]


FAMILIES = "llama llama3 olmo mixtral gemma"
naming(FAMILIES, "maxtext", *names(r"layers_(?P<layer>\d+)/"))
# Layers lie along the second axis, param_scan_axis.
naming(FAMILIES, "maxtext_scanned", *names("layers/", stack=1))

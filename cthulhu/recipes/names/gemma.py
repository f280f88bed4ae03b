"""What big_vision, Gemma's own package and Flax's examples call Gemma's parameters."""

from typing import Any

from cthulhu.fans import Layout, LayoutLike
from cthulhu.recipes._naming import naming

# (heads, inputs, head size), or two or three of them; (heads, head size, outputs).
HEADS = Layout(-2, (-3, -1))
SEVERAL = Layout(-2, (-4, -3, -1))
HALVES = Layout(-2, (-3, -1))


def names(prefix: str, layer: str, stack: int | None = None) -> list[Any]:
    """The names that all three share: prefix is that of the model, layer of a layer."""
    of_layer: list[tuple[str, str, LayoutLike]] = [
        ("attn/q_einsum/(w|kernel)", "attention.query", HEADS),
        ("attn/kv_einsum/(w|kernel)", "attention.kv", SEVERAL),
        ("attn/qkv_einsum/(w|kernel)", "attention.qkv", SEVERAL),
        ("attn/attn_vec_einsum/(w|kernel)", "attention.out", "attention_out"),
        ("mlp/gating_einsum", "mlp.gate_in", HALVES),
        ("mlp/linear", "mlp.out", None),
        ("mlp/gate_proj/kernel", "mlp.gate", None),
        ("mlp/up_proj/kernel", "mlp.in", None),
        ("mlp/down_proj/kernel", "mlp.out", None),
        ("(attn/_)?[a-z_]+_norm/scale", "norm.scale", None),
    ]
    return [
        (prefix + "embedder/(input_)?embedding", "embedding"),
        *((prefix + layer + name, role, layout, stack) for name, role, layout in of_layer),
        (prefix + "final_norm/scale", "norm.scale"),
    ]


PREFIX = r"(params/)?(transformer/|llm/)?"
naming("gemma", "big_vision", *names(PREFIX, r"layers/(?P<layer>\d+)/"))
naming("gemma", "big_vision_scanned", *names(PREFIX, "layers/", stack=0))
naming("gemma", "deepmind", *names(PREFIX, r"layer_(?P<layer>\d+)/"))

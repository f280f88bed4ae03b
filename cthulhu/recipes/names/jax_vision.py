"""What vision models in nnx, of Bonsai, and in Equinox, of its examples, call their parameters."""

from cthulhu.recipes._naming import naming, pairs

LAYER = r"layers/(?P<layer>\d+)"

# Attention lies (features, heads, size) at paths that other models have for (in, out).
naming(
    "vit",
    "bonsai",
    (r"pos_embeddings/cls_token", "token.class"),
    (r"pos_embeddings/pos_embeddings", "position"),
    *pairs(
        {
            r"pos_embeddings/projection": "patch",
            rf"{LAYER}/attention/query": ("attention.query", "attention_qkv"),
            rf"{LAYER}/attention/key": ("attention.key", "attention_qkv"),
            rf"{LAYER}/attention/value": ("attention.value", "attention_qkv"),
            rf"{LAYER}/attention/out": ("attention.out", "attention_out"),
            rf"{LAYER}/linear1": "mlp.in",
            rf"{LAYER}/linear2": "mlp.out",
            rf"({LAYER}/layernorm_(before|after)|ln)": "norm.scale",
            r"classifier": "head",
        },
        kernel="kernel",
        scale="scale",
    ),
    default=False,
)

naming(
    "resnet",
    "bonsai",
    *pairs(
        {
            r"stem/conv": "stem",
            r"layer\d/blocks/\d+/conv\d": "conv",
            r"layer\d/blocks/\d+/downsample/conv": "downsample",
            r"(stem|layer\d/blocks/\d+/downsample)/bn": "norm.scale",
            r"layer\d/blocks/\d+/bn[01]": "norm.scale",
            r"layer\d/blocks/\d+/bn2": "norm.last.scale",
            r"fc": "head",
        },
        kernel="kernel",
        scale="scale",
    ),
    (r"(stem|layer\d/.*)/bn\d?/mean", "statistics.mean"),
    (r"(stem|layer\d/.*)/bn\d?/var", "statistics.variance"),
    # Beside timm's fc/bias is a weight.
    default=False,
)

BLOCK = r"attention_blocks/(?P<layer>\d+)"

naming(
    "vit",
    "equinox",
    (r"cls_token", "token.class"),
    (r"positional_embedding", "position"),
    *pairs(
        {
            # A linear layer of patches that have been cut out.
            r"patch_embedding/linear": "patch",
            rf"{BLOCK}/attention/query_proj": "attention.query",
            rf"{BLOCK}/attention/key_proj": "attention.key",
            rf"{BLOCK}/attention/value_proj": "attention.value",
            rf"{BLOCK}/attention/output_proj": "attention.out",
            rf"{BLOCK}/linear1": "mlp.in",
            rf"{BLOCK}/linear2": "mlp.out",
            rf"({BLOCK}/layer_norm|mlp/layers/0)": "norm.scale",
            r"mlp/layers/1": "head",
        }
    ),
    layout="out_in",
    kernel="weight",
)

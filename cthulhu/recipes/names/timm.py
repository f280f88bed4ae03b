"""What timm calls the parameters of its PyTorch models."""

from cthulhu.recipes._naming import BATCH_STATISTICS, naming, pairs

BLOCK = r"blocks/(?P<layer>\d+)"

naming(
    "vit",
    "timm",
    (r"cls_token", "token.class"),
    (r"reg_token", "token.register"),
    (r"pos_embed", "position"),
    (r"attn_pool/latent", "probe"),
    (rf"{BLOCK}/ls[12]/gamma", "layer_scale"),
    *pairs(
        {
            r"patch_embed/proj": "patch",
            rf"{BLOCK}/attn/qkv": "attention.qkv",
            rf"{BLOCK}/attn/proj": "attention.out",
            rf"{BLOCK}/mlp/fc1": "mlp.in",
            rf"{BLOCK}/mlp/fc2": "mlp.out",
            r"attn_pool/q": "probe.query",
            r"attn_pool/kv": "probe.kv",
            r"attn_pool/proj": "probe.out",
            r"attn_pool/mlp/fc1": "probe.mlp.in",
            r"attn_pool/mlp/fc2": "probe.mlp.out",
            rf"({BLOCK}/(norm[12]|attn/[qk]_norm)|attn_pool/norm|norm|norm_pre|fc_norm)": (
                "norm.scale"
            ),
            r"head": "head",
        }
    ),
    layout="out_in",
    kernel="weight",
)

naming(
    "convnext",
    "timm",
    (r"stages/\d+/blocks/\d+/gamma", "layer_scale"),
    *pairs(
        {
            r"stem/0": "patch",
            r"(stem/1|stages/\d+/(blocks/\d+/norm|downsample/0)|(head/)?norm)": "norm.scale",
            r"stages/\d+/blocks/\d+/conv_dw": "conv.depthwise",
            r"stages/\d+/blocks/\d+/mlp/fc1": "mlp.in",
            r"stages/\d+/blocks/\d+/mlp/grn": "grn.scale",
            r"stages/\d+/blocks/\d+/mlp/fc2": "mlp.out",
            r"stages/\d+/downsample/1": "downsample",
            r"head/fc": "head",
        }
    ),
    layout="out_in",
    kernel="weight",
)

# A block of two convolutions and one of three call the last norm otherwise, and nothing in
# the paths tells which is which: bn2 is the last of a basic block alone.
for name, last, default in (("timm", 3, True), ("timm.basic", 2, False)):
    naming(
        "resnet",
        name,
        *pairs(
            {
                r"conv1(/\d+)?": "stem",
                r"layer\d/\d+/conv[123]": "conv",
                rf"(bn1|layer\d/\d+/(bn(?!{last})\d|downsample/[12]))": "norm.scale",
                rf"layer\d/\d+/bn{last}": "norm.last.scale",
                r"layer\d/\d+/downsample/0": "downsample",
                r"fc": "head",
            }
        ),
        *BATCH_STATISTICS,
        layout="out_in",
        kernel="weight",
        default=default,
    )

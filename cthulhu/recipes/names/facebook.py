"""What the repositories of DiT, ConvNeXt and pycls call the parameters, in PyTorch."""

from cthulhu.recipes._naming import BATCH_STATISTICS, naming, pairs

BLOCK = r"blocks/(?P<layer>\d+)"

naming(
    "dit",
    "facebook",
    (r"pos_embed", "position"),
    (r"y_embedder/embedding_table/weight", "embedding.label"),
    *pairs(
        {
            r"x_embedder/proj": "patch",
            r"t_embedder/mlp/0": "time.in",
            r"t_embedder/mlp/2": "time.out",
            rf"{BLOCK}/attn/qkv": "attention.qkv",
            rf"{BLOCK}/attn/proj": "attention.out",
            rf"{BLOCK}/mlp/fc1": "mlp.in",
            rf"{BLOCK}/mlp/fc2": "mlp.out",
            rf"({BLOCK}|final_layer)/adaLN_modulation/1": "modulation",
            r"final_layer/linear": "head",
        }
    ),
    layout="out_in",
    kernel="weight",
)

UNIT = r"stages/\d+/\d+"

naming(
    "convnext",
    "facebook",
    (rf"{UNIT}/gamma", "layer_scale"),
    # In V2, without the weight and the bias of a module.
    (rf"{UNIT}/grn/gamma", "grn.scale"),
    (rf"{UNIT}/grn/beta", "grn.bias"),
    *pairs(
        {
            r"downsample_layers/0/0": "patch",
            r"downsample_layers/[1-9]/1": "downsample",
            rf"({UNIT}/norm|downsample_layers/(0/1|[1-9]/0)|norm)": "norm.scale",
            rf"{UNIT}/dwconv": "conv.depthwise",
            rf"{UNIT}/pwconv1": "mlp.in",
            rf"{UNIT}/pwconv2": "mlp.out",
            r"head": "head",
        }
    ),
    layout="out_in",
    kernel="weight",
)

for name, last, default in (("pycls", "c", True), ("pycls.basic", "b", False)):
    others = f"[abc](?<!{last})_bn"
    naming(
        "resnet",
        name,
        *pairs(
            {
                r"(stem|s1)/conv": "stem",
                r"s\d/b\d+/f/[abc]": "conv",
                rf"((stem|s1)/bn|s\d/b\d+/(bn|f/{others}))": "norm.scale",
                rf"s\d/b\d+/f/{last}_bn": "norm.last.scale",
                r"s\d/b\d+/proj": "downsample",
                r"head/fc": "head",
            }
        ),
        *BATCH_STATISTICS,
        layout="out_in",
        kernel="weight",
        default=default,
    )

"""What Hugging Face's transformers call the parameters of their vision models."""

from cthulhu.recipes._naming import BATCH_STATISTICS, naming, pairs

# Since version 5 in the first place, and before in the second.
LAYER = r"(vit/)?(encoder/)?layers?/(?P<layer>\d+)"
ATTENTION = rf"{LAYER}/attention"

naming(
    "vit",
    "transformers",
    (r"(vit/)?embeddings/cls_token", "token.class"),
    (r"(vit/)?embeddings/mask_token", "token.mask"),
    (r"(vit/)?embeddings/position_embeddings", "position"),
    *pairs(
        {
            r"(vit/)?embeddings/patch_embeddings/projection": "patch",
            rf"{ATTENTION}/(q_proj|attention/query)": "attention.query",
            rf"{ATTENTION}/(k_proj|attention/key)": "attention.key",
            rf"{ATTENTION}/(v_proj|attention/value)": "attention.value",
            rf"{ATTENTION}/(o_proj|output/dense)": "attention.out",
            rf"{LAYER}/(mlp/fc1|intermediate/dense)": "mlp.in",
            rf"{LAYER}/(mlp/fc2|output/dense)": "mlp.out",
            rf"({LAYER}/layernorm_(before|after)|(vit/)?layernorm)": "norm.scale",
            r"(vit/)?pooler/dense": "head.transform",
            r"classifier": "head",
        }
    ),
    layout="out_in",
    kernel="weight",
)

MODEL = r"(convnext(v2)?/)?"
BLOCK = rf"{MODEL}encoder/stages/\d+/layers/\d+"

naming(
    "convnext",
    "transformers",
    (rf"{BLOCK}/layer_scale_parameter", "layer_scale"),
    *pairs(
        {
            rf"{MODEL}embeddings/patch_embeddings": "patch",
            rf"({MODEL}(embeddings/)?layernorm|{BLOCK}/layernorm)": "norm.scale",
            rf"{MODEL}encoder/stages/\d+/downsampling_layer/0": "norm.scale",
            rf"{MODEL}encoder/stages/\d+/downsampling_layer/1": "downsample",
            rf"{BLOCK}/dwconv": "conv.depthwise",
            rf"{BLOCK}/pwconv1": "mlp.in",
            rf"{BLOCK}/grn": "grn.scale",
            rf"{BLOCK}/pwconv2": "mlp.out",
            r"classifier": "head",
        }
    ),
    layout="out_in",
    kernel="weight",
)

# As with timm, the number of the last norm depends on the kind of block.
UNIT = r"(resnet/)?encoder/stages/\d+/layers/\d+"
for name, last, default in (("transformers", 2, True), ("transformers.basic", 1, False)):
    others = rf"{UNIT}/(layer/(?!{last})\d|shortcut)/normalization"
    naming(
        "resnet",
        name,
        *pairs(
            {
                r"(resnet/)?embedder/embedder/convolution": "stem",
                rf"{UNIT}/layer/\d/convolution": "conv",
                rf"((resnet/)?embedder/embedder/normalization|{others})": "norm.scale",
                rf"{UNIT}/layer/{last}/normalization": "norm.last.scale",
                rf"{UNIT}/shortcut/convolution": "downsample",
                r"classifier/1": "head",
            }
        ),
        *BATCH_STATISTICS,
        layout="out_in",
        kernel="weight",
        default=default,
    )

"""What Big Vision, and the Vision Transformers as released, call the parameters in linen."""

from cthulhu.recipes._naming import Modules, Name, naming, pairs

ROOT = r"(params/)?"
LAYER = rf"{ROOT}Transformer/encoderblock_(?P<layer>\d+)"
SCANNED = rf"{ROOT}Transformer/encoderblock"


def block(path: str, stack: int | None = None) -> list[Name]:
    """The names of a block."""
    attention, mlp = rf"{path}/MultiHeadDotProductAttention_\d+", rf"{path}/MlpBlock_\d+"
    names: Modules = {
        f"{attention}/query": ("attention.query", "attention_qkv"),
        f"{attention}/key": ("attention.key", "attention_qkv"),
        f"{attention}/value": ("attention.value", "attention_qkv"),
        f"{attention}/out": ("attention.out", "attention_out"),
        f"{mlp}/Dense_0": "mlp.in",
        f"{mlp}/Dense_1": "mlp.out",
        rf"{path}/LayerNorm_\d+": "norm.scale",
    }
    return pairs(names, kernel="kernel", scale="scale", stack=stack)


naming(
    "vit",
    "big_vision",
    (rf"{ROOT}(Transformer/posembed_input/)?pos_embedding", "position"),
    (rf"{ROOT}cls", "token.class"),
    (rf"{ROOT}MAPHead_0/probe", "probe"),
    *block(LAYER),
    *block(SCANNED, stack=0),
    *block(rf"{ROOT}MAPHead_0"),
    *pairs(
        {
            rf"{ROOT}embedding": "patch",
            rf"{ROOT}Transformer/encoder_norm": "norm.scale",
            rf"{ROOT}pre_logits": "head.transform",
            rf"{ROOT}head": "head",
        },
        kernel="kernel",
        scale="scale",
    ),
)

UNIT = rf"{ROOT}block\d+/unit\d+"

naming(
    "resnet",
    "big_vision",
    *pairs(
        {
            rf"{ROOT}conv_root": "stem",
            rf"{UNIT}/conv[123]": "conv",
            rf"{UNIT}/conv_proj": "downsample",
            rf"({ROOT}gn_root|{UNIT}/gn([12]|_proj))": "norm.scale",
            rf"{UNIT}/gn3": "norm.last.scale",
            rf"{ROOT}head": "head",
        },
        kernel="kernel",
        scale="scale",
    ),
)

"""Vision Transformers, of which no two implementations begin alike."""

from collections.abc import Sequence

from cthulhu.initializers import (
    ByDepth,
    Constant,
    GlorotUniform,
    LecunNormal,
    RandomNormal,
    VarianceScaling,
)
from cthulhu.recipes._recipe import Row, changed, family, row
from cthulhu.recipes._shared import TORCH_BIAS, TORCH_KERNEL, cut_fan, packed_glorot, torch_cut

JAX = "google-research/vision_transformer, vit_jax/models_vit.py"
BIG_VISION = "google-research/big_vision, models/vit.py"
TIMM = "huggingface/pytorch-image-models, timm/models/vision_transformer.py"
POOL = "huggingface/pytorch-image-models, timm/layers/attention_pool.py"
HF = "huggingface/transformers, models/vit/modeling_vit.py"

VIT = family(
    "vit",
    roles="""
        patch patch.bias position token.class token.register token.mask probe
        attention.query attention.query.bias attention.key attention.key.bias
        attention.value attention.value.bias attention.out attention.out.bias
        mlp.in mlp.in.bias mlp.out mlp.out.bias norm.scale norm.bias layer_scale
        head.transform head.transform.bias head head.bias
    """,
    layers=12,
    width=768,
    hidden=3072,
    heads=12,
    kv_heads=12,
    head_size=64,
    vocabulary=1000,
    positions=197,
    registers=4,
    patch=16,
    channels=3,
)


@VIT.variant("", "jax")
def released(*, head_bias: float = 0.0) -> Sequence[Row]:
    """ViT as released: Glorot uniform, biases of the MLP near 0, and a head of zeros."""
    return (
        row("patch", LecunNormal(), JAX),
        row("position", RandomNormal(stddev=0.02), JAX),
        row("token.class", "zeros", JAX),
        row("kernel", GlorotUniform(), JAX),
        row("bias", "zeros", JAX),
        row("mlp.in.bias mlp.out.bias", RandomNormal(stddev=1e-6), JAX),
        row("norm.scale", "ones", JAX),
        row("head.transform", LecunNormal(), JAX),
        row("head", "zeros", JAX),
        row("head.bias", Constant(head_bias), JAX),
    )


@VIT.variant("bigvision")
def big_vision() -> Sequence[Row]:
    """ViT of Big Vision: as released, but positions, which are wider, and a pooling head."""
    rows = (one._replace(source=BIG_VISION) for one in released())
    return changed(
        rows,
        # 1 / sqrt(d): the axis of a table's features counts as that of its outputs.
        row("position", VarianceScaling(1.0, "fan_out", "untruncated_normal"), BIG_VISION),
        # Glorot counts of a probe (1, 1, d) one input and d outputs.
        row("probe", GlorotUniform(), BIG_VISION),
        row("head.bias", "zeros", BIG_VISION),
    )


@VIT.variant("timm")
def timm(*, fix_init: bool = False, layer_scale: float = 1e-5) -> Sequence[Row]:
    """ViT of timm in its default mode: normal kernels, and the patches as torch leaves them."""
    normal = torch_cut(0.02)
    out = ByDepth(normal, "1/sqrt(2 * (l + 1))") if fix_init else normal
    return (
        row("patch", TORCH_KERNEL, TIMM),
        row("patch.bias", TORCH_BIAS, TIMM),
        row("position", normal, TIMM),
        row("token.class token.register", RandomNormal(stddev=1e-6), TIMM),
        row("probe", cut_fan("fan_out"), POOL),
        row("kernel", normal, TIMM),
        row("attention.out mlp.out", out, TIMM),
        row("bias", "zeros", TIMM),
        row("norm.scale", "ones", TIMM),
        row("layer_scale", Constant(layer_scale), TIMM),
    )


@VIT.variant("timm_jax")
def timm_jax(*, head_bias: float = 0.0, layer_scale: float = 1e-5) -> Sequence[Row]:
    """ViT of timm with weight_init="jax", whose query, key and value are narrower."""
    return changed(
        timm(layer_scale=layer_scale),
        row("patch", LecunNormal(), TIMM),
        row("kernel attention.out mlp.out", GlorotUniform(), TIMM),
        # It counts the outputs of the three that are packed.
        row("attention.qkv", GlorotUniform(), TIMM),
        row("attention.query attention.key attention.value", packed_glorot(3), TIMM),
        row(
            "mlp.in.bias mlp.out.bias probe.mlp.in.bias probe.mlp.out.bias",
            RandomNormal(stddev=1e-6),
            TIMM,
        ),
        row("patch.bias", "zeros", TIMM),
        row("head", "zeros", TIMM),
        # weight_init="jax_nlhb" is that with −ln of the number of classes.
        row("head.bias", Constant(head_bias), TIMM),
    )


@VIT.variant("moco")
def timm_moco(*, layer_scale: float = 1e-5) -> Sequence[Row]:
    """ViT of timm with weight_init="moco": Glorot uniform, of query, key and value each."""
    return changed(
        timm(layer_scale=layer_scale),
        row("kernel attention.out mlp.out", GlorotUniform(), TIMM),
    )


@VIT.variant("hf")
def transformers(*, stddev: float = 0.02) -> Sequence[Row]:
    """ViT of transformers: one normal law for all kernels, the patches' too."""
    normal = RandomNormal(stddev=stddev)
    return (
        row("kernel", normal, HF),
        row("position token.class", torch_cut(stddev), HF),
        row("token.mask", "zeros", HF),
        row("bias", "zeros", HF),
        row("norm.scale", "ones", HF),
    )

"""What implementations that no package ships call their parameters, path by path."""

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from cthulhu import recipes
from cthulhu.params import plan
from cthulhu.trees import join

D, F = 96, 160


class Parameter(NamedTuple):
    """A path, with the shape that the implementation gives it, and what is to be found."""

    path: str
    shape: tuple[int, ...]
    role: str
    stddev: float | None = None
    """That of the recipe, where the layout matters."""


def module(
    path: str,
    shape: tuple[int, ...],
    role: str,
    stddev: float | None = None,
    *,
    names: tuple[str, str] = ("weight", "bias"),
    bias: tuple[int, ...] | None = None,
) -> list[Parameter]:
    """A kernel or a scale, and its bias."""
    beside = f"{role.split('.', maxsplit=1)[0]}.bias" if role.endswith(".scale") else f"{role}.bias"
    first = Parameter(f"{path}/{names[0]}", shape, role, stddev)
    return [first, Parameter(f"{path}/{names[1]}", bias or shape[-1:], beside)]


def dense(
    path: str, shape: tuple[int, ...], role: str, stddev: float | None = None, **options: Any
) -> list[Parameter]:
    """A module of linen."""
    kernel = "scale" if role.endswith(".scale") else "kernel"
    return module(path, shape, role, stddev, names=(kernel, "bias"), **options)


def glorot(inputs: int, outputs: int) -> float:
    return math.sqrt(2 / (inputs + outputs))


def heads(path: str) -> list[Parameter]:
    """The attention of linen and nnx, of four heads."""
    square = glorot(D, D)
    return [
        *dense(f"{path}/query", (D, 4, 24), "attention.query", square, bias=(4, 24)),
        *dense(f"{path}/key", (D, 4, 24), "attention.key", square, bias=(4, 24)),
        *dense(f"{path}/value", (D, 4, 24), "attention.value", square, bias=(4, 24)),
        *dense(f"{path}/out", (4, 24, D), "attention.out", square),
    ]


def transformer(path: str, attention: int) -> list[Parameter]:
    """A block of a Vision Transformer in linen."""
    return [
        *heads(f"{path}/MultiHeadDotProductAttention_{attention}"),
        *dense(f"{path}/MlpBlock_0/Dense_0", (D, F), "mlp.in", glorot(D, F)),
        *dense(f"{path}/MlpBlock_0/Dense_1", (F, D), "mlp.out", glorot(D, F)),
        *dense(f"{path}/LayerNorm_0", (D,), "norm.scale"),
    ]


def stacked(block: Sequence[Parameter]) -> list[Parameter]:
    return [one._replace(shape=(3, *one.shape)) for one in block]


OLD = "encoder/layer/0"
ENDS = [
    *dense("embedding", (4, 4, 5, D), "patch", 1 / math.sqrt(80)),
    *dense("Transformer/encoder_norm", (D,), "norm.scale"),
    *dense("pre_logits", (D, D), "head.transform", 1 / math.sqrt(D)),
    *dense("head", (D, 80), "head", 0.0),
    Parameter("cls", (1, 1, D), "token.class"),
]
BIT = [
    ("block1/unit1/conv1", (1, 1, D, D), "conv"),
    ("block2/unit01/conv2", (3, 3, D, D), "conv"),
    ("block1/unit1/conv_proj", (1, 1, D, D), "downsample"),
    ("conv_root", (7, 7, 3, D), "stem"),
]
FLAX = [
    ("conv_init", (7, 7, 3, D), "stem"),
    ("BottleneckResNetBlock_0/Conv_2", (1, 1, D, D), "conv"),
    ("ResNetBlock_1/Conv_0", (3, 3, D, D), "conv"),
    ("ResNetBlock_1/conv_proj", (1, 1, D, D), "downsample"),
    ("Dense_0", (D, 80), "head"),
]
PYCLS = [
    ("stem/conv", (D, 3, 7, 7), "stem", math.sqrt(2 / (49 * D))),
    ("s1/b1/f/a", (D, 64, 1, 1), "conv", math.sqrt(2 / D)),
    # Of a group, too, all outputs count.
    ("s1/b1/f/b", (D, 12, 3, 3), "conv", math.sqrt(2 / (9 * D))),
    ("s1/b1/proj", (D, 64, 1, 1), "downsample", math.sqrt(2 / D)),
]
UNET = [
    ("input_blocks/0/0", (D, 4, 3, 3), "conv", 36),
    ("input_blocks/1/0/in_layers/2", (D, D, 3, 3), "conv", 9 * D),
    ("input_blocks/1/0/emb_layers/1", (D, F), "time.projection", F),
    ("input_blocks/1/0/out_layers/3", (D, D, 3, 3), "conv.last", None),
    ("input_blocks/4/0/skip_connection", (F, D, 1, 1), "conv", D),
    ("input_blocks/3/0/op", (D, D, 3, 3), "conv", 9 * D),
    ("output_blocks/2/2/conv", (D, D, 3, 3), "conv", 9 * D),
    ("middle_block/1/proj_in", (D, D, 1, 1), "attention.enter", D),
    ("middle_block/1/transformer_blocks/0/attn1/to_out/0", (D, D), "attention.out", D),
    ("middle_block/1/transformer_blocks/0/ff/net/0/proj", (2 * F, D), "mlp.gate_in", D),
    ("middle_block/1/transformer_blocks/0/ff/net/2", (D, F), "mlp.out", F),
    ("middle_block/1/proj_out", (D, D, 1, 1), "attention.leave", None),
    ("output_blocks/0/1/qkv", (3 * D, D, 1), "attention.qkv", D),
    ("time_embed/0", (F, D), "time.in", D),
    ("time_embed/2", (F, F), "time.out", F),
    ("out/2", (4, D, 3, 3), "conv.out", None),
]
NORMS = [
    "input_blocks/1/0/in_layers/0",
    "input_blocks/1/0/out_layers/0",
    "middle_block/1/norm",
    "middle_block/1/transformer_blocks/0/norm3",
    "out/0",
]
CROSS = "middle_block/1/transformer_blocks/0/attn2"

MODELS: dict[str, tuple[str, str, dict[str, Any], list[Parameter]]] = {
    "ViT as released": (
        *("vit:jax", "big_vision", {}),
        [
            *ENDS,
            Parameter("Transformer/posembed_input/pos_embedding", (1, 37, D), "position", 0.02),
            *transformer("Transformer/encoderblock_0", 1),
            *transformer("Transformer/encoderblock_1", 3),
        ],
    ),
    "ViT of Big Vision": (
        *("vit:bigvision", "big_vision", {}),
        [
            *[one._replace(path=f"params/{one.path}") for one in ENDS],
            Parameter("params/pos_embedding", (1, 36, D), "position", 1 / math.sqrt(D)),
            Parameter("params/MAPHead_0/probe", (1, 1, D), "probe", math.sqrt(2 / (1 + D))),
            *transformer("params/MAPHead_0", 0),
            *stacked(transformer("params/Transformer/encoderblock", 0)),
        ],
    ),
    "ResNet of Big Vision": (
        *("resnet:bigvision", "big_vision", {}),
        [
            *[
                Parameter(f"{path}/kernel", shape, role, 1 / math.sqrt(math.prod(shape[:-1])))
                for path, shape, role in BIT
            ],
            *dense("gn_root", (D,), "norm.scale"),
            *dense("block1/unit1/gn2", (D,), "norm.scale"),
            *dense("block1/unit1/gn_proj", (D,), "norm.scale"),
            *dense("block1/unit1/gn3", (D,), "norm.last.scale"),
            *dense("head", (D, 80), "head", 0.0),
        ],
    ),
    "ResNets of Flax": (
        *("resnet:flax", "flax", {}),
        [
            *[
                Parameter(f"params/{path}/kernel", shape, role, math.prod(shape[:-1]) ** -0.5)
                for path, shape, role in FLAX
            ],
            Parameter("params/Dense_0/bias", (80,), "head.bias"),
            *dense("params/bn_init", (D,), "norm.scale"),
            *dense("params/ResNetBlock_1/norm_proj", (D,), "norm.scale"),
            *dense("params/ResNetBlock_1/BatchNorm_0", (D,), "norm.scale"),
            *dense("params/ResNetBlock_1/BatchNorm_1", (D,), "norm.last.scale"),
            *dense("params/BottleneckResNetBlock_0/BatchNorm_1", (D,), "norm.scale"),
            *dense("params/BottleneckResNetBlock_0/BatchNorm_2", (D,), "norm.last.scale"),
            Parameter("batch_stats/bn_init/mean", (D,), "statistics.mean"),
            Parameter("batch_stats/bn_init/var", (D,), "statistics.variance"),
        ],
    ),
    "ResNet of pycls": (
        *("resnet:goyal", "pycls", {}),
        [
            *[Parameter(f"{path}/weight", *rest) for path, *rest in PYCLS],
            Parameter("s1/b1/f/c/weight", (F, D, 1, 1), "conv", math.sqrt(2 / F)),
            *module("stem/bn", (D,), "norm.scale"),
            *module("s1/b1/bn", (D,), "norm.scale"),
            *module("s1/b1/f/a_bn", (D,), "norm.scale"),
            *module("s1/b1/f/b_bn", (D,), "norm.scale"),
            *module("s1/b1/f/c_bn", (D,), "norm.last.scale"),
            *module("head/fc", (80, D), "head", 0.01),
            Parameter("stem/bn/running_mean", (D,), "statistics.mean"),
            Parameter("stem/bn/running_var", (D,), "statistics.variance"),
            Parameter("stem/bn/num_batches_tracked", (), "statistics.count"),
        ],
    ),
    "ResNet of pycls, of basic blocks": (
        *("resnet:goyal", "pycls.basic", {}),
        [
            *[Parameter(f"{path}/weight", *rest) for path, *rest in PYCLS],
            *module("stem/bn", (D,), "norm.scale"),
            *module("s1/b1/f/a_bn", (D,), "norm.scale"),
            *module("s1/b1/f/b_bn", (D,), "norm.last.scale"),
            *module("head/fc", (80, D), "head", 0.01),
        ],
    ),
    "ViT of transformers before 5": (
        *("vit:hf", "transformers", {}),
        [
            *module(f"vit/{OLD}/attention/attention/query", (D, D), "attention.query", 0.02),
            *module(f"vit/{OLD}/attention/attention/key", (D, D), "attention.key", 0.02),
            *module(f"{OLD}/attention/attention/value", (D, D), "attention.value", 0.02),
            *module(f"vit/{OLD}/attention/output/dense", (D, D), "attention.out", 0.02),
            *module(f"vit/{OLD}/intermediate/dense", (F, D), "mlp.in", 0.02),
            *module(f"vit/{OLD}/output/dense", (D, F), "mlp.out", 0.02),
            *module(f"{OLD}/layernorm_before", (D,), "norm.scale"),
        ],
    ),
    "ViT of Bonsai": (
        *("vit:jax", "bonsai", {}),
        [
            Parameter("pos_embeddings/cls_token", (1, 1, D), "token.class"),
            Parameter("pos_embeddings/pos_embeddings", (1, 37, D), "position", 0.02),
            *dense("pos_embeddings/projection", (4, 4, 5, D), "patch", 1 / math.sqrt(80)),
            *heads("layers/0/attention"),
            *dense("layers/0/linear1", (D, F), "mlp.in", glorot(D, F)),
            *dense("layers/0/linear2", (F, D), "mlp.out", glorot(D, F)),
            *dense("layers/0/layernorm_before", (D,), "norm.scale"),
            *dense("ln", (D,), "norm.scale"),
            *dense("classifier", (D, 80), "head", 0.0),
        ],
    ),
    "ResNet of Bonsai": (
        *("resnet:flax", "bonsai", {}),
        [
            Parameter("stem/conv/kernel", (7, 7, 3, D), "stem", 1 / math.sqrt(147)),
            Parameter("layer0/blocks/0/conv1/kernel", (3, 3, D, D), "conv", (9 * D) ** -0.5),
            Parameter("layer0/blocks/0/downsample/conv/kernel", (1, 1, D, F), "downsample"),
            *dense("stem/bn", (D,), "norm.scale"),
            *dense("layer0/blocks/0/bn1", (D,), "norm.scale"),
            *dense("layer0/blocks/0/bn2", (D,), "norm.last.scale"),
            *dense("layer0/blocks/0/downsample/bn", (F,), "norm.scale"),
            *dense("fc", (D, 80), "head", 1 / math.sqrt(D)),
            Parameter("stem/bn/mean", (D,), "statistics.mean"),
            Parameter("layer0/blocks/0/bn2/var", (D,), "statistics.variance"),
        ],
    ),
    "ViT of Equinox": (
        *("vit:jax", "equinox", {}),
        [
            Parameter("cls_token", (1, D), "token.class"),
            Parameter("positional_embedding", (37, D), "position", 0.02),
            *module("patch_embedding/linear", (D, 80), "patch", 1 / math.sqrt(80)),
            *module("attention_blocks/0/attention/query_proj", (D, D), "attention.query"),
            *module("attention_blocks/0/attention/key_proj", (D, D), "attention.key"),
            *module("attention_blocks/0/attention/value_proj", (D, D), "attention.value"),
            *module("attention_blocks/0/attention/output_proj", (D, D), "attention.out"),
            *module("attention_blocks/0/linear1", (F, D), "mlp.in", glorot(D, F)),
            *module("attention_blocks/0/linear2", (D, F), "mlp.out", glorot(D, F)),
            *module("attention_blocks/0/layer_norm", (D,), "norm.scale"),
            *module("mlp/layers/0", (D,), "norm.scale"),
            *module("mlp/layers/1", (80, D), "head", 0.0),
        ],
    ),
    "DiT": (
        *("dit", "facebook", {"width": D, "grid": 6, "patch": 2, "channels": 5}),
        [
            *module("x_embedder/proj", (D, 5, 2, 2), "patch", glorot(20, D)),
            Parameter("pos_embed", (1, 36, D), "position"),
            Parameter("y_embedder/embedding_table/weight", (11, D), "embedding.label", 0.02),
            *module("t_embedder/mlp/0", (D, 256), "time.in", 0.02),
            *module("t_embedder/mlp/2", (D, D), "time.out", 0.02),
            *module("blocks/0/attn/qkv", (3 * D, D), "attention.qkv", glorot(D, 3 * D)),
            *module("blocks/0/attn/proj", (D, D), "attention.out", glorot(D, D)),
            *module("blocks/0/mlp/fc1", (F, D), "mlp.in", glorot(D, F)),
            *module("blocks/0/mlp/fc2", (D, F), "mlp.out", glorot(D, F)),
            *module("blocks/0/adaLN_modulation/1", (6 * D, D), "modulation", 0.0),
            *module("final_layer/adaLN_modulation/1", (2 * D, D), "modulation", 0.0),
            *module("final_layer/linear", (40, D), "head", 0.0),
        ],
    ),
    "ConvNeXt": (
        *("convnext", "facebook", {}),
        [
            *module("downsample_layers/0/0", (D, 3, 4, 4), "patch", 0.02),
            *module("downsample_layers/0/1", (D,), "norm.scale"),
            *module("downsample_layers/1/0", (D,), "norm.scale"),
            *module("downsample_layers/1/1", (F, D, 2, 2), "downsample", 0.02),
            *module("stages/0/0/dwconv", (D, 1, 7, 7), "conv.depthwise", 0.02),
            *module("stages/0/0/norm", (D,), "norm.scale"),
            *module("stages/0/0/pwconv1", (F, D), "mlp.in", 0.02),
            *module("stages/0/0/pwconv2", (D, F), "mlp.out", 0.02),
            Parameter("stages/0/0/gamma", (D,), "layer_scale"),
            Parameter("stages/0/1/grn/gamma", (1, 1, 1, F), "grn.scale"),
            Parameter("stages/0/1/grn/beta", (1, 1, 1, F), "grn.bias"),
            *module("norm", (D,), "norm.scale"),
            *module("head", (80, D), "head", 0.02),
        ],
    ),
    "the UNet of Stable Diffusion": (
        *("unet", "compvis", {}),
        [
            *[
                one
                for path, shape, role, inputs in UNET
                for one in module(
                    f"model/diffusion_model/{path}",
                    shape,
                    role,
                    0.0 if inputs is None else 1 / math.sqrt(3 * inputs),
                    bias=shape[:1],
                )
            ],
            *[one for path in NORMS for one in module(path, (D,), "norm.scale")],
            Parameter("label_emb/weight", (10, F), "embedding.label", 1.0),
            Parameter(f"{CROSS}/to_q/weight", (D, D), "attention.query", 1 / math.sqrt(3 * D)),
            Parameter(f"{CROSS}/to_k/weight", (D, F), "attention.key", 1 / math.sqrt(3 * F)),
            Parameter(f"{CROSS}/to_v/weight", (D, F), "attention.value", 1 / math.sqrt(3 * F)),
        ],
    ),
}


def nested(parameters: Sequence[Parameter]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in parameters:
        *within, last = one.path.split("/")
        node = found
        for step in within:
            node = node.setdefault(step, {})
        node[last] = np.zeros(one.shape, np.float32)
    return found


@pytest.mark.parametrize("name", MODELS)
def test_paths_have_their_roles_and_kernels_the_fans_of_their_layout(name: str) -> None:
    recipe, naming, options, parameters = MODELS[name]
    # All namings of the family together, unless a path is another's.
    alone = None if recipes.namings(recipe)[naming].default else naming
    planned = plan(nested(parameters), recipes.rules(recipe, naming=alone, **options))
    leaves = {join(leaf.path): leaf for leaf in planned.leaves}
    rows = {row.path: row for row in planned.rows}
    for one in parameters:
        assert leaves[one.path].role == one.role, one.path
        if one.stddev is not None:
            assert rows[one.path].stddev == pytest.approx(one.stddev, rel=1e-5), one.path


@pytest.mark.parametrize("name", MODELS)
def test_namings_of_one_path_agree(name: str) -> None:
    """The first that matches decides of the layout, and of the kernel beside a bias."""
    recipe, naming, options, parameters = MODELS[name]
    if not recipes.namings(recipe)[naming].default:
        pytest.skip("it has to be asked for, as its paths are another's")
    rules = recipes.rules(recipe, **options).rules
    for one in parameters:
        matching = [rule for rule in rules if re.fullmatch(rule.pattern, one.path)]
        assert len({(rule.layout, rule.initializer) for rule in matching}) == 1, one.path


@pytest.mark.parametrize("name", MODELS)
def test_a_naming_knows_the_model_alone_and_names_nothing_in_vain(name: str) -> None:
    recipe, naming, options, parameters = MODELS[name]
    plan(nested(parameters), recipes.rules(recipe, naming=naming, **options))
    family = recipe.partition(":")[0]
    paths = [
        one.path
        for other, said, _, some in MODELS.values()
        if (other.partition(":")[0], said) == (family, naming)
        for one in some
    ]
    for pattern, *_ in recipes.namings(recipe)[naming].names:
        # Of biases not every module has one.
        reached = [path for path in paths if re.fullmatch(pattern, path)]
        in_doubt = pattern.endswith("/bias") or "basic" in name or "transformers" in name
        assert reached or in_doubt, pattern

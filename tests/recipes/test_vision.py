"""The recipes of vision, of diffusion and of adapters, against small models of their packages."""

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

from cthulhu import recipes
from cthulhu.adapters.torch import tree
from cthulhu.audit import check
from cthulhu.params import init_params
from cthulhu.trees import flatten, join
from tests.recipes.against import RATE, assert_drawn_alike, assert_told

with warnings.catch_warnings():
    # What they do when they are imported is their own.
    warnings.simplefilter("ignore")
    torch: Any = pytest.importorskip("torch")
    hf: Any = pytest.importorskip("transformers")
    pytest.importorskip("torchvision")
    timm: Any = pytest.importorskip("timm")
    diffusers: Any = pytest.importorskip("diffusers")
    peft: Any = pytest.importorskip("peft")

D, CLASSES = 64, 64


class Reference(NamedTuple):
    """A model, the recipe of its own initialization, and where another recipe differs."""

    build: Callable[[], Any]
    recipe: str
    options: dict[str, Any]
    sibling: str
    flagged: str
    sibling_options: dict[str, Any] | None = None
    """Those of the recipe, if there are no others."""


def vit(**settings: Any) -> Callable[[], Any]:
    sizes = {"img_size": 64, "embed_dim": D, "depth": 3, "num_heads": 4, "num_classes": CLASSES}
    ends = {"global_pool": "map", "init_values": 1e-5, "reg_tokens": 2}
    name = "vit_tiny_patch16_224"
    return lambda: timm.create_model(name, **sizes, **ends, **settings)


def made_by_timm(name: str, **settings: Any) -> Callable[[], Any]:
    return lambda: timm.create_model(name, num_classes=CLASSES, **settings)


def made_by_hf(kind: str, config: str, **settings: Any) -> Callable[[], Any]:
    return lambda: getattr(hf, kind)(getattr(hf, config)(num_labels=CLASSES, **settings))


def unet(kind: str, **settings: Any) -> Callable[[], Any]:
    return lambda: getattr(diffusers, kind)(
        block_out_channels=(D, D), layers_per_block=1, **settings
    )


class Modules(torch.nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.nn.Embedding(100, D)
        self.linear = torch.nn.Linear(D, 2 * D)
        self.conv = torch.nn.Conv2d(8, 16, 3)


def lora(*modules: str, how: str | bool = True) -> Callable[[], Any]:
    def build() -> Any:
        config = peft.LoraConfig(r=16, target_modules=modules, init_lora_weights=how)
        return peft.get_peft_model(Modules(), config)

    return build


HF_VIT = {
    "hidden_size": D,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "image_size": 64,
    "patch_size": 8,
}
HF_CONVNEXT = {"hidden_sizes": [D, D], "depths": [1, 1], "num_stages": 2}
HF_RESNET = {"embedding_size": D, "hidden_sizes": [D, D], "depths": [1, 1]}
LAYERS = "attention.qkv attention.out mlp.in mlp.out"
POOL = "probe.query probe.kv probe.out probe.mlp.in probe.mlp.out"
MLP_BIASES = "mlp.in.bias mlp.out.bias probe.mlp.in.bias probe.mlp.out.bias"
UNET_ZEROS = "conv.last conv.last.bias conv.out conv.out.bias attention.leave attention.leave.bias"

REFERENCES = {
    "timm's ViT": Reference(
        vit(),
        *("vit:timm", {}, "vit:timm_jax"),
        f"patch patch.bias {LAYERS} {POOL} {MLP_BIASES} head",
    ),
    "timm's ViT, scaled by depth": Reference(
        vit(fix_init=True),
        *("vit:timm", {"fix_init": True}, "vit:timm", "attention.out mlp.out", {}),
    ),
    "timm's ViT as JAX's": Reference(
        vit(weight_init="jax"),
        *("vit:timm_jax", {}, "vit:moco"),
        f"patch patch.bias attention.qkv {MLP_BIASES} head",
    ),
    "timm's ViT as JAX's, with a prior": Reference(
        vit(weight_init="jax_nlhb"),
        *("vit:timm_jax", {"head_bias": -np.log(CLASSES)}, "vit:timm_jax", "head.bias", {}),
    ),
    "timm's ViT as MoCo's": Reference(
        vit(weight_init="moco"),
        *("vit:moco", {}, "vit:timm"),
        f"{LAYERS} {POOL} head",
    ),
    "transformers' ViT": Reference(
        made_by_hf("ViTForImageClassification", "ViTConfig", **HF_VIT),
        *("vit:hf", {}, "vit:timm", "patch patch.bias token.class"),
    ),
    "transformers' ViT, pooled": Reference(
        made_by_hf("ViTModel", "ViTConfig", **HF_VIT),
        *("vit:hf", {}, "vit:jax"),
        "patch token.class attention.query attention.key attention.value attention.out "
        "mlp.in mlp.in.bias mlp.out mlp.out.bias head.transform",
    ),
    "timm's ConvNeXt": Reference(
        made_by_timm(
            "convnext_atto", dims=(D, 80, 80, 80), depths=(1, 1, 1, 1), head_init_scale=0.1
        ),
        *("convnext", {"head_scale": 0.1}, "convnext:hf", "head", {}),
    ),
    # A cut at a hundred standard deviations makes no difference.
    "timm's ConvNeXt V2": Reference(
        made_by_timm("convnextv2_atto", dims=(D, 80, 80, 80), depths=(1, 1, 1, 1)),
        *("convnext:timm", {}, "convnext:hf", ""),
    ),
    "transformers' ConvNeXt": Reference(
        made_by_hf(
            "ConvNextForImageClassification",
            "ConvNextConfig",
            layer_scale_init_value=1e-2,
            **HF_CONVNEXT,
        ),
        *("convnext:hf", {"layer_scale": 1e-2}, "convnext", "layer_scale", {}),
    ),
    "transformers' ConvNeXt V2": Reference(
        made_by_hf(
            "ConvNextV2ForImageClassification",
            "ConvNextV2Config",
            initializer_range=0.05,
            **HF_CONVNEXT,
        ),
        *("convnext:hf", {"stddev": 0.05}, "convnext"),
        *("patch conv.depthwise mlp.in mlp.out downsample head", {}),
    ),
    "timm's ResNet": Reference(
        made_by_timm("resnet26"),
        *("resnet:timm", {}, "resnet:flax", "stem conv downsample head head.bias"),
    ),
    "timm's ResNet of basic blocks": Reference(
        made_by_timm("resnet18"),
        *("resnet:timm", {"naming": "timm.basic"}, "resnet:goyal", "head head.bias"),
    ),
    "timm's ResNet, without zeros": Reference(
        made_by_timm("resnet26", zero_init_last=False),
        *("resnet:torchvision", {}, "resnet:timm", "norm.last.scale"),
    ),
    "transformers' ResNet": Reference(
        made_by_hf("ResNetForImageClassification", "ResNetConfig", **HF_RESNET),
        *("resnet:hf", {}, "resnet:goyal", "norm.last.scale head head.bias"),
    ),
    "transformers' ResNet of basic blocks": Reference(
        made_by_hf("ResNetForImageClassification", "ResNetConfig", layer_type="basic", **HF_RESNET),
        *("resnet:hf", {"naming": "transformers.basic"}, "resnet:timm", "norm.last.scale"),
    ),
    "the UNet of Stable Diffusion": Reference(
        unet(
            "UNet2DConditionModel",
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=48,
            attention_head_dim=8,
            num_class_embeds=10,
        ),
        *("unet:diffusers", {}, "unet:compvis", UNET_ZEROS),
    ),
    "a UNet without conditions": Reference(
        unet(
            "UNet2DModel",
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        ),
        *("unet:diffusers", {}, "unet", UNET_ZEROS),
    ),
    "LoRA": Reference(lora("table", "linear", "conv"), *("lora", {}, "lora:gaussian", "lora.a")),
    "LoRA for nnx": Reference(lora("linear"), *("lora:peft", {}, "lora:nnx", "lora.a")),
    "normal LoRA": Reference(
        lora("table", "linear", "conv", how="gaussian"),
        *("lora:gaussian", {}, "lora", "lora.a"),
    ),
    "orthogonal LoRA": Reference(
        lora("linear", how="orthogonal"), *("lora:orthogonal", {}, "lora", "lora.a lora.b")
    ),
}


@pytest.fixture(scope="module", params=REFERENCES)
def made(request: pytest.FixtureRequest) -> Iterator[tuple[Reference, Any]]:
    """A row, and the parameters that its reference makes."""
    row = REFERENCES[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        yield row, tree(row.build().state_dict())


def test_the_reference_has_the_laws_of_its_recipe(made: tuple[Reference, Any]) -> None:
    row, params = made
    check(params, row.recipe, rate=RATE, **row.options).assert_ok()


def test_another_recipe_is_told_by_the_roles_where_it_differs(made: tuple[Reference, Any]) -> None:
    row, params = made
    options = row.options if row.sibling_options is None else row.sibling_options
    assert_told(params, row.sibling, row.flagged, **options)


def test_the_recipe_draws_what_the_reference_draws(made: tuple[Reference, Any]) -> None:
    row, params = made
    assert_drawn_alike(params, recipes.rules(row.recipe, **row.options))


def test_namings_of_one_path_agree(made: tuple[Reference, Any]) -> None:
    """The first that matches decides of the layout, and of the kernel beside a bias."""
    row, params = made
    rules = recipes.rules(row.recipe, **row.options).rules
    for path in map(join, flatten(params)[0]):
        matching = [rule for rule in rules if re.fullmatch(rule.pattern, path)]
        assert len({(rule.layout, rule.initializer) for rule in matching}) == 1, path


@pytest.mark.parametrize("how", [True, "orthogonal"])
def test_what_an_adapter_is_for_stays(how: str | bool) -> None:
    params = tree(lora("linear", how=how)().state_dict())
    name = "lora:orthogonal" if how == "orthogonal" else "lora"
    made = init_params(0, params, recipes.rules(name))
    before, after = (one["base_model"]["model"] for one in (params, made))
    assert after["linear"]["base_layer"]["weight"] is before["linear"]["base_layer"]["weight"]
    assert after["table"]["weight"] is before["table"]["weight"]
    assert not np.array_equal(
        *(one["linear"]["lora_A"]["default"]["weight"] for one in (before, after))
    )

"""The recipes of vision, of diffusion and of adapters by formulas, role by role."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
from scipy import stats

from cthulhu import recipes
from cthulhu.params import Rules, plan
from cthulhu.recipes._rules import by_roles, family_of, tree_of

RATE = 1e-4  # Of a false alarm for one parameter; the key is fixed.
SMALL = {
    "layers": 2,
    "width": 96,
    "hidden": 160,
    "heads": 4,
    "kv_heads": 4,
    "head_size": 24,
    "vocabulary": 80,
    "positions": 64,
    "registers": 3,
    "channels": 5,
    "patch": 4,
    "classes": 50,
    "frequencies": 48,
    "grid": 8,
    "rank": 8,
}
D, F, V, K, P = 96, 160, 80, 16 * 5, 4


class Law(NamedTuple):
    """A distribution with mean 0, as the sources write it."""

    distribution: Any
    bound: float = math.inf


def normal(stddev: float) -> Law:
    return Law(stats.norm(scale=stddev))


def uniform(limit: float) -> Law:
    return Law(stats.uniform(-limit, 2 * limit), limit)


def cut(stddev: float) -> Law:
    """Cut at two standard deviations, and left so."""
    return Law(stats.truncnorm(-2, 2, scale=stddev), 2 * stddev)


def corrected(stddev: float) -> Law:
    """Cut at two standard deviations of what makes the result as wide as said."""
    return cut(stddev / stats.truncnorm(-2, 2).std())


def glorot(inputs: int, outputs: int) -> Law:
    return uniform(math.sqrt(6 / (inputs + outputs)))


def torch(inputs: int) -> Law:
    return uniform(1 / math.sqrt(inputs))


def each(roles: str, law: Law | float) -> dict[str, Law | float]:
    return dict.fromkeys(roles.split(), law)


QUERIES = "attention.query attention.key attention.value"
BIASES = " ".join(f"{role}.bias" for role in QUERIES.split())
ATTENTION_BIASES = f"{BIASES} attention.out.bias"
MLP_BIASES = "mlp.in.bias mlp.out.bias"

VIT = {
    "patch": corrected(1 / math.sqrt(K)),
    "position": normal(0.02),
    **each("token.class patch.bias norm.bias head head.bias head.transform.bias", 0.0),
    **each(f"{QUERIES} attention.out", glorot(D, D)),
    **each("mlp.in mlp.out", glorot(D, F)),
    **each(ATTENTION_BIASES, 0.0),
    **each(MLP_BIASES, normal(1e-6)),
    "norm.scale": 1.0,
    "head.transform": corrected(1 / math.sqrt(D)),
}
TIMM = {
    "patch": torch(K),
    "patch.bias": torch(K),
    "position": normal(0.02),
    **each("token.class token.register", normal(1e-6)),
    "probe": cut(1 / math.sqrt(D)),
    **each(f"{QUERIES} attention.out mlp.in mlp.out head.transform head", normal(0.02)),
    **each(f"{ATTENTION_BIASES} {MLP_BIASES} head.transform.bias head.bias norm.bias", 0.0),
    "norm.scale": 1.0,
    "layer_scale": 1e-5,
}
TIMM_ALONE = {"token.register", "probe", "layer_scale"}
GOYAL = {
    "stem": normal(math.sqrt(2 / (49 * D))),
    "conv": normal(math.sqrt(2 / (9 * D))),
    "downsample": normal(math.sqrt(2 / (2 * D))),
    "norm.scale": 1.0,
    "norm.last.scale": 0.0,
    "norm.bias": 0.0,
    "head": normal(0.01),
    "head.bias": 0.0,
}
FLAX_RESNET = {
    **GOYAL,
    "stem": corrected(1 / math.sqrt(49 * 5)),
    "conv": corrected(1 / math.sqrt(9 * D)),
    "downsample": corrected(1 / math.sqrt(D)),
    "head": corrected(1 / math.sqrt(D)),
}
TORCH_RESNET = {**GOYAL, "head": torch(D), "head.bias": torch(D)}
CONVNEXT = {
    **each("patch conv.depthwise mlp.in mlp.out downsample head", normal(0.02)),
    **each("patch.bias conv.depthwise.bias downsample.bias norm.bias head.bias", 0.0),
    **each(f"{MLP_BIASES} grn.scale grn.bias", 0.0),
    "norm.scale": 1.0,
    "layer_scale": 1e-6,
}
KERNELS = {
    "conv": 9 * D,
    "conv.last": 9 * D,
    "conv.out": 9 * D,
    "time.in": 48,
    "time.out": D,
    "time.projection": D,
    "attention.enter": D,
    "attention.leave": D,
    "attention.out": D,
    "mlp.gate_in": D,
    "mlp.out": F,
}
DIFFUSERS = {
    **{role: torch(inputs) for role, inputs in KERNELS.items()},
    **{f"{role}.bias": torch(inputs) for role, inputs in KERNELS.items()},
    **each(QUERIES, torch(D)),
    "embedding.label": normal(1.0),
    "norm.scale": 1.0,
    "norm.bias": 0.0,
}
LORA = {
    "lora.a": torch(D),
    "lora.b": 0.0,
    "lora.embedding.a": 0.0,
    "lora.embedding.b": normal(1.0),
}

Formulas = Mapping[str, Law | float]

FORMULAS: dict[str, tuple[dict[str, Any], Formulas]] = {
    "vit": ({}, VIT),
    "vit:jax": ({"head_bias": -7.0}, {**VIT, "head.bias": -7.0}),
    "vit:bigvision": (
        {},
        {**VIT, "position": normal(1 / math.sqrt(D)), "probe": uniform(math.sqrt(6 / (1 + D)))},
    ),
    "vit:timm": ({}, TIMM),
    "vit:timm_jax": (
        {},
        {
            **TIMM,
            "patch": corrected(1 / math.sqrt(K)),
            "patch.bias": 0.0,
            # Of (3 d, d), where the three are packed.
            **each(QUERIES, glorot(D, 3 * D)),
            **each("attention.out head.transform", glorot(D, D)),
            **each("mlp.in mlp.out", glorot(D, F)),
            **each(MLP_BIASES, normal(1e-6)),
            "head": 0.0,
        },
    ),
    "vit:moco": (
        {},
        {
            **TIMM,
            **each(f"{QUERIES} attention.out head.transform", glorot(D, D)),
            **each("mlp.in mlp.out", glorot(D, F)),
            "head": glorot(D, V),
        },
    ),
    "vit:hf": (
        {},
        {
            **{role: law for role, law in TIMM.items() if role not in TIMM_ALONE},
            **each("patch token.class", normal(0.02)),
            **each("patch.bias token.mask", 0.0),
        },
    ),
    "dit": (
        {"width": D, "grid": 8, "patch": P, "channels": 5},
        {
            "patch": glorot(K, D),
            **each("embedding.label time.in time.out", normal(0.02)),
            **each(QUERIES, glorot(D, 3 * D)),
            "attention.out": glorot(D, D),
            **each("mlp.in mlp.out", glorot(D, F)),
            **each(f"patch.bias time.in.bias time.out.bias {ATTENTION_BIASES} {MLP_BIASES}", 0.0),
            **each("modulation modulation.bias head head.bias", 0.0),
        },
    ),
    "convnext": ({}, CONVNEXT),
    "convnext:hf": (
        {"stddev": 0.1},
        {
            **CONVNEXT,
            **{role: normal(0.1) for role, law in CONVNEXT.items() if isinstance(law, Law)},
        },
    ),
    "resnet": ({}, {**TORCH_RESNET, "norm.last.scale": 1.0}),
    "resnet:timm": ({}, TORCH_RESNET),
    "resnet:goyal": ({}, GOYAL),
    "resnet:flax": ({}, FLAX_RESNET),
    "resnet:bigvision": ({}, {**FLAX_RESNET, "head": 0.0}),
    "unet:diffusers": ({}, DIFFUSERS),
    "unet": (
        {},
        {
            **DIFFUSERS,
            **each("conv.last conv.last.bias conv.out conv.out.bias", 0.0),
            **each("attention.leave attention.leave.bias", 0.0),
        },
    ),
    "lora": ({}, LORA),
    "lora:gaussian": ({}, {**LORA, "lora.a": normal(1 / 8)}),
    "lora:nnx": ({}, {"lora.a": uniform(math.sqrt(6 / D)), "lora.b": 0.0}),
}
BESIDE = {"dit": {"position"}}
"""Roles that are tested below."""


def made(name: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str | None]]:
    """The parameters of the small model of a recipe by path, and their roles."""
    recipe = recipes.get(name, **options)
    family = family_of("test", recipe)
    sizes = {**family.sizes, **{size: n for size, n in SMALL.items() if size in family.sizes}}
    known = [role for role in family.roles if recipe.row(role) is not None]
    planned = plan(tree_of(family, sizes, known), Rules(by_roles(family).rules(recipe)))
    return dict(planned.stream(0)), {
        "/".join(map(str, leaf.path)): leaf.role for leaf in planned.leaves
    }


@pytest.mark.parametrize("name", FORMULAS)
def test_each_role_has_the_law_that_its_source_says(name: str) -> None:
    options, formulas = FORMULAS[name]
    params, roles = made(name, options)
    assert set(roles.values()) - BESIDE.get(name, set()) == set(formulas)
    for path, role in roles.items():
        if role not in formulas:
            continue
        law, values = formulas[role], np.asarray(params[path], np.float64).ravel()
        if not isinstance(law, Law):
            assert (values == np.float32(law)).all(), path
            continue
        stddev = law.distribution.std()
        assert abs(values.mean()) < 4 * stddev / math.sqrt(values.size), path
        kurtosis = float(law.distribution.stats(moments="k")) + 3
        error = math.sqrt((kurtosis - 1) / (4 * values.size))
        assert abs(math.sqrt(np.square(values).mean()) / stddev - 1) < 4 * error, path
        assert np.abs(values).max() <= law.bound * (1 + 1e-6), path
        assert stats.kstest(values, law.distribution.cdf).pvalue > RATE, path


def test_the_kernels_of_timm_are_narrower_layer_after_layer_if_asked() -> None:
    params, _ = made("vit:timm", {"fix_init": True})
    for layer in range(2):
        out = np.asarray(params[f"layers/{layer}/mlp/out/kernel"])
        assert out.std() == pytest.approx(0.02 / math.sqrt(2 * (layer + 1)), rel=0.03)


def test_the_positions_of_dit_are_those_of_its_grid() -> None:
    params, _ = made("dit", FORMULAS["dit"][0])
    # First along rows, then along columns; each sines, then cosines.
    frequencies = 10000.0 ** (-np.arange(D // 4) / (D // 4))
    x, y = np.tile(np.arange(8), 8), np.repeat(np.arange(8), 8)
    angles = [np.outer(place, frequencies) for place in (x, y)]
    table = np.hstack([wave(angle) for angle in angles for wave in (np.sin, np.cos)])
    np.testing.assert_allclose(params["position/table"], table, atol=1e-6)


def test_the_factors_of_an_orthogonal_adapter_have_the_product_zero() -> None:
    params, roles = made("lora:orthogonal", {})
    assert set(roles.values()) == set(LORA)
    a, b = (np.asarray(params[f"layers/0/lora/{part}/kernel"]) for part in "ab")
    assert np.abs(a @ b).max() < 1e-6
    for factor in (a, b):
        assert np.linalg.matrix_rank(factor) == 4
        assert factor.std() == pytest.approx(0.1 / math.sqrt(2), rel=0.15)

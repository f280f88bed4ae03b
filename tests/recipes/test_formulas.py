"""Recipes of references that no package ships, against formulas that are transcribed from them."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from scipy import stats

from cthulhu import recipes
from cthulhu.params import init_params, plan
from cthulhu.trees import flatten, join

RATE = 1e-3  # Of false alarms, for all parameters of a recipe together; keys are fixed.
D, F, H, K, V, L = 64, 192, 4, 16, 500, 3  # Width, hidden, heads, head size, vocabulary, layers.
WIDE = {"width": D, "hidden": F, "heads": H, "head_size": K, "vocabulary": V, "layers": L}
SMALL = {**WIDE, "kv_heads": 2}


class Through(NamedTuple):
    """A law of what a function makes of the values."""

    function: Callable[[Any], Any]
    law: Any


def normal(stddev: float) -> Any:
    return stats.norm(scale=stddev)


def cut(stddev: float, at: float = 2.0) -> Any:
    """Cut, and not corrected."""
    return stats.truncnorm(-at, at, scale=stddev)


def corrected(stddev: float) -> Any:
    """Cut at 2 standard deviations, and as wide as it says."""
    return cut(stddev / 0.87962566103423978)


def uniform(limit: float, mean: float = 0.0) -> Any:
    return stats.uniform(mean - limit, 2 * limit)


def by_layer(factor: Callable[[int], float], law: Callable[[float], Any], stddev: float) -> Any:
    """A law for each layer."""
    return [law(stddev * factor(layer)) for layer in range(L)]


def each(roles: str, law: Any) -> dict[str, Any]:
    return dict.fromkeys(roles.split(), law)


def same(layer: int) -> float:
    return 1 / math.sqrt(2 * L)


def deeper(layer: int) -> float:
    return 1 / math.sqrt(2 * (layer + 1))


def sinusoids(length: int, channels: int) -> Any:
    """As Whisper's: sines, and then cosines."""
    steps = np.exp(-math.log(10000) / (channels // 2 - 1) * np.arange(channels // 2))
    angles = np.arange(length)[:, None] * steps
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


QKV = "attention.query attention.key attention.value"
QKV_BIAS = "attention.query.bias attention.key.bias attention.value.bias"
GPT2_BIAS = f"{QKV_BIAS} attention.out.bias mlp.in.bias mlp.out.bias norm.bias"
LLAMA_SIZES = {**SMALL, "head_size": 32}
SMALL3, NORM3 = cut(0.02, 3), {"norm.scale": 1.0}
END3 = "attention.out mlp.in mlp.out"


class Formulas(NamedTuple):
    """What a recipe gives each role of a model of some sizes."""

    options: Mapping[str, Any]
    sizes: Mapping[str, int]
    laws: Mapping[str, Any]


def gpt2(first: Any, end: float, factor: Callable[[int], float], **position: Any) -> Formulas:
    laws = each(f"embedding position {QKV} mlp.in", first)
    ends = each("attention.out mlp.out", by_layer(factor, normal, end))
    rest = {**each(GPT2_BIAS, 0.0), "norm.scale": 1.0}
    return Formulas(
        {}, {**WIDE, "kv_heads": H, "positions": 200}, {**laws, **ends, **rest, **position}
    )


def mamba(**others: Any) -> Mapping[str, Any]:
    """In torch's own bounds, by the inputs; of a depthwise convolution by its taps."""
    return {
        "embedding": normal(0.02),
        "ssm.in": uniform(D**-0.5),
        "ssm.conv": uniform(4**-0.5),
        "ssm.conv.bias": uniform(4**-0.5),
        "ssm.dt.bias": Through(lambda x: np.log1p(np.exp(x)), stats.loguniform(0.001, 0.1)),
        "ssm.D": 1.0,
        "ssm.out": by_layer(lambda layer: L**-0.5, uniform, 128**-0.5),
        "norm.scale": 1.0,
        **others,
    }


FORMULAS = {
    "gpt2": gpt2(normal(0.02), 0.02, same),
    "gpt2:openai": gpt2(normal(0.02), 0.02, lambda layer: 1.0, position=normal(0.01)),
    "gpt2:neox": gpt2(normal((2 / (5 * D)) ** 0.5), 2 / (L * D**0.5), lambda layer: 1.0)._replace(
        options={"width": D}
    ),
    "gpt2:litgpt": gpt2(normal((2 / (5 * D)) ** 0.5), 1 / (L * D**0.5), lambda layer: 1.0)._replace(
        options={"width": D}
    ),
    "llama:nanotron": Formulas(
        {"stddev": 0.03},
        SMALL,
        {
            **each(f"embedding {QKV} mlp.gate mlp.in head", normal(0.03)),
            **each("attention.out mlp.out", by_layer(same, normal, 0.03)),
            "norm.scale": 1.0,
        },
    ),
    "llama:maxtext": Formulas(
        {"head_size": 32},
        LLAMA_SIZES,
        {
            "embedding": normal(1.0),
            "attention.query": normal((D * 32) ** -0.5),
            **each("attention.key attention.value", normal(D**-0.5)),
            "attention.out": normal((H * 32) ** -0.5),
            **each("mlp.gate mlp.in head", corrected(D**-0.5)),
            "mlp.out": corrected(F**-0.5),
            "norm.scale": 1.0,
        },
    ),
    # Experts (E, in, out) have the fan E · out.
    "mixtral:maxtext": Formulas(
        {"head_size": 32, "width": D, "experts": 8, "expert_hidden": 32},
        {
            **{n: LLAMA_SIZES[n] for n in LLAMA_SIZES if n != "hidden"},
            "experts": 8,
            "expert_hidden": 32,
        },
        {
            "embedding": normal(1.0),
            "attention.query": normal((D * 32) ** -0.5),
            **each("attention.key attention.value", normal(D**-0.5)),
            "attention.out": normal((H * 32) ** -0.5),
            **each("router head", corrected(D**-0.5)),
            **each("experts.gate experts.in", corrected((8 * 32) ** -0.5)),
            "experts.out": corrected((8 * D) ** -0.5),
            "norm.scale": 1.0,
        },
    ),
    "qwen3next:maxtext": Formulas(
        {"head_size": 32, "width": D, "experts": 8, "expert_hidden": 32},
        {
            **{**LLAMA_SIZES, "experts": 8, "expert_hidden": 32, "conv": 4},
            **{"inner": 128, "ssm_keys": 64, "ssm_heads": 64, "ssm_head_size": 2},
        },
        {
            "embedding": normal(1.0),
            "attention.query": normal((D * 32) ** -0.5),
            **each("attention.key attention.value", normal(D**-0.5)),
            "attention.out": normal((H * 32) ** -0.5),
            **each("router head mlp.gate mlp.in experts.shared_gate", corrected(D**-0.5)),
            **each("ssm.in ssm.gates", corrected(D**-0.5)),
            "ssm.conv": corrected(4**-0.5),
            "ssm.out": corrected(128**-0.5),
            "mlp.out": corrected(F**-0.5),
            **each("experts.gate experts.in", corrected((8 * 32) ** -0.5)),
            "experts.out": corrected((8 * D) ** -0.5),
            "ssm.A_log": Through(np.exp, uniform(8.0, 8.0)),
            **each("ssm.dt.bias norm.gated.scale", 1.0),
            "norm.scale": 0.0,
        },
    ),
    "llama3:torchtitan": Formulas(
        {"width": D},
        SMALL,
        {
            "embedding": normal(1.0),
            **each(f"{QKV} mlp.gate", normal(0.02)),
            **each(END3, by_layer(deeper, normal, 0.02)),
            "head": cut(D**-0.5, 3),
            "norm.scale": 1.0,
        },
    ),
    "deepseek3:torchtitan": Formulas(
        {"width": D},
        {**WIDE, "rotary": 8, "query_rank": 48, "kv_rank": 32, "experts": 4, "expert_hidden": 24},
        {
            "embedding": normal(1.0),
            **each("attention.query_down attention.query_up", normal(0.02)),
            **each("attention.kv_down attention.kv_up mlp.gate experts.gate", normal(0.02)),
            **each(f"{END3} router experts.in experts.out", by_layer(deeper, normal, 0.02)),
            "router.correction": 0.0,
            "head": cut(D**-0.5, 3),
            "norm.scale": 1.0,
        },
    ),
    "olmo:normal": Formulas(
        {}, SMALL, {**each(f"embedding {QKV} mlp.gate {END3} head", SMALL3), **NORM3}
    ),
    "olmo:llama": Formulas(
        {"width": D},
        SMALL,
        {
            "embedding": normal(1.0),
            **each(f"{QKV} mlp.gate", SMALL3),
            **each(END3, by_layer(same, lambda s: cut(s, 3), 0.02)),
            "head": cut(D**-0.5, 3),
            **NORM3,
        },
    ),
    "olmo:llama_depth": Formulas(
        {"width": D},
        SMALL,
        {
            "embedding": normal(1.0),
            **each(f"{QKV} mlp.gate", SMALL3),
            **each(END3, by_layer(deeper, lambda s: cut(s, 3), 0.02)),
            "head": cut(D**-0.5, 3),
            **NORM3,
        },
    ),
    "olmo:fan_in": Formulas(
        {"width": D, "hidden": F, "embed_scale": 2.0},
        SMALL,
        {
            "embedding": normal(0.5),
            **each(f"{QKV} attention.out mlp.gate mlp.in head", cut(D**-0.5, 3)),
            "mlp.out": cut(F**-0.5, 3),
            **NORM3,
        },
    ),
    "olmo:normalized": Formulas(
        {"width": D},
        SMALL,
        {
            "embedding": normal(D**-0.5),
            **each(f"{QKV} mlp.gate mlp.in head", cut(D**-0.5, 3)),
            **each("attention.out mlp.out", by_layer(same, lambda s: cut(s, 3), D**-0.5)),
            **NORM3,
        },
    ),
    "bert": Formulas(
        {},
        {**WIDE, "kv_heads": H, "positions": 100, "types": 8, "classes": 8},
        {
            **each(f"embedding position embedding.type {QKV} attention.out", cut(0.02)),
            **each("mlp.in mlp.out pooler head.transform classifier", cut(0.02)),
            **each(f"{GPT2_BIAS} pooler.bias head.transform.bias", 0.0),
            **each("head.bias classifier.bias", 0.0),
            "norm.scale": 1.0,
        },
    ),
    "t5": Formulas(
        {"head_size": 32},
        {**LLAMA_SIZES, "kv_heads": H, "buckets": 32},
        {
            "embedding": normal(1.0),
            "position.relative": uniform((6 / (H + 32)) ** 0.5),
            "attention.query": normal((D * 32) ** -0.5),
            **each("attention.key attention.value", normal(D**-0.5)),
            "attention.out": normal((H * 32) ** -0.5),
            **each("mlp.gate mlp.in head", corrected(D**-0.5)),
            "mlp.out": corrected(F**-0.5),
            "norm.scale": 1.0,
        },
    ),
    "mamba": Formulas(
        {},
        {
            "width": D,
            "inner": 128,
            "state": 16,
            "dt_rank": 8,
            "conv": 4,
            "vocabulary": V,
            "layers": L,
        },
        mamba(
            **{
                "ssm.x": uniform(128**-0.5),
                "ssm.dt": uniform(8**-0.5),
                "ssm.A_log": np.broadcast_to(np.log(np.arange(1, 17)), (128, 16)),
            }
        ),
    ),
    "mamba2": Formulas(
        {},
        {
            **{"width": D, "inner": 128, "state": 16, "heads": 64, "groups": 2, "conv": 4},
            **{"vocabulary": V, "layers": L},
        },
        mamba(
            **{
                "ssm.A_log": Through(np.exp, uniform(7.5, 8.5)),
                "norm.gated.scale": 1.0,
            }
        ),
    ),
    "whisper": Formulas(
        {},
        {**WIDE, "kv_heads": H, "channels": 20, "encoder_positions": 30, "positions": 40},
        {
            **each("stem stem.bias", uniform((3 * 20) ** -0.5)),
            **each(f"{QKV} attention.query.bias attention.value.bias", uniform(D**-0.5)),
            **each("attention.out attention.out.bias mlp.in mlp.in.bias", uniform(D**-0.5)),
            **each("mlp.out mlp.out.bias", uniform(F**-0.5)),
            "embedding": normal(1.0),
            "position.encoder": sinusoids(30, D),
            "position": 0.0,
            "norm.scale": 1.0,
            "norm.bias": 0.0,
        },
    ),
    "gemma:bigvision": Formulas(
        {"width": D},
        LLAMA_SIZES,
        {
            "embedding": normal(D**-0.5),
            **each(f"{QKV} mlp.gate mlp.in", corrected(D**-0.5)),
            "attention.out": corrected((H * 32) ** -0.5),
            "mlp.out": corrected(F**-0.5),
            "norm.scale": 0.0,
        },
    ),
    "gemma:deepmind": Formulas(
        {},
        LLAMA_SIZES,
        {
            **each(f"embedding {QKV} attention.out mlp.gate mlp.in mlp.out", normal(0.01)),
            "norm.scale": 0.0,
        },
    ),
    "recurrentgemma": Formulas(
        {"width": D},
        {**LLAMA_SIZES, "inner": 96, "block": 24, "conv": 4},
        {
            **each("embedding attention.query attention.key attention.value", normal(D**-0.5)),
            **each("recurrent.in recurrent.gate", normal(D**-0.5)),
            "recurrent.conv": normal((0.01 / 4) ** 0.5),
            "recurrent.gates": normal((H * 24) ** -0.5),
            "recurrent.a": Through(
                lambda x: (1 + np.exp(x)) ** -2.0, stats.uniform(0.81, 0.999**2 - 0.81)
            ),
            **each("mlp.gate mlp.in", normal((2 * D) ** -0.5)),
            "recurrent.out": normal((2 / (L * 96)) ** 0.5),
            "attention.out": normal((2 / (L * H * 32)) ** 0.5),
            "mlp.out": normal((2 / (L * F)) ** 0.5),
            **each("recurrent.in.bias recurrent.gate.bias recurrent.conv.bias", 0.0),
            **each("recurrent.gates.bias recurrent.out.bias attention.out.bias", 0.0),
            **each("mlp.gate.bias mlp.in.bias mlp.out.bias norm.scale", 0.0),
        },
    ),
}


def expect(path: str, values: Any, law: Any, rate: float) -> None:
    """Values are as a law says: a number, an array, or a distribution."""
    values = np.asarray(values, float)
    if isinstance(law, Through):
        law, values = law.law, law.function(values)
    if isinstance(law, float | np.ndarray):
        np.testing.assert_allclose(values, np.broadcast_to(law, values.shape), atol=1e-6)
        return
    mean, variance, _, kurtosis = map(float, law.stats("mvsk"))
    error = math.sqrt((kurtosis + 2) / 4 / values.size * variance)
    spread = math.sqrt(np.square(values - mean).mean())
    assert abs(spread - math.sqrt(variance)) < 4 * error, path
    low, high = law.support()
    assert low - 1e-6 <= values.min(), path
    assert values.max() <= high + 1e-6, path
    assert stats.kstest(values.ravel(), law.cdf).pvalue > rate, path


@pytest.mark.parametrize("name", FORMULAS)
def test_the_recipe_is_as_the_formulas_say(name: str) -> None:
    row = FORMULAS[name]
    tree = recipes.shapes(name, **row.sizes)
    rules = recipes.rules(name, **row.options)
    roles = [leaf.role for leaf in plan(tree, rules).leaves]
    assert set(roles) == set(row.laws)
    paths, made, _ = flatten(init_params(0, tree, rules))
    for path, values, role in zip(paths, made, roles, strict=True):
        law = row.laws[str(role)]
        own = law[int(path[1])] if isinstance(law, list) else law
        expect(join(path), values, own, RATE / len(paths))


# What the code of references asks of JAX, with axes that are not those of inputs and outputs.
COUNTED = {
    "gates of blocks": (
        "recurrentgemma",
        {"width": D},
        ("recurrent.gates", (H, 24, 24), {"scale": 1.0, "distribution": "normal"}),
    ),
    "both halves of a gated MLP": (
        "recurrentgemma",
        {"width": D},
        ("mlp.gate_in", (2, D, F), {"scale": 1.0, "distribution": "normal", "in_axis": [1]}),
    ),
    "a convolution without channels": (
        "recurrentgemma",
        {"width": D},
        ("recurrent.conv", (4, 512), {"scale": 0.01, "distribution": "normal"}),
    ),
    "experts": (
        "mixtral:maxtext",
        {"head_size": 32, "width": D, "experts": 8, "expert_hidden": 24},
        (
            "experts.in",
            (8, D, 24),
            {"scale": 1.0, "distribution": "truncated_normal", "in_axis": [0], "out_axis": [1]},
        ),
    ),
    "a table": (
        "gemma:bigvision",
        {"width": D},
        (
            "embedding",
            (V, D),
            {"scale": 1.0, "distribution": "normal", "in_axis": 1, "out_axis": 0},
        ),
    ),
}


@pytest.mark.parametrize("case", COUNTED)
def test_fans_are_counted_as_the_reference_does(case: str) -> None:
    name, options, (role, shape, asked) = COUNTED[case]
    reference = jax.nn.initializers.variance_scaling(**{"mode": "fan_in", **asked})
    theirs = reference(jax.random.key(1), shape)
    layout = "in_out" if len(shape) == 2 else "moe"
    naming = recipes.Naming([("leaf", role, None if role == "embedding" else layout)])
    tree = {"leaf": jax.ShapeDtypeStruct(shape, np.float32)}
    ours = init_params(0, tree, recipes.rules(name, naming=naming, **options))["leaf"]
    # Each of the two is off by less than 4 standard errors, of a normal law.
    bound = 2 * 4 / math.sqrt(2 * ours.size)
    assert abs(math.log(float(ours.std() / theirs.std()))) < bound

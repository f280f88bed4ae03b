"""Recipes as values: what they say of roles, what comes of a name, and what is refused."""

import re
from typing import Any

import jax
import numpy as np
import pytest

from cthulhu import recipes
from cthulhu.initializers import Blocked, ByDepth, GlorotUniform, Initializer, RandomNormal, Zeros
from cthulhu.params import Rules, init_params, plan
from cthulhu.recipes import Naming
from cthulhu.recipes._recipe import FAMILIES, changed, row, variants
from cthulhu.recipes._roles import ROLES, kind_of, parent_of, path_of, shape_of
from cthulhu.trees import flatten

NAMES = recipes.available()
NORMAL, NARROW = RandomNormal(stddev=0.02), RandomNormal(stddev=0.01)

# What the recipes must be there by.
ASKED = {
    *("gpt2", "gpt2:nanogpt", "gpt2:openai", "llama3:torchtitan", "llama:hf", "t5:t5x", "t5:hf"),
    *("mamba2", "mamba2:hf", "bert", "bert:hf", "mixtral:hf", "deepseek3:torchtitan", "whisper"),
    *("gemma:bigvision", "recurrentgemma", "qwen3next", "vit:timm", "vit:jax", "vit:bigvision"),
    *("dit", "convnext", "resnet:goyal", "resnet:timm", "unet:compvis", "unet:diffusers", "lora"),
    *("lora:nnx", "torch_default", "keras_default", "linen_default", "nnx_default"),
    "equinox_default",
}


def test_the_recipes_are_there() -> None:
    assert set(NAMES) >= ASKED
    assert len(NAMES) == len(set(NAMES))


def example(name: str) -> recipes.Recipe:
    """A recipe for a model of the published size."""
    return recipes.show(name).recipe


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_has_a_law_and_a_source_for_each_role(name: str) -> None:
    shown = recipes.show(name)
    assert shown.recipe.about.endswith(".")
    assert len(shown.recipe.about) <= 120
    for entry in shown.entries:
        assert isinstance(entry.initializer, Initializer)
        assert re.fullmatch(r"[\w.,{}/()' :;-]+(, [\w{},/.* -]+)*", entry.source), entry.source
    roles = FAMILIES[name.partition(":")[0]].roles
    assert {entry.role for entry in shown.entries} <= set(roles)
    assert len(set(roles)) == len(roles)


@pytest.mark.parametrize("name", NAMES)
def test_a_tree_of_roles_gets_the_laws_of_its_recipe(name: str) -> None:
    """Without a naming: the roles themselves are names; unless any name may be a framework's."""
    recipe = example(name)
    family = FAMILIES[name.partition(":")[0]]
    naming = "roles" if family.framework else None
    known = {entry.role: entry for entry in recipes.show(name).entries}
    if set(known) != set(family.roles):
        with pytest.raises(ValueError, match="there is no law"):
            plan(recipes.shapes(name), recipes.rules(recipe, naming=naming), stacked={})
        return
    planned = plan(recipes.shapes(name), recipes.rules(recipe, naming=naming), stacked={})
    assert {leaf.role for leaf in planned.leaves} == set(known)
    for leaf, line in zip(planned.leaves, planned.rows, strict=True):
        spread = known[str(leaf.role)].stddev
        if spread is not None and spread[0] == spread[1]:
            assert line.stddev == pytest.approx(spread[0], rel=1e-4)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_a_kind_a_place_and_a_shape(role: str) -> None:
    assert kind_of(role) is not None
    assert len(set(map(path_of, ROLES))) == len(ROLES)
    sizes = dict.fromkeys(re.findall(r"[a-z_]+", ROLES[role].shape), 4)
    assert all(size > 0 for size in shape_of(role, sizes, {}))
    if ROLES[role].kind == "kernel":
        assert parent_of(f"{role}.bias") == role
        assert shape_of(f"{role}.bias", sizes, {}) == shape_of(role, sizes, {})[-1:]


def of(*rows: Any) -> recipes.Recipe:
    return recipes.Recipe("mine", tuple(rows), "Mine.", {})


LOOKED_UP: dict[str, tuple[recipes.Recipe, str, Any]] = {
    "its own row": (of(row("kernel", NORMAL, "a"), row("mlp.in", NARROW, "b")), "mlp.in", NARROW),
    "that of its kind": (of(row("kernel", NORMAL, "a")), "mlp.in", NORMAL),
    "a bias": (of(row("bias", "zeros", "a")), "mlp.in.bias", Zeros()),
    "a bias of its own": (
        of(row("bias", "zeros", "a"), row("mlp.in.bias", NORMAL, "a")),
        "mlp.in.bias",
        NORMAL,
    ),
    "packed, of one law for all": (of(row("kernel", NORMAL, "a")), "attention.qkv", NORMAL),
    "packed, by fans": (
        of(row("kernel", "glorot_uniform", "a")),
        "attention.qkv",
        Blocked(GlorotUniform(), 3),
    ),
    "packed, of several laws": (
        of(row("kernel", NORMAL, "a"), row("attention.query", NARROW, "b")),
        "attention.qkv",
        Blocked((NARROW, NORMAL, NORMAL), 3),
    ),
    "packed, of its own": (
        of(row("kernel", NORMAL, "a"), row("attention.qkv", "glorot_uniform", "b")),
        "attention.qkv",
        GlorotUniform(),
    ),
}


@pytest.mark.parametrize("name", LOOKED_UP)
def test_the_law_of_a_role(name: str) -> None:
    recipe, role, expected = LOOKED_UP[name]
    assert recipe.initializer(role) == expected


def test_a_role_that_is_not_known_is_an_error() -> None:
    with pytest.raises(
        KeyError, match=r"the recipe 'mine' has no role 'heed' .did you mean 'head'"
    ):
        of(row("head", NORMAL, "a")).initializer("heed")


def test_changed_rows_keep_the_rest() -> None:
    rows = (row("embedding position", NORMAL, "a"), row("head", NORMAL, "a"))
    found = changed(rows, row("position head", NARROW, "b"))
    assert [one.roles for one in found] == [("embedding",), ("position", "head")]


def spec(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, np.float32)


def block(width: int = 32) -> dict[str, Any]:
    return {"qkv": spec(width, 3 * width), "out": spec(width, width)}


BLOCKS = [
    (r"blocks/(?P<layer>\d+)/qkv", "attention.qkv"),
    (r"blocks/(?P<layer>\d+)/out", "attention.out"),
]
TREE = {"blocks": [block(), block()]}


def test_layers_are_counted_by_the_paths_or_told() -> None:
    naming = Naming(BLOCKS)
    rows = plan(TREE, recipes.rules("gpt2", naming=naming)).rows
    assert rows[0].stddev == pytest.approx(0.02 / 2)  # `out` comes first.
    told = plan(TREE, recipes.rules("gpt2", naming=naming, layers=8)).rows
    assert told[0].stddev == pytest.approx(0.02 / 4)


def test_stacked_layers_of_a_naming() -> None:
    naming = Naming(
        [("layers/qkv", "attention.qkv", None, 1), ("layers/out", "attention.out", None, 0)]
    )
    tree = {"layers": {"qkv": spec(32, 6, 96), "out": spec(6, 32, 32)}}
    planned = plan(tree, recipes.rules("gpt2", naming=naming))
    out, qkv = planned.leaves
    assert qkv.stack == 1
    assert out.initializer == ByDepth(NORMAL, "1/sqrt(2 * L)", axis=0)
    values = planned.run(0)["layers"]["out"]
    assert float(values.std()) == pytest.approx(0.02 / np.sqrt(12), rel=0.05)


REFUSED: dict[str, tuple[Any, dict[str, Any], type[Exception], str]] = {
    "a recipe that is not known": ("gpt2:opennai", {}, ValueError, "did you mean 'gpt2:openai'"),
    "no name": (3, {}, TypeError, "recipe must be a name, as 'gpt2'"),
    "a hyperparameter": ("gpt2", {"layer": 2}, TypeError, "did you mean 'layers'"),
    "one that is needed": (
        "t5",
        {},
        TypeError,
        "the laws of 't5' depend on head_size, which shapes do not tell; pass head_size=64",
    ),
    "twice": (
        recipes.get("gpt2"),
        {"layers": 2},
        TypeError,
        "'gpt2' has its hyperparameters; pass its name with others",
    ),
    "a naming that is not known": ("gpt2", {"naming": "transformer"}, ValueError, "'transformers'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_rules_refuse(name: str) -> None:
    recipe, options, error, message = REFUSED[name]
    with pytest.raises(error, match=f"recipes.rules: .*{message}"):
        recipes.rules(recipe, **options)


UNFIT: dict[str, tuple[list[Any], Any, str]] = {
    "no name": (BLOCKS[:1], TREE, r"2 of .* match no rule.*\n  blocks/0/out\n.*roles .*attention"),
    "no law": (
        [*BLOCKS, ("gates", "recurrent.a")],
        {**TREE, "gates": spec(3)},
        r"for 1 of .* there is no law:\n  gates: the recipe 'gpt2' has no law for .*'recurrent.a'",
    ),
    "two roles": (
        [*BLOCKS, ("blocks/.*/out", "mlp.out")],
        TREE,
        r"2 of .* have several roles:\n  blocks/0/out: attention.out or mlp.out",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_what_does_not_fit_is_listed_with_its_role(name: str) -> None:
    names, tree, message = UNFIT[name]
    rules = recipes.rules("gpt2", naming=Naming(names))
    with pytest.raises(ValueError, match=f"(?s)Rules: {message}"):
        plan(tree, rules)


WRONG_NAMINGS: dict[str, tuple[Any, type[Exception], str]] = {
    "no tuples": (3, TypeError, "Naming: names must be tuples"),
    "a string": ("wte", TypeError, "Naming: names must be tuples"),
    "no tuple": (["wte"], TypeError, "Naming: name 1 must be a tuple"),
    "no role": ([("wte", 3)], TypeError, "Naming: name 1 must be a tuple"),
    "regex": ([("(", "embedding")], ValueError, "Naming: name 1 is the invalid"),
    "layout": ([("w", "head", "outin")], ValueError, "Naming: name 1: layout must be one of"),
}


@pytest.mark.parametrize("name", WRONG_NAMINGS)
def test_wrong_namings(name: str) -> None:
    names, error, message = WRONG_NAMINGS[name]
    with pytest.raises(error, match=message):
        Naming(names)


def test_rules_of_a_recipe_are_rules() -> None:
    rules = recipes.rules("gpt2", layers=12)
    assert type(rules) is Rules
    assert Rules.from_json(rules.to_json()) == rules
    more = rules.extend([("wte/embedding", "zeros")], before=True)
    assert more.match([("wte", "embedding")]) == [Zeros()]


def test_shapes_are_of_the_sizes_that_are_asked_for() -> None:
    tree = recipes.shapes("gpt2", dtype="bfloat16", layers=3, width=64)
    paths, leaves, _ = flatten(tree)
    assert len(paths) == 2 + 3 * 14
    assert {str(leaf.dtype) for leaf in leaves} == {"bfloat16"}
    with pytest.raises(TypeError, match=r"recipes.shapes: 'gpt2' has no size 'widht' .*'width'"):
        recipes.shapes("gpt2", widht=64)


def test_two_recipes_are_compared_by_the_laws_that_they_come_to() -> None:
    found = recipes.compare("llama:hf", "llama3:torchtitan")
    # What torch cuts at the values ±2 is, for a standard deviation of 0.02, not cut.
    assert "attention.query" in found.same
    embedding = found.differences[0]
    assert (embedding.role, embedding.ratio) == ("embedding", (50.0, 50.0))
    out = next(one for one in found.differences if one.role == "attention.out")
    assert out.ratio == pytest.approx((2**-0.5, 64**-0.5), rel=1e-3)
    text = str(found)
    assert "llama:hf and llama3:torchtitan: 5 roles differ, 5 do not" in text
    assert "0.707 … 0.125" in text


def test_a_recipe_is_a_value() -> None:
    assert recipes.get("gpt2") == recipes.get("gpt2")
    assert recipes.get("gpt2") != recipes.get("gpt2", stddev=0.01)
    assert hash(recipes.get("gpt2")) == hash(recipes.get("gpt2"))
    assert recipes.get("gpt2", layers=3).hyperparameters == {"stddev": 0.02, "layers": 3}


def test_the_values_of_a_recipe_are_those_of_its_initializers() -> None:
    tree = {"wte": {"embedding": spec(50, 32)}}
    by_recipe = init_params(0, tree, recipes.rules("gpt2"))
    by_hand = init_params(0, tree, RandomNormal(stddev=0.02))
    assert np.array_equal(by_recipe["wte"]["embedding"], by_hand["wte"]["embedding"])


def test_every_variant_says_what_it_is() -> None:
    for name, _, variant in variants():
        assert variant.about, name

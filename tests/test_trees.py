"""Modules are trees: their arrays are parameters, and what else they hold stays."""

import functools

import equinox
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu import functional
from cthulhu.params import Keep, Rules, init_params, plan, verify
from cthulhu.random import fold_path
from cthulhu.trees import is_tree
from tests.cases import same_bits

KEY = jax.random.key(0)
RULES = Rules([(".*weight", "he_normal"), (".*", "zeros")], layout="out_in")


class Classifier(equinox.Module):
    layers: list
    rate: float
    name: str

    def __init__(self):
        self.layers = [equinox.nn.MLP(4, 2, 8, 1, key=KEY), equinox.nn.Dropout(0.5)]
        self.rate, self.name = 0.1, "classifier"

    def __call__(self, x):
        return self.layers[0](x)


class Network(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(4, 8, rngs=rngs)
        self.rest = nnx.List([nnx.Linear(8, 8, rngs=rngs)])

    def __call__(self, x):
        return self.rest[0](self.first(x))


def test_an_equinox_module():
    model = Classifier()
    made = init_params(0, model, RULES)
    assert isinstance(made, Classifier)
    assert (made.rate, made.name, made.layers[1].p) == (0.1, "classifier", 0.5)
    assert made.layers[0].activation is model.layers[0].activation
    path = ("layers", "0", "layers", "0", "weight")
    expected = functional.he_normal(fold_path(KEY, path), (8, 4), in_axis=1, out_axis=0)
    same_bits(made.layers[0].layers[0].weight, expected)
    assert made(jnp.ones(4)).shape == (2,)


@pytest.mark.parametrize("source", ["arrays", "specs", "filtered", "within"])
def test_plans_of_equinox_modules(source):
    model = Classifier()
    tree = {
        "arrays": model,
        "specs": equinox.filter_eval_shape(Classifier),
        "filtered": equinox.filter(model, equinox.is_array),
        "within": {"a": model},
    }[source]
    planned = plan(tree, RULES)
    prefix = "a/" * (source == "within")
    layers = [f"{prefix}layers/0/layers/{number}" for number in (0, 1)]
    assert [row.path for row in planned.rows] == [
        f"{layer}/{name}" for layer in layers for name in ("weight", "bias")
    ]
    made = planned.run(0)
    assert jax.tree.structure(made) == jax.tree.structure(tree)
    assert verify(made, 0, planned)
    assert verify(made, 0, RULES)
    assert not verify(made, 1, RULES)
    paths = [path for path, _ in planned.stream(0)]
    assert paths == [row.path for row in planned.rows]


def test_an_equinox_module_under_jit_and_in_a_layout():
    model = Classifier()
    expected = init_params(0, model, RULES)
    weights = functools.partial(equinox.filter, filter_spec=equinox.is_array)
    jitted = jax.jit(lambda key: weights(init_params(key, model, RULES)))(KEY)
    jax.tree.map(same_bits, jitted, weights(expected))
    sharding = NamedSharding(jax.make_mesh((2,), ("x",)), P())
    placed = init_params(0, model, RULES, shardings=sharding)
    assert {leaf.sharding for leaf in jax.tree.leaves(weights(placed))} == {sharding}


@pytest.mark.parametrize("abstract", [False, True])
def test_an_nnx_module(abstract):
    def build():
        return Network(nnx.Rngs(0))

    model = nnx.eval_shape(build) if abstract else build()
    planned = plan(model, [(".*kernel", "he_normal"), (".*", "zeros")])
    paths = ["first/bias", "first/kernel", "rest/0/bias", "rest/0/kernel"]
    assert [row.path for row in planned.rows] == paths
    made = planned.run(0)
    assert isinstance(made, Network)
    same_bits(
        made.first.kernel[...],
        functional.he_normal(fold_path(KEY, ("first", "kernel")), (4, 8)),
    )
    assert made(jnp.ones((1, 4))).shape == (1, 8)
    same_bits(init_params(0, model, planned_rules()).first.kernel[...], made.first.kernel[...])


def planned_rules():
    return [(".*kernel", "he_normal"), (".*", "zeros")]


TREES = {
    "a module": (lambda: equinox.nn.Linear(4, 8, key=KEY), True),
    "specs": (lambda: equinox.filter_eval_shape(Classifier), True),
    "nnx": (lambda: Network(nnx.Rngs(0)), True),
    "a function": (lambda: functional.he_normal, False),
    "a jitted function": (lambda: jax.jit(lambda key: key), False),
    "a filtered function": (lambda: equinox.filter_jit(lambda key: key), False),
    "a partial with an array": (lambda: jax.tree_util.Partial(jnp.add, jnp.ones(3)), False),
    "a method": (lambda: Classifier().__call__, False),
}


@pytest.mark.parametrize("name", TREES)
def test_what_is_a_tree(name):
    make, expected = TREES[name]
    assert is_tree(make()) == expected


def test_a_partial_with_an_array_is_an_init_function():
    init = jax.tree_util.Partial(lambda base, key: base + jax.random.normal(key, (3,)), jnp.ones(3))
    assert plan(init, KEY).run().shape == (3,)


@pytest.mark.parametrize("stray", [0.5, "name", jnp.tanh], ids=["number", "string", "function"])
def test_other_trees_hold_arrays_alone(stray):
    with pytest.raises(TypeError, match="init_params: the leaf 'b' must be an array"):
        init_params(0, {"a": np.ones(3, np.float32), "b": stray}, "zeros")
    with pytest.raises(TypeError, match="the leaf 'stray' must be an array"):
        init_params(0, {"model": Classifier(), "stray": stray}, RULES)


def test_keeping_within_a_module():
    model = Classifier()
    made = init_params(0, model, [(".*bias", "ones"), (".*", Keep())])
    assert made.layers[0].layers[0].weight is model.layers[0].layers[0].weight
    assert made.layers[0].layers[0].bias.all()

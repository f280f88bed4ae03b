"""Paths are the same in every framework, and keys follow from them alone."""

import dataclasses
import time

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.extend.core
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from cthulhu import functional
from cthulhu.params import init_params
from cthulhu.params._keys import layer_keys, leaf_keys, typed_key
from cthulhu.random import fold_path
from cthulhu.trees import flatten, join
from tests.cases import same_bits

KEY = jax.random.key(20240229)
INPUTS = jax.ShapeDtypeStruct((1, 2), np.float32)
PATHS = [("a",), ("a", "kernel"), ("ak", "ernel"), ("b", "0"), ("β", "kernel"), ("",)]


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Attention:
    query: object
    key: object
    value: object


class NnxModel(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.a = nnx.Linear(2, 3, rngs=rngs)
        self.blocks = nnx.List([nnx.Linear(3, 3, use_bias=False, rngs=rngs)])


def linen_tree(**options):
    model = nn.Sequential([nn.Dense(3, **options), nn.Dense(2, use_bias=False)])
    return jax.eval_shape(model.init, KEY, INPUTS)["params"]


def boxed_linen_tree():
    annotate = nn.with_partitioning(nn.initializers.normal(), ("x", "y"))
    return linen_tree(kernel_init=annotate)


def logical_linen_tree():
    annotate = nn.with_logical_partitioning(nn.initializers.normal(), ("x", "y"))
    return linen_tree(kernel_init=annotate)


def nnx_model():
    return nnx.eval_shape(lambda: NnxModel(nnx.Rngs(0)))


def haiku_tree():
    def apply(inputs):
        return hk.nets.MLP([3, 2], name="mlp")(inputs)

    return jax.eval_shape(hk.transform(apply).init, KEY, INPUTS)


def equinox_tree():
    model = eqx.filter_eval_shape(eqx.nn.MLP, 2, 2, 4, 1, key=KEY)
    return eqx.filter(model, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))


LINEN = ["layers_0/bias", "layers_0/kernel", "layers_1/kernel"]
NNX = ["a/bias", "a/kernel", "blocks/0/kernel"]
TREES = {
    "linen": (linen_tree, LINEN),
    "linen, annotated": (boxed_linen_tree, LINEN),
    "linen, annotated by logical axes": (logical_linen_tree, LINEN),
    "nnx.State": (lambda: nnx.state(nnx_model(), nnx.Param), NNX),
    "nnx.Module": (nnx_model, NNX),
    "nnx, pure": (lambda: nnx.to_pure_dict(nnx.state(nnx_model(), nnx.Param)), NNX),
    "haiku": (
        haiku_tree,
        ["mlp/~/linear_0/b", "mlp/~/linear_0/w", "mlp/~/linear_1/b", "mlp/~/linear_1/w"],
    ),
    "equinox": (
        equinox_tree,
        ["layers/0/weight", "layers/0/bias", "layers/1/weight", "layers/1/bias"],
    ),
    "dataclass": (
        lambda: {"attn": [Attention(1, 2, 3)]},
        ["attn/0/query", "attn/0/key", "attn/0/value"],
    ),
    "a value that is no box": (
        lambda: {"attn": {"value": 1}, "b": (2, None)},
        ["attn/value", "b/0"],
    ),
    "one leaf": (lambda: 1, [""]),
    "nothing": (dict, []),
}


@pytest.mark.parametrize("name", TREES)
def test_paths(name):
    build, expected = TREES[name]
    paths, leaves, structure = flatten(build())
    assert [join(path) for path in paths] == expected
    assert jax.tree.structure(jax.tree.unflatten(structure, leaves)) == structure


def test_an_annotation_changes_no_value():
    plain = init_params(KEY, linen_tree(), [(".*", "normal")])
    for build in (boxed_linen_tree, logical_linen_tree):
        boxed = init_params(KEY, build(), [(".*", "normal")])
        kernel = boxed["layers_0"]["kernel"]
        assert isinstance(kernel, nn.Partitioned)
        assert kernel.names == ("x", "y")
        jax.tree.map(same_bits, nn.unbox(boxed), plain)


@pytest.mark.parametrize("name", ["nnx.State", "nnx.Module", "haiku", "equinox", "linen"])
def test_every_framework_is_initialized(name):
    tree = TREES[name][0]()
    params = init_params(KEY, tree, [(".*", "normal")])
    assert jax.tree.structure(params) == jax.tree.structure(tree)
    paths, leaves, _ = flatten(params)
    for path, leaf in zip(paths, leaves, strict=True):
        same_bits(leaf, functional.random_normal(fold_path(KEY, path), leaf.shape))


def test_an_nnx_model_runs_on_its_new_parameters():
    graph, state = nnx.split(nnx_model())
    model = nnx.merge(graph, init_params(KEY, state, [(".*/kernel", "normal"), (".*", "ones")]))
    same_bits(model.a(jnp.zeros((1, 2))), jnp.ones((1, 3)))


def test_two_leaves_of_one_path():
    with pytest.raises(ValueError, match="two leaves of the tree have the path 'a/1'"):
        flatten({"a": Twins(0, 0)})


@jax.tree_util.register_pytree_with_keys_class
@dataclasses.dataclass
class Twins:
    first: object
    second: object

    def tree_flatten_with_keys(self):
        entry = jax.tree_util.DictKey("1")
        return ((entry, self.first), (jax.tree_util.SequenceKey(1), self.second)), None

    @classmethod
    def tree_unflatten(cls, _, children):
        return cls(*children)


def test_leaf_keys_are_hashed_without_jax(monkeypatch):
    asked = []
    bind = jax.extend.core.Primitive.bind

    def count(primitive, *args, **params):
        asked.append(primitive.name)
        return bind(primitive, *args, **params)

    monkeypatch.setattr(jax.extend.core.Primitive, "bind", count)
    words = leaf_keys("test", KEY, PATHS)
    layer_keys(words[0], 5)
    assert set(asked) == {"random_unwrap"}  # The key's own words.


def test_leaf_keys_are_those_of_fold_path():
    words = leaf_keys("test", KEY, PATHS)
    for path, own in zip(PATHS, words, strict=True):
        same_bits(own, jax.random.key_data(fold_path(KEY, path)))
    assert len({tuple(own) for own in words.tolist()}) == len(PATHS)


def test_a_key_depends_on_its_path_alone():
    words = dict(zip(PATHS, leaf_keys("test", KEY, PATHS).tolist(), strict=True))
    for paths in (PATHS[::-1], PATHS[1:4], [("new",), *PATHS]):
        others = dict(zip(paths, leaf_keys("test", KEY, paths).tolist(), strict=True))
        assert all(others[path] == words[path] for path in set(paths) & set(PATHS))


def test_values_do_not_depend_on_the_other_parameters():
    spec = jax.ShapeDtypeStruct((3, 4), np.float32)
    rules = [(".*", "normal")]
    alone = init_params(KEY, {"b": {"kernel": spec}}, rules)["b"]["kernel"]
    among = init_params(KEY, {"a": spec, "b": {"bias": spec, "kernel": spec}, "c": spec}, rules)
    same_bits(among["b"]["kernel"], alone)
    assert len({leaf.tobytes() for leaf in map(np.asarray, jax.tree.leaves(among))}) == 4


KEYS = {
    "typed": lambda: jax.random.key(7),
    "raw": lambda: jax.random.PRNGKey(7),
    "raw, of NumPy": lambda: np.array([0, 7], np.uint32),
    "rbg": lambda: jax.random.key(7, impl="rbg"),
    "unsafe_rbg": lambda: jax.random.key(7, impl="unsafe_rbg"),
    "seed": lambda: 7,
    "seed of NumPy": lambda: np.int64(7),
}


@pytest.mark.parametrize("name", KEYS)
def test_every_kind_of_key_means_the_same(name):
    expected = leaf_keys("test", jax.random.key(7), PATHS)
    same_bits(leaf_keys("test", KEYS[name](), PATHS), expected)
    same_bits(jax.jit(lambda: leaf_keys("test", KEYS[name](), PATHS))(), expected)
    if name not in ("seed", "seed of NumPy"):
        same_bits(jax.jit(lambda key: leaf_keys("test", key, PATHS))(KEYS[name]()), expected)


def test_split_and_folded_rbg_keys_mean_their_threefry_counterparts():
    pairs = [jax.random.split(jax.random.key(7, impl=impl))[1] for impl in ("threefry2x32", "rbg")]
    folded = [jax.random.fold_in(key, 5) for key in pairs]
    for threefry, rbg in (pairs, folded):
        expected = leaf_keys("test", threefry, PATHS)
        same_bits(leaf_keys("test", rbg, PATHS), expected)
        with jax.default_prng_impl("rbg"):
            same_bits(leaf_keys("test", jax.random.key_data(rbg), PATHS), expected)


def test_all_words_of_a_key_count():
    data = np.array([1, 2, 3, 4], np.uint32)
    made = [
        typed_key("test", jax.random.wrap_key_data(words, impl="unsafe_rbg"))
        for words in (data, data[[0, 1, 3, 2]], data[[2, 3, 0, 1]], data[[0, 1, 0, 1]])
    ]
    assert len({(int(left), int(right)) for left, right in made}) == 4
    key = jax.random.wrap_key_data(data, impl="unsafe_rbg")
    traced = jax.jit(lambda key: jnp.stack(typed_key("test", key)))(key)
    same_bits(traced, np.array(made[0]))


def test_the_default_key_implementation_changes_nothing():
    tree = {"kernel": jax.ShapeDtypeStruct((4, 5), np.float32), "bias": np.ones(3, np.float32)}
    rules = [("kernel", "orthogonal"), ("bias", "normal")]
    expected = init_params(7, tree, rules)
    for implementation in ("rbg", "unsafe_rbg"):
        with jax.default_prng_impl(implementation):
            jax.tree.map(same_bits, init_params(7, tree, rules), expected)
            jax.tree.map(same_bits, init_params(jax.random.key(7), tree, rules), expected)
            jitted = jax.jit(lambda key: init_params(key, tree, rules))
            jax.tree.map(same_bits, jitted(jax.random.key(7)), expected)


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        (jax.random.split(KEY), ValueError, "key must be a single key"),
        (None, TypeError, "key must be a PRNG key"),
        (0.5, TypeError, "key must be a PRNG key"),
        (True, TypeError, "key must be a PRNG key"),
        (-1, ValueError, "seed must be from 0"),
        (2**32, ValueError, "seed must be from 0"),
    ],
    ids=["batch", "none", "float", "bool", "negative", "large"],
)
def test_keys_that_are_refused(key, error, message):
    with pytest.raises(error, match=f"test: {message}"):
        leaf_keys("test", key, PATHS)


def realistic_paths():
    """A million paths: transformers of many widths of names, experts, and ResNets."""
    parts = ["query", "key", "value", "out", "mlp/wi_0", "mlp/wi_1", "mlp/wo", "ln_1", "ln_2"]
    for tower in ("encoder", "decoder", "params/transformer", "model/language_model"):
        for layer in range(2000):
            for part in parts:
                for name in ("kernel", "bias"):
                    yield (tower, f"layers_{layer}", *part.split("/"), name)
    for layer in range(120):
        for expert in range(1024):
            for part in ("gate", "up", "down"):
                for name in ("kernel", "bias"):
                    yield ("decoder", f"layers_{layer}", "moe", f"expert_{expert}", part, name)
    for stage in range(40):
        for block in range(200):
            for convolution in range(3):
                for name in ("Conv", "BatchNorm"):
                    for leaf in ("kernel", "scale"):
                        yield (f"stage{stage}", f"Block_{block}", f"{name}_{convolution}", leaf)


def test_a_million_paths_have_a_million_keys():
    paths = list(realistic_paths())
    paths += [(str(at), "w") for at in range(10**6 - len(paths))]
    assert len(paths) == 10**6
    start = time.process_time()
    words = leaf_keys("test", KEY, paths)  # Raises if two digests are equal.
    assert time.process_time() - start < 20
    assert len(np.unique(words.view(np.uint64))) == 10**6

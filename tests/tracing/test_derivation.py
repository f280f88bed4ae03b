import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu.params import plan
from cthulhu.tracing import _derivation as derivation
from cthulhu.tracing._graph import Graph
from cthulhu.tracing._parts import parts
from tests.cases import same_bits

KEY = jax.random.key(42)

DERIVATIONS = {
    "fold": lambda key: jax.random.fold_in(key, 123),
    "folds": lambda key: jax.random.fold_in(jax.random.fold_in(key, 2**32 - 1), 0),
    "split": lambda key: jax.random.split(key, 5),
    "split in two axes": lambda key: jax.random.split(key, (2, 3)),
    "unpacked": lambda key: list(jax.random.split(key, 3)),
    "picked": lambda key: jax.random.split(key, 5)[2],
    "sliced": lambda key: jax.random.split(key, 5)[1:4],
    "strided": lambda key: jax.random.split(key, 5)[::2],
    "reshaped": lambda key: jax.random.split(key, 6).reshape(2, 3),
    "broadcast": lambda key: jnp.broadcast_to(key, (3,)),
    "concatenated": lambda key: jnp.concatenate([jax.random.split(key), jax.random.split(key, 3)]),
    "stacked": lambda key: jnp.stack([key, jax.random.fold_in(key, 1)]),
    "mapped": lambda key: jax.vmap(jax.random.fold_in)(jax.random.split(key, 3), jnp.arange(3)),
    "split twice": lambda key: jax.vmap(jax.random.split)(jax.random.split(key, 3)),
    "raw": lambda key: jax.random.wrap_key_data(jax.random.key_data(key)[::-1]),
    "seed": lambda key: [jax.random.key(7), jax.random.key(-1), jax.random.key(2**31 - 1)],
    "chosen": lambda key: jnp.where(jnp.arange(4) < 2, jax.random.split(key, 4), key),
    "indexed": lambda key: jax.random.split(key, 4)[jnp.int32(-1)],
}


@pytest.mark.parametrize("name", DERIVATIONS)
def test_keys_equal_those_of_jax(name):
    expected = jax.tree.leaves(jax.jit(DERIVATIONS[name])(KEY))
    graph = Graph(jax.jit(DERIVATIONS[name]).trace(KEY).jaxpr)
    equations, components = parts(graph)
    assert not components
    values = {ref: np.asarray(jax.random.key_data(KEY)) for ref in graph.inputs}
    derivation.derive(equations, graph.avals, values)
    for ref, keys in zip(graph.outputs, expected, strict=True):
        np.testing.assert_array_equal(values[ref], jax.random.key_data(keys), strict=True)


def test_wide_seeds():
    with jax.enable_x64(True):
        seeds = [2**40 + 5, -3]
        graph = Graph(jax.jit(lambda: [jax.random.key(np.int64(s)) for s in seeds]).trace().jaxpr)
        values = {}
        derivation.derive(parts(graph)[0], graph.avals, values)
        for ref, seed in zip(graph.outputs, seeds, strict=True):
            expected = jax.random.key_data(jax.random.key(np.int64(seed)))
            np.testing.assert_array_equal(values[ref], expected)


@pytest.mark.parametrize("key", [KEY, jax.random.PRNGKey(42)], ids=["typed", "raw"])
def test_a_split_for_thousands_of_parameters_is_derived_on_the_host(key):
    def init(key):
        keys = jax.random.split(key, 10_000)
        return [jax.random.normal(keys[at], (4, 8)) for at in (0, 9_999)]

    made = plan(init, key)
    assert {row.initializer for row in made.rows} == {"random_normal(stddev=1)"}
    jax.tree.map(same_bits, made.run(), jax.jit(init)(key))

"""The outputs of layers are found in any function, with what belongs to them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import Mesh, PartitionSpec

from cthulhu.usage._activations import followed
from cthulhu.usage._taps import tapped


def array(*shape: int, seed: int = 0) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


X, IDS = array(3, 4), jnp.array([0, 2, 1])
P = {
    "a": array(4, 8, seed=1),
    "b": array(8, seed=2),
    "c": array(8, 8, seed=3),
    "t": array(5, 8, seed=4),
    "s": array(1, seed=5),
}


def seen(fn, params, *args, scaled=True):
    """The activations by name, each with its value."""
    found = followed("test", fn, params, *args, scaled=scaled)
    places = {one.place: one.name for one in found.activations}
    assert len(places) == len(found.activations)
    run = tapped(found.traced.jaxpr, places, lambda value: value)
    values = run(*jax.tree.leaves(params), *jax.tree.leaves(args))[1]
    return {one.name: np.asarray(values[one.name]) for one in found.activations}


def softmax_of_queries(p, x):
    h = x @ p["a"]
    q, k = h @ p["c"], h @ p["c"].T
    logits = jnp.einsum("td,sd->ts", q * 0.5, k) * 0.25
    return jax.nn.softmax(logits) @ h


def twice_read(p, x):
    h = x @ p["a"]
    return 2 * h, h + 1


def over_devices(p, x, *, scatters):
    """A contraction whose inputs lie on four devices: its output is the sum of their parts."""
    mesh = Mesh(np.array(jax.devices()[:4]), ("d",))

    def part(a, b, x):
        if scatters:
            sums = jax.lax.psum_scatter(x @ a, "d", scatter_dimension=1, tiled=True)
            return jax.lax.all_gather(jnp.tanh(sums), "d", axis=1, tiled=True)
        return jax.lax.psum(x @ a, "d") + b[None]

    inputs = (PartitionSpec("d"), PartitionSpec(), PartitionSpec(None, "d"))
    run = jax.shard_map(
        part, mesh=mesh, in_specs=inputs, out_specs=PartitionSpec(), check_vma=not scatters
    )
    return run(p["a"], p["b"], x)


def scanned(p, x):
    def step(h, t):
        h = jnp.tanh(t @ p["a"] + h @ p["c"])
        return h, h

    return jax.lax.scan(step, jnp.zeros(8), x)[1]


H = X @ P["a"]
Q, K = H @ P["c"], H @ P["c"].T
LOGITS = 0.125 * Q @ K.T
NAMED = "td,sd->ts"

# The function, and the activations it has, in order.
FOUND = {
    "kernel": (lambda p, x: x @ p["a"], {"a": H}),
    "not last": (lambda p, x: jnp.tanh(x @ p["a"]) + 1, {"a": H}),
    "bias": (lambda p, x: x @ p["a"] + p["b"][None], {"a": H + P["b"][None]}),
    "bias, then scalar": (
        lambda p, x: (x @ p["a"] + p["b"][None]) / 4,
        {"a": (H + P["b"][None]) / 4},
    ),
    "scalar, then bias": (
        lambda p, x: 3 * (x @ p["a"]) + p["b"][None],
        {"a": 3 * H + P["b"][None]},
    ),
    "scalar from a jit": (lambda p, x: jax.jit(jnp.matmul)(x, p["a"]) * 2, {"a": 2 * H}),
    "learned scalar": (lambda p, x: (x @ p["a"]) * p["s"][None], {"a": H * P["s"][None]}),
    "scalar, spread": (
        lambda p, x: jnp.broadcast_to(p["s"], (3, 8)) * (x @ p["a"]),
        {"a": H * P["s"][None]},
    ),
    "moved": (lambda p, x: 2 * jnp.reshape((x @ p["a"]).T, (2, 12)), {"a": 2 * H.T.reshape(2, 12)}),
    "read by two": (twice_read, {"a": H}),
    "a number": (lambda p, x: jnp.vdot(x @ p["a"], x @ p["a"]), {"a": H.ravel(), "a#2": H.ravel()}),
    "no scalar": (lambda p, x: (x @ p["a"]) * p["b"][None], {"a": H}),
    "dividend": (lambda p, x: 1 / (x @ p["a"]), {"a": H}),
    "read twice": (lambda p, x: (x @ p["a"], 2 * (x @ p["a"])), {"a": H, "a#2": 2 * H}),
    "scaled for the next": (
        lambda p, x: ((x @ p["a"]) * 0.5) @ p["c"],
        {"a": H, "c": 0.5 * Q},
    ),
    "both scaled": (
        lambda p, x: (x @ p["a"] * 0.5 + p["b"][None]) * 2 @ p["c"],
        {"a": 0.5 * H + P["b"][None], "c": (H + 2 * P["b"][None]) @ P["c"]},
    ),
    "table": (lambda p, i: jnp.take(p["t"], i, axis=0), {"t": P["t"][IDS]}),
    "one-hot": (lambda p, i: jax.nn.one_hot(i, 5) @ p["t"] / 2, {"t": P["t"][IDS] / 2}),
    "tied": (lambda p, i: p["t"][i] @ p["t"].T, {"t": P["t"][IDS], "t#2": P["t"][IDS] @ P["t"].T}),
    "product, summed": (lambda p, x: (x[:, :, None] * p["a"][None]).sum(1), {"a": H}),
    "low rank": (
        lambda p, x: x @ (p["a"] + p["a"] @ p["c"]),
        {"a": X @ (P["a"] + P["a"] @ P["c"])},
    ),
    "attention": (
        softmax_of_queries,
        {
            "a": H,
            "c": Q,
            "c#2": K,
            NAMED: LOGITS,
            "dot_general": jax.nn.softmax(LOGITS) @ H,
        },
    ),
    "summed over devices": (
        lambda p, x: over_devices(p, x, scatters=False),
        {"a": np.broadcast_to(H + P["b"][None], (4, 3, 8))},
    ),
    "parts of a sum over devices": (
        lambda p, x: over_devices(p, x, scatters=True),
        {"a": H.reshape(3, 4, 2).swapaxes(0, 1)},
    ),
    "no activations": (lambda p, x: (x @ p["a"], x @ x.T, p["a"] @ p["c"])[0], {"a": H}),
    "checkpoint": (lambda p, x: jax.checkpoint(lambda y: y @ p["a"])(x) / 2, {"a": H / 2}),
    "branch": (
        lambda p, x: jax.lax.cond(x[0, 0] < 9, lambda y: 2 * (y @ p["a"]), lambda y: y @ p["a"], x),
        {"a": np.full((3, 8), np.nan), "a#2": 2 * H},
    ),
}


@pytest.mark.parametrize("case", FOUND)
def test_the_activations_of_a_function(case):
    function, expected = FOUND[case]
    inputs = IDS if case in ("table", "one-hot", "tied") else X
    params = {name: P[name] for name in sorted(P)}
    found = seen(function, params, inputs)
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5)


def test_the_activations_of_a_loop_are_stacked():
    found = seen(scanned, P, X)
    states = np.asarray(scanned(P, X))
    before = np.concatenate([np.zeros((1, 8), np.float32), states[:-1]])
    assert list(found) == ["a", "c"]
    np.testing.assert_allclose(found["a"], H, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["c"], before @ P["c"], rtol=1e-4, atol=1e-5)


def test_the_query_of_linen_is_not_scaled_and_its_logits_are():
    model = nn.MultiHeadDotProductAttention(2)
    x = array(1, 5, 8, seed=9)
    params = model.init(jax.random.key(0), x)["params"]
    found = seen(lambda p, x: model.apply({"params": p}, x), params, x)
    names = list(found)
    assert [names[at].split("/")[0] for at in (0, 1, 2, 5)] == ["query", "key", "value", "out"]
    q, k = (np.einsum("btd,dhk->bthk", x, params[name]["kernel"]) for name in ("query", "key"))
    np.testing.assert_allclose(found["query/kernel"], q, rtol=1e-4, atol=1e-5)
    logits = np.einsum("bthk,bshk->bhts", q, k) / 2
    np.testing.assert_allclose(found[names[3]], logits, rtol=1e-4, atol=1e-5)
    assert names[3].endswith("...qhd,...khd->...hqk")


def test_nnx_is_followed():
    graph, params = nnx.split(nnx.Linear(4, 8, rngs=nnx.Rngs(0)))
    found = seen(lambda p, x: nnx.merge(graph, p)(x) / 2, params, X)
    assert list(found) == ["kernel"]


def test_a_use_comes_with_its_activation():
    (one, other) = followed(
        "test", lambda p, i: p["t"][i] @ p["t"].T, {"t": P["t"]}, IDS
    ).activations
    assert (one.path, one.use.role, other.path, other.use.role) == ("t", "table", "t", "kernel")
    assert (other.use.inputs, other.use.outputs) == ((1,), (0,))


def test_scalars_that_multiply_an_output_can_be_left_to_what_follows():
    def fn(p, x):
        return 0.25 * (x @ p["a"] + p["b"][None])

    layer = X @ P["a"] + P["b"][None]
    np.testing.assert_allclose(seen(fn, P, X)["a"], 0.25 * layer, rtol=1e-6)
    np.testing.assert_allclose(
        seen(fn, P, X, scaled=False)["a"], X @ P["a"] + P["b"][None], rtol=1e-6
    )

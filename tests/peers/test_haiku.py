"""Initializers in Haiku's modules, on Haiku's keys."""

import functools
import warnings
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cthulhu import functional, initializers
from cthulhu.adapters.haiku import w_init
from tests.cases import CASES, KEY, Case, by_id, same_bits

with warnings.catch_warnings():
    # What Haiku does when it is imported is its own.
    warnings.simplefilter("ignore")
    import haiku as hk

MATRICES = [case for case in CASES if case.makes_matrices]


@pytest.fixture(autouse=True)
def their_numerics() -> Iterator[None]:
    """The strictness of this suite is not for other libraries' code."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def linear(init: Any) -> Any:
    def forward(x: Any) -> Any:
        return hk.Linear(8, w_init=init, b_init=w_init("zeros"))(x)

    return hk.transform(forward)


def keys_of(count: int, key: Any = KEY) -> list[Any]:
    """The keys that Haiku gives, one after another."""
    return hk.transform(lambda: [hk.next_rng_key() for _ in range(count)]).apply({}, key)  # type: ignore[no-any-return]


@pytest.mark.parametrize("case", MATRICES, ids=by_id)
def test_a_module_gets_the_values_of_haikus_next_key(case: Case) -> None:
    network = linear(w_init(case.instance()))
    found = network.init(KEY, jnp.ones((2, 8)))["linear"]["w"]
    (key,) = keys_of(1)
    same_bits(found, case.init(key, (8, 8)))
    same_bits(jax.jit(network.init)(KEY, jnp.ones((2, 8)))["linear"]["w"], found)


def test_each_call_has_a_key_of_its_own() -> None:
    def both(x: Any) -> Any:
        init = w_init("he_normal")
        return hk.get_parameter("a", (3, 4), init=init), hk.get_parameter("b", (3, 4), init=init)

    params = hk.transform(both).init(KEY, jnp.ones(1))["~"]
    for name, key in zip("ab", keys_of(2), strict=True):
        same_bits(params[name], functional.he_normal(key, (3, 4)))


@pytest.mark.parametrize(
    "zeros",
    ["zeros", initializers.Zeros(), functional.zeros, functional.constant],
    ids=["a name", "an instance", "a function", "another"],
)
def test_what_never_draws_takes_no_key(zeros: Any) -> None:
    def forward() -> Any:
        hk.get_parameter("first", (3,), init=w_init(zeros))
        return hk.get_parameter("second", (3, 4), init=w_init("he_normal"))

    (key,) = keys_of(1)
    params = hk.transform(forward).init(KEY)["~"]
    same_bits(params["second"], functional.he_normal(key, (3, 4)))
    assert hk.transform(lambda: w_init(zeros)((3,))).apply({}, None).tolist() == [0.0] * 3


NAMES = {
    "a name": ("he_normal", functional.he_normal),
    "a class": (initializers.HeNormal, functional.he_normal),
    "a function": (functional.he_normal, functional.he_normal),
    "a partial": (
        functools.partial(functional.random_normal, stddev=2.0),
        functools.partial(functional.random_normal, stddev=2.0),
    ),
    "JAX's": (
        jax.nn.initializers.he_normal(),
        jax.jit(jax.nn.initializers.he_normal(), static_argnums=(1, 2)),
    ),
    "a seed": (initializers.HeNormal(seed=3), functional.he_normal),
}


@pytest.mark.parametrize("name", NAMES)
def test_whatever_names_an_initializer(name: str) -> None:
    init, expected = NAMES[name]
    found = linear(w_init(init)).init(KEY, jnp.ones((2, 4)))["linear"]["w"]
    (key,) = keys_of(1)
    np.testing.assert_allclose(found, expected(key, (4, 8), jnp.float32), rtol=1e-6)


def test_raw_keys_and_types() -> None:
    raw = jax.random.PRNGKey(5)
    found = linear(w_init("he_normal")).init(raw, jnp.ones((2, 4), jnp.bfloat16))["linear"]["w"]
    (key,) = keys_of(1, raw)
    same_bits(found, functional.he_normal(key, (4, 8), jnp.bfloat16))


def test_layers_in_a_scan() -> None:
    def forward(x: Any) -> Any:
        return hk.experimental.layer_stack(3)(layer)(x)

    def layer(x: Any) -> Any:
        return hk.Linear(4, w_init=w_init("orthogonal"))(x)

    (leaf,) = (module["w"] for module in hk.transform(forward).init(KEY, jnp.ones((2, 4))).values())
    assert leaf.shape == (3, 4, 4)
    assert not np.array_equal(leaf[0], leaf[1])
    for w in np.asarray(leaf):
        np.testing.assert_allclose(w.T @ w, np.eye(4), atol=1e-5)


def test_equal_initializers_make_equal_ones() -> None:
    assert w_init("he_normal") == w_init(initializers.HeNormal())
    assert hash(w_init("he_normal")) == hash(w_init(initializers.HeNormal()))
    assert w_init("he_normal") != w_init("he_uniform")


def test_errors_say_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"haiku\.w_init: an initializer is needed; got None"):
        w_init(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unknown initializer 'he_norma'"):
        w_init("he_norma")
    with pytest.raises(ValueError, match="PRNGKey"):
        linear(w_init("he_normal")).init(None, jnp.ones((2, 4)))


def test_a_network_trains() -> None:
    inputs = jax.random.normal(KEY, (64, 4))
    targets = jnp.stack([inputs[:, 0] * inputs[:, 1], inputs[:, 2]], 1)

    def forward(x: Any) -> Any:
        return hk.nets.MLP([16, 16, 2], w_init=w_init("he_normal"))(x)

    network = hk.without_apply_rng(hk.transform(forward))
    params = network.init(KEY, inputs)
    optimizer = optax.adam(1e-2)
    state = optimizer.init(params)

    @jax.jit
    def step(params: Any, state: Any) -> Any:
        def loss(params: Any) -> jax.Array:
            return jnp.mean((network.apply(params, inputs) - targets) ** 2)

        value, grads = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state, value

    losses = []
    for _ in range(100):
        params, state, value = step(params, state)
        losses.append(float(value))
    assert losses[-1] < losses[0] / 4

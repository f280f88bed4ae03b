"""Callables that ignore the key: tables pass, draws from elsewhere are refused."""

import functools
import math
import secrets
import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import backend as K
from cthulhu import functional, initializers, random
from cthulhu.initializers import get
from cthulhu.layers import Daoloth
from cthulhu.params import init_params

with warnings.catch_warnings():
    # What Keras does when it is imported is its own.
    warnings.simplefilter("ignore")
    import keras

KEY = jax.random.key(9)
SHAPE = (4, 3)
OWN_KEY = jax.random.key(0)
OWN_GENERATOR = np.random.default_rng(0)


class OfKeras(keras.initializers.Initializer):
    """A user's own, written for Keras."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return keras.random.normal(shape, dtype=dtype, seed=7)


class ExtendsKeras(keras.initializers.HeNormal):
    """A user's own, which extends a class of Keras."""


class Seeded(initializers.Initializer):
    """A user's own, with a seed that wins over the key."""

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return K.random_normal(shape, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


def inside_a_scope(shape: Any) -> Any:
    with random.scope(OWN_KEY):
        return K.random_normal(shape)


def uses_numpy(shape: Any) -> Any:
    return np.random.normal(size=shape)  # noqa: NPY002


def seeds_numpy(shape: Any) -> Any:
    np.random.seed(0)  # noqa: NPY002
    return uses_numpy(shape)


def makes_a_generator(shape: Any) -> Any:
    return np.random.default_rng(0).normal(size=shape)


FOREIGN: dict[str, Callable[..., Any]] = {
    "a key made inside": lambda shape, dtype: jax.random.normal(jax.random.key(0), shape, dtype),
    "a key made outside": lambda shape, dtype: jax.random.normal(OWN_KEY, shape, dtype),
    "this library's function": lambda shape: functional.he_normal(OWN_KEY, shape),
    "this library's seed": lambda shape: 2 * initializers.HeNormal(seed=1)(shape),
    "K with a seed": lambda shape: K.random_normal(shape, seed=1),
    "a scope inside": inside_a_scope,
    "jitted": lambda shape: jax.jit(lambda: jax.random.normal(OWN_KEY, shape))(),
    "NumPy's global state": uses_numpy,
    "NumPy's global state, seeded": seeds_numpy,
    "a generator made outside": lambda shape: OWN_GENERATOR.normal(size=shape),
    "a generator made inside": makes_a_generator,
    "a partial": functools.partial(makes_a_generator),
    "the system's entropy": lambda shape: np.full(shape, 1.0) * secrets_of(shape),
    "keras.random": lambda shape, dtype: keras.random.normal(shape, dtype=dtype, seed=7),
    "a subclass of Keras's base": OfKeras(),
    "a subclass of a class of Keras": ExtendsKeras(seed=7),
    "an unseeded subclass of Keras": ExtendsKeras(),
}


def secrets_of(shape: Any) -> Any:
    return np.array([secrets.randbits(20) for _ in range(math.prod(shape))], float).reshape(shape)


class Table:
    """An object whose method is the callable."""

    def __init__(self) -> None:
        self.calls = 0

    def values(self, shape: Any) -> Any:
        self.calls += 1
        return np.arange(math.prod(shape), dtype=np.float32).reshape(shape)


def positions(shape: Any) -> Any:
    length, width = shape
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(width)[None, :] / width)
    return np.where(np.arange(width) % 2, np.cos(angles), np.sin(angles))


HARMLESS: dict[str, Callable[..., Any]] = {
    "eye": lambda shape, dtype: K.eye(shape[0], dtype=dtype)[:, : shape[1]],
    "positions": positions,
    "jnp": lambda shape: jnp.linspace(0, 1, math.prod(shape)).reshape(shape),
    "zeros": lambda shape, dtype: K.zeros(shape, dtype=dtype),
    "a constant draw": lambda shape: jnp.zeros(shape) * jax.random.normal(OWN_KEY, shape),
    "a method": Table().values,
    "next_key": lambda shape: jax.random.normal(random.next_key(), shape),
    "K": K.random_normal,
    "an unseeded subclass": Seeded(),
    "STFT": lambda shape: keras.initializers.STFT("real")((8, 1, 5)).reshape(40)[:12].reshape(4, 3),
}


def tree(**shapes: Any) -> dict[str, jax.ShapeDtypeStruct]:
    return {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("function", FOREIGN.values(), ids=FOREIGN)
def test_a_draw_from_elsewhere_is_refused_eagerly(function: Any) -> None:
    init = get(function)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"it drew its values from elsewhere: .*Draw from"):
            init(KEY, SHAPE, jnp.float32)


@pytest.mark.parametrize("function", FOREIGN.values(), ids=FOREIGN)
def test_a_draw_from_elsewhere_is_refused_under_jit_and_vmap(function: Any) -> None:
    init = get(function)
    with pytest.raises(ValueError, match="drew its values from elsewhere"):
        jax.jit(lambda key: init(key, SHAPE, jnp.float32))(KEY)
    with pytest.raises(ValueError, match="drew its values from elsewhere"):
        jax.vmap(lambda key: init(key, SHAPE, jnp.float32))(jax.random.split(KEY, 2))


@pytest.mark.parametrize("function", HARMLESS.values(), ids=HARMLESS)
def test_what_depends_on_the_key_or_draws_nothing_passes(function: Any) -> None:
    init = get(function)
    expected = np.asarray(init(KEY, SHAPE, jnp.float32))
    made = jax.jit(lambda key: init(key, SHAPE, jnp.float32))(KEY)
    np.testing.assert_allclose(made, expected, rtol=1e-6)
    assert init_params(0, tree(a=SHAPE), [("a", init)])["a"].shape == SHAPE


def test_whole_models_and_layers_refuse_it() -> None:
    with pytest.raises(ValueError, match="OfKeras: called with a key, it drew"):
        init_params(0, tree(l0=SHAPE, l1=SHAPE), [(".*", OfKeras())])
    layer = Daoloth(3, kernel_initializer=OfKeras())
    with pytest.raises(ValueError, match="OfKeras: called with a key, it drew"):
        layer.init(KEY, jnp.ones((1, 4)))


def test_a_seed_of_a_subclass_decides_only_without_a_key() -> None:
    assert np.array_equal(Seeded(seed=1)(SHAPE), Seeded(seed=1)(SHAPE))
    with pytest.raises(ValueError, match="Seeded: called with a key, it drew"):
        Seeded(seed=1)(KEY, SHAPE)


def test_without_a_key_nothing_is_refused() -> None:
    assert np.array_equal(get(OfKeras())(SHAPE), OfKeras()(SHAPE))


def test_a_callable_is_looked_at_once() -> None:
    table = Table()
    get(table.values)(KEY, SHAPE)
    looked = table.calls
    assert looked > 1
    get(table.values)(KEY, SHAPE)
    assert table.calls == looked + 1


def test_a_callable_that_draws_from_the_key_runs_once() -> None:
    calls = []

    def counted(shape: Any) -> Any:
        calls.append(shape)
        return K.random_normal(shape)

    get(counted)(KEY, SHAPE)
    assert calls == [SHAPE]


def test_one_element_tells_nothing() -> None:
    """A draw is found in the kernel, though the first parameter was of one element."""
    init = get(lambda shape: jax.random.normal(OWN_KEY, shape))
    assert init(KEY, (1,)).shape == (1,)
    with pytest.raises(ValueError, match="drew its values from elsewhere"):
        init(KEY, SHAPE)

"""Users' own callables: pure functions of the key, whatever their style."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import backend as K
from cthulhu import functional, initializers, random
from cthulhu.initializers import get
from cthulhu.initializers._custom import FromCallable
from cthulhu.layers import Daoloth

KEY = jax.random.key(9)


def my_init(shape: Any, dtype: Any = None) -> Any:
    """The documented example."""
    return K.random_normal(shape, dtype=dtype)


def two_draws(shape: Any, dtype: Any = None) -> Any:
    return K.random_normal(shape, dtype=dtype) - K.random_normal(shape, dtype=dtype)


def stacked(shape: Any, dtype: Any = None) -> Any:
    """Other initializers draw from the call's key too."""
    return initializers.HeNormal()(shape, dtype) + initializers.GlorotUniform()(shape, dtype)


class Tenth:
    """A callable object of no class of ours."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return 0.5 * K.random_uniform(shape, dtype=dtype)


CALLABLES: dict[str, Callable[..., Any]] = {
    "the documented example": my_init,
    "two draws": two_draws,
    "other initializers": stacked,
    "an object": Tenth(),
    "a class without arguments": Tenth,
    "a lambda": lambda shape, dtype=None: K.truncated_normal(shape, dtype=dtype),
    "without dtype": lambda shape: 2 * K.random_uniform(shape),
    "with **kwargs": lambda shape, **kwargs: K.random_normal(shape, dtype=kwargs["dtype"]),
    "a partial": functools.partial(K.random_normal, mean=2.0),
    "K itself": K.random_normal,
}


def same(first: Any, second: Any) -> bool:
    return first.dtype == second.dtype and np.array_equal(np.asarray(first), np.asarray(second))


@pytest.fixture(params=CALLABLES.values(), ids=CALLABLES)
def init(request: pytest.FixtureRequest) -> Any:
    return get(request.param)


def test_it_is_a_pure_function_of_the_key(init: Any) -> None:
    one, other = jax.random.split(KEY)
    assert init(one, (4, 3)).shape == (4, 3)
    assert same(init(one, (4, 3)), init(one, (4, 3)))
    assert not same(init(one, (4, 3)), init(other, (4, 3)))


def test_it_runs_under_jit_vmap_and_eval_shape(init: Any) -> None:
    keys = jax.random.split(KEY, 3)
    # A sum of draws is fused under jit, which may change the last bit.
    close = functools.partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-6)
    eager = [init(key, (4, 3)) for key in keys]
    close(jax.jit(init, static_argnums=1)(keys[0], (4, 3)), eager[0])
    close(jax.vmap(lambda key: init(key, (4, 3)))(keys), jnp.stack(eager))
    close(jax.lax.map(lambda key: init(key, (4, 3)), keys), jnp.stack(eager))
    abstract = jax.eval_shape(lambda key: init(key, (4, 3), jnp.float32), KEY)
    assert (abstract.shape, abstract.dtype) == ((4, 3), jnp.float32)


def test_it_serves_flax_layers(init: Any) -> None:
    layer = nn.Dense(3, kernel_init=init)
    variables = layer.init(KEY, jnp.ones((1, 4)))
    assert variables["params"]["kernel"].shape == (4, 3)
    assert layer.apply(variables, jnp.ones((1, 4))).shape == (1, 3)
    assert jax.jit(layer.init)(KEY, jnp.ones((1, 4)))["params"]["kernel"].shape == (4, 3)
    ours = Daoloth(3, kernel_initializer=init).init(KEY, jnp.ones((1, 4)))
    assert same(ours["params"]["kernel"], variables["params"]["kernel"])


def test_the_dtype_reaches_it() -> None:
    seen = []

    def spy(shape: Any, dtype: Any = None) -> Any:
        seen.append((shape, dtype))
        return K.ones(shape, dtype=dtype)

    assert get(spy)(KEY, [2, np.int64(3)], jnp.bfloat16).dtype == jnp.bfloat16
    assert get(spy)(KEY, (2, 3)).dtype == jnp.float32
    assert seen == [((2, 3), jnp.dtype("bfloat16")), ((2, 3), None)]


def test_the_result_has_the_dtype_asked_for() -> None:
    assert get(lambda shape: 2 * np.ones(shape))(KEY, (2,), "float16").dtype == jnp.float16


def test_nothing_draws_the_same_twice() -> None:
    difference = get(two_draws)(KEY, (100,))
    assert float(jnp.abs(difference).min()) > 0
    first, second = random_pair()
    assert not same(first, second)


def random_pair() -> tuple[Any, Any]:
    with random.scope(KEY):
        init = get(my_init)
        return init((5,)), init((5,))


def test_the_values_are_those_of_the_scope() -> None:
    with random.scope(KEY):
        expected = my_init((4, 3))
    assert same(get(my_init)(KEY, (4, 3)), expected)
    assert same(expected, functional.random_normal(jax.random.fold_in(KEY, 0), (4, 3), stddev=1.0))


def test_an_outer_scope_is_left_alone() -> None:
    with random.scope(KEY):
        expected = random.next_key()
    with random.scope(KEY):
        get(two_draws)(jax.random.key(1), (3,))
        assert random.next_key() == expected


def test_it_needs_no_key_outside_of_a_trace() -> None:
    random.set_seed(3)
    first = get(my_init)((3,))
    random.set_seed(3)
    assert same(get(my_init)((3,)), first)


JAX_STYLE: dict[str, Callable[..., Any]] = {
    "JAX's zeros": jax.nn.initializers.zeros,
    "JAX's he_normal()": jax.nn.initializers.he_normal(),
    "JAX's orthogonal()": jax.nn.initializers.orthogonal(),
    "Flax's lecun_normal()": nn.initializers.lecun_normal(),
    "functional": functional.he_normal,
    "a partial": functools.partial(functional.random_normal, stddev=0.5),
    "a partial of two": functools.partial(functional.variance_scaling, scale=2.0, mode="fan_out"),
    "a lambda": lambda key, shape, dtype: 2 * jax.random.normal(key, shape, dtype),
}


@pytest.mark.parametrize("function", JAX_STYLE.values(), ids=JAX_STYLE)
def test_a_jax_style_callable_passes(function: Any) -> None:
    assert get(function) is function
    assert get(function)(KEY, (4, 3), jnp.float32).shape == (4, 3)


def test_equal_callables_are_equal_initializers() -> None:
    assert get(my_init) == get(my_init)
    assert hash(get(my_init)) == hash(get(my_init))
    assert get(my_init) != get(two_draws)
    assert get(my_init) == FromCallable(my_init)


def test_a_keras_initializer_of_no_class_of_ours_is_a_callable() -> None:
    keras = pytest.importorskip("keras")

    class Half(keras.initializers.Initializer):
        def __call__(self, shape: Any, dtype: Any = None) -> Any:
            return 0.5 * keras.ops.ones(shape, dtype)

    init = get(Half())
    assert np.array_equal(init(KEY, (4, 3)), np.full((4, 3), 0.5, np.float32))
    assert init(KEY, (4, 3), "bfloat16").dtype == jnp.bfloat16
    kernel = nn.Dense(3, kernel_init=init).init(KEY, jnp.ones((1, 4)))["params"]["kernel"]
    assert np.array_equal(kernel, np.full((4, 3), 0.5, np.float32))


def test_it_goes_into_a_sharding() -> None:
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    sharding = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("x"))
    made = get(my_init)(KEY, (16, 3), None, sharding)
    assert made.sharding.is_equivalent_to(sharding, 2)
    assert np.array_equal(made, get(my_init)(KEY, (16, 3)))


def test_an_unseeded_draw_under_jit_needs_the_key() -> None:
    with pytest.raises(RuntimeError, match="without a key and without a seed"):
        jax.jit(my_init, static_argnums=0)((3,))

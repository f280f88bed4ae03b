"""`K`: Keras's names, arguments and defaults; draws that follow the scope."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import backend as K
from cthulhu import functional, random
from tests.refusals import Refused, each

KEY = jax.random.key(4)

SIGNATURES = {
    "random_normal": "(shape, mean=0.0, stddev=1.0, dtype=None, seed=None)",
    "random_uniform": "(shape, minval=0.0, maxval=1.0, dtype=None, seed=None)",
    "truncated_normal": "(shape, mean=0.0, stddev=1.0, dtype=None, seed=None)",
    "zeros": "(shape, dtype=None, name=None)",
    "ones": "(shape, dtype=None, name=None)",
    "constant": "(value, dtype=None, shape=None, name=None)",
    "eye": "(size, dtype=None, name=None)",
    "cast": "(x, dtype)",
    "floatx": "()",
    "set_floatx": "(value)",
}

DRAWS = (K.random_normal, K.random_uniform, K.truncated_normal)

FROM_FLOATX: dict[str, Callable[[], Any]] = {
    "random_normal": lambda: K.random_normal((2,), seed=0),
    "random_uniform": lambda: K.random_uniform((2,), seed=0),
    "truncated_normal": lambda: K.truncated_normal((2,), seed=0),
    "zeros": lambda: K.zeros((2,)),
    "ones": lambda: K.ones((2,)),
    "constant": lambda: K.constant(1),
    "eye": lambda: K.eye(2),
}


@pytest.fixture
def floatx() -> Iterator[None]:
    before = K.floatx()
    yield
    K.set_floatx(before)


def same(first: Any, second: Any) -> bool:
    return first.dtype == second.dtype and np.array_equal(np.asarray(first), np.asarray(second))


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_arguments_are_keras_arguments(name: str) -> None:
    signature = inspect.signature(getattr(K, name))
    bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    assert str(inspect.Signature(bare)) == SIGNATURES[name]


def test_the_table_names_everything() -> None:
    assert set(SIGNATURES) == set(K.__all__)


def test_the_default_dtype_is_float32() -> None:
    assert K.floatx() == "float32"


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("name", FROM_FLOATX)
@pytest.mark.usefixtures("floatx")
def test_the_dtype_follows_floatx(name: str, dtype: str) -> None:
    K.set_floatx(dtype)
    assert K.floatx() == dtype
    assert FROM_FLOATX[name]().dtype == dtype


REFUSED = (
    Refused(
        "a negative stddev",
        lambda: K.random_normal((2,), stddev=-1.0),
        ValueError,
        r"^random_normal: stddev must be at least 0; got -1\.0$",
    ),
    Refused(
        "a negative seed",
        lambda: K.random_uniform((2,), seed=-3),
        ValueError,
        r"^random_uniform: seed must be from 0 to 2\*\*32 - 1, .*; got -3$",
    ),
    Refused(
        "a draw under jit",
        jax.jit(lambda: K.random_normal((3,))),
        RuntimeError,
        r"^backend\.random_normal: called without a key and without a seed while JAX traces",
    ),
    Refused(
        "a cast to an unknown dtype",
        lambda: K.cast([1, 2], "flot32"),
        TypeError,
        r"^cast: dtype must name a dtype, .*; got 'flot32'$",
    ),
    Refused(
        "a constant of another shape",
        lambda: K.constant([1, 2], shape=(3,)),
        ValueError,
        r"^constant: value of shape \(2,\) cannot be broadcast to shape \(3,\)",
    ),
    Refused(
        "a floatx of integers",
        lambda: K.set_floatx("int8"),
        ValueError,
        r"^set_floatx: value must be one of 'bfloat16', 'float16', 'float32', 'float64'; "
        r"got 'int8'",
    ),
)


@each(REFUSED)
@pytest.mark.usefixtures("floatx")
def test_what_is_refused_changes_nothing(refused: Refused) -> None:
    refused.check()
    assert K.floatx() == "float32"


@pytest.mark.parametrize("draw", DRAWS, ids=lambda draw: draw.__name__)
def test_a_seed_is_the_key_of_that_seed(draw: Any) -> None:
    with random.scope(KEY):
        unseeded = draw((5,))
    # The defaults of K are the unit laws; those of `functional` are the documented ones.
    uniform = draw is K.random_uniform
    options = {"minval": 0.0, "maxval": 1.0} if uniform else {"stddev": 1.0}
    function = getattr(functional, draw.__name__)
    assert same(draw((5,), seed=3), draw((5,), seed=3))
    assert same(draw((5,), seed=3), function(jax.random.key(3), (5,), **options))
    assert same(unseeded, function(jax.random.fold_in(KEY, 0), (5,), **options))
    assert not same(draw((5,), seed=3), draw((5,), seed=4))


@pytest.mark.parametrize("draw", DRAWS, ids=lambda draw: draw.__name__)
def test_draws_of_a_scope_differ_and_are_repeatable(draw: Any) -> None:
    def two(key: jax.Array) -> tuple[Any, Any]:
        with random.scope(key):
            return draw((5,)), draw((5,))

    first, second = two(KEY)
    assert not same(first, second)
    for one, other in zip(jax.jit(two)(KEY), (first, second), strict=True):
        assert same(one, other)


@pytest.mark.parametrize("draw", DRAWS, ids=lambda draw: draw.__name__)
def test_unseeded_draws_follow_set_seed(draw: Any) -> None:
    random.set_seed(1)
    first, second = draw((5,)), draw((5,))
    random.set_seed(1)
    assert same(draw((5,)), first)
    assert not same(first, second)


def test_positional_arguments_are_read_in_keras_order() -> None:
    assert same(
        K.random_normal((5,), 2.0, 3.0, "bfloat16", 1),
        K.random_normal(shape=(5,), mean=2.0, stddev=3.0, dtype="bfloat16", seed=1),
    )
    uniform = K.random_uniform((100,), 2.0, 3.0, "float32", 1)
    assert float(uniform.min()) >= 2
    assert float(uniform.max()) < 3
    truncated = K.truncated_normal((1000,), 1.0, 0.5, "float32", 1)
    assert float(truncated.min()) >= 0
    assert float(truncated.max()) <= 2
    assert float(truncated.mean()) == pytest.approx(1.0, abs=0.08)


def test_fixed_arrays() -> None:
    assert same(K.zeros((2, 3), "int32"), jnp.zeros((2, 3), "int32"))
    assert same(K.ones((2,), name="ones"), jnp.ones((2,)))
    assert same(K.constant(2), jnp.float32(2))
    assert same(K.constant([1, 2], "int32"), jnp.array([1, 2], "int32"))
    assert same(K.constant(2, shape=(2, 2)), jnp.full((2, 2), 2.0))
    assert same(K.constant([[1], [2]], shape=(2, 2)), jnp.array([[1.0, 1.0], [2.0, 2.0]]))
    assert same(K.eye(3), jnp.eye(3))
    assert same(K.eye((2, 3), "bfloat16"), jnp.eye(2, 3, dtype="bfloat16"))
    assert same(K.cast([1.5, 2.5], "int32"), jnp.array([1, 2], "int32"))
    assert same(K.cast(jnp.ones(2), "float16"), jnp.ones(2, "float16"))


def test_keras_agrees_on_the_floats() -> None:
    keras = pytest.importorskip("keras")
    assert keras.config.floatx() == K.floatx()
    with pytest.raises(ValueError, match="int8"):
        keras.config.set_floatx("int8")

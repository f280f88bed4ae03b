"""`calibrate` within transformations of JAX: whatever is traced, the numbers are the same."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu.calibration import calibrate

X = jax.random.normal(jax.random.key(1), (64, 16))
PARAMS = {name: jax.random.normal(jax.random.key(at), (16, 16)) for at, name in enumerate("ab")}


def two(p: Any, x: Any) -> Any:
    return jnp.tanh(x @ p["a"]) @ p["b"]


TRACED: dict[str, Callable[[], Any]] = {
    "both": lambda: jax.jit(lambda p, x: calibrate(two, p, x))(PARAMS, X),
    "the batch": lambda: jax.jit(lambda x: calibrate(two, PARAMS, x))(X),
    "the parameters": lambda: jax.jit(lambda p: calibrate(two, p, X))(PARAMS),
    "nothing": jax.jit(lambda: calibrate(two, PARAMS, X)),
    "what the function captures": lambda: jax.jit(
        lambda size: calibrate(lambda p, x: two(p, size * x), PARAMS, X)
    )(1.0),
    "a batch of batches": lambda: jax.tree.map(
        lambda one: one[1], jax.vmap(lambda x: calibrate(two, PARAMS, x))(jnp.stack([2 * X, X]))
    ),
    "a batch of parameters": lambda: jax.tree.map(
        lambda one: one[1],
        jax.vmap(lambda p: calibrate(two, p, X))(
            {name: jnp.stack([X[:16], one]) for name, one in PARAMS.items()}
        ),
    ),
}


@pytest.mark.parametrize("name", TRACED)
def test_numbers_are_those_of_what_is_not_traced(name: str) -> None:
    new, found = TRACED[name]()
    expected_params, expected = calibrate(two, PARAMS, X)
    assert found.passes == 2
    for row, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(row.after, 1.0, rtol=1e-5)
        np.testing.assert_allclose(row.factor, other.factor, rtol=1e-5)
    for path, leaf in expected_params.items():
        np.testing.assert_allclose(new[path], leaf, rtol=1e-5)


def test_nothing_is_an_error_in_a_trace() -> None:
    """The values that would tell are none yet."""
    bad = {**PARAMS, "a": 1e-5 * PARAMS["a"]}
    _, found = jax.jit(lambda: calibrate(two, bad, X))()
    assert found.failures == (("a", "factor at its bound"),)
    _, found = jax.jit(lambda: calibrate(two, PARAMS, X.at[0, 0].set(jnp.nan)))()
    assert [why for _, why in found.failures] == ["output not finite"] * 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_64_bits_make_no_difference(dtype: str) -> None:
    expected = calibrate(two, PARAMS, X)[1]
    with jax.enable_x64(True):
        params = jax.tree.map(lambda one: np.asarray(one, dtype), PARAMS)
        new, found = calibrate(two, params, np.asarray(X, dtype))
        for path, factor in expected.factors.items():
            assert new[path].dtype == dtype
            assert found.factors[path].dtype == jnp.float32
            assert found.factors[path] == pytest.approx(factor, rel=1e-5)
        assert jnp.std(two(new, np.asarray(X, dtype))) == pytest.approx(1.0, rel=1e-5)

"""What `calibrate` takes for the weight of an output, and what it leaves alone."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu.calibration import calibrate

X = jax.random.normal(jax.random.key(1), (64, 16))


def array(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


PARAMS = {
    "q": array(0, 16, 16),
    "k": array(1, 16, 4),
    "head": array(2, 20, 5),
    "scale": jnp.ones((1, 16)),
}


def packed(p: Any, x: Any) -> Any:
    """Two kernels in one contraction, after a scale."""
    return jnp.tanh((x * p["scale"]) @ jnp.concatenate([p["q"], p["k"]], axis=1)) @ p["head"]


# The targets, and the outputs' standard deviations that they ask for: `None` stays as it is.
TOGETHER: dict[str, tuple[Any, float | None, float]] = {
    "none": ({}, 1.0, 1.0),
    "of the first": ({"k": 0.5}, 0.5, 1.0),
    "of the second": ({"q": 0.5}, 0.5, 1.0),
    "of both": ({"[qk]": 0.5, "head": 2.0}, 0.5, 2.0),
    "the first is left alone": ({"k": None}, None, 1.0),
    "the second is left alone": ({"q": None}, None, 1.0),
    "what has no output is left alone": ({"scale": None, "head": 2.0}, 1.0, 2.0),
    "all that is named alike": ({"q|scale": 0.5}, 0.5, 1.0),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_what_makes_up_one_output_has_one_target(name: str) -> None:
    targets, first, second = TOGETHER[name]
    new, found = calibrate(packed, PARAMS, X, targets=targets)
    hidden = X @ jnp.concatenate([new["q"], new["k"]], axis=1)
    assert float(jnp.std(jnp.tanh(hidden) @ new["head"])) == pytest.approx(second, rel=1e-4)
    np.testing.assert_array_equal(new["scale"], PARAMS["scale"])
    if first is not None:
        assert float(jnp.std(hidden)) == pytest.approx(first, rel=1e-4)
        return
    for path in ("q", "k"):
        np.testing.assert_array_equal(new[path], PARAMS[path])
        assert found[path].note == "its target is None"


def test_a_constant_among_those_that_make_up_an_output_stays() -> None:
    params = {**PARAMS, "k": jnp.full((16, 4), 0.05)}
    new, found = calibrate(packed, params, X)
    np.testing.assert_array_equal(new["k"], params["k"])
    assert (found["k"].factor, found["q"].factor < 1) == (1, True)
    hidden = X @ jnp.concatenate([new["q"], new["k"]], axis=1)
    assert float(jnp.std(hidden)) == pytest.approx(1.0, abs=0.01)


def test_a_kernel_that_is_used_with_integers_too_has_its_factor() -> None:
    def fn(p: Any, x: Any) -> Any:
        return ((x.astype(int) @ p["q"].astype(int)) % 7).astype(float) + x @ p["q"]

    _, found = calibrate(fn, {"q": PARAMS["q"]}, X)
    (row,) = found
    assert (row.path, row.note) == ("q", "")
    assert row.after == pytest.approx(1.0, rel=1e-5)


def normed(p: Any, x: Any) -> Any:
    kernel = p["g"] * p["v"] / jnp.linalg.norm(p["v"], axis=0, keepdims=True)
    return jnp.tanh(x @ kernel) @ p["head"]


NORMED = {"v": array(0, 16, 20), "g": jnp.ones((1, 20)), "head": array(2, 20, 5)}


@pytest.mark.parametrize("path", ["v", "g"])
def test_a_weight_and_its_scale_have_one_target(path: str) -> None:
    new, _ = calibrate(normed, NORMED, X, targets={path: None})
    for name in ("v", "g"):
        np.testing.assert_array_equal(new[name], NORMED[name])
    new, found = calibrate(normed, NORMED, X, targets={path: 0.5})
    assert found["v"].after == pytest.approx(0.5, rel=1e-4)
    np.testing.assert_allclose(new["g"], found["v"].factor * NORMED["g"], rtol=1e-6)


def test_a_weight_that_is_normed_starts_orthonormal() -> None:
    new, found = calibrate(
        normed,
        {**NORMED, "v": array(0, 16, 12), "g": jnp.ones((1, 12)), "head": array(2, 12, 5)},
        X,
        orthonormal=3,
    )
    np.testing.assert_allclose(new["v"].T @ new["v"], np.eye(12), atol=1e-5)
    np.testing.assert_allclose(new["g"], found["v"].factor, rtol=1e-6)


def test_a_table_does_not_start_orthonormal() -> None:
    params = {"table": array(0, 20, 16), "w": array(1, 16, 5)}
    ids = jax.random.randint(jax.random.key(0), (64,), 0, 20)
    fn = lambda p, ids: p["table"][ids] @ p["w"]  # noqa: E731
    new, found = calibrate(fn, params, ids, targets={"table": 0.5}, orthonormal=3)
    np.testing.assert_allclose(new["table"], found["table"].factor * params["table"], rtol=1e-6)
    kernel = new["w"] / found["w"].factor
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(5), atol=1e-5)


class Spectral(nn.Module):
    """A kernel that is contracted with its singular vectors before it is with the batch."""

    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.SpectralNorm(nn.Dense(20, name="normed"), name="norm")(x, update_stats=True)
        return nn.Dense(5, name="head")(x)


def test_a_use_that_says_nothing_of_the_batch_has_no_target() -> None:
    variables = Spectral().init(jax.random.key(0), X)

    def fn(params: Any, x: Any) -> Any:
        return Spectral().apply({**variables, "params": params}, x, mutable=["batch_stats"])

    params = variables["params"]
    # Its size is undone, and not that of the iteration for its norm taken for its output's.
    with pytest.raises(ValueError, match=r"  normed/kernel: (off its target|factor at its bound)"):
        calibrate(fn, params, X)
    new, found = calibrate(fn, params, X, targets={"normed/kernel": None})
    assert [one.path for one in found] == ["head/kernel", "normed/kernel"]
    np.testing.assert_array_equal(new["normed"]["kernel"], params["normed"]["kernel"])
    assert float(jnp.std(fn(new, X)[0])) == pytest.approx(1.0, rel=1e-4)


def test_a_function_of_no_batch_has_layers() -> None:
    fn = lambda p: jnp.tanh(X @ p["q"]) @ p["k"]  # noqa: E731
    params = {name: PARAMS[name] for name in "qk"}
    assert calibrate(fn, params)[0].keys() == params.keys()
    expected = calibrate(lambda p, x: jnp.tanh(x @ p["q"]) @ p["k"], params, X)[1]
    found = calibrate(fn, params)[1]
    for path, factor in expected.factors.items():
        assert found.factors[path] == pytest.approx(float(factor), rel=1e-5)


# What is told of a parameter that could be a kernel, and is none here.
UNMEASURED: dict[str, tuple[Callable[[Any, Any], Any], str, str]] = {
    "a product": (
        lambda p, x: x @ (p["q"] @ p["k"]),
        "k",
        "it cannot be followed to an output: a product of parameters",
    ),
    "a sorted one": (
        lambda p, x: x @ jnp.sort(p["q"], axis=0) @ p["k"],
        "q",
        "it cannot be followed to an output: sort",
    ),
}


@pytest.mark.parametrize("name", UNMEASURED)
def test_what_cannot_be_measured_is_told(name: str) -> None:
    fn, path, why = UNMEASURED[name]
    params = {"q": PARAMS["q"], "k": PARAMS["k"], "out": array(5, 4, 3)}
    new, found = calibrate(lambda p, x: fn(p, x) @ p["out"], params, X)
    assert found[path].note == why
    assert found[path].factor is None
    np.testing.assert_array_equal(new[path], params[path])

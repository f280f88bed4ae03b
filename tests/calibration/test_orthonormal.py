"""The start of the paper: kernels are orthonormal from their inputs to their outputs."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from cthulhu.calibration import calibrate

X = jax.random.normal(jax.random.key(1), (64, 16))
IMAGES = jax.random.normal(jax.random.key(2), (8, 8, 8, 3))


class Case(NamedTuple):
    """A kernel in a function, and how it is matrices of (…, inputs, outputs)."""

    fn: Callable[[Any, Any], Any]
    shape: tuple[int, ...]
    matrices: Callable[[Any], Any]
    batch: Any = X


def convolved(dims: str) -> Callable[[Any, Any], Any]:
    def fn(p: Any, x: Any) -> Any:
        return lax.conv_general_dilated(
            x, p, (1, 1), "SAME", dimension_numbers=("NHWC", dims, "NHWC")
        )

    return fn


CASES = {
    "inputs, outputs": Case(lambda p, x: x @ p, (16, 8), lambda w: w),
    "more outputs": Case(lambda p, x: x @ p, (16, 24), lambda w: w),
    "outputs, inputs": Case(lambda p, x: x @ p.T, (8, 16), lambda w: w.T),
    "heads": Case(
        lambda p, x: jnp.einsum("bd,dhk->bhk", x, p), (16, 2, 4), lambda w: w.reshape(16, 8)
    ),
    "heads in front": Case(
        lambda p, x: jnp.einsum("bd,hdk->bhk", x, p),
        (2, 16, 4),
        lambda w: w.swapaxes(0, 1).reshape(16, 8),
    ),
    "heads to features": Case(
        lambda p, x: jnp.einsum("bhk,hkd->bd", x.reshape(64, 4, 4), p),
        (4, 4, 8),
        lambda w: w.reshape(16, 8),
    ),
    "experts": Case(
        lambda p, x: jnp.einsum("ebd,edf->ebf", x.reshape(4, 16, 16), p), (4, 16, 8), lambda w: w
    ),
    "layers": Case(
        lambda p, x: lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, jnp.moveaxis(p, 2, 0))[0],
        (16, 16, 3),
        lambda w: jnp.moveaxis(w, 2, 0),
    ),
    "layers by number": Case(lambda p, x: jnp.tanh(x @ p[0]) @ p[1], (2, 16, 16), lambda w: w),
    "HWIO": Case(convolved("HWIO"), (3, 3, 3, 8), lambda w: w.reshape(27, 8), IMAGES),
    "OIHW": Case(convolved("OIHW"), (8, 3, 3, 3), lambda w: w.reshape(8, 27).T, IMAGES),
}


@pytest.mark.parametrize("name", CASES)
def test_kernels_start_orthonormal(name: str) -> None:
    case = CASES[name]
    params = jax.random.normal(jax.random.key(0), case.shape)
    new, _ = calibrate(case.fn, params, case.batch, orthonormal=3)
    assert new.shape == case.shape
    matrices = np.asarray(case.matrices(new), np.float64)
    for matrix in matrices.reshape(-1, *matrices.shape[-2:]):
        rows, columns = matrix.shape
        products = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
        np.testing.assert_allclose(products / products[0, 0], np.eye(len(products)), atol=1e-5)


def test_a_start_depends_on_its_key_alone() -> None:
    fn = lambda p, x: jnp.tanh(x @ p["a"]) @ p["b"]  # noqa: E731
    ones = {name: jax.random.normal(jax.random.key(0), (16, 16)) for name in "ab"}
    first, _ = calibrate(fn, ones, X, orthonormal=3)
    for params, key in (({"a": 2 * ones["a"], "b": ones["b"]}, jax.random.key(3)), (ones, 4)):
        again, _ = calibrate(fn, params, X, orthonormal=key)
        same = isinstance(key, jax.Array)
        assert np.allclose(first["a"], again["a"], rtol=1e-5) == same
    assert not np.allclose(first["a"], first["b"])


def dense(p: Any, x: Any) -> Any:
    return x @ p["kernel"] + p["bias"]


def numbered(p: Any, x: Any) -> Any:
    return jnp.tanh(x @ p["kernel"][0]) @ p["kernel"][1] + p["bias"]


@pytest.mark.parametrize(
    ("fn", "shape", "spec"),
    [(dense, (16, 16), (None, "d")), (numbered, (2, 16, 16), ("d", None, "m"))],
    ids=["a matrix", "layers by number"],
)
def test_kernels_stay_where_they_are(
    fn: Callable[[Any, Any], Any], shape: tuple[int, ...], spec: tuple[str | None, ...]
) -> None:
    mesh = Mesh(np.array(jax.devices()[:8]).reshape(2, 4), ("d", "m"))
    layouts = {
        "kernel": NamedSharding(mesh, PartitionSpec(*spec)),
        "bias": NamedSharding(mesh, PartitionSpec(None, "m")),
    }
    values = {"kernel": jax.random.normal(jax.random.key(0), shape), "bias": jnp.ones((1, 16))}
    new, found = calibrate(fn, jax.device_put(values, layouts), X, orthonormal=3)
    for name, leaf in new.items():
        assert leaf.sharding.is_equivalent_to(layouts[name], leaf.ndim)
    np.testing.assert_array_equal(new["bias"], 0)
    expected, _ = calibrate(fn, values, X, orthonormal=3)
    np.testing.assert_allclose(new["kernel"], expected["kernel"], rtol=1e-4, atol=1e-6)
    assert found.passes == 2


def test_what_is_left_alone_keeps_its_bias() -> None:
    params = {
        "a": jax.random.normal(jax.random.key(0), (16, 16)),
        "a_bias": jnp.ones((1, 16)),
        "head": jax.random.normal(jax.random.key(1), (16, 4)),
        "head_bias": jnp.ones((1, 4)),
    }
    fn = lambda p, x: jnp.tanh(x @ p["a"] + p["a_bias"]) @ p["head"] + p["head_bias"]  # noqa: E731
    new, _ = calibrate(fn, params, X, targets={"head": None}, orthonormal=3)
    np.testing.assert_array_equal(new["a_bias"], 0)
    for name in ("head", "head_bias"):
        np.testing.assert_array_equal(new[name], params[name])

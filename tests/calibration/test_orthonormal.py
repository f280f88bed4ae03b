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


def test_kernels_stay_where_they_are() -> None:
    mesh = Mesh(np.array(jax.devices()[:8]), ("d",))
    sharding = NamedSharding(mesh, PartitionSpec(None, "d"))
    kernel = jax.device_put(jax.random.normal(jax.random.key(0), (16, 16)), sharding)
    params = {"kernel": kernel, "bias": jax.device_put(jnp.ones((1, 16)), sharding)}
    fn = lambda p, x: x @ p["kernel"] + p["bias"]  # noqa: E731
    new, found = calibrate(fn, params, X, orthonormal=3)
    assert {leaf.sharding for leaf in new.values()} == {sharding}
    np.testing.assert_array_equal(new["bias"], 0)
    expected, _ = calibrate(fn, jax.device_get(params), X, orthonormal=3)
    np.testing.assert_allclose(new["kernel"], expected["kernel"], rtol=1e-5)
    assert found.passes == 2

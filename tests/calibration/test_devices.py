"""`calibrate` within `shard_map`: devices measure together what each has a part of."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from cthulhu.calibration import calibrate
from cthulhu.calibration._layers import layers_of
from cthulhu.usage._activations import followed

LAYERS, WIDTH = 12, 16  # More layers than passes.


def kernels(seed: int, *shape: int) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


# Each device has examples of another size.
X = jax.random.normal(jax.random.key(9), (64, WIDTH)) * jnp.arange(1.0, 65.0)[:, None]
STACKS = {
    "up": kernels(0, LAYERS, WIDTH, 32),
    "down": kernels(1, LAYERS, 32, WIDTH),
    "bias": jnp.zeros((LAYERS, 1, WIDTH)),
}


def block(p: Any, x: Any, sums: Callable[[Any], Any]) -> Any:
    return sums(jax.nn.relu(x @ p["up"]) @ p["down"]) + p["bias"]


def scanned(p: Any, x: Any, sums: Callable[[Any], Any]) -> Any:
    return lax.scan(lambda x, p: (block(p, x, sums), None), x, p)[0]


def scattered(x: Any) -> Any:
    """The sum over devices, of which each has a part, and then all of it."""
    part = lax.psum_scatter(x, "model", scatter_dimension=1, tiled=True)
    return lax.all_gather(2 * part, "model", axis=1, tiled=True) / 2


class Case(NamedTuple):
    """How a network is spread over devices."""

    mesh: dict[str, int]
    params: dict[str, P]
    batch: P
    sums: Callable[[Any], Any] = lambda x: x
    check_vma: bool = True


EVERYWHERE = dict.fromkeys(STACKS, P())
PARTS = {"up": P(None, None, "model"), "down": P(None, "model"), "bias": P()}


def over_model(x: Any) -> Any:
    return lax.psum(x, "model")


CASES = {
    "examples": Case({"data": 4}, EVERYWHERE, P("data")),
    "examples, unchecked": Case({"data": 4}, EVERYWHERE, P("data"), check_vma=False),
    "features": Case({"model": 4}, PARTS, P(), over_model),
    "features, unchecked": Case({"model": 4}, PARTS, P(), over_model, check_vma=False),
    "examples and features": Case({"data": 2, "model": 4}, PARTS, P("data"), over_model),
    "features, scattered": Case({"model": 4}, PARTS, P(), scattered, check_vma=False),
}


def spread(case: Case, p: Any, x: Any) -> Any:
    """The network over devices."""
    sizes = tuple(case.mesh.values())
    devices = np.array(jax.devices()[: int(np.prod(sizes))]).reshape(sizes)
    return jax.shard_map(
        functools.partial(scanned, sums=case.sums),
        mesh=Mesh(devices, tuple(case.mesh)),
        in_specs=(case.params, case.batch),
        out_specs=case.batch,
        check_vma=case.check_vma,
    )(p, x)


@pytest.mark.parametrize("name", CASES)
def test_devices_find_the_factors_of_one(name: str) -> None:
    new, found = calibrate(functools.partial(spread, CASES[name]), STACKS, X)
    _, alone = calibrate(functools.partial(scanned, sums=lambda x: x), STACKS, X)
    assert (found.passes, found.factors.keys()) == (2, {"up", "down"})
    for path, factor in alone.factors.items():
        np.testing.assert_allclose(found.factors[path], factor, rtol=1e-5)
    # By NumPy, on one device.
    x = np.asarray(X)
    for layer in range(LAYERS):
        hidden = x @ np.asarray(new["up"][layer])
        x = np.maximum(hidden, 0) @ np.asarray(new["down"][layer])
        assert hidden.std() == pytest.approx(1.0, rel=1e-4)
        assert x.std() == pytest.approx(1.0, rel=1e-4)


def test_devices_that_go_different_ways_measure_alone() -> None:
    """Whoever waited for the others would wait for ever."""

    def stages(p: Any, x: Any) -> Any:
        ways = [lambda x: jnp.tanh(x @ p["a"]), lambda x: jnp.tanh(x @ p["b"])]
        return lax.switch(lax.axis_index("data") // 2, ways, x)

    mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
    fn = jax.shard_map(
        stages, mesh=mesh, in_specs=(P(), P("data")), out_specs=P("data"), check_vma=False
    )
    params = {"a": kernels(0, WIDTH, WIDTH), "b": kernels(1, WIDTH, WIDTH)}
    layers, _ = layers_of(followed("test", fn, params, X), 1.0)
    assert [one.slices.devices for one in layers] == [(), ()]
    new, _ = calibrate(fn, params, X)
    for path, part in (("a", X[:32]), ("b", X[32:])):
        assert float(jnp.std(part @ new[path])) == pytest.approx(1.0, rel=1e-4)

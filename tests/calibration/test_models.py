"""`calibrate` on whole models, whose outputs Flax and NumPy tell as well."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cthulhu.calibration import Calibration, calibrate
from cthulhu.initializers import RandomUniform
from tests.calibration.models import GPT2, LAYERS, MODELS, LinenGpt2, Model, resnet
from tests.usage.zoo.vision import ResNet50


@pytest.fixture(scope="module")
def calibrated() -> Callable[[str], tuple[Model, Any, Calibration]]:
    """Each model, calibrated once."""
    known: dict[str, tuple[Model, Any, Calibration]] = {}

    def get(name: str) -> tuple[Model, Any, Calibration]:
        if name not in known:
            model = MODELS[name]()
            known[name] = model, *calibrate(model.fn, model.params, model.batch(0))
        return known[name]

    return get


def leaves_with_factors(found: Calibration) -> Iterator[Any]:
    return (one for one in found if one.factor is not None)


@pytest.mark.parametrize("name", MODELS)
def test_one_pass_corrects_and_one_looks(name: str, calibrated: Any) -> None:
    _, _, found = calibrated(name)
    assert found.passes == 2
    assert not found.failures
    for layer in leaves_with_factors(found):
        np.testing.assert_allclose(layer.after, layer.target, rtol=1e-5)
        # The weights were of the wrong size, so that something was there to do.
        assert np.all(np.abs(np.asarray(layer.factor) - 1) > 0.01)


def outputs_of_flax(model: nn.Module, variables: Any, x: Any) -> dict[str, float]:
    """The standard deviation of the output of every module of Flax that has a kernel."""
    _, state = model.apply(
        variables,
        x,
        capture_intermediates=lambda module, _: isinstance(module, nn.Dense | nn.Conv),
        mutable=["intermediates", "batch_stats"],
    )
    flat = jax.tree_util.tree_leaves_with_path(state["intermediates"])
    names = ["/".join(str(getattr(step, "key", "")) for step in path) for path, _ in flat]
    return {
        re.sub("/__call__.*", "/kernel", name): float(jnp.std(value))
        for name, (_, value) in zip(names, flat, strict=True)
    }


def by_hand(params: Any, x: Any) -> dict[str, float]:
    """The standard deviation of each of a hundred products."""
    found = {}
    for at, kernel in enumerate(params):
        y = np.asarray(x) @ np.asarray(kernel)
        found[str(at)] = float(y.std())
        x = np.maximum(y, 0)
    return found


def measured(name: str, model: Model, params: Any, seed: int) -> dict[str, float]:
    """What others measure at the same layers."""
    x = model.batch(seed)
    if name == "100 layers":
        return by_hand(params, x)
    if name == "linen":
        return outputs_of_flax(LinenGpt2(), {"params": params}, x)
    statistics = ResNet50().init(jax.random.key(0), x[:1])["batch_stats"]
    return outputs_of_flax(ResNet50(), {"params": params, "batch_stats": statistics}, x)


@pytest.mark.parametrize("name", ["linen", "ResNet-50", "100 layers"])
def test_every_output_is_at_its_target_by_another_measure(name: str, calibrated: Any) -> None:
    """Within 1 % on the same batch, and within 10 % on a fresh one, as an outsider measures it."""
    model, params, found = calibrated(name)
    before = measured(name, model, model.params, 0)
    assert before.keys() == found.factors.keys()
    same = measured(name, model, params, 0)
    fresh = measured(name, model, params, 1)
    assert max(abs(one - 1) for one in before.values()) > 0.5
    assert max(abs(one - 1) for one in same.values()) < 0.01
    assert max(abs(one - 1) for one in fresh.values()) < 0.1


@pytest.mark.parametrize("name", [name for name in GPT2 if name != "linen"])
def test_the_factors_do_not_depend_on_how_layers_are_written(name: str, calibrated: Any) -> None:
    expected = calibrated("linen")[2].factors
    factors = calibrated(name)[2].factors
    if name.endswith("scanned"):
        assert all(np.shape(factor) == (LAYERS,) for factor in factors.values())
        factors = {
            path.replace("h/", f"h{layer}/"): factor[layer]
            for path, factor in factors.items()
            for layer in range(LAYERS)
        }
    assert factors.keys() == expected.keys()
    for path, factor in factors.items():
        np.testing.assert_allclose(factor, expected[path], rtol=1e-5)


def test_what_is_no_kernel_keeps_every_bit(calibrated: Any) -> None:
    model, params, found = calibrated("linen, scanned")
    before, after = (jax.tree_util.tree_leaves_with_path(one) for one in (model.params, params))
    kept = 0
    for (path, old), (_, new) in zip(before, after, strict=True):
        name = "/".join(step.key for step in path)
        if name not in found.factors:
            np.testing.assert_array_equal(old, new)
            kept += 1
    assert kept == len(before) - 4


def test_residual_branches_have_targets_of_their_own(calibrated: Any) -> None:
    model = GPT2["linen"]()
    small = 1 / np.sqrt(2 * LAYERS)
    params, found = calibrate(
        model.fn, model.params, model.batch(0), targets={r".*/(out|down)/kernel": small}
    )
    for path, stddev in measured("linen", model, params, 0).items():
        expected = small if re.match(r".*/(out|down)/", path) else 1.0
        assert stddev == pytest.approx(expected, rel=1e-4), path
    assert found["h0/out/kernel"].target == np.float32(small)


def losses(fn: Any, params: Any, x: Any, labels: Any, steps: int) -> list[float]:
    """The loss of a classification, by Adam."""
    optimizer = optax.adam(1e-4)

    def loss(params: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(fn(params, x), labels).mean()

    def step(carry: Any, _: Any) -> Any:
        params, state = carry
        value, slopes = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(slopes, state, params)
        return (optax.apply_updates(params, updates), state), value

    run = jax.jit(lambda carry: jax.lax.scan(step, carry, None, length=steps)[1])
    with jax.numpy_dtype_promotion("standard"):  # Of optax.
        found: list[float] = run((params, optimizer.init(params))).tolist()
    return found


def test_a_hundred_layers_train_with_it_and_not_without() -> None:
    def fn(params: Any, x: Any) -> Any:
        x = x @ params["in"]
        x = jax.lax.scan(lambda x, kernel: (jax.nn.relu(x) @ kernel, None), x, params["hidden"])[0]
        return jax.nn.relu(x) @ params["out"]

    shapes = {"in": (16, 64), "hidden": (98, 64, 64), "out": (64, 4)}
    params = {name: RandomUniform()(jax.random.key(0), shape) for name, shape in shapes.items()}
    x = jax.random.normal(jax.random.key(1), (256, 16))
    signs = (x[:, 0] * x[:, 1] > 0, jnp.sin(2 * x[:, 2]) > 0)
    labels = signs[0].astype(int) + 2 * signs[1].astype(int)
    without = losses(fn, params, x, labels, 150)
    assert without[-1] == pytest.approx(np.log(4), abs=0.01)  # It knows nothing: no gradient came.
    params, found = calibrate(fn, params, x, orthonormal=1)
    assert found.factors["hidden"].shape == (98,)
    # Of six seeds, all come below 0.6; a step of Adam may go too far then, and come back.
    assert min(losses(fn, params, x, labels, 150)) < 0.6


def test_a_traced_calibration_is_the_same() -> None:
    model = resnet()
    batch = model.batch(0)
    params, found = calibrate(model.fn, model.params, batch)
    run = jax.jit(lambda params, x: calibrate(model.fn, params, x))
    again, traced = run(model.params, batch)
    assert isinstance(traced.leaves[0].factor, jax.Array)
    assert not traced.failures
    for path, factor in found.factors.items():
        np.testing.assert_allclose(traced.factors[path], factor, rtol=1e-5)
    for one, other in zip(jax.tree.leaves(params), jax.tree.leaves(again), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-7)
    traced.assert_calibrated()

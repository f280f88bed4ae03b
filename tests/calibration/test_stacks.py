"""`calibrate` of layers that are stacked in one array, and taken out of it one by one."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cthulhu.calibration import Calibration, calibrate
from tests.refusals import assert_refused

LAYERS, WIDTH = 6, 16
X = jax.random.normal(jax.random.key(1), (64, WIDTH))
KERNELS = jax.random.normal(jax.random.key(0), (LAYERS, WIDTH, WIDTH))
STACK = KERNELS * jnp.arange(1.0, 7.0)[:, None, None]


def layer(x: Any, kernel: Any) -> Any:
    return jnp.tanh(x @ kernel)


def by_number(p: Any, x: Any) -> Any:
    return functools.reduce(lambda x, at: layer(x, p[at]), range(LAYERS), x)


def from_behind(p: Any, x: Any) -> Any:
    """The last layers by their numbers from the end; they are stacked along the last axis."""
    return functools.reduce(lambda x, at: layer(x, p[..., at]), range(-LAYERS, 0), x)


def groups(p: Any, x: Any) -> Any:
    """A scan over groups of two layers, of which the inner axis is not gone over."""
    return lax.scan(lambda x, two: (layer(layer(x, two[0]), two[1]), None), x, p)[0]


def in_two_arrays(p: Any, x: Any) -> Any:
    """Of weight norms: a scale, and a direction."""
    for at in range(LAYERS):
        direction = p["v"][at] / jnp.linalg.norm(p["v"][at], axis=0, keepdims=True)
        x = layer(x, p["g"][at] * direction)
    return x


NORMS = jnp.linalg.norm(STACK, axis=1, keepdims=True)

# The function, its parameters, and the names of the factors, in the order of the layers.
FORMS: dict[str, tuple[Callable[[Any, Any], Any], Any, list[str]]] = {
    "by number": (by_number, STACK, [f"[{at}]" for at in range(LAYERS)]),
    "a list": (
        lambda p, x: functools.reduce(layer, list(p), x),
        STACK,
        [f"[{at}]" for at in range(LAYERS)],
    ),
    "unstacked": (
        lambda p, x: functools.reduce(layer, jnp.unstack(p), x),
        STACK,
        [f"[{at}]" for at in range(LAYERS)],
    ),
    "from behind": (
        from_behind,
        jnp.moveaxis(STACK, 0, 2),
        [f"[:, :, {at}]" for at in range(LAYERS)],
    ),
    "two axes": (
        lambda p, x: functools.reduce(layer, [p[i, j] for i in range(2) for j in range(3)], x),
        STACK.reshape(2, 3, WIDTH, WIDTH),
        [f"[{i}, {j}]" for i in range(2) for j in range(3)],
    ),
    "groups": (
        groups,
        STACK.reshape(3, 2, WIDTH, WIDTH),
        [f"[:, {at % 2}]" for at in range(LAYERS)],
    ),
    "scales": (
        in_two_arrays,
        {"v": STACK, "g": NORMS},
        [f"g[{at}]" for at in range(LAYERS)],
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_each_layer_has_a_factor_of_its_own(name: str) -> None:
    fn, params, names = FORMS[name]
    alone = calibrate(lambda p, x: functools.reduce(layer, p, x), list(STACK), X)[1]
    expected = [alone.factors[str(at)] for at in range(LAYERS)]
    new, found = calibrate(fn, params, X)
    assert found.passes == 2
    assert found.factors.keys() == set(names)
    factors = [np.asarray(found.factors[one]) for one in names]
    if name == "groups":  # In each of the two, an element for each group.
        factors = [factor[at // 2] for at, factor in enumerate(factors)]
    np.testing.assert_allclose(factors, expected, rtol=1e-5)
    for row in found:
        np.testing.assert_allclose(row.after, 1.0, rtol=1e-5)
    # The parameters are multiplied by them, and nothing else is.
    x = X
    for at in range(LAYERS):
        x = layer(x, STACK[at] * expected[at])
    np.testing.assert_allclose(fn(new, X), x, atol=1e-4)
    # Once more, without data.
    read = Calibration.from_json(found.to_json())
    assert str(read) == str(found)
    for one, other in zip(jax.tree.leaves(read.apply(params)), jax.tree.leaves(new), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_layer_that_is_not_used_stays() -> None:
    new, found = calibrate(lambda p, x: layer(layer(x, p[1]), p[-1]), STACK, X)
    assert list(found.factors) == ["[1]", "[5]"]
    for at in (0, 2, 3, 4):
        np.testing.assert_array_equal(new[at], STACK[at])
    np.testing.assert_array_equal(new[1], STACK[1] * found.factors["[1]"])


def test_targets_are_those_of_the_layers() -> None:
    targets = np.linspace(0.5, 1.0, LAYERS)
    for fn, params, shape in (
        (by_number, STACK, (LAYERS,)),
        (groups, STACK.reshape(3, 2, WIDTH, WIDTH), (3, 2)),
    ):
        new, _ = calibrate(fn, params, X, targets={"": targets.reshape(shape)})
        x = X
        for target, kernel in zip(targets, new.reshape(STACK.shape), strict=True):
            assert float(jnp.std(x @ kernel)) == pytest.approx(target, rel=1e-4)
            x = layer(x, kernel)


# What is used, and how what comes of it is called; later uses have no factor of their own.
AGAIN: dict[str, tuple[Callable[[Any, Any], Any], list[str], list[str]]] = {
    "a part": (lambda p, x: layer(layer(x, p[0]), p[0]), ["[0]"], ["params[0]", "params[0]#2"]),
    "a part of the whole": (
        lambda p, x: layer(lax.scan(lambda x, w: (layer(x, w), None), x, p)[0], p[2]),
        [""],
        ["params", "params[2]#2"],
    ),
    "the whole of a part": (
        lambda p, x: lax.scan(lambda x, w: (layer(x, w), None), layer(x, p[2]), p)[0],
        ["[2]"],
        ["params[2]", "params#2"],
    ),
}


@pytest.mark.parametrize("name", AGAIN)
def test_a_part_that_is_used_twice_has_its_factor_from_the_first_use(name: str) -> None:
    fn, factors, rows = AGAIN[name]
    new, found = calibrate(fn, STACK, X)
    if name == "a part":
        np.testing.assert_array_equal(new[1:], STACK[1:])
    assert list(found.factors) == factors
    assert [row.path for row in found] == rows
    assert found[rows[1]].note == "used again"


def outputs_of_a_part(p: Any) -> Any:
    """What comes of the layers from the third on."""
    outputs, x = [], X
    for kernel in p[2:]:
        outputs.append(x @ kernel)
        x = jnp.tanh(outputs[-1])
    return jnp.stack(outputs)


def test_a_loop_over_a_part_of_a_stack_has_one_factor() -> None:
    """Nobody knows which of its layers it goes over."""
    fn = lambda p, x: lax.scan(lambda x, w: (layer(x, w), None), x, p[2:])[0]  # noqa: E731
    new, found = calibrate(fn, KERNELS, X, strict=False)
    (row,) = found
    assert (row.axes, np.shape(row.factor)) == ((), ())
    np.testing.assert_allclose(new, KERNELS * row.factor, rtol=1e-6)
    assert row.after == pytest.approx(float(jnp.std(outputs_of_a_part(new))), rel=1e-4)
    assert row.after == pytest.approx(1.0, abs=0.01)


def test_what_steps_share_is_not_part_of_what_they_have_alone() -> None:
    params = {"each": STACK, "shared": 0.1 * KERNELS[0]}
    fn = lambda p, x: lax.scan(  # noqa: E731
        lambda x, w: (layer(x, w + p["shared"]), None), x, p["each"]
    )[0]
    new, found = calibrate(fn, params, X)
    assert list(found.factors) == ["each"]
    assert found["shared"].note == "another kernel tells the output"
    np.testing.assert_array_equal(new["shared"], params["shared"])
    np.testing.assert_allclose(found["each"].after, 1.0, atol=0.01)


def test_a_layer_of_zeros_is_untouched() -> None:
    params = STACK.at[2].set(-0.0)
    fn = lambda p, x: functools.reduce(lambda x, at: x + layer(x, p[at]), range(LAYERS), x)  # noqa: E731
    for options in ({}, {"orthonormal": 0}):
        new, found = calibrate(fn, params, X, **options)
        assert np.array(new[2]).tobytes() == np.array(params[2]).tobytes()
        assert found["params[2]"].factor == 1
        assert found["params[5]"].after == pytest.approx(1.0, rel=1e-5)
    kernel = new[5] / found["params[5]"].factor
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(WIDTH), atol=1e-5)


def test_factors_of_another_stack_are_refused() -> None:
    found = calibrate(by_number, STACK, X)[1]
    assert_refused(
        lambda: found.apply(STACK[:4]),
        ValueError,
        r"^Calibration.apply: '' must have the part \[4\]; its shape is \(4, 16, 16\)$",
    )

"""`calibrate`: programs of every form, targets, factors that are saved, and errors."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import cthulhu
from cthulhu.calibration import CalibratedLayer, Calibration, calibrate
from cthulhu.calibration._data import verdicts_of
from tests.refusals import assert_refused

X = jax.random.normal(jax.random.key(1), (64, 16))
SEQUENCES = jax.random.normal(jax.random.key(2), (32, 6, 16))


@functools.cache
def array(*shape: int, seed: int = 0, size: float = 1.0) -> jax.Array:
    return size * jax.random.normal(jax.random.fold_in(jax.random.key(7), seed), shape)


def square(seed: int, size: float = 1.0) -> jax.Array:
    return array(16, 16, seed=seed, size=size)


TWO = {"a": square(0), "b": square(1, 3.0)}


def two(p: Any, x: Any) -> Any:
    return jnp.tanh(x @ p["a"]) @ p["b"]


def outputs(p: Any, x: Any) -> list[Any]:
    """What `two` has at its layers."""
    first = x @ p["a"]
    return [first, jnp.tanh(first) @ p["b"]]


@jax.custom_vjp
def through(x: Any, w: Any) -> Any:
    return jnp.tanh(x @ w)


through.defvjp(lambda x, w: (through(x, w), None), lambda _, g: (g, None))

FORMS: dict[str, Callable[[Any, Any], Any]] = {
    "jit": jax.jit(two),
    "remat": jax.checkpoint(two),
    "custom_vjp": lambda p, x: through(x, p["a"]) @ p["b"],
    "vmap": jax.vmap(two, in_axes=(None, 0)),
    "transposed": lambda p, x: (p["b"].T @ jnp.tanh(p["a"].T @ x.T)).T,
    "a branch": lambda p, x: lax.cond(x.sum() < 1e9, two, lambda p, x: x, p, x),
    "a loss": lambda p, x: jnp.mean(two(p, x) ** 2),
    "gradients": jax.grad(lambda p, x: jnp.mean(two(p, x) ** 2)),
    "scaled after": lambda p, x: 0.125 * two(p, x),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_form_of_the_program_plays_no_part(name: str) -> None:
    params, found = calibrate(FORMS[name], TWO, X)
    for value in outputs(params, X):
        assert float(jnp.std(value)) == pytest.approx(1.0, abs=1e-5)
    assert found.passes == 2
    assert [row.path for row in found] == ["a", "b"]
    assert found["a"].before == pytest.approx(float(jnp.std(X @ TWO["a"])), rel=1e-5)


def of_linen() -> tuple[Any, Any]:
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            x = jnp.tanh(nn.Dense(16, use_bias=False, name="a")(x))
            return nn.Dense(16, use_bias=False, name="b")(x)

    params = {name: {"kernel": kernel} for name, kernel in TWO.items()}
    return lambda p, x: Net().apply({"params": p}, x), params


def of_haiku() -> tuple[Any, Any]:
    def forward(x: Any) -> Any:
        x = jnp.tanh(hk.Linear(16, with_bias=False, name="a")(x))
        return hk.Linear(16, with_bias=False, name="b")(x)

    params = {name: {"w": kernel} for name, kernel in TWO.items()}
    return hk.without_apply_rng(hk.transform(forward)).apply, params


def of_equinox() -> tuple[Any, Any]:
    net = eqx.nn.MLP(
        16, 16, 16, 1, jnp.tanh, use_bias=False, use_final_bias=False, key=jax.random.key(0)
    )
    params = eqx.tree_at(
        lambda net: [layer.weight for layer in net.layers], net, [w.T for w in TWO.values()]
    )
    return lambda p, x: jax.vmap(p)(x), params


@pytest.mark.parametrize("make", [of_linen, of_haiku, of_equinox])
def test_the_framework_plays_no_part(make: Callable[[], tuple[Any, Any]]) -> None:
    fn, params = make()
    new, found = calibrate(fn, params, X)
    expected = calibrate(two, TWO, X)[1]
    factors = [[row.factor for row in one] for one in (found, expected)]
    np.testing.assert_allclose(*factors, rtol=1e-6)
    assert jax.tree.structure(new) == jax.tree.structure(params)
    assert float(jnp.std(fn(new, X))) == pytest.approx(1.0, abs=1e-5)


STACK = jnp.stack([square(seed, 1.0 + seed) for seed in range(6)])


def layers_by(axis: int) -> Callable[[Any, Any], Any]:
    """Layers that are stacked along an axis, in a scan."""

    def fn(p: Any, x: Any) -> Any:
        step = lambda x, w: (jnp.tanh(x @ w), None)  # noqa: E731
        return lax.scan(step, x, jnp.moveaxis(p, axis, 0))[0]

    return fn


def in_groups(p: Any, x: Any) -> Any:
    """A scan in a scan: the inner one goes over the first axis."""

    def group(x: Any, kernels: Any) -> Any:
        return lax.scan(lambda x, w: (jnp.tanh(x @ w), None), x, kernels)[0], None

    return lax.scan(group, x, jnp.swapaxes(p, 0, 1))[0]


SCANS = {
    "the first axis": (layers_by(0), STACK, (0,), (6,)),
    "the last axis": (layers_by(2), jnp.moveaxis(STACK, 0, 2), (2,), (6,)),
    "groups": (in_groups, STACK.reshape(2, 3, 16, 16).swapaxes(0, 1), (1, 0), (2, 3)),
}


@pytest.mark.parametrize("name", SCANS)
def test_each_slice_of_a_stack_has_a_factor_of_its_own(name: str) -> None:
    fn, params, axes, sizes = SCANS[name]
    listed = calibrate(
        lambda p, x: functools.reduce(lambda x, w: jnp.tanh(x @ w), p, x), list(STACK), X
    )[1]
    new, found = calibrate(fn, params, X)
    (row,) = found
    assert (row.axes, np.shape(row.factor), found.passes) == (axes, sizes, 2)
    expected = [one.factor for one in listed]
    np.testing.assert_allclose(np.ravel(row.factor), expected, rtol=1e-5)
    # A target for each slice.
    targets = np.linspace(0.5, 2.0, 6).reshape(sizes)
    _, found = calibrate(fn, params, X, targets={".*": targets})
    np.testing.assert_allclose(found.leaves[0].after, targets, rtol=1e-4)
    assert new.dtype == params.dtype


def recurrent(p: Any, xs: Any) -> Any:
    def cell(h: Any, x: Any) -> Any:
        h = jnp.tanh(x @ p["inputs"] + h @ p["state"])
        return h, h

    return lax.scan(cell, jnp.zeros((32, 16)), xs.swapaxes(0, 1))[1] @ p["out"]


def until(p: Any, x: Any) -> Any:
    """A loop of which no one knows how long it is; its last step counts."""
    body = lambda c: (c[0] + 1, jnp.tanh(c[1] @ p["w"]))  # noqa: E731
    return lax.while_loop(lambda c: c[0] < 3, body, (0, x))[1]


def over_devices(p: Any, x: Any) -> Any:
    mesh = Mesh(np.array(jax.devices()[:4]), ("d",))
    parts = jax.shard_map(
        two, mesh=mesh, in_specs=(PartitionSpec(), PartitionSpec("d")), out_specs=PartitionSpec("d")
    )
    return parts(p, x * jnp.arange(1.0, 65.0)[:, None])


# Each part has a mean of its own.
PARTS = SEQUENCES + jnp.linspace(-2.0, 2.0, 32)[:, None, None]

SHARED: dict[str, tuple[Any, Any, Any, dict[str, Callable[[Any], Any]]]] = {
    # Inputs do not depend on the state, so that their size is that of all steps together.
    "time": (
        recurrent,
        {"inputs": square(0), "state": square(1), "out": square(2)},
        SEQUENCES,
        {"inputs": lambda p: SEQUENCES @ p["inputs"], "out": lambda p: recurrent(p, SEQUENCES)},
    ),
    "parts of the batch": (
        lambda p, x: lax.map(lambda x: x @ p["w"], x),
        {"w": square(0)},
        PARTS,
        {"w": lambda p: PARTS @ p["w"]},
    ),
    "while": (
        until,
        {"w": square(0, 2.0)},
        X,
        {"w": lambda p: jnp.tanh(jnp.tanh(X @ p["w"]) @ p["w"]) @ p["w"]},
    ),
    "devices": (
        over_devices,
        TWO,
        X,
        {"b": lambda p: over_devices(p, X)},
    ),
}


@pytest.mark.parametrize("name", SHARED)
def test_steps_that_share_a_kernel_count_together(name: str) -> None:
    fn, params, batch, expected = SHARED[name]
    new, found = calibrate(fn, params, batch)
    assert found.factors.keys() == params.keys()
    for path, value in expected.items():
        assert float(jnp.std(value(new))) == pytest.approx(1.0, abs=0.01), path
        assert np.shape(found.factors[path]) == ()
    assert 2 <= found.passes <= 10


def with_bias(p: Any, x: Any) -> Any:
    return jnp.tanh(x @ p["a"] + p["bias"]) @ p["b"]


def weight_norm(p: Any, x: Any) -> Any:
    kernel = p["g"] * p["v"] / jnp.linalg.norm(p["v"], axis=0, keepdims=True)
    return jnp.tanh(x @ kernel) @ p["b"]


def packed(p: Any, x: Any) -> Any:
    return x @ jnp.concatenate([p["q"], p["k"], p["v"]], axis=1)


def adapted(p: Any, x: Any) -> Any:
    return x @ (p["w"] + p["down"] @ p["up"])


def gated(p: Any, x: Any) -> Any:
    """ReZero: the branch is there, and counts nothing yet."""
    return x + p["alpha"] * (jnp.tanh(x @ p["a"]) @ p["b"])


BETWEEN: dict[str, tuple[Any, Any, int, dict[str, Any]]] = {
    "a bias": (with_bias, {**TWO, "bias": array(1, 16, size=0.3)}, 3, {"a": "a", "b": "b"}),
    "a weight norm": (
        weight_norm,
        {"v": square(0), "g": jnp.ones((1, 16)), "b": square(1)},
        2,
        {"v": "g", "b": "b"},
    ),
    "a concatenation": (
        packed,
        {"q": array(16, 16), "k": array(16, 4, seed=1), "v": array(16, 4, seed=2)},
        2,
        {"k": "k", "q": "q", "v": "v"},
    ),
    "an adapter": (
        adapted,
        {"w": square(0), "down": array(16, 4), "up": jnp.zeros((4, 16))},
        2,
        {"w": "w"},
    ),
    "a gate": (gated, {**TWO, "alpha": jnp.zeros(())}, 2, {"a": "a", "b": "b"}),
}


@pytest.mark.parametrize("name", BETWEEN)
def test_what_stands_between_a_kernel_and_its_output(name: str) -> None:
    """The parameter that the output is proportional to is multiplied, and no other."""
    fn, params, least, expected = BETWEEN[name]
    new, found = calibrate(fn, params, X)
    assert found.passes >= least
    if least == 2:
        assert found.passes == 2
    rows = {row.path: row.parameter for row in found if row.factor is not None}
    assert rows == expected
    for path, leaf in params.items():
        if path not in expected.values():
            np.testing.assert_array_equal(new[path], leaf)
    for row in found:
        if row.factor is not None:
            assert row.after == pytest.approx(1.0, abs=0.01)
    if name in ("a bias", "a weight norm", "a concatenation", "an adapter"):
        out = fn(new, X)
        assert float(jnp.std(out)) == pytest.approx(1.0, abs=0.01)


def test_a_branch_of_zeros_is_untouched() -> None:
    def fn(p: Any, x: Any) -> Any:
        for layer in range(3):
            x = x + jnp.tanh(x @ p[f"up{layer}"]) @ p[f"down{layer}"]
        return x @ p["head"]

    params = {f"up{layer}": square(layer) for layer in range(3)}
    params |= {f"down{layer}": jnp.zeros((16, 16)) for layer in range(3)}
    params["down1"] = jnp.full((16, 16), -0.0)
    params["head"] = square(9)
    for new, found in (
        calibrate(fn, params, X),
        jax.jit(lambda p, x: calibrate(fn, p, x))(params, X),
        calibrate(fn, params, X, orthonormal=0),
    ):
        for layer in range(3):
            name = f"down{layer}"
            assert np.array(new[name]).tobytes() == np.array(params[name]).tobytes()
            assert found[name].factor == 1
            assert "constant, so left alone" in str(found)
            assert float(jnp.std(X @ new[f"up{layer}"])) == pytest.approx(1.0, abs=1e-4)
        assert not found.failures


def test_a_slice_of_zeros_is_untouched() -> None:
    params = STACK.at[5].set(0.0)
    new, found = calibrate(layers_by(0), params, X)
    np.testing.assert_array_equal(new[5], params[5])
    assert found.leaves[0].factor[5] == 1
    assert found.leaves[0].after[4] == pytest.approx(1.0, abs=1e-5)


def test_what_follows_a_constant_is_measured_behind_it() -> None:
    params = {"a": jnp.full((16, 16), 2.0), "b": square(1)}
    new, found = calibrate(two, params, X)
    np.testing.assert_array_equal(new["a"], params["a"])
    assert found["a"].after == pytest.approx(float(jnp.std(X @ params["a"])), rel=1e-5)
    assert float(jnp.std(two(new, X))) == pytest.approx(1.0, rel=1e-5)
    assert found.passes == 2


def test_what_is_nearly_right_is_corrected_too() -> None:
    right, _ = calibrate(two, TWO, X)
    new, found = calibrate(two, jax.tree.map(lambda one: 1.005 * one, right), X)
    assert found["a"].before == pytest.approx(1.005, rel=1e-5)
    for value in outputs(new, X):
        assert float(jnp.std(value)) == pytest.approx(1.0, abs=1e-5)


def test_what_is_told_is_of_the_parameters_that_are_returned() -> None:
    """Though the last pass found them wrong."""
    params = {**TWO, "bias": array(1, 16, size=0.9)}
    new, found = calibrate(with_bias, params, X, passes=2, strict=False)
    first = float(jnp.std(X @ new["a"] + new["bias"]))
    assert abs(first - 1) > 0.02
    assert found["a"].after == pytest.approx(first, rel=1e-5)
    assert found["b"].after == pytest.approx(float(jnp.std(with_bias(new, X))), rel=1e-5)
    assert found.passes == 2


@pytest.mark.parametrize("size", [1, 2])
def test_a_kernel_of_one_number_is_calibrated_if_it_has_no_others(size: int) -> None:
    new, found = calibrate(lambda p, x: x[:, :size] @ p, jnp.full((size, 1), 3.0), X)
    expected = 1 / float(jnp.std(X[:, 0])) if size == 1 else 3.0
    np.testing.assert_allclose(new, expected, rtol=1e-5)
    assert bool(found.leaves[0].constant) == (size == 2)


def test_a_kernel_that_is_used_twice_has_its_factor_from_the_first_use() -> None:
    def fn(p: Any, x: Any) -> Any:
        return jnp.tanh(jnp.tanh(x @ p["w"]) @ p["w"]) @ p["out"]

    new, found = calibrate(fn, {"w": square(0), "out": square(1)}, X)
    first = X @ new["w"]
    second = jnp.tanh(first) @ new["w"]
    assert float(jnp.std(first)) == pytest.approx(1.0, abs=0.01)
    assert found["w#2"].after == pytest.approx(float(jnp.std(second)), rel=1e-4)
    assert (found["w#2"].factor, found["w#2"].note) == (None, "used again")
    assert float(jnp.std(fn(new, X))) == pytest.approx(1.0, abs=0.01)


def tied(p: Any, ids: Any) -> Any:
    x = p["table"][ids] + p["positions"][None]
    return jnp.tanh(x @ p["w"]) @ p["table"].T


TIED = {"table": array(20, 16, size=3.0), "positions": array(6, 16), "w": square(0)}
IDS = jax.random.randint(jax.random.key(0), (16, 6), 0, 20)


def test_tables_are_calibrated_where_they_are_named() -> None:
    new, found = calibrate(tied, TIED, IDS)
    np.testing.assert_array_equal(new["table"], TIED["table"])
    assert found.factors.keys() == {"w"}
    assert "name it in targets" in found["table"].note
    new, found = calibrate(tied, TIED, IDS, targets={"table": 0.5})
    assert float(jnp.std(new["table"][IDS])) == pytest.approx(0.5, rel=1e-4)
    assert found.factors.keys() == {"table", "w"}
    assert found["table#2"].note == "used again"


def test_targets_are_those_of_the_first_expression() -> None:
    targets = {"a": None, "[ab]": 0.25}
    new, found = calibrate(two, TWO, X, targets=targets)
    np.testing.assert_array_equal(new["a"], TWO["a"])
    assert found["a"].note == "its target is None"
    assert float(jnp.std(two(new, X))) == pytest.approx(0.25, rel=1e-4)
    new, _ = calibrate(two, TWO, X, targets=2.0)
    assert [float(jnp.std(one)) for one in outputs(new, X)] == pytest.approx([2.0, 2.0], rel=1e-4)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e4m3fn"])
def test_narrow_types_are_rounded_once(dtype: str) -> None:
    params = {name: (0.25 * kernel).astype(dtype) for name, kernel in TWO.items()}

    def fn(p: Any, x: Any) -> Any:
        return two(jax.tree.map(lambda one: one.astype(jnp.float32), p), x)

    new, found = calibrate(fn, params, X)
    for name, leaf in params.items():
        expected = (leaf.astype(jnp.float32) * found.factors[name]).astype(dtype)
        np.testing.assert_array_equal(new[name].astype(jnp.float32), expected.astype(jnp.float32))
        assert new[name].dtype == dtype


def test_complex_outputs_have_the_standard_deviation_of_numpy() -> None:
    kernel = lax.complex(square(0), square(1))
    new, _ = calibrate(lambda p, x: x.astype(jnp.complex64) @ p, kernel, X)
    assert np.std(np.asarray(X) @ np.asarray(new)) == pytest.approx(1.0, abs=1e-5)


def test_a_batch_in_parts_is_looked_at_as_a_whole() -> None:
    mesh = Mesh(np.array(jax.devices()[:8]), ("d",))
    # Each part has a size of its own.
    batch = X * jnp.arange(1.0, 65.0)[:, None]
    sharded = jax.device_put(batch, NamedSharding(mesh, PartitionSpec("d")))
    params = jax.device_put(TWO, NamedSharding(mesh, PartitionSpec(None, "d")))
    new, found = calibrate(two, params, sharded)
    expected = calibrate(two, TWO, batch)[1]
    for path, factor in found.factors.items():
        np.testing.assert_allclose(factor, expected.factors[path], rtol=1e-5)
        assert new[path].sharding == params[path].sharding


def test_factors_are_saved_and_applied_again() -> None:
    model, params = layers_by(0), STACK
    new, found = calibrate(model, params, X)
    read = Calibration.from_json(found.to_json())
    assert str(read) == str(found)
    np.testing.assert_array_equal(read.apply(params), new)  # Bit for bit.
    np.testing.assert_array_equal(jax.jit(read.apply)(params), new)
    np.testing.assert_array_equal(read.apply(2 * params), 2 * new)
    assert read.passes == 2


def test_a_calibration_is_a_tree_of_arrays() -> None:
    _, found = calibrate(two, TWO, X)
    halved = jax.tree.map(lambda one: one, found)
    assert isinstance(halved, Calibration)
    assert halved.to_json() == found.to_json()


def test_an_orthonormal_start_is_that_of_the_paper() -> None:
    params = {**TWO, "bias": array(1, 16)}
    new, found = calibrate(with_bias, params, X, orthonormal=3)
    for name in ("a", "b"):
        kernel = new[name] / found.factors[name]
        np.testing.assert_allclose(kernel.T @ kernel, np.eye(16), atol=1e-5)
    np.testing.assert_array_equal(new["bias"], 0)
    assert found.passes == 2
    again, _ = calibrate(with_bias, params, X, orthonormal=jax.random.key(3))
    np.testing.assert_array_equal(new["a"], again["a"])


def test_each_slice_of_a_stack_starts_orthonormal() -> None:
    new, found = calibrate(layers_by(2), jnp.moveaxis(STACK, 0, 2), X, orthonormal=3)
    for layer in range(6):
        kernel = new[:, :, layer] / found.leaves[0].factor[layer]
        np.testing.assert_allclose(kernel.T @ kernel, np.eye(16), atol=1e-5)


def test_a_table_shows_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    _, found = calibrate(tied, TIED, IDS)
    lines = str(found).splitlines()
    assert [word for word in lines[2].split() if word.isalpha()] == [
        "layer", "target", "before", "after", "factor", "note",
    ]  # fmt: skip
    assert repr(found) == "<Calibration: 1 parameter>"
    assert "<table>" in found._repr_html_()
    assert found["w"] is found.leaves[0]
    assert cthulhu.calibrate is calibrate


def closed(p: Any, x: Any) -> Any:
    return x @ TWO["a"]


NAN = X.at[3, 3].set(jnp.nan)
REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "captured parameters": (
        lambda: calibrate(closed, {"a": TWO["a"]}, X),
        ValueError,
        r"^calibrate: the function uses none of the parameters\. They must be its first argument; "
        r"does it capture them instead\?$",
    ),
    "no kernel": (
        lambda: calibrate(lambda p, x: x + p, array(1, 16), X),
        ValueError,
        r"^calibrate: there is nothing to calibrate: the function has no layer whose parameter is a"
        r" kernel with a target$",
    ),
    "all left alone": (
        lambda: calibrate(two, TWO, X, targets={".*": None}),
        ValueError,
        r"nothing to calibrate.*'a': its target is None; 'b': its target is None\)$",
    ),
    "integers": (
        lambda: calibrate(lambda p, x: x @ p, jnp.ones((16, 4), int), jnp.ones((2, 16), int)),
        ValueError,
        r"nothing to calibrate.*it or its output is of integers",
    ),
    "an output of integers": (
        lambda: calibrate(lambda p, x: x @ p.astype(int), 9 * square(0), jnp.ones((2, 16), int)),
        ValueError,
        r"nothing to calibrate.*it or its output is of integers",
    ),
    "no numbers": (
        lambda: calibrate(two, TWO, NAN),
        ValueError,
        r"^calibrate: input 1 has values that are not finite, .* leave them out$",
    ),
    "shapes": (
        lambda: calibrate(two, jax.eval_shape(lambda: TWO), X),
        ValueError,
        r"^calibrate: parameters and batch must be arrays; got ShapeDtypeStruct.* no values$",
    ),
    "no function": (
        lambda: calibrate(3, TWO, X),  # type: ignore[arg-type]
        TypeError,
        r"^calibrate: fn must be a function",
    ),
    "parameters that are no numbers": (
        lambda: calibrate(two, {**TWO, "a": TWO["a"].at[0, 0].set(jnp.inf)}, X),
        ValueError,
        r"(?s)^calibrate: 1 layer is not at the target:\n  a: output not finite\nWhat to do:\n"
        r"  output not finite: .*diagnostics.signal",
    ),
    "an output that vanishes": (
        lambda: calibrate(lambda p, x: (0.0 * x @ p["a"]) @ p["b"], TWO, X),
        ValueError,
        r"(?s)2 layers are not.*  a: output constant\n  b: output constant\n.*the target None$",
    ),
    "a factor that is too large": (
        lambda: calibrate(two, {**TWO, "a": 1e-5 * TWO["a"]}, X),
        ValueError,
        r"(?s)a: factor at its bound.*bounds=\(lowest, highest\)$",
    ),
    "a branch not taken": (
        lambda: calibrate(lambda p, x: lax.cond(x.sum() > 1e9, two, lambda p, x: x, p, x), TWO, X),
        ValueError,
        r"(?s)a: did not run\n  b: did not run.*another batch, or give it the target None$",
    ),
    "a norm without a scale": (
        lambda: calibrate(lambda p, x: x @ (p / jnp.linalg.norm(p)), square(0), X),
        ValueError,
        r"(?s)  params: (off its target|factor at its bound)\n",
    ),
    "an unknown path": (
        lambda: calibrate(two, TWO, X, targets={"aa": 1.0}),
        ValueError,
        r"^calibrate: targets names 'aa', which matches no parameter \(did you mean 'a'\?\)$",
    ),
    "a bad expression": (
        lambda: calibrate(two, TWO, X, targets={"*": 1.0}),
        ValueError,
        r"^calibrate: targets has the invalid regular expression '\*'",
    ),
    "a bad target": (
        lambda: calibrate(two, TWO, X, targets={"a": -1.0}),
        ValueError,
        r"^calibrate: targets\['a'\] must be a standard deviation above 0.*got -1.0$",
    ),
    "a target that is a word": (
        lambda: calibrate(two, TWO, X, targets={"a": "one"}),
        ValueError,
        r"targets\['a'\] must be a standard deviation above 0.*got 'one'$",
    ),
    "bad targets": (
        lambda: calibrate(two, TWO, X, targets="a"),  # type: ignore[arg-type]
        TypeError,
        r"^calibrate: targets must be the standard deviation of all outputs, or a mapping",
    ),
    "a target of what has no output": (
        lambda: calibrate(gated, {**TWO, "alpha": jnp.zeros(())}, X, targets={"alpha": 1.0}),
        ValueError,
        r"^calibrate: targets names 'alpha', but what it matches has no output that is measured: "
        r"the role of 'alpha' is 'scale'$",
    ),
    "two targets of one output": (
        lambda: calibrate(packed, BETWEEN["a concatenation"][1], X, targets={"q": 0.5, "k": None}),
        ValueError,
        r"^calibrate: 'k' and 'q' make up one output together, which has one target; "
        r"targets has None and 0\.5$",
    ),
    "a loop over parts of the batch": (
        lambda: calibrate(
            lambda p, x: lax.map(lambda x: functools.reduce(jnp.matmul, p, x), x),
            12 * [square(0)],
            SEQUENCES,
        ),
        ValueError,
        r"(?s)  9: off its target\n.*calibrate the function inside the loop",
    ),
    "a bias that is too large": (
        lambda: calibrate(with_bias, {**TWO, "bias": array(1, 16, size=2.0)}, X),
        ValueError,
        r"(?s)  a: (off its target|factor at its bound)\n.*bias may be larger than the target",
    ),
    "targets of zero": (
        lambda: calibrate(two, TWO, X, targets=0.0),
        ValueError,
        r"^calibrate: targets must be.*0",
    ),
    "too many targets": (
        lambda: calibrate(two, TWO, X, targets={"a": np.ones(3)}),
        ValueError,
        r"^calibrate: the targets of 'a' have the shape \(3,\); it has no slices$",
    ),
    "targets of other slices": (
        lambda: calibrate(layers_by(0), STACK, X, targets={"": np.ones(3)}),
        ValueError,
        r"^calibrate: the targets of '' have the shape \(3,\); it has slices \(6,\)$",
    ),
    "one pass": (
        lambda: calibrate(two, TWO, X, passes=1),
        ValueError,
        r"^calibrate: passes must be at least 2, to correct and to look; got 1$",
    ),
    "bounds": (
        lambda: calibrate(two, TWO, X, bounds=(2.0, 3.0)),
        ValueError,
        r"^calibrate: bounds must be the least factor, above 0 and at most 1, and the greatest",
    ),
    "one bound": (
        lambda: calibrate(two, TWO, X, bounds=0.5),  # type: ignore[arg-type]
        ValueError,
        r"^calibrate: bounds must be",
    ),
    "tolerance": (
        lambda: calibrate(two, TWO, X, tolerance=0.0),
        ValueError,
        r"^calibrate: tolerance must be",
    ),
    "strict": (
        lambda: calibrate(two, TWO, X, strict="no"),  # type: ignore[arg-type]
        TypeError,
        r"^calibrate: strict must be",
    ),
    "factors of another tree": (
        lambda: calibrate(two, TWO, X)[1].apply({"a": TWO["a"], "bb": TWO["b"]}),
        ValueError,
        r"^Calibration.apply: params has no parameter 'b' \(did you mean 'bb'\?\)$",
    ),
    "factors of other slices": (
        lambda: calibrate(layers_by(0), STACK, X)[1].apply(STACK[:4]),
        ValueError,
        r"^Calibration.apply: '' must have \(6,\) slices along the axes \(0,\); its shape is \(4,",
    ),
    "other JSON": (
        lambda: Calibration.from_json("{}"),
        ValueError,
        r"^Calibration.from_json: text must be what Calibration.to_json wrote",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_errors_teach(name: str) -> None:
    assert_refused(*REFUSED[name])


def test_what_is_not_strict_goes_as_far_as_it_can() -> None:
    small = {**TWO, "a": 1e-5 * TWO["a"]}
    new, found = calibrate(two, small, X, strict=False)
    assert found.factors["a"] == np.float32(1e3)
    np.testing.assert_allclose(new["a"], 1e3 * small["a"], rtol=1e-6)
    assert found.failures == (("a", "factor at its bound"),)
    assert float(jnp.std(two(new, X))) == pytest.approx(1.0, abs=1e-3)  # What follows is right.
    with pytest.raises(AssertionError, match=r"^calibrate: 1 layer is not at the target"):
        found.assert_calibrated()
    new, found = calibrate(two, small, X, bounds=(1e-6, 1e6))
    assert not found.failures
    new, found = calibrate(lambda p, x: two(p, 0.0 * x), TWO, X, strict=False)
    assert [row.factor for row in found] == [1, 1]
    assert jax.tree.all(jax.tree.map(lambda one, other: jnp.all(one == other), new, TWO))


def test_long_lists_of_layers_are_cut() -> None:
    params = {f"w{at:02}": square(at) for at in range(30)}

    def fn(p: Any, x: Any) -> Any:
        return functools.reduce(lambda x, w: x @ w, p.values(), 0.0 * x)

    with pytest.raises(ValueError, match="and 10 more") as caught:
        calibrate(fn, params, X)
    assert str(caught.value).count("output constant\n") == 20


def test_bounds_hold_for_the_factor_of_all_passes() -> None:
    """Each pass may need a factor within them, and all of them together one beyond."""
    _, found = calibrate(
        with_bias, {**TWO, "bias": array(1, 16, size=0.9)}, X, bounds=(0.5, 2.0), strict=False
    )
    for row in found:
        assert 0.5 <= row.factor <= 2.0


def test_a_layer_says_what_it_is() -> None:
    row = CalibratedLayer("a", "a", (), 1.0, 2.0, 1.0, 0.5, 1, constant=False)
    assert verdicts_of(row, 0.01, (0.1, 10.0)).tolist() == ""
    cases = itertools.product([0.98, 1.0], [0.5, 0.1])
    rows = [
        CalibratedLayer("a", "a", (), 1.0, 2.0, after, factor, 1, constant=False)
        for after, factor in cases
    ]
    verdicts = [verdicts_of(row, 0.01, (0.1, 10.0)).tolist() for row in rows]
    assert verdicts == ["off its target", "factor at its bound", "", ""]

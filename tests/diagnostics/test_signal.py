"""`signal`: what the theory says of deep networks, whatever the framework, and by hand."""

import gc
import json
import weakref
from collections.abc import Callable
from typing import Any

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from cthulhu import clear_caches
from cthulhu.diagnostics import Signal, _signal, signal
from cthulhu.initializers import GlorotNormal, HeNormal

DEPTH, WIDTH, BATCH = 50, 256, 32
X = jax.random.normal(jax.random.key(1), (BATCH, WIDTH))


def array(*shape: int, seed: int = 0) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


def mlp(params: Any, x: Any) -> Any:
    for kernel in params:
        x = jax.nn.relu(x @ kernel)
    return x


def stack(init: Any, depth: int = DEPTH) -> list[jax.Array]:
    return [init(key, (WIDTH, WIDTH)) for key in jax.random.split(jax.random.key(0), depth)]


@pytest.mark.parametrize(
    ("init", "rate"), [(HeNormal(), 1.0), (GlorotNormal(), 0.5)], ids=["He", "Glorot"]
)
def test_the_second_moment_of_a_relu_network_is_that_of_the_theory(init: Any, rate: float) -> None:
    """E x² is multiplied by `rate` in each layer, and that of the gradient likewise.

    In a layer of n units, the logarithm of the sum of squares moves by a standard deviation of
    √(5 / n), of both directions' random numbers: 4 of these over all layers are allowed.
    """
    rows = signal(mlp, stack(init), X).leaves
    assert len(rows) == DEPTH
    assert rows[0].gradient
    assert rows[-1].gradient
    bound = 4 * np.sqrt(5 / WIDTH * DEPTH)
    expected = (DEPTH - 1) * np.log(rate)
    assert abs(2 * np.log(rows[-1].rms / rows[0].rms) - expected) < bound
    assert abs(2 * np.log(rows[0].gradient / rows[-1].gradient) - expected) < bound
    # Inputs come to point the same way, as the map of correlations of a ReLU network has it.
    cosines = [row.cosine for row in rows]
    assert abs(cosines[0]) < 0.1
    assert cosines[-1] > 0.9


def small() -> tuple[list[jax.Array], jax.Array]:
    keys = jax.random.split(jax.random.key(2), 4)
    sizes = [(6, 8), (8, 8), (8, 3)]
    kernels = [jax.random.normal(key, size) / 2 for key, size in zip(keys, sizes, strict=False)]
    return kernels, jax.random.normal(keys[3], (5, 6))


def of_plain() -> tuple[Any, Any]:
    def apply(params: Any, x: Any) -> Any:
        for at in range(3):
            x = jnp.tanh(x @ params[f"l{at}"]["w"])
        return x

    return apply, {f"l{at}": {"w": kernel} for at, kernel in enumerate(small()[0])}


def of_linen() -> tuple[Any, Any]:
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            for at, size in enumerate((8, 8, 3)):
                x = jnp.tanh(nn.Dense(size, use_bias=False, name=f"l{at}")(x))
            return x

    params = {f"l{at}": {"kernel": kernel} for at, kernel in enumerate(small()[0])}
    return lambda p, x: Model().apply({"params": p}, x), params


def of_nnx() -> tuple[Any, Any]:
    class Model(nnx.Module):
        def __init__(self, rngs: Any) -> None:
            sizes = (6, 8, 8, 3)
            for at in range(3):
                layer = nnx.Linear(sizes[at], sizes[at + 1], use_bias=False, rngs=rngs)
                layer.kernel[...] = small()[0][at]
                setattr(self, f"l{at}", layer)

        def __call__(self, x: Any) -> Any:
            for at in range(3):
                x = jnp.tanh(getattr(self, f"l{at}")(x))
            return x

    graph, state = nnx.split(Model(nnx.Rngs(0)))
    return lambda p, x: nnx.merge(graph, p)(x), state


def of_equinox() -> tuple[Any, Any]:
    class Layer(eqx.Module):
        w: jax.Array

    layers = {f"l{at}": Layer(kernel) for at, kernel in enumerate(small()[0])}

    def apply(params: Any, x: Any) -> Any:
        for at in range(3):
            x = jnp.tanh(x @ params[f"l{at}"].w)
        return x

    return apply, layers


def of_haiku() -> tuple[Any, Any]:
    def forward(x: Any) -> Any:
        for at, size in enumerate((8, 8, 3)):
            x = jnp.tanh(hk.Linear(size, with_bias=False, name=f"l{at}")(x))
        return x

    apply = hk.without_apply_rng(hk.transform(forward)).apply
    return apply, {f"l{at}": {"w": kernel} for at, kernel in enumerate(small()[0])}


@pytest.mark.parametrize("make", [of_linen, of_nnx, of_equinox, of_haiku])
def test_the_framework_plays_no_part(make: Callable[[], tuple[Any, Any]]) -> None:
    numbers = []
    for fn, params in (of_plain(), make()):
        found = signal(fn, params, small()[1])
        numbers.append(
            [(r.mean, r.rms, r.stddev, r.cosine, r.gradient, r.dead) for r in found.leaves]
        )
        assert [row.parameter.split("/")[0] for row in found] == ["l0", "l1", "l2"]
    assert numbers[0] == numbers[1]  # Bit for bit.


def test_each_number_is_what_it_says() -> None:
    (first, second, _), x = small()
    kernels = [first, second.at[:, 2].set(0.0)]

    def fn(params: Any, x: Any) -> Any:
        return jax.nn.relu(x @ params["a"] + params["bias"]) @ params["b"]

    bias = jnp.zeros((1, 8)).at[0, 3].set(-99.0)  # One unit is dead.
    found = signal(
        fn, {"a": kernels[0], "b": kernels[1], "bias": bias}, x, cotangent=jnp.ones((5, 8))
    )
    h = np.asarray(x @ kernels[0] + bias, np.float64)
    row = found["a"]
    assert row.mean == pytest.approx(h.mean(), rel=1e-5)
    assert row.rms == pytest.approx(np.sqrt((h**2).mean()), rel=1e-5)
    assert row.stddev == pytest.approx(h.std(), rel=1e-4)
    unit = h / np.linalg.norm(h, axis=1, keepdims=True)
    assert row.cosine == pytest.approx((unit[1:] * unit[:-1]).sum(1).mean(), rel=1e-5)
    gradient = (h > 0) * (np.ones((5, 8)) @ np.asarray(kernels[1]).T)
    assert row.gradient == pytest.approx(np.sqrt((gradient**2).mean()), rel=1e-5)
    assert row.dead == (gradient == 0).all(0).mean() > 0
    assert (found["b"].gradient, found["b"].dead) == (1.0, 0.0)


def test_a_loop_has_a_row_for_each_step() -> None:
    kernels = stack(HeNormal(), 4)

    def looped(params: Any, x: Any) -> Any:
        return lax.scan(lambda c, w: (jax.nn.relu(c @ w), None), x, params["layers"])[0]

    found = signal(looped, {"layers": jnp.stack(kernels)}, X)
    plain = signal(mlp, kernels, X)
    assert [row.path for row in found] == [f"layers[{step}]" for step in range(4)]
    assert [row.step for row in found] == [0, 1, 2, 3]
    for row, other in zip(found, plain, strict=True):
        for name in ("rms", "cosine", "gradient", "dead"):
            assert getattr(row, name) == pytest.approx(getattr(other, name), rel=1e-4, abs=1e-6)


def test_a_loss_goes_back_from_one() -> None:
    (kernel, *_), x = small()
    found = signal(lambda p, x: jnp.sum(x @ p), kernel, x)
    assert found.leaves[0].gradient == 1.0


def test_without_a_way_back() -> None:
    def fn(p: Any, x: Any) -> Any:
        return lax.while_loop(lambda c: jnp.sum(c) < -1e9, lambda c: c, x @ p)

    (kernel, *_), x = small()
    (row,) = signal(fn, kernel, x, backward=False)
    assert (row.gradient, row.dead) == (None, None)
    assert "gradient" not in str(signal(fn, kernel, x, backward=False))


def test_narrow_types_are_measured_in_float32() -> None:
    (kernel, *_), x = small()
    narrow = signal(lambda p, x: x @ p, kernel.astype(jnp.bfloat16), x.astype(jnp.bfloat16))
    wide = signal(lambda p, x: x @ p, kernel, x)
    assert narrow.leaves[0].rms == pytest.approx(wide.leaves[0].rms, rel=0.02)


def test_a_signal_is_json() -> None:
    found = signal(mlp, stack(HeNormal(), 2), X)
    assert Signal.from_json(found.to_json()) == found
    before_streams = json.loads(found.to_json())
    for row in before_streams["signal"]:
        del row["kind"]
    assert Signal.from_json(json.dumps(before_streams)) == found
    with pytest.raises(ValueError, match=r"Signal.from_json: text must be what"):
        Signal.from_json("{}")
    assert repr(found) == "<Signal: 2 rows>"
    assert "2 rows" in str(found)


def norm(x: Any) -> Any:
    return (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + 1e-3)


def block(p: Any, x: Any) -> Any:
    """A block as of a transformer, whose attention is a product over the examples."""
    x = x + (norm(x) @ p["value"]) @ p["out"]
    return x + jax.nn.relu(norm(x) @ p["up"]) @ p["down"]


NAMES = ("value", "out", "up", "down")
ROWS = ["value", "out", "x + out", "up", "down", "x + down"]


def layers(count: int) -> dict[str, jax.Array]:
    keys = jax.random.split(jax.random.key(5), len(NAMES))
    return {n: jax.random.normal(k, (count, 8, 8)) / 3 for n, k in zip(NAMES, keys, strict=True)}


def test_a_residual_stream_has_a_row() -> None:
    """Its numbers are those of the sum, and of the gradient that arrives at the sum."""
    p, x = jax.tree.map(lambda w: w[0], layers(1)), array(5, 8, seed=3)
    found = signal(block, p, x, cotangent=jnp.ones((5, 8)))
    assert [row.path for row in found] == ROWS
    assert [row.path for row in found.streams] == ["x + out", "x + down"]
    assert [row.path for row in found.layers] == ["value", "out", "up", "down"]
    assert [row.parameter for row in found.streams] == ["out", "down"]
    first = x + (norm(x) @ p["value"]) @ p["out"]

    def rest(x: Any) -> Any:
        return jnp.sum(x + jax.nn.relu(norm(x) @ p["up"]) @ p["down"])

    assert found["x + out"].rms == pytest.approx(float(jnp.sqrt(jnp.mean(first**2))), rel=1e-5)
    assert found["x + out"].mean == pytest.approx(float(jnp.mean(first)), rel=1e-4)
    gradient = jax.grad(rest)(first)
    expected = float(jnp.sqrt(jnp.mean(gradient**2)))
    assert found["x + out"].gradient == pytest.approx(expected, rel=1e-5)
    assert (found["x + down"].gradient, found["x + down"].dead) == (1.0, 0.0)


def test_rows_are_in_the_order_in_which_they_run() -> None:
    """Of a loop: all of one step, and then the next; with the numbers of one without a loop."""
    p, x = layers(3), array(5, 8, seed=3)

    def looped(p: Any, x: Any) -> Any:
        x = lax.scan(lambda x, w: (block(w, x), None), x, p["layers"])[0]
        return x @ p["head"]

    def unrolled(p: Any, x: Any) -> Any:
        for at in range(3):
            x = block(jax.tree.map(lambda w, at=at: w[at], p["layers"]), x)
        return x @ p["head"]

    params = {"layers": p, "head": jnp.eye(8)}
    found, plain = (signal(fn, params, x) for fn in (looped, unrolled))
    named = [row.replace("x + ", "x + layers/") for row in ROWS]
    named = [name if "/" in name else f"layers/{name}" for name in named]
    assert [row.path for row in found] == [
        *(f"{name}[{step}]" for step in range(3) for name in named),
        "head",
    ]
    for row, other in zip(found, plain, strict=True):
        assert (row.kind, row.parameter) == (other.kind, other.parameter)
        for name in ("mean", "rms", "cosine", "gradient", "dead"):
            assert getattr(row, name) == pytest.approx(getattr(other, name), rel=1e-3, abs=1e-5)


def test_loops_within_loops_run_step_by_step() -> None:
    p = jnp.stack([jnp.stack([jnp.eye(8)] * 2)] * 3)

    def inner(x: Any, w: Any) -> Any:
        return 2 * jnp.abs(2 * (x @ w)) @ w, None

    def outer(x: Any, ws: Any) -> Any:
        return lax.scan(inner, x @ ws[0], ws)[0], None

    found = signal(lambda p, x: lax.scan(outer, x, p["w"])[0], {"w": p}, array(4, 8))
    assert [row.path for row in found] == [
        *("w[0]", "w#2[0]", "w#3[0]", "w#2[1]", "w#3[1]"),
        *("w[1]", "w#2[2]", "w#3[2]", "w#2[3]", "w#3[3]"),
        *("w[2]", "w#2[4]", "w#3[4]", "w#2[5]", "w#3[5]"),
    ]
    sizes = [row.rms for row in found]
    assert sizes == sorted(sizes)


SIZES = {"tiny": 1e-34, "small": 1e-18, "plain": 1.0, "large": 1e18, "huge": 1e36}


@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_measured_in_all_of_float32(name: str) -> None:
    """Squares would be 0 or infinite for all but the plain ones."""
    size = SIZES[name]
    kernel, x = jnp.eye(8) * np.float32(size), array(5, 8) + 1
    (row,) = signal(lambda p, x: x @ p, kernel, x, cotangent=jnp.full((5, 8), np.float32(size)))
    exact = np.asarray(x, np.float64) * size
    assert row.rms == pytest.approx(np.sqrt((exact**2).mean()), rel=1e-5)
    assert row.mean == pytest.approx(exact.mean(), rel=1e-5)
    assert row.stddev == pytest.approx(exact.std(), rel=1e-4)
    assert row.gradient == pytest.approx(size, rel=1e-5)
    unit = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    assert row.cosine == pytest.approx((unit[1:] * unit[:-1]).sum(1).mean(), rel=1e-4)


def test_nothing_and_too_much_are_said_as_they_are() -> None:
    found = [
        signal(lambda p, x: x @ p, jnp.eye(8) * value, array(5, 8) + 1, backward=False).leaves[0]
        for value in (np.float32(0), np.float32(np.inf))
    ]
    assert (found[0].mean, found[0].rms, found[0].stddev, found[0].cosine) == (0, 0, 0, None)
    assert not np.isfinite(found[1].rms)
    assert not np.isfinite(found[1].stddev)


def test_the_parts_of_a_sharded_model_are_measured() -> None:
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    p, x = jax.tree.map(lambda w: w[0], layers(1)), array(8, 8, seed=3)
    fn = jax.shard_map(block, mesh=mesh, in_specs=(P(), P("data")), out_specs=P("data"))
    found = signal(fn, p, x, cotangent=jnp.ones((8, 8)))
    plain = signal(block, p, x, cotangent=jnp.ones((8, 8)))
    assert [row.path for row in found] == [f"{name}[{at}]" for at in range(4) for name in ROWS]
    for name in ROWS:
        squares = [row.rms**2 for row in found if row.path.startswith(f"{name}[")]
        assert np.sqrt(np.mean(squares)) == pytest.approx(plain[name].rms, rel=1e-5)


def test_a_program_that_is_kept_holds_no_parameters() -> None:
    params = {"w": jnp.eye(8) * 3}
    held = weakref.ref(params["w"])

    def fn(p: Any, x: Any) -> Any:
        return x @ p["w"]

    clear_caches()
    signal(fn, params, array(4, 8))
    assert len(_signal.programs) == 1
    del params
    gc.collect()
    assert held() is None


class Unhashable:
    """A function that no cache can hold."""

    __hash__: Any = None

    def __call__(self, p: Any, x: Any) -> Any:
        return x @ p


def test_the_program_of_a_function_is_kept() -> None:
    """And made anew where the function traces to another, or cannot be told from another."""
    clear_caches()
    power: list[Any] = [1.0]
    constant = np.ones((8, 8), np.float32)
    here = [jnp.ones((8, 8))]
    large = np.ones((64, 8, 8), np.float32)

    def fn(p: Any, x: Any) -> Any:
        return (x @ p * power[0] + constant[:1]) @ here[0]

    def size(fn: Any, x: Any = None) -> float:
        rms: float = signal(fn, jnp.eye(8), array(5, 8) if x is None else x).leaves[0].rms
        return rms

    first = size(fn)
    assert (size(fn), len(_signal.programs)) == (first, 1)
    power[0] = 2.0
    assert size(fn) == pytest.approx(2 * first)
    assert len(_signal.programs) == 2
    size(fn, array(6, 8))
    constant[:] = 5.0
    size(fn)
    here[0] = jnp.zeros((8, 8))
    size(fn)
    assert len(_signal.programs) == 5
    size(Unhashable())
    size(lambda p, x: (x @ p)[None] + large[:, :5])
    assert len(_signal.programs) == 5
    clear_caches()
    assert len(_signal.programs) == 0
    assert size(lambda p, x: x @ p) == pytest.approx(first)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "captured parameters": (
        lambda: signal(lambda p, x: x @ jnp.ones((6, 2)), {"w": jnp.ones((6, 2))}, small()[1]),
        r"^signal: .*uses none of the parameters",
    ),
    "shapes": (
        lambda: signal(lambda p, x: x @ p, jax.ShapeDtypeStruct((6, 8), jnp.float32), small()[1]),
        r"^signal: params has shapes where arrays are needed; cthulhu.diagnostics.compare",
    ),
    "an input that is not finite": (
        lambda: signal(lambda p, x: x @ p, small()[0][0], small()[1].at[0, 0].set(jnp.nan)),
        r"^signal: input 1 has values that are not finite",
    ),
    "outputs without a gradient": (
        lambda: signal(lambda p, x: jnp.argmax(x @ p, 1), small()[0][0], small()[1]),
        r"^signal: the function returns int32\[5\], which has no gradient; pass backward=False",
    ),
    "another cotangent": (
        lambda: signal(lambda p, x: x @ p, small()[0][0], small()[1], cotangent=jnp.ones(3)),
        r"^signal: cotangent must be a tree like .*\(5, 8\).*its leaves have \[\(3,\)\]",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    call, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        call()

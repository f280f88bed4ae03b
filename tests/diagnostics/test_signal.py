"""`signal`: what the theory says of deep networks, whatever the framework, and by hand."""

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

from cthulhu.diagnostics import Signal, signal
from cthulhu.initializers import GlorotNormal, HeNormal

DEPTH, WIDTH, BATCH = 50, 256, 32
X = jax.random.normal(jax.random.key(1), (BATCH, WIDTH))


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
    with pytest.raises(ValueError, match=r"Signal.from_json: text must be what"):
        Signal.from_json("{}")
    assert repr(found) == "<Signal: 2 rows>"
    assert "2 rows" in str(found)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "captured parameters": (
        lambda: signal(lambda p, x: x @ jnp.ones((6, 2)), {"w": jnp.ones((6, 2))}, small()[1]),
        r"^signal: .*uses none of the parameters",
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

"""`usage.infer` on functions of a few lines, one for each way in which a parameter is moved."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cthulhu import usage
from cthulhu.usage import Usage


def spec(*shape: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


IDS = spec(2, 5, dtype=jnp.int32)
X = spec(2, 5, 6)  # Batch, sequence, features.


class Row(NamedTuple):
    """A function of parameters, and what it uses them as.

    Of each: the role, and its axes as ``"in:0 out:1 batch:2 stack:3"``.
    """

    fn: Callable[..., Any]
    params: dict[str, Any]
    args: tuple[Any, ...]
    expected: dict[str, str]


def told(found: Usage) -> dict[str, str]:
    """A usage as rows tell it."""
    texts = {}
    for leaf in found:
        named = {"in": leaf.inputs, "out": leaf.outputs, "batch": leaf.batch, "stack": leaf.stacked}
        axes = [f"{name}:{','.join(map(str, of))}" for name, of in named.items() if of]
        groups = [f"groups:{leaf.groups}"] if leaf.groups > 1 else []
        of = [f"of:{','.join(leaf.kernels)}"] if leaf.kernels else []
        role = f"{leaf.role}+tied" if leaf.tied else leaf.role
        texts[leaf.path] = " ".join([role, *axes, *groups, *of])
    return texts


def dense(p: Any, x: Any) -> Any:
    return x @ p["w"]


def scanned(p: Any, x: Any) -> Any:
    def layer(carry: Any, w: Any) -> Any:
        return jnp.tanh(carry @ w), None

    return lax.scan(layer, x, p["w"])[0]


def trained_inside(p: Any, x: Any) -> Any:
    """Weights that each example changes, before the next is seen."""

    def step(w: Any, x: Any) -> Any:
        return w - p["rate"] * jax.grad(lambda w: jnp.sum(jnp.tanh(x @ w)))(w), x @ w

    return lax.scan(step, p["w"], x)[1] @ p["o"]


def unrolled_state(p: Any, x: Any) -> Any:
    state = p["h"]
    for step in x:
        state = jnp.tanh(step @ p["u"] + state @ p["w"])
    return state


def unrolled_cell(p: Any, x: Any) -> Any:
    state = jnp.zeros((2, 4))
    for at in range(2):
        state = jnp.tanh(x[:, at] @ p["wx"] + state @ p["wh"] + p["b"][None])
    return state


def shared_cell(p: Any, x: Any) -> Any:
    def cell(state: Any, now: Any) -> Any:
        state = jnp.tanh(now @ p["wx"] + state @ p["wh"])
        return state, state

    start = jnp.broadcast_to(p["h0"], (2, 4))
    return lax.scan(cell, start, jnp.swapaxes(x, 0, 1))[0]


def by_index(p: Any, x: Any) -> Any:
    def body(at: Any, carry: Any) -> Any:
        return jnp.tanh(carry @ lax.dynamic_index_in_dim(p["w"], at, keepdims=False))

    return lax.fori_loop(0, 3, body, x)


def until(p: Any, x: Any) -> Any:
    return lax.while_loop(lambda c: jnp.sum(c) < 1, lambda c: jnp.tanh(c @ p["w"]), x)


def weight_norm(p: Any, x: Any) -> Any:
    v = p["v"]
    return x @ (p["g"][None] * v / jnp.sqrt(jnp.sum(v**2, axis=0, keepdims=True)))


def spectral_norm(p: Any, x: Any) -> Any:
    u = lax.stop_gradient(p["u"])
    v = u @ p["w"].T
    v /= jnp.linalg.norm(v)
    sigma = ((v @ p["w"]) @ u.T)[0, 0]
    return x @ (p["w"] / sigma)


@jax.custom_vjp
def twice(x: Any) -> Any:
    return 2 * x


twice.defvjp(lambda x: (2 * x, None), lambda _, g: (2 * g,))


@jax.custom_jvp
def through(x: Any, w: Any) -> Any:
    return x @ w


through.defjvp(lambda primals, tangents: (through(*primals), through(*tangents)))


def convolve(numbers: tuple[str, str, str], **kwargs: Any) -> Callable[..., Any]:
    def apply(p: Any, x: Any) -> Any:
        return lax.conv_general_dilated(
            x, p["w"], (1,), "SAME", dimension_numbers=numbers, **kwargs
        )

    return apply


def experts(p: Any, x: Any) -> Any:
    gates = jax.nn.softmax(x @ p["router"])
    hidden = jax.nn.relu(jnp.einsum("btd,edf->btef", x, p["up"]))
    return jnp.einsum("btef,efd,bte->btd", hidden, p["down"], gates)


def gathered_experts(p: Any, x: Any) -> Any:
    chosen = jnp.argmax(x @ p["router"], axis=-1)
    return jnp.einsum("btd,btdf->btf", x, p["up"][chosen])


def latents(p: Any, x: Any) -> Any:
    q = jnp.broadcast_to(p["latents"], (2, 3, 6)) @ p["q"]
    return jax.nn.softmax(q @ jnp.swapaxes(x @ p["k"], 1, 2)) @ x


def class_token(p: Any, x: Any) -> Any:
    token = jnp.broadcast_to(p["cls"], (2, 1, 6))
    return (jnp.concatenate([token, x], axis=1) + p["pos"]) @ p["w"]


def packed(p: Any, x: Any) -> Any:
    q, k, v = jnp.split(x @ p["qkv"] + p["b"][None, None], 3, axis=-1)
    return jax.nn.softmax(q @ jnp.swapaxes(k, 1, 2)) @ v


def sliced(p: Any, x: Any) -> Any:
    q, k, v = (x @ p["qkv"][:, at * 6 : at * 6 + 6] for at in range(3))
    return jax.nn.softmax(q @ jnp.swapaxes(k, 1, 2)) @ v


def fused(p: Any, x: Any) -> Any:
    both = jnp.concatenate([p["a"], p["b"]], axis=1)
    bias = jnp.concatenate([p["c"], p["d"]])
    return x @ both + bias[None, None]


def ravelled(p: Any, x: Any) -> Any:
    flat = jnp.concatenate([p["a"].ravel(), p["b"].ravel()])
    return jnp.tanh(x @ flat[:24].reshape(6, 4)) @ flat[24:].reshape(4, 3)


def captured_mask(p: Any, x: Any) -> Any:
    return x @ (p["w"] * np.tril(np.ones((6, 6), np.float32)))


def mamba(p: Any, x: Any) -> Any:
    dt = jax.nn.softplus(x @ p["dt"] + p["dt_bias"][None, None])
    a = -jnp.exp(p["A_log"])
    decay = jnp.exp(jnp.einsum("btd,dn->btdn", dt, a))
    b = x @ p["B"]

    def cell(state: Any, now: Any) -> Any:
        decay, update = now
        state = decay * state + update
        return state, state

    update = jnp.einsum("btd,btn->btdn", dt * x, b)
    steps = (jnp.swapaxes(decay, 0, 1), jnp.swapaxes(update, 0, 1))
    _, states = lax.scan(cell, jnp.zeros((2, 6, 3)), steps)
    return jnp.sum(jnp.swapaxes(states, 0, 1) * b[:, :, None], axis=-1) + p["D"][None, None] * x


def branches(p: Any, x: Any) -> Any:
    return lax.cond(jnp.sum(x) > 0, lambda: x @ p["a"], lambda: x @ p["b"].T)


def both_lookups(p: Any, ids: Any) -> Any:
    x = jnp.take(p["embed"], ids, axis=0) + jnp.take(p["pos"], jnp.arange(5), axis=0)[None]
    return jnp.tanh(x @ p["w"]) @ p["embed"].T


def noisy(p: Any, x: Any, key: Any) -> Any:
    return x @ (p["mu"] + jnp.exp(p["rho"]) * jax.random.normal(key, (6, 4)))


def dropped(p: Any, x: Any, key: Any) -> Any:
    return x @ jnp.where(jax.random.bernoulli(key, 0.5, (6, 4)), p["w"], 0.0)


ROWS: dict[str, Row] = {
    "in, out": Row(dense, {"w": spec(6, 4)}, (X,), {"w": "kernel in:0 out:1"}),
    "out, in": Row(lambda p, x: x @ p["w"].T, {"w": spec(4, 6)}, (X,), {"w": "kernel in:1 out:0"}),
    "a kernel on the left": Row(
        lambda p, x: p["w"] @ x[0, 0], {"w": spec(4, 6)}, (X,), {"w": "kernel in:1 out:0"}
    ),
    "heads, split by reshape": Row(
        lambda p, x: jnp.einsum("bsd,dhk->bshk", x, p["w"].reshape(6, 2, 4)),
        {"w": spec(6, 8)},
        (X,),
        {"w": "kernel in:0 out:1"},
    ),
    "heads, merged by reshape": Row(
        lambda p, x: x @ p["w"].reshape(6, 8),
        {"w": spec(6, 2, 4)},
        (X,),
        {"w": "kernel in:0 out:1,2"},
    ),
    "moved and merged": Row(
        lambda p, x: x @ jnp.moveaxis(p["w"], 1, 0).reshape(6, 8),
        {"w": spec(2, 6, 4)},
        (X,),
        {"w": "kernel in:1 out:0,2"},
    ),
    "a vector": Row(lambda p, x: x @ p["w"], {"w": spec(6)}, (X,), {"w": "kernel in:0"}),
    "a scalar": Row(lambda p, x: x * p["s"], {"s": spec()}, (X,), {"s": "scale"}),
    "reversed": Row(
        lambda p, x: x @ p["w"][::-1], {"w": spec(6, 4)}, (X,), {"w": "kernel in:0 out:1"}
    ),
    "every second": Row(
        lambda p, x: x @ p["w"][::2], {"w": spec(12, 4)}, (X,), {"w": "kernel in:0 out:1"}
    ),
    "cast, scaled, rounded": Row(
        lambda p, x: (
            x @ (lax.reduce_precision(p["w"].astype(jnp.bfloat16), 8, 7) * 0.1).astype(x.dtype)
        ),
        {"w": spec(6, 4)},
        (X,),
        {"w": "kernel in:0 out:1"},
    ),
    "padded": Row(
        lambda p, x: x @ jnp.pad(p["w"], ((0, 2), (0, 0))),
        {"w": spec(4, 3)},
        (X,),
        {"w": "kernel in:0 out:1"},
    ),
    "a bias": Row(
        lambda p, x: x @ p["w"] + p["b"][None, None],
        {"w": spec(6, 4), "b": spec(4)},
        (X,),
        {"w": "kernel in:0 out:1", "b": "bias out:0 of:w"},
    ),
    "a bias after a cast, subtracted": Row(
        lambda p, x: (x @ p["w"]).astype(jnp.float16).reshape(10, 4) - p["b"][None],
        {"w": spec(6, 4), "b": spec(4, dtype=jnp.float16)},
        (X,),
        {"w": "kernel in:0 out:1", "b": "bias out:0 of:w"},
    ),
    "a bias of two kernels": Row(
        lambda p, x: x @ p["v"] + x @ p["w"] + p["b"][None, None],
        {"v": spec(6, 4), "w": spec(6, 4), "b": spec(4)},
        (X,),
        {"v": "kernel in:0 out:1", "w": "kernel in:0 out:1", "b": "bias out:0 of:v,w"},
    ),
    "a bias of no kernel": Row(
        lambda p, x: jnp.tanh(x @ p["w"]) + p["b"][None, None],
        {"w": spec(6, 4), "b": spec(4)},
        (X,),
        {"w": "kernel in:0 out:1", "b": "bias out:0"},
    ),
    "a bias after a residual": Row(
        lambda p, x: jnp.tanh(y := x @ p["v"]) @ p["w"] + y + p["b"][None, None],
        {"v": spec(6, 4), "w": spec(4, 4), "b": spec(4)},
        (X,),
        {"v": "kernel in:0 out:1", "w": "kernel in:0 out:1", "b": "bias out:0 of:w"},
    ),
    "two biases": Row(
        lambda p, x: x @ p["w"] + (p["a"] + p["b"])[None, None],
        {"w": spec(6, 4), "a": spec(4), "b": spec(4)},
        (X,),
        {"w": "kernel in:0 out:1", "a": "bias out:0 of:w", "b": "bias out:0 of:w"},
    ),
    "one plus a scale": Row(
        lambda p, x: x * (1 + p["s"][None, None]), {"s": spec(6)}, (X,), {"s": "scale out:0"}
    ),
    "a divisor": Row(
        lambda p, x: x / jnp.exp(p["s"])[None, None], {"s": spec(6)}, (X,), {"s": "scale out:0"}
    ),
    "a product summed by hand": Row(
        lambda p, x: jnp.sum(x[..., None] * p["w"][None, None], axis=-2) + p["b"][None, None],
        {"w": spec(6, 4), "b": spec(4)},
        (X,),
        {"w": "kernel in:0 out:1", "b": "bias out:0 of:w"},
    ),
    "a scale before a norm": Row(
        lambda p, x: (y := x * p["s"][None, None]) - jnp.mean(y, -1, keepdims=True),
        {"s": spec(6)},
        (X,),
        {"s": "scale out:0"},
    ),
    "a convolution": Row(
        convolve(("NWC", "WIO", "NWC")), {"w": spec(3, 6, 4)}, (X,), {"w": "kernel in:1 out:2"}
    ),
    "a convolution (out, in, width)": Row(
        convolve(("NWC", "OIW", "NWC")), {"w": spec(4, 6, 3)}, (X,), {"w": "kernel in:1 out:0"}
    ),
    "a convolution in groups": Row(
        convolve(("NWC", "WIO", "NWC"), feature_group_count=2),
        {"w": spec(3, 3, 4)},
        (X,),
        {"w": "kernel in:1 out:2 groups:2"},
    ),
    "a depthwise convolution": Row(
        convolve(("NWC", "WIO", "NWC"), feature_group_count=6),
        {"w": spec(3, 1, 12)},
        (X,),
        {"w": "kernel in:1 out:2 groups:6"},
    ),
    "a depthwise convolution of Keras": Row(
        lambda p, x: convolve(("NWC", "WIO", "NWC"), feature_group_count=6)(
            {"w": p["w"].reshape(3, 1, 12)}, x
        ),
        {"w": spec(3, 6, 2)},
        (X,),
        {"w": "kernel out:2 batch:1"},
    ),
    "a transposed convolution": Row(
        lambda p, x: lax.conv_transpose(
            x, p["w"], (2,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"), transpose_kernel=True
        ),
        {"w": spec(3, 4, 6)},
        (X,),
        {"w": "kernel in:2 out:1"},
    ),
    "convolutions, one of each": Row(
        lambda p, x: jax.vmap(lambda w, x: convolve(("NWC", "WIO", "NWC"))({"w": w}, x))(
            p["w"], jnp.stack([x, x])
        ),
        {"w": spec(2, 3, 6, 4)},
        (X,),
        {"w": "kernel in:2 out:3 batch:0"},
    ),
    "a table": Row(
        lambda p, ids: jnp.take(p["t"], ids, axis=0) * 2.0,
        {"t": spec(9, 6)},
        (IDS,),
        {"t": "table in:0 out:1"},
    ),
    "a table, clipped, of columns": Row(
        lambda p, ids: jnp.take(p["t"], ids, axis=1, mode="clip"),
        {"t": spec(6, 9)},
        (IDS,),
        {"t": "table in:1 out:0"},
    ),
    "a table by one-hot vectors": Row(
        lambda p, ids: jax.nn.one_hot(ids, 9) @ p["t"],
        {"t": spec(9, 6)},
        (IDS,),
        {"t": "table in:0 out:1"},
    ),
    "a table that is summed": Row(
        lambda p, ids: jnp.sum(p["t"][ids], axis=1),
        {"t": spec(9, 6)},
        (IDS,),
        {"t": "table in:0 out:1"},
    ),
    "a table whose rows are mixed": Row(
        lambda p, x, ids: jax.nn.softmax(x) @ jnp.tanh(p["t"][ids]),
        {"t": spec(9, 4)},
        (X, spec(6, dtype=jnp.int32)),
        {"t": "table in:0 out:1"},
    ),
    "a kernel whose inputs change places": Row(
        lambda p, x: x @ p["w"][jnp.asarray([5, 3, 1, 0, 2, 4])],
        {"w": spec(6, 4)},
        (X,),
        {"w": "kernel in:0 out:1"},
    ),
    "a table, then a kernel": Row(
        lambda p, ids: p["t"][ids] @ p["w"],
        {"t": spec(9, 6), "w": spec(6, 4)},
        (IDS,),
        {"t": "table in:0 out:1", "w": "kernel in:0 out:1"},
    ),
    "tables that meet": Row(
        lambda p, ids: jnp.sum(p["t"][ids] * p["u"][ids], axis=-1),
        {"t": spec(9, 6), "u": spec(9, 6)},
        (IDS,),
        {"t": "table in:0 out:1", "u": "table in:0 out:1"},
    ),
    "tied": Row(
        both_lookups,
        {"embed": spec(9, 6), "pos": spec(7, 6), "w": spec(6, 6)},
        (IDS,),
        {"embed": "table+tied in:0 out:1", "pos": "table in:0 out:1", "w": "kernel in:0 out:1"},
    ),
    "tied autoencoder": Row(
        lambda p, x: jnp.tanh(x @ p["w"]) @ p["w"].T,
        {"w": spec(6, 4)},
        (X,),
        {"w": "kernel+tied in:0 out:1"},
    ),
    "experts": Row(
        experts,
        {"router": spec(6, 3), "up": spec(3, 6, 4), "down": spec(3, 4, 6)},
        (X,),
        {
            "router": "kernel in:0 out:1",
            "up": "kernel in:1 out:0,2",  # Every expert sees every token.
            "down": "kernel in:0,1 out:2",  # And all of them are summed.
        },
    ),
    "experts that are looked up": Row(
        gathered_experts,
        {"router": spec(6, 3), "up": spec(3, 6, 4)},
        (X,),
        {"router": "kernel in:0 out:1", "up": "kernel in:1 out:2 batch:0"},
    ),
    "an ensemble": Row(
        lambda p, x: jax.vmap(dense)(p, jnp.stack([x, x, x])),
        {"w": spec(3, 6, 4)},
        (X,),
        {"w": "kernel in:1 out:2 batch:0"},
    ),
    "matrices in one array": Row(
        lambda p, x: jnp.tanh(x @ p["w"][0]) @ p["w"][1],
        {"w": spec(2, 6, 6)},
        (X,),
        {"w": "kernel in:1 out:2 batch:0"},
    ),
    "packed": Row(
        packed,
        {"qkv": spec(6, 18), "b": spec(18)},
        (X,),
        {"qkv": "kernel in:0 out:1", "b": "bias out:0 of:qkv"},
    ),
    "packed, and sliced": Row(sliced, {"qkv": spec(6, 18)}, (X,), {"qkv": "kernel in:0 out:1"}),
    "fused": Row(
        fused,
        {"a": spec(6, 4), "b": spec(6, 3), "c": spec(4), "d": spec(3)},
        (X,),
        {
            "a": "kernel in:0 out:1",
            "b": "kernel in:0 out:1",
            "c": "bias out:0 of:a",
            "d": "bias out:0 of:b",
        },
    ),
    "ravelled": Row(
        ravelled,
        {"a": spec(6, 4), "b": spec(4, 3)},
        (X,),
        {"a": "kernel in:0 out:1", "b": "kernel in:0 out:1"},
    ),
    "stacked layers": Row(scanned, {"w": spec(3, 6, 6)}, (X,), {"w": "kernel in:1 out:2 stack:0"}),
    "stacked layers by index": Row(
        by_index, {"w": spec(3, 6, 6)}, (X,), {"w": "kernel in:1 out:2 stack:0"}
    ),
    "a cell, unrolled": Row(
        unrolled_cell,
        {"wx": spec(6, 4), "wh": spec(4, 4), "b": spec(4)},
        (X,),
        {"wx": "kernel in:0 out:1", "wh": "kernel in:0 out:1", "b": "bias out:0 of:wh,wx"},
    ),
    "a cell, in a loop": Row(
        shared_cell,
        {"wx": spec(6, 4), "wh": spec(4, 4), "h0": spec(4)},
        (X,),
        {"wx": "kernel in:0 out:1", "wh": "kernel in:0 out:1", "h0": "token out:0"},
    ),
    "a loop without an end": Row(until, {"w": spec(6, 6)}, (X,), {"w": "kernel in:0 out:1"}),
    "branches": Row(
        branches,
        {"a": spec(6, 4), "b": spec(4, 6)},
        (X,),
        {"a": "kernel in:0 out:1", "b": "kernel in:1 out:0"},
    ),
    "jit": Row(jax.jit(dense), {"w": spec(6, 4)}, (X,), {"w": "kernel in:0 out:1"}),
    "remat": Row(
        jax.checkpoint(dense, policy=jax.checkpoint_policies.dots_saveable),
        {"w": spec(6, 4)},
        (X,),
        {"w": "kernel in:0 out:1"},
    ),
    "custom derivatives": Row(
        lambda p, x: through(twice(x), twice(p["w"])),
        {"w": spec(6, 4)},
        (X,),
        {"w": "kernel in:0 out:1"},
    ),
    "a gradient": Row(
        lambda p, x: jax.grad(lambda x: jnp.sum(jnp.tanh(x @ p["w"])))(x),
        {"w": spec(6, 4)},
        (X,),
        {"w": "kernel in:0 out:1"},  # Forward, and backward as its transpose.
    ),
    "weight norm": Row(
        weight_norm,
        {"v": spec(6, 4), "g": spec(4)},
        (X,),
        {"v": "kernel in:0 out:1", "g": "scale out:0"},
    ),
    "spectral norm": Row(
        spectral_norm,
        {"w": spec(6, 4), "u": spec(1, 4)},
        (X,),
        {"w": "kernel in:0 out:1", "u": "opaque out:0,1"},
    ),
    "low rank, one after the other": Row(
        lambda p, x: x @ p["w"] + x @ p["a"] @ p["b"],
        {"w": spec(6, 4), "a": spec(6, 2), "b": spec(2, 4)},
        (X,),
        {"w": "kernel in:0 out:1", "a": "kernel in:0 out:1", "b": "kernel in:0 out:1"},
    ),
    "low rank, added to the kernel": Row(
        lambda p, x: x @ (p["w"] + p["a"] @ p["b"]).T,
        {"w": spec(4, 6), "a": spec(4, 2), "b": spec(2, 6)},
        (X,),
        {"w": "kernel in:1 out:0", "a": "kernel in:1 out:0", "b": "kernel in:1 out:0"},
    ),
    "a product of parameters": Row(
        lambda p, x: x @ (p["a"] @ p["b"]),
        {"a": spec(6, 2), "b": spec(2, 4)},
        (X,),
        {"a": "opaque out:0,1", "b": "opaque out:0,1"},
    ),
    "a product of parameters that is added": Row(
        lambda p, x: dense(p, x) + (p["a"] @ p["b"])[None, None],
        {"w": spec(6, 4), "a": spec(3), "b": spec(3, 4)},
        (X,),
        {"w": "kernel in:0 out:1", "a": "opaque out:0", "b": "opaque out:0,1"},
    ),
    "a cell whose state begins as a parameter, without a batch": Row(
        unrolled_state,
        {"h": spec(4), "u": spec(6, 4), "w": spec(4, 4)},
        (spec(3, 6),),
        {"h": "opaque out:0", "u": "kernel in:0 out:1", "w": "kernel in:0 out:1"},
    ),
    "weights that a loop trains": Row(
        trained_inside,
        {"w": spec(6, 4), "rate": spec(), "o": spec(4, 3)},
        (spec(3, 6),),
        {"w": "kernel in:0 out:1", "rate": "scale", "o": "kernel in:0 out:1"},
    ),
    "weights that a loop trains until it is done": Row(
        lambda p, x: lax.while_loop(
            lambda w: jnp.sum(jnp.abs(x @ w)) > 1, lambda w: w - x.T @ (x @ w), p["w"]
        ),
        {"w": spec(6, 4)},
        (spec(3, 6),),
        {"w": "kernel in:0 out:1"},
    ),
    "latents": Row(
        latents,
        {"latents": spec(3, 6), "q": spec(6, 4), "k": spec(6, 4)},
        (X,),
        {"latents": "token out:0,1", "q": "kernel in:0 out:1", "k": "kernel in:0 out:1"},
    ),
    "a class token": Row(
        class_token,
        {"cls": spec(1, 1, 6), "pos": spec(1, 6, 6), "w": spec(6, 4)},
        (X,),
        {"cls": "token out:0,1,2", "pos": "bias out:0,1,2", "w": "kernel in:0 out:1"},
    ),
    "a mask token": Row(
        lambda p, x: jnp.where(x[..., :1] > 0, p["mask"][None, None], x),
        {"mask": spec(6)},
        (X,),
        {"mask": "token out:0"},
    ),
    "positions that are resized": Row(
        lambda p, x: x + jax.image.resize(p["pos"], (5, 6), "bilinear")[None],
        {"pos": spec(3, 6)},
        (X,),
        {"pos": "bias out:0,1"},
    ),
    "a captured mask": Row(captured_mask, {"w": spec(6, 6)}, (X,), {"w": "kernel in:0 out:1"}),
    "captured data": Row(
        lambda p: np.ones((2, 6), np.float32) @ p["w"] + p["b"][None],
        {"w": spec(6, 4), "b": spec(4)},
        (),
        {"w": "kernel in:0 out:1", "b": "bias out:0 of:w"},
    ),
    "noise on a kernel": Row(
        noisy,
        {"mu": spec(6, 4), "rho": spec(6, 4)},
        (X, jax.random.key(0)),
        {"mu": "kernel in:0 out:1", "rho": "kernel in:0 out:1"},
    ),
    "a kernel with dropout": Row(
        dropped, {"w": spec(6, 4)}, (X, jax.random.key(0)), {"w": "kernel in:0 out:1"}
    ),
    "Mamba": Row(
        mamba,
        {
            "dt": spec(6, 6),
            "dt_bias": spec(6),
            "A_log": spec(6, 3),
            "B": spec(6, 3),
            "D": spec(6),
        },
        (X,),
        {
            "dt": "kernel in:0 out:1",
            "dt_bias": "bias out:0 of:dt",
            "A_log": "scale out:0,1",
            "B": "kernel in:0 out:1",
            "D": "scale out:0",
        },
    ),
    "unused": Row(
        dense, {"w": spec(6, 4), "v": spec(3)}, (X,), {"w": "kernel in:0 out:1", "v": "unused"}
    ),
    "decay in the loss": Row(
        lambda p, x: jnp.sum((x @ p["w"]) ** 2) + jnp.sum(p["w"] ** 2),
        {"w": spec(6, 4)},
        (X,),
        {"w": "kernel in:0 out:1"},
    ),
    "returned": Row(
        lambda p, x: (x @ p["w"], p["log_std"]),
        {"w": spec(6, 4), "log_std": spec(4)},
        (X,),
        {"w": "kernel in:0 out:1", "log_std": "opaque"},
    ),
    "unknown to anyone": Row(
        lambda p, x: x @ p["w"] + lax.sort(p["b"])[None, None],
        {"w": spec(6, 4), "b": spec(4)},
        (X,),
        {"w": "kernel in:0 out:1", "b": "opaque out:0"},
    ),
    "groups and inputs in one axis": Row(
        lambda p, x: jnp.einsum("bsd,sdf->bsf", x, p["w"].reshape(5, 6, 4)),
        {"w": spec(30, 4)},
        (X,),
        {"w": "kernel in:0 out:1 batch:0"},
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_parameter_is_followed_to_its_use(name: str) -> None:
    row = ROWS[name]
    assert told(usage.infer(row.fn, row.params, *row.args)) == dict(sorted(row.expected.items()))

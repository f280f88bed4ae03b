"""Corners: derivatives, decoding, and layers as papers write them."""

from typing import Any

import jax
import jax.numpy as jnp

from tests.usage.zoo._model import Model, Program, f32, i32
from tests.usage.zoo.programs import MLP, MLP_TABLE, STACK, STACKED, mlp, nested, scanned

X = f32(3, 8)


def of(fn: Any, table: str, /, *args: Any, **params: Any) -> Model:
    return Model(lambda: Program(fn, params, args or (X,)), table)


def energy(p: Any, x: Any) -> Any:
    return jnp.sum(mlp(p, x))


def laplacian(p: Any, x: Any) -> Any:
    """The second derivatives of a network, of each example."""
    return jax.vmap(lambda x: jnp.trace(jax.hessian(lambda x: energy(p, x))(x)))(x)


def tangent(p: Any, x: Any) -> Any:
    """The derivative of an output by the time, forwards: no product goes backwards."""
    return jax.jvp(lambda x: mlp(p, x), (x,), (jnp.ones_like(x),))[1]


def grouped_layers(p: Any, x: Any) -> Any:
    """A stack whose layers are run in groups."""
    groups = jax.tree.map(lambda leaf: leaf.reshape(2, 2, *leaf.shape[1:]), p)
    return nested(groups, x)


def stacked_here(p: Any, x: Any) -> Any:
    """Layers that are stacked when the model runs."""
    return scanned(jax.tree.map(lambda *leaves: jnp.stack(leaves), *p.values()), x)


def carried_along(p: Any, x: Any) -> Any:
    """The parameters go through a loop, and are not changed."""

    def step(state: Any, _: Any) -> Any:
        p, x = state
        return (p, mlp(p, x)), None

    return jax.lax.scan(step, (p, x), None, length=3)[0][1]


def solver(p: Any, x: Any) -> Any:
    """An equation that is solved to an accuracy, which the state decides."""

    def unfinished(state: Any) -> Any:
        return jnp.abs(state[1] - state[2]).max() > 1e-3

    def body(state: Any) -> Any:
        step, now, _ = state
        return step * 0.9, now + step * jnp.tanh(mlp(p, now)), now

    return jax.lax.while_loop(unfinished, body, (0.1, x, x + 1))[1]


def characters(p: Any, ids: Any) -> Any:
    """A recurrent model of one text, whose characters are looked up one at a time."""

    def step(h: Any, character: Any) -> Any:
        h = jnp.tanh(p["table"][character] + h @ p["over"] + p["bias"])
        return h, h @ p["out"]

    return jax.lax.scan(step, jnp.zeros(12), ids)[1]


def decoding(p: Any, cache: Any, token: Any, at: Any) -> Any:
    """One step of a decoder with a cache: the table's row and the position's are of this step."""
    x = p["tokens"][token] + jax.lax.dynamic_slice_in_dim(p["places"], at, 1)
    query, new = x @ p["query"], x @ p["key"]
    keys = jax.lax.dynamic_update_slice(cache, new, (at, 0))
    weights = jax.nn.softmax(query @ keys.T)
    return (weights @ keys) @ p["out"], keys


def resized_positions(p: Any, x: Any) -> Any:
    """Positions of a picture of another size."""
    places = jax.image.resize(p["places"], (10, 6, 8), "linear")
    return x + places


def window(p: Any, x: Any) -> Any:
    """Swin's positions: a table of distances in a window."""
    at = jnp.arange(4)
    distance = (at[:, None] - at[None, :] + 3).reshape(-1)
    bias = p["table"][distance].reshape(4, 4, 3).transpose(2, 0, 1)
    return jax.nn.softmax(x + bias[None])


def times(p: Any, t: Any) -> Any:
    """The embedding of a time: products that contract nothing, then a network."""
    angle = t[:, None] * p["frequencies"]
    return jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], -1) @ p["w"]


def response(p: Any, x: Any) -> Any:
    """Global response normalization of ConvNeXt V2."""
    norm = jnp.linalg.norm(x, axis=(1, 2), keepdims=True)
    return p["gamma"] * (x * norm / (norm.mean(-1, keepdims=True) + 1e-6)) + p["beta"] + x


def modulated(p: Any, x: Any, y: Any) -> Any:
    """Adaptive normalization of a diffusion transformer: a kernel makes shift and scale."""
    shift, scale = jnp.split(jax.nn.silu(y) @ p["w"] + p["b"], 2, axis=-1)
    return x * (1 + scale[:, None]) + shift[:, None]


def bag(p: Any, ids: Any, parts: Any) -> Any:
    """Sums of rows of a table, and a layer of a graph."""
    nodes = jax.ops.segment_sum(p["table"][ids], parts, 4)
    return jax.ops.segment_sum((nodes @ p["w"])[parts], parts, 4)


def product(w: Any, x: Any) -> Any:
    return x @ w


CLASSES = """
    table  table   io
    over   kernel  io
    out    kernel  io
    bias   bias    o   <- over
"""

MODELS = {
    "a force": Model(
        # Forwards, and backwards with inputs and outputs changed.
        lambda: Program(jax.grad(energy, argnums=1), MLP, (X,)),
        """
        up|down  kernel  io
        bias     bias    o   <- up
        """,
    ),
    "second derivatives": Model(
        lambda: Program(laplacian, MLP, (X,)),
        """
        up|down  kernel  io
        bias     bias    o   <- up
        """,
    ),
    "a tangent": Model(lambda: Program(tangent, MLP, (X,)), MLP_TABLE),
    "layers in groups": Model(lambda: Program(grouped_layers, STACK, (X,)), STACKED),
    "layers that are stacked here": Model(
        lambda: Program(
            stacked_here, {name: {"w": f32(8, 8), "b": f32(8)} for name in "abc"}, (X,)
        ),
        """
        ./w  kernel  io
        ./b  bias    o   <- a/w b/w c/w  # Each layer is one of these.
        """,
    ),
    "parameters carried along": Model(lambda: Program(carried_along, MLP, (X,)), MLP_TABLE),
    "a solver": Model(lambda: Program(solver, MLP, (X,)), MLP_TABLE),
    "characters one at a time": of(
        characters,
        CLASSES,
        i32(6),
        table=f32(11, 12),
        over=f32(12, 12),
        bias=f32(12),
        out=f32(12, 7),
    ),
    "a step of decoding": of(
        decoding,
        """
        tokens         table   io
        places         table   io      # Looked up by the number of the step.
        query|key|out  kernel  io
        """,
        f32(9, 5),
        i32(),
        i32(),
        tokens=f32(11, 8),
        places=f32(9, 8),
        query=f32(8, 5),
        key=f32(8, 5),
        out=f32(5, 8),
    ),
    "positions that are resized": of(
        resized_positions, "places  bias  ooo", f32(2, 10, 6, 8), places=f32(5, 4, 8)
    ),
    "positions in windows": of(window, "table  table  io", f32(2, 3, 4, 4), table=f32(7, 3)),
    "times": of(
        times,
        """
        frequencies  scale   o
        w            kernel  io
        """,
        f32(3),
        frequencies=f32(5),
        w=f32(10, 8),
    ),
    "global response": of(
        response,
        """
        gamma  scale  o
        beta   bias   o
        """,
        f32(2, 5, 4, 8),
        gamma=f32(8),
        beta=f32(8),
    ),
    "adaptive normalization": of(
        modulated,
        """
        w  kernel  io
        b  bias    o   <- w
        """,
        f32(2, 5, 8),
        f32(2, 6),
        w=f32(6, 16),
        b=f32(16),
    ),
    "sums of rows": of(
        bag,
        """
        table  table   io
        w      kernel  io
        """,
        i32(6),
        i32(6),
        table=f32(11, 8),
        w=f32(8, 12),
    ),
    "one of several platforms": of(
        lambda p, x: jax.lax.platform_dependent(p["w"], x, cpu=product, default=product) + p["b"],
        """
        w  kernel  io
        b  bias    o   <- w
        """,
        w=f32(8, 12),
        b=f32(12),
    ),
    "behind a barrier": of(
        lambda p, x: mlp(jax.lax.optimization_barrier(p), x), MLP_TABLE, X, **MLP
    ),
}

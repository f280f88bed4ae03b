"""Control flow and transformations of functions around parameters."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.ad_checkpoint import checkpoint_name
from jax.sharding import Mesh, PartitionSpec

from tests.usage.zoo._model import Model, Program, f32, i32

P = PartitionSpec
DEPTH, WIDTH, HIDDEN = 4, 8, 12
STACK = {"w": f32(DEPTH, WIDTH, WIDTH), "b": f32(DEPTH, WIDTH)}
MLP = {"up": f32(WIDTH, HIDDEN), "down": f32(HIDDEN, WIDTH), "bias": f32(HIDDEN)}
X = f32(3, WIDTH)


def mlp(p: Any, x: Any) -> Any:
    return x + jax.nn.relu(x @ p["up"] + p["bias"]) @ p["down"]


def named(p: Any, x: Any) -> Any:
    hidden = checkpoint_name(jax.nn.relu(x @ p["up"] + p["bias"]), "hidden")
    return hidden @ p["down"]


@jax.custom_vjp
def swish(x: Any, slope: Any) -> Any:
    return x * jax.nn.sigmoid(slope * x)


swish.defvjp(lambda x, slope: (swish(x, slope), (x, slope)), lambda kept, grad: (grad, kept[1]))


def custom(p: Any, x: Any) -> Any:
    return swish(x @ p["up"] + p["bias"], p["slope"]) @ p["down"]


def layer_at(p: Any, at: Any, x: Any) -> Any:
    """One layer of a stack, taken by a number that the program counts."""
    w = jax.lax.dynamic_index_in_dim(p["w"], at, 0, keepdims=False)
    b = jax.lax.dynamic_index_in_dim(p["b"], at, 0, keepdims=False)
    return jax.nn.relu(x @ w + b)


def counted(p: Any, x: Any) -> Any:
    return jax.lax.fori_loop(0, DEPTH, functools.partial(layer_at, p), x)


def counted_to(p: Any, x: Any, depth: Any) -> Any:
    return jax.lax.fori_loop(0, depth, functools.partial(layer_at, p), x)


def until_done(p: Any, x: Any) -> Any:
    """A while loop that counts itself, with the index of NumPy."""

    def body(state: Any) -> Any:
        at, x = state
        return at + 1, jax.nn.relu(x @ p["w"][at] + p["b"][at])

    return jax.lax.while_loop(lambda state: state[0] < DEPTH, body, (0, x))[1]


def scanned(p: Any, x: Any, **options: Any) -> Any:
    def step(x: Any, layer: Any) -> Any:
        return jax.nn.relu(x @ layer["w"] + layer["b"]), None

    return jax.lax.scan(step, x, p, **options)[0]


def scanned_numbers(p: Any, x: Any) -> Any:
    """The loop goes over numbers of layers; the stack is a constant of it."""
    step = lambda x, at: (layer_at(p, at, x), None)  # noqa: E731
    return jax.lax.scan(step, x, jnp.arange(DEPTH))[0]


def nested(p: Any, x: Any) -> Any:
    """Groups of layers: a stack of stacks."""
    step = lambda x, group: (scanned(group, x), None)  # noqa: E731
    return jax.lax.scan(step, x, p)[0]


def unrolled(p: Any, x: Any) -> Any:
    for at in range(DEPTH):
        x = jax.nn.relu(x @ p["w"][at] + p["b"][at])
    return x


def repeated(p: Any, x: Any) -> Any:
    """One layer, run three times: no other kernel, and no other direction."""
    return jax.lax.fori_loop(0, 3, lambda _, x: jax.nn.relu(x @ p["w"] + p["b"]), x)


def branches(p: Any, x: Any, flag: Any) -> Any:
    return jax.lax.cond(flag, lambda x: x @ p["a"], lambda x: (x @ p["b"]) * p["scale"], x)


def switched(p: Any, x: Any, number: Any) -> Any:
    parts = [lambda x, name=name: x @ p[name] for name in "abc"]
    return jax.lax.switch(number, parts, x)


def selected(p: Any, x: Any, flag: Any) -> Any:
    """One of two kernels."""
    return x @ jnp.where(flag, p["a"], p["b"])


def learned_start(p: Any, x: Any) -> Any:
    """The state at the start is a parameter."""

    def step(h: Any, x: Any) -> Any:
        h = jnp.tanh(x @ p["in"] + h @ p["over"])
        return h, h

    start = jnp.broadcast_to(p["start"], (x.shape[1], HIDDEN))
    return jax.lax.scan(step, start, x)[1]


def dropped(p: Any, x: Any, key: Any, rate: float) -> Any:
    hidden = jax.nn.relu(x @ p["up"] + p["bias"])
    keep = jax.random.bernoulli(key, 1 - rate, hidden.shape)
    return jnp.where(keep, hidden / (1 - rate), 0) @ p["down"]


def mesh() -> Mesh:
    return Mesh(np.array(jax.devices()).reshape(2, 4), ("rows", "columns"))


def parallel(p: Any, x: Any) -> Any:
    """A column-parallel product, and then a row-parallel one."""

    def local(up: Any, bias: Any, down: Any, x: Any) -> Any:
        return jax.lax.psum(jax.nn.relu(x @ up + bias) @ down, "columns")

    specs = (P(None, "columns"), P("columns"), P("columns", None), P("rows", None))
    run = jax.shard_map(local, mesh=mesh(), in_specs=specs, out_specs=P("rows", None))
    return run(p["up"], p["bias"], p["down"], x)


def expert_parallel(p: Any, x: Any) -> Any:
    """Each device has its experts, and the tokens that were sent to them."""

    def local(w: Any, x: Any) -> Any:
        return jnp.einsum("ecd,edf->ecf", x, w)

    spec = P("columns", None, None)
    return jax.shard_map(local, mesh=mesh(), in_specs=(spec, spec), out_specs=spec)(p["w"], x)


def gathered_shards(p: Any, x: Any) -> Any:
    """Parameters lie in shards along their inputs, and are gathered where they are used."""

    def local(w: Any, x: Any) -> Any:
        return x @ jax.lax.all_gather(w, "columns", axis=0, tiled=True)

    specs = (P("columns", None), P("rows", None))
    run = jax.shard_map(
        local, mesh=mesh(), in_specs=specs, out_specs=P("rows", None), check_vma=False
    )
    return run(p["w"], x)


def of(fn: Any, table: str, params: Any, *args: Any) -> Model:
    return Model(lambda: Program(fn, params, args or (X,)), table)


def kernels(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, f32(WIDTH, HIDDEN))


MLP_TABLE = """
    up|down  kernel  io
    bias     bias    o   <- up
"""
STACKED = """
    w  kernel  sio
    b  bias    so   <- w
"""
POLICIES = jax.checkpoint_policies
SAVING = {
    "nothing": POLICIES.nothing_saveable,
    "products": POLICIES.dots_with_no_batch_dims_saveable,
    "a name": POLICIES.save_only_these_names("hidden"),
}

MODELS = {
    "jit of jit": of(jax.jit(lambda p, x: jax.jit(mlp)(p, jax.jit(jnp.tanh)(x))), MLP_TABLE, MLP),
    "checkpoint": of(jax.checkpoint(mlp), MLP_TABLE, MLP),
    **{
        f"checkpoint that saves {name}": of(jax.checkpoint(named, policy=policy), MLP_TABLE, MLP)
        for name, policy in SAVING.items()
    },
    "custom_vjp": of(custom, f"{MLP_TABLE}\n slope  scale  o", {**MLP, "slope": f32(HIDDEN)}),
    "vmap over the inputs": of(jax.vmap(mlp, in_axes=(None, 0)), MLP_TABLE, MLP, f32(5, 3, WIDTH)),
    "lax.map over the inputs": of(
        lambda p, x: jax.lax.map(functools.partial(mlp, p), x), MLP_TABLE, MLP, f32(5, 3, WIDTH)
    ),
    "a loss": of(lambda p, x: jnp.mean((mlp(p, x) - x) ** 2), MLP_TABLE, MLP),
    "dropout, with a key and a number": of(
        dropped, MLP_TABLE, MLP, X, jax.eval_shape(lambda: jax.random.key(0)), 0.1
    ),
    "fori_loop over layers": of(counted, STACKED, STACK),
    "fori_loop to a depth": of(counted_to, STACKED, STACK, X, i32()),
    "while_loop over layers": of(until_done, STACKED, STACK),
    "scan over layers": of(scanned, STACKED, STACK),
    "scan over layers, reversed": of(functools.partial(scanned, reverse=True), STACKED, STACK),
    "scan over layers, unrolled": of(functools.partial(scanned, unroll=2), STACKED, STACK),
    "scan over numbers of layers": of(scanned_numbers, STACKED, STACK),
    "scan of checkpoint": of(jax.checkpoint(scanned), STACKED, STACK),
    "scan in scan": of(
        nested,
        """
        w  kernel  ssio
        b  bias    sso   <- w
        """,
        {"w": f32(2, 3, WIDTH, WIDTH), "b": f32(2, 3, WIDTH)},
    ),
    "a stack, unrolled": of(
        unrolled,
        # A fixed index takes independent kernels apart; of a bias all axes are outputs.
        """
        w  kernel  bio
        b  bias    oo   <- w
        """,
        STACK,
    ),
    "a layer, repeated": of(
        repeated,
        """
        w  kernel  io
        b  bias    o   <- w
        """,
        {"w": f32(WIDTH, WIDTH), "b": f32(WIDTH)},
    ),
    "cond": of(
        branches,
        """
        a|b    kernel  io
        scale  scale   o
        """,
        {**kernels("a", "b"), "scale": f32(HIDDEN)},
        X,
        jax.ShapeDtypeStruct((), jnp.bool_),
    ),
    "switch": of(switched, "a|b|c  kernel  io", kernels("a", "b", "c"), X, i32()),
    "where between kernels": of(
        selected, "a|b  kernel  io", kernels("a", "b"), X, jax.ShapeDtypeStruct((), jnp.bool_)
    ),
    "a learned start": of(
        learned_start,
        """
        in|over  kernel  io
        start    token   o
        """,
        {"in": f32(WIDTH, HIDDEN), "over": f32(HIDDEN, HIDDEN), "start": f32(HIDDEN)},
        f32(6, 3, WIDTH),
    ),
    "shard_map": of(parallel, MLP_TABLE, MLP, f32(2, WIDTH)),
    "shard_map over experts": of(
        expert_parallel, "w  kernel  bio", {"w": f32(4, WIDTH, HIDDEN)}, f32(4, 3, WIDTH)
    ),
    "shard_map with all_gather": of(
        gathered_shards, "w  kernel  io", {"w": f32(WIDTH, HIDDEN)}, f32(2, WIDTH)
    ),
}

"""Mixtures of experts, ensembles, LoRA, and Mamba."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.usage.zoo._model import Model, Program, f32, i32

TOKENS, WIDTH, HIDDEN, EXPERTS = 10, 8, 12, 3
EXPERT_SHAPES = {
    "router": f32(WIDTH, EXPERTS),
    "wi": f32(EXPERTS, WIDTH, HIDDEN),
    "wo": f32(EXPERTS, HIDDEN, WIDTH),
}


def dispatched(p: Any, x: Any) -> Any:
    """Tokens go to the places of their experts by one-hot products, and come back."""
    gates = jax.nn.softmax(x @ p["router"])
    chosen = jax.nn.one_hot(gates.argmax(-1), gates.shape[-1])
    place = (jnp.cumsum(chosen, 0) - 1) * chosen
    slots = jax.nn.one_hot(place.sum(-1).astype(jnp.int32), 5)
    dispatch = chosen[:, :, None] * slots[:, None, :]
    inside = jnp.einsum("tec,td->ecd", dispatch, x)
    hidden = jax.nn.relu(jnp.einsum("ecd,edf->ecf", inside, p["wi"]))
    outside = jnp.einsum("ecf,efd->ecd", hidden, p["wo"])
    return jnp.einsum("tec,ecd->td", dispatch * gates[:, :, None], outside)


def dense_mixture(p: Any, x: Any) -> Any:
    """Every expert sees every token: the inputs have no axis of experts."""
    gates = jax.nn.softmax(x @ p["router"])
    hidden = jax.nn.relu(jnp.einsum("td,edf->tef", x, p["wi"]))
    return jnp.einsum("tef,efd->td", hidden * gates[:, :, None], p["wo"])


def gathered(p: Any, x: Any) -> Any:
    """The kernels of each token's expert are looked up."""
    chosen = (x @ p["router"]).argmax(-1)
    hidden = jax.nn.relu(jnp.einsum("td,tdf->tf", x, p["wi"][chosen]))
    return jnp.einsum("tf,tfd->td", hidden, p["wo"][chosen])


def ragged(p: Any, x: Any, sizes: Any) -> Any:
    """Tokens in the order of their experts."""
    return jax.lax.ragged_dot(jax.nn.relu(jax.lax.ragged_dot(x, p["wi"], sizes)), p["wo"], sizes)


STATES, RANK, INNER, WINDOW = 4, 2, 16, 3
MAMBA_SHAPES = {
    "in_proj": f32(WIDTH, 2 * INNER),
    "conv": f32(WINDOW, 1, INNER),
    "conv_bias": f32(INNER),
    "x_proj": f32(INNER, RANK + 2 * STATES),
    "dt_proj": f32(RANK, INNER),
    "dt_bias": f32(INNER),
    "A_log": f32(INNER, STATES),
    "D": f32(INNER),
    "out_proj": f32(INNER, WIDTH),
}


def convolution(p: Any, x: Any) -> Any:
    padding = [(WINDOW - 1, 0)]
    dims = ("NLC", "LIO", "NLC")
    y = jax.lax.conv_general_dilated(
        x, p["conv"], (1,), padding, dimension_numbers=dims, feature_group_count=INNER
    )
    return y + p["conv_bias"]


def shifted(p: Any, x: Any) -> Any:
    """The same convolution, as a sum of shifted inputs that are scaled."""
    padded = jnp.pad(x, [(0, 0), (WINDOW - 1, 0), (0, 0)])
    parts = [padded[:, at : at + x.shape[1]] * p["conv"][at, 0] for at in range(WINDOW)]
    return sum(parts[1:], parts[0]) + p["conv_bias"]


def by_scan(decay: Any, drive: Any) -> Any:
    """The states of a recurrence, one after another."""

    def step(state: Any, now: Any) -> Any:
        state = now[0] * state + now[1]
        return state, state

    swapped = (jnp.moveaxis(decay, 1, 0), jnp.moveaxis(drive, 1, 0))
    return jnp.moveaxis(jax.lax.scan(step, jnp.zeros_like(drive[:, 0]), swapped)[1], 0, 1)


def by_associative_scan(decay: Any, drive: Any) -> Any:
    """The same states, all at once."""

    def joined(first: Any, second: Any) -> Any:
        return first[0] * second[0], second[0] * first[1] + second[1]

    return jax.lax.associative_scan(joined, (decay, drive), axis=1)[1]


def mamba(convolve: Any, states_of: Any) -> Program:
    def fn(p: Any, x: Any) -> Any:
        x, gate = jnp.split(x @ p["in_proj"], 2, axis=-1)
        x = jax.nn.silu(convolve(p, x))
        low, write, read = jnp.split(x @ p["x_proj"], [RANK, RANK + STATES], axis=-1)
        dt = jax.nn.softplus(low @ p["dt_proj"] + p["dt_bias"])
        decay = jnp.exp(dt[..., None] * -jnp.exp(p["A_log"]))
        drive = (dt * x)[..., None] * write[:, :, None, :]
        y = jnp.einsum("blcn,bln->blc", states_of(decay, drive), read) + x * p["D"]
        return (y * jax.nn.silu(gate)) @ p["out_proj"]

    return Program(fn, MAMBA_SHAPES, (f32(2, 6, WIDTH),))


def lora_beside(p: Any, x: Any) -> Any:
    return x @ p["w"] + (x @ p["a"]) @ p["b"] * 2.0


def lora_merged(p: Any, x: Any) -> Any:
    return x @ (p["w"] + 2.0 * p["a"] @ p["b"])


def lora_on_input(p: Any, w: Any, x: Any) -> Any:
    """The kernel that is adapted is no parameter."""
    return x @ (w + (p["a"] @ p["b"]) * 2.0)


def dora(p: Any, x: Any) -> Any:
    """The merged kernel is normalized, and scaled by a magnitude for each output."""
    merged = p["w"] + p["a"] @ p["b"]
    return x @ (p["magnitude"] * merged / jnp.linalg.norm(merged, axis=0, keepdims=True))


def of(fn: Any, table: str, /, *args: Any, **params: Any) -> Model:
    return Model(lambda: Program(fn, params, args), table)


EXPERTS_TABLE = """
    router  kernel  io
    (wi|wo) kernel  bio
"""
MAMBA_TABLE = """
    (in_proj|x_proj|dt_proj|out_proj)  kernel  io
    conv       kernel  fio groups=16
    conv_bias  bias    o   <- conv
    dt_bias    bias    o   <- dt_proj
    A_log      scale   oo    # Of the steps, by its exponential.
    D          scale   o
"""
MAMBA_SHIFTED = """
    (in_proj|x_proj|dt_proj|out_proj)  kernel  io
    conv       scale   ooo     # Each row of it scales the inputs, at another shift.
    conv_bias  bias    o
    dt_bias    bias    o   <- dt_proj
    A_log      scale   oo
    D          scale   o
"""

MODELS = {
    "experts by dispatch": of(dispatched, EXPERTS_TABLE, f32(TOKENS, WIDTH), **EXPERT_SHAPES),
    "experts for all tokens": of(
        dense_mixture,
        # Those that read are more outputs of one product; those that write are summed over.
        """
        router  kernel  io
        wi      kernel  oio
        wo      kernel  iio
        """,
        f32(TOKENS, WIDTH),
        **EXPERT_SHAPES,
    ),
    "experts by gather": of(gathered, EXPERTS_TABLE, f32(TOKENS, WIDTH), **EXPERT_SHAPES),
    "experts by ragged_dot": of(
        ragged,
        "wi|wo  kernel  bio",
        f32(TOKENS, WIDTH),
        i32(EXPERTS),
        wi=EXPERT_SHAPES["wi"],
        wo=EXPERT_SHAPES["wo"],
    ),
    "Mamba": Model(lambda: mamba(convolution, by_scan), MAMBA_TABLE),
    "Mamba, associative": Model(lambda: mamba(convolution, by_associative_scan), MAMBA_TABLE),
    "Mamba, shifted": Model(lambda: mamba(shifted, by_scan), MAMBA_SHIFTED),
    "LoRA beside": of(
        lora_beside, "w|a|b  kernel  io", f32(3, WIDTH), w=f32(8, 12), a=f32(8, 2), b=f32(2, 12)
    ),
    "LoRA merged": of(
        lora_merged, "w|a|b  kernel  io", f32(3, WIDTH), w=f32(8, 12), a=f32(8, 2), b=f32(2, 12)
    ),
    "LoRA merged, on an input": of(
        lora_on_input, "a|b  kernel  io", f32(8, 12), f32(3, WIDTH), a=f32(8, 2), b=f32(2, 12)
    ),
    "LoRA merged, on a constant": of(
        lambda p, x: lora_on_input(p, np.ones((8, 12), np.float32), x),
        "a|b  kernel  io",
        f32(3, WIDTH),
        a=f32(8, 2),
        b=f32(2, 12),
    ),
    "DoRA": of(
        dora,
        """
        w|a|b      kernel  io
        magnitude  scale   o
        """,
        f32(3, WIDTH),
        w=f32(8, 12),
        a=f32(8, 2),
        b=f32(2, 12),
        magnitude=f32(12),
    ),
}

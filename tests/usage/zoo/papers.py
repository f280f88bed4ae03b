"""Layers as papers write them: recurrences, noise, graphs, spectra, classifiers."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from tests.usage.zoo._model import Model, Program, f32, i32
from tests.usage.zoo.linen import program
from tests.usage.zoo.programs import MLP, mlp
from tests.usage.zoo.transformers import Block

X = f32(3, 8)
KEY = jax.eval_shape(lambda: jax.random.key(0))


def of(fn: Any, table: str, /, *args: Any, **params: Any) -> Model:
    return Model(lambda: Program(fn, params, args or (X,)), table)


class BERT(nn.Module):
    """With kinds of tokens, a head that is tied, and a bias of the head."""

    @nn.compact
    def __call__(self, tokens: Any, kinds: Any) -> Any:
        words = nn.Embed(17, 12, name="words")
        places = nn.Embed(9, 12, name="places")(jnp.arange(tokens.shape[1]))
        x = words(tokens) + nn.Embed(2, 12, name="kinds")(kinds) + places
        x = Block(name="h0")(nn.LayerNorm(name="norm")(x), None)
        x = nn.LayerNorm(name="head_norm")(nn.gelu(nn.Dense(12, name="head")(x)))
        return words.attend(x) + self.param("bias", nn.initializers.zeros, (17,))


def rwkv(p: Any, x: Any) -> Any:
    """Time mixing of RWKV, for one head: decay and bonus are of channels."""
    before = jnp.pad(x, [(1, 0), (0, 0)])[:-1]
    mixed = {name: x * p[f"mix_{name}"] + before * (1 - p[f"mix_{name}"]) for name in "kvr"}
    key, value = mixed["k"] @ p["key"], mixed["v"] @ p["value"]
    gate = jax.nn.sigmoid(mixed["r"] @ p["receptance"])

    def step(state: Any, now: Any) -> Any:
        top, below = state
        k, v = now
        first = jnp.exp(p["bonus"] + k)
        out = (top + first * v) / (below + first)
        decay = jnp.exp(-jnp.exp(p["decay"]))
        return (decay * top + jnp.exp(k) * v, decay * below + jnp.exp(k)), out

    start = (jnp.zeros(12), jnp.zeros(12))
    return (gate * jax.lax.scan(step, start, (key, value))[1]) @ p["out"]


def gated_recurrence(p: Any, x: Any) -> Any:
    """The recurrent block of Griffin: gates are block-diagonal, the decay is of channels."""
    parts = x.reshape(*x.shape[:-1], 2, 4)
    gates = [
        jax.nn.sigmoid(jnp.einsum("...hi,hij->...hj", parts, p[name]) + p[f"{name}_bias"])
        for name in ("input", "rate")
    ]
    gate, rate = (one.reshape(x.shape) for one in gates)
    decay = jnp.exp(-8.0 * rate * jax.nn.softplus(p["a"]))

    def step(h: Any, now: Any) -> Any:
        h = now[0] * h + jnp.sqrt(1 - now[0] ** 2) * now[1]
        return h, h

    return jax.lax.scan(step, jnp.zeros(8), (decay, gate * x))[1]


def graph_attention(p: Any, x: Any, sources: Any, targets: Any) -> Any:
    """Each head has a vector that scores the nodes."""
    nodes = jnp.einsum("nd,dhk->nhk", x, p["w"])
    score = jnp.einsum("nhk,hk->nh", nodes, p["source"])[sources]
    score = jnp.exp(score + jnp.einsum("nhk,hk->nh", nodes, p["target"])[targets])
    return jax.ops.segment_sum(nodes[sources] * score[..., None], targets, 5)


def fourier_operator(p: Any, x: Any) -> Any:
    """A product for each of the lowest frequencies."""
    modes = jnp.fft.rfft(x, axis=1)[:, :4]
    product = jnp.einsum("bmi,iom->bmo", modes, p["re"] + 1j * p["im"])
    return jnp.fft.irfft(product, x.shape[1], axis=1) + x @ p["w"]


def bayesian(p: Any, x: Any, key: Any) -> Any:
    """A kernel that is drawn each time, about its mean."""
    noise = jax.random.normal(key, p["mean"].shape)
    return x @ (p["mean"] + jax.nn.softplus(p["spread"]) * noise)


def noisy(p: Any, x: Any, key: Any) -> Any:
    """StyleGAN's noise: of each place, with a strength of each channel."""
    noise = jax.random.normal(key, (*x.shape[:-1], 1))
    return x @ p["w"] + p["strength"] * noise


def slots(p: Any, x: Any, key: Any) -> Any:
    """Slots that are drawn for each example, and attend."""
    noise = jax.random.normal(key, (x.shape[0], 3, 8))
    start = p["mean"] + jnp.exp(p["spread"]) * noise
    weights = jax.nn.softmax(jnp.einsum("bsd,btd->bst", start @ p["query"], x @ p["key"]), axis=1)
    return jnp.einsum("bst,btd->bsd", weights, x @ p["value"])


def cosine(p: Any, x: Any) -> Any:
    """A classifier of directions."""
    w = p["w"] / jnp.linalg.norm(p["w"], axis=0, keepdims=True)
    return p["scale"] * (x / jnp.linalg.norm(x, axis=-1, keepdims=True)) @ w


def decayed(p: Any, x: Any) -> Any:
    """A loss, with the squares of all parameters."""
    squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(p))
    return jnp.mean((mlp(p, x) - x) ** 2) + 1e-4 * squares


def uncertain(p: Any, x: Any) -> Any:
    """Two losses, weighed by their own uncertainties."""
    losses = jnp.stack([jnp.mean(x @ p["w"]), jnp.mean(x**2)])
    return jnp.sum(jnp.exp(-p["log"]) * losses + p["log"])


def projected(p: Any, x: Any) -> Any:
    """A reflection: the vector reads, and then it is written."""
    v = p["v"] / jnp.linalg.norm(p["v"])
    return x - 2 * (x @ v)[:, None] * v


BLOCK = r"""
    h0/attention/(query|key|value)/kernel  kernel  ioo
    h0/attention/(query|key|value)/bias    bias    oo   <- ./kernel
    h0/attention/out/kernel                kernel  iio
    (h0/attention/out|h0/up|h0/down)/bias  bias    o    <- ./kernel
    (h0/up|h0/down)/kernel                 kernel  io
    h0/norm_\d/scale                       scale   o
    h0/norm_\d/bias                        bias    o
"""

MODELS = {
    "BERT": Model(
        lambda: program(BERT(), i32(2, 5), i32(2, 5)),
        f"""
        {BLOCK}
        words/embedding         table   io tied
        (places|kinds)/embedding table  io
        (norm|head_norm)/scale  scale   o
        (norm|head_norm)/bias   bias    o
        head/kernel             kernel  io
        head/bias               bias    o   <- ./kernel
        bias                    bias    o   <- words/embedding
        """,
    ),
    "RWKV": of(
        rwkv,
        """
        mix_.             scale   o
        key|value|receptance|out  kernel  io
        bonus             bias    o   <- ?   # Of the keys, which a loop goes over.
        decay             scale   o
        """,
        f32(6, 8),
        **dict.fromkeys(("mix_k", "mix_v", "mix_r"), f32(8)),
        **dict.fromkeys(("key", "value", "receptance"), f32(8, 12)),
        **dict.fromkeys(("bonus", "decay"), f32(12)),
        out=f32(12, 8),
    ),
    "Griffin": of(
        gated_recurrence,
        """
        input|rate           kernel  bio
        (input|rate)_bias    bias    oo   <- \\1
        a                    scale   o
        """,
        f32(6, 8),
        **dict.fromkeys(("input", "rate"), f32(2, 4, 4)),
        **dict.fromkeys(("input_bias", "rate_bias"), f32(2, 4)),
        a=f32(8),
    ),
    "graph attention": of(
        graph_attention,
        """
        w              kernel  ioo
        source|target  kernel  bi   # A score has no axis.
        """,
        f32(5, 8),
        i32(7),
        i32(7),
        w=f32(8, 3, 4),
        source=f32(3, 4),
        target=f32(3, 4),
    ),
    "a Fourier operator": of(
        fourier_operator,
        """
        re|im  kernel  iob
        w      kernel  io
        """,
        f32(2, 10, 8),
        re=f32(8, 12, 4),
        im=f32(8, 12, 4),
        w=f32(8, 12),
    ),
    "a Bayesian layer": of(
        bayesian, "mean|spread  kernel  io", X, KEY, mean=f32(8, 12), spread=f32(8, 12)
    ),
    "a Bayesian layer, with a key of numbers": of(
        bayesian,
        "mean|spread  kernel  io",
        X,
        jax.ShapeDtypeStruct((2,), jnp.uint32),
        mean=f32(8, 12),
        spread=f32(8, 12),
    ),
    "noise of places": of(
        noisy,
        """
        w         kernel  io
        strength  scale   o
        """,
        f32(2, 5, 8),
        KEY,
        w=f32(8, 12),
        strength=f32(12),
    ),
    "slots": of(
        slots,
        """
        mean             bias    o
        spread           scale   o
        query|key|value  kernel  io
        """,
        f32(2, 6, 8),
        KEY,
        mean=f32(8),
        spread=f32(8),
        **dict.fromkeys(("query", "key", "value"), f32(8, 8)),
    ),
    "a classifier of directions": of(
        cosine,
        """
        w      kernel  io
        scale  scale   ()
        """,
        w=f32(8, 12),
        scale=f32(),
    ),
    "a loss with decay": Model(
        lambda: Program(decayed, MLP, (X,)),
        """
        up|down  kernel  io
        bias     bias    o   <- up
        """,
    ),
    "losses with uncertainties": of(
        uncertain,
        """
        w    kernel  io
        log  scale   o
        """,
        w=f32(8, 12),
        log=f32(2),
    ),
    "a reflection": of(projected, "v  kernel  i", v=f32(8)),
}

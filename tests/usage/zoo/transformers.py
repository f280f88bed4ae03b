"""Transformers: GPT-2, T5, a vision transformer, a Perceiver, and attention in packed forms."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from tests.usage.zoo._model import Model, Program, f32, i32
from tests.usage.zoo.linen import program

WIDTH, HEADS, SIZE, HIDDEN = 12, 3, 4, 20


class Block(nn.Module):
    @nn.compact
    def __call__(self, x: Any, mask: Any) -> Any:
        y = nn.LayerNorm(name="norm_1")(x)
        x = x + nn.MultiHeadDotProductAttention(HEADS, name="attention")(y, y, mask=mask)
        y = nn.Dense(HIDDEN, name="up")(nn.LayerNorm(name="norm_2")(x))
        return x + nn.Dense(WIDTH, name="down")(nn.gelu(y))


class GPT2(nn.Module):
    """With its head tied to the table of tokens."""

    scan: bool = False

    @nn.compact
    def __call__(self, tokens: Any) -> Any:
        wte = nn.Embed(11, WIDTH, name="wte")
        wpe = nn.Embed(9, WIDTH, name="wpe")
        x = wte(tokens) + wpe(jnp.arange(tokens.shape[1]))[None]
        mask = nn.make_causal_mask(tokens)
        if self.scan:
            stack = nn.scan(
                lambda block, x, _: (block(x, mask), None),
                variable_axes={"params": 0},
                split_rngs={"params": True},
                length=2,
            )
            x, _ = stack(nn.remat(Block, prevent_cse=False)(name="h"), x, None)
        else:
            for layer in range(2):
                x = Block(name=f"h{layer}")(x, mask)
        return wte.attend(nn.LayerNorm(name="norm")(x))


GPT2_TABLE = r"""
    wte/embedding                          table   io tied
    wpe/embedding                          table   io       # Looked up, be it by 0, 1, 2, …
    h\d/attention/(query|key|value)/kernel kernel  ioo
    h\d/attention/(query|key|value)/bias   bias    oo   <- ./kernel
    h\d/attention/out/kernel               kernel  iio
    h\d/(attention/out|up|down)/bias       bias    o    <- ./kernel
    h\d/(up|down)/kernel                   kernel  io
    (h\d/norm_1|h\d/norm_2|norm)/scale     scale   o
    (h\d/norm_1|h\d/norm_2|norm)/bias      bias    o
"""
GPT2_SCANNED = r"""
    wte/embedding                        table   io tied
    wpe/embedding                        table   io
    h/attention/(query|key|value)/kernel kernel  sioo
    h/attention/(query|key|value)/bias   bias    soo  <- ./kernel
    h/attention/out/kernel               kernel  siio
    h/(attention/out|up|down)/bias       bias    so   <- ./kernel
    h/(up|down)/kernel                   kernel  sio
    h/(norm_1|norm_2)/scale              scale   so
    h/(norm_1|norm_2)/bias               bias    so
    norm/scale                           scale   o
    norm/bias                            bias    o
"""


def rms(x: Any, scale: Any) -> Any:
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6) * scale


def attend(p: Any, x: Any, y: Any, bias: Any = 0.0) -> Any:
    """From x to y, without biases: `bias` is of positions."""
    query = jnp.einsum("bsd,dhk->bshk", x, p["query"])
    key = jnp.einsum("btd,dhk->bthk", y, p["key"])
    value = jnp.einsum("btd,dhk->bthk", y, p["value"])
    weights = jax.nn.softmax(jnp.einsum("bshk,bthk->bhst", query, key) + bias)
    return jnp.einsum("bshk,hkd->bsd", jnp.einsum("bhst,bthk->bshk", weights, value), p["out"])


def gated(p: Any, x: Any) -> Any:
    return (jax.nn.gelu(x @ p["wi_0"]) * (x @ p["wi_1"])) @ p["wo"]


def attention_shapes() -> dict[str, Any]:
    shape = f32(WIDTH, HEADS, SIZE)
    return {"query": shape, "key": shape, "value": shape, "out": f32(HEADS, SIZE, WIDTH)}


def gated_shapes() -> dict[str, Any]:
    return {"wi_0": f32(WIDTH, HIDDEN), "wi_1": f32(WIDTH, HIDDEN), "wo": f32(HIDDEN, WIDTH)}


def t5() -> Program:
    """Encoder and decoder, with one table of tokens, and positions as biases of the attention."""
    norms = {"norm_1": f32(WIDTH), "norm_2": f32(WIDTH)}
    encoder = {"attention": attention_shapes(), "mlp": gated_shapes(), **norms}
    decoder = {**encoder, "cross": attention_shapes(), "norm_3": f32(WIDTH)}
    parts = {"encoder": encoder, "decoder": decoder}
    params = {
        "shared": f32(17, WIDTH),
        **{name: {"positions": f32(8, HEADS), "0": one, "1": one} for name, one in parts.items()},
    }

    def positions(table: Any, length: int) -> Any:
        places = jnp.arange(length)
        buckets = jnp.clip(places[None, :] - places[:, None], -4, 3) + 4
        return table[buckets].transpose(2, 0, 1)[None]

    def fn(params: Any, source: Any, target: Any) -> Any:
        x = params["shared"][source]
        bias = positions(params["encoder"]["positions"], source.shape[1])
        for p in (params["encoder"]["0"], params["encoder"]["1"]):
            y = rms(x, p["norm_1"])
            x = x + attend(p["attention"], y, y, bias)
            x = x + gated(p["mlp"], rms(x, p["norm_2"]))
        z = params["shared"][target]
        bias = positions(params["decoder"]["positions"], target.shape[1])
        bias = jnp.where(jnp.tri(target.shape[1], dtype=bool), bias, -1e9)
        for p in (params["decoder"]["0"], params["decoder"]["1"]):
            y = rms(z, p["norm_1"])
            z = z + attend(p["attention"], y, y, bias)
            z = z + attend(p["cross"], rms(z, p["norm_3"]), x)
            z = z + gated(p["mlp"], rms(z, p["norm_2"]))
        return jnp.einsum("btd,vd->btv", z * WIDTH**-0.5, params["shared"])

    return Program(fn, params, (i32(2, 7), i32(2, 5)))


class ViT(nn.Module):
    @nn.compact
    def __call__(self, image: Any) -> Any:
        x = nn.Conv(WIDTH, (2, 2), (2, 2), name="patches")(image)
        x = x.reshape(x.shape[0], -1, WIDTH)
        token = self.param("token", nn.initializers.zeros, (1, 1, WIDTH))
        x = jnp.concatenate([jnp.broadcast_to(token, (x.shape[0], 1, WIDTH)), x], axis=1)
        x = x + self.param("positions", nn.initializers.normal(), (1, x.shape[1], WIDTH))
        x = Block(name="h0")(x, None)
        return nn.Dense(7, name="head")(nn.LayerNorm(name="norm")(x)[:, 0])


def perceiver() -> Program:
    """Learned queries, the same for all examples, and then a query that decodes."""
    params = {
        "latents": f32(5, WIDTH),
        "embed": f32(8, WIDTH),
        "places": f32(10, WIDTH),
        "norm": f32(WIDTH),
        "cross": attention_shapes(),
        "self": attention_shapes(),
        "decode": attention_shapes(),
        "query": f32(WIDTH),
        "head": f32(WIDTH, 7),
    }

    def fn(p: Any, x: Any) -> Any:
        x = x @ p["embed"] + p["places"][: x.shape[1]][None]
        latents = jnp.broadcast_to(p["latents"], (x.shape[0], *p["latents"].shape))
        latents = latents + attend(p["cross"], rms(latents, p["norm"]), x)
        latents = latents + attend(p["self"], latents, latents)
        query = jnp.tile(p["query"], (x.shape[0], 1, 1))
        return attend(p["decode"], query, latents)[:, 0] @ p["head"]

    return Program(fn, params, (f32(2, 6, 8),))


def masked() -> Program:
    """A token stands where the input is hidden, as in BERT's training of images."""
    params = {"embed": f32(8, WIDTH), "mask": f32(WIDTH), "places": f32(6, WIDTH)}

    def fn(p: Any, x: Any, hidden: Any) -> Any:
        x = jnp.where(hidden[..., None], p["mask"], x @ p["embed"])
        return x + p["places"]

    return Program(fn, params, (f32(2, 6, 8), jax.ShapeDtypeStruct((2, 6), jnp.bool_)))


def attention_of(query: Any, key: Any, value: Any) -> Any:
    weights = jax.nn.softmax(jnp.einsum("bsk,btk->bst", query, key) / SIZE**0.5)
    return jnp.einsum("bst,btk->bsk", weights, value)


def fused(p: Any, x: Any) -> Any:
    """One product, whose output is taken apart."""
    return attention_of(*jnp.split(x @ p["qkv"] + p["bias"], 3, axis=-1)) @ p["out"]


def sliced(p: Any, x: Any) -> Any:
    """The kernel is taken apart, and then there are three products."""
    w, b = p["qkv"], p["bias"]
    query, key, value = (x @ w[:, at : at + 4] + b[at : at + 4] for at in (0, 4, 8))
    return attention_of(query, key, value) @ p["out"]


def indexed(p: Any, x: Any) -> Any:
    """Three kernels that are stored as one."""
    return attention_of(*(x @ p["qkv"][at] + p["bias"][at] for at in range(3))) @ p["out"]


def by_einsum(p: Any, x: Any) -> Any:
    """One product for all three, of which the axis is one of outputs."""
    y = jnp.einsum("bsd,dck->cbsk", x, p["qkv"]) + p["bias"][:, None, None]
    return attention_of(*y) @ p["out"]


def packed(fn: Any, table: str, qkv: Any, bias: Any) -> Model:
    params = {"qkv": qkv, "bias": bias, "out": f32(SIZE, WIDTH)}
    return Model(lambda: Program(fn, params, (f32(2, 6, WIDTH),)), table)


MODELS = {
    "GPT-2": Model(lambda: program(GPT2(), i32(2, 5)), GPT2_TABLE),
    "GPT-2, scanned": Model(lambda: program(GPT2(scan=True), i32(2, 5)), GPT2_SCANNED),
    "T5": Model(
        t5,
        r"""
        shared                                    table   io tied
        (encoder|decoder)/positions               table   io        # By buckets of distances.
        .*/(attention|cross)/(query|key|value)    kernel  ioo
        .*/(attention|cross)/out                  kernel  iio
        .*/mlp/(wi_0|wi_1|wo)                     kernel  io
        .*/norm_\d                                scale   o
        """,
    ),
    "ViT": Model(
        lambda: program(ViT(), f32(2, 6, 8, 3)),
        r"""
        patches/kernel                            kernel  ffio
        patches/bias                              bias    o    <- ./kernel
        token                                     token   ooo
        positions                                 bias    ooo  <- ?  # To patches, and to a token.
        h0/attention/(query|key|value)/kernel     kernel  ioo
        h0/attention/(query|key|value)/bias       bias    oo   <- ./kernel
        h0/attention/out/kernel                   kernel  iio
        (h0/attention/out|h0/up|h0/down|head)/bias  bias  o    <- ./kernel
        (h0/up|h0/down|head)/kernel               kernel  io
        (h0/norm_1|h0/norm_2|norm)/scale          scale   o
        (h0/norm_1|h0/norm_2|norm)/bias           bias    o
        """,
    ),
    "Perceiver": Model(
        perceiver,
        """
        latents                              token   oo
        query                                token   o
        places                               bias    oo   <- embed  # Its slice is added.
        embed|head                           kernel  io
        norm                                 scale   o
        (cross|self|decode)/(query|key|value)  kernel  ioo  # Also of queries that are learned.
        (cross|self|decode)/out              kernel  iio
        """,
    ),
    "masked tokens": Model(
        masked,
        """
        embed   kernel  io
        mask    token   o
        places  bias    oo  <- ?  # To what is embedded, or to the token.
        """,
    ),
    "packed, fused": packed(
        fused,
        """
        qkv|out  kernel  io
        bias     bias    o   <- qkv
        """,
        f32(WIDTH, 12),
        f32(12),
    ),
    "packed, slices": packed(
        sliced,
        """
        qkv|out  kernel  io
        bias     bias    o   <- qkv
        """,
        f32(WIDTH, 12),
        f32(12),
    ),
    "packed, indexed": packed(
        indexed,
        """
        qkv   kernel  bio
        out   kernel  io
        bias  bias    oo  <- qkv
        """,
        f32(3, WIDTH, SIZE),
        f32(3, SIZE),
    ),
    "packed, einsum": packed(
        by_einsum,
        """
        qkv   kernel  ioo
        out   kernel  io
        bias  bias    oo  <- qkv
        """,
        f32(WIDTH, 3, SIZE),
        f32(3, SIZE),
    ),
}

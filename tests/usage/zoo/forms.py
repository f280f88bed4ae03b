"""Kernels and tokens in other forms: taken apart, put together, multiplied, spread."""

from typing import Any

import jax
import jax.numpy as jnp

from tests.usage.zoo._model import Model, Program, f32

X = f32(3, 8)


def of(fn: Any, table: str, /, *args: Any, **params: Any) -> Model:
    return Model(lambda: Program(fn, params, args or (X,)), table)


def spatial(p: Any, x: Any) -> Any:
    """gMLP's product over places."""
    return jnp.einsum("bnd,mn->bmd", x, p["w"]) + p["b"][:, None]


def rotary(p: Any, x: Any) -> Any:
    """Frequencies that are learned."""
    angle = jnp.arange(3.0)[:, None] * p["frequencies"]
    return x * jnp.cos(angle) + jnp.flip(x, -1) * jnp.sin(angle)


def patches(p: Any, x: Any) -> Any:
    """A convolution as a product with patches that are cut out."""
    dims = ("NHWC", "HWIO", "NHWC")
    cut = jax.lax.conv_general_dilated_patches(x, (2, 2), (2, 2), "VALID", dimension_numbers=dims)
    return cut @ p["w"] + p["b"]


def unfolded(p: Any, x: Any) -> Any:
    """Patches of an image by a reshape, as a vision transformer cuts them."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // 2, 2, w // 2, 2, c).transpose(0, 1, 3, 2, 4, 5)
    return jnp.einsum("bhwijc,ijcd->bhwd", x, p["w"])


def quantized(p: Any, x: Any) -> Any:
    """A kernel of small integers, with a scale for each output."""
    return x @ (p["w"].astype(jnp.float32) * p["scale"])


def of_complex(p: Any, x: Any) -> Any:
    return jnp.abs(x.astype(jnp.complex64) @ p["w"] + p["b"])


def prompts(p: Any, x: Any) -> Any:
    """Learned prompts before the tokens, which a layer makes of smaller ones."""
    prompt = jnp.tanh(p["prompt"] @ p["up"] + p["bias"])
    prompt = jnp.broadcast_to(prompt, (x.shape[0], *prompt.shape))
    return jnp.concatenate([prompt, x], axis=1) @ p["w"]


def learned_queries(p: Any, x: Any) -> Any:
    """Attention of one example, whose queries are the same for all: products of parameters."""
    query = jnp.einsum("nd,dhk->nhk", p["latents"], p["query"]) + p["bias"]
    key, value = (jnp.einsum("md,dhk->mhk", x, p[name]) for name in ("key", "value"))
    weights = jax.nn.softmax(jnp.einsum("nhk,mhk->hnm", query, key))
    return jnp.einsum("hnm,mhk->nhk", weights, value)


def register_tokens(p: Any, x: Any) -> Any:
    """Tokens that `jnp.tile` and `jnp.repeat` spread over the batch."""
    one = jnp.tile(p["one"], (x.shape[0], 1, 1))
    two = jnp.repeat(p["two"][None], x.shape[0], axis=0)
    return jnp.concatenate([one, x, two], axis=1) @ p["w"]


def maxout(p: Any, x: Any) -> Any:
    return (jnp.einsum("bd,dfk->bfk", x, p["w"]) + p["b"]).max(-1)


def crossed(p: Any, x: Any) -> Any:
    """DCN's layer: a scale of the whole input by one number of each example."""
    return x * (x @ p["w"])[:, None] + p["b"] + x


def mapped_heads(p: Any, x: Any) -> Any:
    """A map over the kernels of heads, with the same inputs, and one over their outputs."""
    heads = jax.vmap(lambda w: x @ w)(p["w"])
    return jax.vmap(lambda y, w: y @ w)(heads, p["out"]).sum(0)


MODELS = {
    "a product over places": of(
        spatial,
        """
        w  kernel  oi
        b  bias    o   <- w
        """,
        f32(2, 5, 8),
        w=f32(6, 5),
        b=f32(6),
    ),
    "learned rotations": of(rotary, "frequencies  scale  o", X, frequencies=f32(8)),
    "patches that are cut out": of(
        patches,
        """
        w  kernel  io
        b  bias    o   <- w
        """,
        f32(2, 10, 6, 3),
        w=f32(12, 7),
        b=f32(7),
    ),
    "patches by a reshape": of(unfolded, "w  kernel  iiio", f32(2, 10, 6, 3), w=f32(2, 2, 3, 7)),
    "small integers": of(
        quantized,
        """
        w      kernel  io
        scale  scale   o
        """,
        X,
        w=jax.ShapeDtypeStruct((8, 12), jnp.int8),
        scale=f32(12),
    ),
    "complex numbers": of(
        of_complex,
        """
        w  kernel  io
        b  bias    o   <- w
        """,
        X,
        w=jax.ShapeDtypeStruct((8, 12), jnp.complex64),
        b=jax.ShapeDtypeStruct((12,), jnp.complex64),
    ),
    "prompts that a layer makes": of(
        prompts,
        """
        prompt  token   oo
        up|w    kernel  io
        bias    bias    o   <- ?
        """,
        f32(2, 5, 8),
        prompt=f32(3, 6),
        up=f32(6, 8),
        bias=f32(8),
        w=f32(8, 12),
    ),
    "learned queries": of(
        jax.vmap(learned_queries, in_axes=(None, 0)),
        """
        latents          token   oo
        query|key|value  kernel  ioo
        bias             bias    oo   <- ?
        """,
        f32(2, 6, 8),
        latents=f32(5, 8),
        query=f32(8, 3, 4),
        key=f32(8, 3, 4),
        value=f32(8, 3, 4),
        bias=f32(3, 4),
    ),
    "learned queries without biases": of(
        # Experts of a low rank that share one factor would be the same: the next but one.
        lambda p, x: learned_queries({**p, "bias": 0.0}, x),
        """
        latents|query  opaque  *
        key|value      kernel  ioo
        """,
        f32(6, 8),
        latents=f32(5, 8),
        query=f32(8, 3, 4),
        key=f32(8, 3, 4),
        value=f32(8, 3, 4),
    ),
    "experts of a low rank": of(
        lambda p, x: jnp.einsum("ebd,edf->ebf", x, p["a"] @ p["b"]),
        "a|b  opaque  *",
        f32(3, 5, 8),
        a=f32(3, 8, 2),
        b=f32(3, 2, 12),
    ),
    "experts of a low rank that share one factor": of(
        lambda p, x: jnp.einsum("ebd,edf->ebf", x, jnp.einsum("edr,rf->edf", p["a"], p["b"])),
        "a|b  opaque  *",
        f32(3, 5, 8),
        a=f32(3, 8, 2),
        b=f32(2, 12),
    ),
    "learned queries of one head": of(
        # A product of two kernels, as of a low rank, would be the same.
        lambda p, x: jax.nn.softmax(p["latents"] @ p["query"] @ (x @ p["key"]).T),
        """
        latents|query  opaque  *
        key            kernel  io
        """,
        f32(6, 8),
        latents=f32(5, 8),
        query=f32(8, 4),
        key=f32(8, 4),
    ),
    "kernels stacked and taken apart": of(
        lambda p, x: x @ jnp.unstack(jnp.stack([p["a"], p["b"]], 1), axis=1)[1] + p["a"].sum(),
        """
        a  opaque  *  # Its sum is added.
        b  kernel  io
        """,
        a=f32(8, 12),
        b=f32(8, 12),
    ),
    "an axis taken apart": of(
        lambda p, x: sum(x @ w for w in jnp.unstack(p["w"], axis=1)),
        "w  kernel  ibo",
        w=f32(8, 3, 12),
    ),
    "kernels between which an input goes": of(
        lambda p, x, t: x @ ((1 - t) * p["a"] + t * p["b"]),
        "a|b  kernel  io",
        X,
        f32(),
        a=f32(8, 12),
        b=f32(8, 12),
    ),
    "a scale of the inputs, on the kernel": of(
        lambda p, x: x @ (p["s"][:, None] * p["w"]),
        """
        s  scale   o
        w  kernel  io
        """,
        s=f32(8),
        w=f32(8, 12),
    ),
    "kernels on a diagonal": of(
        lambda p, x: x @ jax.scipy.linalg.block_diag(p["a"], p["b"]),
        "a|b  kernel  io",
        a=f32(3, 4),
        b=f32(5, 6),
    ),
    "a product of Kronecker": of(
        lambda p, x: x @ jnp.kron(p["a"], p["b"]), "a|b  kernel  io", a=f32(2, 3), b=f32(4, 5)
    ),
    "tokens, tiled and repeated": of(
        register_tokens,
        """
        one|two  token   oo
        w        kernel  io
        """,
        f32(2, 5, 8),
        one=f32(3, 8),
        two=f32(4, 8),
        w=f32(8, 12),
    ),
    "maxout": of(
        maxout,
        """
        w  kernel  ioo
        b  bias    oo   <- w
        """,
        X,
        w=f32(8, 12, 2),
        b=f32(12, 2),
    ),
    "a cross layer": of(
        crossed,
        """
        w  kernel  i
        b  bias    o  # Added to the scaled inputs.
        """,
        X,
        w=f32(8),
        b=f32(8),
    ),
    "maps over kernels": of(
        mapped_heads,
        """
        w    kernel  oio
        out  kernel  bio
        """,
        X,
        w=f32(2, 8, 12),
        out=f32(2, 12, 7),
    ),
}

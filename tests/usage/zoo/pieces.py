"""Small functions: one way each in which a parameter may meet the activations."""

from typing import Any

import jax
import jax.numpy as jnp

from tests.usage.zoo._model import Model, Program, f32, i32

X = f32(3, 8)
W = f32(8, 12)
TABLE = f32(11, 8)


def of(fn: Any, table: str, /, *args: Any, **params: Any) -> Model:
    return Model(lambda: Program(fn, params, args or (X,)), table)


def kernel(fn: Any, axes: str, shape: Any = W, *args: Any) -> Model:
    """A function of one kernel and of inputs."""
    return of(lambda p, *args: fn(p["w"], *args), f"w  kernel  {axes}", *args, w=shape)


def lookup(fn: Any, axes: str, ids: Any, table: Any = TABLE) -> Model:
    """A function of one table and of ids."""
    return of(lambda p, ids: fn(p["table"], ids), f"table  table  {axes}", ids, table=table)


def factors(p: Any, ids: Any) -> Any:
    """A table of few columns, and a projection."""
    return p["table"][ids] @ p["up"]


def compared(table: Any, ids: Any) -> Any:
    """A one-hot row by hand."""
    return jnp.asarray(ids[..., None] == jnp.arange(11), jnp.float32) @ table


def quantized(p: Any, x: Any) -> Any:
    """The nearest rows of a codebook, by products, and then the rows themselves."""
    distance = (p["codes"] ** 2).sum(-1) - 2 * x @ p["codes"].T
    return p["codes"][distance.argmin(-1)]


def mixed_layers(p: Any, x: Any) -> Any:
    """ELMo's sum of layers, with weights that are a softmax of parameters."""
    weights = jax.nn.softmax(p["weights"])
    layers = [x, jnp.tanh(x), jnp.tanh(x @ p["w"])]
    return sum(weights[at] * layer for at, layer in enumerate(layers[1:], 1)) + weights[0] * x


def sloped(p: Any, x: Any) -> Any:
    """Attention with biases that are learned slopes times fixed distances."""
    distance = jnp.abs(jnp.arange(6)[:, None] - jnp.arange(6)).astype(jnp.float32)
    return jax.nn.softmax(x - jnp.exp(p["slopes"])[:, None, None] * distance)


def sinks(p: Any, x: Any) -> Any:
    """A logit of each head that no key has."""
    sink = jnp.broadcast_to(p["sink"][None, :, None, None], (*x.shape[:3], 1))
    return jax.nn.softmax(jnp.concatenate([x, sink], -1))[..., :-1]


def clip(p: Any, image: Any, text: Any) -> Any:
    image, text = image @ p["image"], text @ p["text"]
    return jnp.exp(p["temperature"]) * image @ text.T


def recurrent_unit(p: Any, x: Any) -> Any:
    """The linear recurrent unit, whose states are complex."""
    decay = jnp.exp(-jnp.exp(p["nu"]) + 1j * jnp.exp(p["theta"]))
    kernel = (p["b_re"] + 1j * p["b_im"]) * jnp.exp(p["gamma"])[:, None]
    drive = x @ kernel.T
    decays = jnp.repeat(decay[None], x.shape[0], axis=0)

    def joined(one: Any, two: Any) -> Any:
        return one[0] * two[0], two[0] * one[1] + two[1]

    states = jax.lax.associative_scan(joined, (decays, drive))[1]
    return (states @ (p["c_re"] + 1j * p["c_im"]).T).real + p["d"] * x


def siren(p: Any, x: Any) -> Any:
    return jnp.sin(p["omega"] * (x @ p["w"] + p["b"])) @ p["out"]


def long_convolution(p: Any, x: Any) -> Any:
    """In the space of frequencies."""
    length = 2 * x.shape[0]
    product = jnp.fft.rfft(x, length, 0) * jnp.fft.rfft(p["filter"], length, 0)
    return jnp.fft.irfft(product, length, 0)[: x.shape[0]]


def flow(p: Any, x: Any) -> Any:
    """An invertible layer, backwards."""
    return x @ jnp.linalg.inv(p["w"])


def halves(p: Any, x: Any) -> Any:
    """Rows of a kernel for two inputs that are never concatenated."""
    return x @ p["w"][:8] + jnp.tanh(x) @ p["w"][8:]


def joined(p: Any, x: Any) -> Any:
    """Two kernels beside each other, and one bias for both."""
    return x @ jnp.concatenate([p["a"], p["b"]], axis=1) + p["bias"]


def above(p: Any, x: Any) -> Any:
    """Two kernels above each other, for inputs that are concatenated."""
    both = jnp.concatenate([x, jnp.tanh(x)], axis=-1)
    return both @ jnp.concatenate([p["a"], p["b"]], axis=0)


def rotated(p: Any, x: Any) -> Any:
    """Rotary positions are fixed: they are no use of the kernel."""
    angle = jnp.arange(3.0)[:, None] * 10.0 ** -jnp.arange(6.0)
    one, two = jnp.split(x @ p["w"] + p["b"], 2, axis=-1)
    sin, cos = jnp.sin(angle), jnp.cos(angle)
    return jnp.concatenate([one * cos - two * sin, one * sin + two * cos], -1)


def straight_through(w: Any, x: Any) -> Any:
    scale = jnp.abs(w).max()
    return x @ (w + jax.lax.stop_gradient(jnp.round(w / scale) * scale - w))


MODELS = {
    # Products, and the axes through what is done before.
    "x @ w": kernel(lambda w, x: x @ w, "io"),
    "w.T @ x.T": kernel(lambda w, x: w.T @ x.T, "io"),
    "x @ w.T": kernel(lambda w, x: x @ w.T, "oi", f32(12, 8)),
    "w @ x": kernel(lambda w, x: w @ x, "oi", f32(12, 8), f32(8)),
    "w of one output": kernel(lambda w, x: x @ w, "i", f32(8)),
    "a sum by hand": kernel(lambda w, x: (x[:, None] * w).sum(-1), "oi", f32(12, 8)),
    "a sum by hand, of columns": kernel(lambda w, x: (x[..., None] * w).sum(-2), "io"),
    "a mean by hand": kernel(lambda w, x: (w * x[:, None]).mean(-1), "oi", f32(12, 8)),
    "a sum by hand, of each head": kernel(
        lambda w, x: (x * w).sum(-1), "bi", f32(2, 4), f32(3, 2, 4)
    ),
    "a sum that is a loss": of(lambda p, x: jnp.mean(x * p["s"]), "s  scale  o", s=f32(8)),
    "outputs split": kernel(lambda w, x: x @ w.reshape(8, 24), "ioo", f32(8, 2, 12)),
    "outputs merged": kernel(
        lambda w, x: jnp.einsum("bd,dhk->bhk", x, w.reshape(8, 2, 6)), "io", W
    ),
    "inputs merged": kernel(lambda w, x: x @ w.reshape(8, 12), "iio", f32(2, 4, 12)),
    "inputs split": kernel(
        lambda w, x: jnp.einsum("bhk,hkd->bd", x, w.reshape(2, 4, 12)), "io", W, f32(3, 2, 4)
    ),
    "axes of one": kernel(lambda w, x: x @ w.squeeze(1), "ifo", f32(8, 1, 12)),
    "a flat kernel": kernel(lambda w, x: x @ w.reshape(8, 12), "*", f32(96)),
    "a convolution that is a product": kernel(lambda w, x: x @ w[0, 0], "ffio", f32(1, 1, 8, 12)),
    "axes moved": kernel(
        lambda w, x: jnp.einsum("bd,khd->bhk", x, jnp.moveaxis(w, 0, 2)), "ioo", f32(8, 2, 6)
    ),
    "tensordot": kernel(
        lambda w, x: jnp.tensordot(x, w, [[1, 2], [2, 0]]), "ioi", f32(4, 12, 2), f32(3, 2, 4)
    ),
    "in half": kernel(lambda w, x: x @ w.astype(jnp.bfloat16), "io", W, f32(3, 8)),
    "masked": kernel(lambda w, x: x @ jnp.tril(w), "io"),
    "times a number": kernel(lambda w, x: x @ (w * 8**-0.5), "io"),
    "its absolute values": kernel(lambda w, x: x @ jnp.abs(w), "io"),
    "its softplus": kernel(lambda w, x: x @ jax.nn.softplus(w), "io"),
    "its softmax": kernel(lambda w, x: x @ jax.nn.softmax(w, axis=0), "io"),
    "symmetric": kernel(
        # Both directions at once.
        lambda w, x: x @ (w + w.T) / 2,
        "io tied",
        f32(8, 8),
    ),
    "rounded, straight through": kernel(straight_through, "io"),
    "with stop_gradient": kernel(lambda w, x: jax.lax.stop_gradient(x @ w), "io"),
    "twice, the same way": kernel(lambda w, x: jnp.tanh(x @ w) @ w, "io", f32(8, 8)),
    "rows of halves": of(halves, "w  kernel  io", w=f32(16, 12)),
    "columns joined": of(
        joined,
        """
        a|b   kernel  io
        bias  bias    o   <- a b
        """,
        a=W,
        b=f32(8, 7),
        bias=f32(19),
    ),
    "rows joined": of(above, "a|b  kernel  io", a=W, b=W),
    "a bilinear form": kernel(
        # With which of its inputs it meets first is the compiler's affair.
        lambda w, x, y: jnp.einsum("bi,ijo,bj->bo", x, w, y),
        "*",
        f32(8, 5, 12),
        X,
        f32(3, 5),
    ),
    "rotary positions": of(
        rotated,
        """
        w  kernel  io
        b  bias    o   <- w
        """,
        w=W,
        b=f32(12),
    ),
    # Tables.
    "a table": lookup(lambda table, ids: table[ids], "io", i32(3, 5)),
    "a table of one id": lookup(lambda table, at: table[at], "io", i32()),
    "a table, clipped": lookup(
        lambda table, ids: jnp.take(table, ids, axis=0, mode="clip"), "io", i32(3, 5)
    ),
    "a table of columns": lookup(
        lambda table, ids: jnp.take(table, ids, axis=1), "oi", i32(3), f32(8, 11)
    ),
    "a table of numbers": lookup(lambda table, ids: table[ids], "i", i32(3), f32(11)),
    "tables, mapped": lookup(
        jax.vmap(lambda table, ids: table[ids]), "bio", i32(4, 3), f32(4, 11, 8)
    ),
    "tables, mapped, with one id each": lookup(
        jax.vmap(lambda table, at: table[at]), "bio", i32(4), f32(4, 11, 8)
    ),
    "codebooks, taken apart": lookup(
        lambda books, ids: sum(books[at][ids[:, at]] for at in range(4)),
        "bio",
        i32(3, 4),
        f32(4, 11, 8),
    ),
    "a table by comparison": lookup(compared, "io", i32(3, 5)),
    "a table of factors": of(
        factors,
        """
        table  table   io
        up     kernel  io
        """,
        i32(3, 5),
        table=f32(11, 4),
        up=f32(4, 12),
    ),
    "a codebook": of(quantized, "codes  kernel  oi tied", codes=f32(11, 8)),
    # Scales, biases and tokens.
    "a scale": of(lambda p, x: x * (1 + p["s"]), "s  scale  o", s=f32(8)),
    "a divisor": of(lambda p, x: x / jax.nn.softplus(p["s"]), "s  scale  o", s=f32(8)),
    "an outer product": of(
        # It contracts nothing.
        lambda p, x: jnp.einsum("b,d->bd", x, p["s"]),
        "s  scale  o",
        f32(3),
        s=f32(8),
    ),
    "a bias, subtracted": of(lambda p, x: p["b"] - x, "b  bias  o", b=f32(8)),
    "a bias, scaled": of(lambda p, x: x + 0.1 * p["b"], "b  bias  o", b=f32(8)),
    "positions, sliced": of(
        lambda p, x: x + p["b"][: x.shape[1]], "b  bias  oo", f32(3, 6, 8), b=f32(9, 8)
    ),
    "a bias of a bias": of(
        # Batch norm's mean and its bias, folded.
        lambda p, x: x @ p["w"] + (p["b"] - p["mean"]),
        """
        w       kernel  io
        b|mean  bias    o   <- w
        """,
        w=W,
        b=f32(12),
        mean=f32(12),
    ),
    "ELMo's weights": of(
        mixed_layers,
        """
        weights  scale   o
        w        kernel  io
        """,
        weights=f32(3),
        w=f32(8, 8),
    ),
    "slopes of distances": of(sloped, "slopes  bias  o", f32(3, 2, 6, 6), slopes=f32(2)),
    "sinks": of(sinks, "sink  token  o", f32(3, 2, 6, 6), sink=f32(2)),
    "CLIP": of(
        clip,
        """
        image|text   kernel  io
        temperature  scale   ()
        """,
        X,
        f32(3, 7),
        image=f32(8, 12),
        text=f32(7, 12),
        temperature=f32(),
    ),
    "SIREN": of(
        siren,
        """
        w|out  kernel  io
        b      bias    o   <- w
        omega  scale   ()
        """,
        w=W,
        b=f32(12),
        out=f32(12, 3),
        omega=f32(),
    ),
    "a linear recurrent unit": of(
        recurrent_unit,
        """
        nu|theta|d   scale   o
        gamma        scale   o   # Of the kernel's outputs.
        b_re|b_im    kernel  oi
        c_re|c_im    kernel  oi
        """,
        f32(6, 8),
        nu=f32(5),
        theta=f32(5),
        gamma=f32(5),
        b_re=f32(5, 8),
        b_im=f32(5, 8),
        c_re=f32(8, 5),
        c_im=f32(8, 5),
        d=f32(8),
    ),
    # What is not followed.
    "a long convolution": of(long_convolution, "filter  opaque  *", f32(6, 8), filter=f32(6, 8)),
    "an inverse": of(flow, "w  opaque  *", w=f32(8, 8)),
    "sorted": of(lambda p, x: x + jnp.sort(p["b"]), "b  opaque  *", b=f32(8)),
    "not used": of(
        lambda p, x: x @ p["w"],
        """
        w     kernel  io
        idle  unused  *
        """,
        w=W,
        idle=f32(3, 4),
    ),
    "used for nothing": of(
        # It meets the activations, whatever becomes of the product.
        lambda p, x: (x @ p["idle"], x @ p["w"])[1],
        "w|idle  kernel  io",
        w=W,
        idle=W,
    ),
}

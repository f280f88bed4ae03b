"""Residual streams are found in any function, and nothing else is taken for one."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from cthulhu.usage._activations import followed
from cthulhu.usage._streams import streams
from cthulhu.usage._taps import tapped
from tests.usage.zoo import ZOO


def array(*shape: int, seed: int = 0) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape) / 2


P = {name: array(8, 8, seed=at) for at, name in enumerate("abcdef")}
P |= {"bias": array(8, seed=6), "s": array(1, seed=7), "gamma": array(8, seed=8)}
P |= {"table": array(5, 8, seed=9), "places": array(3, 8, seed=10), "wide": array(8, 4, seed=11)}
X, IDS = array(3, 8, seed=12), jnp.array([0, 2, 1])


def norm(x):
    return (x - x.mean(-1, keepdims=True)) / (x.std(-1, keepdims=True) + 1e-3)


def mlp(p, x, up="a", down="b"):
    return jax.nn.gelu(x @ p[up] + p["bias"][None]) @ p[down]


def attention(p, x):
    weights = jax.nn.softmax((x @ p["c"]) @ (x @ p["d"]).T / 3)
    return (weights @ (x @ p["e"])) @ p["f"]


def blocks(p, x):
    first = x + mlp(p, x)
    return first, first + mlp(p, first, "c", "d")


def pre_norm(p, ids):
    x = p["table"][ids] + p["places"]
    first = x + attention(p, norm(x))
    return first, first + mlp(p, norm(first))


def post_norm(p, x):
    first = x + attention(p, x)
    x = norm(first)
    return first, x + mlp(p, x)


def projected(p, x):
    """A block of ResNet whose width changes: the shortcut is a layer too."""
    branch = jax.nn.relu(norm(x @ p["a"])) @ p["b"] @ p["wide"]
    return (norm(x @ p["c"] @ p["d"][:, :4]) + branch,)


def shortcut(p, x):
    x = jax.nn.relu(x)
    return (norm(x @ p["wide"]) + norm(jax.nn.relu(norm(x @ p["a"])) @ p["b"][:, :4]),)


def pooled(p, x):
    """The shortcut has no parameters: what is pooled, with zeros for the new features."""
    largest = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2), (1, 2), "VALID")
    return (jnp.pad(largest, ((0, 0), (2, 2))) + jax.nn.relu(x @ p["a"]) @ p["b"],)


def average(p, x):
    halved = lax.reduce_window(x, 0.0, lax.add, (1, 2), (1, 2), "VALID")
    return (halved @ p["a"][:4] + jax.nn.relu(x @ p["b"]) @ p["c"],)


def scaled(p, x):
    """As DeepNorm and ReScale have it: it is the stream that is scaled."""
    first = 1.5 * x + mlp(p, x)
    second = first * p["gamma"][None] + mlp(p, first, "c", "d")
    return first, second


def gate(p, x):
    opened = jax.nn.sigmoid(x @ p["a"])
    return opened * jnp.tanh(x @ p["b"]) + (1 - opened) * x


def reset(p, x):
    """As the cell of Cho et al. has it: the gate is before the kernel."""
    h = norm(X + 1)
    gates = jax.nn.sigmoid(x @ p["a"] + h @ p["b"])
    z, r = gates[:, :4], gates[:, 4:]
    return z * jnp.tanh(x @ p["wide"] + (r * h[:, :4]) @ p["c"][:4, :4]) + (1 - z) * h[:, 4:]


def recurrent(p, x):
    h = jnp.zeros(8)
    for row in x:
        h = jnp.tanh(row @ p["a"] + h @ p["b"])
    return h


def inner_step(p, x):
    """Weights that a gradient changes are no activations."""
    change = jax.grad(lambda w: jnp.sum(jnp.tanh(x @ w) ** 2))
    return x @ (p["a"] + change(p["a"]))


def rotated(p, x):
    q = x @ p["a"]
    return q * jnp.cos(X) + jnp.roll(q, 1, axis=-1) * jnp.sin(X)


def relative(p, x):
    q, k = x @ p["a"], x @ p["b"]
    return q @ k.T + q @ p["places"].T


# The function, which returns the sums of its streams, and the layer that each is named by.
FOUND = {
    "blocks": (blocks, ["b", "d"]),
    "pre-norm": (pre_norm, ["f", "b"]),
    "post-norm": (post_norm, ["f", "b"]),
    "parallel": (lambda p, x: (x + attention(p, x) + mlp(p, x),), ["b"]),
    "parallel, other order": (lambda p, x: (x + (mlp(p, x) + attention(p, x)),), ["f"]),
    "parallel, stream last": (lambda p, x: ((attention(p, x) + mlp(p, x)) + x,), ["b"]),
    "layer scale": (lambda p, x: (x + p["gamma"][None] * mlp(p, x),), ["b"]),
    "ReZero": (lambda p, x: (x + p["s"][None] * mlp(p, x),), ["b"]),
    "the stream is scaled": (scaled, ["b", "d"]),
    "in another type": (
        lambda p, x: ((mlp(p, x.astype(jnp.bfloat16).astype(jnp.float32)) + x),),
        ["b"],
    ),
    "one layer": (lambda p, x: (x + x @ p["a"],), ["a"]),
    "a gate in the branch": (
        lambda p, x: (x + (jax.nn.sigmoid(x @ p["a"]) * (x @ p["b"])) @ p["c"],),
        ["c"],
    ),
    "a sigmoid, twice as large": (
        lambda p, x: (x + 2 * jax.nn.sigmoid(x @ p["a"]) @ p["b"],),
        ["b"],
    ),
    "swish": (lambda p, x: (x @ p["c"] + jax.nn.swish(x @ p["a"]) @ p["b"],), ["b"]),
    "a gated branch": (lambda p, x: (x + (x @ p["a"]) * (x @ p["b"]),), ["b"]),
    "a shortcut with a layer": (shortcut, ["b"]),
    "a shortcut without": (pooled, ["b"]),
    "a pool, then a layer": (average, ["c"]),
    "from the first": (
        lambda p, x: ((y := x + mlp(p, x)), y + mlp(p, x, "c", "d")),
        ["b", "d"],
    ),
    "a bias on top": (
        lambda p, x: ((y := x + mlp(p, x)), y + p["gamma"][None])[:1],
        ["b"],
    ),
    "parallel, added in another order": (
        lambda p, x: ((a := attention(p, x)), x + mlp(p, x) + a)[1:],
        ["b"],
    ),
    "the stream is shifted": (lambda p, x: ((x + p["bias"][None]) + mlp(p, x),), ["b"]),
    "the stream is cast": (
        lambda p, x: (x.astype(jnp.bfloat16).astype(jnp.float32) + mlp(p, x),),
        ["b"],
    ),
    "a loop, then a layer": (
        lambda p, x: (x @ p["c"] + lax.map(lambda row: jnp.tanh(row @ p["a"]), x) @ p["b"],),
        ["b"],
    ),
    "a reciprocal between": (
        lambda p, x: (x @ p["c"] + (1 / (9 + x @ p["a"])) @ p["b"],),
        ["b"],
    ),
    "back to the start": (lambda p, x: ((y := x + mlp(p, x)), y + x), ["b", "b#2"]),
    "two towers, and their sum": (
        lambda p, x: ((y := x + mlp(p, x)), (z := x + mlp(p, x, "c", "d")), y + z)[:2],
        ["b", "d"],
    ),
    "from the middle": (
        lambda p, x: ((y := x + mlp(p, x)), (z := y + mlp(p, y, "c", "d")), jnp.tanh(z) + y),
        ["b", "d", "d#2"],
    ),
    "jit": (lambda p, x: (jax.jit(lambda x: x + mlp(p, x))(x),), ["b"]),
    "checkpoint": (lambda p, x: (jax.checkpoint(lambda x: x + mlp(p, x))(x),), ["b"]),
    "a loop in the branch": (
        lambda p, x: (x + lax.map(lambda row: jnp.tanh(row @ p["a"]), x),),
        ["a"],
    ),
    "the same layers twice": (
        lambda p, x: ((y := x + mlp(p, x)), y + mlp(p, y)),
        ["b", "b#2"],
    ),
}

# What returns something, and has no stream.
NONE = {
    "a bias": lambda p, x: x @ p["a"] + p["bias"][None],
    "two tables": lambda p, i: p["table"][i] + p["places"],
    "a table and a layer": lambda p, x: x @ p["a"] + p["places"],
    "two layers": lambda p, x: x @ p["a"] + x @ p["b"],
    "two branches": lambda p, x: attention(p, x) + mlp(p, x),
    "three branches": lambda p, x: x @ p["a"] + x @ p["b"] + jax.nn.relu(x @ p["c"]) @ p["d"],
    "a branch that is deeper": lambda p, x: jnp.tanh(x @ p["d"]) + jax.nn.relu(x @ p["a"]) @ p["b"],
    "a loop, and a branch": lambda p, x: (
        lax.map(lambda row: row @ p["d"], x) + jax.nn.relu(x @ p["a"]) @ p["b"]
    ),
    "a layer, and what is beside it": lambda p, x: (
        jnp.tanh(x) + x @ p["d"] + jax.nn.relu(x @ p["a"]) @ p["b"]
    ),
    "a lookup": lambda p, x: x + p["table"][jnp.argmax(x, axis=-1) % 5],
    "weights that change in a loop": lambda p, x: lax.scan(
        lambda x, w: (inner_step({"a": w}, x), None), x, p["a"][None]
    )[0],
    "a reciprocal": lambda p, x: 1 / x + mlp(p, 1 / (x + 1)),
    "low rank": lambda p, x: x @ p["a"] + x @ p["b"] @ p["c"],
    "low rank of a sum": lambda p, x: x @ p["a"] + (x @ p["b"] + x @ p["c"]) @ p["d"],
    "two projections": projected,
    "no layer between": lambda p, x: x + jnp.tanh(x) + (x @ p["a"]).sum(),
    "a gate": gate,
    "a recurrent network": recurrent,
    "a cell with a gate": reset,
    "logits": relative,
    "rotated": rotated,
    "weights that change": inner_step,
    "gradients": lambda p, x: jax.grad(lambda x: jnp.sum(mlp(p, x) * jnp.tanh(x)))(x),
    "concatenated": lambda p, x: jnp.concatenate([x, mlp(p, x)]) @ p["a"],
    "a number": lambda p, x: (v := jnp.vdot(x @ p["a"], x)) + jnp.vdot(x * v @ p["b"], x),
}


def seen(fn, params, *inputs):
    """The streams by name, each with its value."""
    found = followed("test", fn, params, *inputs)
    places = {one.place: one.name for one in streams(found)}
    run = tapped(found.traced.jaxpr, places, lambda value: value)
    values = run(*jax.tree.leaves(params), *jax.tree.leaves(inputs))[1]
    return {name: np.asarray(values[name]) for name in places.values()}


@pytest.mark.parametrize("case", FOUND)
def test_the_streams_of_a_function(case):
    fn, names = FOUND[case]
    inputs = IDS if case == "pre-norm" else X
    found = seen(fn, P, inputs)
    assert list(found) == [f"x + {name}" for name in names]
    for value, expected in zip(found.values(), fn(P, inputs), strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("case", NONE)
def test_what_is_no_stream(case):
    assert seen(NONE[case], P, IDS if case == "two tables" else X) == {}


def test_what_derivatives_sum_is_no_stream():
    """The gradient of a block goes past its branch, too, and both ways are added."""

    def fn(p, x):
        return jax.grad(lambda x: jnp.sum(jnp.tanh(x + mlp(p, x))))(x)

    assert "add_any" in str(jax.make_jaxpr(fn)(P, X))
    assert list(seen(fn, P, X)) == ["x + b"]


def test_the_streams_of_a_loop_are_stacked():
    layers = {name: jnp.stack([P[name]] * 3) for name in "abcdef"}

    def model(p, ids):
        def block(x, layer):
            layer = {**p, **layer}
            x = x + attention(layer, norm(x))
            return x + mlp(layer, norm(x)), x

        x, between = lax.scan(jax.checkpoint(block), p["table"][ids] + p["places"], p["layers"])
        return x, between

    found = seen(model, {**P, "layers": layers}, IDS)
    last, between = model({**P, "layers": layers}, IDS)
    assert list(found) == ["x + layers/f", "x + layers/b"]
    np.testing.assert_allclose(found["x + layers/f"], between, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["x + layers/b"][-1], last, rtol=1e-4, atol=1e-4)


def test_a_branch_of_the_program_is_looked_into():
    """As stochastic depth has it; what is not taken is not seen."""

    def model(p, x):
        return lax.cond(x[0, 0] > 99, lambda x: x + mlp(p, x), lambda x: x, x)

    (value,) = seen(model, P, X).values()
    assert np.isnan(value).all()


class Bottleneck(nn.Module):
    """As torchvision's ResNet has it, in linen: the first block has a shortcut with a layer."""

    @nn.compact
    def __call__(self, x):
        for at, width in enumerate((8, 8)):
            y = nn.Conv(4, (1, 1), name=f"b{at}_conv1", use_bias=False)(x)
            y = nn.relu(nn.BatchNorm(False, name=f"b{at}_norm1")(y))
            y = nn.Conv(4, (3, 3), name=f"b{at}_conv2", use_bias=False)(y)
            y = nn.relu(nn.BatchNorm(False, name=f"b{at}_norm2")(y))
            y = nn.Conv(width, (1, 1), name=f"b{at}_conv3", use_bias=False)(y)
            y = nn.BatchNorm(False, name=f"b{at}_norm3")(y)
            if x.shape != y.shape:
                x = nn.Conv(width, (1, 1), name=f"b{at}_shortcut", use_bias=False)(x)
                x = nn.BatchNorm(False, name=f"b{at}_norm4")(x)
            x = nn.relu(x + y)
        return x


def test_a_resnet_of_linen():
    model, x = Bottleneck(), array(2, 5, 5, 3)
    variables = model.init(jax.random.key(0), x)

    def apply(p, x):
        return model.apply({**variables, "params": p}, x, mutable=["batch_stats"])[0]

    assert list(seen(apply, variables["params"], x)) == [
        "x + b0_conv3/kernel",
        "x + b1_conv3/kernel",
    ]


def test_a_transformer_of_nnx():
    class Block(nnx.Module):
        def __init__(self, rngs):
            self.norm = nnx.LayerNorm(8, rngs=rngs)
            self.attention = nnx.MultiHeadAttention(2, 8, decode=False, rngs=rngs)
            self.up = nnx.Linear(8, 16, rngs=rngs)
            self.down = nnx.Linear(16, 8, rngs=rngs)

        def __call__(self, x):
            x = x + self.attention(self.norm(x))
            return x + self.down(nnx.gelu(self.up(self.norm(x))))

    graph, params = nnx.split(Block(nnx.Rngs(0)))
    rest = nnx.filter_state(params, nnx.Not(nnx.Param))
    found = seen(
        lambda p, x: nnx.merge(graph, p, rest)(x), nnx.filter_state(params, nnx.Param), X[None]
    )
    assert list(found) == ["x + attention/out/kernel", "x + down/kernel"]


BLOCKS = (3, 4, 6, 3)  # Of ResNet-50, by its stages.

# What models of all kinds have, each as its text says; and some that have none.
MODELS = {
    "transformers: GPT-2": [
        f"h{at}/{name}/kernel" for at in range(2) for name in ("attention/out", "down")
    ],
    "transformers: GPT-2, scanned": ["h/attention/out/kernel", "h/down/kernel"],
    "transformers: T5": [
        *(f"encoder/{at}/{name}" for at in range(2) for name in ("attention/out", "mlp/wo")),
        *(
            f"decoder/{at}/{name}"
            for at in range(2)
            for name in ("attention/out", "cross/out", "mlp/wo")
        ),
    ],
    "transformers: ViT": ["h0/attention/out/kernel", "h0/down/kernel"],
    "transformers: Perceiver": ["self/out"],  # What comes before is added to parameters.
    "papers: BERT": ["h0/attention/out/kernel", "h0/down/kernel"],
    "vision: ResNet-50": [
        f"stage{stage}_{at}/conv_3/kernel" for stage in range(4) for at in range(BLOCKS[stage])
    ],
    "vision: ConvNeXt": ["down/kernel"],
    "linen: scan of remat": ["block/down/kernel"],
    "nnx: scan": ["blocks/down/kernel"],
    "linen, recurrent: SimpleCell, residual": ["cell/h/kernel"],
    "mixtures: Mamba": ["dt_proj"],  # Its D: what goes past the states.
    "forms: a cross layer": ["w"],
    "programs: vmap over the inputs": ["down"],
    "programs: lax.map over the inputs": ["down"],
    "programs: shard_map": [],
    "corners: a force": ["down"],  # And none in what goes backwards.
    "corners: a solver": ["down", "down#2"],  # The block, and the step that is made of it.
    "vision: a ConvNet with statistics": [],
    "vision: a tied autoencoder": [],
    "mixtures: LoRA beside": [],
    "mixtures: experts for all tokens": [],
    "mixtures: experts by dispatch": [],
    "linen, recurrent: LSTMCell": [],
    "linen, recurrent: GRUCell": [],
    "nnx: GRUCell": [],
    "equinox: GRUCell": [],
    "haiku: GRU": [],
    "haiku: LSTM": [],
    "keras: GRU": [],
    "keras: GRU, reset after": [],
    "linen: attention": [],
    "papers: RWKV": [],
    "papers: Griffin": [],
}


@pytest.mark.parametrize("name", MODELS)
def test_the_streams_of_a_model(name):
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        program = ZOO[name].build()
        found = streams(followed("test", program.fn, program.params, *program.args))
    assert [one.name for one in found] == [f"x + {path}" for path in MODELS[name]]

"""GPT-2 four times: linen and nnx, layers written out and scanned over, with the same values."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx

from cthulhu.trees import flatten, join
from tests.usage.zoo.vision import ResNet50

LAYERS, WIDTH, HEADS, VOCABULARY, LENGTH = 4, 64, 4, 128, 24


def attend(packed: jax.Array) -> jax.Array:
    """Causal attention of packed queries, keys and values."""
    query, key, value = (
        part.reshape(*part.shape[:2], HEADS, -1) for part in jnp.split(packed, 3, axis=-1)
    )
    logits = jnp.einsum("bqhd,bkhd->bhqk", query, key) / jnp.sqrt(jnp.float32(WIDTH // HEADS))
    mask = jnp.tril(jnp.ones((1, 1, *logits.shape[2:]), bool))
    weights = jax.nn.softmax(jnp.where(mask, logits, -1e9))
    return jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(*packed.shape[:2], -1)


class LinenBlock(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        packed = nn.Dense(3 * WIDTH, name="qkv")(nn.LayerNorm(name="norm_1")(x))
        x = x + nn.Dense(WIDTH, name="out")(attend(packed))
        y = nn.Dense(4 * WIDTH, name="up")(nn.LayerNorm(name="norm_2")(x))
        return x + nn.Dense(WIDTH, name="down")(nn.gelu(y))


class LinenGpt2(nn.Module):
    scanned: bool = False

    @nn.compact
    def __call__(self, tokens: Any) -> Any:
        wte = nn.Embed(VOCABULARY, WIDTH, name="wte")
        x = wte(tokens) + nn.Embed(LENGTH, WIDTH, name="wpe")(jnp.arange(LENGTH))[None]
        if self.scanned:
            stack = nn.scan(
                lambda block, x, _: (block(x), None),
                variable_axes={"params": 0},
                split_rngs={"params": True},
                length=LAYERS,
            )
            x, _ = stack(nn.remat(LinenBlock, prevent_cse=False)(name="h"), x, None)
        else:
            for layer in range(LAYERS):
                x = LinenBlock(name=f"h{layer}")(x)
        return wte.attend(nn.LayerNorm(name="norm")(x))


class NnxBlock(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.norm_1 = nnx.LayerNorm(WIDTH, rngs=rngs)
        self.qkv = nnx.Linear(WIDTH, 3 * WIDTH, rngs=rngs)
        self.out = nnx.Linear(WIDTH, WIDTH, rngs=rngs)
        self.norm_2 = nnx.LayerNorm(WIDTH, rngs=rngs)
        self.up = nnx.Linear(WIDTH, 4 * WIDTH, rngs=rngs)
        self.down = nnx.Linear(4 * WIDTH, WIDTH, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        x = x + self.out(attend(self.qkv(self.norm_1(x))))
        return x + self.down(nnx.gelu(self.up(self.norm_2(x))))


class NnxGpt2(nnx.Module):
    def __init__(self, rngs: nnx.Rngs, *, scanned: bool = False) -> None:
        self.wte = nnx.Embed(VOCABULARY, WIDTH, rngs=rngs)
        self.wpe = nnx.Embed(LENGTH, WIDTH, rngs=rngs)
        self.scanned = scanned
        if scanned:
            make = nnx.vmap(NnxBlock, in_axes=(0,), out_axes=0)
            self.h = nnx.split_rngs(splits=LAYERS)(make)(rngs)
        else:
            for layer in range(LAYERS):
                setattr(self, f"h{layer}", NnxBlock(rngs))
        self.norm = nnx.LayerNorm(WIDTH, rngs=rngs)

    def __call__(self, tokens: Any) -> Any:
        x = self.wte(tokens) + self.wpe(jnp.arange(LENGTH))[None]
        if self.scanned:
            step = nnx.scan(lambda x, block: block(x), in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
            x = step(x, self.h)
        else:
            for layer in range(LAYERS):
                x = getattr(self, f"h{layer}")(x)
        return self.wte.attend(self.norm(x))


class Model(NamedTuple):
    """A function, its parameters, and a batch for each seed."""

    fn: Callable[..., Any]
    params: Any
    batch: Callable[[int], Any]


def values() -> dict[str, jax.Array]:
    """The parameters of GPT-2 by path, layers written out; kernels of the wrong size."""
    params = LinenGpt2().init(jax.random.key(3), tokens(0))["params"]
    paths, leaves, _ = flatten(params)
    sizes = {"kernel": 3.0, "embedding": 1.0, "scale": 1.0, "bias": 1.0}
    return {join(path): leaf * sizes[path[-1]] for path, leaf in zip(paths, leaves, strict=True)}


def filled(tree: Any) -> Any:
    """A tree of the same names, or of stacks of them, with the values."""
    known = values()
    paths, _, structure = flatten(tree)
    new = []
    for path in map(join, paths):
        stack = [path.replace("h/", f"h{layer}/", 1) for layer in range(LAYERS)]
        new.append(
            jnp.stack([known[one] for one in stack]) if path.startswith("h/") else known[path]
        )
    return jax.tree.unflatten(structure, new)


def tokens(seed: int) -> jax.Array:
    return jax.random.randint(jax.random.key(100 + seed), (16, LENGTH), 0, VOCABULARY)


def linen(*, scanned: bool) -> Model:
    model = LinenGpt2(scanned)
    params = filled(jax.eval_shape(model.init, jax.random.key(0), tokens(0))["params"])
    return Model(lambda p, x: model.apply({"params": p}, x), params, tokens)


def of_nnx(*, scanned: bool) -> Model:
    graph, state, others = nnx.split(NnxGpt2(nnx.Rngs(0), scanned=scanned), nnx.Param, ...)
    return Model(lambda p, x: nnx.merge(graph, p, others)(x), filled(state), tokens)


def resnet() -> Model:
    """ResNet-50, narrow, with its norms as in training."""

    def images(seed: int) -> jax.Array:
        return jax.random.normal(jax.random.key(100 + seed), (16, 64, 64, 3))

    model = ResNet50()
    variables = model.init(jax.random.key(0), images(0)[:1])
    statistics = variables["batch_stats"]

    def fn(params: Any, x: Any) -> Any:
        return model.apply(
            {"params": params, "batch_stats": statistics}, x, mutable=["batch_stats"]
        )

    return Model(fn, variables["params"], images)


def perceptron() -> Model:
    """A hundred layers of ReLU."""
    keys = jax.random.split(jax.random.key(0), 100)
    params = [0.02 * jax.random.normal(key, (128, 128)) for key in keys]

    def fn(params: Any, x: Any) -> Any:
        for kernel in params:
            x = jax.nn.relu(x @ kernel)
        return x

    return Model(fn, params, lambda seed: jax.random.normal(jax.random.key(100 + seed), (256, 128)))


GPT2 = {
    "linen": lambda: linen(scanned=False),
    "linen, scanned": lambda: linen(scanned=True),
    "nnx": lambda: of_nnx(scanned=False),
    "nnx, scanned": lambda: of_nnx(scanned=True),
}
MODELS = {**GPT2, "ResNet-50": resnet, "100 layers": perceptron}

"""GPT-2 in linen and in nnx: one recipe makes both, an audit checks them, and both learn."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from rich.console import Console
from rich.table import Table

from cthulhu import fast_init, init_params, recipes
from cthulhu.audit import check
from cthulhu.initializers import ByDepth

LAYERS, WIDTH, HEADS, LENGTH = 4, 128, 4, 64
STEPS, BATCH = 60, 16

# H. P. Lovecraft (1928), "The Call of Cthulhu".
TEXT = """The most merciful thing in the world, I think, is the inability of the human mind to
correlate all its contents. We live on a placid island of ignorance in the midst of black seas of
infinity, and it was not meant that we should voyage far. The sciences, each straining in its own
direction, have hitherto harmed us little; but some day the piecing together of dissociated
knowledge will open up such terrifying vistas of reality, and of our frightful position therein,
that we shall either go mad from the revelation or flee from the deadly light into the peace and
safety of a new dark age."""
VOCABULARY = sorted(set(TEXT))
TOKENS = np.array([VOCABULARY.index(letter) for letter in TEXT])

RECIPE = recipes.get("gpt2", layers=LAYERS)


def law(role: str, layer: int = 0) -> Any:
    """The initializer of a role in one layer, for a layer that takes it as an argument."""
    found = RECIPE.initializer(role)
    return dataclasses.replace(found, layer=layer) if isinstance(found, ByDepth) else found


def attend(packed: jax.Array) -> jax.Array:
    """Causal attention of packed queries, keys and values."""
    query, key, value = (
        part.reshape(*part.shape[:-1], HEADS, -1) for part in jnp.split(packed, 3, axis=-1)
    )
    mixed = jax.nn.dot_product_attention(query, key, value, is_causal=True)
    return mixed.reshape(*packed.shape[:-1], WIDTH)


class LinenAttention(nn.Module):
    """Self-attention in linen: each layer takes the law of its role."""

    layer: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Mix positions."""
        packed = nn.Dense(3 * WIDTH, kernel_init=law("attention.qkv"), name="c_attn")(x)
        out = nn.Dense(WIDTH, kernel_init=law("attention.out", self.layer), name="c_proj")
        return out(attend(packed))


class LinenMlp(nn.Module):
    """The other branch of a block in linen."""

    layer: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Transform each position."""
        hidden = nn.Dense(4 * WIDTH, kernel_init=law("mlp.in"), name="c_fc")(x)
        out = nn.Dense(WIDTH, kernel_init=law("mlp.out", self.layer), name="c_proj")
        return out(nn.gelu(hidden))


class LinenBlock(nn.Module):
    """One block in linen, with GPT-2's names."""

    layer: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Add what the two branches compute."""
        x = x + LinenAttention(self.layer, name="attn")(nn.LayerNorm(name="ln_1")(x))
        return x + LinenMlp(self.layer, name="mlp")(nn.LayerNorm(name="ln_2")(x))


class LinenGpt2(nn.Module):
    """GPT-2 in linen."""

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        """The logits of the next letter, at every place."""
        embed = nn.Embed(len(VOCABULARY), WIDTH, embedding_init=law("embedding"), name="wte")
        places = nn.Embed(LENGTH, WIDTH, embedding_init=law("position"), name="wpe")
        x = embed(tokens) + places(jnp.arange(tokens.shape[-1]))[None]
        for layer in range(LAYERS):
            x = LinenBlock(layer, name=f"h_{layer}")(x)
        return embed.attend(nn.LayerNorm(name="ln_f")(x))


class NnxAttention(nnx.Module):
    """Self-attention in nnx: nothing said of initialization."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.c_attn = nnx.Linear(WIDTH, 3 * WIDTH, rngs=rngs)
        self.c_proj = nnx.Linear(WIDTH, WIDTH, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Mix positions."""
        return self.c_proj(attend(self.c_attn(x)))


class NnxMlp(nnx.Module):
    """The other branch of a block in nnx."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.c_fc = nnx.Linear(WIDTH, 4 * WIDTH, rngs=rngs)
        self.c_proj = nnx.Linear(4 * WIDTH, WIDTH, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Transform each position."""
        return self.c_proj(nnx.gelu(self.c_fc(x)))


class NnxBlock(nnx.Module):
    """One block in nnx."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.ln_1, self.ln_2 = (nnx.LayerNorm(WIDTH, rngs=rngs) for _ in range(2))
        self.attn, self.mlp = NnxAttention(rngs), NnxMlp(rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Add what the two branches compute."""
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class NnxGpt2(nnx.Module):
    """GPT-2 in nnx."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.wte = nnx.Embed(len(VOCABULARY), WIDTH, rngs=rngs)
        self.wpe = nnx.Embed(LENGTH, WIDTH, rngs=rngs)
        self.h = nnx.List([NnxBlock(rngs) for _ in range(LAYERS)])
        self.ln_f = nnx.LayerNorm(WIDTH, rngs=rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        """The logits of the next letter, at every place."""
        x = self.wte(tokens) + self.wpe(jnp.arange(tokens.shape[-1]))[None]
        for block in self.h:
            x = block(x)
        return self.wte.attend(self.ln_f(x))


def train(apply: Callable[[Any, jax.Array], jax.Array], params: Any, steps: int) -> list[float]:
    """The losses of some steps of Adam, that before the first among them."""
    optimizer = optax.adam(3e-3)
    state = optimizer.init(params)
    starts = np.random.default_rng(0).integers(0, len(TOKENS) - LENGTH - 1, (steps, BATCH))

    @jax.jit
    def step(params: Any, state: Any, letters: jax.Array) -> tuple[Any, Any, jax.Array]:
        def loss(params: Any) -> jax.Array:
            logits = apply(params, letters[:, :-1])
            return optax.softmax_cross_entropy_with_integer_labels(logits, letters[:, 1:]).mean()

        value, gradients = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state, value

    losses = []
    for own in starts:
        letters = TOKENS[own[:, None] + np.arange(LENGTH + 1)]
        params, state, value = step(params, state, letters)
        losses.append(float(value))
    return losses


def main(steps: int = STEPS) -> dict[str, list[float]]:
    """Make GPT-2 in three ways, audit each, and train it."""
    letters = jnp.zeros((1, LENGTH), jnp.int32)
    rules = recipes.rules("gpt2")

    linen = LinenGpt2()
    nnx_graph, nnx_shapes = nnx.split(nnx.eval_shape(lambda: NnxGpt2(nnx.Rngs(0))))
    linen_shapes = jax.eval_shape(linen.init, jax.random.key(0), letters)["params"]
    apply = {
        "linen": lambda params, tokens: linen.apply({"params": params}, tokens),
        "nnx": lambda params, tokens: nnx.merge(nnx_graph, params)(tokens),
    }
    models = {
        ("linen", "fast_init"): fast_init(linen.init)(jax.random.key(0), letters),
        ("linen", "init_params"): {"params": init_params(0, linen_shapes, rules)},
        ("nnx", "init_params"): {"params": init_params(0, nnx_shapes, rules)},
    }

    table = Table(title=f"GPT-2 of {LAYERS} layers; ln V = {math.log(len(VOCABULARY)):.3f}")
    for name in ("model", "made by", "audited", "loss at step 0", f"at step {steps - 1}"):
        table.add_column(name)
    curves = {}
    for (framework, how), variables in models.items():
        params = variables["params"]
        audit = check(params, "gpt2")
        audit.assert_ok()
        losses = curves[f"{framework}, {how}"] = train(apply[framework], params, steps)
        passed = f"{len(audit.leaves)} parameters"
        table.add_row(framework, how, passed, f"{losses[0]:.3f}", f"{losses[-1]:.3f}")
    Console().print(table)

    # The recipe of the released code differs in positions, and in what ends a branch.
    audit = check(models["linen", "init_params"]["params"], "gpt2:openai")
    print(f"by gpt2:openai, {len(audit.failures)} parameters are otherwise:")
    for leaf in audit.failures[:3]:
        print(f"  {leaf.path}: {leaf.flags[0].detail}")
    return curves


if __name__ == "__main__":
    main()

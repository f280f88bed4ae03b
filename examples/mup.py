"""Tune small, train wide: with muP the activations and the best learning rate stay as they are.

An MLP and a transformer are looked at over four widths, in standard parametrization and in
muP, and three errors are planted that a coordinate check finds. Then the MLP is trained
with many learning rates: with muP, the best one of a small model is that of a large one.

Run it: python examples/mup.py
"""

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib import colormaps
from matplotlib.figure import Figure
from rich.console import Console
from sklearn.datasets import load_digits

from cthulhu import init_params, mup, usage
from cthulhu.initializers import RandomNormal

BASE = 64  # The width for which hyperparameters are chosen.
HEADS, LENGTH, VOCABULARY = 2, 4, 32
DECAY = 0.1
MARKERS = "osD^v"

# Readouts and queries of zeros leave no noise that fades with the width; see the guide on muP.
RULES = {
    "mlp": [("readout/kernel", "zeros"), (".*bias", "zeros"), (".*", "he_normal")],
    "transformer": [
        ("readout/kernel|.*query/kernel", "zeros"),
        (".*bias", "zeros"),
        (".*scale", "ones"),
        ("embed.*", RandomNormal(stddev=1.0)),
        (".*", "lecun_normal"),
    ],
}


class Mlp(nn.Module):
    """Three hidden layers."""

    width: int
    readout: float = 1.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Logits of ten digits."""
        for name in ("first", "second", "third"):
            x = nn.relu(nn.Dense(self.width, name=name)(x))
        return self.readout * nn.Dense(10, use_bias=False, name="readout")(x)


class Block(nn.Module):
    """Attention whose heads grow with the width, and an MLP."""

    width: int
    attention: float

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Mix positions, then transform each."""
        heads = (HEADS, self.width // HEADS)
        h = nn.LayerNorm(name="norm")(x)
        q, k, v = (
            nn.DenseGeneral(heads, use_bias=False, name=name)(h)
            for name in ("query", "key", "value")
        )
        logits = self.attention * jnp.einsum("bqhd,bkhd->bhqk", q, k)
        causal = jnp.tril(jnp.ones(logits.shape[-2:], bool))[None, None]
        mixed = jnp.einsum("bhqk,bkhd->bqhd", nn.softmax(jnp.where(causal, logits, -1e9)), v)
        x = x + nn.DenseGeneral(self.width, axis=(-2, -1), use_bias=False, name="out")(mixed)
        h = nn.gelu(nn.Dense(4 * self.width, name="up")(nn.LayerNorm(name="norm_mlp")(x)))
        return x + nn.Dense(self.width, name="down")(h)


class Transformer(nn.Module):
    """Two blocks."""

    width: int
    attention: float | None = None
    readout: float = 1.0

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        """Logits of the next token."""
        attention = (self.width // HEADS) ** -0.5 if self.attention is None else self.attention
        x = nn.Embed(VOCABULARY, self.width, name="embed")(tokens)
        x = x + nn.Embed(LENGTH, self.width, name="embed_position")(jnp.arange(LENGTH))[None]
        for layer in range(2):
            x = Block(self.width, attention, name=f"block_{layer}")(x)
        return self.readout * nn.Dense(VOCABULARY, use_bias=False, name="readout")(
            nn.LayerNorm(name="norm")(x)
        )


MODELS: dict[str, Any] = {"mlp": Mlp, "transformer": Transformer}
ERRORS = ("readout", "attention", "decay")


@dataclasses.dataclass(frozen=True)
class Setting:
    """A model in a parametrization, perhaps with an error in it."""

    model: str
    parametrization: str
    error: str | None = None

    def make(self, width: int, rate: float) -> tuple[Callable, Callable, Any]:
        """What `mup.coord_check` asks for: init, loss and optimizer of a width."""
        build, inputs = MODELS[self.model], BATCHES[self.model][0]
        small, large = (
            jax.eval_shape(build(size).init, jax.random.key(0), inputs)["params"]
            for size in (BASE, width)
        )
        factors: dict[str, float] = {}
        rules: Any = RULES[self.model]
        optimizer = optax.adamw(rate, weight_decay=DECAY)
        if self.parametrization == "muP":
            used = usage.infer(lambda p, x: build(width).apply({"params": p}, x), large, inputs)
            shapes = mup.infer(small, large, used)
            forward = mup.forward(shapes)
            rules = mup.rules(rules, shapes, usage=used)
            optimizer = mup.adamw(rate, shapes, weight_decay=DECAY)
            if self.error == "decay":
                optimizer = optax.chain(optax.adamw(rate, weight_decay=DECAY), mup.scale(shapes))
            if self.error != "readout":
                factors["readout"] = forward.readout
            if self.model == "transformer" and self.error != "attention":
                factors["attention"] = forward.attention(width // HEADS, BASE // HEADS)
        model = build(width, **factors)

        def init(key: jax.Array) -> Any:
            return init_params(key, large, rules)

        def loss(params: Any, batch: Any) -> jax.Array:
            logits = model.apply({"params": params}, batch[0])
            return optax.softmax_cross_entropy_with_integer_labels(logits, batch[1]).mean()

        return init, loss, optimizer


def digits() -> tuple[jax.Array, jax.Array]:
    """1797 images of 8 by 8 pixels, less their mean, and their labels."""
    images, labels = load_digits(return_X_y=True)
    return jnp.asarray((images - images.mean(0)) / 8, jnp.float32), jnp.asarray(labels, jnp.int32)


IMAGES, LABELS = digits()
TOKENS = jax.random.randint(jax.random.key(1), (2, LENGTH + 1), 0, VOCABULARY)
BATCHES = {"mlp": (IMAGES[:4], LABELS[:4]), "transformer": (TOKENS[:, :-1], TOKENS[:, 1:])}
RATES = {"mlp": 0.01, "transformer": 0.0005}


def coordinates(setting: Setting, widths: Sequence[int], steps: int) -> Any:
    """The coordinate check of a setting."""
    return mup.coord_check(
        lambda width: setting.make(width, RATES[setting.model]),
        widths,
        BATCHES[setting.model],
        steps=steps,
    )


def losses(setting: Setting, width: int, rates: Sequence[float], steps: int) -> list[float]:
    """The loss after some steps with each learning rate: the mean of the last quarter."""
    # The finished update is proportional to the rate, so one program serves all.
    init, loss, optimizer = setting.make(width, 1.0)
    key = jax.random.key(0)

    @jax.jit
    def train(params: Any, rate: jax.Array) -> jax.Array:
        def step(carry: Any, key: jax.Array) -> Any:
            params, state = carry
            rows = jax.random.choice(key, len(IMAGES), (128,))
            value, gradients = jax.value_and_grad(loss)(params, (IMAGES[rows], LABELS[rows]))
            updates, state = optimizer.update(gradients, state, params)
            params = jax.tree.map(lambda p, u: p + rate * u, params, updates)
            return (params, state), value

        _, values = jax.lax.scan(
            step, (params, optimizer.init(params)), jax.random.split(key, steps)
        )
        return values[-steps // 4 :].mean()

    params = init(key)
    return [float(train(params, jnp.float32(rate))) for rate in rates]


Curves = dict[str, dict[int, list[float]]]


def best(curve: Sequence[float]) -> int:
    """Where the loss is least; what diverged is not."""
    return int(np.nanargmin(curve))


def draw(curves: Curves, rates: Sequence[float], path: Path) -> Figure:
    """Save loss over learning rate: a panel for a parametrization, a line for a width."""
    figure = Figure(figsize=(9, 4), dpi=150, layout="constrained")
    panels = figure.subplots(1, len(curves), sharey=True, squeeze=False)[0]
    for axes, (name, by_width) in zip(panels, curves.items(), strict=True):
        colours = colormaps["viridis_r"](np.linspace(0.15, 1, len(by_width)))
        for (width, curve), colour, marker in zip(by_width.items(), colours, MARKERS, strict=False):
            axes.plot(rates, curve, color=colour, marker=marker, markersize=4, label=f"{width}")
            at = best(curve)
            # Above the lines, so that no width hides the best rate of another.
            style = {"markersize": 15, "markeredgecolor": "#333333", "zorder": 5}
            axes.plot([rates[at]], [curve[at]], "*", color=colour, **style)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_title(name, fontsize="medium")
        axes.set_xlabel("learning rate")
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("loss, the best marked")
    panels[-1].legend(title="width", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return figure


def main(argv: Sequence[str] | None = None) -> tuple[dict[Setting, Any], Curves]:
    """Check, plant errors, train, save the pictures; return what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--out", type=Path, default=Path("out/mup"), help="folder of the pictures")
    options = parser.parse_args(argv)
    console = Console()
    widths, steps = ([64, 256], 3) if options.quick else ([64, 128, 256, 512], 4)
    options.out.mkdir(parents=True, exist_ok=True)

    models, errors = (["mlp"], ERRORS[1:]) if options.quick else (list(MODELS), ERRORS)
    settings = [Setting(model, name) for model in models for name in ("standard", "muP")]
    planted = [Setting("transformer", "muP", error) for error in errors]
    checks = {}
    for setting in [*settings, *planted]:
        check = checks[setting] = coordinates(setting, widths, steps)
        console.rule(" ".join(filter(None, dataclasses.astuple(setting))))
        if setting in settings:
            console.print(check)
            check.plot().savefig(options.out / f"{setting.model}_{setting.parametrization}.png")
            continue
        try:
            check.assert_flat()
        except AssertionError as error:
            console.print("\n".join(str(error).splitlines()[:4]), highlight=False)

    rates = [2.0**power for power in (range(-12, -4, 2) if options.quick else range(-13, -3))]
    curves: Curves = {
        name: {
            width: losses(Setting("mlp", name), width, rates, 10 if options.quick else 40)
            for width in ([64, 256] if options.quick else [64, 256, 1024])
        }
        for name in ("standard", "muP")
    }
    console.rule("best learning rate")
    for name, by_width in curves.items():
        for width, curve in by_width.items():
            at = best(curve)
            console.print(f"{name}, width {width}: {rates[at]:.5f}, with a loss of {curve[at]:.4f}")
    draw(curves, rates, options.out / "transfer.png")
    console.print(f"Pictures: {options.out}", highlight=False)
    return checks, curves


if __name__ == "__main__":
    main()

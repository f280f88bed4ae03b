"""Audit a GPT-2: what is in its parameters, what they do to a signal, and what is wrong with them.

A model as its recipe makes it passes. Then faults are planted, one at a time, and each is found: by
`report`, which looks at the values; by `check`, which tests them, and says what would explain a
difference; and most by `signal`, which runs the model forward and back.

Run it: python examples/audit.py, or with --full for all of 124 million parameters
"""

import argparse
import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

from cthulhu import check, init_params, recipes, report
from cthulhu.diagnostics import Signal, signal

# Okabe and Ito (2008), told apart with every kind of colour vision.
COLOURS = ("#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7")
MARKERS = "osD^v"
REACH = 16.0  # How many times as large the picture shows; what is beyond stands at its edge.
ALIKE = 1.05  # Sizes that differ by no more are alike.


@dataclasses.dataclass(frozen=True)
class Sizes:
    """What a GPT-2 is made of."""

    layers: int = 3
    width: int = 128
    heads: int = 4
    vocabulary: int = 512
    positions: int = 64


FULL = Sizes(12, 768, 12, 50257, 1024)


def shapes(sizes: Sizes) -> dict[str, Any]:
    """All parameters, by their names in Hugging Face's checkpoints."""

    def spec(*shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, np.float32)

    def dense(inputs: int, outputs: int) -> dict[str, Any]:
        return {"weight": spec(inputs, outputs), "bias": spec(outputs)}

    width = sizes.width
    norm = {"weight": spec(width), "bias": spec(width)}
    block = {
        "ln_1": norm,
        "attn": {"c_attn": dense(width, 3 * width), "c_proj": dense(width, width)},
        "ln_2": norm,
        "mlp": {"c_fc": dense(width, 4 * width), "c_proj": dense(4 * width, width)},
    }
    return {
        "wte": {"weight": spec(sizes.vocabulary, width)},
        "wpe": {"weight": spec(sizes.positions, width)},
        "h": {str(at): block for at in range(sizes.layers)},
        "ln_f": norm,
    }


def dense(params: Any, x: jax.Array) -> jax.Array:
    """A layer."""
    return x @ params["weight"] + params["bias"][None, None]


def norm(params: Any, x: jax.Array) -> jax.Array:
    """A layer norm."""
    x = jax.nn.standardize(x, epsilon=1e-5)
    return x * params["weight"][None, None] + params["bias"][None, None]


def gpt2(sizes: Sizes, params: Any, tokens: jax.Array) -> jax.Array:
    """The logits of the next token, at every place."""
    heads = (sizes.heads, sizes.width // sizes.heads)
    x = params["wte"]["weight"][tokens] + params["wpe"]["weight"][None, : tokens.shape[1]]
    for at in range(sizes.layers):
        block = params["h"][str(at)]
        packed = dense(block["attn"]["c_attn"], norm(block["ln_1"], x))
        parts = (part.reshape(*part.shape[:2], *heads) for part in jnp.split(packed, 3, axis=-1))
        mixed = jax.nn.dot_product_attention(*parts, is_causal=True).reshape(x.shape)
        x = x + dense(block["attn"]["c_proj"], mixed)
        hidden = jax.nn.gelu(dense(block["mlp"]["c_fc"], norm(block["ln_2"], x)))
        x = x + dense(block["mlp"]["c_proj"], hidden)
    return norm(params["ln_f"], x) @ params["wte"]["weight"].T


@dataclasses.dataclass(frozen=True)
class Fault:
    """What is done to one parameter."""

    path: str
    change: Callable[[jax.Array, Sizes], jax.Array]

    def plant(self, params: Any, sizes: Sizes) -> Any:
        """The parameters with the fault."""

        def one(path: Any, value: jax.Array) -> jax.Array:
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            return self.change(value, sizes) if name == self.path else value

        return jax.tree.map_with_path(one, params)


FAULTS = {
    "twice as wide": Fault("h/1/mlp/c_fc/weight", lambda w, sizes: 2 * w),
    "not scaled by depth": Fault(
        "h/2/attn/c_proj/weight", lambda w, sizes: math.sqrt(2 * sizes.layers) * w
    ),
    "one number": Fault("h/1/attn/c_attn/weight", lambda w, sizes: jnp.full_like(w, 0.02)),
    "one NaN": Fault("h/2/mlp/c_proj/weight", lambda w, sizes: w.at[5, 7].set(jnp.nan)),
    "drawn in bfloat16": Fault(
        "wpe/weight", lambda w, sizes: w.astype(jnp.bfloat16).astype(jnp.float32)
    ),
}


@dataclasses.dataclass(frozen=True)
class Found:
    """What is said of a model."""

    report: dict[str, list[str]]  # The kinds of faults, by path.
    check: dict[str, dict[str, str]]  # Their kinds, with what is said of them, by path.
    signal: Signal


def look(params: Any, sizes: Sizes, tokens: jax.Array) -> Found:
    """Audit a model."""
    seen, tested = report(params, "gpt2"), check(params, "gpt2")
    return Found(
        {leaf.path: [flag.kind for flag in leaf.faults] for leaf in seen.failures},
        {leaf.path: dict(leaf.flags) for leaf in tested.failures},
        signal(functools.partial(gpt2, sizes), params, tokens),
    )


def ratios(found: Found, healthy: Found, of: str) -> list[float]:
    """How many times as large as in a healthy model a signal is, at each layer."""
    pairs = zip(found.signal.leaves, healthy.signal.leaves, strict=True)
    return [getattr(one, of) / getattr(other, of) for one, other in pairs]


def departs(found: Found, healthy: Found) -> str:
    """Where the forward signal departs from that of a healthy model."""
    for row, ratio in zip(found.signal.leaves, ratios(found, healthy, "rms"), strict=True):
        if not 1 / ALIKE < ratio < ALIKE:
            return f"{row.path}: " + ("NaN" if math.isnan(ratio) else f"× {ratio:.2g}")
    return "as if healthy"


def show(models: dict[str, Found], sizes: Sizes, count: int) -> None:
    """Print what was found, and what check says of it."""
    healthy = models["nothing"]
    title = f"GPT-2 of {sizes.layers} layers, {count / 1e6:.3g} million parameters"
    table = Table(title=title, box=box.SIMPLE, pad_edge=False, collapse_padding=True)
    for name in ("planted", "report", "check", "the signal departs"):
        table.add_column(name)
    for name, found in models.items():
        kinds = [
            ", ".join(kind for flags in by_path.values() for kind in flags) or "healthy"
            for by_path in (found.report, found.check)
        ]
        table.add_row(name, *kinds, "" if found is healthy else departs(found, healthy))
    Console().print(table)
    for found in models.values():
        for path, flags in found.check.items():
            for detail in flags.values():
                print(f"{path}: {detail}")


def draw(models: dict[str, Found], path: Path) -> Figure:
    """Save the signals beside those of the healthy model, forward and backward."""
    healthy = models["nothing"]
    names = [row.path.removesuffix("/weight") for row in healthy.signal.leaves]
    places = np.arange(len(names))
    figure = Figure(figsize=(max(8, 0.25 * len(names)), 6.5), dpi=150, layout="constrained")
    titles = {
        "rms": "Outputs, forward: root mean square (at the edge: what is beyond)",
        "gradient": "Gradients that arrive at them, backward: root mean square",
    }
    for axes, (of, title) in zip(figure.subplots(2, sharex=True), titles.items(), strict=True):
        axes.axhline(1, color="black", lw=1)
        for at, (name, fault) in enumerate(FAULTS.items()):
            found = np.clip(ratios(models[name], healthy, of), 1 / REACH, REACH)
            style = {"color": COLOURS[at], "marker": MARKERS[at], "lw": 1.4}
            # A mark where it departs, so that none hides another where all agree.
            marked = np.flatnonzero(np.abs(np.log(found)) > math.log(ALIKE)).tolist()
            axes.plot(places, found, markevery=marked, label=f"{name}: {fault.path}", **style)
            if np.isnan(found).any():
                at_end, text = (-1, "← NaN") if of == "gradient" else (0, "NaN →")
                end = np.flatnonzero(np.isnan(found))[at_end]
                axes.plot(end, 1, marker="X", ms=9, color=COLOURS[at])
                axes.annotate(text, (end, 1), (0, 9), textcoords="offset points", ha="center")
        axes.set_yscale("log", base=2)
        axes.set_ylim(0.9 / REACH, 1.1 * REACH)
        axes.set_yticks([2.0**power for power in range(-4, 5, 2)], ["1/16", "1/4", "1", "4", "16"])
        axes.minorticks_off()
        axes.set_ylabel("of a healthy model's")
        axes.set_title(title, loc="left", fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color="#eeeeee")
    axes.set_xticks(places, names, rotation=90, fontsize="x-small")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", frameon=False, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return figure


def main(argv: Sequence[str] | None = None) -> dict[str, Found]:
    """Make a model, spoil it, look at each; return what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--full", action="store_true", help="GPT-2 as large as it was released")
    parser.add_argument("--seed", type=int, default=0, help="of the parameters (0)")
    parser.add_argument("--out", type=Path, default=Path("out/audit.png"), help="picture")
    options = parser.parse_args(argv)
    sizes = FULL if options.full else Sizes()
    tokens = jax.random.randint(jax.random.key(1), (4, 64), 0, sizes.vocabulary)
    params = init_params(options.seed, shapes(sizes), recipes.rules("gpt2"))
    models = {"nothing": look(params, sizes, tokens)}
    for name, fault in FAULTS.items():
        models[name] = look(fault.plant(params, sizes), sizes, tokens)
    show(models, sizes, sum(leaf.size for leaf in jax.tree.leaves(params)))
    draw(models, options.out)
    print(f"Signals: {options.out}")
    return models


if __name__ == "__main__":
    main()

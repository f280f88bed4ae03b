"""Draw wide, round once: what a draw in 16 bits loses, and what a rounded one keeps.

`jax.nn.initializers` draw in the type of the result. In bfloat16 a draw has few numbers to start
from, and a normal made of them has few values, no tails, and a mean that is not zero, which adds
up in a layer. This library draws in float32 and rounds once. Every number here is measured.

Run it: python examples/bf16.py
"""

import argparse
import dataclasses
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
from scipy.special import ndtr, ndtri

from cthulhu import functional

FAR = 3.0
WIDTH = 1024  # Outputs of a layer.
FANS = (16, 64, 256, 1024, 4096)
TYPES = ("bfloat16", "float16", "float32")
# Okabe and Ito (2008), told apart with every kind of colour vision.
COLOURS = {"jax.nn": "#D55E00", "cthulhu": "#0072B2"}
MARKERS = {"jax.nn": "s", "cthulhu": "o"}
HOW = {"jax.nn": "drawn in bfloat16: jax.nn", "cthulhu": "drawn in float32, rounded: cthulhu"}

Init = Callable[..., jax.Array]


def normal(stddev: float) -> dict[str, Init]:
    """One law, as drawn by both."""

    def wide(key: jax.Array, shape: Sequence[int], dtype: Any) -> jax.Array:
        return functional.random_normal(key, shape, dtype, stddev=stddev)

    return {"jax.nn": jax.nn.initializers.normal(stddev), "cthulhu": wide}


@dataclasses.dataclass(frozen=True)
class Seen:
    """Numbers of values that should be standard normal."""

    distinct: int
    mean: float
    errors: float  # The mean in standard errors.
    stddev: float
    far: float  # The share farther than three standard deviations from 0.
    largest: float
    smallest: float  # Of those that are not 0.
    zeros: int


def look(values: jax.Array) -> Seen:
    """Measure values."""
    wide = np.asarray(values).astype(np.float64).reshape(-1)
    size = np.abs(wide)
    mean = float(wide.mean())
    return Seen(
        distinct=np.unique(wide).size,
        mean=mean,
        errors=mean * math.sqrt(wide.size),
        stddev=float(wide.std()),
        far=float((size > FAR).mean()),
        largest=float(size.max()),
        smallest=float(size[size > 0].min()),
        zeros=int((size == 0).sum()),
    )


def law(count: int) -> Seen:
    """What so many numbers of the law itself show: extremes in the median."""
    rare = -math.expm1(math.log(0.5) / count)  # So improbable is what one of two such sets has.
    return Seen(
        distinct=count,
        mean=0.0,
        errors=0.0,
        stddev=1.0,
        far=float(2 * ndtr(-FAR)),
        largest=float(-ndtri(rare / 2)),
        smallest=float(ndtri(0.5 + rare / 2)),
        zeros=0,
    )


def biases(key: jax.Array) -> dict[str, list[float]]:
    """The mean output of layers in bfloat16 on an input of ones, by the number of inputs.

    Each output is a sum of weights, of standard deviation 1 and, by the law, of mean 0.
    """
    found: dict[str, list[float]] = {name: [] for name in HOW}
    for fan_in in FANS:
        for name, init in normal(fan_in**-0.5).items():
            kernel = np.asarray(init(key, (fan_in, WIDTH), jnp.bfloat16))
            found[name].append(float(kernel.astype(np.float64).sum(axis=0).mean()))
    return found


def show(seen: dict[tuple[str, str], Seen], means: dict[str, list[float]]) -> None:
    """Print both tables."""
    table = Table(
        title="Standard normal values", box=box.SIMPLE, pad_edge=False, collapse_padding=True
    )
    table.add_column("", no_wrap=True)
    for name in ("distinct", "mean", "stddev", "beyond 3", "most", "least", "zeros"):
        table.add_column(name, justify="right")
    for (dtype, name), one in seen.items():
        table.add_row(
            *(f"{dtype}, {name}", f"{one.distinct:,}", f"{one.mean:+.4f}", f"{one.stddev:.4f}"),
            *(f"{one.far:.3%}", f"{one.largest:.2f}", f"{one.smallest:.0e}", f"{one.zeros:,}"),
        )
    console = Console()
    console.print(table)
    for (dtype, name), one in seen.items():
        if abs(one.errors) > FAR:
            print(f"{dtype}, {name}: the mean is {one.errors:+.1f} standard errors from 0")
    title = f"Mean of {WIDTH} outputs on ones, in bfloat16; standard error {WIDTH**-0.5:.3f}"
    table = Table(title=title, box=box.SIMPLE)
    for name in ("inputs", *HOW.values()):
        table.add_column(name, justify="right")
    for fan_in, *row in zip(FANS, *means.values(), strict=True):
        table.add_row(f"{fan_in:,}", *(f"{mean:+.3f}" for mean in row))
    console.print(table)


def draw(drawn: dict[str, jax.Array], means: dict[str, list[float]], path: Path) -> Figure:
    """Save the densities of both draws over that of the law, and the means of layers."""
    figure = Figure(figsize=(10, 5), dpi=150, layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(3, 2))
    # No bin ends at a number of bfloat16, so that each has as many of them as its neighbours.
    edges = (np.arange(-96, 97) + 1 / 3) / 16
    points = np.linspace(-6, 6, 601)
    upper = None
    for row, (name, values) in enumerate(drawn.items()):
        upper = axes = figure.add_subplot(grid[row, 0], sharex=upper, sharey=upper)
        density, _ = np.histogram(np.asarray(values).astype(np.float64), edges, density=True)
        axes.stairs(density, edges, baseline=1e-9, fill=True, color=COLOURS[name], alpha=0.75)
        axes.plot(points, np.exp(-(points**2) / 2) / math.sqrt(2 * math.pi), color="black", lw=1)
        axes.set_yscale("log")
        axes.set_ylim(1e-7, 1.5)
        axes.set_ylabel("density")
        axes.set_title(HOW[name], loc="left", fontsize="medium")
    axes.set_xlabel("value; the line is the normal law")
    axes = figure.add_subplot(grid[:, 1])
    error = 2 / math.sqrt(WIDTH)
    axes.axhspan(-error, error, color="#dddddd", label="two standard errors")
    for name, means_of_one in means.items():
        axes.plot(
            FANS, means_of_one, marker=MARKERS[name], lw=2, color=COLOURS[name], label=HOW[name]
        )
    axes.set_xscale("log", base=2)
    axes.set_xticks(FANS, [f"{fan:,}" for fan in FANS])
    axes.set_xlabel("inputs of a layer")
    axes.set_title("Mean output on ones, in standard deviations", loc="left", fontsize="medium")
    axes.legend(frameon=False, loc="lower left", fontsize="small")
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return figure


def main(argv: Sequence[str] | None = None) -> dict[tuple[str, str], Seen]:
    """Draw, print the tables, save the picture; return what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=2**22, help="values of a draw (4194304)")
    parser.add_argument("--seed", type=int, default=0, help="of all draws (0)")
    parser.add_argument("--out", type=Path, default=Path("out/bf16.png"), help="picture")
    options = parser.parse_args(argv)
    if options.count < 1:
        parser.error(f"--count must be at least 1; got {options.count}")
    key, shape = jax.random.key(options.seed), (options.count,)
    drawn = {
        (dtype, name): init(key, shape, jnp.dtype(dtype))
        for dtype in TYPES
        for name, init in normal(1.0).items()
    }
    seen = {one: look(values) for one, values in drawn.items()}
    seen["real", "the law"] = law(options.count)
    means = biases(key)
    show(seen, means)
    draw({name: drawn["bfloat16", name] for name in HOW}, means, options.out)
    print(f"Densities and means: {options.out}")
    return seen


if __name__ == "__main__":
    main()

"""Train a deep model on real images, once per initializer, and compare.

The images are scikit-learn's handwritten digits, which ship with that package. Each
model is the same stack of `Daoloth` layers; only the name of its initializer differs.

Run it with `make demo`, or: python examples/quickstart.py --depth 12 --epochs 60
"""

import argparse
import dataclasses
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from cthulhu.layers import Daoloth
from cthulhu.models import Sequential

INITIALIZERS = (
    "zeros",
    "random_uniform",
    "random_normal",
    "lecun_normal",
    "glorot_uniform",
    "he_normal",
    "orthogonal",
)
WIDTH, CLASSES, BATCH, LEARNING_RATE = 64, 10, 64, 1e-3
# Okabe and Ito (2008), told apart with every kind of colour vision; without yellow.
COLOURS = ("#000000", "#E69F00", "#D55E00", "#CC79A7", "#56B4E9", "#009E73", "#0072B2")
DASHES = ("-", "--", "-.", ":")


@dataclasses.dataclass(frozen=True)
class Run:
    """What training with one initializer gave."""

    losses: list[float]  # before training, then the mean of each epoch
    accuracy: float
    seconds: float


def load() -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """1797 images of 8 by 8 pixels, as rows in [-0.5, 0.5]; the split is fixed."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16 - 0.5).astype("float32")
    parts = train_test_split(
        images, labels.astype("int32"), test_size=450, random_state=0, stratify=labels
    )
    x_train, x_test, y_train, y_test = map(jnp.asarray, parts)
    return x_train, y_train, x_test, y_test


def build(initializer: str, depth: int) -> Sequential:
    """A stack of `depth` layers, all with the same kernel initializer."""
    model = Sequential()
    for _ in range(depth - 1):
        model.add(Daoloth(WIDTH, activation="relu", kernel_initializer=initializer))
    return model.add(Daoloth(CLASSES, kernel_initializer=initializer))


def make_epoch(
    loss_of: Callable[..., jax.Array], optimizer: optax.GradientTransformation, size: int
) -> Callable[..., Any]:
    """One pass over the training images in a random order, as one compiled program."""

    @jax.jit
    def epoch(params: Any, state: Any, key: jax.Array, x: jax.Array, y: jax.Array) -> Any:
        batch = min(BATCH, size)
        order = jax.random.permutation(key, size)[: size // batch * batch].reshape(-1, batch)

        def step(carry: Any, rows: jax.Array) -> Any:
            params, state = carry
            loss, gradient = jax.value_and_grad(loss_of)(params, x[rows], y[rows])
            updates, state = optimizer.update(gradient, state, params)
            return (optax.apply_updates(params, updates), state), loss

        (params, state), losses = jax.lax.scan(step, (params, state), order)
        return params, state, losses.mean()

    return epoch


def train_all(names: Iterable[str], depth: int, epochs: int, seed: int, console: Console) -> dict:
    """Train one model per name; all start from the same key and see the same batches."""
    x_train, y_train, x_test, y_test = load()
    optimizer = optax.adam(LEARNING_RATE)
    # What a model computes does not depend on its initializer, so one program serves all.
    apply = build("zeros", depth).apply

    @jax.jit
    def loss_of(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        return optax.softmax_cross_entropy_with_integer_labels(apply(params, x), y).mean()

    epoch = make_epoch(loss_of, optimizer, len(x_train))
    init_key, data_key = jax.random.split(jax.random.key(seed))
    names = list(names)
    runs: dict[str, Run] = {}
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("compiling", total=len(names) * epochs)
        params = build("zeros", depth).init(init_key, x_train.shape)
        loss_of(params, x_train, y_train)
        epoch(params, optimizer.init(params), data_key, x_train, y_train)
        for name in names:
            progress.update(task, description=name)
            start = time.perf_counter()
            params = build(name, depth).init(init_key, x_train.shape)
            state = optimizer.init(params)
            losses = [float(loss_of(params, x_train, y_train))]
            for number in range(epochs):
                key = jax.random.fold_in(data_key, number)
                params, state, loss = epoch(params, state, key, x_train, y_train)
                losses.append(float(loss))
                progress.advance(task)
            correct = apply(params, x_test).argmax(axis=-1) == y_test
            runs[name] = Run(losses, float(correct.mean()), time.perf_counter() - start)
    return runs


def show(runs: dict[str, Run], console: Console) -> None:
    """Print the results as a table."""
    table = Table(title="Handwritten digits")
    table.add_column("kernel_initializer")
    for heading in ("loss before", "loss after", "test accuracy", "seconds"):
        table.add_column(heading, justify="right")
    for name, run in runs.items():
        table.add_row(
            name,
            f"{run.losses[0]:.4f}",
            f"{run.losses[-1]:.4f}",
            f"{run.accuracy:.1%}",
            f"{run.seconds:.1f}",
        )
    console.print(table)


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Move heights apart until neighbours are at least `gap` away from each other."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    placed = list(heights)
    for _ in range(1000):
        for low, high in itertools.pairwise(order):
            lack = gap - (placed[high] - placed[low])
            if lack > 1e-6:
                placed[low] -= lack / 2
                placed[high] += lack / 2
    return placed


def draw(runs: dict[str, Run], depth: int, path: Path) -> Figure:
    """Save the loss curves, each labelled at its end."""
    figure = Figure(figsize=(9, 5.5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    epochs = len(next(iter(runs.values())).losses) - 1
    styles = {
        name: {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS)]}
        for i, name in enumerate(runs)
    }
    for name, run in runs.items():
        axes.plot(range(epochs + 1), run.losses, linewidth=2, **styles[name])
    axes.set_yscale("log")
    axes.set_xlim(0, epochs)
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss (cross-entropy, log scale)")
    axes.set_title(f"Handwritten digits, {depth} deep, by kernel_initializer", pad=12)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(which="major", color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)

    # Labels stand beside the curves' ends, each with a piece of its curve's line; what leads to it
    # is thin and grey, so that nothing looks like a measurement after the last one.
    # Heights are fractions of the axis.
    to_fraction = axes.transScale + axes.transLimits
    ends = [float(to_fraction.transform((epochs, run.losses[-1]))[1]) for run in runs.values()]
    for name, end, height in zip(runs, ends, spread(ends, 0.05), strict=True):
        beside = {"transform": axes.transAxes, "clip_on": False}
        axes.plot([1.01, 1.04], [end, height], color="#999999", linewidth=0.6, **beside)
        axes.plot([1.05, 1.10], [height, height], linewidth=2, **styles[name], **beside)
        axes.text(1.115, height, f"{name}  {runs[name].accuracy:.0%}", va="center", **beside)
    axes.annotate(
        "initializer and test accuracy",
        xy=(1.05, 1.0),
        xycoords="axes fraction",
        va="bottom",
        fontsize="small",
        color="#555555",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return figure


def main(argv: Sequence[str] | None = None) -> dict[str, Run]:
    """Train, print the table, save the picture; return what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=40, help="passes over the images (40)")
    parser.add_argument("--depth", type=int, default=8, help="layers of the model (8)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and the batches (0)")
    parser.add_argument("--out", type=Path, default=Path("out/quickstart.png"), help="picture")
    options = parser.parse_args(argv)
    for flag in ("epochs", "depth"):
        if getattr(options, flag) < 1:
            parser.error(f"--{flag} must be at least 1; got {getattr(options, flag)}")
    console = Console()
    runs = train_all(INITIALIZERS, options.depth, options.epochs, options.seed, console)
    show(runs, console)
    draw(runs, options.depth, options.out)
    console.print(f"Loss curves: {options.out}", highlight=False)
    return runs


if __name__ == "__main__":
    main()

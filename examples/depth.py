"""A hundred layers of tanh: what trains, and how it is seen before a single step.

The same network begins with `random_uniform`, with orthogonal kernels, and with `calibrate`, which
fits kernels to a batch. `signal` shows what becomes of the input on its way through, and of the
gradient on its way back; then all three are trained.

Run it: python examples/depth.py
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits

from cthulhu import calibrate, diagnostics, initializers

LAYERS, WIDTH, CLASSES = 100, 64, 10
STEPS, BATCH, RATE = 300, 256, 3e-4
TARGET = 0.2  # Standard deviation before a tanh, where it is all but linear.
STYLES = {
    "random_uniform": ("#D55E00", ":"),
    "orthogonal": ("#0072B2", "--"),
    "calibrate": ("#000000", "-"),
}


class Outcome(NamedTuple):
    """What is seen of one network."""

    signal: diagnostics.Signal
    losses: list[float]
    accuracy: float


def network(params: Any, x: jax.Array) -> jax.Array:
    """Logits of ten digits."""

    def layer(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, None]:
        return jnp.tanh(x @ kernel), None

    x, _ = jax.lax.scan(layer, x, params["hidden"])
    return x @ params["out"]


def digits() -> tuple[tuple[jax.Array, jax.Array], tuple[jax.Array, jax.Array]]:
    """Images of digits and their labels, standardized: for training, and for a test."""
    images, labels = load_digits(return_X_y=True)
    x = (images - images.mean()) / images.std()
    order = np.random.default_rng(0).permutation(len(x))
    x, y = jnp.asarray(x[order], jnp.float32), jnp.asarray(labels[order])
    return (x[:1400], y[:1400]), (x[1400:], y[1400:])


def beginnings(x: jax.Array) -> dict[str, Any]:
    """The parameters that each begins with."""
    keys = jax.random.split(jax.random.key(0))

    def drawn(init: Any) -> Any:
        # One law for all layers, each with a key of its own.
        stack = jax.vmap(lambda key: init(key, (WIDTH, WIDTH)))
        hidden = stack(jax.random.split(keys[0], LAYERS - 1))
        return {"hidden": hidden, "out": init(keys[1], (WIDTH, CLASSES))}

    uniform = drawn(initializers.RandomUniform())
    calibrated, found = calibrate(network, uniform, x, targets=TARGET, orthonormal=0)
    assert not found.failures
    return {
        "random_uniform": uniform,
        "orthogonal": drawn(initializers.Orthogonal()),
        "calibrate": calibrated,
    }


def train(params: Any, data: Any, steps: int) -> tuple[Any, list[float]]:
    """Some steps of Adam, and the loss at each."""
    x, y = data
    optimizer = optax.adam(RATE)

    def loss(params: Any, rows: jax.Array) -> jax.Array:
        logits = network(params, x[rows])
        return optax.softmax_cross_entropy_with_integer_labels(logits, y[rows]).mean()

    def step(carry: Any, key: jax.Array) -> Any:
        params, state = carry
        rows = jax.random.choice(key, len(x), (BATCH,), replace=False)
        value, slopes = jax.value_and_grad(loss)(params, rows)
        updates, state = optimizer.update(slopes, state, params)
        return (optax.apply_updates(params, updates), state), value

    keys = jax.random.split(jax.random.key(1), steps)
    run = jax.jit(lambda carry: jax.lax.scan(step, carry, keys))
    (params, _), losses = run((params, optimizer.init(params)))
    return params, losses.tolist()


def looked_at(params: Any, data: Any, test: Any, steps: int) -> Outcome:
    """The signal before the first step, and what comes of training."""
    x, y = data

    def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        logits = network(params, x)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    signal = diagnostics.signal(loss, params, x[:BATCH], y[:BATCH])
    params, losses = train(params, data, steps)
    right = jnp.argmax(network(params, test[0]), axis=1) == test[1]
    return Outcome(signal, losses, float(right.mean()))


def table(outcomes: dict[str, Outcome]) -> Table:
    """What is seen of each, in numbers."""
    found = Table(title=f"{LAYERS} layers of tanh")
    found.add_column("begins with")
    for name in ("first layer", "last layer", "gradient, last", "gradient, first", "loss"):
        found.add_column(name, justify="right")
    found.add_column("accuracy", justify="right")
    for name, outcome in outcomes.items():
        first, *_, last, _ = outcome.signal.leaves
        sizes = [first.rms, last.rms, last.gradient, first.gradient, np.mean(outcome.losses[-10:])]
        found.add_row(name, *(f"{size:.2g}" for size in sizes), f"{outcome.accuracy:.0%}")
    return found


def picture(outcomes: dict[str, Outcome]) -> Figure:
    """Forward, backward, and the loss."""
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    forward, backward, losses = figure.subplots(1, 3)
    for name, outcome in outcomes.items():
        color, line = STYLES[name]
        rows = outcome.signal.leaves[:-1]  # The last is the readout.
        depth = np.arange(1, len(rows) + 1)
        style = {"color": color, "linestyle": line, "label": name}
        forward.semilogy(depth, [row.rms for row in rows], **style)
        backward.semilogy(depth, [row.gradient for row in rows], **style)
        losses.plot(outcome.losses, **style)
    forward.set(title="forward: root mean square", xlabel="layer")
    backward.set(title="backward: gradient", xlabel="layer")
    losses.set(title="loss", xlabel="step", ylim=(0, None))
    forward.legend(frameon=False)
    for axis in (forward, backward, losses):
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def main(arguments: Sequence[str] | None = None) -> dict[str, Outcome]:
    """Look at three beginnings, and train them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of training ({STEPS})")
    parser.add_argument("--out", type=Path, default=Path("out/depth.png"), help="picture")
    chosen = parser.parse_args(arguments)
    data, test = digits()
    outcomes = {
        name: looked_at(params, data, test, chosen.steps)
        for name, params in beginnings(data[0][:BATCH]).items()
    }
    console = Console()
    console.print(table(outcomes))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    picture(outcomes).savefig(chosen.out, dpi=150)
    console.print(f"The picture is {chosen.out}.")
    return outcomes


if __name__ == "__main__":
    main()

"""Restore a checkpoint into a larger model, and initialize only what it lacks.

A small model is saved by Orbax. Another one has the same body, the same head and a new head.
What the checkpoint holds is restored as it is; the new head gets the values that it has in a model
initialized whole, since the key of a parameter follows from its path alone.

Run it with a folder to keep the checkpoint: python examples/partial_checkpoint.py FOLDER
"""

import sys
import tempfile
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from rich.console import Console
from rich.table import Table

from cthulhu.params import Rules, fill, init_params

SEED = 0
RULES = Rules([(".*/kernel", "he_normal"), (".*/bias", "zeros")])


class Classifier(nn.Module):
    """A body, and a head for each of its tasks."""

    tasks: tuple[str, ...]

    @nn.compact
    def __call__(self, inputs: jax.Array) -> dict[str, jax.Array]:
        """Map inputs (batch, 64) to ten scores for each task."""
        x = nn.relu(nn.Dense(128, name="body")(inputs))
        return {task: nn.Dense(10, name=task)(x) for task in self.tasks}


def shapes_of(model: Classifier) -> dict:
    """What the parameters of a model are like; none is made."""
    inputs = jax.ShapeDtypeStruct((1, 64), jnp.float32)
    return jax.eval_shape(model.init, jax.random.key(0), inputs)["params"]


def save(params: dict, folder: Path) -> None:
    """Write a checkpoint."""
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder.absolute(), params)


def restore(folder: Path) -> dict:
    """Read all that a checkpoint holds."""
    with ocp.StandardCheckpointer() as checkpointer:
        return checkpointer.restore(folder.absolute())


def show(params: dict, restored: dict, whole: dict) -> None:
    """Print where each parameter comes from."""
    table = Table("parameter", "shape", "comes from", "is what it should be")
    for name, layer in params.items():
        for part, value in layer.items():
            if name in restored:
                source, right = "checkpoint", value is restored[name][part]
            else:
                source, right = "fill", np.array_equal(value, whole[name][part])
            table.add_row(f"{name}/{part}", str(value.shape), source, str(bool(right)))
    Console().print(table)


def main(folder: Path) -> dict:
    """Save a small model, restore it into a larger one, fill the rest."""
    small, large = Classifier(("digits",)), Classifier(("digits", "letters"))
    trained = jax.tree.map(lambda leaf: leaf + 1, init_params(SEED, shapes_of(small), RULES))
    save(trained, folder / "checkpoint")

    restored = restore(folder / "checkpoint")
    like = shapes_of(large)
    # A new head is to be initialized; that anything else were missing would be a mistake.
    missing = {"letters/.*": "init", ".*": "error"}
    params = fill(restored, SEED, RULES, like=like, missing=missing)

    show(params, restored, init_params(SEED, like, RULES))
    scores = large.apply({"params": params}, jnp.ones((1, 64)))
    print("scores:", {task: value.shape for task, value in scores.items()})
    return params


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder))

"""Write a new model to disk, one parameter at a time, and check what was written.

Only one parameter is in memory at a time, so the model may be larger than that.
Each one is a safetensors file of its own, named after its path.

Run it with a folder to keep the files: python examples/stream_checkpoint.py FOLDER
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
from safetensors.numpy import load_file, save_file

from cthulhu.initializers import HeNormal
from cthulhu.params import Plan, Report, Rules, plan, verify

SEED = 0


class Network(nn.Module):
    """Eight dense layers."""

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        """Map inputs (batch, 256) to ten scores each."""
        x = inputs
        for _ in range(8):
            x = nn.relu(nn.Dense(256)(x))
        return nn.Dense(10)(x)


def write(model: Plan, folder: Path) -> None:
    """Make the parameters and save each as it comes."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, array in model.stream(SEED):
        save_file({path: jax.device_get(array)}, folder / f"{path.replace('/', '.')}.safetensors")


def read(folder: Path) -> Iterator[tuple[str, jax.Array]]:
    """The paths and the parameters that were saved."""
    for file in sorted(folder.glob("*.safetensors")):
        yield from load_file(file).items()


def main(folder: Path) -> Report:
    """Plan, write, read back, verify."""
    inputs = jax.ShapeDtypeStruct((1, 256), jnp.float32)
    tree = jax.eval_shape(Network().init, jax.random.key(0), inputs)["params"]
    model = plan(tree, Rules([(".*/kernel", HeNormal()), (".*/bias", "zeros")]))
    print(f"{len(model.rows)} parameters, {model.nbytes:,} bytes, {model.programs} program")

    write(model, folder)
    print(f"{sum(file.stat().st_size for file in folder.iterdir()):,} bytes in {folder}")

    params: dict = {}
    for path, array in read(folder):
        layer, name = path.split("/")
        params.setdefault(layer, {})[name] = array
    report = verify(params, SEED, model, sample=0)
    print(f"{report.elements:,} elements checked; as planned: {bool(report)}")

    params["Dense_3"]["kernel"][5, 7] += 1e-6
    report = verify(params, SEED, model, sample=0)
    print("after changing one:", *(f"{wrong.path} {wrong.index}" for wrong in report.mismatches))
    return report


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            main(Path(folder))

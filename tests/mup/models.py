"""Small models at several widths, and what their parameters are used as, written by hand."""

from typing import Any

import jax
import numpy as np

from cthulhu.mup import Shapes, infer
from cthulhu.usage import LeafUsage, Usage, Use

VOCABULARY, HEAD = 40, 8


def spec(*shape: int, dtype: Any = np.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def transformer(heads: int, hidden: int, layers: int = 3) -> dict[str, Any]:
    """Layers are stacked along the first axis; the width is the number of heads."""
    width = heads * HEAD
    block = {
        "query": spec(layers, width, heads, HEAD),
        "out": spec(layers, heads, HEAD, width),
        "up": {"kernel": spec(layers, width, hidden), "bias": spec(layers, hidden)},
        "norm": spec(layers, width),
    }
    return {
        "embed": spec(VOCABULARY, width),
        "blocks": block,
        "final_norm": spec(width),
        "head": {"kernel": spec(width, VOCABULARY), "bias": spec(VOCABULARY)},
        "temperature": spec(),
    }


def leaf(
    path: str, shape: tuple[int, ...], role: Any, tied: bool = False, **axes: Any
) -> LeafUsage:
    use = Use(role, "dot_general", **axes)
    return LeafUsage(path, shape, role, () if role == "unused" else (use,), tied)


def usage(heads: int = 2, hidden: int = 32, layers: int = 3) -> Usage:
    width = heads * HEAD
    stacked = {"stacked": (0,)}
    return Usage(
        (
            leaf("blocks/norm", (layers, width), "scale", outputs=(1,), **stacked),
            leaf(
                *("blocks/out", (layers, heads, HEAD, width), "kernel"),
                **{"inputs": (1, 2), "outputs": (3,), **stacked},
            ),
            leaf(
                *("blocks/query", (layers, width, heads, HEAD), "kernel"),
                **{"inputs": (1,), "outputs": (2, 3), **stacked},
            ),
            leaf("blocks/up/bias", (layers, hidden), "bias", outputs=(1,), **stacked),
            leaf(
                *("blocks/up/kernel", (layers, width, hidden), "kernel"),
                **{"inputs": (1,), "outputs": (2,), **stacked},
            ),
            leaf("embed", (VOCABULARY, width), "table", inputs=(0,), outputs=(1,)),
            leaf("final_norm", (width,), "scale", outputs=(0,)),
            leaf("head/bias", (VOCABULARY,), "bias", outputs=(0,)),
            leaf("head/kernel", (width, VOCABULARY), "kernel", inputs=(0,), outputs=(1,)),
            leaf("temperature", (), "scale"),
        )
    )


BASE = {"heads": 2, "hidden": 32}


def shapes(heads: int, hidden: int, layers: int = 3, **options: Any) -> Shapes:
    """Of a transformer beside that of 2 heads and 32 hidden units."""
    wide = transformer(heads, hidden, layers)
    return infer(transformer(**BASE, layers=layers), wide, usage(), **options)


def mlp(width: int, inputs: int = 6, outputs: int = 4) -> dict[str, Any]:
    return {
        "first": {"kernel": spec(inputs, width), "bias": spec(width)},
        "middle": {"kernel": spec(width, width), "bias": spec(width)},
        "last": {"kernel": spec(width, outputs), "bias": spec(outputs)},
    }


def tied(width: int) -> Shapes:
    """An embedding that is the readout too, and a hidden kernel, beside those of width 16."""

    def tree(width: int) -> dict[str, Any]:
        return {"embed": spec(VOCABULARY, width), "hidden": spec(width, width)}

    known = Usage(
        (
            leaf("embed", (VOCABULARY, 16), "table", tied=True, inputs=(0,), outputs=(1,)),
            leaf("hidden", (16, 16), "kernel", inputs=(0,), outputs=(1,)),
        )
    )
    return infer(tree(16), tree(width), known)

"""Models of every kind, with tables of what their parameters are used as.

The tables are written by hand, from what the models compute. See `_model` for how to read them.
"""

from collections.abc import Mapping

from tests.usage.zoo import (
    corners,
    equinox,
    forms,
    haiku,
    keras,
    linen,
    mixtures,
    nnx,
    papers,
    pieces,
    programs,
    recurrent,
    transformers,
    vision,
)
from tests.usage.zoo._model import Model, Program, Row, differences, f32, i32, seen, told

__all__ = ["ZOO", "Model", "Program", "Row", "differences", "f32", "i32", "seen", "told"]

FILES: Mapping[str, Mapping[str, Model]] = {
    "linen": linen.MODELS,
    "linen, recurrent": recurrent.MODELS,
    "nnx": nnx.MODELS,
    "equinox": equinox.MODELS,
    "haiku": haiku.MODELS,
    "keras": keras.MODELS,
    "transformers": transformers.MODELS,
    "vision": vision.MODELS,
    "mixtures": mixtures.MODELS,
    "programs": programs.MODELS,
    "pieces": pieces.MODELS,
    "forms": forms.MODELS,
    "corners": corners.MODELS,
    "papers": papers.MODELS,
}

ZOO = {f"{file}: {name}": model for file, models in FILES.items() for name, model in models.items()}

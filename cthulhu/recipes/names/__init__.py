"""What implementations call the parameters of models: a file for each."""

from cthulhu.recipes.names import (
    adapters,
    big_vision,
    diffusion,
    facebook,
    flax_examples,
    frameworks,
    timm,
    transformers,
    transformers_vision,
)

__all__ = [
    "adapters",
    "big_vision",
    "diffusion",
    "facebook",
    "flax_examples",
    "frameworks",
    "timm",
    "transformers",
    "transformers_vision",
]

"""The tables: a file for each family of models."""

from cthulhu.recipes.families import (
    convnext,
    dit,
    equinox_default,
    flax_default,
    gpt2,
    haiku_default,
    keras_default,
    lora,
    resnet,
    torch_default,
    unet,
    vit,
)

__all__ = [
    "convnext",
    "dit",
    "equinox_default",
    "flax_default",
    "gpt2",
    "haiku_default",
    "keras_default",
    "lora",
    "resnet",
    "torch_default",
    "unet",
    "vit",
]

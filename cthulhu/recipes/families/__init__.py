"""The tables: a file for each family of models."""

from cthulhu.recipes.families import (
    bert,
    deepseek3,
    gemma,
    gpt2,
    llama,
    mamba,
    mamba2,
    mixtral,
    olmo,
    qwen3next,
    recurrentgemma,
    t5,
    whisper,
)

__all__ = [
    "bert",
    "deepseek3",
    "gemma",
    "gpt2",
    "llama",
    "mamba",
    "mamba2",
    "mixtral",
    "olmo",
    "qwen3next",
    "recurrentgemma",
    "t5",
    "whisper",
]

"""What implementations call the parameters of models: a file for each."""

from cthulhu.recipes.names import (
    gemma,
    gpt,
    maxtext,
    olmo,
    recurrentgemma,
    t5x,
    torchtitan,
    transformers,
    transformers_others,
    whisper,
)

__all__ = [
    "gemma",
    "gpt",
    "maxtext",
    "olmo",
    "recurrentgemma",
    "t5x",
    "torchtitan",
    "transformers",
    "transformers_others",
    "whisper",
]

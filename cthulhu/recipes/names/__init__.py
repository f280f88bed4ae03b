"""What implementations call the parameters of models: a file for each."""

from cthulhu.recipes.names import transformers

__all__ = ["transformers"]

"""The tables: a file for each family of models."""

from cthulhu.recipes.families import gpt2

__all__ = ["gpt2"]

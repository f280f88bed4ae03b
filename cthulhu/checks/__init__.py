"""Argument checks: the one place where messages are phrased.

Each check takes the `owner` (the function or class the user called), returns
the value in its canonical form, and raises the built-in exception that fits,
saying what was asked, what came and what to do. Traced values are passed on:
nothing is known of them yet.
"""

from cthulhu.checks._dtypes import dtype, inexact_dtype, real_dtype, representable
from cthulhu.checks._keys import LARGEST_SEED, raw_key_shape, seed, single_key
from cthulhu.checks._numbers import (
    NegativeZero,
    bound,
    fill_value,
    finite,
    flag,
    non_negative,
    positive,
    scalar,
    told_apart,
)
from cthulhu.checks._shapes import (
    axes,
    axis_tuple,
    count,
    rank,
    shape,
    unordered,
    whole,
    whole_or_none,
)
from cthulhu.checks._traced import finite_inputs, holds_keys, is_key, is_traced
from cthulhu.checks._words import choice, did_you_mean, extra, from_json, in_name_of, listed

__all__ = [
    "LARGEST_SEED",
    "NegativeZero",
    "axes",
    "axis_tuple",
    "bound",
    "choice",
    "count",
    "did_you_mean",
    "dtype",
    "extra",
    "fill_value",
    "finite",
    "finite_inputs",
    "flag",
    "from_json",
    "holds_keys",
    "in_name_of",
    "inexact_dtype",
    "is_key",
    "is_traced",
    "listed",
    "non_negative",
    "positive",
    "rank",
    "raw_key_shape",
    "real_dtype",
    "representable",
    "scalar",
    "seed",
    "shape",
    "single_key",
    "told_apart",
    "unordered",
    "whole",
    "whole_or_none",
]

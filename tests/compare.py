"""Arrays, compared bit by bit."""

from typing import Any

import numpy as np

__all__ = ["bits_of", "same_bits", "ulps"]


def bits_of(values: Any) -> np.ndarray:
    """The values as unsigned integers, so that -0.0, NaN and every last bit count."""
    array = np.ascontiguousarray(values)
    if np.iscomplexobj(array):
        array = array.view(array.real.dtype)
    return array.view(f"u{array.dtype.itemsize}")


def same_bits(first: Any, second: Any) -> None:
    """Assert equality of type, shape and every bit."""
    first, second = np.asarray(first), np.asarray(second)
    assert (first.dtype, first.shape) == (second.dtype, second.shape)
    np.testing.assert_array_equal(bits_of(first), bits_of(second))


def ulps(first: Any, second: Any) -> int:
    """The largest distance, counted in float32 numbers of the same sign."""
    a, b = bits_of(first).astype(np.int64), bits_of(second).astype(np.int64)
    return int(np.abs(a - b).max(initial=0))

"""The fans that a plan names are those that its initializers count."""

import functools
import math

import jax
import numpy as np
import pytest

from cthulhu import functional, initializers
from cthulhu.params import plan

FANS = {
    "class": (initializers.HeNormal(), (3, 3, 8, 16), (72, 144)),
    "axes": (initializers.HeNormal(in_axis=1, out_axis=0), (16, 8, 3, 3), (72, 144)),
    "batch": (initializers.GlorotUniform(batch_axis=0), (5, 8, 16), (8, 16)),
    "function": (functional.he_normal, (8, 16), (8, 16)),
    "partial": (functools.partial(functional.he_normal, in_axis=1, out_axis=0), (8, 16), (16, 8)),
    "embedding": (initializers.VarianceScaling(1.0, "fan_in", out_axis=0), (50, 16), (16, 16)),
    "vector": (initializers.LecunNormal(), (7,), (7, 7)),
    "normal": (initializers.RandomNormal(), (3, 8, 16), (24, 48)),
    "orthogonal": (initializers.Orthogonal(), (8, 16), (8, 16)),
    "normal vector": (initializers.RandomNormal(), (8,), (None, None)),
    "constant": (initializers.Zeros(), (8, 16), (None, None)),
    "custom": (lambda key, shape, dtype: jax.numpy.zeros(shape, dtype), (8, 16), (None, None)),
}


@pytest.mark.parametrize("name", FANS)
def test_fans_as_used(name):
    initializer, shape, expected = FANS[name]
    (row,) = plan({"w": jax.ShapeDtypeStruct(shape, np.float32)}, [("w", initializer)]).rows
    assert (row.fan_in, row.fan_out) == expected
    if expected[0] is not None and name in ("class", "axes", "function", "partial"):
        assert row.stddev == pytest.approx(math.sqrt(2 / expected[0]), rel=1e-5)

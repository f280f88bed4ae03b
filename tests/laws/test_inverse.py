"""The written-out inverse error function, on every argument that a draw can have."""

import math

import jax
import numpy as np
import pytest
from jax import lax

from cthulhu import compat
from cthulhu.laws import _inverse as inverse

MANTISSAS = 2**23
BOUNDS = [(-2.0, 2.0), (-1.3, 2.6), (-6.0, 6.0), (0.0, 1.0), (4.0, 6.0), (-1e-15, 1e-15)]


def arguments(width, low):
    """What the laws hand on, for each of the mantissas of the unit interval."""
    bits = lax.iota(np.uint32, MANTISSAS) | np.float32(1).view(np.uint32)
    unit = lax.bitcast_convert_type(bits, np.float32) - np.float32(1)
    return unit * width + low


def differing(function, width, low, shape, options):
    """How many values of `function` have other bits than those of `lax.erf_inv`."""

    def run(evaluate):
        def values(width, low):
            return evaluate(arguments(width, low)).reshape(shape)

        return np.asarray(jax.jit(values, compiler_options=options)(width, low)).view(np.uint32)

    return np.count_nonzero(run(function) != run(lax.erf_inv))


def explicit(ends):
    return lambda u: inverse.explicit(u, ends=ends)


needed = pytest.mark.skipif(
    not compat.ERF_INV_IS_KNOWN, reason="from JAX 0.11 on lax.erf_inv itself is used"
)


@needed
@pytest.mark.parametrize("options", [{}, compat.options_of_platform()], ids=["narrow", "wide"])
def test_normal_draws_are_equal_for_every_mantissa(options):
    low = np.nextafter(np.float32(-1), np.float32(0))
    shape = (2048, 4096)
    assert differing(explicit(ends=False), np.float32(2), low, shape, options) == 0


@needed
@pytest.mark.parametrize("bounds", BOUNDS, ids=str)
def test_truncated_draws_are_equal_for_every_mantissa(bounds):
    low, high = (np.float32(math.erf(bound / math.sqrt(2))) for bound in bounds)
    shape = (2048, 4096)
    options = compat.options_of_platform()
    assert differing(explicit(ends=True), high - low, low, shape, options) == 0


def test_other_types_keep_the_function_of_jax():
    with jax.enable_x64(True):
        values = np.linspace(-0.99, 0.99, 101)
        assert np.array_equal(inverse.erf_inv(jax.numpy.asarray(values)), lax.erf_inv(values))

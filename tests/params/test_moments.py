"""The moments that a plan names are those of the values."""

import functools
import math

import jax
import numpy as np
import pytest

from cthulhu import functional, initializers
from cthulhu.params import plan
from cthulhu.params._moments import moments, truncated
from tests.cases import ALL, KEY, RANDOM, by_id

# At 4.9 standard errors, one test in a million fails by chance.
Z = 4.9


@pytest.mark.parametrize("case", ALL, ids=by_id)
def test_moments_are_those_of_the_law(case):
    (row,) = plan(
        {"w": jax.ShapeDtypeStruct(case.shape, np.float32)}, [("w", case.instance())]
    ).rows
    assert row.mean == pytest.approx(case.mean(case.shape), rel=1e-5, abs=1e-7)
    assert row.stddev == pytest.approx(case.std(case.shape), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("case", RANDOM, ids=by_id)
def test_moments_are_those_of_the_values(case):
    expected = moments(case.function.draw(case.shape, **case.options))
    values = np.stack([case.init(key, case.shape) for key in jax.random.split(KEY, 40)])
    values = values.astype(np.float64)
    error = expected.stddev / math.sqrt(values.size)
    assert abs(values.mean() - expected.mean) < Z * error
    # The square of an element varies most for a delta-orthogonal kernel, which is sparse.
    squares = (values - expected.mean) ** 2
    error = squares.std() / math.sqrt(values.size)
    assert abs(squares.mean() - expected.stddev**2) <= Z * error + 1e-6 * expected.stddev**2


@pytest.mark.parametrize("name", ["random_normal", "he_normal", "glorot_uniform", "orthogonal"])
def test_complex_moments(name):
    function = getattr(functional, name)
    expected = moments(function.draw((40, 30), np.complex64))
    keys = jax.random.split(KEY, 20)
    values = np.stack([function(key, (40, 30), np.complex64) for key in keys])
    assert math.sqrt(np.mean(np.abs(values - expected.mean) ** 2)) == pytest.approx(
        expected.stddev, rel=0.02
    )


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
@pytest.mark.parametrize("name", ["orthogonal", "identity", "random_normal", "zeros"])
def test_nothing_has_finite_moments(name, shape):
    assert all(map(math.isfinite, moments(getattr(functional, name).draw(shape))))


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ((-2, 2), (0.0, 0.87962566)),
        ((-1, 3), (0.28278, 0.78410)),
        ((0.5, 1.5), (0.92066, 0.27920)),
        ((3, 3), (3.0, 0.0)),
    ],
)
def test_truncated(bounds, expected):
    if bounds != (3, 3):
        from scipy import stats

        law = stats.truncnorm(*bounds)
        expected = law.mean(), law.std()
    assert truncated(*bounds) == pytest.approx(expected, abs=1e-6)


def test_an_unknown_law_has_no_moments():
    def cauchy_law(key, shape, dtype, start, scale):
        return jax.random.cauchy(key, shape, dtype) * scale

    known = functional.random_normal.draw((4, 3))
    assert moments(known._replace(recipe=known.recipe._replace(law=cauchy_law))) is None


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

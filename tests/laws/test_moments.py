"""The moments of laws, and of plans, are those of the values."""

import math

import jax
import numpy as np
import pytest

from cthulhu import functional
from cthulhu.laws import Law
from cthulhu.laws._normal import truncated_moments
from cthulhu.params import plan
from tests.cases import ALL, CASES, KEY, RANDOM, by_id

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
    expected = case.function.draw(case.shape, **case.options).moments()
    values = np.stack([case.init(key, case.shape) for key in jax.random.split(KEY, 40)])
    values = values.astype(np.float64)
    error = expected.stddev / math.sqrt(values.size)
    assert abs(values.mean() - expected.mean) < Z * error
    # The square of an element varies most for a delta-orthogonal kernel, which is sparse.
    squares = (values - expected.mean) ** 2
    error = squares.std() / math.sqrt(values.size)
    assert abs(squares.mean() - expected.stddev**2) <= Z * error + 1e-6 * expected.stddev**2


@pytest.mark.parametrize("case", [case for case in RANDOM if case.has_complex], ids=by_id)
def test_complex_moments(case):
    expected = case.function.draw(case.shape, np.complex64, **case.options).moments()
    keys = jax.random.split(KEY, 20)
    values = np.stack([case.init(key, case.shape, np.complex64) for key in keys])
    assert math.sqrt(np.mean(np.abs(values - expected.mean) ** 2)) == pytest.approx(
        expected.stddev, rel=0.02
    )


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_nothing_has_finite_moments(case):
    for rows, columns in ((0, 3), (3, 0)):
        if case.narrows or rows <= columns:
            moments = case.function.draw(case.ending(rows, columns), **case.options).moments()
            assert all(map(math.isfinite, moments))


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
    assert truncated_moments(*bounds) == pytest.approx(expected, abs=1e-6)


class Cauchy(Law):
    """A law without moments."""

    scalars = ("scale",)

    def values(self, key, shape, dtype, *scalars):
        return jax.random.cauchy(key, shape, dtype) * scalars[0]


def test_a_law_may_have_no_moments():
    known = functional.random_normal.draw((4, 3))
    assert known._replace(recipe=known.recipe._replace(law=Cauchy())).moments() is None

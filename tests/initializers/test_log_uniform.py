"""Uniform in the logarithm, as state space models draw their step sizes."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from cthulhu import functional, initializers

KEY = jax.random.key(0)
ALPHA = 1e-6  # One test in a million fails by chance; the keys are fixed.


@pytest.mark.parametrize(("low", "high"), [(0.001, 0.1), (1.0, 16.0), (0.01, 16.0), (1e-20, 1e20)])
def test_log_uniform_is_scipys(low: float, high: float) -> None:
    law = stats.loguniform(low, high)
    draw = functional.log_uniform.draw((200, 500), low=low, high=high)
    values = np.asarray(draw(KEY), np.float64)
    assert stats.kstest(np.log(values.ravel()), stats.uniform(*scale(low, high)).cdf).pvalue > ALPHA
    assert values.min() >= np.float32(low)
    assert values.max() <= np.float32(high)
    assert draw.moments() == pytest.approx((law.mean(), law.std()), rel=1e-5)
    x = np.geomspace(low / 2, high * 2, 50)
    found = draw.recipe.law.distribution(x, *draw.scalars)  # type: ignore[attr-defined]
    np.testing.assert_allclose(found, law.cdf(x), atol=1e-6)


def scale(low: float, high: float) -> tuple[float, float]:
    return math.log(low), math.log(high / low)


def test_equal_bounds_are_a_constant() -> None:
    values = functional.log_uniform(KEY, (50,), low=0.3, high=0.3)
    assert np.array_equal(values, np.full(50, np.float32(0.3)))
    moments = functional.log_uniform.draw((50,), low=0.3, high=0.3).moments()
    assert moments == pytest.approx((0.3, 0.0), abs=1e-7)


# Of mamba_ssm's mamba_simple.py.
STEPS = {1e-4: -9.21029, 0.001: -6.90726, 0.01: -4.60017, 0.1: -2.25217}


@pytest.mark.parametrize(("step", "expected"), STEPS.items())
def test_the_inverse_softplus_of_a_step_is_that_of_mamba(step: float, expected: float) -> None:
    values = functional.inverse_softplus_uniform(KEY, (3,), low=step, high=step, floor=0)
    np.testing.assert_allclose(values, expected, atol=6e-6)
    np.testing.assert_allclose(np.logaddexp(0, np.float64(values)), step, rtol=2e-6)


def test_the_floor_raises_small_steps() -> None:
    draw = functional.inverse_softplus_uniform.draw((100_000,), low=1e-6, high=1e-2)
    values = np.asarray(draw(KEY), np.float64)
    assert values.min() == pytest.approx(-9.21029, abs=6e-6)
    # Two of four orders of magnitude.
    assert abs((values == values.min()).mean() - 0.5) < 5 * 0.5 / math.sqrt(values.size)
    law = draw.recipe.law
    assert law.distribution(-9.2102, *draw.scalars) == pytest.approx(0.5, abs=1e-4)  # type: ignore[attr-defined]
    told = draw.moments()
    assert told is not None
    assert abs(values.mean() - told.mean) < 5 * told.stddev / math.sqrt(values.size)
    assert values.std() == pytest.approx(told.stddev, rel=0.01)


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16])
def test_softplus_of_it_is_log_uniform(dtype: Any) -> None:
    values = initializers.InverseSoftplusUniform()(KEY, (200, 500), np.float32)
    steps = np.logaddexp(0, np.asarray(values, np.float64)).ravel()
    assert stats.kstest(steps, stats.loguniform(0.001, 0.1).cdf).pvalue > ALPHA
    narrow = initializers.InverseSoftplusUniform()(KEY, (200, 500), dtype)
    assert np.array_equal(narrow, values.astype(dtype))


def test_the_documented_moments_are_those_of_the_defaults() -> None:
    moments = functional.inverse_softplus_uniform.draw((4,)).moments()
    assert moments == pytest.approx((-4.59, 1.34), abs=0.005)


def test_what_is_no_interval_or_no_real_type_is_refused() -> None:
    with pytest.raises(ValueError, match="LogUniform: low must be greater than 0; got 0"):
        initializers.LogUniform(0, 1)
    with pytest.raises(ValueError, match="log_uniform: low must be at most high"):
        functional.log_uniform(KEY, (2,), low=2, high=1)
    with pytest.raises(TypeError, match="log_uniform: dtype must be a real floating type; got com"):
        functional.log_uniform(KEY, (2,), np.complex64, low=1, high=2)
    with pytest.raises(ValueError, match="log_uniform: the values overflow float16"):
        functional.log_uniform(KEY, (2,), np.float16, low=1, high=1e6)

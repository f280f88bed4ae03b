"""Decays and phases of linear recurrent units, and the recurrence parameters of Griffin."""

import math
from typing import Any

import jax
import numpy as np
import pytest
from scipy import stats

from cthulhu import functional, initializers

KEY = jax.random.key(0)
ALPHA = 1e-6  # One test in a million fails by chance; the keys are fixed.

# u, and what the authors' code makes of it between 0.9 and 0.999.
DECAYS = ((0.0, -2.25037), (0.5, -2.98652))
GATES = ((0.0, -2.19722), (0.5, -2.96118), (1.0, -6.90676))


@pytest.mark.parametrize(
    ("init", "u", "expected"),
    [
        *((functional.ring_uniform, *row) for row in DECAYS),
        *((functional.recurrent_gate, *row) for row in GATES),
    ],
)
def test_a_modulus_gives_the_value_of_the_authors(init: Any, u: float, expected: float) -> None:
    radius = math.sqrt(u * (0.999**2 - 0.9**2) + 0.9**2)
    values = init(KEY, (4,), low=radius, high=radius)
    np.testing.assert_allclose(values, expected, atol=1.2e-5)


def moduli(init: Any, low: float, high: float) -> Any:
    values = np.asarray(init(KEY, (200, 500), low=low, high=high), np.float64).ravel()
    if init is functional.ring_uniform:
        return np.exp(-np.exp(values))
    return np.exp(-np.logaddexp(0, values))


@pytest.mark.parametrize("init", [functional.ring_uniform, functional.recurrent_gate])
@pytest.mark.parametrize(("low", "high"), [(0.9, 0.999), (0.0, 1.0), (0.3, 0.4), (0.99999, 1.0)])
def test_the_squared_modulus_is_uniform(init: Any, low: float, high: float) -> None:
    squares = moduli(init, low, high) ** 2
    law = stats.uniform(low**2, high**2 - low**2)
    assert stats.kstest(squares, law.cdf).pvalue > ALPHA
    told = init.draw((200, 500), low=low, high=high).moments()
    values = np.asarray(init(KEY, (200, 500), low=low, high=high), np.float64)
    assert np.isfinite(values).all()
    assert abs(values.mean() - told.mean) < 5 * told.stddev / math.sqrt(values.size)
    assert values.std() == pytest.approx(told.stddev, rel=0.02)


@pytest.mark.parametrize("largest", [6.28, 0.5])
def test_the_angle_is_uniform(largest: float) -> None:
    angles = np.exp(np.asarray(initializers.RingPhase(largest)(KEY, (200, 500)), np.float64))
    assert stats.kstest(angles.ravel(), stats.uniform(0, largest).cdf).pvalue > ALPHA


def test_the_documented_moments_are_those_of_the_defaults() -> None:
    moments = functional.recurrent_gate.draw((4,)).moments()
    assert moments == pytest.approx((-3.23, 0.92), abs=0.005)


def test_what_is_no_ring_is_refused() -> None:
    with pytest.raises(ValueError, match=r"RingUniform: high must be from 0 to 1; got 1\.5"):
        initializers.RingUniform(0, 1.5)
    with pytest.raises(ValueError, match="recurrent_gate: low must be at most high"):
        functional.recurrent_gate(KEY, (2,), low=1, high=0.5)
    with pytest.raises(TypeError, match="ring_phase: dtype must be a real floating type; got com"):
        functional.ring_phase(KEY, (2,), np.complex64)

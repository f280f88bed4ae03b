"""Biases of gates, for many time scales at once."""

import math

import jax
import numpy as np
import pytest
from scipy import special, stats

from cthulhu import functional, initializers

KEY = jax.random.key(0)
ALPHA = 1e-6  # One test in a million fails by chance; the keys are fixed.


@pytest.mark.parametrize("order", ["ifgo", "ofgi", "fi", "xifgoz"])
def test_the_gates_of_a_unit_are_opposite(order: str) -> None:
    values = functional.chrono(KEY, (3, len(order) * 5), longest=50, order=order)
    gates = dict(zip(order, np.split(np.asarray(values), len(order), axis=-1), strict=True))
    forget, rest = gates.pop("f"), gates.pop("i")
    assert np.array_equal(rest, -forget)
    assert (forget >= 0).all()
    assert len(np.unique(forget)) == forget.size
    for other in gates.values():
        assert not other.any()


@pytest.mark.parametrize("longest", [3, 784, 1e6])
def test_the_time_scale_is_uniform(longest: float) -> None:
    values = np.asarray(initializers.Chrono(longest)(KEY, (400_000,)), np.float64)
    forget = values[100_000:200_000]
    assert stats.kstest(np.exp(forget), stats.uniform(1, longest - 2).cdf).pvalue > ALPHA
    told = functional.chrono.draw((400_000,), longest=longest).moments()
    assert told is not None
    assert (values**2).mean() == pytest.approx(told.stddev**2, rel=0.02)


def test_what_is_no_lstm_is_refused() -> None:
    with pytest.raises(ValueError, match=r"chrono: the last dimension must be a multiple of 4, .*"):
        functional.chrono(KEY, (30,), longest=10)
    with pytest.raises(ValueError, match="Chrono: order must be different letters"):
        initializers.Chrono(10, "igo")
    assert not np.any(initializers.Chrono(2)(KEY, (8,)))


@pytest.mark.parametrize("size", [3, 10, 1000])
def test_a_uniform_gate_is_uniformly_open(size: int) -> None:
    values = np.asarray(initializers.UniformGate()(KEY, (100_000 // size, size)), np.float64)
    law = stats.uniform(1 / size, 1 - 2 / size)
    assert stats.kstest(special.expit(values).ravel(), law.cdf).pvalue > ALPHA
    assert np.abs(values).max() <= math.log(size - 1) * (1 + 1e-4)


@pytest.mark.parametrize("size", [0, 1, 2])
def test_a_small_uniform_gate_is_half_open(size: int) -> None:
    draw = functional.uniform_gate.draw((5, size))
    assert np.array_equal(draw(KEY), np.zeros((5, size)))
    assert draw.moments() == (0.0, 0.0)


def test_the_standard_deviation_goes_to_that_of_the_logistic_law() -> None:
    stddevs = [
        told.stddev
        for size in (10, 100, 10_000, 10_000_000)
        if (told := functional.uniform_gate.draw((size,)).moments())
    ]
    assert stddevs == sorted(stddevs)
    assert stddevs[-1] == pytest.approx(math.pi / math.sqrt(3), rel=1e-3)


def test_a_gate_has_an_axis() -> None:
    with pytest.raises(ValueError, match="uniform_gate: shape must have at least 1 dimension"):
        functional.uniform_gate(KEY, ())

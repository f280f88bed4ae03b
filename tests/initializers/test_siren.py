"""Networks of sines: the limits of the authors' code, and what they are for."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from cthulhu import functional
from cthulhu.initializers import Siren

KEY = jax.random.key(0)


def limit_of_the_authors(inputs: int, w0: float, first: bool) -> float:
    """`first_layer_sine_init` and `sine_init` of vsitzmann/siren's `modules.py`."""
    return 1 / inputs if first else math.sqrt(6 / inputs) / w0


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("w0", [1.0, 30.0, 100])
@pytest.mark.parametrize("inputs", [1, 2, 3, 256, 1000])
def test_the_limits_are_those_of_the_authors(inputs: int, w0: float, first: bool) -> None:
    limit = limit_of_the_authors(inputs, w0, first)
    values = np.asarray(Siren(w0, first)(KEY, (inputs, 5000))).astype(np.float64)
    assert np.abs(values).max() <= limit * (1 + 1e-6)
    assert stats.kstest(np.ravel(values), stats.uniform(-limit, 2 * limit).cdf).pvalue > 1e-6


def test_a_first_layer_counts_all_that_a_kernel_reads() -> None:
    values = Siren(first=True, in_axis=(0, 1))(KEY, (4, 5, 1000))
    assert 0.0499 < np.abs(values).max() <= 0.05 * (1 + 1e-6)
    shared = Siren(first=True, batch_axis=0)(KEY, (4, 5, 1000))
    assert 0.199 < np.abs(shared).max() <= 0.2 * (1 + 1e-6)
    assert Siren(first=True).draw((0, 3)).moments() is not None


def test_every_layer_is_distributed_as_the_one_before() -> None:
    """Theorem 1.8: sines of arcsine law, sums of variance 1."""
    keys = iter(jax.random.split(KEY, 12))
    x = jax.random.uniform(next(keys), (2000, 1), minval=-1.0)
    x = jnp.sin(30 * (x @ functional.siren(next(keys), (1, 512), first=True)))
    spread = []
    for _ in range(5):
        z = 30 * (x @ functional.siren(next(keys), (512, 512)))
        x = jnp.sin(z)
        spread.append((float(z.std()), float((x**2).mean())))
    assert spread[-1] == pytest.approx(spread[1], rel=0.1)
    assert spread[-1][0] == pytest.approx(1.0, rel=0.15)


def test_a_first_layer_has_no_frequency() -> None:
    one, other = (functional.siren(KEY, (3, 8), w0=w0, first=True) for w0 in (1.0, 30.0))
    assert np.array_equal(one, other)

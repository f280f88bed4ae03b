"""The values follow the law that the documentation states.

Every test compares a p-value with `ALPHA`. There are fewer than 300 of them, so with keys chosen
at random all of them together would fail for no reason once in 3 000 runs. The keys are fixed: a
run that passed passes always.
"""

import math
from typing import Any

import jax
import numpy as np
import pytest
from scipy import stats

from cthulhu import functional
from tests.cases import ALL, KEY, RANDOM_VARIANTS, Case, by_id

ALPHA = 1e-6

INDEPENDENT = [case for case in RANDOM_VARIANTS if case.distribution is not None]

# A quarter of a million elements: a standard deviation that is wrong by 1 % is off by 7 sigma.
LARGE = {2: (1000, 250), 3: (10, 250, 100), 4: (25, 50, 20, 10)}


def large(case: Case) -> tuple[int, ...]:
    return case.large or LARGE[len(case.shape)]


def sample(case: Case, shape: tuple[int, ...]) -> np.ndarray:
    return np.asarray(case.init(KEY, shape)).astype(np.float64)


def p_of_z(z: float) -> float:
    return float(2 * stats.norm.sf(abs(z)))


def p_values(values: np.ndarray, law: Any) -> dict[str, float]:
    """Of the mean, of the variance, of the whole distribution, and of neighbours' correlation."""
    size = values.size
    mean, variance, _, kurtosis = (float(m) for m in law.stats("mvsk"))
    deviations = (values - mean) ** 2
    standard = (values - mean) / math.sqrt(variance)
    found = {
        "mean": p_of_z((values.mean() - mean) / math.sqrt(variance / size)),
        "variance": p_of_z(
            (deviations.mean() - variance) / (variance * math.sqrt((kurtosis + 2) / size))
        ),
        "distribution": float(stats.kstest(np.ravel(values), law.cdf).pvalue),
    }
    for axis in range(values.ndim):
        before, after = np.delete(standard, -1, axis), np.delete(standard, 0, axis)
        found[f"correlation {axis}"] = p_of_z((before * after).mean() * math.sqrt(before.size))
    return found


@pytest.mark.parametrize("case", INDEPENDENT, ids=by_id)
def test_values_follow_the_law(case: Case) -> None:
    shape = large(case)
    values = sample(case, shape)
    assert case.distribution is not None
    law = case.distribution(shape)
    for name, p in p_values(values, law).items():
        assert p > ALPHA, (name, p)
    assert law.mean() == pytest.approx(case.mean(shape), abs=1e-12)
    assert law.std() == pytest.approx(case.std(shape))


@pytest.mark.parametrize("case", ALL, ids=by_id)
def test_values_stay_within_the_support(case: Case) -> None:
    shape = large(case) if case.distribution else case.shape
    low, high = case.support(shape)
    values = sample(case, shape)
    slack = 1e-6 * max(abs(low), abs(high))
    assert values.min() >= low - slack
    assert values.max() <= high + slack


@pytest.mark.parametrize(
    "case", [c for c in ALL if c.distribution is None and not c.sum_varies], ids=by_id
)
def test_fixed_sums_are_exact(case: Case) -> None:
    # Of constants, and of orthogonal matrices, whose squares sum to a whole number.
    for shape in {case.shape, (*case.shape[:-2], 16, 24)}:
        values = sample(case, shape)
        square = case.mean(shape) ** 2 + case.std(shape) ** 2
        assert (values**2).mean() == pytest.approx(square, rel=1e-5)
        if not case.draws:
            assert values.mean() == pytest.approx(case.mean(shape), rel=1e-6, abs=1e-7)


@pytest.mark.parametrize(
    "case", [c for c in INDEPENDENT if c.follows_fans and not c.names_axes], ids=by_id
)
def test_the_scale_follows_the_fans_of_a_convolution(case: Case) -> None:
    shape = (3, 3, 40, 160)
    values = sample(case, shape)
    assert case.distribution is not None
    for name, p in p_values(np.ravel(values), case.distribution(shape)).items():
        assert p > ALPHA, (name, p)


def test_the_tests_see_swapped_fans() -> None:
    for name in ("he_normal", "lecun_uniform", "variance_scaling"):
        (case,) = (case for case in INDEPENDENT if case.id == name)
        swapped = sample(case, (250, 1000)).T
        assert case.distribution is not None
        assert p_values(swapped, case.distribution(swapped.shape))["variance"] < ALPHA


def test_the_tests_see_small_errors() -> None:
    values = sample(next(c for c in INDEPENDENT if c.id == "random_normal-stddev"), (1000, 250))
    law = stats.norm(0, 0.02)
    assert min(p_values(values, law).values()) > ALPHA
    assert p_values(values * 1.01, law)["variance"] < ALPHA
    assert p_values(values + 3e-4, law)["mean"] < ALPHA
    assert p_values(np.sort(values, 0), law)["correlation 0"] < ALPHA
    heavy = 0.02 * stats.t(9, scale=math.sqrt(7 / 9)).ppf(law.cdf(values))
    assert p_values(heavy, law)["distribution"] < ALPHA
    # A truncated normal without its correction is narrower by 12 %.
    (case,) = (case for case in INDEPENDENT if case.id == "he_normal")
    assert case.distribution is not None
    law = case.distribution((1000, 250))
    assert p_values(sample(case, (1000, 250)) * 0.8796, law)["variance"] < ALPHA


def test_different_keys_are_independent() -> None:
    keys = jax.random.split(KEY, 200)
    values = np.asarray(
        jax.vmap(lambda key: functional.random_normal(key, (500,), stddev=1.0))(keys)
    )
    correlation = np.corrcoef(values)[np.triu_indices(200, 1)]
    # 19 900 of them, each normal with standard deviation 1 / sqrt(500).
    p = stats.kstest(correlation * math.sqrt(500), stats.norm.cdf).pvalue
    assert p > ALPHA
    assert np.abs(correlation).max() * math.sqrt(500) < 5.5


def test_seeds_next_to_each_other_are_independent() -> None:
    draw = [
        np.asarray(functional.random_normal(jax.random.key(seed), (500,))) for seed in range(50)
    ]
    correlation = np.corrcoef(np.stack(draw))[np.triu_indices(50, 1)]
    assert stats.kstest(correlation * math.sqrt(500), stats.norm.cdf).pvalue > ALPHA

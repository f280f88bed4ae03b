"""Far tails, bounds that are values, and the correction, against SciPy.

Every test of chance compares a p-value with `ALPHA`; there are 31 of them, and the keys are fixed.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from scipy import stats

from cthulhu import functional, initializers
from cthulhu.laws import TruncatedNormal
from cthulhu.laws._tail import NormalTail
from tests.cases import KEY, same_bits

ALPHA = 1e-6
COUNT = 4096

FAR = [(4, 5), (5, 6), (-6, -5.5), (5, math.inf), (-math.inf, -4.5), (8, 9), (-31, -30), (20, 1e6)]


def scipy_quantiles(bounds: tuple[float, float], shares: np.ndarray) -> np.ndarray:
    """SciPy's are exact above the mean only."""
    lower, upper = bounds
    if upper < 0:
        return -stats.truncnorm(-upper, -lower).isf(shares)
    return stats.truncnorm(lower, upper).ppf(shares)


def quantiles(bounds: tuple[float, float], dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """The values of evenly spaced bits, and what share of the law is below each."""
    draw = functional.truncated_normal.draw(
        (COUNT,), dtype, stddev=1.0, lower=bounds[0], upper=bounds[1]
    )
    assert draw.recipe.law == NormalTail()
    law = jax.jit(draw.recipe.law.quantiles, static_argnums=(0, 1))
    half = 2.0**-24 if dtype == np.float32 else 2.0**-53
    shares = (np.arange(COUNT) + 0.5) / COUNT + half
    return np.asarray(law(COUNT, np.dtype(dtype), *draw.scalars)).astype(float), shares


@pytest.mark.parametrize("bounds", FAR, ids=str)
def test_quantiles_of_far_tails_are_those_of_scipy(bounds: tuple[float, float]) -> None:
    found, shares = quantiles(bounds, np.float32)
    np.testing.assert_allclose(found, scipy_quantiles(bounds, shares), rtol=5e-7)
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("bounds", [one for one in FAR if max(one[0], -one[1]) >= 7.5], ids=str)
def test_quantiles_of_far_tails_in_double_precision(bounds: tuple[float, float]) -> None:
    with jax.enable_x64(True):
        found, shares = quantiles(bounds, np.float64)
    # SciPy's are off by 2e-13 at 30 standard deviations, ours by less.
    np.testing.assert_allclose(found, scipy_quantiles(bounds, shares), rtol=5e-13)
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=str)
@pytest.mark.parametrize("bounds", FAR, ids=str)
def test_values_of_far_tails_follow_the_law(bounds: tuple[float, float], dtype: Any) -> None:
    lower, upper = bounds
    with jax.enable_x64(dtype is np.float64):
        drawn = np.ravel(
            functional.truncated_normal(
                KEY, (300, 100), dtype, stddev=1.0, lower=lower, upper=upper
            )
        )
    assert drawn.dtype == dtype
    assert lower < drawn.min()
    assert drawn.max() < upper
    law = stats.truncnorm(*sorted(map(abs, bounds)))
    assert stats.kstest(np.abs(drawn.astype(float)), law.cdf).pvalue > ALPHA


@pytest.mark.parametrize("bounds", FAR, ids=str)
def test_narrow_types_hold_the_values_of_a_far_tail_rounded(bounds: tuple[float, float]) -> None:
    single, narrow = (
        functional.truncated_normal(
            KEY, (300, 100), dtype, stddev=1.0, lower=bounds[0], upper=bounds[1]
        )
        for dtype in (np.float32, jnp.bfloat16)
    )
    same_bits(narrow, np.asarray(single).astype(jnp.bfloat16))
    assert bounds[0] <= narrow.min()
    assert narrow.max() <= bounds[1]


@pytest.mark.parametrize("bounds", FAR, ids=str)
def test_a_plan_knows_the_moments_and_the_distribution_of_a_far_tail(
    bounds: tuple[float, float],
) -> None:
    init = initializers.TruncatedNormal(0.5, 2.0, lower=bounds[0], upper=bounds[1])
    law = stats.truncnorm(*sorted(map(abs, bounds)))
    side = 1 if bounds[0] > 0 else -1
    shares = np.linspace(0.01, 0.99, 99)
    for factor in (1.0, -1.0):
        draw = initializers.Scaled(init, factor).draw((8,))
        mean = factor * (0.5 + side * 2 * law.mean())
        assert draw.moments() == pytest.approx((mean, 2 * law.std()), rel=1e-5)
        points = factor * (0.5 + 2 * scipy_quantiles(bounds, shares))
        below = draw.recipe.law.distribution(points, *draw.scalars)
        np.testing.assert_allclose(below, shares if factor > 0 else 1 - shares, rtol=1e-5)
        low, high = draw.recipe.law.support(*draw.scalars)
        assert low < points.min() < points.max() < high


def test_only_bounds_that_are_far_on_one_side_are_a_tail() -> None:
    def law(lower: float, upper: float, dtype: Any = np.float32) -> Any:
        return functional.truncated_normal.draw((2,), dtype, lower=lower, upper=upper).recipe.law

    assert law(4, 5) == law(-9, -4) == NormalTail()
    for near in ((3.99, 5), (-5, 5), (-5, -3.99), (-math.inf, math.inf)):
        assert law(*near) == TruncatedNormal()
    with jax.enable_x64(True):
        assert law(7.49, 8, np.float64) == TruncatedNormal()
        assert law(-8, -7.5, np.float64) == NormalTail()


def test_without_bounds_it_is_the_normal() -> None:
    values = functional.truncated_normal(
        KEY, (500, 500), stddev=1.0, lower=-math.inf, upper=math.inf
    )
    assert stats.kstest(np.ravel(values), stats.norm.cdf).pvalue > ALPHA
    assert 4 < np.abs(values).max() < 5.5


def test_bounds_without_a_number_between_them_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^truncated_normal: no float32 lies between the bounds"):
        functional.truncated_normal(KEY, (2,), lower=4.0, upper=4.0 + 1e-7)


# mean, stddev, a, b: torch's own tests of trunc_normal_ have means outside of the bounds too.
VALUES = [
    (0.0, 1.0, -2.0, 2.0),
    (0.3, 0.02, -2.0, 2.0),
    (3.0, 0.7, -1.0, 1.5),
    (-9.0, 2.0, 0.0, 4.0),
]


@pytest.mark.parametrize(("mean", "stddev", "a", "b"), VALUES)
def test_bounds_may_be_values(mean: float, stddev: float, a: float, b: float) -> None:
    values = functional.truncated_normal(
        KEY, (500, 500), mean=mean, stddev=stddev, lower=a, upper=b, absolute=True
    )
    law = stats.truncnorm((a - mean) / stddev, (b - mean) / stddev, mean, stddev)
    assert stats.kstest(np.ravel(values).astype(float), law.cdf).pvalue > ALPHA
    assert a <= values.min()
    assert values.max() <= b


def test_values_follow_torch() -> None:
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(0)
    theirs = torch.nn.init.trunc_normal_(
        torch.empty(100_000), 0.5, 1.5, -1.0, 2.0, generator=generator
    )
    ours = functional.truncated_normal(
        KEY, (100_000,), mean=0.5, stddev=1.5, lower=-1.0, upper=2.0, absolute=True
    )
    assert stats.ks_2samp(theirs.numpy(), np.asarray(ours)).pvalue > ALPHA


@pytest.mark.parametrize("stddev", [0.02, 0.7])
def test_no_value_of_a_wide_cut_is_an_outlier(stddev: float) -> None:
    """The least bits are erf_inv(-1) where a bound is beyond what erf tells from infinity."""
    draw = functional.truncated_normal.draw(
        (2,), stddev=stddev, lower=-20.0, upper=20.0, absolute=True
    )
    ends = np.array([0, 2**32 - 1], np.uint32)
    found = jax.jit(draw.recipe.law.of_bits, static_argnums=1)(
        ends, np.dtype(np.float32), *draw.scalars
    )
    assert (np.abs(found) < 5.5 * stddev).all()


def test_values_never_leave_bounds_that_are_values() -> None:
    """Whatever rounding does to the ends: the least and the most that a law can give."""
    rng = np.random.default_rng(0)
    ends = jnp.array([0, 2**32 - 1], np.uint32)
    run = jax.jit(TruncatedNormal().of_bits, static_argnums=1)
    for _ in range(1000):
        mean, stddev = rng.normal(scale=3), np.exp(rng.normal())
        a, b = np.sort(rng.normal(mean, stddev, 2)).astype(np.float32).tolist()
        draw = functional.truncated_normal.draw(
            (2,), mean=mean, stddev=stddev, lower=a, upper=b, absolute=True
        )
        found = run(ends, np.dtype(np.float32), *draw.scalars)
        assert a <= found[0]
        assert found[1] <= b


CUTS = [(-2, 2), (-1, 3), (0, math.inf), (0.5, 1.5), (4, 5), (5, 6), (-6, -5.5), (30, math.inf)]


@pytest.mark.parametrize("bounds", CUTS, ids=str)
def test_a_corrected_stddev_is_that_of_the_values(bounds: tuple[float, float]) -> None:
    draw = initializers.TruncatedNormal(
        0.25, 0.5, lower=bounds[0], upper=bounds[1], corrected=True
    ).draw((400_000,))
    assert draw.moments().stddev == pytest.approx(0.5, rel=2e-6)
    # The parent's mean and standard deviation, as SciPy has them.
    parent = (
        stats.truncnorm(*sorted(map(abs, bounds))) if bounds[1] <= 0 else stats.truncnorm(*bounds)
    )
    scale, shift = (float(one) for one in draw.scalars[-2:])
    assert scale == pytest.approx(0.5 / parent.std(), rel=1e-6)
    assert shift == 0.25
    values = np.asarray(draw(KEY)).astype(float)
    kurtosis = float(parent.stats("k"))
    z = (values.var() / 0.25 - 1) / math.sqrt((kurtosis + 2) / values.size)
    assert 2 * stats.norm.sf(abs(z)) > ALPHA


def test_corrected_at_two_standard_deviations_is_variance_scaling() -> None:
    same_bits(
        functional.truncated_normal(KEY, (64, 32), stddev=0.125, corrected=True),
        functional.lecun_normal(KEY, (64, 32)),
    )


@pytest.mark.parametrize(
    ("mean", "stddev", "a", "b"),
    [
        (0.0, 1.0, -2.0, 2.0),
        (0.5, 0.3, -1.0, 1.0),
        (3.0, 0.4, -1.0, 1.5),
        (0.0, 2.0, 1.0, math.inf),
    ],
)
def test_bounds_that_are_values_and_a_correction_go_together(
    mean: float, stddev: float, a: float, b: float
) -> None:
    draw = initializers.TruncatedNormal(
        mean, stddev, lower=a, upper=b, absolute=True, corrected=True
    ).draw((8,))
    scale = float(draw.scalars[-2])
    law = stats.truncnorm((a - mean) / scale, (b - mean) / scale, mean, scale)
    assert law.std() == pytest.approx(stddev, rel=1e-5)
    assert draw.moments().stddev == pytest.approx(stddev, rel=1e-5)


def test_traced_numbers_make_bounds_of_values() -> None:
    def draw(mean: Any, stddev: Any, lower: Any) -> jax.Array:
        return functional.truncated_normal(
            KEY, (50, 8), mean=mean, stddev=stddev, lower=lower, upper=1.0, absolute=True
        )

    for numbers in ((0.5, 0.7, -1.0), (0.0, 0.01, -1.0)):
        np.testing.assert_allclose(jax.jit(draw)(*numbers), draw(*numbers), rtol=2e-5, atol=1e-6)


def test_what_a_correction_is_computed_from_is_concrete() -> None:
    def draw(**given: Any) -> jax.Array:
        return functional.truncated_normal(KEY, (4,), corrected=True, **given)

    traced = jax.jit(lambda stddev: draw(stddev=stddev))(0.5)
    np.testing.assert_allclose(traced, draw(stddev=0.5), rtol=1e-6)
    for call in (lambda x: draw(upper=x), lambda x: draw(stddev=x, absolute=True)):
        with pytest.raises(TypeError, match=r"^truncated_normal: \w+ must be concrete with corr"):
            jax.jit(call)(0.5)


@pytest.mark.parametrize("shape", [(6, 8), (40, 24), (5, 3), (300,)], ids=str)
def test_a_far_tail_has_one_set_of_bits(shape: tuple[int, ...]) -> None:
    """In a program, in a batch, in rows alone, under a sharding."""

    def draw(key: jax.Array, out_sharding: Any = None) -> jax.Array:
        return functional.truncated_normal(
            key, shape, None, out_sharding, stddev=0.7, lower=5.0, upper=6.0
        )

    expected = draw(KEY)
    same_bits(jax.jit(draw)(KEY), expected)
    keys = jax.random.split(KEY, 3)
    same_bits(jax.vmap(draw)(keys), np.stack([draw(key) for key in keys]))
    whole = functional.truncated_normal.draw(shape, stddev=0.7, lower=5.0, upper=6.0)
    same_bits(whole.rows(1, 4)(KEY), expected[1:4])
    mesh = jax.make_mesh((2,), ("x",), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])
    if shape[0] % 2 == 0:
        same_bits(draw(KEY, NamedSharding(mesh, PartitionSpec("x"))), expected)

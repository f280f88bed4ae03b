"""What laws say of themselves, against SciPy, and against their own values."""

import math

import jax
import numpy as np
import pytest
from scipy import stats

from cthulhu import functional, laws
from cthulhu.laws._base import bit_width
from tests.cases import ALL, KEY, by_id, same_bits

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)

# A function, its options, and the same law in SciPy.
ROWS = {
    "uniform": (
        functional.random_uniform,
        {"minval": -0.3, "maxval": 0.5},
        stats.uniform(-0.3, 0.8),
    ),
    "normal": (functional.random_normal, {"mean": 0.1, "stddev": 2.0}, stats.norm(0.1, 2.0)),
    "truncated": (
        functional.truncated_normal,
        {"mean": 0.5, "stddev": 2.0, "lower": -1.0, "upper": 3.0},
        stats.truncnorm(-1, 3, 0.5, 2.0),
    ),
    "log_uniform": (
        functional.log_uniform,
        {"low": 0.001, "high": 0.1},
        stats.loguniform(0.001, 0.1),
    ),
    "glorot": (functional.glorot_uniform, {}, stats.uniform(-0.25, 0.5)),
}
SHAPE = (64, 32)

every_row = pytest.mark.parametrize("name", ROWS)


def drawn(name):
    function, options, reference = ROWS[name]
    return function.draw(SHAPE, FLOAT32, **options), reference


@every_row
def test_the_distribution_is_that_of_scipy(name):
    draw, reference = drawn(name)
    x = np.linspace(*draw.recipe.law.support(*draw.scalars), 101) if name != "normal" else None
    x = np.linspace(-9, 9, 101) if x is None else np.concatenate([x[:1] - 1, x, x[-1:] + 1])
    np.testing.assert_allclose(
        draw.recipe.law.distribution(x, *draw.scalars), reference.cdf(x), atol=1e-6
    )


@every_row
def test_values_and_quantiles_have_the_distribution(name):
    draw, _ = drawn(name)
    law = draw.recipe.law
    values = np.asarray(draw(KEY), np.float64).ravel()

    def distribution(x):
        return law.distribution(x, *draw.scalars)

    # One test in a million fails by chance.
    assert stats.kstest(values, distribution).pvalue > 1e-6
    even = np.asarray(law.quantiles(2**10, FLOAT32, *draw.scalars), np.float64)
    expected = (np.arange(2**10) + 0.5) / 2**10
    np.testing.assert_allclose(distribution(even), expected, atol=1e-5)
    least, most = law.support(*draw.scalars)
    assert least <= min(values.min(), even.min())
    assert max(values.max(), even.max()) <= most


@pytest.mark.parametrize("scale", [1.0, -1.0, 0.0])
def test_a_scale_may_turn_a_law_around(scale):
    law = laws.TruncatedNormal()
    scalars = (*functional.truncated_normal.draw((4,), lower=-1.0).scalars[:4], scale, 0.25)
    distribution = law.distribution(np.array([-2.0, 0.0, 0.25, 0.5, 2.5]), *scalars)
    expected = {
        1.0: stats.truncnorm(-1, 2, 0.25, 1),
        -1.0: stats.truncnorm(-2, 1, 0.25, 1),
        0.0: stats.rv_discrete(values=([0.25], [1.0])),
    }[scale]
    exact = expected.cdf([-2.0, 0.0, 0.25, 0.5, 2.5]) if scale else [0, 0, 1, 1, 1]
    np.testing.assert_allclose(distribution, exact, atol=1e-6)


@every_row
@pytest.mark.parametrize("dtype", [FLOAT32, FLOAT64], ids=str)
def test_a_block_is_a_part_of_the_whole(name, dtype):
    draw, _ = drawn(name)
    law = draw.recipe.law
    with jax.enable_x64(dtype == FLOAT64):
        scalars = [dtype.type(scalar) for scalar in draw.scalars]
        start = (np.uint32(0), np.uint32(96))
        whole = jax.jit(lambda key: law.values(key, SHAPE, dtype, *scalars))(KEY)
        block = jax.jit(lambda key: law.block(key, (1, 32), dtype, start, *scalars))(KEY)
        assert bit_width(dtype) == 8 * dtype.itemsize
        if dtype == FLOAT32:
            same_bits(block[0], whole[3])
        else:  # Loops of other lengths are rounded otherwise in double precision.
            np.testing.assert_allclose(block[0], whole[3], rtol=1e-14)


@pytest.mark.parametrize("case", ALL, ids=by_id)
def test_the_support_holds_every_value(case):
    draw = case.function.draw(case.shape, **case.options)
    least, greatest = draw.recipe.law.support(*draw.scalars)
    values = np.asarray(draw(KEY))
    assert least <= values.min()
    assert values.max() <= greatest
    # That of a normal has no end, and the one of its inversion has.
    law = case.distribution
    exact = law(case.shape).support() if law else case.support(case.shape)
    if case.sum_varies and math.isinf(greatest):
        exact = (-np.inf, np.inf)
    assert (least, greatest) == pytest.approx(exact, rel=1e-5)
    assert draw.recipe.law.uses_key == case.draws


class Cauchy(laws.Elementwise):
    """A law of a user's own."""

    scalars = ("scale",)

    def of_bits(self, bits, dtype, *scalars):
        angle = dtype.type(math.pi) * (laws.unit(bits, dtype) - dtype.type(0.5))
        return jax.numpy.tan(angle) * scalars[0]


def test_a_law_of_ones_own_draws_whole_and_in_blocks():
    law, one = Cauchy(), np.float32(1)
    values = law.values(KEY, (1000,), FLOAT32, one)
    assert stats.kstest(np.asarray(values, np.float64), stats.cauchy.cdf).pvalue > 1e-6
    assert law.name == "cauchy"
    assert law.moments((4,), 1.0) is None
    assert law.support(1.0) == (-math.inf, math.inf)
    with pytest.raises(NotImplementedError, match=r"Cauchy must implement distribution"):
        law.distribution(0.0, 1.0)
    with pytest.raises(NotImplementedError, match=r"Law must implement values"):
        laws.Law().values(KEY, (4,), FLOAT32)
    with pytest.raises(NotImplementedError, match=r"must implement of_bits"):
        laws.Elementwise().values(KEY, (4,), FLOAT32)

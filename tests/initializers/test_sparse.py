"""Sparse matrices: the zeros of torch's `sparse_`, anywhere in a column, among normal values.

One test in a million fails by chance; the keys are fixed.
"""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from cthulhu import functional, initializers
from cthulhu.initializers._sparse import smallest
from cthulhu.params import plan
from tests.cases import same_bits

KEY = jax.random.key(0)
ALPHA = 1e-6
SPARSITIES = [0, 1e-9, 0.07, 0.1, 0.3, 0.5, 0.85, 0.999, 1]


def zeros_in_torch(sparsity: float, rows: int) -> int:
    """The line of `torch.nn.init.sparse_` that counts them."""
    return math.ceil(sparsity * rows)


def zeros_of(values: Any) -> list[int]:
    """The zeros of each column."""
    found: list[int] = (np.asarray(values) == 0).sum(axis=0).tolist()
    return found


@pytest.mark.parametrize("sparsity", SPARSITIES)
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 30, 100, 1000])
def test_every_column_has_the_zeros_of_torch(rows: int, sparsity: float) -> None:
    expected = [zeros_in_torch(sparsity, rows)] * 9
    for dtype in (np.float32, jnp.bfloat16, np.complex64):
        values = functional.sparse(KEY, (rows, 9), dtype, sparsity=sparsity, stddev=1.0)
        assert values.dtype == dtype
        assert zeros_of(values) == expected


def test_a_product_is_rounded_as_in_torch() -> None:
    assert 0.07 * 100 > 7
    assert zeros_of(initializers.Sparse(0.07, seed=0)((100, 2))) == [8, 8]
    assert 0.29 * 100 < 29
    assert zeros_of(initializers.Sparse(0.29, seed=0)((100, 2))) == [29, 29]
    # In float32 it would be 3.
    assert zeros_of(initializers.Sparse(0.1, seed=0)((31, 2))) == [4, 4]
    assert zeros_of(initializers.Sparse(np.float32(0.1), seed=0)((30, 2))) == [4, 4]


@pytest.mark.parametrize("different", [1, 2, 5, 2**32])
def test_equal_words_are_counted_one_by_one(different: int) -> None:
    words = np.random.default_rng(0).integers(0, different, (37, 5), np.uint64).astype(np.uint32)
    words[:, 0] = 2**32 - 1
    rank = np.argsort(np.argsort(words, axis=0, kind="stable"), axis=0, kind="stable")
    for count in range(1, len(words) + 1):
        assert np.array_equal(smallest(jnp.asarray(words), count), rank < count)


def choices(key: jax.Array, rows: int, zeros: int, columns: int) -> np.ndarray[Any, Any]:
    """Which of all choices of rows each column has."""
    values = np.asarray(functional.sparse(key, (rows, columns), sparsity=zeros / rows))
    number = {one: i for i, one in enumerate(itertools.combinations(range(rows), zeros))}
    return np.array([number[tuple(np.flatnonzero(column == 0))] for column in values.T])


@pytest.mark.parametrize(("rows", "zeros"), [(6, 1), (6, 3), (7, 5)])
def test_every_choice_of_rows_is_as_likely(rows: int, zeros: int) -> None:
    found = choices(KEY, rows, zeros, 20_000)
    counts = np.bincount(found, minlength=math.comb(rows, zeros))
    assert stats.chisquare(counts).pvalue > ALPHA


@pytest.mark.parametrize("inputs", [1, 14, 15, 16, 40, 1000])
def test_each_unit_keeps_the_connections_of_martens(inputs: int) -> None:
    values = np.asarray(functional.martens_sparse(KEY, (inputs, 200)))
    assert zeros_of(values) == [max(0, inputs - 15)] * 200
    assert stats.kstest(values[values != 0], stats.norm.cdf).pvalue > ALPHA
    # A unit's sum of inputs of variance 1 has the variance of its connections.
    told = initializers.MartensSparse().draw((inputs, 200)).moments()
    assert told.stddev**2 * inputs == pytest.approx(min(15, inputs))


def test_martens_is_sparse_by_a_number() -> None:
    same_bits(
        functional.martens_sparse(KEY, (40, 7), connections=10, stddev=0.01),
        functional.sparse(KEY, (40, 7), sparsity=0.75),
    )


def test_the_columns_are_independent() -> None:
    found = choices(KEY, 5, 2, 40_001)
    for first, second in (
        (found[:-1:2], found[1::2]),
        (found, choices(jax.random.key(1), 5, 2, 40_001)),
    ):
        table = np.zeros((10, 10))
        np.add.at(table, (first[:20_000], second[:20_000]), 1)
        assert stats.chi2_contingency(table).pvalue > ALPHA


def test_the_tests_see_a_choice_that_is_not_uniform() -> None:
    found = choices(KEY, 6, 3, 20_000)
    found[:600] = 0
    assert stats.chisquare(np.bincount(found)).pvalue < ALPHA


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.9])
def test_what_is_not_zero_is_normal(sparsity: float) -> None:
    values = np.asarray(functional.sparse(KEY, (200, 1000), sparsity=sparsity, stddev=0.5))
    kept = values[values != 0].astype(np.float64)
    assert kept.size == (200 - zeros_in_torch(sparsity, 200)) * 1000
    assert stats.kstest(kept, stats.norm(0, 0.5).cdf).pvalue > ALPHA
    # Whatever the row that it stands in.
    upper, lower = (half[half != 0].astype(np.float64) for half in np.split(values, 2))
    assert stats.ks_2samp(upper, lower).pvalue > ALPHA


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_the_moments_count_the_zeros(dtype: Any) -> None:
    draw = functional.sparse.draw((30, 4000), dtype, sparsity=0.85, stddev=2.0)
    told = draw.moments()
    assert told is not None
    assert told == (0.0, pytest.approx(2 * math.sqrt(4 / 30)))
    values = np.asarray(draw(KEY)).astype(np.complex128)
    error = math.sqrt(3 * 30 / 4 / values.size)  # Of the mean square, relative.
    assert abs((np.abs(values) ** 2).mean() / told.stddev**2 - 1) < 4.9 * error


def test_all_of_a_matrix_or_nothing_may_be_zero() -> None:
    assert not np.any(functional.sparse(KEY, (4, 3), sparsity=1))
    assert functional.sparse.draw((4, 3), sparsity=1).moments() == (0.0, 0.0)
    assert np.all(functional.sparse(KEY, (4, 3), sparsity=0))
    for shape in ((0, 3), (3, 0)):
        assert functional.sparse(KEY, shape, sparsity=0.5).shape == shape
        assert functional.sparse.draw(shape, sparsity=0.5).moments() == (0.0, 0.0)


def test_a_stddev_may_be_traced_and_moves_no_zero() -> None:
    stddevs = (0.0, 0.02, 1.5)
    expected = [functional.sparse(KEY, (6, 8), sparsity=0.5, stddev=one) for one in stddevs]
    mapped = jax.vmap(lambda one: functional.sparse(KEY, (6, 8), sparsity=0.5, stddev=one))
    assert np.array_equal(mapped(jnp.array(stddevs)), np.stack(expected))
    assert np.array_equal(expected[1] == 0, expected[2] == 0)


def test_a_plan_of_an_init_function_names_it() -> None:
    (row,) = plan(lambda key: initializers.Sparse(0.75)(key, (8, 4)), KEY).rows
    assert (row.initializer, row.stddev) == ("Sparse(sparsity=0.75)", 0.005)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: initializers.Sparse(1.5),
            ValueError,
            "Sparse: sparsity must be from 0 to 1; got 1.5",
        ),
        (
            lambda: functional.sparse(KEY, (2, 2), sparsity=-0.1),
            ValueError,
            "sparse: sparsity must be from 0 to 1; got -0.1",
        ),
        (
            lambda: initializers.Sparse(math.nan),
            ValueError,
            "Sparse: sparsity must be finite; got nan",
        ),
        (
            lambda: initializers.Sparse(True),
            TypeError,
            "Sparse: sparsity must be a number; got True",
        ),
        (
            lambda: initializers.Sparse(0.5, stddev=-1.0),
            ValueError,
            "Sparse: stddev must be at least 0; got -1.0",
        ),
        (
            lambda: jax.jit(lambda one: functional.sparse(KEY, (2, 2), sparsity=one))(0.5),
            TypeError,
            "sparse: sparsity must be concrete, .*; got a traced array",
        ),
        (
            lambda: initializers.Sparse(0.5)(KEY, (3, 3, 4, 8)),
            ValueError,
            "sparse: shape must have exactly 2 dimensions .*; got .3, 3, 4, 8., which has 4",
        ),
        (
            lambda: initializers.Sparse(0.5)(KEY, (2, 2), np.int32),
            TypeError,
            "sparse: dtype must be a floating or complex type",
        ),
        (
            lambda: functional.sparse(KEY, (2, 2)),
            TypeError,
            r"sparse: sparsity must be given, .* functools.partial\(sparse, sparsity=…\)",
        ),
        (
            lambda: initializers.get("sparse"),
            TypeError,
            r"Sparse: sparsity must be given, .* Pass an instance: Sparse\(sparsity=…\)",
        ),
    ],
)
def test_what_makes_no_sparse_matrix_is_refused(
    call: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        call()

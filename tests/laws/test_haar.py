"""Every orthogonal matrix that an initializer makes is uniform among all of its size.

`tests/functional/test_orthogonal.py` has further tests of `orthogonal`. All draws are of fixed
keys: 54 p-values are compared with `ALPHA`, and 15 means with five standard errors, so that a
right law would fail here with a probability below 7e-5.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from scipy import stats

from cthulhu import functional
from tests.cases import KEY

ALPHA = 1e-6
COUNT, SIZE = 20_000, 5


def stack(draw: Callable[[jax.Array], jax.Array]) -> np.ndarray:
    """Matrices of many keys."""
    return np.asarray(jax.vmap(draw)(jax.random.split(KEY, COUNT))).astype(np.float64)


def of_taps(key: jax.Array) -> jax.Array:
    shape = (2, 2, SIZE, SIZE)
    return functional.orthogonal(key, shape, batch_axis=(0, 1))[1, 0]


def of_stretched(key: jax.Array) -> jax.Array:
    # The root of outputs over inputs is 1 of a square.
    return functional.scaled_orthogonal(key, (SIZE, SIZE), gain=-2.0) / np.float32(2)


def of_point(key: jax.Array) -> jax.Array:
    return functional.convolution_orthogonal(key, (1, 1, SIZE, SIZE))[0, 0]


def of_sum(key: jax.Array) -> jax.Array:
    # What a constant image is multiplied by: every delay is 1, and so a product of Haar matrices.
    return functional.convolution_orthogonal(key, (3, SIZE, SIZE)).sum(axis=0)


DRAWS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "orthogonal": lambda key: functional.orthogonal(key, (SIZE, SIZE)),
    "delta_orthogonal": lambda key: functional.delta_orthogonal(key, (3, SIZE, SIZE))[1],
    "a tap": of_taps,
    "scaled_orthogonal": of_stretched,
    "convolution_orthogonal of size 1": of_point,
    "the sum of convolution_orthogonal's taps": of_sum,
}
# An element of a uniform point on the sphere: its square has the law Beta(1/2, (n - 1)/2).
MARGINAL = stats.beta((SIZE - 1) / 2, (SIZE - 1) / 2, loc=-1, scale=2)


def p_values(matrices: np.ndarray) -> dict[str, float]:
    """Of elements, before and after fixed rotations, and of the determinants' signs."""
    # Haar's measure is invariant from both sides.
    rotation = np.linalg.qr(np.arange(SIZE**2, dtype=float).reshape(SIZE, SIZE) + np.eye(SIZE))[0]
    positive = int((np.linalg.det(matrices) > 0).sum())
    found = {"determinant": float(stats.binomtest(positive, len(matrices)).pvalue)}
    for name, seen in (
        ("matrix", matrices),
        ("rotated from the left", rotation @ matrices),
        ("from the right", matrices @ rotation),
        ("from both sides", rotation @ matrices @ rotation),
    ):
        for row, column in ((0, 0), (-1, -1)):
            p = stats.kstest(seen[:, row, column], MARGINAL.cdf).pvalue
            found[f"{name} {row}, {column}"] = float(p)
    return found


@pytest.mark.parametrize("name", DRAWS)
def test_elements_and_determinants_have_the_laws_of_haar(name: str) -> None:
    for part, p in p_values(stack(DRAWS[name])).items():
        assert p > ALPHA, (part, p)


@pytest.mark.parametrize("name", DRAWS)
def test_traces_have_the_moments_of_haar(name: str) -> None:
    # Diaconis and Shahshahani (1994): of tr Q and tr Q², for Q in O(n), n at least 4.
    matrices = stack(DRAWS[name])
    trace = np.trace(matrices, axis1=1, axis2=2)
    twice = np.trace(matrices @ matrices, axis1=1, axis2=2)
    for values, moment in ((trace, 0), (trace**2, 1), (trace**4, 3), (twice, 1)):
        assert abs(values.mean() - moment) < 5 * values.std() / math.sqrt(COUNT)


@pytest.mark.parametrize(
    "function", [functional.convolution_orthogonal, functional.scaled_orthogonal]
)
def test_rows_are_uniform_on_their_sphere(function: Any) -> None:
    shape = (1, 3, 8) if function is functional.convolution_orthogonal else (3, 8)
    rows = stack(lambda key: function(key, shape).reshape(3, 8))[:, 1]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    law = stats.beta(3.5, 3.5, loc=-1, scale=2)
    for column in (0, 7):
        assert stats.kstest(rows[:, column], law.cdf).pvalue > ALPHA


def test_taps_are_independent() -> None:
    draw = functional.orthogonal
    taps = stack(lambda key: draw(key, (2, 2, SIZE, SIZE), batch_axis=(0, 1)))
    # Of independent Haar matrices, one times the other's inverse is Haar again.
    ratio = taps[:, 0, 1] @ taps[:, 1, 0].swapaxes(1, 2)
    for part, p in p_values(ratio).items():
        assert p > ALPHA, (part, p)


def test_these_tests_see_a_decomposition_without_correction() -> None:
    gaussian = functional.random_normal(KEY, (COUNT, SIZE, SIZE), stddev=1.0)
    found = p_values(np.linalg.qr(np.asarray(gaussian, np.float64))[0])
    assert found["matrix 0, 0"] < ALPHA
    assert found["determinant"] < ALPHA

"""Orthogonal matrices are orthogonal, and uniform among them."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from cthulhu import functional
from tests.cases import KEY, same_bits

# As in tests/test_laws.py; there are fewer than 40 p-values here.
ALPHA = 1e-6


def defect(matrix: Any) -> float:
    """The largest element of QᵀQ − I, over the smaller side."""
    q = np.asarray(matrix).astype(np.complex128)
    if q.shape[-2] < q.shape[-1]:
        q = np.swapaxes(q, -1, -2)
    gram = np.swapaxes(q, -1, -2).conj() @ q
    return float(np.abs(gram - np.eye(q.shape[-1])).max())


@pytest.mark.parametrize(
    "shape",
    [(1, 1), (2, 2), (7, 1), (1, 7), (64, 64), (1024, 1024), (1024, 32), (32, 1024), (333, 1021)],
    ids=str,
)
def test_the_smaller_side_is_orthonormal(shape: tuple[int, int]) -> None:
    assert defect(functional.orthogonal(KEY, shape)) < 1e-5


@pytest.mark.parametrize("shape", [(3, 5, 24), (3, 3, 8, 16), (2, 2, 2, 2, 8)], ids=str)
def test_any_axis_may_hold_the_columns(shape: tuple[int, ...]) -> None:
    for axis in range(-len(shape), len(shape)):
        values = functional.orthogonal(KEY, shape, axis=axis)
        matrix = np.moveaxis(np.asarray(values), axis, -1).reshape(-1, shape[axis])
        assert values.shape == shape
        assert defect(matrix) < 1e-5


@pytest.mark.parametrize("gain", [2.0, -1.0, 0.1])
def test_the_gain_is_a_factor(gain: float) -> None:
    unit = np.asarray(functional.orthogonal(KEY, (24, 16)))
    same_bits(functional.orthogonal(KEY, (24, 16), gain=gain), np.float32(gain) * unit)
    kernel = np.asarray(functional.delta_orthogonal(KEY, (3, 3, 8, 16)))
    same_bits(
        functional.delta_orthogonal(KEY, (3, 3, 8, 16), gain=gain)[1, 1],
        np.float32(gain) * kernel[1, 1],
    )


@pytest.mark.parametrize("dtype", [jnp.complex64, jnp.bfloat16, jnp.float16])
def test_other_types_are_orthogonal_as_far_as_they_go(dtype: Any) -> None:
    for shape in ((48, 48), (96, 24), (24, 96)):
        values = functional.orthogonal(KEY, shape, dtype)
        precision = max(float(jnp.finfo(dtype).eps), 2e-6)
        assert defect(values) < 3 * precision


def test_float64_is_orthogonal_in_double_precision() -> None:
    with jax.enable_x64(True):
        assert defect(functional.orthogonal(KEY, (200, 100), np.float64)) < 1e-14


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (12, 7), (7, 12)])
def test_a_stack_is_one_gaussian_decomposed_by_blocks(rows: int, columns: int) -> None:
    stack = functional.orthogonal(KEY, (6, rows, columns), batch_axis=0)
    assert defect(stack) < 1e-5

    theirs = jax.jit(lambda key: jax.random.orthogonal(key, rows, (6,), m=columns))(KEY)
    same_bits(stack, theirs)

    tall = (6, max(rows, columns), min(rows, columns))
    gaussian = functional.random_normal(KEY, tall, stddev=1.0)
    for block, matrix in zip(gaussian, stack, strict=True):
        q, r = jnp.linalg.qr(block)
        q = np.asarray(q) * np.sign(np.diagonal(r))[None, :]
        np.testing.assert_allclose(matrix, q if rows >= columns else q.T, atol=1e-6)


def test_batch_axes_may_stand_anywhere() -> None:
    expected = functional.orthogonal(KEY, (6, 12, 7), batch_axis=0)
    for batch_axis, shape in ((1, (12, 6, 7)), (-1, (12, 7, 6)), (2, (12, 7, 6))):
        axis = 2 if shape[2] == 7 else 1
        values = functional.orthogonal(KEY, shape, axis=axis, batch_axis=batch_axis)
        same_bits(np.moveaxis(np.asarray(values), batch_axis, 0), expected)
    pairs = functional.orthogonal(KEY, (2, 3, 12, 7), batch_axis=(0, 1))
    same_bits(np.reshape(pairs, (6, 12, 7)), expected)
    listed = functional.orthogonal(KEY, (2, 3, 12, 7), batch_axis=[0, 1])
    same_bits(listed, pairs)


def many(shape: tuple[int, ...], count: int, dtype: Any = None, **options: Any) -> np.ndarray:
    """Independent matrices, by one batched decomposition."""
    stack = functional.orthogonal(KEY, (count, *shape), dtype, batch_axis=0, **options)
    return np.asarray(stack).astype(np.complex128 if dtype else np.float64)


@pytest.mark.parametrize("shape", [(3, 3), (5, 5), (8, 3), (3, 8)], ids=str)
def test_every_element_has_the_marginal_of_haar(shape: tuple[int, int]) -> None:
    stack = many(shape, 20_000)
    longer = max(shape)
    # An element of a uniform point on the sphere of that dimension.
    law = stats.beta((longer - 1) / 2, (longer - 1) / 2, loc=-1, scale=2)
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1), (1, 1)):
        assert stats.kstest(stack[:, row, column], law.cdf).pvalue > ALPHA


def test_traces_have_the_moments_of_haar() -> None:
    # Diaconis and Shahshahani (1994): of tr Q and tr Q², for Q in O(n), n at least 4.
    stack = many((6, 6), 40_000)
    trace = np.trace(stack, axis1=1, axis2=2)
    for power, moment in ((1, 0), (2, 1), (3, 0), (4, 3)):
        powers = trace**power
        z = (powers.mean() - moment) / (powers.std() / math.sqrt(powers.size))
        assert abs(z) < 5
    squared = np.trace(stack @ stack, axis1=1, axis2=2)
    assert abs(squared.mean() - 1) < 5 * squared.std() / math.sqrt(squared.size)


def test_both_signs_of_the_determinant_occur_equally() -> None:
    for size in (1, 2, 5):
        positive = int((np.linalg.det(many((size, size), 10_000)) > 0).sum())
        assert stats.binomtest(positive, 10_000).pvalue > ALPHA


def test_a_fixed_rotation_changes_no_distribution() -> None:
    # Haar's measure is invariant from both sides.
    stack = many((4, 4), 20_000)
    rotation = np.linalg.qr(np.arange(16.0).reshape(4, 4) + np.eye(4))[0]
    law = stats.beta(1.5, 1.5, loc=-1, scale=2)
    for rotated in (rotation @ stack, stack @ rotation, rotation @ stack @ rotation):
        assert stats.kstest(rotated[:, 2, 1], law.cdf).pvalue > ALPHA


def test_unitary_matrices_have_uniform_phases() -> None:
    # Without the correction of the signs, QR's eigenvalues avoid the neighbourhood of 1
    # (Mezzadri 2007), and its determinants have a preferred phase.
    stack = many((5, 5), 10_000, jnp.complex64)
    assert defect(stack) < 1e-5
    uniform = stats.uniform(-np.pi, 2 * np.pi)
    eigenvalues = np.linalg.eigvals(stack)
    chosen = np.random.default_rng(0).integers(5, size=len(stack))
    phase = np.angle(eigenvalues[np.arange(len(stack)), chosen])
    assert stats.kstest(phase, uniform.cdf).pvalue > ALPHA
    assert stats.kstest(np.angle(np.linalg.det(stack)), uniform.cdf).pvalue > ALPHA


def test_these_tests_see_a_decomposition_without_correction() -> None:
    gaussian = functional.random_normal(KEY, (10_000, 5, 5), stddev=1.0)
    bare = np.asarray(jnp.linalg.qr(gaussian)[0]).astype(np.float64)
    law = stats.beta(2, 2, loc=-1, scale=2)
    assert stats.kstest(bare[:, 0, 0], law.cdf).pvalue < ALPHA
    positive = int((np.linalg.det(bare) > 0).sum())
    assert stats.binomtest(positive, 10_000).pvalue < ALPHA


@pytest.mark.parametrize("shape", [(3, 8, 16), (4, 8, 8), (3, 4, 8, 16), (2, 3, 4, 8, 8)], ids=str)
def test_delta_orthogonal_is_orthogonal_at_the_centre_alone(shape: tuple[int, ...]) -> None:
    kernel = np.asarray(functional.delta_orthogonal(KEY, shape))
    centre = tuple((size - 1) // 2 for size in shape[:-2])
    same_bits(kernel[centre], functional.orthogonal(KEY, shape[-2:]))
    others = kernel.copy()
    others[centre] = 0
    same_bits(others, np.zeros(shape, np.float32))


def test_delta_orthogonal_keeps_the_norm_of_an_image() -> None:
    kernel = functional.delta_orthogonal(KEY, (3, 3, 8, 16))
    image = jax.random.normal(KEY, (2, 10, 10, 8))
    out = jax.lax.conv_general_dilated(
        image, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(jnp.linalg.norm(out), jnp.linalg.norm(image), rtol=1e-5)

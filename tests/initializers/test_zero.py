"""Networks that start without chance, by the authors' notebook and SciPy's Hadamard matrices."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import hadamard

from cthulhu import functional
from cthulhu.initializers import ZerO

SHAPES = [(1, 1), (4, 4), (9, 4), (4, 9), (1, 7), (7, 8), (784, 810), (810, 784), (5, 64)]


def as_in_the_notebook(weight: tuple[int, int]) -> np.ndarray[Any, Any]:
    """`ZerO_Init_on_matrix` of jiaweizzhao/ZerO-initialization, of torch's (outputs, inputs)."""
    m, n = weight
    if m <= n:
        return np.eye(m, n)
    clog_m = math.ceil(math.log2(m))
    p = 2**clog_m
    return np.eye(m, p) @ (hadamard(p) / (2 ** (clog_m / 2))) @ np.eye(p, n)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_matrix_is_that_of_the_authors(shape: tuple[int, int]) -> None:
    inputs, outputs = shape
    expected = as_in_the_notebook((outputs, inputs)).T
    kernel = ZerO()(shape)
    np.testing.assert_allclose(kernel, expected, rtol=1e-7)
    told = ZerO().draw(shape).moments()
    assert told == pytest.approx((expected.mean(), expected.std()), rel=1e-6)
    for dtype in (jnp.bfloat16, np.complex64):
        assert np.array_equal(ZerO()(shape, dtype), kernel.astype(dtype))


@pytest.mark.parametrize("shape", [(3, 3, 8, 8), (3, 3, 6, 16), (2, 5, 12), (3, 1, 2, 8, 5)])
def test_a_convolution_has_the_matrix_at_its_centre(shape: tuple[int, ...]) -> None:
    kernel = np.array(ZerO()(shape))
    centre = tuple(size // 2 for size in shape[:-2])
    assert np.array_equal(kernel[centre], ZerO()(shape[-2:]))
    told = ZerO().draw(shape).moments()
    assert told == pytest.approx((kernel.mean(), kernel.std()), rel=1e-6)
    kernel[centre] = 0
    assert not kernel.any()


@pytest.mark.parametrize("widths", [(32, 64), (100, 128), (3, 8)])
def test_a_layer_that_widens_to_a_power_of_two_keeps_lengths(widths: tuple[int, int]) -> None:
    kernel = functional.zer_o(None, widths)
    np.testing.assert_allclose(kernel @ kernel.T, np.eye(widths[0]), atol=1e-6)


def test_one_column_more_than_a_power_of_two_takes_the_next() -> None:
    assert np.array_equal(np.abs(ZerO()((2, 16))), np.full((2, 16), 0.25))
    np.testing.assert_allclose(np.abs(ZerO()((2, 17))), np.full((2, 17), 32**-0.5), rtol=1e-7)


def test_a_large_kernel_is_made_of_its_own_indices() -> None:
    """The element (i, j) is the parity of the ones in `i & j`."""
    kernel = jax.jit(lambda: ZerO()((3, 70000)))()
    odd = np.bitwise_count(np.arange(3)[:, None] & np.arange(70000)) % 2
    assert np.array_equal(np.asarray(kernel) < 0, odd == 1)

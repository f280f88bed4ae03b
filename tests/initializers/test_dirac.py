"""Dirac kernels: by their definition in torch, and by what a convolution with one does."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import functional, initializers

KEY = jax.random.key(0)
SHAPES = [(3, 4, 8), (2, 4, 8), (3, 5, 4, 8), (3, 3, 8, 4), (1, 2, 3, 4, 8), (3, 0, 8)]


def as_in_torch(shape: tuple[int, ...], groups: int) -> np.ndarray[Any, Any]:
    """`torch.nn.init.dirac_` of the kernel (outputs, inputs, *spatial), in this layout."""
    *spatial, inputs, outputs = shape
    weight = np.zeros((outputs, inputs, *spatial), np.float32)
    each = outputs // groups
    for group in range(groups):
        for i in range(min(each, inputs)):
            weight[(group * each + i, i, *(size // 2 for size in spatial))] = 1
    return np.moveaxis(weight, (0, 1), (-1, -2))


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_kernel_is_that_of_torch(shape: tuple[int, ...], groups: int) -> None:
    for dtype in (np.float32, jnp.bfloat16, np.int32, np.complex64):
        kernel = functional.dirac(None, shape, dtype, groups=groups)
        assert kernel.dtype == dtype
        assert np.array_equal(kernel, as_in_torch(shape, groups))


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_the_moments_count_the_ones(groups: int) -> None:
    values = np.asarray(functional.dirac(None, (3, 3, 3, 8), groups=groups))
    told = functional.dirac.draw((3, 3, 3, 8), groups=groups).moments()
    assert told == pytest.approx((values.mean(), values.std()), rel=1e-5)


@pytest.mark.parametrize("groups", [1, 2])
def test_every_group_keeps_the_input(groups: int) -> None:
    images = jax.random.normal(KEY, (2, 7, 7, 4))
    kernel = initializers.Dirac(groups=groups)(KEY, (3, 3, 4, 4 * groups))
    names = ("NHWC", "HWIO", "NHWC")
    kept = jax.lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=names)
    assert np.array_equal(kept, np.tile(images, groups))

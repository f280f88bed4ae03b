"""Identities that are shifted, and identities of convolutions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import functional, initializers

KEY = jax.random.key(0)


@pytest.mark.parametrize("shift", [-7, -1, 0, 1, 3, 100])
@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (1, 4), (4, 1), (3, 0), (0, 3)])
def test_a_shift_is_a_roll_of_the_outputs(shape: tuple[int, int], shift: int) -> None:
    for dtype in (np.float32, jnp.bfloat16, np.int32, np.complex64):
        values = functional.identity(None, shape, dtype, gain=2, shift=shift)
        assert values.dtype == dtype
        assert np.array_equal(values, np.roll(2 * np.eye(*shape), shift, 1))


@pytest.mark.parametrize("shape", [(3, 4, 4), (4, 2, 5), (2, 3, 5, 3), (2, 3, 4, 2, 2), (3, 0, 2)])
@pytest.mark.parametrize("shift", [0, 1])
def test_a_kernel_has_the_matrix_at_its_centre(shape: tuple[int, ...], shift: int) -> None:
    expected = np.zeros(shape, np.float32)
    centre = tuple((size - 1) // 2 for size in shape[:-2])
    expected[centre] = np.roll(np.eye(*shape[-2:]), shift, 1)
    values = functional.identity(None, shape, shift=shift, convolution=True)
    assert np.array_equal(values, expected)
    told = functional.identity.draw(shape, shift=shift, convolution=True).moments()
    measured = (expected.mean(), expected.std()) if expected.size else (0.0, 0.0)
    assert told == pytest.approx(measured, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("window", [(1, 1), (3, 3), (2, 2), (4, 5)])
def test_a_convolution_keeps_its_input(window: tuple[int, int]) -> None:
    images = jax.random.normal(KEY, (2, 7, 8, 4))
    names = ("NHWC", "HWIO", "NHWC")
    for shift in (0, 1):
        kernel = initializers.Identity(shift=shift, convolution=True)((*window, 4, 4))
        kept = jax.lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=names)
        assert np.array_equal(kept, np.roll(images, shift, -1))


def test_without_the_option_kernels_and_biases_are_refused_as_in_keras() -> None:
    for shape in ((4,), (3, 4, 4)):
        with pytest.raises(ValueError, match=r"^identity: shape must have exactly 2 dim"):
            functional.identity(None, shape)
    for shape in ((4, 4), (4,)):
        with pytest.raises(ValueError, match=r"^identity: shape must have 3 to 5 dim"):
            functional.identity(None, shape, convolution=True)


def test_a_config_that_keras_can_read_has_its_arguments_alone() -> None:
    assert initializers.Identity(gain=2.0).get_config() == {"gain": 2.0}
    assert initializers.Identity(shift=1).get_config() == {"gain": 1.0, "shift": 1}

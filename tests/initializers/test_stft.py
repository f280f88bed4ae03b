"""Short-time Fourier transforms: the formula in double precision, and NumPy's transform."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from cthulhu import functional
from cthulhu.initializers import STFT

WINDOWS = [None, "hann", "hamming", "blackman", (0.5, -2.0, *np.linspace(0.0, 1.0, 14))]


def by_definition(
    shape: tuple[int, int, int], side: str, window: Any, scaling: Any, periodic: bool
) -> np.ndarray[Any, Any]:
    """What Keras's `STFT` documents."""
    length, inputs, bands = shape
    angles = -2 * np.pi * np.outer(np.arange(length), np.arange(bands)) / (2 * (bands - 1))
    kernel = np.cos(angles) if side == "real" else np.sin(angles)
    if window is not None:
        values = window
        if isinstance(window, str):
            values = signal.get_window(window, length, fftbins=periodic)
        values = np.asarray(values)
        if scaling == "density":
            values = values / np.sqrt((values**2).sum())
        elif scaling == "spectrum":
            values = values / np.abs(values).sum()
        kernel = kernel * values[:, None]
    return np.repeat(kernel[:, None], inputs, axis=1)


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: str(window)[:8])
@pytest.mark.parametrize("side", ["real", "imag"])
def test_a_kernel_is_its_definition(side: str, window: Any, scaling: Any, periodic: bool) -> None:
    init = STFT(side, window, scaling, periodic)
    for shape in ((16, 1, 9), (16, 2, 33), (16, 1, 6), (16, 1, 2)):
        expected = by_definition(shape, side, window, scaling, periodic)
        np.testing.assert_allclose(init(shape), expected, atol=2e-6)
        told = init.draw(shape).moments()
        assert told == pytest.approx((expected.mean(), expected.std()), rel=1e-6, abs=1e-7)
        low, high = init.draw(shape).recipe.law.support()
        assert low <= expected.min() <= expected.max() <= high


@pytest.mark.parametrize("side", ["real", "imag"])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
def test_a_kernel_is_that_of_keras(side: str, scaling: Any) -> None:
    keras = pytest.importorskip("keras")
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        theirs = np.asarray(keras.initializers.STFT(side, "hann", scaling, True)((64, 1, 33)))
    # Keras multiplies by whole turns in float32.
    np.testing.assert_allclose(STFT(side, "hann", scaling, True)((64, 1, 33)), theirs, atol=5e-5)


def test_two_convolutions_are_the_transform_of_numpy() -> None:
    x = jax.random.normal(jax.random.key(0), (1, 1000, 1))
    parts = [
        jax.lax.conv_general_dilated(
            x,
            functional.stft(None, (64, 1, 33), side=side, scaling=None),
            (16,),
            "VALID",
            dimension_numbers=("NWC", "WIO", "NWC"),
        )
        for side in ("real", "imag")
    ]
    found = np.asarray(parts[0]) + 1j * np.asarray(parts[1])
    frames = np.lib.stride_tricks.sliding_window_view(np.ravel(x), 64)[::16]
    expected = np.fft.rfft(frames * signal.get_window("hann", 64, fftbins=False))
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


def test_a_long_window_loses_nothing() -> None:
    expected = by_definition((5000, 1, 2049), "imag", None, None, False)
    assert np.abs(np.asarray(STFT("imag", None)((5000, 1, 2049))) - expected).max() < 1e-6


def test_a_kernel_is_rounded_once() -> None:
    kernel = STFT()((16, 1, 9))
    for dtype in (jnp.bfloat16, np.float16, np.complex64):
        assert np.array_equal(STFT()((16, 1, 9), dtype), kernel.astype(dtype))


def test_what_vanishes_is_no_nan() -> None:
    assert not np.any(STFT()((2, 1, 3)))  # A symmetric window of Hann's is 0 at its ends.
    assert STFT(window=None)((3, 1, 1)).tolist() == [[[1.0]], [[1.0]], [[1.0]]]
    assert STFT().draw((2, 1, 3)).moments() == (0.0, 0.0)


def test_a_window_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"stft: the first dimension \(length\) must be .*, 3; "):
        STFT(window=(1.0, 2.0, 1.0))((4, 1, 3))


def test_values_are_those_of_a_window_by_name() -> None:
    window = signal.get_window("hann", 16, fftbins=False)
    assert np.array_equal(STFT(window=window)((16, 1, 9)), STFT()((16, 1, 9)))
    assert math.isclose(float((STFT()((16, 1, 9))[:, 0, 0] ** 2).sum()), 1.0, rel_tol=1e-6)

"""Tables of positions, by the formulas of the models that have them, in double precision."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import functional
from cthulhu.initializers import SinCos

Table = np.ndarray[Any, Any]


def whisper(length: int, channels: int) -> Table:
    """`sinusoids` of openai/whisper's `model.py`; Tensor2Tensor's `get_timing_signal_1d`."""
    increment = np.log(10000) / (channels // 2 - 1)
    frequencies = np.exp(-increment * np.arange(channels // 2))
    angles = np.arange(length)[:, None] * frequencies[None]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def big_vision(h: int, w: int, width: int, temperature: float = 10000.0) -> Table:
    """`posemb_sincos_2d` of google-research/big_vision's `models/vit.py`, after MoCo v3."""
    y, x = np.mgrid[:h, :w]
    omega = np.arange(width // 4) / (width // 4 - 1)
    omega = 1.0 / (temperature**omega)
    y = np.einsum("m,d->md", y.flatten(), omega)
    x = np.einsum("m,d->md", x.flatten(), omega)
    return np.concatenate([np.sin(x), np.cos(x), np.sin(y), np.cos(y)], axis=1)


@pytest.mark.parametrize("shape", [(1, 4), (7, 6), (448, 384), (1500, 1280), (4096, 64)])
def test_a_line_is_that_of_whisper(shape: tuple[int, int]) -> None:
    expected = whisper(*shape)
    np.testing.assert_allclose(SinCos()(shape), expected, atol=3e-6)
    told = SinCos().draw(shape).moments()
    assert told == pytest.approx((expected.mean(), expected.std()), rel=1e-9)


@pytest.mark.parametrize("grid", [(1, 1), (14, 14), (3, 20), (20, 3), (1, 9)])
def test_a_grid_is_that_of_big_vision(grid: tuple[int, int]) -> None:
    expected = big_vision(*grid, 64)
    flat = SinCos(grid)((len(expected), 64))
    np.testing.assert_allclose(flat, expected, atol=1e-6)
    assert np.array_equal(SinCos(grid)((*grid, 64)).reshape(flat.shape), flat)
    for shape in (flat.shape, (*grid, 64), (2, *grid, 64)):
        told = SinCos(grid).draw(shape).moments()
        assert told == pytest.approx((expected.mean(), expected.std()), rel=1e-9)


def test_another_base_has_other_frequencies() -> None:
    expected = big_vision(5, 6, 32, temperature=100.0)
    np.testing.assert_allclose(SinCos((5, 6), 100)((30, 32)), expected, atol=1e-6)


def test_far_positions_are_as_exact_as_float32_angles_are_not() -> None:
    expected = whisper(8192, 128)
    values = np.asarray(SinCos()((8192, 128)))
    angles = np.arange(8192, dtype=np.float32)[:, None] * np.float32(
        10000.0 ** (-np.arange(64) / 63)
    )
    naive = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    assert np.abs(values - expected).max() < 1e-5 < 1e-4 < np.abs(naive - expected).max()


def test_double_precision_is_double() -> None:
    with jax.enable_x64(True):
        values = SinCos()((300, 32), np.float64)
        assert values.dtype == np.float64
        np.testing.assert_allclose(values, whisper(300, 32), atol=1e-12)


def test_a_table_is_rounded_once_and_repeats_along_leading_axes() -> None:
    table = SinCos()((9, 12))
    assert np.array_equal(SinCos()((1, 9, 12))[0], table)
    assert np.array_equal(SinCos()((2, 3, 9, 12))[1, 2], table)
    assert np.array_equal(SinCos()((9, 12), jnp.bfloat16), table.astype(jnp.bfloat16))
    assert np.array_equal(SinCos()((9, 12), np.complex64), table)


def test_two_channels_have_one_frequency() -> None:
    table = SinCos()((5, 2))
    np.testing.assert_allclose(table[:, 0], np.sin(np.arange(5)), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SinCos()((4, 7)), r"sin_cos: the last dimension .* a multiple of 2, .*\(4, 7\)$"),
        (lambda: SinCos((2, 2))((4, 6)), r"a multiple of 4, for sines and cosines of x and y; got"),
        (
            lambda: SinCos((2, 3))((3, 2, 8)),
            r"sin_cos: shape must end in \(6, channels\) or \(2, 3, channels\) with "
            r"grid=\(2, 3\); got \(3, 2, 8\)$",
        ),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_traced_base_is_refused() -> None:
    with pytest.raises(TypeError, match=r"sin_cos: base must be concrete, .*; got a traced array"):
        jax.jit(lambda base: functional.sin_cos(None, (3, 4), base=base))(100.0)

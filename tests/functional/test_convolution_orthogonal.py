"""Convolution-orthogonal kernels keep norms, and are those of Xiao et al. (2018)."""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from cthulhu import functional, initializers
from tests.cases import KEY, same_bits

draw = functional.convolution_orthogonal

# As in tests/test_laws.py; there are nine p-values here.
ALPHA = 1e-6

SHAPES = [
    *((size, 4, 7) for size in (1, 2, 3, 4, 7)),
    (5, 8, 8),
    *((size, size, 3, 8) for size in (1, 2, 3, 4)),
    (5, 5, 16, 16),
    (1, 1, 1, 2, 4),
    (2, 2, 2, 4, 4),
    (3, 3, 3, 2, 5),
]
by_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def circular(image: jax.Array, kernel: jax.Array) -> jax.Array:
    """The convolution of a batch of images, with circular padding, in their own type."""
    rank = kernel.ndim - 2
    widths = [(0, 0), *((size - 1, 0) for size in kernel.shape[:-2]), (0, 0)]
    letters = "DHW"[:rank]
    names = (f"N{letters}C", f"{letters}IO", f"N{letters}C")
    padded = jnp.pad(image, widths, mode="wrap")
    return jax.lax.conv_general_dilated(
        padded, kernel, (1,) * rank, "VALID", dimension_numbers=names, precision="highest"
    )


@by_shape
@pytest.mark.parametrize("gain", [1.0, -0.3])
def test_a_circular_convolution_multiplies_each_norm_by_the_gain(
    shape: tuple[int, ...], gain: float
) -> None:
    kernel = draw(KEY, shape, gain=gain)
    images = jax.random.normal(KEY, (5, *(9,) * (len(shape) - 2), shape[-2]))
    result = circular(images, kernel)
    axes = tuple(range(1, images.ndim))
    ratio = np.sqrt(np.sum(np.square(result), axis=axes) / np.sum(np.square(images), axis=axes))
    np.testing.assert_allclose(ratio, abs(gain), rtol=1e-5)


def defect(kernel: Any, gain: float = 1.0) -> float:
    """How far a kernel is from being orthogonal to its own shifts, and orthonormal."""
    values = np.asarray(kernel).astype(np.complex128)
    *spatial, inputs, outputs = values.shape
    size, worst = spatial[0], 0.0
    for shift in itertools.product(range(1 - size, size), repeat=len(spatial)):
        one, other = (
            values[tuple(slice(max(0, s * at), size + min(0, s * at)) for at in shift)]
            for s in (1, -1)
        )
        one, other = (part.reshape(-1, inputs, outputs) for part in (one, other))
        gram = np.einsum("tio,tjo->ij", one, other.conj())
        expected = np.eye(inputs) * (0 if any(shift) else gain**2)
        worst = max(worst, float(np.abs(gram - expected).max()))
    return worst


@by_shape
def test_a_kernel_is_orthogonal_to_its_own_shifts(shape: tuple[int, ...]) -> None:
    assert defect(draw(KEY, shape)) < 3e-6
    assert defect(draw(KEY, shape, gain=0.5), 0.5) < 3e-6
    assert defect(draw(KEY, shape, jnp.complex64)) < 3e-6
    if shape[-1] == shape[-2]:
        # A square's inputs are so too.
        assert defect(np.swapaxes(draw(KEY, shape), -1, -2)) < 3e-6


def test_double_precision() -> None:
    with jax.enable_x64(True):
        for dtype in (np.float64, np.complex128):
            assert defect(draw(KEY, (4, 4, 8, 16), dtype)) < 1e-14


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64])
def test_two_taps_are_a_projection_and_the_rest(dtype: Any) -> None:
    kernel = np.asarray(draw(KEY, (2, 2, 16, 16), dtype)).astype(np.complex128)
    whole = kernel.sum(axis=(0, 1))
    np.testing.assert_allclose(whole @ whole.conj().T, np.eye(16), atol=1e-5)
    # Over the other axis, what is left is O (P, 1 - P).
    for first, _ in (kernel.sum(axis=0), kernel.sum(axis=1)):
        p = whole.conj().T @ first
        np.testing.assert_allclose(p, p.conj().T, atol=1e-5)
        np.testing.assert_allclose(p @ p, p, atol=1e-5)
        assert 0 < round(np.trace(p).real) < 16


def test_half_of_a_basis_is_projected_on() -> None:
    keys = jax.random.split(KEY, 4000)
    kernels = np.asarray(jax.vmap(lambda key: draw(key, (2, 6, 6)))(keys), np.float64)
    projections = kernels.sum(axis=1).swapaxes(1, 2) @ kernels[:, 0]
    ranks = np.round(np.trace(projections, axis1=1, axis2=2)).astype(int)
    expected = stats.binom(6, 0.5).pmf(np.arange(7)) * len(keys)
    assert stats.chisquare(np.bincount(ranks, minlength=7), expected).pvalue > ALPHA


def reference(rng: np.random.Generator, size: int, inputs: int, outputs: int) -> np.ndarray:
    """Algorithm 2 of the paper in two dimensions, step by step."""

    def orthogonal() -> np.ndarray:
        q, r = np.linalg.qr(rng.standard_normal((outputs, outputs)))
        return q * np.sign(np.diag(r))

    def projection() -> np.ndarray:
        columns = orthogonal() * (rng.standard_normal(outputs) > 0)
        return columns @ columns.T

    def block() -> np.ndarray:
        first, second, one = projection(), projection(), np.eye(outputs)
        return np.array([[p @ q for q in (second, one - second)] for p in (first, one - first)])

    kernel = block()
    for _ in range(size - 2):
        other = block()
        longer = np.zeros((len(kernel) + 1, len(kernel) + 1, outputs, outputs))
        for i, j in np.ndindex(kernel.shape[:2]):
            for k, m in np.ndindex(2, 2):
                longer[i + k, j + m] += kernel[i, j] @ other[k, m]
        kernel = longer
    result: np.ndarray = orthogonal()[:inputs] @ kernel
    return result


def features(kernels: np.ndarray) -> dict[str, np.ndarray]:
    """Numbers of each kernel, which tell laws apart."""
    energy = np.square(kernels).sum(axis=(-2, -1))
    return {
        "corner": energy[:, 0, 0],
        "other corner": energy[:, -1, 0],
        "edge": energy[:, 0, 1],
        "centre": energy[:, 1, 1],
        "element of a corner": kernels[:, 0, 0, 0, 0],
        "element of the centre": kernels[:, 1, 1, 1, 2],
        "product of taps": np.einsum("nio,nio->n", kernels[:, 0, 1], kernels[:, 1, 0]),
        "product across": np.einsum("nio,nio->n", kernels[:, 0, 0], kernels[:, 1, 1]),
    }


def test_the_law_is_that_of_the_paper() -> None:
    rng = np.random.default_rng(20180614)
    keys = jax.random.split(KEY, 8000)
    ours = features(np.asarray(jax.vmap(lambda key: draw(key, (3, 3, 2, 4)))(keys), np.float64))
    theirs = features(np.stack([reference(rng, 3, 2, 4) for _ in range(4000)]))
    for name, values in ours.items():
        p = stats.ks_2samp(np.round(values, 5), np.round(theirs[name], 5)).pvalue
        assert p > ALPHA, (name, p)


def test_this_test_sees_other_delays() -> None:
    # Were a channel delayed in both axes at once, the taps off the diagonal would be 0.
    rng = np.random.default_rng(0)
    theirs = features(np.stack([reference(rng, 3, 2, 4) for _ in range(1000)]))
    keys = jax.random.split(KEY, 1000)
    kernels = np.asarray(jax.vmap(lambda key: draw(key, (3, 2, 4)))(keys), np.float64)
    square = np.einsum("ntio,st->nstio", kernels, np.eye(3))
    ours = features(square)
    assert stats.ks_2samp(ours["edge"], theirs["edge"]).pvalue < ALPHA


def test_the_mean_square_at_each_tap_is_binomial() -> None:
    # 16 means, each within five standard errors: one test in a hundred thousand fails by chance.
    keys = jax.random.split(KEY, 2000)
    kernels = np.asarray(jax.vmap(lambda key: draw(key, (4, 4, 4, 8)))(keys), np.float64)
    energy = np.square(kernels).mean(axis=(-2, -1))
    share = special.comb(3, np.arange(4)) / 2**3
    expected = np.outer(share, share) / 8
    error = energy.std(axis=0) / math.sqrt(len(keys))
    assert np.all(np.abs(energy.mean(axis=0) - expected) < 5 * error)
    assert draw.draw((4, 4, 4, 8)).moments().stddev == pytest.approx(math.sqrt(expected.mean()))


def test_the_gain_is_a_factor() -> None:
    unit = np.asarray(draw(KEY, (3, 3, 4, 8)))
    same_bits(draw(KEY, (3, 3, 4, 8), gain=-0.3), np.float32(-0.3) * unit)


def test_configs_of_tensorflow_are_read() -> None:
    # What `tf.compat.v1.keras` writes of its class of two dimensions.
    config = {"gain": 2.0, "seed": 7, "dtype": "float32"}
    read = initializers.deserialize({"class_name": "ConvolutionOrthogonal2D", "config": config})
    assert read == initializers.ConvolutionOrthogonal(2.0, seed=7)

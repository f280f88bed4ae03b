"""Matrices have the spectral norm that they should, in every layout."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import compat, functional, initializers
from cthulhu.fans import Layout
from cthulhu.laws import Spectral
from tests.cases import KEY, same_bits

# A shape, the options, and the einsum that brings the tensor to a stack of matrices of a row for
# each input at each tap and of a column for each output, written by hand.
LAYOUTS: dict[str, tuple[tuple[int, ...], dict[str, Any], str, tuple[int, ...]]] = {
    "dense": ((12, 20), {}, "io->io", (1, 12, 20)),
    "conv": ((3, 2, 5, 8), {}, "hwio->hwio", (1, 30, 8)),
    "torch": ((8, 5, 3, 2), {"layout": "torch_conv"}, "oihw->ihwo", (1, 30, 8)),
    "taps": ((3, 2, 5, 8), {"batch_axis": (0, 1)}, "hwio->hwio", (6, 5, 8)),
    "experts": ((4, 6, 10), {"layout": "moe"}, "eio->eio", (4, 6, 10)),
    "heads": ((12, 2, 3), {"layout": "attention_qkv"}, "dhk->dhk", (1, 12, 6)),
    "from heads": ((2, 3, 12), {"layout": "attention_out"}, "hkd->hkd", (1, 6, 12)),
    "outputs apart": ((2, 12, 3), {"in_axis": 1, "out_axis": (0, 2)}, "hdk->dhk", (1, 12, 6)),
    "transposed": ((3, 8, 5), {"layout": "conv_transpose"}, "hoi->hio", (1, 15, 8)),
    "depthwise": ((3, 3, 4, 2), {"layout": "depthwise"}, "hwcm->chwm", (4, 9, 2)),
    "stack behind": (
        (6, 10, 4),
        {"in_axis": 0, "out_axis": 1, "batch_axis": 2},
        "ioe->eio",
        (4, 6, 10),
    ),
}
every_layout = pytest.mark.parametrize("name", LAYOUTS)


def singular_values(name: str, tensor: Any) -> tuple[np.ndarray, float]:
    """Of each matrix, and the root of outputs over inputs."""
    _, _, equation, matrices = LAYOUTS[name]
    values = np.asarray(tensor).astype(np.complex128)
    stack = np.einsum(equation, values).reshape(matrices)
    return np.linalg.svd(stack, compute_uv=False), math.sqrt(matrices[2] / matrices[1])


@every_layout
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64])
def test_all_singular_values_of_a_scaled_orthogonal_are_its_norm(name: str, dtype: Any) -> None:
    shape, options, *_ = LAYOUTS[name]
    values, norm = singular_values(name, functional.scaled_orthogonal(KEY, shape, dtype, **options))
    np.testing.assert_allclose(values, norm, rtol=1e-5)


@every_layout
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64])
def test_the_largest_singular_value_is_exact(name: str, dtype: Any) -> None:
    shape, options, *_ = LAYOUTS[name]
    tensor = functional.spectral(KEY, shape, dtype, gain=1.5, **options)
    values, norm = singular_values(name, tensor)
    np.testing.assert_allclose(values[:, 0], 1.5 * norm, rtol=1e-5)
    assert np.all(values[:, 1] < 0.999 * values[:, 0])


@every_layout
def test_values_are_normal_but_for_a_factor(name: str) -> None:
    shape, options, *_ = LAYOUTS[name]
    ratio = functional.spectral(KEY, shape, **options) / functional.random_normal(
        KEY, shape, stddev=1.0
    )
    _, _, equation, matrices = LAYOUTS[name]
    factors = np.einsum(equation, np.asarray(ratio)).reshape(matrices[0], -1)
    np.testing.assert_allclose(factors, factors[:, :1] + np.zeros_like(factors), rtol=1e-5)


@every_layout
def test_without_a_decomposition_the_scale_is_that_of_the_same_matrix(name: str) -> None:
    shape, options, _, (_, rows, columns) = LAYOUTS[name]
    stddev = math.sqrt(columns / rows) / (math.sqrt(rows) + math.sqrt(columns))
    ours = functional.spectral(KEY, shape, exact=False, **options)
    theirs = jax.jit(jax.nn.initializers.normal(stddev), static_argnums=1)(KEY, shape)
    if compat.SHORT_LOOPS_DIFFER:  # Then the last bits of JAX's own follow the shape.
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    else:
        same_bits(ours, theirs)


@pytest.mark.parametrize("shape", [(512, 512), (256, 1024), (2048, 128)], ids=str)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.complex64])
def test_the_norm_is_nearly_that_without_a_decomposition(
    shape: tuple[int, int], dtype: Any
) -> None:
    # Its fluctuations, in relation to the norm, are of order n ** (-2/3): these are fixed keys.
    values = np.asarray(functional.spectral(KEY, shape, dtype, exact=False))
    norm = np.linalg.norm(values, 2)
    assert norm == pytest.approx(math.sqrt(shape[1] / shape[0]), rel=0.02)


def test_scaled_orthogonal_is_orthogonal_scaled() -> None:
    for shape in ((8, 32), (32, 8), (3, 3, 4, 16)):
        factor = math.sqrt(shape[-1] / math.prod(shape[:-1]))
        same_bits(
            functional.scaled_orthogonal(KEY, shape, gain=2.0),
            functional.orthogonal(KEY, shape, gain=2 * factor),
        )


@pytest.mark.parametrize(("inputs", "outputs"), [(8, 8), (4, 12), (12, 4)])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_orthogonal_taps_over_their_number_bound_the_convolution(
    inputs: int, outputs: int, size: int
) -> None:
    # The form of the modular norm: by the triangle inequality, no frequency has a larger norm.
    shape, number = (size, size, inputs, outputs), size**2
    kernel = functional.scaled_orthogonal(KEY, shape, gain=1 / number, batch_axis=(0, 1))
    bound = math.sqrt(outputs / inputs)
    taps = np.asarray(kernel, np.float64).reshape(number, inputs, outputs)
    np.testing.assert_allclose(np.linalg.svd(taps, compute_uv=False), bound / number, rtol=1e-5)
    waves = np.fft.fft2(np.asarray(kernel, np.float64), (16, 16), axes=(0, 1))
    norms = np.linalg.svd(waves, compute_uv=False)[..., 0]
    assert norms.max() <= bound * (1 + 1e-5)
    # And so does the matrix of patches, which sees each input at each tap.
    kernel = functional.scaled_orthogonal(KEY, shape)
    waves = np.fft.fft2(np.asarray(kernel, np.float64), (16, 16), axes=(0, 1))
    norms = np.linalg.svd(waves, compute_uv=False)[..., 0]
    assert norms.max() <= bound * (1 + 1e-5)


@pytest.mark.parametrize("of_complex", [False, True])
@pytest.mark.parametrize("shape", [(16, 16), (16, 128), (64, 32)], ids=str)
def test_moments_are_those_of_many_matrices(shape: tuple[int, int], of_complex: bool) -> None:
    rng = np.random.default_rng(1)
    matrices = rng.standard_normal((2000, *shape))
    if of_complex:
        matrices = (matrices + 1j * rng.standard_normal(matrices.shape)) / math.sqrt(2)
    squares = np.square(np.abs(matrices)).mean(axis=(1, 2))
    exact = (squares / np.linalg.norm(matrices, 2, axis=(1, 2)) ** 2).mean()
    found = Spectral(1, (), of_complex).moments(shape, 3.0)
    assert found is not None
    # The mean of 2000 is itself known to 0.2 %.
    assert found.stddev == pytest.approx(3 * math.sqrt(exact), rel=0.01)


def test_moments_of_small_matrices_are_not_known() -> None:
    law = Spectral(1, ())
    assert law.moments((8, 100), 1.0) is None
    assert law.moments((15, 15), 1.0) is None
    for shape in ((1, 9), (9, 1)):
        vector = law.moments(shape, 2.0)
        assert vector is not None
        values = functional.spectral(KEY, shape)
        root = math.sqrt(np.square(values).mean()) / math.sqrt(shape[1] / shape[0])
        assert vector.stddev == pytest.approx(2 * root)


def test_for_einsum() -> None:
    for cls in (initializers.ScaledOrthogonal, initializers.Spectral):
        assert cls.for_einsum("bsd,dhk->bshk", gain=2.0) == cls(2.0, in_axis=0, out_axis=(1, 2))


def test_batch_axis_rest_is_all_that_is_neither_input_nor_output() -> None:
    shape = (3, 4, 6, 10)
    for function in (functional.scaled_orthogonal, functional.spectral):
        same_bits(
            function(KEY, shape, batch_axis="rest"),
            function(KEY, shape, batch_axis=(0, 1)),
        )
        same_bits(
            function(KEY, shape, layout=Layout(-2, -1, "rest")),
            function(KEY, shape, batch_axis=(0, 1)),
        )

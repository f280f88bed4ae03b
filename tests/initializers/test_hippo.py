"""State matrices, against the numbers of the code that the papers published."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import functional, initializers


def test_hippo_has_the_row_of_s4() -> None:
    matrix = initializers.HippoLegS()((4, 4))
    np.testing.assert_allclose(matrix[3], [-2.645751, -4.582576, -5.91608, -4.0], rtol=2e-7)
    assert np.array_equal(np.triu(matrix, 1), np.zeros((4, 4)))


@pytest.mark.parametrize("size", [1, 2, 64])
def test_hippo_is_the_sum_of_its_parts(size: int) -> None:
    """A + P Pᵀ with P = sqrt(i + 1/2) is a skew matrix less 1/2, by which S4 makes it diagonal."""
    matrix = np.asarray(functional.hippo_leg_s(None, (size, size)), np.float64)
    p = np.sqrt(np.arange(size) + 0.5)
    normal = matrix + np.outer(p, p)
    np.testing.assert_allclose(normal + normal.T, -np.eye(size), atol=1e-5)
    np.testing.assert_allclose(np.linalg.eigvals(normal).real, -0.5, atol=1e-5)


def test_hippo_stacks() -> None:
    stack = functional.hippo_leg_s(None, (2, 3, 5, 5))
    one = functional.hippo_leg_s(None, (5, 5))
    assert np.array_equal(stack, np.broadcast_to(one, (2, 3, 5, 5)))
    corner = functional.hippo_leg_s(None, (5, 3))
    assert np.array_equal(corner, one[:, :3])


def test_s4d_real_is_that_of_mamba() -> None:
    a_log = initializers.S4DReal(log=True)((5, 16))
    assert np.array_equal(a_log[0], a_log[4])
    np.testing.assert_allclose(a_log[0], np.log(np.arange(1, 17)), rtol=2e-7)
    np.testing.assert_allclose(-np.exp(a_log), initializers.S4DReal()((5, 16)), rtol=1e-6)


def test_s4d_inv_has_the_numbers_of_64_states() -> None:
    values = functional.s4d_inv(None, (32,))
    np.testing.assert_allclose(values[:3], [1283.43, 414.227, 240.388], rtol=5e-6)


@pytest.mark.parametrize("init", [functional.s4d_lin, functional.s4d_inv])
def test_complex_numbers_have_the_imaginary_parts_of_the_real_dtype(init: Any) -> None:
    values = init(None, (3, 8), np.complex64)
    assert values.dtype == np.complex64
    assert np.array_equal(values.real, np.full((3, 8), -0.5))
    assert np.array_equal(values.imag, init(None, (3, 8)))


def test_s4d_lin_is_evenly_spaced() -> None:
    np.testing.assert_allclose(functional.s4d_lin(None, (5,)), np.pi * np.arange(5), rtol=1e-7)


def test_double_precision_is_kept() -> None:
    with jax.enable_x64(True):
        values = functional.s4d_lin(None, (4,), np.complex128)
        assert np.array_equal(values, -0.5 + 1j * np.pi * np.arange(4))
        assert functional.hippo_leg_s(None, (2, 2), np.float64)[1, 0] == -np.sqrt(3)


@pytest.mark.parametrize("init", [functional.s4d_real, functional.hippo_leg_s])
def test_a_complex_dtype_holds_real_matrices_too(init: Any) -> None:
    assert np.array_equal(init(None, (4, 4), np.complex64), init(None, (4, 4)))


def test_wrong_calls_are_refused() -> None:
    with pytest.raises(ValueError, match="s4d_real: shape must have at least 1 dimension"):
        functional.s4d_real(None, ())
    with pytest.raises(ValueError, match="hippo_leg_s: shape must have at least 2 dimensions"):
        functional.hippo_leg_s(None, (3,))
    with pytest.raises(TypeError, match="s4d_inv: dtype must be a floating or complex type; got i"):
        functional.s4d_inv(None, (3,), np.int32)
    with pytest.raises(ValueError, match="s4d_inv: the values overflow float16"):
        functional.s4d_inv(None, (2000,), jnp.float16)
    with pytest.raises(ValueError, match="hippo_leg_s: the values overflow float8_e4m3fn"):
        functional.hippo_leg_s(None, (500, 500), jnp.float8_e4m3fn)

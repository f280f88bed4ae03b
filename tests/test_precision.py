"""Narrow types hold the float32 values, rounded once; wide and complex types are JAX's."""

import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cthulhu
from cthulhu import functional
from tests.cases import CASES, KEY, RANDOM_VARIANTS, Case, by_id, same_bits

NARROW = [
    jnp.bfloat16,
    jnp.float16,
    jnp.float8_e4m3fn,
    jnp.float8_e5m2,
    jnp.float8_e3m4,
    jnp.float8_e4m3,
    jnp.float8_e4m3b11fnuz,
    jnp.float8_e4m3fnuz,
    jnp.float8_e5m2fnuz,
]


@pytest.mark.parametrize("dtype", NARROW, ids=lambda dtype: np.dtype(dtype).name)
def test_narrow_values_are_the_float32_values_rounded(dtype: Any) -> None:
    largest = float(jnp.finfo(dtype).max)
    for case in RANDOM_VARIANTS:
        if max(map(abs, case.support(case.shape))) > largest:
            continue  # It is refused.
        rounded = np.asarray(case.init(KEY)).astype(dtype)
        same_bits(case.init(KEY, case.shape, dtype), rounded)
        assert np.isfinite(rounded.astype(np.float32)).all(), case.id


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float8_e5m2])
def test_narrow_fixed_values_are_rounded(dtype: Any) -> None:
    same_bits(functional.constant(None, (3,), dtype, value=0.3), np.full(3, 0.3, dtype))
    same_bits(
        functional.identity(None, (3, 2), dtype, gain=0.3), np.eye(3, 2).astype(dtype) * dtype(0.3)
    )
    assert functional.identity(None, (3, 2), np.int32, gain=2).dtype == np.int32


def test_bfloat16_has_no_bias() -> None:
    # Drawn in bfloat16, as JAX does, normals have a mean of -0.012 standard deviations, 128
    # distinct values and none beyond 2.9 standard deviations.
    values = np.asarray(functional.random_normal(KEY, (1000, 1000), jnp.bfloat16, stddev=1.0))
    exact = values.astype(np.float64)
    # Five standard errors of a million values.
    assert abs(exact.mean()) < 5e-3
    assert abs(exact.std() - 1) < 4e-3
    assert len(np.unique(values.view(np.uint16))) > 2000
    assert np.abs(exact).max() > 4

    uniform = np.asarray(
        functional.random_uniform(KEY, (1000, 1000), jnp.bfloat16, minval=-1, maxval=1)
    )
    assert abs(uniform.astype(np.float64).mean()) < 5 * 3**-0.5 / 1e3


def test_truncated_normals_exist_in_eight_bits() -> None:
    # Drawn in float8_e4m3fn, they are NaN.
    values = functional.truncated_normal(KEY, (100, 100), jnp.float8_e4m3fn, stddev=1.0)
    exact = np.asarray(values).astype(np.float64)
    assert np.abs(exact).max() <= 2
    assert abs(exact.std() - 0.88) < 0.03


X64_CASES = [case for case in RANDOM_VARIANTS if case.reference is not None and case.witness]
COMPLEX_CASES = [case for case in X64_CASES if case.has_complex and len(case.shape) == 2]


def equals_complex_jax(case: Case, dtype: Any, tolerance: float) -> None:
    # XLA may contract a complex product in another order, in our smaller program and in JAX's.
    values = case.init(KEY, case.shape, dtype)
    theirs = case.jitted_reference(KEY, case.shape, np.dtype(dtype))
    assert values.dtype == theirs.dtype == dtype
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(values, theirs, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("case", COMPLEX_CASES, ids=by_id)
def test_complex64_is_that_of_jax(case: Case) -> None:
    equals_complex_jax(case, jnp.complex64, 3e-7)


@pytest.mark.parametrize("case", COMPLEX_CASES, ids=by_id)
def test_complex_moments(case: Case) -> None:
    values = np.asarray(case.init(KEY, case.shape, jnp.complex64)).astype(np.complex128)
    variance = (np.abs(values) ** 2).mean()
    # Five standard errors, of a law with at most an exponential's fourth moment.
    assert abs(variance / case.std(case.shape) ** 2 - 1) < 5 / np.sqrt(values.size)
    assert abs(values.mean()) < 5 * case.std(case.shape) / np.sqrt(values.size)


@pytest.mark.parametrize("case", [c for c in RANDOM_VARIANTS if c.has_complex], ids=by_id)
def test_real_and_imaginary_parts_are_alike_and_independent(case: Case) -> None:
    values = np.asarray(case.init(KEY, case.shape, jnp.complex64)).astype(np.complex128)
    drawn = values[values.imag != 0]
    # Each value once: some occur several times, and then there are fewer than it seems.
    drawn = np.unique(drawn)
    drawn -= drawn.mean()
    # The square of a complex number turns twice as fast, and has no direction that is preferred;
    # its parts are sums of independent terms, of this variance.
    for part in ((drawn**2).real, (drawn**2).imag):
        assert abs(part.sum()) < 5 * np.sqrt((part**2).sum())


@pytest.mark.parametrize("case", [c for c in RANDOM_VARIANTS if not c.has_complex], ids=by_id)
def test_what_has_no_complex_law_refuses_a_complex_type(case: Case) -> None:
    with pytest.raises(TypeError, match=r"^(\w+: )+dtype must be a real .*; got complex64"):
        case.init(KEY, case.shape, jnp.complex64)


def test_the_page_names_what_has_no_complex_law() -> None:
    page = (Path(cthulhu.__file__).parents[1] / "docs" / "precision.md").read_text()
    (told,) = re.findall(r"^Refused are (.*?)\.$", page, re.MULTILINE | re.DOTALL)
    refused = {case.cls.__name__ for case in CASES if not case.has_complex}
    assert set(re.findall(r"`(\w+)`", told)) >= refused


@pytest.mark.parametrize("case", X64_CASES, ids=by_id)
def test_float64_is_that_of_jax(case: Case) -> None:
    single = np.asarray(case.init(KEY))
    with jax.enable_x64(True):
        values = case.init(KEY)
        assert values.dtype == np.float64
        same_bits(values, case.init(KEY, case.shape, np.float64))
        theirs = case.jitted_reference(KEY, case.shape, np.dtype(np.float64))
        np.testing.assert_allclose(values, theirs, rtol=1e-14, atol=1e-16)
        # Draws in other types are no business of this switch.
        same_bits(case.init(KEY, case.shape, np.float32), single)
    assert case.init(KEY).dtype == np.float32


def test_complex128_is_that_of_jax() -> None:
    with jax.enable_x64(True):
        for case in COMPLEX_CASES:
            equals_complex_jax(case, jnp.complex128, 1e-14)


def test_a_type_that_is_not_available_is_no_silent_change() -> None:
    with pytest.warns(UserWarning, match=r"float64 was asked for.*the result is float32.*x64"):
        values = functional.random_normal(KEY, (2,), "float64")
    assert values.dtype == jnp.float32

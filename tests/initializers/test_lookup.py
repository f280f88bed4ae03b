"""`get`: every name, and everything else that names an initializer."""

from typing import Any

import jax
import numpy as np
import pytest

from cthulhu import initializers
from cthulhu.initializers import get
from tests.cases import CASES, Case, by_id

LEGACY = {
    "normal": "RandomNormal",
    "uniform": "RandomUniform",
    "one": "Ones",
    "zero": "Zeros",
    "IdentityInitializer": "Identity",
    "OrthogonalInitializer": "Orthogonal",
    "ConvolutionOrthogonal1D": "ConvolutionOrthogonal",
    "ConvolutionOrthogonal2D": "ConvolutionOrthogonal",
    "ConvolutionOrthogonal3D": "ConvolutionOrthogonal",
    "ConstantV2": "Constant",
    "GlorotNormalV2": "GlorotNormal",
    "GlorotUniformV2": "GlorotUniform",
    "HeNormalV2": "HeNormal",
    "HeUniformV2": "HeUniform",
    "IdentityV2": "Identity",
    "LecunNormalV2": "LecunNormal",
    "LecunUniformV2": "LecunUniform",
    "OnesV2": "Ones",
    "OrthogonalV2": "Orthogonal",
    "RandomNormalV2": "RandomNormal",
    "RandomUniformV2": "RandomUniform",
    "TruncatedNormalV2": "TruncatedNormal",
    "VarianceScalingV2": "VarianceScaling",
    "ZerosV2": "Zeros",
    "glorot_normalV2": "GlorotNormal",
    "glorot_uniformV2": "GlorotUniform",
    "he_normalV2": "HeNormal",
    "he_uniformV2": "HeUniform",
    "lecun_normalV2": "LecunNormal",
    "lecun_uniformV2": "LecunUniform",
}

NAMES = {
    **{
        name: case.cls.__name__
        for case in CASES
        for name in (case.cls.__name__, case.name)
        if not case.needs_options
    },
    **LEGACY,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_found(name: str) -> None:
    expected = getattr(initializers, NAMES[name])()
    assert get(name) == expected
    assert get({"class_name": name, "config": {}}) == expected


def test_every_name_of_keras_3_is_found() -> None:
    keras = pytest.importorskip("keras")
    known = {
        name: cls
        for name, cls in vars(keras.initializers).items()
        if isinstance(cls, type)
        and issubclass(cls, keras.initializers.Initializer)
        and cls is not keras.initializers.Initializer
        # The short-time Fourier transform is a layer's fixed basis.
        and not cls.__name__.startswith("STFT")
    }
    assert len(known) >= 20
    for name, cls in known.items():
        ours = type(get(name)).__name__
        assert ours == {
            "OrthogonalInitializer": "Orthogonal",
            "IdentityInitializer": "Identity",
        }.get(cls.__name__, cls.__name__)


@pytest.mark.parametrize("name", ["HE_NORMAL", "Henormal", "heNormal", "", "zeross", "Initializer"])
def test_a_name_is_case_sensitive_and_exact(name: str) -> None:
    with pytest.raises(ValueError, match="unknown initializer"):
        get(name)


@pytest.mark.parametrize("case", [case for case in CASES if case.required], ids=by_id)
def test_a_name_alone_is_not_enough_where_an_option_must_be_given(case: Case) -> None:
    for name in (case.cls.__name__, case.name):
        assert get({"class_name": name, "config": case.options}) == case.instance()
        with pytest.raises(TypeError, match=f"{case.cls.__name__}: .* must be given"):
            get(name)


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_a_class_becomes_its_default_instance_and_all_else_stays(case: Case) -> None:
    if not case.needs_options:
        assert get(case.cls) == case.cls()
    for init in (case.instance(), case.function):
        assert get(init) is init


def test_none_is_none() -> None:
    assert get(None) is None


def test_constant_has_the_documented_default() -> None:
    assert get("constant") == initializers.Constant(0)
    assert np.array_equal(get("constant")((2,)), np.zeros(2))


def test_an_array_gives_its_values() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    for array in (values, jax.numpy.asarray(values)):
        init: Any = get(array)
        assert np.array_equal(init(jax.random.key(0), (2, 3)), values)
        assert np.array_equal(init((2, 3)), values)
        assert init((2, 3), "bfloat16").dtype == jax.numpy.bfloat16
        assert np.array_equal(jax.jit(init, static_argnums=1)(jax.random.key(0), (2, 3)), values)


def test_an_array_is_copied() -> None:
    values = np.zeros(2, np.float32)
    made = get(values)((2,))
    values[0] = 1
    assert np.array_equal(made, [0, 0])

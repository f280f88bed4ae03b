"""The documented page, as written: every snippet runs, every signature and law holds."""

import inspect
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import functional, initializers
from cthulhu.layers import Daoloth
from cthulhu.models import Sequential

KEY = jax.random.key(1)
SHAPE = (300, 200)

STRINGS = """
model.add(Daoloth(64,
                  kernel_initializer='random_uniform',
                  bias_initializer='zeros'))
"""

CALLABLES = """
from cthulhu import initializers

model.add(Daoloth(64, kernel_initializer=initializers.random_normal(stddev=0.01)))

# also works; will use the default parameters.
model.add(Daoloth(64, kernel_initializer='random_normal'))
"""

CUSTOM = """
from cthulhu import backend as K

def my_init(shape, dtype=None):
    return K.random_normal(shape, dtype=dtype)

model.add(Daoloth(64, kernel_initializer=my_init))
"""

# The signatures on the page, in its order.
SIGNATURES = (
    "Initializer()",
    "Zeros()",
    "Ones()",
    "Constant(value=0)",
    "RandomNormal(mean=0.0, stddev=0.05, seed=None)",
    "RandomUniform(minval=-0.05, maxval=0.05, seed=None)",
    "TruncatedNormal(mean=0.0, stddev=0.05, seed=None)",
    "VarianceScaling(scale=1.0, mode='fan_in', distribution='normal', seed=None)",
    "Orthogonal(gain=1.0, seed=None)",
    "Identity(gain=1.0)",
    "lecun_uniform(seed=None)",
    "glorot_normal(seed=None)",
    "glorot_uniform(seed=None)",
    "he_normal(seed=None)",
    "lecun_normal(seed=None)",
    "he_uniform(seed=None)",
)


def run(snippet: str) -> tuple[Sequential, Any]:
    """A snippet of the page on an empty model, and the model's first parameters."""
    model = Sequential()
    exec(snippet, {"model": model, "Daoloth": Daoloth})
    return model, model.init(KEY, (1, 784))["params"]


def test_strings_name_initializers() -> None:
    model, params = run(STRINGS)
    (layer,) = model.layers
    assert (layer.kernel_initializer, layer.bias_initializer) == ("random_uniform", "zeros")
    kernel = np.asarray(params["layers_0"]["kernel"])
    assert kernel.shape == (784, 64)
    assert 0.049 < np.abs(kernel).max() <= 0.05
    assert np.array_equal(params["layers_0"]["bias"], np.zeros(64))


def test_instances_and_default_parameters() -> None:
    _, params = run(CALLABLES)
    assert np.std(params["layers_0"]["kernel"]) == pytest.approx(0.01, rel=0.03)
    assert np.std(params["layers_1"]["kernel"]) == pytest.approx(0.05, rel=0.05)


def test_a_custom_callable() -> None:
    model, params = run(CUSTOM)
    kernel = np.asarray(params["layers_0"]["kernel"])
    assert np.std(kernel) == pytest.approx(1.0, rel=0.03)
    again = model.init(KEY, (1, 784))["params"]["layers_0"]["kernel"]
    other = model.init(jax.random.key(2), (1, 784))["params"]["layers_0"]["kernel"]
    assert np.array_equal(again, kernel)
    assert not np.array_equal(other, kernel)


def test_all_snippets_make_one_model_that_computes() -> None:
    model = Sequential()
    for snippet in (STRINGS, CALLABLES, CUSTOM):
        exec(snippet, {"model": model, "Daoloth": Daoloth})
    variables = model.init(KEY, (1, 784))
    assert model.apply(variables, jnp.ones((2, 784))).shape == (2, 64)
    assert len(model.layers) == 4


@pytest.mark.parametrize("written", SIGNATURES)
def test_a_documented_call_runs_and_is_the_default(written: str) -> None:
    name = written.partition("(")[0]
    init = eval(f"initializers.{written}", {"initializers": initializers})
    assert init == getattr(initializers, name)() or name == "Initializer"
    assert isinstance(init, initializers.Initializer)


@pytest.mark.parametrize("written", SIGNATURES)
def test_the_documented_arguments_come_in_the_documented_order(written: str) -> None:
    name, _, rest = written.partition("(")
    documented = eval(f"dict({rest}", {"dict": dict})
    cls = getattr(initializers, name)
    if name == "Initializer":
        assert documented == {}
        return
    parameters = inspect.signature(cls).parameters
    positional = [p for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [p.name for p in positional] == list(documented)
    assert cls(*documented.values()) == cls()


def values(identifier: Any) -> np.ndarray[Any, Any]:
    return np.asarray(initializers.get(identifier)(KEY, SHAPE), np.float64)


def test_the_documented_limits_hold() -> None:
    fan_in, fan_out = SHAPE
    for name, limit in {
        "lecun_uniform": math.sqrt(3 / fan_in),
        "glorot_uniform": math.sqrt(6 / (fan_in + fan_out)),
        "he_uniform": math.sqrt(6 / fan_in),
        "random_uniform": 0.05,
    }.items():
        drawn = values(name)
        assert 0.999 * limit < np.abs(drawn).max() <= limit * (1 + 1e-6)
        assert np.std(drawn) == pytest.approx(limit / math.sqrt(3), rel=0.01)


def test_the_documented_standard_deviations_hold() -> None:
    fan_in, fan_out = SHAPE
    for name, stddev in {
        "lecun_normal": math.sqrt(1 / fan_in),
        "glorot_normal": math.sqrt(2 / (fan_in + fan_out)),
        "he_normal": math.sqrt(2 / fan_in),
    }.items():
        drawn = values(name)
        assert np.std(drawn) == pytest.approx(stddev, rel=0.015)
        assert np.abs(drawn).max() < 2.28 * stddev


@pytest.mark.parametrize(
    ("mode", "n"),
    [("fan_in", SHAPE[0]), ("fan_out", SHAPE[1]), ("fan_avg", sum(SHAPE) / 2)],
)
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_variance_scaling_is_as_documented(mode: str, n: float, distribution: str) -> None:
    drawn = values(initializers.VarianceScaling(3.0, mode, distribution))
    assert np.std(drawn) == pytest.approx(math.sqrt(3.0 / n), rel=0.015)
    limit = math.sqrt(3 * 3.0 / n)
    assert (np.abs(drawn).max() <= limit * (1 + 1e-6)) == (distribution == "uniform")


def test_a_truncated_normal_is_within_two_standard_deviations() -> None:
    drawn = values(initializers.TruncatedNormal(mean=1.0, stddev=0.5))
    assert drawn.min() > 0.0
    assert drawn.max() < 2.0
    plain = values(initializers.RandomNormal(mean=1.0, stddev=0.5))
    assert plain.min() < 0.0


@pytest.mark.parametrize("argument", ["mean", "stddev"])
def test_a_scalar_tensor_is_a_scalar(argument: str) -> None:
    expected = initializers.RandomNormal(**{argument: 0.5})
    for scalar in (jnp.float32(0.5), np.float64(0.5), np.array(0.5), jnp.array(0.5)):
        assert initializers.RandomNormal(**{argument: scalar}) == expected


def test_invalid_arguments_raise_value_error() -> None:
    for wrong in ({"scale": -1.0}, {"mode": "fan"}, {"distribution": "cauchy"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            initializers.VarianceScaling(**wrong)


def test_an_orthogonal_matrix_is_orthogonal() -> None:
    q = values(initializers.Orthogonal(gain=2.0))
    assert np.abs(q.T @ q - 4 * np.eye(SHAPE[1])).max() < 1e-4


def test_the_identity_is_padded_with_zeros() -> None:
    assert np.array_equal(initializers.Identity(gain=2.0)((2, 3)), [[2, 0, 0], [0, 2, 0]])
    assert np.array_equal(initializers.identity()((3, 2)), [[1, 0], [0, 1], [0, 0]])


def test_fixed_values() -> None:
    assert np.array_equal(initializers.Zeros()((2, 2)), np.zeros((2, 2)))
    assert np.array_equal(initializers.Ones()((2, 2)), np.ones((2, 2)))
    assert np.array_equal(initializers.Constant(value=3)((2,)), [3, 3])
    assert np.array_equal(initializers.Constant()((2,)), [0, 0])


@pytest.mark.parametrize("name", [w.partition("(")[0] for w in SIGNATURES if "seed" in w])
def test_a_seed_seeds_the_generator(name: str) -> None:
    cls = getattr(initializers, name)
    first, again, other = cls(seed=1)((5, 4)), cls(seed=1)((5, 4)), cls(seed=2)((5, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.array_equal(first, cls()(jax.random.key(1), (5, 4)))


def test_the_pure_functions_are_there_under_the_same_names() -> None:
    for written in SIGNATURES[1:]:
        cls = getattr(initializers, written.partition("(")[0])
        assert callable(cls.function)
        assert cls.function in [getattr(functional, name) for name in functional.__all__]

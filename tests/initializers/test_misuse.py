"""The natural first attempts of users of JAX, torch and Keras: what they are told."""

import functools
import pickle
import re
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest

from cthulhu import functional, initializers
from cthulhu.initializers._registry import CLASSES
from cthulhu.layers import Daoloth
from cthulhu.models import Sequential
from cthulhu.params import init_params
from tests.refusals import assert_refused

KEY = jax.random.key(0)
SPEC = jax.ShapeDtypeStruct((16, 16), np.float32)


ELSEWHERE = [(cls, option) for cls in CLASSES for option in cls.elsewhere]


@pytest.mark.parametrize(("cls", "option"), ELSEWHERE)
def test_an_option_of_another_library_is_named_as_it_is_here(cls: Any, option: str) -> None:
    """By the function and by the class; and the option that is named exists."""
    said = cls.elsewhere[option]
    for owner, call in (
        (cls.name, lambda: cls.function(KEY, (4, 4), **{option: 1.0})),
        # As JAX's factory is called.
        (cls.name, lambda: cls.function(**{option: 1.0})),
        (cls.__name__, lambda: cls(**{option: 1.0})),
    ):
        message = f"^{owner}: unknown argument '{option}'; {re.escape(said)}; it has "
        assert_refused(call, TypeError, message)
    (written, *_) = re.findall(r"write (\w+)=", said)
    assert written in cls.defaults


@pytest.mark.parametrize(
    ("name", "meant"),
    [("kaiming_normal_", "he_normal"), ("trunc_normal_", "truncated_normal"), ("eye", "identity")],
)
def test_a_hint_prefers_what_the_name_means_to_a_near_spelling(name: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean '{meant}'"):
        initializers.get(name)


def test_a_function_keeps_its_signature_and_its_pickle() -> None:
    assert pickle.loads(pickle.dumps(functional.he_normal)) is functional.he_normal
    half = functools.partial(functional.random_normal, stddev=0.5)
    assert half(KEY, (3,)).shape == (3,)


def test_sequential_takes_a_seed() -> None:
    model = Sequential([Daoloth(4)])
    seeded, keyed = model.init(0, (1, 3)), model.init(KEY, (1, 3))
    assert np.array_equal(
        seeded["params"]["layers_0"]["kernel"], keyed["params"]["layers_0"]["kernel"]
    )


@pytest.mark.parametrize("seed", [None, 1])
def test_an_instance_of_keras_becomes_ours_and_follows_the_key(seed: int | None) -> None:
    theirs = keras.initializers.HeNormal(seed=seed)
    assert initializers.get(theirs) == initializers.HeNormal(seed=seed)
    params = init_params(0, {"a": SPEC, "b": SPEC}, [(".*", theirs)])
    other = init_params(1, {"a": SPEC, "b": SPEC}, [(".*", theirs)])
    assert not np.array_equal(params["a"], params["b"])
    assert not np.array_equal(params["a"], other["a"])


def test_a_layer_with_an_instance_of_keras_shares_no_weights() -> None:
    layers = [Daoloth(16, kernel_initializer=keras.initializers.HeNormal(seed=1)) for _ in "ab"]
    params = Sequential(layers).init(0, (1, 16))["params"]
    assert not np.array_equal(params["layers_0"]["kernel"], params["layers_1"]["kernel"])


def test_the_gain_of_identity_and_an_array_of_constants_of_keras_are_kept() -> None:
    assert initializers.get(keras.initializers.Identity(gain=2.0)) == initializers.Identity(2.0)
    values = np.arange(3, dtype=np.float32)
    made = initializers.get(keras.initializers.Constant(values))(KEY, (3,))
    assert np.array_equal(made, values)


class Fixed(initializers.Initializer):
    def __call__(self, shape: Any, dtype: Any = None) -> jax.Array:
        return jnp.ones(shape, dtype)


class Scaled(Fixed):
    def __init__(self, factors: list[float]) -> None:
        self.factors = factors

    def get_config(self) -> dict[str, Any]:
        return {"factors": self.factors}


class Hidden(Fixed):
    def __init__(self, factor: float) -> None:
        self.factor = factor


def test_equal_instances_of_a_subclass_share_a_trace() -> None:
    traced = []

    @functools.partial(jax.jit, static_argnums=0)
    def make(init: Any) -> jax.Array:
        traced.append(init)
        return jnp.asarray(init(KEY, (2,)))

    for init in (Fixed(), Fixed(), Scaled([1.0, 2.0]), Scaled([1.0, 2.0]), Scaled([3.0])):
        make(init)
    assert len(traced) == 3


def test_a_state_that_no_config_tells_is_compared_by_identity() -> None:
    assert Hidden(1.0) != Hidden(2.0)
    assert Fixed() == Fixed()
    assert Fixed() != Hidden(1.0)

"""Configs: written as Keras writes them, read as Keras 2 and Keras 3 wrote them."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import backend as K
from cthulhu import initializers
from cthulhu.initializers import Initializer, deserialize, serialize

NAMED = (
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
)

# Instances that Keras can hold, with no argument at its default.
SHARED: dict[str, Initializer] = {
    "Zeros": initializers.Zeros(),
    "Ones": initializers.Ones(),
    "Constant": initializers.Constant(2.5),
    "Identity": initializers.Identity(gain=3.0),
    "Orthogonal": initializers.Orthogonal(gain=2.0, seed=1),
    "RandomNormal": initializers.RandomNormal(mean=1.0, stddev=0.25, seed=2),
    "RandomUniform": initializers.RandomUniform(minval=-1.0, maxval=2.0, seed=3),
    "TruncatedNormal": initializers.TruncatedNormal(mean=-1.0, stddev=0.5, seed=4),
    "VarianceScaling": initializers.VarianceScaling(
        2.0, "fan_out", "uniform", 5, in_axis=(0, 1), out_axis=2, batch_axis="rest"
    ),
    **{
        name: getattr(initializers, name)(6, in_axis=1, out_axis=0, batch_axis="rest")
        for name in NAMED
    },
}

# What Keras has no argument for.
OURS: dict[str, Initializer] = {
    "lower, upper": initializers.TruncatedNormal(seed=1, lower=-1.0, upper=3.0),
    "upper": initializers.TruncatedNormal(upper=4.0),
    "axis": initializers.Orthogonal(axis=0),
    "one batch axis": initializers.Orthogonal(batch_axis=0),
    "batch axes": initializers.HeNormal(batch_axis=(0, 1)),
    "all axes": initializers.VarianceScaling(
        mode="fan_geo_avg", in_axis=1, out_axis=(2, 3), batch_axis=-4
    ),
    "delta axis": initializers.DeltaOrthogonal(gain=2.0, seed=3, axis=-2),
    "complex value": initializers.Constant(2),
    "default": initializers.VarianceScaling(),
}

# The configs of a default instance, in full: what Keras 3 itself writes, argument for argument.
DEFAULT_CONFIGS: dict[str, dict[str, Any]] = {
    "Zeros": {},
    "Ones": {},
    "Constant": {"value": 0.0},
    "Identity": {"gain": 1.0},
    "Orthogonal": {"gain": 1.0, "seed": None},
    "DeltaOrthogonal": {"gain": 1.0, "seed": None},
    "RandomNormal": {"mean": 0.0, "stddev": 0.05, "seed": None},
    "RandomUniform": {"minval": -0.05, "maxval": 0.05, "seed": None},
    "TruncatedNormal": {"mean": 0.0, "stddev": 0.05, "seed": None},
    "VarianceScaling": {
        "scale": 1.0,
        "mode": "fan_in",
        "distribution": "truncated_normal",
        "seed": None,
        "input_axes": None,
        "output_axes": None,
    },
    **{name: {"seed": None, "input_axes": None, "output_axes": None} for name in NAMED},
}


class Scaled(Initializer):
    """A user's own, with a config."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return self.factor * K.random_normal(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor}


class Plain(Initializer):
    """A user's own, without arguments."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return K.ones(shape, dtype=dtype)


class Typed(Initializer):
    """A user's own, with a `dtype` of its own."""

    def __init__(self, dtype: str) -> None:
        self.own = dtype

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return K.ones(shape, dtype=dtype)


def through_json(config: Any) -> Any:
    return json.loads(json.dumps(config))


@pytest.mark.parametrize("name", DEFAULT_CONFIGS)
def test_a_default_instance_writes_the_config_that_keras_writes(name: str) -> None:
    init = getattr(initializers, name)()
    assert init.get_config() == DEFAULT_CONFIGS[name]
    assert serialize(init) == {
        "module": "keras.initializers",
        "class_name": name,
        "config": DEFAULT_CONFIGS[name],
        "registered_name": None,
    }


@pytest.mark.parametrize("init", [*SHARED.values(), *OURS.values()], ids=[*SHARED, *OURS])
def test_a_config_survives_json(init: Initializer) -> None:
    config = serialize(init)
    again = deserialize(through_json(config))
    assert again == init
    assert type(again) is type(init)
    assert serialize(again) == config
    assert type(init).from_config(through_json(init.get_config())) == init
    assert initializers.get(config) == init


def test_numpy_and_jax_arguments_survive_json() -> None:
    init = initializers.RandomNormal(np.float64(1), jnp.float32(0.5), seed=np.uint32(2))
    assert deserialize(through_json(serialize(init))) == init


def test_axes_are_written_under_keras_names() -> None:
    """Keras counts only the axes that are named: ours do with `batch_axis="rest"`."""

    def config(**axes: Any) -> dict[str, Any]:
        return initializers.HeNormal(seed=1, **axes).get_config()

    assert config() == {"seed": 1, "input_axes": None, "output_axes": None}
    assert config(out_axis=(1, 2), batch_axis="rest") == {
        "seed": 1,
        "input_axes": [-2],
        "output_axes": [1, 2],
    }
    assert config(in_axis=0) == {"seed": 1, "in_axis": 0}
    assert initializers.HeNormal(batch_axis=0).get_config()["batch_axis"] == 0
    assert initializers.HeNormal(batch_axis=(0, 1)).get_config()["batch_axis"] == [0, 1]


def test_keras_axes_are_read() -> None:
    read = deserialize(
        {"class_name": "HeNormal", "config": {"seed": 1, "input_axes": [0, 1], "output_axes": 2}}
    )
    assert read == initializers.HeNormal(1, in_axis=(0, 1), out_axis=2, batch_axis="rest")
    alone = deserialize({"class_name": "HeNormal", "config": {"input_axes": [0]}})
    assert alone == initializers.HeNormal()


@pytest.mark.parametrize("axes", [([0], [1]), ([2], [3]), ([0, 1], [2]), ([-1], [0])], ids=str)
def test_fans_of_a_keras_config_are_those_of_keras(keras: Any, axes: Any) -> None:
    inputs, outputs = axes
    theirs = keras.initializers.HeNormal(seed=1, input_axes=inputs, output_axes=outputs)
    ours = deserialize(keras.initializers.serialize(theirs))
    shape = (40, 30, 20, 10)
    ratio = np.std(np.asarray(ours(shape))) / np.std(np.asarray(theirs(shape)))
    assert abs(ratio - 1) < 0.01


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {
                "class_name": "VarianceScaling",
                "config": {
                    "scale": 2.0,
                    "mode": "fan_in",
                    "distribution": "normal",
                    "seed": None,
                    "dtype": "float32",
                },
            },
            initializers.VarianceScaling(2.0, "fan_in", "truncated_normal"),
        ),
        (
            {"class_name": "RandomNormal", "config": {"mean": 0.0, "stddev": 0.1, "seed": 4}},
            initializers.RandomNormal(stddev=0.1, seed=4),
        ),
        (
            {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}},
            initializers.GlorotUniform(),
        ),
        ({"class_name": "Zeros", "config": {"dtype": "float32"}}, initializers.Zeros()),
        ({"class_name": "HeNormalV2", "config": {"seed": 1}}, initializers.HeNormal(1)),
        ({"class_name": "Ones"}, initializers.Ones()),
        ({"class_name": "he_uniform", "config": {}}, initializers.HeUniform()),
    ],
    ids=lambda value: value["class_name"] if isinstance(value, dict) else "",
)
def test_a_keras_2_config_is_read(config: dict[str, Any], expected: Initializer) -> None:
    assert deserialize(config) == expected
    assert initializers.get(config) == expected


def test_configs_are_not_changed_by_reading() -> None:
    config = {"class_name": "HeNormal", "config": {"input_axes": [0], "dtype": "float32"}}
    before = json.dumps(config)
    deserialize(config)
    assert json.dumps(config) == before


@pytest.fixture(scope="module")
def keras() -> Any:
    return pytest.importorskip("keras")


@pytest.mark.parametrize("name", SHARED)
def test_keras_3_reads_what_is_written(keras: Any, name: str) -> None:
    """Keras 3's `Identity` has no `get_config` and so forgets its gain: it is compared itself."""
    ours = through_json(serialize(SHARED[name]))
    theirs = keras.initializers.deserialize(ours)
    assert type(theirs).__name__ in (name, "Identity")
    if name == "Identity":
        assert theirs.gain == ours["config"]["gain"]
    else:
        axes = {"input_axes", "output_axes"} & set(ours["config"])
        written = theirs.get_config()
        assert {key: value for key, value in written.items() if key not in axes} == {
            key: value for key, value in ours["config"].items() if key not in axes
        }
        for key in axes:
            assert np.ravel(written[key]).tolist() == ours["config"][key]


@pytest.mark.parametrize("name", SHARED)
def test_what_keras_3_writes_is_read(keras: Any, name: str) -> None:
    config = SHARED[name].get_config()
    theirs = getattr(keras.initializers, name)(**config)
    written = through_json(keras.initializers.serialize(theirs))
    expected = initializers.Identity() if name == "Identity" else SHARED[name]
    assert initializers.get(written) == expected
    assert deserialize(written) == expected


@pytest.mark.parametrize("name", SHARED)
def test_a_default_of_keras_3_is_the_default_here(keras: Any, name: str) -> None:
    theirs = getattr(keras.initializers, name)()
    config = dict(theirs.get_config())
    if theirs.__dict__.get("_init_seed", 0) is None or "seed" in config:
        config["seed"] = None
    if name != "Identity":
        assert config == getattr(initializers, name)().get_config()
    assert deserialize(keras.initializers.serialize(theirs)) == getattr(initializers, name)()


def test_keras_3_counts_the_same_inputs(keras: Any) -> None:
    """Where the two kinds of axes cover the shape, they mean the same to both."""
    init = initializers.HeNormal(seed=0, in_axis=0, out_axis=(1, 2), batch_axis="rest")
    theirs = keras.initializers.deserialize(serialize(init))
    ours = np.std(np.asarray(init((200, 50, 3))))
    assert np.std(np.asarray(theirs((200, 50, 3)))) == pytest.approx(ours, rel=0.03)


def test_a_subclass_with_get_config_round_trips() -> None:
    config = through_json(serialize(Scaled(3.0)))
    assert config["class_name"] == config["registered_name"] == "Scaled"
    assert config["config"] == {"factor": 3.0}
    assert config["module"] == Scaled.__module__
    for again in (
        deserialize(config, {"Scaled": Scaled}),
        initializers.get(config, custom_objects={"Scaled": Scaled}),
    ):
        assert type(again) is Scaled
        assert again.factor == 3.0
        key = jax.random.key(0)
        assert np.array_equal(again(key, (3,)), Scaled(3.0)(key, (3,)))


def test_a_subclass_without_arguments_needs_no_get_config() -> None:
    config = through_json(serialize(Plain()))
    assert config["config"] == {}
    assert type(deserialize(config, {"Plain": Plain})) is Plain


def test_a_subclass_is_unknown_without_custom_objects() -> None:
    with pytest.raises(ValueError, match=r"unknown initializer 'Scaled'.*custom_objects"):
        deserialize(serialize(Scaled()))


def test_custom_objects_come_first() -> None:
    assert type(initializers.get("he_normal", {"he_normal": Plain})) is Plain
    assert type(initializers.get("plain", {"plain": Plain})) is Plain
    assert initializers.get("he_normal", {"plain": Plain}) == initializers.HeNormal()


def test_a_subclass_keeps_a_dtype_of_its_own() -> None:
    assert Typed.from_config({"dtype": "float16"}).own == "float16"
    assert Scaled.from_config({"factor": 2.0, "dtype": "float16"}).factor == 2.0

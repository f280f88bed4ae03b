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
from tests.cases import CASES, Case, by_id

KERAS = [case for case in CASES if case.in_keras]


def changed(case: Case) -> Initializer:
    """An instance with none of Keras's arguments at its default."""
    options: dict[str, Any] = {name: of.values[0] for name, of in case.traced.items()}
    options.update(seed=6, mode="fan_out", distribution="uniform")
    options.update(side="imag", window="hamming", scaling="spectrum", periodic=True)
    options = {name: value for name, value in options.items() if name in case.config}
    if case.follows_fans:
        options.update(in_axis=1, out_axis=0, batch_axis="rest")
    return case.cls(**options)


SHARED = {case.cls.__name__: changed(case) for case in KERAS}

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


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_a_default_instance_writes_the_config_that_keras_writes(case: Case) -> None:
    init = case.default()
    name = case.cls.__name__
    assert init.get_config() == case.config
    assert serialize(init) == {
        "module": "keras.initializers" if case.in_keras else "cthulhu.initializers",
        "class_name": name,
        "config": case.config,
        "registered_name": None if case.in_keras else f"cthulhu>{name}",
    }


@pytest.mark.parametrize("name", OURS)
def test_what_keras_lacks_is_not_written_as_its_own(name: str) -> None:
    config = serialize(OURS[name])
    class_name = type(OURS[name]).__name__
    if name in ("complex value", "default"):
        assert (config["module"], config["registered_name"]) == ("keras.initializers", None)
    else:
        assert config["module"] == "cthulhu.initializers"
        assert config["registered_name"] == f"cthulhu>{class_name}"


@pytest.mark.parametrize("case", KERAS, ids=by_id)
def test_what_keras_has_is_written_as_its_own(case: Case) -> None:
    config = serialize(SHARED[case.cls.__name__])
    assert (config["module"], config["registered_name"]) == ("keras.initializers", None)
    assert config["config"].keys() == case.config.keys()
    assert all(value != case.config[name] for name, value in config["config"].items())


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


def my_function(shape: Any, dtype: Any = None) -> Any:
    """A user's own function."""
    return 3 * K.random_normal(shape, dtype=dtype)


@pytest.mark.parametrize("seed", [-1, 2**32, 2**32 + 7, -(2**40), 2**70])
def test_a_seed_of_keras_is_read_modulo_the_seeds_there_are(keras: Any, seed: int) -> None:
    theirs = keras.initializers.HeNormal(seed=seed)
    expected = initializers.HeNormal(seed=seed % 2**32)
    assert deserialize(through_json(keras.initializers.serialize(theirs))) == expected
    assert initializers.get(theirs) == expected


def test_the_largest_seed_comes_back() -> None:
    for seed in (0, 2**32 - 1):
        init = initializers.HeNormal(seed=seed)
        assert deserialize(through_json(serialize(init))) == init


def test_a_seed_that_is_no_number_is_refused_by_name(keras: Any) -> None:
    theirs = keras.initializers.HeNormal(seed=keras.random.SeedGenerator(3))
    for read in (
        lambda: deserialize(keras.initializers.serialize(theirs)),
        lambda: initializers.get(theirs),
    ):
        with pytest.raises(TypeError, match=r"HeNormal: the seed .* got a SeedGenerator"):
            read()


def test_a_number_that_keras_wraps_is_read(keras: Any) -> None:
    theirs = keras.initializers.RandomNormal(mean=keras.ops.convert_to_tensor(1.5))
    for config in (keras.initializers.serialize(theirs), theirs):
        assert initializers.get(config) == initializers.RandomNormal(mean=1.5)
    wrapped = {"class_name": "__tensor__", "config": {"value": 1.5, "dtype": "bfloat16"}}
    read = deserialize({"class_name": "RandomNormal", "config": {"mean": wrapped}})
    assert read == initializers.RandomNormal(mean=1.5)


def test_a_function_among_the_custom_objects_is_read(keras: Any) -> None:
    written = keras.initializers.serialize(my_function)
    assert written["class_name"] == "function"
    for config in ("my_function", written, {"class_name": "my_function", "config": {}}):
        for read in (deserialize, initializers.get):
            init = read(config, {"my_function": my_function})
            assert init == initializers.get(my_function)
            assert init(jax.random.key(0), (3,)).shape == (3,)


def test_a_function_of_jaxs_style_is_read() -> None:
    function = jax.nn.initializers.he_normal()
    assert deserialize("mine", {"mine": function}) is function


def test_a_function_takes_no_config() -> None:
    config = {"class_name": "mine", "config": {"factor": 2.0}}
    with pytest.raises(TypeError, match="'mine' is a function and no class"):
        deserialize(config, {"mine": my_function})


def test_a_name_of_keras_in_the_form_of_a_function_is_read() -> None:
    for module in ("builtins", "keras.initializers"):
        config = {
            "module": module,
            "class_name": "function",
            "config": "he_normal",
            "registered_name": "he_normal",
        }
        assert deserialize(config) == initializers.HeNormal()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            {
                "module": "builtins",
                "class_name": "function",
                "config": "my_function",
                "registered_name": "function",
            },
            r"unknown initializer 'my_function'.*custom_objects=\{'my_function'",
        ),
        (
            {
                "module": "mine",
                "class_name": "HeNormal",
                "config": {},
                "registered_name": "mine>HeNormal",
            },
            r"unknown initializer 'mine>HeNormal' of the module 'mine'.*\{'mine>HeNormal'",
        ),
        (
            {
                "module": "mine.deep",
                "class_name": "HeNormal",
                "config": {},
                "registered_name": "HeNormal",
            },
            r"unknown initializer 'HeNormal' of the module 'mine.deep', a class or function of a",
        ),
        (
            {"module": None, "class_name": "Zeros", "config": {}, "registered_name": "Zeros"},
            r"unknown initializer 'Zeros' of the module None",
        ),
        (
            {"class_name": "__lambda__", "config": {"value": "code"}},
            r"holds code, which is never run",
        ),
    ],
    ids=["function", "registered", "unregistered", "from __main__", "lambda"],
)
def test_what_a_user_named_is_refused_by_name(config: dict[str, Any], message: str) -> None:
    for read in (deserialize, initializers.get):
        with pytest.raises(ValueError, match=message):
            read(config)


def test_a_registered_name_is_looked_up_first() -> None:
    config = {
        "module": "mine",
        "class_name": "HeNormal",
        "config": {"factor": 3.0},
        "registered_name": "mine>HeNormal",
    }
    read: Any = deserialize(config, {"mine>HeNormal": Scaled})
    assert (type(read), read.factor) == (Scaled, 3.0)


def test_what_is_registered_with_keras_is_known(keras: Any) -> None:
    registered = keras.saving.register_keras_serializable("of_these_tests")(Scaled)
    try:
        config = through_json(keras.saving.serialize_keras_object(registered(3.0)))
        assert config["registered_name"] == "of_these_tests>Scaled"
        read: Any = deserialize(config)
        assert (type(read), read.factor) == (Scaled, 3.0)
    finally:
        del keras.saving.get_custom_objects()["of_these_tests>Scaled"]


@pytest.mark.parametrize("name", SHARED)
def test_an_instance_of_keras_becomes_one_of_this_library(keras: Any, name: str) -> None:
    theirs = getattr(keras.initializers, name)(**SHARED[name].get_config())
    assert initializers.get(theirs) == SHARED[name]
    assert initializers.get(type(theirs)) == getattr(initializers, name)()


def test_a_constant_array_of_keras_stays_a_function(keras: Any) -> None:
    init = initializers.get(keras.initializers.Constant(np.array([1.0, 2.0], np.float32)))
    assert init(jax.random.key(0), (2,)).tolist() == [1.0, 2.0]


def test_a_subclass_keeps_a_dtype_of_its_own() -> None:
    assert Typed.from_config({"dtype": "float16"}).own == "float16"
    assert Scaled.from_config({"factor": 2.0, "dtype": "float16"}).factor == 2.0

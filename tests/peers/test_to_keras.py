"""Any initializer as one of Keras's own: saved, loaded, cloned, seeded."""

import functools
import json
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cthulhu
from cthulhu import backend as K
from cthulhu import functional, initializers, random
from cthulhu.adapters.keras import to_keras
from cthulhu.params import init_params
from tests.cases import CASES, Case, by_id, same_bits

with warnings.catch_warnings():
    # What Keras does when it is imported is its own.
    warnings.simplefilter("ignore")
    import keras

# Keras's variables do not take NumPy's newest argument.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MATRICES = [case for case in CASES if case.makes_matrices]


@pytest.fixture(autouse=True)
def their_numerics() -> Iterator[None]:
    """The strictness of this suite is not for other libraries' code."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@keras.saving.register_keras_serializable("tests")
class Twice(initializers.Initializer):
    """A user's own, with a config."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return self.scale * K.random_normal(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale}


def model_of(init: Any) -> Any:
    layers = [keras.layers.Input((8,)), keras.layers.Dense(8, kernel_initializer=init)]
    return keras.Sequential(layers)


@pytest.mark.parametrize("case", MATRICES, ids=by_id)
def test_a_model_is_saved_loaded_and_cloned(case: Case, tmp_path: Path) -> None:
    init = to_keras(case.instance(), seed=5)
    assert isinstance(init, keras.initializers.Initializer)
    saved = model_of(init)
    kernel = np.asarray(saved.layers[0].kernel)
    same_bits(kernel, case.init(jax.random.key(5), (8, 8)))
    saved.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    cloned = keras.models.clone_model(saved)
    for other in (loaded, cloned, model_of(init.clone())):
        found = other.layers[0].kernel_initializer
        assert repr(found) == repr(init)
        assert found.get_config() == init.get_config()
        same_bits(other.layers[0].kernel, kernel)


LOAD = """
    import json, sys, warnings
    warnings.simplefilter("ignore")
    {imports}
    import keras
    try:
        model = keras.models.load_model(sys.argv[1])
    except Exception as error:
        print(json.dumps(str(error)))
    else:
        kernel = keras.models.clone_model(model).layers[0].kernel
        print(json.dumps([repr(model.layers[0].kernel_initializer), kernel.numpy().tolist()]))
"""


def load_elsewhere(imports: str, path: Path) -> Any:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LOAD).replace("{imports}", imports), str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(cthulhu.__file__).parent.parent,
    )
    return json.loads(run.stdout.splitlines()[-1])


def test_another_process_loads_it(tmp_path: Path) -> None:
    saved = model_of(to_keras("orthogonal", seed=3))
    saved.save(tmp_path / "model.keras")
    shown, kernel = load_elsewhere("import cthulhu.adapters.keras", tmp_path / "model.keras")
    assert shown == "to_keras(Orthogonal(), seed=3)"
    np.testing.assert_array_equal(np.asarray(kernel, np.float32), saved.layers[0].kernel)


def test_a_users_own_class_is_loaded_by_its_own_registration(tmp_path: Path) -> None:
    saved = model_of(to_keras(Twice(3.0), seed=2))
    saved.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert repr(loaded.layers[0].kernel_initializer) == "to_keras(Twice(scale=3.0), seed=2)"
    same_bits(keras.models.clone_model(loaded).layers[0].kernel, saved.layers[0].kernel)


class Unregistered(Twice):
    """A user's own, which is passed by name."""


def test_a_users_own_class_may_be_a_custom_object(tmp_path: Path) -> None:
    saved = model_of(to_keras(Unregistered(3.0), seed=2))
    saved.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(
        tmp_path / "model.keras", custom_objects={"Unregistered": Unregistered}
    )
    assert type(loaded.layers[0].kernel_initializer.initializer) is Unregistered


NAMES: dict[str, tuple[Any, str]] = {
    "a name": ("dirac", "to_keras(Dirac())"),
    "a class": (initializers.HeNormal, "to_keras(HeNormal())"),
    "a function": (functional.he_normal, "to_keras(HeNormal())"),
    "a bound function": (
        functools.partial(functional.orthogonal, gain=2.0),
        "to_keras(Orthogonal(gain=2.0))",
    ),
    "a config": (
        {"class_name": "RandomNormal", "config": {"stddev": 0.1}},
        "to_keras(RandomNormal(stddev=0.1))",
    ),
    "Keras's own": (keras.initializers.HeNormal(seed=4), "to_keras(HeNormal(seed=4))"),
    "itself": (to_keras("he_normal"), "to_keras(HeNormal())"),
}


@pytest.mark.parametrize("name", NAMES)
def test_whatever_names_an_initializer(name: str) -> None:
    init, shown = NAMES[name]
    assert repr(to_keras(init)) == shown
    assert repr(keras.initializers.get(to_keras(init))) == shown


def theirs(key: Any, shape: Any, dtype: Any = None) -> jax.Array:
    return jax.random.normal(key, shape, dtype)


UNSAVED: dict[str, Any] = {
    "a function": theirs,
    "JAX's": jax.nn.initializers.he_normal(),
    "an array": np.ones((8, 8), np.float32),
    "of a shape": lambda shape, dtype=None: K.random_normal(shape, dtype=dtype),
}


@pytest.mark.parametrize("name", UNSAVED)
def test_what_cannot_be_saved_serves_until_it_is(name: str, tmp_path: Path) -> None:
    init = to_keras(UNSAVED[name], seed=1)
    first, second = model_of(init), model_of(init)
    same_bits(first.layers[0].kernel, second.layers[0].kernel)
    with pytest.raises(TypeError, match=r"to_keras: .* has no config, so a model with it cannot"):
        first.save(tmp_path / "model.keras")


def test_a_seed_gives_the_values_of_its_key() -> None:
    expected = functional.he_normal(jax.random.key(7), (4, 3))
    for init in (to_keras("he_normal", seed=7), to_keras(initializers.HeNormal(seed=7))):
        same_bits(init((4, 3)), expected)
        same_bits(init((4, 3)), expected)
        same_bits(jax.jit(lambda init=init: init((4, 3)))(), expected)


def test_without_a_seed_keras_governs() -> None:
    keras.utils.set_random_seed(5)
    drawn = keras.initializers.HeNormal().seed
    keras.utils.set_random_seed(5)
    init, other = to_keras("he_normal"), to_keras("he_normal")
    same_bits(init((4, 3)), functional.he_normal(jax.random.key(drawn), (4, 3)))
    same_bits(init((4, 3)), init((4, 3)))
    assert not np.array_equal(init((4, 3)), other((4, 3)))
    assert not np.array_equal(init((4, 3)), init.clone()((4, 3)))
    assert init.get_config()["seed"] is None


def test_in_a_scope_the_scope_decides() -> None:
    key = jax.random.key(3)
    with random.scope(key):
        expected = initializers.HeNormal()((4, 3))
    with random.scope(key):
        same_bits(to_keras("he_normal")((4, 3)), expected)
        same_bits(
            to_keras("he_normal", seed=1)((4, 3)), functional.he_normal(jax.random.key(1), (4, 3))
        )
    # So it is a pure function of the key where rules name it.
    tree = {"a": jax.ShapeDtypeStruct((4, 3), np.float32)}
    init = to_keras("he_normal")
    first, same, other = (init_params(seed, tree, init)["a"] for seed in (0, 0, 1))
    same_bits(first, same)
    assert not np.array_equal(first, other)


def test_the_type_is_keras_float() -> None:
    assert to_keras("he_normal")((2, 3)).dtype == jnp.float32
    keras.config.set_floatx("bfloat16")
    try:
        assert to_keras("he_normal")((2, 3)).dtype == jnp.bfloat16
    finally:
        keras.config.set_floatx("float32")


def test_errors_say_what_to_do() -> None:
    with pytest.raises(TypeError, match="to_keras: an initializer is needed; got None"):
        to_keras(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"to_keras: seed is 3, and HeNormal\(seed=4\) has one"):
        to_keras(initializers.HeNormal(seed=4), seed=3)
    with pytest.raises(TypeError, match="to_keras: seed must be"):
        to_keras("he_normal", seed="x")  # type: ignore[arg-type]


ON_TORCH = """
    import os, warnings
    warnings.simplefilter("ignore")
    os.environ["KERAS_BACKEND"] = "torch"
    import keras, numpy as np, torch
    from cthulhu import functional
    from cthulhu.adapters.keras import to_keras
    import jax
    made = to_keras("he_normal", seed=7)((4, 3))
    assert isinstance(made, torch.Tensor)
    expected = functional.he_normal(jax.random.key(7), (4, 3))
    assert np.array_equal(made.detach().cpu().numpy(), expected)
    narrow = to_keras("he_normal", seed=7)((4, 3), "bfloat16")
    assert narrow.dtype is torch.bfloat16
    expected = functional.he_normal(jax.random.key(7), (4, 3), "bfloat16")
    assert np.array_equal(narrow.detach().cpu().float().numpy(), expected.astype("float32"))
    layer = keras.layers.Dense(3, kernel_initializer=to_keras("orthogonal", seed=1))
    layer.build((None, 8))
    q = layer.kernel.numpy()
    assert np.allclose(q.T @ q, np.eye(3), atol=1e-5)
"""


def test_on_another_backend_it_makes_that_backends_tensors() -> None:
    pytest.importorskip("torch")
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ON_TORCH)],
        check=True,
        cwd=Path(cthulhu.__file__).parent.parent,
    )


READ: dict[str, Any] = {
    "VarianceScaling": {"scale": 2.0, "mode": "fan_avg", "distribution": "untruncated_normal"},
    "Orthogonal": {"gain": 2.0},
    "Identity": {"gain": 2.0},
    "RandomUniform": {"minval": 0.0, "maxval": 2.0},
    "RandomNormal": {"mean": 1.0, "stddev": 2.0},
    "TruncatedNormal": {"mean": 1.0, "stddev": 2.0},
    "Constant": {"value": 2.0},
    "STFT": {"side": "imag", "window": "hamming", "periodic": True},
}

BUILT_IN = sorted(
    {
        value
        for name, value in vars(keras.initializers).items()
        if isinstance(value, type) and value is not keras.initializers.Initializer
    },
    key=lambda cls: cls.__name__,
)


@pytest.mark.parametrize("cls", BUILT_IN, ids=lambda cls: cls.__name__)
def test_every_class_of_keras_is_read(cls: Any) -> None:
    """The numbers of Keras 3, whose raw key is [seed, 0], are ours up to the last bits."""
    options = READ.get(cls.__name__, {})
    shape = (16, 1, 18) if cls.__name__ == "STFT" else (16, 8)
    instance = cls(**options)
    drawn = hasattr(instance, "seed")
    found = initializers.get(cls(**options, **({"seed": 7} if drawn else {})))
    assert type(found).__module__.startswith("cthulhu.")
    expected = cls(**options, **({"seed": 7} if drawn else {}))(shape)
    values = found(jnp.array([7, 0], jnp.uint32), shape)  # type: ignore[misc]
    np.testing.assert_allclose(values, expected, rtol=2e-6, atol=1e-6)


def test_a_model_trains() -> None:
    keras.utils.set_random_seed(0)
    inputs = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    targets = np.stack([inputs[:, 0] * inputs[:, 1], inputs[:, 2]], 1)
    model = keras.Sequential(
        [
            keras.layers.Input((4,)),
            keras.layers.Dense(32, "relu", kernel_initializer=to_keras("he_normal", seed=1)),
            keras.layers.Dense(2, kernel_initializer=to_keras("orthogonal", seed=2)),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    losses = model.fit(inputs, targets, epochs=40, batch_size=32, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 4

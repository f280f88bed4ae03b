"""Keras saves, loads, clones, distributes and reuses this library's classes."""

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

import cthulhu.adapters.keras
from cthulhu import backend as K
from cthulhu import initializers, random
from cthulhu.params import init_params
from tests.cases import CASES, by_id
from tests.initializers.test_config import OURS

with warnings.catch_warnings():
    # What Keras does when it is imported is its own.
    warnings.simplefilter("ignore")
    import keras

# Keras's variables do not take NumPy's newest argument.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

INSTANCES: dict[str, initializers.Initializer] = {
    **{case.name: case.instance(**({"seed": 1} if case.draws else {})) for case in CASES},
    **{name: init for name, init in OURS.items() if name != "all axes"},
    "in_axis": initializers.HeNormal(seed=3, in_axis=-1, out_axis=-2),
    "fan_geo_avg": initializers.VarianceScaling(mode="fan_geo_avg", seed=4),
}


@pytest.fixture(autouse=True)
def their_numerics() -> Iterator[None]:
    """The strictness of this suite is not for other libraries' code."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def model(init: Any) -> Any:
    """A model whose kernel is square where the initializer is for matrices alone."""
    (case,) = (case for case in CASES if case.cls is type(init))
    if not case.makes_matrices and 4 not in case.ranks:
        layers = [keras.layers.Input((5, 4)), keras.layers.Conv1D(8, 3, kernel_initializer=init)]
    elif 4 not in case.ranks:
        layers = [keras.layers.Input((4,)), keras.layers.Dense(4, kernel_initializer=init)]
    else:
        layers = [keras.layers.Input((5, 5, 4)), keras.layers.Conv2D(8, 3, kernel_initializer=init)]
    return keras.Sequential(layers)


def assert_same(found: Any, init: initializers.Initializer) -> None:
    assert type(found) is type(init)
    assert found == init
    assert found.get_config() == init.get_config()


@pytest.mark.parametrize("init", INSTANCES.values(), ids=INSTANCES)
def test_a_model_is_saved_loaded_and_cloned(init: Any, tmp_path: Path) -> None:
    saved = model(init)
    saved.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    cloned = keras.models.clone_model(saved)
    again = keras.models.model_from_json(saved.to_json())
    for other in (loaded, cloned, again):
        assert_same(other.layers[0].kernel_initializer, init)
    kernel = np.asarray(saved.layers[0].kernel)
    assert np.array_equal(loaded.layers[0].kernel, kernel)
    if getattr(init, "seed", 0) is not None:
        for other in (cloned, again):
            assert np.array_equal(other.layers[0].kernel, kernel)


LOAD = """
    import json, sys, warnings
    warnings.simplefilter("ignore")
    {imports}
    import keras
    found = []
    for path in sys.argv[1:]:
        try:
            model = keras.models.load_model(path)
        except Exception as error:
            found.append([type(error).__name__, str(error)])
        else:
            init = model.layers[0].kernel_initializer
            cloned = keras.models.clone_model(model)
            kernel = cloned.layers[0].kernel.numpy().tolist()
            found.append([type(init).__module__, repr(init), kernel])
    print(json.dumps(found))
"""


def load_elsewhere(imports: str, *paths: Path) -> Any:
    script = textwrap.dedent(LOAD).replace("{imports}", imports)
    run = subprocess.run(
        [sys.executable, "-c", script, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(cthulhu.__file__).parent.parent,
    )
    return json.loads(run.stdout.splitlines()[-1])


def test_another_process_loads_it(tmp_path: Path) -> None:
    inits = {name: INSTANCES[name] for name in ("he_normal", "in_axis", "delta_orthogonal")}
    paths = {name: tmp_path / f"{name}.keras" for name in inits}
    kernels = {}
    for name, init in inits.items():
        saved = model(init)
        saved.save(paths[name])
        kernels[name] = np.asarray(saved.layers[0].kernel)

    found = load_elsewhere("import cthulhu.adapters.keras", *paths.values())
    for (name, init), (module, shown, kernel) in zip(inits.items(), found, strict=True):
        assert module.startswith("cthulhu.")
        assert shown == repr(init)
        assert np.array_equal(np.asarray(kernel, np.float32), kernels[name])

    # Elsewhere Keras has the class, or knows an argument too few, or knows no such class.
    known, argument, unknown = load_elsewhere("", *paths.values())
    assert known[0].startswith("keras.")
    assert "in_axis" in argument[1]
    assert "DeltaOrthogonal" in unknown[1]


def test_saving_needs_no_import_of_the_adapter(tmp_path: Path) -> None:
    """Keras asks for the config just before it asks for the name."""
    script = """
        import json, warnings
        warnings.simplefilter("ignore")
        import keras
        from cthulhu import initializers
        layer = keras.layers.Dense(3, kernel_initializer=initializers.HeNormal(seed=1))
        print(json.dumps(layer.get_config()["kernel_initializer"]))
    """
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(cthulhu.__file__).parent.parent,
    )
    assert json.loads(run.stdout.splitlines()[-1])["registered_name"] == "cthulhu>HeNormal"


def test_the_names_are_registered_again_and_a_users_own_stay() -> None:
    objects = keras.saving.get_custom_objects()
    kept = dict(objects)
    objects.clear()
    try:
        cthulhu.adapters.keras.register()
        assert objects["cthulhu>DeltaOrthogonal"] is initializers.DeltaOrthogonal
    finally:
        objects.update(kept)
    names = [keras.saving.get_registered_name(case.cls) for case in CASES]
    assert names == [f"cthulhu>{case.cls.__name__}" for case in CASES]


def test_a_subclass_is_registered_by_its_owner_alone() -> None:
    class Mine(initializers.HeNormal):
        pass

    Mine().get_config()
    assert keras.saving.get_registered_name(Mine) == "Mine"


def test_an_instance_of_keras_follows_the_key() -> None:
    """Keras's own ignore the key, so all layers would have one kernel."""
    spec = jax.ShapeDtypeStruct((4, 3), np.float32)
    tree = {"l0": spec, "l1": spec}
    theirs = [(".*", keras.initializers.HeNormal())]
    made, other = init_params(0, tree, theirs), init_params(1, tree, theirs)
    assert not np.array_equal(made["l0"], made["l1"])
    assert not np.array_equal(made["l0"], other["l0"])
    expected = init_params(0, tree, [(".*", "he_normal")])
    assert all(np.array_equal(made[name], expected[name]) for name in tree)


@pytest.fixture
def distribution(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A mesh of all devices, on which every variable counts as large."""
    from keras.src.backend.jax import core

    monkeypatch.setattr(core, "should_shard_at_init", lambda *_: True)
    devices = keras.distribution.list_devices()
    mesh = keras.distribution.DeviceMesh((len(devices),), ["model"], devices)
    layout = keras.distribution.LayoutMap(mesh)
    layout[".*kernel"] = (None, "model")
    keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=layout))
    yield
    keras.distribution.set_distribution(None)


class Twice(initializers.Initializer):
    """A user's own, which uses others."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return initializers.HeNormal()(shape, dtype) + K.random_normal(shape, dtype=dtype)


def kernel_of(init: Any) -> Any:
    layer = keras.layers.Dense(16, kernel_initializer=init)
    layer.build((None, 4))
    return layer.kernel.value


MATRICES = [case for case in CASES if 2 in case.ranks and case.draws]


@pytest.mark.usefixtures("distribution")
@pytest.mark.parametrize(
    "make", [*(case.instance for case in MATRICES), Twice], ids=[*map(by_id, MATRICES), "Twice"]
)
def test_an_unseeded_instance_works_under_a_distribution(make: Any) -> None:
    init = make()
    sharded = kernel_of(init)
    assert len(sharded.sharding.device_set) == 8
    assert np.array_equal(sharded, kernel_of(init))
    assert not np.array_equal(sharded, kernel_of(make()))
    keras.distribution.set_distribution(None)
    np.testing.assert_allclose(sharded, kernel_of(init), rtol=1e-5, atol=1e-6)


def test_the_seed_is_keras_and_governed_by_it() -> None:
    keras.utils.set_random_seed(5)
    drawn = keras.initializers.HeNormal().seed
    keras.utils.set_random_seed(5)
    init = initializers.HeNormal()
    first = kernel_of(init)
    assert np.array_equal(first, initializers.HeNormal(seed=drawn)((4, 16)))
    assert np.array_equal(first, kernel_of(init))
    assert not np.array_equal(first, kernel_of(initializers.HeNormal()))
    keras.utils.set_random_seed(5)
    assert np.array_equal(first, kernel_of(initializers.HeNormal()))
    # What it drew is no part of the value.
    assert init == initializers.HeNormal()
    assert init.get_config()["seed"] is None
    assert repr(init) == "HeNormal()"


def test_a_subclass_that_drew_a_seed_is_equal_still() -> None:
    init = Twice()
    assert np.array_equal(kernel_of(init), kernel_of(init))
    assert init == Twice()


def test_a_seed_and_a_scope_win() -> None:
    key = jax.random.key(3)
    with random.scope(key):
        expected = initializers.HeNormal()((4, 16))
    with random.scope(key):
        assert np.array_equal(kernel_of(initializers.HeNormal()), expected)
    seeded = initializers.HeNormal(seed=7)
    assert np.array_equal(kernel_of(seeded), seeded((4, 16)))


def test_a_users_own_calls_draw_anew_and_are_refused_under_a_trace() -> None:
    init = initializers.HeNormal()
    kernel_of(init)
    assert not np.array_equal(init((3, 4)), init((3, 4)))
    with pytest.raises(RuntimeError, match="without a key and without a seed"):
        jax.jit(lambda: init((3, 4)))()


class Calls(keras.callbacks.Callback):
    """A user's code that Keras runs."""

    def __init__(self, init: Any) -> None:
        super().__init__()
        self.init = init
        self.made: list[Any] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.made += [self.init((3,)), self.init((3,))]


def test_a_users_code_that_keras_runs_is_a_users() -> None:
    calls = Calls(initializers.RandomNormal())
    calls.on_train_begin()
    keras.callbacks.CallbackList([calls]).on_train_begin()
    assert len({made.tobytes() for made in map(np.asarray, calls.made)}) == 4


SEQUENCE = jnp.ones((2, 3, 8))

LAYERS = {
    "Dense": lambda init: keras.layers.Dense(4, kernel_initializer=init)(SEQUENCE),
    "EinsumDense": lambda init: keras.layers.EinsumDense(
        "abc,cd->abd", (None, 4), kernel_initializer=init
    )(SEQUENCE),
    "MultiHeadAttention": lambda init: keras.layers.MultiHeadAttention(
        2, 4, kernel_initializer=init
    )(SEQUENCE, SEQUENCE),
    "GroupQueryAttention": lambda init: keras.layers.GroupQueryAttention(
        4, 2, 1, kernel_initializer=init
    )(SEQUENCE, SEQUENCE),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize(
    # Kernels of attention have three dimensions.
    "case",
    [case for case in MATRICES if 3 in case.ranks and not case.needs_options],
    ids=by_id,
)
def test_a_class_serves_where_the_classes_of_keras_do(layer: Any, case: Any) -> None:
    if not case.makes_matrices:
        return
    assert jnp.isfinite(layer(case.cls)).all()

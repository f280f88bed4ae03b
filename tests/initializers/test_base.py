"""`Initializer`: both ways of calling, seeds, subclasses."""

import copy
import pickle
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import backend as K
from cthulhu import functional, initializers, random
from cthulhu.initializers import Initializer

KEY = jax.random.key(5)


def same(first: Any, second: Any) -> bool:
    return first.dtype == second.dtype and np.array_equal(np.asarray(first), np.asarray(second))


class ShapeFirst(Initializer):
    """The documented signature."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return 2 * K.random_normal(shape, dtype=dtype)


class KeyFirst(Initializer):
    """JAX's signature, with arguments of its own."""

    def __init__(self, factor: float = 1.0, seed: int | None = None) -> None:
        self.factor = factor
        self.seed = seed

    def __call__(self, key: Any, shape: Any, dtype: Any = jnp.float32) -> Any:
        return self.factor * jax.random.normal(key, shape, dtype)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "seed": self.seed}


class Keywords(Initializer):
    """Keras's signature."""

    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        assert not kwargs
        return K.random_uniform(shape, dtype=dtype)


class ShapeOnly(Initializer):
    """No dtype at all."""

    def __call__(self, shape: Any) -> Any:
        return K.random_uniform(shape)


class Child(ShapeFirst):
    """Inherits the call."""


class Doubled(KeyFirst):
    """Overrides the call."""

    def __call__(self, key: Any, shape: Any, dtype: Any = jnp.float32) -> Any:
        return 2 * KeyFirst(self.factor)(key, shape, dtype)


SUBCLASSES = [ShapeFirst(), KeyFirst(), Keywords(), ShapeOnly(), Child(), Doubled(4.0)]
INSTANCES = [*SUBCLASSES, initializers.HeNormal(), initializers.Orthogonal(gain=2.0)]


def named(value: Any) -> str:
    return type(value).__name__


@pytest.mark.parametrize("init", INSTANCES, ids=named)
def test_every_way_of_calling_with_a_key_is_the_same(init: Initializer) -> None:
    expected = init(KEY, (3, 4), jnp.float32)
    assert expected.shape == (3, 4)
    for other in (
        init(KEY, (3, 4)),
        init(KEY, [3, 4], "float32"),
        init(KEY, (np.int64(3), 4), np.float32, None),
        init(KEY, shape=(3, 4), dtype=jnp.float32),
        init(key=KEY, shape=(3, 4)),
        init((3, 4), key=KEY),
        init(shape=(3, 4), key=KEY, dtype=jnp.float32, out_sharding=None),
        init(jax.random.key_data(KEY), (3, 4)),
        init(np.asarray(jax.random.key_data(KEY)), (3, 4)),
    ):
        assert same(other, expected)


@pytest.mark.parametrize("init", INSTANCES, ids=named)
def test_every_way_of_calling_without_a_key_is_the_same(init: Initializer) -> None:
    def draw(*args: Any, **kwargs: Any) -> jax.Array:
        with random.scope(KEY):
            return init(*args, **kwargs)

    expected = draw((3, 4))
    for other in (
        draw([3, 4]),
        draw(shape=(3, 4)),
        draw((3, 4), None),
        draw((3, 4), "float32"),
        draw((3, 4), dtype=jnp.float32),
        draw(None, (3, 4)),
        draw(None, (3, 4), jnp.float32),
        draw(key=None, shape=(3, 4)),
    ):
        assert same(other, expected)
    assert same(expected, init(jax.random.fold_in(KEY, 0), (3, 4)))


@pytest.mark.parametrize("init", SUBCLASSES, ids=named)
def test_a_subclass_is_a_pure_function_of_the_key(init: Initializer) -> None:
    keys = jax.random.split(KEY, 3)
    eager = [init(key, (3, 4)) for key in keys]
    assert not same(eager[0], eager[1])
    assert same(jax.jit(init, static_argnums=1)(keys[0], (3, 4)), eager[0])
    assert same(jax.vmap(lambda key: init(key, (3, 4)))(keys), jnp.stack(eager))
    abstract = jax.eval_shape(lambda key: init(key, (3, 4)), KEY)
    assert (abstract.shape, abstract.dtype) == ((3, 4), jnp.float32)


@pytest.mark.parametrize("init", SUBCLASSES, ids=named)
def test_a_subclass_serves_a_flax_layer(init: Initializer) -> None:
    variables = nn.Dense(4, kernel_init=init).init(KEY, jnp.ones((1, 3)))
    kernel = variables["params"]["kernel"]
    assert kernel.shape == (3, 4)
    assert float(jnp.abs(kernel).max()) > 0


@pytest.mark.parametrize("init", INSTANCES, ids=named)
def test_the_dtype_is_the_one_asked_for(init: Initializer) -> None:
    assert init(KEY, (3, 4), jnp.bfloat16).dtype == jnp.bfloat16


@pytest.mark.parametrize("init", INSTANCES, ids=named)
def test_an_instance_is_true_and_has_no_length(init: Initializer) -> None:
    assert bool(init)
    assert not hasattr(init, "__len__")


def test_a_seed_is_the_key_of_that_seed() -> None:
    for init, seeded in (
        (initializers.HeNormal(), initializers.HeNormal(seed=7)),
        (KeyFirst(), KeyFirst(seed=7)),
    ):
        assert same(seeded((3, 4)), init(jax.random.key(7), (3, 4)))
        assert same(seeded((3, 4)), seeded((3, 4)))
        assert same(jax.jit(lambda seeded=seeded: seeded((3, 4)))(), seeded((3, 4)))


def test_a_key_wins_over_a_seed() -> None:
    for init, seeded in (
        (initializers.HeNormal(), initializers.HeNormal(seed=7)),
        (KeyFirst(), KeyFirst(seed=7)),
    ):
        assert same(seeded(KEY, (3, 4)), init(KEY, (3, 4)))


def test_a_seed_wins_over_a_scope() -> None:
    with random.scope(KEY):
        assert same(initializers.HeNormal(seed=7)((3, 4)), initializers.HeNormal(seed=7)((3, 4)))


def test_without_seed_every_call_differs() -> None:
    init = initializers.HeNormal()
    assert not same(init((3, 4)), init((3, 4)))


def test_a_subclass_with_a_wrong_seed_is_refused_when_it_draws() -> None:
    with pytest.raises(TypeError, match=r"KeyFirst: seed must be an integer or None; got 1\.5"):
        KeyFirst(seed=1.5)((2,))  # type: ignore[arg-type]


def test_a_subclass_inherits_and_overrides() -> None:
    assert same(Child()(KEY, (3,)), ShapeFirst()(KEY, (3,)))
    assert same(Doubled(4.0)(KEY, (3,)), 8 * jax.random.normal(KEY, (3,)))


def test_a_subclass_of_a_documented_class_overrides_its_call() -> None:
    class Shifted(initializers.HeNormal):
        def __call__(self, key: Any, shape: Any, dtype: Any = None) -> Any:
            return 1 + initializers.HeNormal()(key, shape, dtype)

    assert same(Shifted()(KEY, (3, 4)), 1 + functional.he_normal(KEY, (3, 4)))


@pytest.mark.parametrize("init", SUBCLASSES, ids=named)
def test_a_subclass_survives_pickle_and_copy(init: Initializer) -> None:
    for again in (pickle.loads(pickle.dumps(init)), copy.copy(init), copy.deepcopy(init)):
        assert type(again) is type(init)
        assert same(again(KEY, (3, 4)), init(KEY, (3, 4)))


def test_from_config_makes_the_instance_again() -> None:
    again = KeyFirst.from_config({"factor": 3.0, "seed": 1, "dtype": "float32"})
    assert again.get_config() == {"factor": 3.0, "seed": 1}


def test_an_instance_is_frozen() -> None:
    init = initializers.RandomNormal()
    with pytest.raises(AttributeError, match="cannot assign to field 'stddev'"):
        init.stddev = 1.0  # type: ignore[misc]


def test_instances_are_values() -> None:
    first, second = initializers.RandomNormal(stddev=0.5), initializers.RandomNormal(stddev=0.5)
    assert first == second
    assert hash(first) == hash(second)
    assert first != initializers.RandomNormal(stddev=0.25)
    assert first != initializers.TruncatedNormal(stddev=0.5)
    assert initializers.RandomNormal(stddev=np.float32(0.5)) == first
    assert initializers.RandomNormal(stddev=jnp.float32(0.5)) == first
    assert isinstance(initializers.RandomNormal(stddev=jnp.float32(0.5)).stddev, float)
    assert isinstance(initializers.HeNormal(seed=np.int64(3)).seed, int)


@pytest.mark.parametrize(
    ("init", "text"),
    [
        (initializers.Zeros(), "Zeros()"),
        (initializers.HeNormal(), "HeNormal()"),
        (initializers.HeNormal(seed=7), "HeNormal(seed=7)"),
        (initializers.RandomNormal(stddev=0.1, seed=0), "RandomNormal(stddev=0.1, seed=0)"),
        (initializers.VarianceScaling(distribution="normal"), "VarianceScaling()"),
        (initializers.Orthogonal(batch_axis=0), "Orthogonal(batch_axis=0)"),
        (initializers.LecunNormal(in_axis=(0, 1)), "LecunNormal(in_axis=(0, 1))"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_repr_is_the_constructor_call(init: Initializer, text: str) -> None:
    assert repr(init) == text
    assert eval(text, vars(initializers)) == init


def test_one_instance_is_one_trace() -> None:
    """Equal instances are one static argument, so a jitted function is traced once."""
    traces = []

    def draw(init: Initializer, key: jax.Array) -> jax.Array:
        traces.append(init)
        return init(key, (3,))

    jitted = jax.jit(draw, static_argnums=0)
    for _ in range(3):
        jitted(initializers.RandomNormal(stddev=0.5), KEY)
    assert len(traces) == 1


class Silent(Initializer):
    """Has an argument, and no config that tells it."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return self.factor * K.random_normal(shape, dtype=dtype)


class Configured(Initializer):
    """Has a config of any values."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return K.random_normal(shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value}


def traces_of(*instances: Initializer) -> int:
    traces = []

    def draw(init: Initializer, key: jax.Array) -> jax.Array:
        traces.append(init)
        return init(key, (3,))

    jitted = jax.jit(draw, static_argnums=0)
    for init in instances:
        jitted(init, KEY)
    return len(traces)


@pytest.mark.parametrize(
    "make",
    [
        ShapeFirst,
        Child,
        lambda: KeyFirst(2.0, seed=1),
        lambda: Doubled(2.0),
        lambda: Configured([1, {"a": (2.0, None)}]),
        lambda: Configured(np.arange(3)),
        lambda: Configured(jnp.arange(3)),
    ],
    ids=["ShapeFirst", "Child", "KeyFirst", "Doubled", "nested", "NumPy", "JAX"],
)
def test_equal_instances_of_a_subclass_are_one_trace(make: Any) -> None:
    assert make() == make()
    assert hash(make()) == hash(make())
    assert traces_of(make(), make(), make()) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ShapeFirst(), Child()),
        (KeyFirst(2.0), KeyFirst(3.0)),
        (KeyFirst(2.0), Doubled(2.0)),
        (Silent(2.0), Silent(2.0)),
        (Configured(1), Configured(True)),
        (Configured(1), Configured(1.0)),
        (Configured(np.arange(3)), Configured(np.arange(3.0))),
        (Configured(np.arange(3)), Configured(np.arange(4))),
        (Configured({1}), Configured({1})),
        (ShapeFirst(), "ShapeFirst"),
    ],
    ids=[
        "a subclass",
        "the config",
        "the class",
        "no config",
        "a bool",
        "a float",
        "an array's dtype",
        "an array's shape",
        "what cannot be hashed",
        "another type",
    ],
)
def test_what_may_differ_is_not_equal(first: Any, second: Any) -> None:
    assert first != second
    assert first == first
    if isinstance(second, Initializer):
        assert traces_of(first, second, first) == 2


def test_an_attribute_that_no_config_tells_makes_instances_differ() -> None:
    first, second = ShapeFirst(), ShapeFirst()
    first.factor = 2.0  # type: ignore[attr-defined]
    assert first != second


def test_an_equality_of_the_users_own_stays() -> None:
    class Always(Initializer):
        def __init__(self, factor: float) -> None:
            self.factor = factor

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    assert Always(1.0) == Always(2.0)
    with pytest.raises(TypeError, match="unhashable"):
        hash(Always(1.0))


class Shifted(initializers.HeNormal):
    """Builds on the class that it extends."""

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return 1 + super().__call__(shape, dtype)


def test_a_subclass_can_call_the_class_it_extends() -> None:
    key = jax.random.key(0)
    inner = initializers.HeNormal()(jax.random.fold_in(key, 0), (2, 3))
    assert np.array_equal(Shifted()(key, (2, 3)), 1 + inner)
    # The key alone decides, also inside; without one, the seed does.
    assert np.array_equal(Shifted(seed=7)(key, (2, 3)), Shifted()(key, (2, 3)))
    assert np.array_equal(Shifted(seed=7)((2, 3)), Shifted()(jax.random.key(7), (2, 3)))

"""Every initializer in the layers of Flax, Keras and Haiku."""

import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from cthulhu import initializers
from tests.cases import CASES, KEY, Case, by_id, same_bits

with warnings.catch_warnings():
    # What these libraries do when they are imported is theirs.
    warnings.simplefilter("ignore")
    import haiku
    import keras

MATRICES = [case for case in CASES if case.makes_matrices]
KERNELS = [case for case in CASES if 4 in case.ranks]
SIGNALS = [case for case in CASES if case.ranks == range(3, 4)]
KERAS_HAS = [case for case in CASES if case.in_keras]

matrix = pytest.mark.parametrize("case", MATRICES, ids=by_id)
kernel = pytest.mark.parametrize("case", KERNELS, ids=by_id)
of_signal = pytest.mark.parametrize("case", SIGNALS, ids=by_id)


@pytest.fixture(autouse=True)
def their_numerics() -> Iterator[None]:
    """The strictness of this suite is not for other libraries' code."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


class Spy:
    """Records the calls of an initializer."""

    def __init__(self, init: Callable[..., jax.Array]) -> None:
        self.init = init
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
        self.calls.append((key, shape, dtype))
        return self.init(key, shape, dtype)


def test_every_row_is_in_some_layer() -> None:
    assert {*MATRICES, *KERNELS, *SIGNALS} == set(CASES)


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_a_row_knows_whether_keras_has_the_class(case: Case) -> None:
    assert hasattr(keras.initializers, case.cls.__name__) == case.in_keras


def linen_layers(rank: int, init: Any) -> tuple[linen.Module, jax.Array]:
    if rank == 2:
        return linen.Dense(8, kernel_init=init, bias_init=initializers.Zeros()), jnp.ones((2, 4))
    if rank == 3:
        return linen.Conv(8, (3,), kernel_init=init), jnp.ones((1, 5, 4))
    return linen.Conv(8, (3, 3), kernel_init=init), jnp.ones((1, 5, 5, 4))


def in_linen(case: Case, rank: int) -> None:
    spy = Spy(case.instance())
    module, inputs = linen_layers(rank, spy)
    expected = module.init(KEY, inputs)["params"]["kernel"]
    ((key, shape, dtype),) = spy.calls
    same_bits(expected, case.init(key, shape, dtype))
    for init in (
        case.instance(),
        case.init,
        linen.with_partitioning(case.instance(), (None,) * rank),
    ):
        module, _ = linen_layers(rank, init)
        params = linen.unbox(module.init(KEY, inputs))["params"]
        same_bits(params["kernel"], expected)
        jitted = linen.unbox(jax.jit(module.init)(KEY, inputs))["params"]
        same_bits(jitted["kernel"], expected)
        assert jnp.isfinite(module.apply({"params": params}, inputs)).all()
    if case.draws:
        # The key that Flax passes decides, not the seed.
        module, _ = linen_layers(rank, case.instance(seed=1))
        same_bits(module.init(KEY, inputs)["params"]["kernel"], expected)


@matrix
def test_linen_dense(case: Case) -> None:
    in_linen(case, 2)


@kernel
def test_linen_conv(case: Case) -> None:
    in_linen(case, 4)


@of_signal
def test_linen_conv_of_a_signal(case: Case) -> None:
    in_linen(case, 3)


@matrix
def test_linen_attention(case: Case) -> None:
    inputs = jnp.ones((1, 3, 8))
    spy = Spy(case.instance())

    def params(init: Any) -> Any:
        return linen.MultiHeadDotProductAttention(num_heads=2, kernel_init=init).init(KEY, inputs)[
            "params"
        ]

    expected = params(spy)
    drawn = [case.init(*call) for call in spy.calls]
    assert len(drawn) == 4
    found = params(case.instance())
    for part, values in zip(("query", "key", "value", "out"), drawn, strict=True):
        same_bits(found[part]["kernel"], expected[part]["kernel"])
        same_bits(np.ravel(found[part]["kernel"]), np.ravel(values))


@matrix
def test_nnx_linear(case: Case) -> None:
    spy = Spy(case.instance())
    nnx.Linear(4, 8, kernel_init=spy, rngs=nnx.Rngs(0))
    ((key, shape, dtype),) = spy.calls
    assert shape == (4, 8)
    layer = nnx.Linear(4, 8, kernel_init=case.instance(), rngs=nnx.Rngs(0))
    same_bits(layer.kernel[...], case.init(key, shape, dtype))
    assert layer(jnp.ones((2, 4))).shape == (2, 8)


@kernel
def test_nnx_conv(case: Case) -> None:
    spy = Spy(case.instance())
    nnx.Conv(4, 8, (3, 3), kernel_init=spy, rngs=nnx.Rngs(0))
    ((key, shape, dtype),) = spy.calls
    layer = nnx.Conv(4, 8, (3, 3), kernel_init=case.instance(), rngs=nnx.Rngs(0))
    same_bits(layer.kernel[...], case.init(key, shape, dtype))


def test_nnx_attention_reads_the_truth_of_an_initializer() -> None:
    # `out_kernel_init or kernel_init`.
    layer = nnx.MultiHeadAttention(
        2,
        8,
        kernel_init=initializers.Ones(),
        out_kernel_init=initializers.Zeros(),
        decode=False,
        rngs=nnx.Rngs(0),
    )
    assert not layer.out.kernel[...].any()
    assert layer.query.kernel[...].all()


def keras_layer(case: Case, rank: int, **kwargs: Any) -> Any:
    init = case.instance(**kwargs)
    if rank == 2:
        return keras.layers.Dense(8, kernel_initializer=init), (None, 4)
    if rank == 3:
        return keras.layers.Conv1D(8, 3, kernel_initializer=init), (None, 5, 4)
    return keras.layers.Conv2D(8, 3, kernel_initializer=init), (None, 5, 5, 4)


def in_keras(case: Case, rank: int) -> None:
    seed = {"seed": 7} if case.draws else {}
    layer, shape = keras_layer(case, rank, **seed)
    layer.build(shape)
    values = jnp.asarray(layer.kernel)
    same_bits(values, case.init(jax.random.key(7), values.shape))
    assert layer.kernel_initializer == case.instance(**seed)

    # Without a seed, each build draws anew.
    first, second = (keras_layer(case, rank)[0] for _ in range(2))
    first.build(shape)
    second.build(shape)
    assert np.array_equal(first.kernel, second.kernel) != case.draws


@matrix
def test_keras_dense(case: Case) -> None:
    in_keras(case, 2)


@kernel
def test_keras_conv(case: Case) -> None:
    in_keras(case, 4)


@of_signal
def test_keras_conv_of_a_signal(case: Case) -> None:
    in_keras(case, 3)


@pytest.mark.parametrize("case", KERAS_HAS, ids=by_id)
def test_keras_reads_what_we_write(case: Case) -> None:
    for seed in ({}, {"seed": 7}) if case.draws else ({},):
        ours = case.instance(**seed)
        config = json.loads(json.dumps(initializers.serialize(ours)))
        # The second reads the "module" too.
        for read in (
            keras.initializers.deserialize,
            keras.saving.deserialize_keras_object,
        ):
            theirs = read(config)
            assert type(theirs).__module__.startswith("keras.")
            assert type(theirs).__name__ == case.cls.__name__
            for name, value in theirs.get_config().items():
                assert ours.get_config()[name] == value or name == "seed"
            if seed:
                assert theirs.get_config()["seed"] == 7


@pytest.mark.parametrize("case", KERAS_HAS, ids=by_id)
def test_we_read_what_keras_writes(case: Case) -> None:
    cls = getattr(keras.initializers, case.cls.__name__)
    for seed in ({}, {"seed": 7}) if case.draws else ({},):
        theirs = cls(**case.options, **seed)
        config = json.loads(json.dumps(keras.initializers.serialize(theirs)))
        for read in (initializers.deserialize, initializers.get):
            assert read(config) == case.instance(**seed)


def test_keras_loads_a_model_with_our_initializers() -> None:
    model = keras.Sequential(
        [
            keras.layers.Input((4,)),
            keras.layers.Dense(6, kernel_initializer=initializers.HeNormal(seed=7)),
            keras.layers.Dense(2, kernel_initializer=initializers.RandomNormal(stddev=0.3)),
        ]
    )
    ours = {"HeNormal": initializers.HeNormal, "RandomNormal": initializers.RandomNormal}
    loaded = keras.models.model_from_json(model.to_json(), custom_objects=ours)
    assert loaded.layers[0].kernel_initializer == initializers.HeNormal(seed=7)
    assert loaded.layers[1].kernel_initializer == initializers.RandomNormal(stddev=0.3)
    same_bits(loaded.layers[0].kernel, model.layers[0].kernel)


def in_haiku(case: Case, inputs: jax.Array) -> None:
    init = case.instance()
    calls = []

    def w_init(shape: Any, dtype: Any) -> jax.Array:
        key = haiku.next_rng_key() if case.draws else None
        calls.append((key, shape, dtype))
        return init(key, shape, dtype)

    def forward(x: jax.Array) -> jax.Array:
        if x.ndim == 2:
            return haiku.Linear(8, w_init=w_init)(x)
        return haiku.Conv2D(8, 3, w_init=w_init)(x)

    network = haiku.transform(forward)
    (params,) = network.init(KEY, inputs).values()
    ((key, shape, dtype),) = calls
    same_bits(params["w"], case.init(key, shape, dtype))
    (jitted,) = jax.jit(network.init)(KEY, inputs).values()
    same_bits(jitted["w"], params["w"])


@matrix
def test_haiku_linear(case: Case) -> None:
    in_haiku(case, jnp.ones((2, 4)))


@kernel
def test_haiku_conv(case: Case) -> None:
    in_haiku(case, jnp.ones((1, 5, 5, 4)))

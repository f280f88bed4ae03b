"""`Daoloth`: the numbers of `nn.Dense`, initializers by any name, seeds that do not collide."""

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
from cthulhu.layers import Daoloth, get_activation
from tests.cases import CASES, Case, by_id
from tests.refusals import Refused, each

KEY = jax.random.key(2)
INPUTS = jax.random.normal(jax.random.key(3), (5, 4))
MATRICES = [case for case in CASES if case.makes_matrices and not case.needs_options]


def same(first: Any, second: Any) -> bool:
    return jax.tree.structure(first) == jax.tree.structure(second) and all(
        one.dtype == other.dtype and np.array_equal(np.asarray(one), np.asarray(other))
        for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    )


def kernel_of(layer: nn.Module, key: jax.Array = KEY) -> jax.Array:
    return layer.init(key, INPUTS)["params"]["kernel"]


def my_init(shape: Any, dtype: Any = None) -> Any:
    return K.random_normal(shape, dtype=dtype)


class Both(nn.Module):
    """Two layers, each given by the same constructor."""

    make: Any

    def setup(self) -> None:
        self.first = self.make()
        self.second = self.make()

    def __call__(self, inputs: Any) -> Any:
        return self.first(inputs) + self.second(inputs)


class Attention(nn.Module):
    """One initializer instance, handed to every projection of an attention block."""

    initializer: Any

    @nn.compact
    def __call__(self, inputs: Any) -> Any:
        query, key, value = (
            Daoloth(4, kernel_initializer=self.initializer, name=name)(inputs)
            for name in ("query", "key", "value")
        )
        weights = nn.softmax(query @ key.T)
        return Daoloth(4, kernel_initializer=self.initializer, name="out")(weights @ value)


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("dtype", [None, jnp.bfloat16])
@pytest.mark.parametrize("param_dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 3, 4)])
def test_it_computes_what_dense_computes(
    shape: tuple[int, ...], param_dtype: Any, dtype: Any, use_bias: bool
) -> None:
    inputs = jax.random.normal(jax.random.key(0), shape, param_dtype)
    options = {"use_bias": use_bias, "dtype": dtype, "param_dtype": param_dtype}
    ours = Daoloth(6, bias_initializer="random_normal", **options)
    dense = nn.Dense(6, **options)
    variables = ours.init(KEY, inputs)
    assert set(variables["params"]) == ({"kernel", "bias"} if use_bias else {"kernel"})
    assert all(leaf.dtype == param_dtype for leaf in jax.tree.leaves(variables))
    assert same(ours.apply(variables, inputs), dense.apply(variables, inputs))
    assert ours.apply(variables, inputs).dtype == (dtype or param_dtype)


@pytest.mark.parametrize("case", MATRICES, ids=by_id)
def test_its_first_values_are_those_of_dense(case: Case) -> None:
    ours = Daoloth(6, kernel_initializer=case.name).init(KEY, INPUTS)
    assert same(ours, nn.Dense(6, kernel_init=case.function).init(KEY, INPUTS))


def test_its_first_values_are_those_of_dense_inside_of_a_model() -> None:
    ours = Both(lambda: Daoloth(6, kernel_initializer="he_normal")).init(KEY, INPUTS)
    dense = Both(lambda: nn.Dense(6, kernel_init=functional.he_normal)).init(KEY, INPUTS)
    assert same(ours, dense)


def test_the_defaults_are_the_documented_ones() -> None:
    layer = Daoloth(6)
    assert (layer.kernel_initializer, layer.bias_initializer) == ("glorot_uniform", "zeros")
    assert (layer.activation, layer.use_bias, layer.dtype) == (None, True, None)
    dense = nn.Dense(6, kernel_init=jax.nn.initializers.glorot_uniform())
    assert same(jax.jit(layer.init)(KEY, INPUTS), jax.jit(dense.init)(KEY, INPUTS))


HE = [
    "he_normal",
    "HeNormal",
    {"class_name": "HeNormal", "config": {}},
    initializers.serialize(initializers.HeNormal()),
    initializers.HeNormal,
    initializers.HeNormal(),
    functional.he_normal,
    initializers.get("he_normal"),
]


@pytest.mark.parametrize("identifier", HE, ids=[f"{n}" for n in range(len(HE))])
def test_an_initializer_is_named_in_every_way(identifier: Any) -> None:
    layer = Daoloth(6, kernel_initializer=identifier)
    assert same(kernel_of(layer), kernel_of(Daoloth(6, kernel_initializer="he_normal")))


def test_a_custom_callable_draws_from_the_layers_key() -> None:
    layer = Daoloth(6, kernel_initializer=my_init, bias_initializer=my_init)
    first, again = layer.init(KEY, INPUTS), layer.init(KEY, INPUTS)
    assert same(first, again)
    assert same(jax.jit(layer.init)(KEY, INPUTS), first)
    assert not same(first, layer.init(jax.random.key(9), INPUTS))
    assert not np.array_equal(first["params"]["kernel"][0], first["params"]["bias"])


def test_a_seed_pins_the_values_and_not_the_layers() -> None:
    model = Both(lambda: Daoloth(4, kernel_initializer=initializers.HeNormal(seed=7)))
    params = model.init(KEY, INPUTS)["params"]
    assert not same(params["first"]["kernel"], params["second"]["kernel"])
    assert same(model.init(jax.random.key(99), INPUTS)["params"], params)
    key = random.fold_path(jax.random.key(7), ("first", "kernel"))
    assert same(params["first"]["kernel"], functional.he_normal(key, (4, 4)))
    other = Both(lambda: Daoloth(4, kernel_initializer=initializers.HeNormal(seed=8)))
    assert not same(other.init(KEY, INPUTS)["params"], params)


def test_a_seed_on_kernel_and_bias_gives_two_draws() -> None:
    seeded = initializers.RandomNormal(seed=7)
    params = Daoloth(6, kernel_initializer=seeded, bias_initializer=seeded).init(KEY, INPUTS)
    params = params["params"]
    assert not np.array_equal(params["kernel"][0], params["bias"])


def test_a_seed_of_a_subclass_counts_too() -> None:
    class Mine(initializers.Initializer):
        def __init__(self, seed: int) -> None:
            self.seed = seed

        def __call__(self, shape: Any, dtype: Any = None) -> Any:
            return K.random_normal(shape, dtype=dtype)

    model = Both(lambda: Daoloth(4, kernel_initializer=Mine(7)))
    params = model.init(KEY, INPUTS)["params"]
    assert same(model.init(jax.random.key(99), INPUTS)["params"], params)
    assert not same(params["first"]["kernel"], params["second"]["kernel"])


@pytest.mark.parametrize("seed", [None, 7])
def test_one_instance_in_many_projections_draws_many_kernels(seed: int | None) -> None:
    params = Attention(initializers.Orthogonal(seed=seed)).init(KEY, INPUTS)["params"]
    kernels = [np.asarray(layer["kernel"]) for layer in params.values()]
    assert len(kernels) == 4
    for index, kernel in enumerate(kernels):
        assert not any(np.array_equal(kernel, other) for other in kernels[:index])


def test_a_seed_survives_more_layers_beside_it() -> None:
    """The path decides, not the place: a sibling changes nothing."""
    seeded = initializers.HeNormal(seed=7)

    class One(nn.Module):
        siblings: int

        @nn.compact
        def __call__(self, inputs: Any) -> Any:
            for index in range(self.siblings):
                inputs = Daoloth(4, name=f"sibling_{index}")(inputs)
            return Daoloth(4, kernel_initializer=seeded, name="mine")(inputs)

    alone = One(0).init(KEY, INPUTS)["params"]["mine"]
    assert same(One(2).init(KEY, INPUTS)["params"]["mine"], alone)


@pytest.mark.parametrize(
    "name", ["relu", "gelu", "tanh", "sigmoid", "silu", "softmax", "elu", "softplus", "leaky_relu"]
)
def test_an_activation_is_found_by_name(name: str) -> None:
    assert get_activation(name) is getattr(jax.nn, name)
    layer = Daoloth(6, activation=name)
    variables = layer.init(KEY, INPUTS)
    expected = getattr(jax.nn, name)(Daoloth(6).apply(variables, INPUTS))
    assert same(layer.apply(variables, INPUTS), expected)


def test_an_activation_is_a_callable_or_none() -> None:
    variables = Daoloth(6).init(KEY, INPUTS)
    plain = Daoloth(6).apply(variables, INPUTS)
    assert same(Daoloth(6, activation="linear").apply(variables, INPUTS), plain)
    assert same(Daoloth(6, activation=jnp.sin).apply(variables, INPUTS), jnp.sin(plain))
    assert get_activation(jnp.sin) is jnp.sin


def test_init_runs_under_jit_and_without_computing() -> None:
    layer = Daoloth(6, kernel_initializer="orthogonal")
    eager = layer.init(KEY, INPUTS)
    assert same(jax.jit(layer.init)(KEY, INPUTS), eager)
    shapes = jax.eval_shape(layer.init, KEY, INPUTS)["params"]
    assert (shapes["kernel"].shape, shapes["bias"].shape) == ((4, 6), (6,))


def test_low_precision_parameters_are_the_float32_ones_rounded() -> None:
    wide = kernel_of(Daoloth(6))
    narrow = kernel_of(Daoloth(6, dtype=jnp.float32, param_dtype=jnp.bfloat16))
    assert same(narrow, wide.astype(jnp.bfloat16))


def test_units_may_be_a_numpy_integer() -> None:
    layer = Daoloth(np.int64(6))
    assert type(layer.units) is int
    assert layer == Daoloth(6)


def test_inputs_may_be_nested_lists() -> None:
    variables = Daoloth(2).init(KEY, [[1.0, 2.0]])
    assert Daoloth(2).apply(variables, [[1.0, 2.0]]).shape == (1, 2)


def test_a_layer_is_a_value() -> None:
    layer = Daoloth(6, kernel_initializer=initializers.HeNormal(seed=1))
    again = Daoloth(6, kernel_initializer=initializers.HeNormal(seed=1))
    assert layer == again
    assert hash(layer) == hash(again)
    assert layer != Daoloth(7, kernel_initializer=initializers.HeNormal(seed=1))
    for other in (pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer), layer.clone()):
        assert other == layer
        assert same(kernel_of(other), kernel_of(layer))
    assert layer.clone(units=3).units == 3


def test_gradients_reach_the_parameters() -> None:
    layer = Daoloth(6, activation="tanh")
    variables = layer.init(KEY, INPUTS)
    gradients = jax.grad(lambda v: layer.apply(v, INPUTS).sum())(variables)
    assert all(float(jnp.abs(leaf).max()) > 0 for leaf in jax.tree.leaves(gradients))


def test_it_is_vmapped_into_an_ensemble() -> None:
    layer = Daoloth(6, kernel_initializer="he_normal")
    keys = jax.random.split(KEY, 3)
    ensemble = jax.vmap(lambda key: layer.init(key, INPUTS))(keys)
    for index, key in enumerate(keys):
        assert same(jax.tree.map(lambda leaf, i=index: leaf[i], ensemble), layer.init(key, INPUTS))


REFUSED = (
    Refused(
        "units zero",
        lambda: Daoloth(0),
        ValueError,
        r"^Daoloth: units must be at least 1; got 0$",
    ),
    Refused(
        "units a float",
        lambda: Daoloth(1.5),  # type: ignore[arg-type]
        TypeError,
        r"^Daoloth: units must be an integer; got 1\.5 of type float$",
    ),
    Refused(
        "units True",
        lambda: Daoloth(True),
        TypeError,
        r"^Daoloth: units must be an integer; got True of type bool$",
    ),
    Refused(
        "activation unknown",
        lambda: Daoloth(3, activation="rellu"),
        ValueError,
        r"^Daoloth: activation must be one of 'celu', .*; got 'rellu' \(did you mean 'relu'\?\)$",
    ),
    Refused(
        "activation no activation",
        lambda: Daoloth(3, activation="one_hot"),
        ValueError,
        r"^Daoloth: activation must be one of .*; got 'one_hot'",
    ),
    Refused(
        "activation a number",
        lambda: Daoloth(3, activation=3),  # type: ignore[arg-type]
        TypeError,
        r"^Daoloth: activation must be a name of a function in jax\.nn, a callable or None; "
        r"got 3 of type int$",
    ),
    Refused(
        "kernel_initializer unknown",
        lambda: Daoloth(3, kernel_initializer="glorot_unifrom"),
        ValueError,
        r"unknown initializer 'glorot_unifrom' \(did you mean 'glorot_uniform'\?\)",
    ),
    Refused(
        "kernel_initializer None",
        lambda: Daoloth(3, kernel_initializer=None),
        TypeError,
        r"^Daoloth: kernel_initializer must name an initializer; got None",
    ),
    Refused(
        "bias_initializer of two dimensions",
        lambda: Daoloth(3, bias_initializer="orthogonal").init(KEY, INPUTS),
        ValueError,
        r"^orthogonal: shape must have at least 2 dimensions .*; got \(3,\), which has 1$",
    ),
    Refused(
        "scalar inputs",
        lambda: Daoloth(3).init(KEY, jnp.ones(())),
        ValueError,
        r"^Daoloth: inputs must have at least one dimension; got a scalar",
    ),
)


@each(REFUSED)
def test_a_wrong_layer_is_refused(refused: Refused) -> None:
    refused.check()

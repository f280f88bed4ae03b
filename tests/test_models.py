"""`Sequential`: a stack of layers that is a linen module."""

import copy
import io
import pickle
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from rich.console import Console

from cthulhu import initializers
from cthulhu.layers import Daoloth
from cthulhu.models import Sequential
from tests.refusals import Refused, each

KEY = jax.random.key(2)
INPUTS = jax.random.normal(jax.random.key(3), (5, 8))


def halved(inputs: Any) -> Any:
    return inputs / 2


def small() -> Sequential:
    return Sequential(
        [
            Daoloth(6, activation="relu", kernel_initializer="he_normal"),
            halved,
            Daoloth(3, use_bias=False, kernel_initializer=initializers.Orthogonal(seed=1)),
        ]
    )


def same(first: Any, second: Any) -> bool:
    return jax.tree.structure(first) == jax.tree.structure(second) and all(
        one.dtype == other.dtype and np.array_equal(np.asarray(one), np.asarray(other))
        for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    )


def printed(model: Sequential, *args: Any) -> str:
    file = io.StringIO()
    model.summary(*args, console=Console(file=file, width=100))
    return file.getvalue()


def test_layers_are_added_in_order() -> None:
    model = Sequential()
    assert model.layers == ()
    assert model.add(Daoloth(6)) is model
    model.add(jnp.tanh).add(Daoloth(3))
    assert [getattr(layer, "units", None) for layer in model.layers] == [6, None, 3]
    assert model == Sequential([Daoloth(6), jnp.tanh, Daoloth(3)])
    assert same(
        model.init(KEY, INPUTS), Sequential((Daoloth(6), jnp.tanh, Daoloth(3))).init(KEY, INPUTS)
    )


def test_models_do_not_share_their_layers() -> None:
    layers = [Daoloth(6)]
    model = Sequential(layers)
    layers.append(Daoloth(3))
    Sequential().add(Daoloth(1))
    assert len(model.layers) == 1
    assert Sequential().layers == ()


def test_init_by_shape_is_init_by_inputs() -> None:
    model = small()
    expected = model.init(KEY, INPUTS)
    for shape in ((5, 8), [5, 8], (1, 8), (0, 8)):
        assert same(model.init(KEY, shape), expected)
    assert same(jax.jit(model.init)(KEY, INPUTS), expected)
    assert same(jax.jit(lambda key: model.init(key, (5, 8)))(KEY), expected)
    assert same(model.init({"params": KEY}, (5, 8)), expected)


def test_the_layers_are_those_of_flax() -> None:
    ours = Sequential([Daoloth(6, kernel_initializer="he_normal"), Daoloth(3)])
    flax = nn.Sequential(
        [nn.Dense(6, kernel_init=initializers.HeNormal()), nn.Dense(3)],
    )
    variables = ours.init(KEY, INPUTS)
    assert jax.tree.structure(variables) == jax.tree.structure(flax.init(KEY, INPUTS))
    assert same(variables["params"]["layers_0"], flax.init(KEY, INPUTS)["params"]["layers_0"])
    assert same(ours.apply(variables, INPUTS), flax.apply(variables, INPUTS))


def test_apply_runs_every_layer() -> None:
    model = small()
    variables = model.init(KEY, INPUTS)
    params = variables["params"]
    hidden = jax.nn.relu(INPUTS @ params["layers_0"]["kernel"] + params["layers_0"]["bias"][None])
    expected = (hidden / 2) @ params["layers_2"]["kernel"]
    np.testing.assert_allclose(model.apply(variables, INPUTS), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        jax.jit(model.apply)(variables, INPUTS), expected, rtol=1e-5, atol=1e-6
    )


def test_layers_of_one_seed_differ() -> None:
    seeded = initializers.HeNormal(seed=3)
    model = Sequential([Daoloth(8, kernel_initializer=seeded) for _ in range(3)])
    params = model.init(KEY, (1, 8))["params"]
    kernels = [np.asarray(layer["kernel"]) for layer in params.values()]
    assert not np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[1], kernels[2])


def test_a_layer_added_later_changes_no_earlier_one() -> None:
    model = Sequential([Daoloth(6), Daoloth(4)])
    before = model.init(KEY, (1, 8))["params"]
    after = model.add(Daoloth(2)).init(KEY, (1, 8))["params"]
    assert same(after["layers_0"], before["layers_0"])
    assert same(after["layers_1"], before["layers_1"])
    assert set(after) == {"layers_0", "layers_1", "layers_2"}


class Nested(nn.Module):
    """A linen module with a model inside."""

    body: Sequential

    @nn.compact
    def __call__(self, inputs: Any) -> Any:
        return Daoloth(1)(self.body(inputs))


def test_it_is_part_of_a_linen_module() -> None:
    variables = Nested(small()).init(KEY, INPUTS)
    assert set(variables["params"]) == {"body", "Daoloth_0"}
    assert set(variables["params"]["body"]) == {"layers_0", "layers_2"}
    assert Nested(small()).apply(variables, INPUTS).shape == (5, 1)


def test_it_is_an_element_of_other_stacks() -> None:
    for stack in (nn.Sequential([small(), nn.Dense(2)]), Sequential([small(), nn.Dense(2)])):
        variables = stack.init(KEY, INPUTS)
        assert stack.apply(variables, INPUTS).shape == (5, 2)
        assert len(jax.tree.leaves(variables)) == 5


def test_any_linen_module_is_a_layer() -> None:
    model = Sequential([nn.Conv(4, (3,)), nn.LayerNorm(), nn.relu, Daoloth(2)])
    assert model.apply(model.init(KEY, (2, 7, 3)), jnp.ones((2, 7, 3))).shape == (2, 7, 2)


def test_a_model_that_runs_takes_no_layers() -> None:
    class Growing(nn.Module):
        body: Sequential

        @nn.compact
        def __call__(self, inputs: Any) -> Any:
            self.body.add(Daoloth(1))
            return self.body(inputs)

    with pytest.raises(RuntimeError, match=r"layers are added before the model runs, not while"):
        Growing(small()).init(KEY, INPUTS)
    model = small()
    with pytest.raises(RuntimeError, match=r"layers are added before the model runs"):
        model.bind(model.init(KEY, INPUTS)).add(Daoloth(1))
    assert len(model.add(Daoloth(1)).layers) == 4


def test_a_model_is_a_value() -> None:
    model = small()
    assert model == small()
    assert hash(model) == hash(small())
    assert model != Sequential([Daoloth(6)])
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), model.clone()):
        assert other == model
        assert same(other.init(KEY, INPUTS), model.init(KEY, INPUTS))


def test_having_seen_a_shape_does_not_make_a_model_another_one() -> None:
    model = small()
    model.init(KEY, (1, 8))
    assert model == small()
    assert hash(model) == hash(small())


def test_a_model_is_a_static_argument() -> None:
    traces = []

    def outputs(model: Sequential, variables: Any) -> Any:
        traces.append(model)
        return model.apply(variables, INPUTS)

    jitted = jax.jit(outputs, static_argnums=0)
    variables = small().init(KEY, INPUTS)
    jitted(small(), variables)
    jitted(small(), variables)
    assert len(traces) == 1


def test_the_summary_is_a_table() -> None:
    lines = printed(small(), (1, 8)).splitlines()
    rows = [[cell.strip() for cell in line.strip("│┃").split("│")] for line in lines if "│" in line]
    assert rows == [
        ["0  Daoloth", "(1, 6)", "54", "he_normal, zeros"],
        ["1  halved", "(1, 6)", "0", ""],
        ["2  Daoloth", "(1, 3)", "18", "Orthogonal(seed=1)"],
        ["total", "", "72", ""],
    ]
    for heading in ("Sequential", "layer", "output shape", "parameters", "initializer"):
        assert heading in printed(small(), (1, 8))


def test_the_summary_counts_the_parameters_that_there_are() -> None:
    model = Sequential([Daoloth(1000), Daoloth(10)])
    variables = model.init(KEY, (1, 784))
    count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert f"{count:,}" in printed(model)
    assert count == 795_010


def test_the_summary_knows_the_inputs_of_init() -> None:
    for seen in ((3, 8), jnp.ones((3, 8)), np.ones((3, 8), np.float32)):
        model = small()
        model.init(KEY, seen)
        assert "(3, 6)" in printed(model)
        assert "(2, 6)" in printed(model, (2, 8))
        assert "(4, 6)" in printed(model, jnp.ones((4, 8)))


def test_the_summary_shows_every_kind_of_initializer() -> None:
    def mine(shape: Any, dtype: Any = None) -> Any:
        return jnp.ones(shape, dtype)

    model = Sequential(
        [
            Daoloth(2, kernel_initializer=mine, bias_initializer=initializers.Constant(0.1)),
            Daoloth(2, kernel_initializer=initializers.RandomNormal),
            nn.Dense(2, name="last"),
        ]
    )
    text = printed(model, (1, 8))
    assert "mine, Constant(value=0.1)" in text
    assert "RandomNormal, zeros" in text
    assert "2  last" in text


def test_a_step_of_training_changes_the_parameters() -> None:
    model = Sequential()
    model.add(Daoloth(16, activation="relu", kernel_initializer="he_normal"))
    model.add(Daoloth(1))
    targets = INPUTS.sum(axis=1, keepdims=True)
    variables = model.init(KEY, INPUTS.shape)
    optimizer = optax.sgd(0.01)

    def loss(variables: Any) -> Any:
        return jnp.mean((model.apply(variables, INPUTS) - targets) ** 2)

    @jax.jit
    def step(variables: Any, state: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(variables)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(variables, updates), state, value

    state = optimizer.init(variables)
    after, state, first = step(variables, state)
    for name in ("layers_0", "layers_1"):
        for leaf in ("kernel", "bias"):
            before_leaf = variables["params"][name][leaf]
            assert not np.array_equal(before_leaf, after["params"][name][leaf])
    for _ in range(20):
        after, state, last = step(after, state)
    assert float(last) < float(first)


REFUSED = (
    Refused(
        "a class in the list",
        lambda: Sequential([Daoloth]),
        TypeError,
        r"^Sequential: a layer is a linen module or a function of an array; got <class .*Daoloth'> "
        r"of type type\. Make an instance: Daoloth\(\.\.\.\)$",
    ),
    Refused(
        "a class that is added",
        lambda: Sequential().add(nn.Dense),
        TypeError,
        r"^Sequential: a layer is .*Make an instance: Dense\(\.\.\.\)$",
    ),
    Refused(
        "a number",
        lambda: Sequential().add(3),  # type: ignore[arg-type]
        TypeError,
        r"^Sequential: a layer is a linen module or a function of an array; got 3 of type int",
    ),
    Refused(
        "a layer in place of a list",
        lambda: Sequential(Daoloth(3)),  # type: ignore[arg-type]
        TypeError,
        r"(?s)^Sequential: layers must be a sequence of layers; got Daoloth\(.*of type Daoloth",
    ),
    Refused(
        "no layers",
        lambda: Sequential().init(KEY, (1, 3)),
        ValueError,
        r"^Sequential: the model has no layers; add one with model\.add\(layer\)",
    ),
    Refused(
        "an unknown shape",
        lambda: Sequential([Daoloth(3)]).init(KEY, (None, 3)),
        ValueError,
        r"^Sequential: every dimension of shape must be known; got \(None, 3\)",
    ),
    Refused(
        "a summary without a shape",
        lambda: Sequential([Daoloth(3)]).summary(),
        ValueError,
        r"^Sequential\.summary: the shape of the inputs is not known yet; pass it, "
        r"model\.summary\(\(1, 784\)\), or call model\.init",
    ),
)


@each(REFUSED)
def test_a_wrong_model_is_refused(refused: Refused) -> None:
    refused.check()

"""Equinox models, initialized again by rules with the axes of their layers."""

from collections.abc import Callable, Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from cthulhu import initializers, random, verify
from cthulhu.adapters.equinox import plan, reinit
from cthulhu.fans import Layout
from cthulhu.initializers import TorchBias, TorchLinear
from cthulhu.initializers._nested import Combinator
from cthulhu.params import Keep, Rules, init_params
from tests.cases import CASES, KEY, Case, by_id, same_bits

RULES = [(".*weight.*", "he_normal"), (".*", "zeros")]
CONV = {"padding": 1, "use_bias": False, "key": KEY}


@pytest.fixture(autouse=True)
def their_numerics() -> Iterator[None]:
    """The strictness of this suite is not for other libraries' code."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


def mlp() -> eqx.nn.MLP:
    return eqx.nn.MLP(4, 2, 8, 2, key=KEY)


def row(model: Any, path: str, rules: Any = RULES, **options: Any) -> Any:
    return next(one for one in plan(model, rules, **options).rows if one.path == path)


def same_leaves(found: Any, expected: Any) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        if eqx.is_array(one):
            same_bits(one, other)
        else:
            assert one is other


def test_the_values_are_those_of_the_tree_in_its_layout() -> None:
    model = mlp()
    made = reinit(model, KEY, RULES)
    same_leaves(made, init_params(KEY, model, RULES, layout="out_in"))
    same_leaves(reinit(model, 7, RULES), plan(model, RULES).run(jax.random.key(7)))
    assert made.activation is model.activation
    assert made(jnp.ones(4)).shape == (2,)


# Each layer, and an input's shape.
LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "Linear": (lambda: eqx.nn.Linear(3, 5, use_bias=False, key=KEY), (3,)),
    "Conv1d": (lambda: eqx.nn.Conv1d(2, 5, 3, **CONV), (2, 9)),
    "Conv2d": (lambda: eqx.nn.Conv2d(2, 5, 3, **CONV), (2, 7, 7)),
    "Conv2d in groups": (lambda: eqx.nn.Conv2d(4, 6, 3, groups=2, **CONV), (4, 7, 7)),
    "ConvTranspose2d": (lambda: eqx.nn.ConvTranspose2d(2, 5, 3, **CONV), (2, 7, 7)),
    "ConvTranspose2d in groups": (
        lambda: eqx.nn.ConvTranspose2d(4, 6, 3, groups=2, **CONV),
        (4, 7, 7),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_the_fans_are_what_a_layer_connects(name: str) -> None:
    build, shape = LAYERS[name]
    layer = build()
    layer = eqx.tree_at(lambda one: one.weight, layer, jnp.ones_like(layer.weight))
    jacobian = np.asarray(jax.jacobian(layer)(jnp.ones(shape))).reshape(-1, np.prod(shape))
    found = row(layer, "weight", "he_normal")
    depends = jacobian != 0
    assert (found.fan_in, found.fan_out) == (depends.sum(1).max(), depends.sum(0).max())


def test_a_convolution_of_dirac_keeps_its_input() -> None:
    """The elements of its law depend on where they lie."""
    layer = eqx.nn.Conv2d(3, 4, 3, **CONV)
    image = jax.random.normal(KEY, (3, 7, 7))
    kept = reinit(layer, KEY, "dirac")(image)
    np.testing.assert_allclose(kept, jnp.concatenate([image, jnp.zeros((1, 7, 7))]), atol=1e-6)


# Biases of gates lie along the last axis in every framework, and what is made of others has
# axes of its own.
KERNELS = [
    case
    for case in CASES
    if 4 in case.ranks and "gate" not in case.name and not issubclass(case.cls, Combinator)
]


@pytest.mark.parametrize("case", KERNELS, ids=by_id)
def test_a_kernel_is_that_of_flax_with_its_axes_moved(case: Case) -> None:
    init, flax = case.instance(), (3, 3, 8, 8)
    made = reinit(eqx.nn.Conv2d(8, 8, 3, **CONV), KEY, init)
    moments, found = init.draw(flax).moments(), plan(made, init).rows[0].stddev
    if moments is not None and found is not None:
        assert found == pytest.approx(moments.stddev, rel=1e-5)
    if not case.draws:
        same_bits(jnp.transpose(made.weight, (2, 3, 1, 0)), init(KEY, flax))


CELLS = {"LSTMCell": (eqx.nn.LSTMCell, 4), "GRUCell": (eqx.nn.GRUCell, 3)}


@pytest.mark.parametrize("name", CELLS)
def test_each_gate_is_orthogonal(name: str) -> None:
    cls, gates = CELLS[name]
    rules = [("weight_hh", "orthogonal"), ("weight_ih", "glorot_normal"), (".*", "zeros")]
    cell = cls(3, 5, key=KEY)
    made = reinit(cell, KEY, rules)
    parts = np.asarray(made.weight_hh).reshape(gates, 5, 5)
    np.testing.assert_allclose(parts @ parts.mT, np.broadcast_to(np.eye(5), parts.shape), atol=1e-5)
    assert len({part.tobytes() for part in parts}) == gates
    whole = np.asarray(reinit(cell, KEY, rules, per_gate=False).weight_hh)
    np.testing.assert_allclose(whole.T @ whole, np.eye(5), atol=1e-5)


def test_gates_are_blocks() -> None:
    cell, rules = eqx.nn.LSTMCell(3, 5, key=KEY), [("weight_hh", "orthogonal"), (".*", "zeros")]
    key = random.fold_path(KEY, ("weight_hh",))
    blocks = initializers.Blocked(initializers.Orthogonal(axis=0), 4, axis=0)
    same_bits(reinit(cell, KEY, rules).weight_hh, blocks(key, (20, 5)))
    # Said by the user too, or with a seed, which the key overrides.
    for init in (
        initializers.Blocked("orthogonal", 4),
        initializers.Blocked("orthogonal", 4, axis=0),
        initializers.Scaled("orthogonal", 1.0),
        initializers.Orthogonal(seed=3),
    ):
        rules[0] = ("weight_hh", init)
        same_bits(reinit(cell, KEY, rules).weight_hh, blocks(key, (20, 5)))


def test_a_gate_has_fans_of_its_own() -> None:
    """Xavier of 64 inputs and 64 outputs, not of 64 and 256; 16,384 normals are 3 % at 5σ."""
    rules = [(".*weight.*", initializers.Xavier()), (".*", "zeros")]
    cell = reinit(eqx.nn.LSTMCell(64, 64, key=KEY), KEY, rules)
    assert float(cell.weight_ih.std()) == pytest.approx((2 / 128) ** 0.5, rel=0.03)


def test_a_bias_of_gates_is_asked_for_whole() -> None:
    rules = [("bias", initializers.UnitForgetGate("ifgo")), (".*", "zeros")]
    bias = reinit(eqx.nn.LSTMCell(3, 5, key=KEY), KEY, rules).bias
    assert bias.tolist() == [0.0] * 5 + [1.0] * 5 + [0.0] * 10


def stacked_linear() -> Any:
    keys = jax.random.split(KEY, 3)
    return eqx.filter_vmap(lambda key: eqx.nn.Linear(64, 32, key=key))(keys)


def test_stacked_layers_are_told_by_their_rank() -> None:
    stack = stacked_linear()
    rules = [("weight", "orthogonal"), ("bias", "lecun_normal")]
    found = reinit(stack, KEY, rules)
    for weight in found.weight:
        np.testing.assert_allclose(weight @ weight.T, np.eye(32), atol=1e-5)
    assert not np.array_equal(found.weight[0], found.weight[1])
    same_leaves(found, init_params(KEY, stack, rules, layout="out_in", stacked=0))
    assert row(stack, "weight").fan_in == 64


def test_a_stack_that_the_initializer_tells_is_told_once() -> None:
    stack = stacked_linear()
    expected = reinit(stack, KEY, [("weight", "orthogonal"), ("bias", "zeros")])
    for init in (
        initializers.Stacked("orthogonal"),
        initializers.Scaled("orthogonal", 1.0),
        initializers.ByDepth("orthogonal", lambda layer, layers: 1.0, axis=0),
    ):
        made = reinit(stack, KEY, [("weight", init), ("bias", "zeros")])
        np.testing.assert_allclose(made.weight, expected.weight, atol=1e-6)


def test_layers_that_are_stacked_twice_are_refused() -> None:
    twice = eqx.filter_vmap(lambda _: stacked_linear())(jnp.arange(2))
    with pytest.raises(ValueError, match=r"'weight' of shape .* has 2 axes more than its layer"):
        reinit(twice, KEY, RULES)


class Own(eqx.Module):
    """A module with an array of its own, a state, and leaves that are no parameters."""

    table: jax.Array
    norm: eqx.nn.BatchNorm
    embed: eqx.nn.Embedding
    index: jax.Array
    rate: float
    name: str = eqx.field(static=True)

    def __init__(self) -> None:
        self.table, self.index, self.rate = jnp.ones((8, 4)), jnp.arange(3), 0.5
        self.norm = eqx.nn.BatchNorm(4, "batch", mode="ema")
        self.embed = eqx.nn.Embedding(10, 4, key=KEY)
        self.name = "own"


def test_what_is_no_parameter_stays() -> None:
    model, rules = Own(), [("table", "he_normal"), (".*", "ones")]
    made = reinit(model, KEY, rules)
    states = jax.tree.leaves(model.norm.ema_state_index)
    assert any(map(eqx.is_inexact_array, states))
    same_leaves(made.norm.ema_state_index, model.norm.ema_state_index)
    assert made.index is model.index
    assert (made.rate, made.name) == (0.5, "own")
    assert row(model, "table", rules).fan_in == 4
    assert (made.embed.weight == 1).all()


def test_an_array_without_a_rule_is_an_error_and_keep_keeps() -> None:
    model = mlp()
    with pytest.raises(ValueError, match=r"3 of the parameters match no rule(.|\n)*layers/0/bias"):
        reinit(model, KEY, [(".*/weight", "he_normal")])
    made = reinit(model, KEY, [("layers/2/.*", "zeros"), (".*", Keep())])
    assert made.layers[0].weight is model.layers[0].weight
    assert not made.layers[2].weight.any()


def test_an_initializer_that_names_its_axes_keeps_them() -> None:
    layer = eqx.nn.Linear(3, 5, key=KEY)
    for init in (
        initializers.HeNormal(in_axis=0, out_axis=1),
        initializers.HeNormal(layout=Layout(0, 1)),
    ):
        assert row(layer, "weight", [("weight", init), ("bias", "zeros")]).fan_in == 5
    rules = [("weight", initializers.Orthogonal(axis=1)), ("bias", "zeros")]
    assert row(layer, "weight", rules).initializer == "Orthogonal(axis=1)"


def test_another_librarys_initializer_is_asked_for_the_array_whole() -> None:
    shapes = []

    def theirs(key: Any, shape: Any, dtype: Any) -> jax.Array:
        shapes.append(shape)
        return jnp.ones(shape, dtype)

    reinit(eqx.nn.LSTMCell(3, 5, use_bias=False, key=KEY), KEY, theirs)
    assert set(shapes) == {(20, 3), (20, 5)}


def test_it_works_under_filter_jit() -> None:
    model = eqx.nn.LSTMCell(3, 5, key=KEY)
    rules = Rules([("weight_hh", "orthogonal"), *RULES])
    made = eqx.filter_jit(reinit)(model, KEY, rules)
    eager = reinit(model, KEY, rules)
    same_bits(made.weight_ih, eager.weight_ih)
    np.testing.assert_allclose(made.weight_hh, eager.weight_hh, atol=1e-6)


def test_shapes_become_arrays() -> None:
    shapes = eqx.filter_eval_shape(eqx.nn.MLP, 4, 2, 8, 2, key=KEY)
    made, expected = reinit(shapes, KEY, RULES), reinit(mlp(), KEY, RULES)
    for one, other in zip(made.layers, expected.layers, strict=True):
        same_bits(one.weight, other.weight)


def test_a_plan_verifies_what_it_made() -> None:
    cell = eqx.nn.LSTMCell(3, 5, key=KEY)
    planned = plan(cell, [("weight_hh", "orthogonal"), (".*", "he_normal")])
    made = planned.run(3)
    assert verify(made, 3, planned)
    assert not verify(made, 4, planned)


def test_shared_layers_stay_shared() -> None:
    class Tied(eqx.Module):
        shared: eqx.nn.Shared

        def __init__(self) -> None:
            embed = eqx.nn.Embedding(10, 4, key=KEY)
            head = eqx.nn.Linear(4, 10, use_bias=False, key=KEY)
            self.shared = eqx.nn.Shared(
                (embed, head), lambda pair: pair[1].weight, lambda pair: pair[0].weight
            )

    embed, head = reinit(Tied(), KEY, "he_normal").shared()
    assert head.weight is embed.weight


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(TypeError, match=r"equinox\.reinit: key must be"):
        reinit(mlp(), RULES, KEY)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"equinox\.reinit: per_gate must be True or False"):
        reinit(mlp(), KEY, RULES, per_gate="yes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"equinox\.reinit: 'weight': "):
        reinit(eqx.nn.Linear(3, 5, use_bias=False, key=KEY), KEY, "delta_orthogonal")


def test_a_model_trains() -> None:
    inputs = jax.random.normal(KEY, (64, 4))
    targets = jnp.stack([inputs[:, 0] * inputs[:, 1], inputs[:, 2]], 1)
    model = reinit(mlp(), KEY, RULES)
    optimizer = optax.adam(1e-2)
    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))

    @eqx.filter_value_and_grad
    def loss(model: Any) -> jax.Array:
        return jnp.mean((jax.vmap(model)(inputs) - targets) ** 2)

    @eqx.filter_jit
    def step(model: Any, state: Any) -> Any:
        value, grads = loss(model)
        updates, state = optimizer.update(grads, state)
        return eqx.apply_updates(model, updates), state, value

    losses = []
    for _ in range(100):
        model, state, value = step(model, state)
        losses.append(float(value))
    assert losses[-1] < losses[0] / 4


def test_the_default_law_of_equinox_can_be_written() -> None:
    """Weights and biases within 1 / sqrt(fan_in), against Equinox's own draws.

    A false alarm in 1e-6 of keys, and the key is fixed.
    """
    rules = [(".*weight", TorchLinear()), (".*bias", TorchBias(kernel="weight"))]
    for layer, fan_in in (
        (eqx.nn.Linear(49, 3000, key=KEY), 49),
        (eqx.nn.Conv2d(8, 3000, 3, groups=4, key=KEY), 18),
        (eqx.nn.MLP(49, 3000, 49, 1, key=KEY).layers[1], 49),
    ):
        made = reinit(layer, 5, rules)
        for ours, theirs in ((made.weight, layer.weight), (made.bias, layer.bias)):
            limit = fan_in**-0.5
            assert 0.98 * limit < float(abs(ours).max()) <= limit
            assert stats.ks_2samp(np.ravel(ours), np.ravel(theirs)).pvalue > 1e-6

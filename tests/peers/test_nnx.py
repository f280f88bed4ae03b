"""Live nnx models, initialized again in place by rules with the axes of their layers."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import NamedSharding, PartitionSpec

from cthulhu import initializers, verify
from cthulhu.adapters.nnx import plan, reinit
from cthulhu.initializers import ByDepth, Scaled, TorchBias
from cthulhu.params import Keep, Rules, init_params
from tests.cases import KEY, same_bits

RULES = [(".*/kernel", "he_normal"), (".*/scale", "ones"), (".*", "zeros")]


@pytest.fixture(autouse=True)
def their_numerics() -> Iterator[None]:
    """The strictness of this suite is not for other libraries' code."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


class Model(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.up = nnx.Linear(4, 16, rngs=rngs)
        self.norm = nnx.BatchNorm(16, rngs=rngs)
        self.drop = nnx.Dropout(0.1, rngs=rngs)
        self.down = nnx.Linear(16, 2, rngs=rngs)

    def __call__(self, x: Any) -> Any:
        return self.down(self.drop(nnx.relu(self.norm(self.up(x)))))


def params_of(model: Any) -> Any:
    return nnx.to_pure_dict(nnx.state(model, nnx.Param))


def row(model: Any, path: str, rules: Any = "he_normal") -> Any:
    return next(one for one in plan(model, rules).rows if one.path == path)


def test_the_values_are_those_of_the_state() -> None:
    model = Model(nnx.Rngs(0))
    expected = init_params(KEY, params_of(model), RULES)
    up, kernel = model.up, model.up.kernel
    assert reinit(model, KEY, RULES) is None  # type: ignore[func-returns-value]
    assert model.up is up
    assert model.up.kernel is kernel
    jax.tree.map(same_bits, params_of(model), expected)


def test_random_states_and_running_means_stay() -> None:
    model = Model(nnx.Rngs(0))
    model(jnp.ones((3, 4)))
    before = jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat)))
    key, mean = model.drop.rngs.key[...], before["norm"]["mean"]
    assert mean.any()
    reinit(model, KEY, RULES)
    after = nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))
    jax.tree.map(same_bits, before, after)
    assert model.drop.rngs.key[...] is key


def test_other_variables_are_chosen_by_only() -> None:
    model = Model(nnx.Rngs(0))
    kernel = np.asarray(model.up.kernel[...])
    reinit(model, KEY, "ones", only=nnx.BatchStat)
    assert np.asarray(model.norm.mean[...]).all()
    same_bits(model.up.kernel[...], kernel)
    reinit(model, KEY, "zeros", only=...)
    assert not np.asarray(model.up.kernel[...]).any()


HEADS = {"decode": False, "rngs": nnx.Rngs(0)}

LAYERS: dict[str, tuple[Callable[[], Any], str, tuple[int, int]]] = {
    "Linear": (lambda: nnx.Linear(3, 5, rngs=nnx.Rngs(0)), "kernel", (3, 5)),
    "to heads": (lambda: nnx.MultiHeadAttention(2, 8, **HEADS), "query/kernel", (8, 8)),
    "from heads": (lambda: nnx.MultiHeadAttention(2, 8, **HEADS), "out/kernel", (8, 8)),
    "LinearGeneral in batches": (
        lambda: nnx.LinearGeneral(
            (4,), (5,), axis=(-1,), batch_axis={0: 3}, use_bias=False, rngs=nnx.Rngs(0)
        ),
        "kernel",
        (4, 5),
    ),
    "Einsum": (
        lambda: nnx.Einsum("...d,dhk->...hk", (6, 2, 3), rngs=nnx.Rngs(0)),
        "kernel",
        (6, 6),
    ),
    "Conv in groups": (
        lambda: nnx.Conv(4, 6, (3, 3), feature_group_count=2, rngs=nnx.Rngs(0)),
        "kernel",
        (18, 27),
    ),
    "ConvTranspose": (
        lambda: nnx.ConvTranspose(4, 6, (3, 3), rngs=nnx.Rngs(0)),
        "kernel",
        (36, 54),
    ),
    "ConvTranspose, transposed kernel": (
        lambda: nnx.ConvTranspose(4, 6, (3, 3), transpose_kernel=True, rngs=nnx.Rngs(0)),
        "kernel",
        (36, 54),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_tells_its_axes(name: str) -> None:
    build, path, expected = LAYERS[name]
    found = row(build(), path)
    assert (found.fan_in, found.fan_out) == expected


def test_the_kernels_of_heads_are_orthogonal_as_matrices() -> None:
    """As where Flax itself makes them, of matrices."""
    model = nnx.MultiHeadAttention(2, 8, **HEADS)
    reinit(model, KEY, [(".*kernel", "orthogonal"), (".*", "zeros")])
    for layer in (model.query, model.key, model.value, model.out):
        q = np.asarray(layer.kernel[...]).reshape(8, 8)
        np.testing.assert_allclose(q.T @ q, np.eye(8), atol=1e-5)


def test_a_kernel_of_changed_places_is_orthogonal_at_its_centre() -> None:
    """DeltaOrthogonal wants as many outputs as inputs: here they are in the last axis but one."""
    layer = nnx.ConvTranspose(4, 8, (3, 3), transpose_kernel=True, rngs=nnx.Rngs(0))
    reinit(layer, KEY, [("kernel", "delta_orthogonal"), ("bias", "zeros")])
    centre = np.asarray(layer.kernel[...])[1, 1]
    np.testing.assert_allclose(centre.T @ centre, np.eye(4), atol=1e-5)


CELLS = {"OptimizedLSTMCell": (nnx.OptimizedLSTMCell, 4), "GRUCell": (nnx.GRUCell, 3)}


@pytest.mark.parametrize("name", CELLS)
def test_each_gate_is_orthogonal(name: str) -> None:
    cls, gates = CELLS[name]
    cell = cls(3, 5, rngs=nnx.Rngs(0))
    reinit(cell, KEY, [("dense_h/kernel", "orthogonal"), (".*", "zeros")])
    parts = np.asarray(cell.dense_h.kernel[...]).reshape(5, gates, 5).swapaxes(0, 1)
    np.testing.assert_allclose(parts @ parts.mT, np.broadcast_to(np.eye(5), parts.shape), atol=1e-5)


def test_stacked_layers_are_told_by_their_rank() -> None:
    @nnx.split_rngs(splits=3)
    @nnx.vmap
    def layers(rngs: nnx.Rngs) -> Any:
        return nnx.Linear(64, 32, rngs=rngs)

    stack = layers(nnx.Rngs(0))
    rules = [("kernel", "orthogonal"), ("bias", "zeros")]
    reinit(stack, KEY, rules)
    kernels = np.asarray(stack.kernel[...])
    for kernel in kernels:
        np.testing.assert_allclose(kernel.T @ kernel, np.eye(32), atol=1e-5)
    assert not np.array_equal(kernels[0], kernels[1])
    same_bits(kernels, init_params(KEY, params_of(stack), rules, stacked=0)["kernel"])


def test_every_array_keeps_its_sharding() -> None:
    mesh = jax.make_mesh((8,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    model = Model(nnx.Rngs(0))
    expected = Model(nnx.Rngs(0))
    reinit(expected, KEY, RULES)
    sharding = NamedSharding(mesh, PartitionSpec(None, "x"))
    model.up.kernel[...] = jax.device_put(model.up.kernel[...], sharding)
    reinit(model, KEY, RULES)
    kernel = model.up.kernel[...]
    assert kernel.sharding == sharding
    assert {shard.data.shape for shard in kernel.addressable_shards} == {(4, 2)}
    same_bits(kernel, expected.up.kernel[...])


def test_it_works_inside_jit() -> None:
    model, eager = Model(nnx.Rngs(0)), Model(nnx.Rngs(0))
    rules = Rules(RULES)
    nnx.jit(lambda model, key: reinit(model, key, rules))(model, KEY)
    reinit(eager, KEY, rules)
    jax.tree.map(same_bits, params_of(model), params_of(eager))

    @jax.jit
    def pure(key: Any) -> Any:
        live = Model(nnx.Rngs(0))
        reinit(live, key, rules)
        return nnx.state(live, nnx.Param)

    jax.tree.map(same_bits, nnx.to_pure_dict(pure(KEY)), params_of(eager))


def test_shapes_become_arrays() -> None:
    model, expected = nnx.eval_shape(lambda: Model(nnx.Rngs(0))), Model(nnx.Rngs(0))
    assert isinstance(model.up.kernel.get_value(), jax.ShapeDtypeStruct)
    reinit(model, KEY, RULES)
    reinit(expected, KEY, RULES)
    same_bits(model.up.kernel[...], expected.up.kernel[...])


def test_a_parameter_without_a_rule_is_an_error_and_nothing_has_changed() -> None:
    model = Model(nnx.Rngs(0))
    kernel = model.up.kernel[...]
    with pytest.raises(ValueError, match=r"match no rule(.|\n)*  norm/scale"):
        reinit(model, KEY, [(".*/(kernel|bias)", "zeros")])
    assert model.up.kernel[...] is kernel
    reinit(model, KEY, [("down/.*", "ones"), (".*", Keep())])
    assert model.up.kernel[...] is kernel
    assert np.asarray(model.down.kernel[...]).all()


def test_shared_parameters_stay_shared() -> None:
    class Tied(nnx.Module):
        def __init__(self) -> None:
            self.a = nnx.Linear(3, 3, rngs=nnx.Rngs(0))
            self.b = self.a

    model = Tied()
    reinit(model, KEY, "ones")
    assert model.a is model.b
    assert np.asarray(model.b.kernel[...]).all()


def test_a_plan_verifies_what_it_made() -> None:
    model = nnx.GRUCell(3, 5, rngs=nnx.Rngs(0))
    planned = plan(model, [("dense_h/kernel", "orthogonal"), (".*", "he_normal")])
    reinit(model, 3, [("dense_h/kernel", "orthogonal"), (".*", "he_normal")])
    assert verify(nnx.state(model, nnx.Param), 3, planned)
    assert not verify(nnx.state(model, nnx.Param), 4, planned)


def test_an_initializer_that_names_its_axes_keeps_them() -> None:
    model = nnx.MultiHeadAttention(2, 8, **HEADS)
    init = initializers.HeNormal(in_axis=1, out_axis=0)
    assert row(model, "query/kernel", [(".*kernel", init), (".*", "zeros")]).fan_in == 8


def test_wrong_arguments_are_told() -> None:
    model = Model(nnx.Rngs(0))
    with pytest.raises(TypeError, match=r"nnx\.reinit: model must be a flax\.nnx\.Module; got"):
        reinit(nnx.state(model), KEY, RULES)
    with pytest.raises(TypeError, match=r"nnx\.reinit: key must be"):
        reinit(model, RULES, KEY)  # type: ignore[arg-type]


def test_a_model_trains() -> None:
    inputs = jax.random.normal(KEY, (64, 4))
    targets = jnp.stack([inputs[:, 0] * inputs[:, 1], inputs[:, 2]], 1)
    model = Model(nnx.Rngs(0))
    reinit(model, KEY, RULES)
    model.drop.deterministic = True
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)

    @nnx.jit
    def step(model: Any, optimizer: Any) -> jax.Array:
        loss, grads = nnx.value_and_grad(lambda one: jnp.mean((one(inputs) - targets) ** 2))(model)
        optimizer.update(model, grads)
        return loss

    losses = [float(step(model, optimizer)) for _ in range(100)]
    assert losses[-1] < losses[0] / 4


def test_a_bias_sees_its_kernel() -> None:
    layer = nnx.Linear(100, 3000, rngs=nnx.Rngs(0))
    reinit(layer, 0, [("kernel", "he_normal"), ("bias", TorchBias())])
    assert 0.099 < float(abs(layer.bias[...]).max()) <= 0.1
    # Whatever makes the kernel: the layer tells its axes.
    for rule in ("zeros", "orthogonal", Keep()):
        heads = nnx.LinearGeneral(8, (2, 500), rngs=nnx.Rngs(0))
        reinit(heads, 0, [("kernel", rule), ("bias", TorchBias())])
        assert 0.34 < float(abs(heads.bias[...]).max()) <= 8**-0.5


def test_a_stack_within_another_initializer_tells_its_layers() -> None:
    @nnx.split_rngs(splits=3)
    @nnx.vmap(in_axes=(0,), out_axes=0)
    def stack(rngs: nnx.Rngs) -> nnx.Linear:
        return nnx.Linear(4, 8, rngs=rngs)

    model = stack(nnx.Rngs(0))
    depth = Scaled(ByDepth("ones", "1/L", axis=0), 2.0)
    reinit(model, 0, [("kernel", depth), ("bias", "ones")])
    np.testing.assert_allclose(model.kernel[...], 2 / 3, rtol=1e-6)

"""An `equinox.Module` comes back whole: its arrays made, the rest as it is."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu.params import fast_init, plan
from tests.cases import KEY, same_bits


class Net(eqx.Module):
    mlp: eqx.nn.MLP
    dropout: eqx.nn.Dropout
    table: np.ndarray
    name: str
    scale: float

    def __init__(self, key):
        self.mlp = eqx.nn.MLP(8, 8, 16, 2, key=key, activation=jnp.tanh)
        self.dropout = eqx.nn.Dropout(0.3)
        self.table = np.arange(3)
        self.name = "net"
        self.scale = 0.5


def test_a_module_comes_back_whole():
    made, reference = fast_init(Net)(KEY), eqx.filter_jit(Net)(KEY)
    assert jax.tree.structure(made) == jax.tree.structure(reference)
    for leaf, expected in zip(jax.tree.leaves(made), jax.tree.leaves(reference), strict=True):
        if eqx.is_array(expected):
            assert isinstance(leaf, jax.Array)
            same_bits(leaf, expected)
        elif not isinstance(expected, np.ndarray):
            assert leaf is expected
    assert (made.name, made.scale, made.dropout.inference) == ("net", 0.5, False)
    assert made.dropout.p == 0.3
    same_bits(made.mlp(jnp.ones(8)), reference.mlp(jnp.ones(8)))


def test_a_module_inside_a_result():
    made = fast_init(lambda key: {"net": Net(key), "step": 3})(KEY)
    assert made["net"].name == "net"
    assert isinstance(made["step"], jax.Array)
    with pytest.raises(TypeError, match=r"got 'net' of type str at result\['name'\]"):
        fast_init(lambda key: {"net": Net(key), "name": "net"})(KEY)


def test_the_plan_of_a_module_names_its_arrays_alone():
    made = plan(Net, KEY)
    arrays = jax.tree.leaves(eqx.filter(made.run(), eqx.is_array))
    assert [row.path for row in made.rows][:2] == ["mlp/layers/0/weight", "mlp/layers/0/bias"]
    assert len(made.rows) == len(arrays)
    for (_, value), expected in zip(made.stream(), arrays, strict=True):
        same_bits(value, expected)


def test_shardings_of_a_module():
    mesh = jax.make_mesh((8,), ("x",))
    sharding = NamedSharding(mesh, P("x"))
    init = lambda key: eqx.nn.MLP(8, 8, 16, 1, key=key)  # noqa: E731
    shapes = eqx.filter_eval_shape(init, KEY)
    whole = eqx.filter(shapes, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    for shardings in (sharding, jax.tree.map(lambda _: sharding, whole)):
        made = fast_init(init, out_shardings=shardings)(KEY)
        assert made.layers[0].weight.sharding == sharding
        assert made.layers[1].bias.sharding == sharding
        assert callable(made.activation)


def test_an_nnx_module_comes_back_whole():
    def init(key):
        return nnx.Linear(3, 4, rngs=nnx.Rngs(key))

    made, reference = fast_init(init)(KEY), jax.jit(init)(KEY)
    assert type(made) is nnx.Linear
    same_bits(made.kernel[...], reference.kernel[...])
    assert made(jnp.ones((1, 3))).shape == (1, 4)

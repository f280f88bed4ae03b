"""The dry run of a model's own init function."""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu.params import InitPlan, fast_init, plan

KEY = jax.random.key(0)
MODEL = nn.Sequential(
    [nn.Embed(11, 6), nn.Dense(8, kernel_init=nn.initializers.normal(0.3)), nn.LayerNorm()]
)
INPUTS = jnp.zeros((1, 2), jnp.int32)


@pytest.fixture(scope="module")
def planned():
    return plan(MODEL.init, KEY, INPUTS)


def test_rows_tell_what_is_made(planned):
    assert isinstance(planned, InitPlan)
    rows = {row.path: row for row in planned.rows}
    kernel = rows["params/layers_1/kernel"]
    assert (kernel.shape, kernel.dtype, kernel.nbytes) == ((6, 8), "float32", 192)
    assert kernel.initializer == "random_normal(stddev=0.3)"
    assert (kernel.fan_in, kernel.fan_out) == (6, 8)
    assert kernel.mean == pytest.approx(0, abs=1e-3)
    assert kernel.stddev == pytest.approx(0.3, rel=1e-3)
    scale = rows["params/layers_2/scale"]
    assert (scale.initializer, scale.mean, scale.stddev) == ("ones", 1.0, 0.0)


def test_totals_and_views(planned, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    shapes = jax.eval_shape(MODEL.init, KEY, INPUTS)
    assert planned.nbytes == sum(leaf.size * 4 for leaf in jax.tree.leaves(shapes))
    assert planned.programs >= 1
    assert len(json.loads(planned.to_json())["parameters"]) == len(jax.tree.leaves(shapes))
    assert "params/layers_1/kernel" in str(planned)


@pytest.mark.parametrize("key", [None, jax.random.key(7)], ids=["own key", "another key"])
def test_runs_and_streams_what_jit_makes(planned, key):
    reference = jax.jit(MODEL.init)(KEY if key is None else key, INPUTS)
    made = planned.run(key)
    assert jax.tree.all(jax.tree.map(np.array_equal, made, reference))
    streamed = list(planned.stream(key))
    assert [path for path, _ in streamed] == [row.path for row in planned.rows]
    for (_, array), expected in zip(streamed, jax.tree.leaves(reference), strict=True):
        assert np.array_equal(array, expected)


def test_making_looks_at_no_law(planned, monkeypatch):
    def refuse(*args):
        raise AssertionError("nothing asked for a row")

    monkeypatch.setattr("cthulhu.params._initplan.describe", refuse)
    planned.run()
    assert [path for path, _ in planned.stream()][:2] == [
        "params/layers_0/embedding",
        "params/layers_1/bias",
    ]
    assert planned.nbytes > 0


def test_shapes_are_enough_for_a_plan():
    shape = lambda value: jax.ShapeDtypeStruct(value.shape, value.dtype)  # noqa: E731
    for key in (KEY, jax.random.key_data(KEY)):
        made = plan(MODEL.init, shape(key), shape(INPUTS))
        assert len(made.rows) == 5
        assert made.programs >= 1
        reference = jax.jit(MODEL.init)(KEY, INPUTS)
        assert jax.tree.all(jax.tree.map(np.array_equal, made.run(KEY), reference))
        with pytest.raises(TypeError, match="the argument rngs is a jax"):
            made.run()
        with pytest.raises(TypeError, match="the argument rngs is a jax"):
            next(made.stream())


def test_a_wrapped_function_is_taken_as_it_is():
    wrapped = fast_init(MODEL.init)
    assert plan(wrapped, KEY, INPUTS).function is wrapped
    with pytest.raises(ValueError, match="its own out_shardings"):
        plan(wrapped, KEY, INPUTS, shardings=jax.sharding.SingleDeviceSharding(jax.devices()[0]))


def test_truncation_is_told_from_the_law():
    def init(key):
        return {"w": nn.initializers.he_normal()(key, (50, 8))}

    (row,) = plan(init, KEY).rows
    assert row.initializer == "he_normal"
    assert row.stddev == pytest.approx(0.2, rel=1e-3)


def test_bad_input_teaches():
    with pytest.raises(TypeError, match="there is none among the arguments"):
        plan(lambda x: x, jnp.ones(3)).run(KEY)
    with pytest.raises(TypeError, match="stacked belongs to a tree with rules"):
        plan(MODEL.init, KEY, INPUTS, stacked=0)
    with pytest.raises(TypeError, match=r"takes \(tree, rules\), or \(init_fn, \*args\)"):
        plan({"w": jnp.ones(3)})
    with pytest.raises(ValueError, match="side effects"):
        plan(lambda key: jax.debug.print("x") or key, KEY)

"""Verification against the plan of an init function."""

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu.params import fast_init, plan, verify
from tests.cases import KEY

MODEL = nn.Sequential([nn.Embed(16, 8), nn.Dense(8), nn.LayerNorm()])
TOKENS = jax.ShapeDtypeStruct((1, 2), np.int32)
ELEMENTS = 16 * 8 + 8 * 8 + 8 + 8 + 8


def planned(**options):
    return plan(MODEL.init, KEY, TOKENS, **options)


def on_host(params):
    return jax.tree.map(np.array, params)


@pytest.mark.parametrize("key", [None, KEY, jax.random.key(3), 3], ids=str)
def test_what_an_init_function_makes_is_right(key):
    report = verify(on_host(planned().run(key)), key, planned())
    assert report, report.mismatches
    assert (report.checked, report.elements) == (5, ELEMENTS)


def test_a_seed_is_its_key():
    made, expected = (
        planned().run(3),
        jax.jit(MODEL.init)(jax.random.key(3), jnp.zeros((1, 2), int)),
    )
    assert jax.tree.all(jax.tree.map(np.array_equal, made, expected))


@pytest.mark.parametrize("place", [(0, 0), (7, 7)])
def test_one_flipped_bit_is_found(place):
    params = on_host(planned().run())
    params["params"]["layers_1"]["kernel"].view(np.uint32)[place] ^= 1
    (wrong,) = verify(params, None, planned()).mismatches
    assert (wrong.path, wrong.index) == ("params/layers_1/kernel", place)


def test_misfits_are_found():
    params = on_host(planned().run())["params"]
    del params["layers_0"]
    params["layers_1"]["kernel"] = params["layers_1"]["kernel"].astype(np.float16)
    params["layers_2"]["new"] = np.zeros(3)
    found = {
        wrong.path.removeprefix("params/"): wrong.reason
        for wrong in verify({"params": params}, None, planned()).mismatches
    }
    assert found == {
        "layers_0/embedding": "is missing",
        "layers_1/kernel": "has dtype float16, not float32",
        "layers_2/new": "is not in the plan",
    }


def test_another_key_is_found():
    report = verify(planned().run(), jax.random.key(1), planned())
    assert {wrong.path.rsplit("/", 1)[1] for wrong in report.mismatches} == {"embedding", "kernel"}


@pytest.mark.parametrize("planned_spec", [None, P(), P("x")])
@pytest.mark.parametrize("spec", [None, P("x"), P(None)])
def test_layouts_may_differ(planned_spec, spec):
    mesh = jax.make_mesh((8,), ("x",))
    layout = lambda spec: None if spec is None else NamedSharding(mesh, spec)  # noqa: E731
    made = planned(shardings=layout(planned_spec))
    params = on_host(planned().run())
    assert verify(jax.device_put(params, layout(spec)), None, made)
    params["params"]["layers_1"]["kernel"][7, 3] += 1
    params = jax.device_put(params, layout(spec))
    assert [wrong.index for wrong in verify(params, None, made).mismatches] == [(7, 3)]


def test_keys_and_numbers_are_compared_too():
    def init(key):
        return {"key": jax.random.split(key)[0], "step": 0, "half": jnp.ones((3,), jnp.bfloat16)}

    made = plan(init, KEY)
    params = made.run()
    assert verify(params, KEY, made)
    wrong = verify({**params, "key": KEY, "step": jnp.asarray(1)}, KEY, made).mismatches
    assert [one.path for one in wrong] == ["key", "step"]


def test_the_functions_of_a_module_are_no_parameters():
    made = plan(lambda key: eqx.nn.MLP(4, 4, 8, 1, key=key), KEY)
    model = made.run()
    assert verify(model, KEY, made)
    assert verify(eqx.filter(model, eqx.is_array), KEY, made)
    assert [wrong.path for wrong in verify({"a": np.ones(3)}, KEY, made).mismatches][-1] == "a"


def test_one_parameter_is_recomputed_at_a_time(monkeypatch):
    def init(key):
        return [jax.random.normal(k, (1024, 64)) for k in jax.random.split(key, 6)]

    made = plan(fast_init(init), KEY)
    params = on_host(made.run())
    held = []

    def large():
        return sum(array.shape == (1024, 64) for array in jax.live_arrays())

    before = large()
    difference = verify.__globals__["difference"]

    def counted(*args):
        held.append(large() - before)
        return difference(*args)

    monkeypatch.setitem(verify.__globals__, "difference", counted)
    assert verify(params, KEY, made)
    assert held == [1] * 6


def test_bad_keys_teach():
    with pytest.raises(TypeError, match="key must be"):
        verify(planned().run(), "key", planned())
    with pytest.raises(ValueError, match="single key"):
        verify(planned().run(), jax.random.split(KEY), planned())

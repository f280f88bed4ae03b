import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P

from cthulhu.tracing._trace import count_programs, fast_init

KEY = jax.random.key(0)


def build(key):
    first, second = jax.random.split(key)
    shared = jax.random.normal(first, (16, 8))
    return {
        "kernel": jax.random.truncated_normal(second, -2, 2, (8, 16)) * 0.3,
        "bias": jnp.zeros((16,)),
        "tied": (shared, shared),
        "none": None,
    }


def mesh(kind, shape=(4, 2)):
    return jax.make_mesh(shape, ("x", "y"), axis_types=(kind,) * 2)


def assert_values(result):
    expected = jax.jit(build)(KEY)
    assert jax.tree.structure(result) == jax.tree.structure(expected)
    for a, b in zip(jax.tree.leaves(result), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), strict=True)


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
@pytest.mark.parametrize("shape", [(8, 1), (4, 2), (2, 2)])
@pytest.mark.parametrize("spec", [P(), P("x"), P(("x", "y"))])
def test_one_sharding_for_all(spec, shape, kind):
    sharding = NamedSharding(mesh(kind, shape), spec)
    result = fast_init(build, out_shardings=sharding)(KEY)
    assert_values(result)
    for leaf in jax.tree.leaves(result):
        assert leaf.sharding.is_equivalent_to(sharding, leaf.ndim)


def test_a_prefix_of_shardings():
    devices = mesh(AxisType.Auto)
    shardings = {
        "kernel": NamedSharding(devices, P("x", "y")),
        "bias": None,
        "tied": (NamedSharding(devices, P("y")), NamedSharding(devices, P(None, "x"))),
        "none": NamedSharding(devices, P()),
    }
    result = fast_init(build, out_shardings=shardings)(KEY)
    assert_values(result)
    assert result["kernel"].sharding == shardings["kernel"]
    assert result["tied"][0].sharding.is_equivalent_to(shardings["tied"][0], 2)
    assert result["tied"][1].sharding.is_equivalent_to(shardings["tied"][1], 2)


def test_each_device_makes_its_own_part():
    from cthulhu.programs import _pool as compiled

    sharding = NamedSharding(mesh(AxisType.Auto), P("x", "y"))
    fast = fast_init(lambda key: jax.random.normal(key, (512, 256)) * 0.1, out_shardings=sharding)
    assert fast(KEY).addressable_shards[0].data.shape == (128, 128)
    newest = next(reversed(compiled._programs.values.values())).result()
    memory = newest.memory_analysis()
    assert memory.output_size_in_bytes == 128 * 128 * 4
    assert memory.temp_size_in_bytes <= 1024


def test_programs_differ_by_sharding_not_by_leaf():
    sharding = NamedSharding(mesh(AxisType.Auto), P("x"))

    def init_fn(key):
        return [jax.random.normal(k, (8, 4)) for k in jax.random.split(key, 5)]

    assert count_programs(fast_init(init_fn, out_shardings=sharding), KEY) == 1


def test_another_device():
    device = jax.devices()[3]
    result = fast_init(build, out_shardings=SingleDeviceSharding(device))(KEY)
    assert_values(result)
    assert {leaf.device for leaf in jax.tree.leaves(result)} == {device}


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
def test_a_mesh_in_use(kind):
    with jax.set_mesh(mesh(kind)):
        result = fast_init(build, out_shardings=P("x"))(KEY)
        assert result["kernel"].sharding.spec == P("x")
        assert_values(result)
        assert_values(fast_init(build)(KEY))


def test_partitioned_metadata():
    kernel_init = nn.with_partitioning(nn.initializers.lecun_normal(), ("x", "y"))
    model = nn.Dense(16, kernel_init=kernel_init)
    inputs = np.ones((1, 8), np.float32)
    specs = nn.get_partition_spec(jax.eval_shape(model.init, KEY, inputs))
    devices = mesh(AxisType.Auto)
    shardings = jax.tree.map(
        lambda spec: NamedSharding(devices, spec), specs, is_leaf=lambda leaf: isinstance(leaf, P)
    )
    result = fast_init(model.init, out_shardings=shardings)(KEY, inputs)
    expected = jax.jit(model.init)(KEY, inputs)
    assert jax.tree.structure(result) == jax.tree.structure(expected)
    kernel = result["params"]["kernel"].value
    assert kernel.sharding.spec == P("x", "y")
    np.testing.assert_array_equal(kernel, expected["params"]["kernel"].value)


@pytest.mark.parametrize(
    ("shardings", "error", "message"),
    [
        ({"kernel": None}, ValueError, "prefix of the pytree"),
        (P("x"), ValueError, "no mesh is in use"),
        ("x", TypeError, "out_sharding must be a NamedSharding"),
    ],
    ids=["tree", "mesh", "type"],
)
def test_errors(shardings, error, message):
    with pytest.raises(error, match=message):
        fast_init(build, out_shardings=shardings)(KEY)


def test_a_sharding_that_does_not_divide():
    sharding = NamedSharding(mesh(AxisType.Auto), P("x"))
    with pytest.raises(ValueError, match=r"result\[1\] must divide its shape \(3, 4\)"):
        fast_init(lambda key: [jnp.zeros((4,)), jnp.zeros((3, 4))], out_shardings=sharding)(KEY)

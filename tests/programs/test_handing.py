"""Arrays of the host become arrays of JAX, with their values, and a buffer each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import SingleDeviceSharding

from cthulhu.params import init_params
from cthulhu.programs import _handing as handing
from tests.cases import same_bits

COUNTS = (0, 1, handing.AT_ONCE, 2 * handing.AT_ONCE + 3)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16, np.complex64, np.int8])
def test_values_and_types_stay(count, dtype):
    arrays = [np.full((2, 3), at % 100, dtype) for at in range(count)]
    many = frozenset(map(handing.kind, arrays))
    handed = handing.over(arrays, [None] * count, many)
    assert len(handed) == count
    for found, array in zip(handed, arrays, strict=True):
        same_bits(found, array)
        assert not found.weak_type
        assert not found.committed


def test_an_array_that_is_there_often_has_as_many_buffers():
    zero = np.zeros((4, 4), np.float32)
    handed = handing.over([zero] * 70, [None] * 70, frozenset({handing.kind(zero)}))
    assert len({array.unsafe_buffer_pointer() for array in handed}) == 70
    kept, donated = handed[:2]
    jax.jit(lambda x: x + 1, donate_argnums=0)(donated).block_until_ready()
    same_bits(kept, zero)


def test_what_has_a_place_goes_there():
    devices = jax.devices()[:2]
    arrays = [np.ones(3, np.float32)] * 2
    many = frozenset(map(handing.kind, arrays))
    handed = handing.over(arrays, [SingleDeviceSharding(device) for device in devices], many)
    assert [array.devices() for array in handed] == [{device} for device in devices]


def test_few_of_a_kind_have_no_program():
    kinds = ["a"] * (handing.MANY - 1) + ["b"] * handing.MANY
    assert handing.frequent(kinds) == {"b"}


def test_a_thousand_fills_and_draws_are_what_a_few_are():
    """Above the number from which on a program hands them over, and below it."""
    shape = jax.ShapeDtypeStruct((4, 5), np.float32)
    tree = {f"{at}": {"kernel": shape, "bias": shape} for at in range(handing.MANY)}
    rules = [(".*/kernel", "he_normal"), (".*/bias", "ones")]
    many = init_params(0, tree, rules)
    few = init_params(0, {name: tree[name] for name in ("0", "7", "1023")}, rules)
    for name, expected in few.items():
        same_bits(many[name]["kernel"], expected["kernel"])
        same_bits(many[name]["bias"], expected["bias"])
    pointers = {leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(many)}
    assert len(pointers) == 2 * handing.MANY


def test_a_default_device_is_where_they_go():
    array = np.ones((2, 2), np.float32)
    device = jax.devices()[3]
    with jax.default_device(device):
        (handed,) = handing.over([array], [None], frozenset({handing.kind(array)}))
    assert handed.devices() == {device}

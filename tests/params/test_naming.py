"""A traced law gets the name of an initializer if it is that initializer's law, and only then."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu.params import plan
from tests.cases import KEY

I = nn.initializers  # noqa: E741
HALVES = (jnp.bfloat16, jnp.float16)

NAMED = {
    "lecun_normal": I.lecun_normal(),
    "lecun_uniform": I.lecun_uniform(),
    "he_normal": I.he_normal(),
    "he_uniform": I.he_uniform(),
    "glorot_normal": I.glorot_normal(),
    "glorot_uniform": I.glorot_uniform(),
    "zeros": I.zeros,
    "ones": I.ones,
}
SPELLED = {
    "constant(value=0.5)": I.constant(0.5),
    "random_normal(stddev=0.02)": I.normal(0.02),
    "random_normal(mean=3, stddev=0.1)": lambda *a: I.normal(0.1)(*a) + 3,
    "truncated_normal(stddev=0.02)": I.truncated_normal(0.02),
    "random_uniform(minval=0, maxval=0.25)": I.uniform(0.25),
    "random_uniform(minval=-0.5, maxval=0)": lambda *a: -I.uniform(0.5)(*a),
}
# Laws that primitives alone would not tell from a normal or a uniform.
OTHERS = {
    "clipped": lambda *a: jnp.clip(I.normal(1.0)(*a), -1.0, 1.0),
    "squared": lambda *a: I.uniform(1.0)(*a) ** 2,
    "rectified": lambda *a: jnp.maximum(I.normal(1.0)(*a), 0.0),
    "two draws": lambda key, *a: I.normal()(key, *a) + I.uniform()(jax.random.split(key)[0], *a),
}


def row_of(init, shape=(32, 48), dtype=np.float32, **options):
    (row,) = plan(lambda key: init(key, shape, dtype), KEY, **options).rows
    return row


@pytest.mark.parametrize("dtype", [np.float32, *HALVES])
@pytest.mark.parametrize("name", NAMED)
def test_named_initializers(name, dtype):
    row = row_of(NAMED[name], dtype=dtype)
    assert row.initializer == name
    drawn = name not in ("zeros", "ones")
    assert (row.fan_in, row.fan_out) == ((32, 48) if drawn else (None, None))


@pytest.mark.parametrize("name", SPELLED)
def test_laws_with_their_parameters(name):
    assert row_of(SPELLED[name]).initializer == name


@pytest.mark.parametrize("name", OTHERS)
def test_other_laws_get_no_name(name):
    assert row_of(OTHERS[name]).initializer == "draw"


def test_parameters_near_a_named_law_are_not_that_law():
    stddev = np.sqrt(2 / 32) / 0.87962566
    near = row_of(I.truncated_normal(stddev * 1.001))
    assert near.initializer == f"truncated_normal(stddev={stddev * 1.001:.4g})"
    assert row_of(I.truncated_normal(stddev)).initializer == "he_normal"


def test_two_names_that_differ_less_than_rounding_are_neither():
    assert row_of(I.glorot_uniform(), (256, 258)).initializer == "glorot_uniform"
    assert row_of(I.glorot_uniform(), (256, 258), jnp.bfloat16).initializer.startswith(
        "random_uniform(minval=-0.1"
    )
    # Of a square, LeCun's and Glorot's are one law.
    assert row_of(I.glorot_uniform(), (64, 64)).initializer == "lecun_uniform"


def test_fans_are_those_of_the_shape_that_was_drawn():
    model = nn.MultiHeadDotProductAttention(4, qkv_features=24)
    rows = {row.path: row for row in plan(model.init, KEY, np.ones((1, 2, 16))).rows}
    query, out = rows["params/query/kernel"], rows["params/out/kernel"]
    assert (query.shape, query.initializer) == ((16, 4, 6), "lecun_normal")
    assert (query.fan_in, query.fan_out) == (16, 24)
    assert (out.fan_in, out.fan_out) == (24, 16)


def test_vectors_have_no_fans():
    row = row_of(I.normal(0.1), (30,))
    assert (row.fan_in, row.fan_out) == (None, None)
    assert row.initializer == "random_normal(stddev=0.1)"


def test_a_layout_changes_no_name():
    sharding = NamedSharding(jax.make_mesh((8,), ("x",)), P("x"))
    assert row_of(I.he_normal(), shardings=sharding).initializer == "he_normal"


def test_a_program_says_no_more():
    row = row_of(I.orthogonal())
    assert (row.initializer, row.mean, row.stddev) == ("program", None, None)

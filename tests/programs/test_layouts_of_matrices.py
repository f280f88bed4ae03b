"""Where the parts of dependent elements lie, and what made them, changes no bit of them."""

from typing import Any

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu import compat, fast_init, functional, init_params, plan
from tests.cases import KEY, same_bits

SHAPE = (3, 3, 16, 24)
SPECS = [P(None, None, "x"), P(None, None, None, "y"), P(None, None, "y", "x")]
FUNCTIONS = (
    functional.convolution_orthogonal,
    functional.scaled_orthogonal,
    functional.spectral,
)
every_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda one: one.__name__)


def shardings() -> list[NamedSharding]:
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Auto,) * 2)
    return [NamedSharding(mesh, spec) for spec in SPECS]


@every_function
def test_a_layout_changes_no_bit(function: Any) -> None:
    expected = function(KEY, SHAPE)
    for sharding in shardings():
        made = (
            function(KEY, SHAPE, None, sharding),
            jax.jit(lambda key, s=sharding: function(key, SHAPE, None, s))(KEY),
            # Here only the program knows where the result goes.
            jax.jit(lambda key: function(key, SHAPE), out_shardings=sharding)(KEY),
            fast_init(lambda key: function(key, SHAPE), out_shardings=sharding)(KEY),
        )
        for values in made:
            assert values.sharding.is_equivalent_to(sharding, len(SHAPE))
            if function is functional.spectral and compat.SHORT_LOOPS_DIFFER:
                # It is divided by a norm, whose last bit follows the loops of the program.
                np.testing.assert_allclose(values, expected, rtol=1e-6)
            else:
                same_bits(values, expected)


@every_function
def test_whatever_makes_a_tree_makes_the_same_leaves(function: Any) -> None:
    tree = {name: jax.ShapeDtypeStruct(SHAPE, np.float32) for name in "ab"}
    expected = init_params(0, tree, function)
    planned = plan(tree, function)
    streamed = dict(planned.stream(0))
    laid = jax.tree.map(lambda _: shardings()[2], tree)
    for name in tree:
        same_bits(planned.run(0)[name], expected[name])
        same_bits(streamed[name], expected[name])
        same_bits(init_params(0, tree, function, shardings=laid)[name], expected[name])
    stack = jax.vmap(lambda key: function(key, SHAPE))(jax.random.split(KEY, 3))
    for key, values in zip(jax.random.split(KEY, 3), stack, strict=True):
        same_bits(function(key, SHAPE), values)

"""What the compiled programs are made of: no large temporaries, no talk between devices."""

import functools
import re

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from cthulhu import functional
from tests.cases import CASES, by_id

SIZE = 4096
MEGABYTE = 2**20
COLLECTIVES = ("all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter")

# A decomposition has temporaries of its own.
DRAWS = [case for case in CASES if case.makes_matrices and (case.distribution or not case.draws)]

LAYOUTS = [
    ((8,), PartitionSpec("a")),
    ((8,), PartitionSpec(None, "a")),
    ((4, 2), PartitionSpec("a", "b")),
    ((4, 2), PartitionSpec("b", "a")),
    ((2, 4), PartitionSpec(("a", "b"))),
    ((2, 4), PartitionSpec(None, ("b", "a"))),
    ((2, 4), PartitionSpec("b")),
]


def compiled(draw, dtype, sharding=None):
    def run(key):
        return draw(key, (SIZE, SIZE), dtype, sharding)

    return jax.jit(run, out_shardings=sharding).lower(jax.random.key(0)).compile()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("case", DRAWS, ids=by_id)
def test_needs_no_large_temporary(case, dtype):
    memory = compiled(functools.partial(case.function, **case.given), dtype).memory_analysis()
    assert memory.temp_size_in_bytes <= MEGABYTE
    assert memory.output_size_in_bytes == SIZE * SIZE * np.dtype(jax.numpy.dtype(dtype)).itemsize


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout[0]}-{layout[1]}")
@pytest.mark.parametrize(
    "draw", [functional.random_uniform, functional.he_normal], ids=lambda draw: draw.__name__
)
def test_devices_make_their_own_parts_alone(draw, layout):
    sizes, spec = layout
    names = ("a", "b")[: len(sizes)]
    mesh = jax.make_mesh(sizes, names, axis_types=(AxisType.Auto,) * len(sizes))
    program = compiled(draw, "float32", NamedSharding(mesh, spec))
    text = program.as_text()
    assert not [name for name in COLLECTIVES if name in text]
    # Of the global shape nothing is left: every array is a device's part.
    assert not re.search(rf"\[{SIZE},{SIZE}\]|\[{SIZE * SIZE}\]", text)
    assert program.memory_analysis().temp_size_in_bytes <= MEGABYTE


def test_the_largest_arrays_have_counters_of_64_bits():
    # Compiled only: an array of 2**33 elements is made nowhere.
    shape = (2**17, 2**16)
    spec = jax.eval_shape(lambda: jax.random.key(0))
    program = jax.jit(lambda key: functional.random_uniform(key, shape)[-1, -4:])
    assert program.lower(spec).compile().memory_analysis().temp_size_in_bytes <= MEGABYTE


def test_the_end_of_an_array_beyond_32_bits_differs_from_its_beginning():
    # Elements 0.. and 2**32.. share the low word of their counter.
    shape = (2**17, 2**16)
    key = jax.random.key(0)
    program = jax.jit(lambda key: functional.random_uniform(key, shape)[2**16, :4])
    high = np.asarray(program(key))
    assert not np.array_equal(high, np.asarray(functional.random_uniform(key, (4,))))


def test_rows_of_a_draw_know_their_moments() -> None:
    whole = functional.he_normal.draw((8, 4))
    assert whole.rows(2, 5).moments() == whole.moments()

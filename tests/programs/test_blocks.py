"""Many small arrays of one law: one call makes blocks of many, and no bit is another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import initializers, random
from cthulhu.params import plan
from cthulhu.programs import _blocks as blocks
from tests.cases import KEY, same_bits

LAWS = {
    "normal": lambda stddev: initializers.RandomNormal(stddev=stddev),
    "truncated normal": lambda stddev: initializers.TruncatedNormal(stddev=stddev),
    "uniform": lambda stddev: initializers.RandomUniform(minval=-stddev, maxval=2 * stddev),
}
DTYPES = (jnp.float32, jnp.bfloat16, jnp.float8_e4m3fn)
# One element, less than a block, exactly one, and more than one.
SHAPES = ((1,), (3, 7), (64, 64), (90, 91))


def crowd(dtype, count=40):
    """More small parameters than are worth a whole block each."""
    return {
        f"{size}_{at}": jax.ShapeDtypeStruct(shape, dtype)
        for size, shape in enumerate(SHAPES)
        for at in range(count)
    }


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("law", LAWS)
def test_each_of_a_crowd_has_its_own_values(law, dtype):
    tree = crowd(dtype)
    assert len(tree) * blocks.BLOCK > blocks.WORTHWHILE
    rules = [(name, LAWS[law](1 + at % 7)) for at, name in enumerate(tree)]
    made = plan(tree, rules)
    assert made.programs == 1
    found, streamed = made.run(KEY), dict(made.stream(KEY))
    for name, initializer in rules:
        key = random.fold_path(KEY, (name,))
        same_bits(found[name], initializer(key, tree[name].shape, dtype))
        same_bits(streamed[name], found[name])


def test_a_call_makes_many_blocks(monkeypatch):
    calls = []
    fill_rows = blocks.fill_rows

    def counted(run, parts):
        calls.append(len(parts))
        fill_rows(run, parts)

    monkeypatch.setattr(blocks, "fill_rows", counted)
    tree = {str(at): jax.ShapeDtypeStruct((64, 64), np.float32) for at in range(300)}
    plan(tree, "he_normal").run(KEY)
    assert sum(calls) == 300
    assert len(calls) == 10  # 256 blocks fill a task, and 32 of them a call.


def test_a_stream_makes_together_what_one_call_makes(monkeypatch):
    calls = []
    fill_rows = blocks.fill_rows

    def counted(run, parts):
        calls.append(len(parts))
        fill_rows(run, parts)

    monkeypatch.setattr(blocks, "fill_rows", counted)
    tree = {str(at): jax.ShapeDtypeStruct((8, 8), np.float32) for at in range(300)}
    stream = plan(tree, "he_normal").stream(KEY)
    assert calls == []
    next(stream)
    assert calls == [blocks.ROWS]
    list(stream)
    assert sum(calls) == 300

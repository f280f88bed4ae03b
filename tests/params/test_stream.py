"""A stream makes the values of `run`, one parameter at a time."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu.params import Keep, plan
from cthulhu.trees import flatten, join
from tests.cases import KEY, same_bits

EXAMPLE = Path(__file__).parents[2] / "examples" / "stream_checkpoint.py"
Spec = jax.ShapeDtypeStruct

TREE = {
    "a": Spec((300, 1000), np.float32),
    "b": {"w": Spec((64, 64), np.float32), "scale": Spec((64,), jnp.bfloat16)},
    "c": np.ones(3, np.float32),
    "d": Spec((4, 8, 8), np.float32),
}
RULES = [("a|d", "he_normal"), ("b/w", "orthogonal"), (".*/scale", "ones"), ("c", Keep())]


def test_a_stream_is_the_run():
    planned = plan(TREE, RULES, stacked={"d": 0})
    paths, leaves, _ = flatten(planned.run(KEY))
    streamed = list(planned.stream(KEY))
    assert [path for path, _ in streamed] == list(map(join, paths))
    for (_, value), expected in zip(streamed, leaves, strict=True):
        same_bits(value, expected)


def test_a_stream_of_sharded_parameters():
    mesh = jax.make_mesh((8,), ("x",), axis_types=(AxisType.Auto,))
    sharding = NamedSharding(mesh, P(None, "x"))
    tree = {"a": TREE["a"], "w": TREE["b"]["w"]}
    expected = plan(tree, [(".*", "he_normal")]).run(KEY)
    for path, value in plan(tree, [(".*", "he_normal")], shardings=sharding).stream(KEY):
        assert value.sharding == sharding
        same_bits(value, expected[path])


@pytest.mark.parametrize("sharded", [False, True])
def test_one_parameter_is_held_at_a_time(sharded):
    mesh = jax.make_mesh((8,), ("x",), axis_types=(AxisType.Auto,))
    shardings = NamedSharding(mesh, P("x")) if sharded else None
    tree = {str(number): Spec((1024, 64), np.float32) for number in range(8)}
    planned = plan(tree, [(".*", "normal")], shardings=shardings)
    stream = planned.stream(KEY)
    held = []

    def large():
        return sum(array.shape == (1024, 64) for array in jax.live_arrays())

    before = large()
    for _ in range(len(tree)):
        path, value = next(stream)
        held.append(large() - before)
        del value
        assert large() == before, path
    assert held == [1] * len(tree)


def test_a_wrong_key_is_refused():
    with pytest.raises(ValueError, match="key must be a single key"):
        next(plan(TREE, RULES, stacked={"d": 0}).stream(jax.random.split(KEY)))


def test_example_stream_checkpoint(tmp_path, capsys):
    spec = importlib.util.spec_from_file_location("example_stream_checkpoint", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    report = example.main(tmp_path / "checkpoint")
    assert len(list((tmp_path / "checkpoint").iterdir())) == 18
    assert [(wrong.path, wrong.index) for wrong in report.mismatches] == [
        ("Dense_3/kernel", (5, 7))
    ]
    printed = capsys.readouterr().out
    assert "18 parameters, 2,115,624 bytes, 1 program" in printed
    assert "528,906 elements checked; as planned: True" in printed
    assert "after changing one: Dense_3/kernel (5, 7)" in printed

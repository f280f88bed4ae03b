"""A plan says what will be made, and then makes it."""

import concurrent.futures
import functools
import json
import math
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu import functional, initializers
from cthulhu.params import Keep, init_params, plan
from cthulhu.programs import _blocks as drawing
from cthulhu.random import path_digest
from tests.cases import KEY, same_bits

Spec = jax.ShapeDtypeStruct

TREE = {
    "dense": {"bias": Spec((8,), np.float32), "kernel": Spec((16, 8), jnp.bfloat16)},
    "frozen": np.ones((2, 3), np.float32),
    "layers": Spec((3, 16, 8), np.float32),
}
RULES = [
    (".*/kernel", initializers.HeNormal()),
    (".*/bias", "zeros"),
    ("frozen", Keep()),
    ("layers", functools.partial(functional.random_normal, stddev=0.02)),
]


def planned():
    sharding = NamedSharding(jax.make_mesh((8,), ("x",), axis_types=(AxisType.Auto,)), P("x"))
    shardings = {"dense": {"bias": sharding, "kernel": None}, "frozen": None, "layers": None}
    return plan(TREE, RULES, stacked={"layers": 0}, shardings=shardings)


ROWS = [
    {
        "path": "dense/bias",
        "shape": (8,),
        "dtype": "float32",
        "sharding": str(P("x")),
        "nbytes": 32,
        "initializer": "Zeros()",
        "fan_in": None,
        "fan_out": None,
        "mean": 0.0,
        "stddev": 0.0,
    },
    {
        "path": "dense/kernel",
        "shape": (16, 8),
        "dtype": "bfloat16",
        "sharding": None,
        "nbytes": 256,
        "initializer": "HeNormal()",
        "fan_in": 16,
        "fan_out": 8,
        "mean": 0.0,
        "stddev": 0.353553,
    },
    {
        "path": "frozen",
        "shape": (2, 3),
        "dtype": "float32",
        "sharding": None,
        "nbytes": 24,
        "initializer": "Keep()",
        "fan_in": None,
        "fan_out": None,
        "mean": None,
        "stddev": None,
    },
    {
        "path": "layers",
        "shape": (3, 16, 8),
        "dtype": "float32",
        "sharding": None,
        "nbytes": 1536,
        "initializer": "random_normal(stddev=0.02)",
        "fan_in": 16,
        "fan_out": 8,
        "mean": 0.0,
        "stddev": 0.02,
    },
]


def test_rows():
    for row, expected in zip(planned().rows, ROWS, strict=True):
        for name, value in expected.items():
            assert getattr(row, name) == value, (row.path, name)
        left, right = path_digest(tuple(row.path.split("/")))
        assert row.digest == f"{left:08x}{right:08x}"


def test_totals():
    assert planned().nbytes == 32 + 256 + 24 + 1536
    # Two laws, one of them in bfloat16; the host fills and keeps the rest.
    assert planned().programs == 2
    assert plan({}, []).programs == plan({}, []).nbytes == 0


def test_json():
    record = json.loads(planned().to_json())
    assert (record["nbytes"], record["programs"]) == (1848, 2)
    for row, expected in zip(record["parameters"], planned().rows, strict=True):
        assert {**row, "shape": tuple(row["shape"])} == expected.__dict__


def test_text_and_html(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    text, html = str(planned()), planned()._repr_html_()
    for shown in (text, html):
        for part in ("dense/kernel", "bfloat16", "HeNormal()", "0.3536", "1,536", "1,848"):
            assert part in shown, part
        for part in ("4 leaves", "526 elements", "2 programs"):
            assert part in shown, part
    assert html.startswith("<table>")


def test_empty_columns_are_left_out_and_digests_wait_to_be_asked_for():
    table = planned().table()
    names = [column.header for column in table.columns]
    assert "digest" not in names
    assert {"sharding", "fan_in", "stddev"} <= set(names)
    assert planned().table(digests=True).columns[-1].header == "digest"
    zeros = plan({"b": jax.ShapeDtypeStruct((3,), np.float32)}, "zeros")
    bare = {column.header for column in zeros.table().columns}
    assert bare.isdisjoint({"sharding", "fan_in", "fan_out"})
    assert "1 leaf " in str(zeros)
    assert "0 programs" in str(zeros)


def test_one_program_is_singular(monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    one = plan({"w": jax.ShapeDtypeStruct((4, 8), np.float32)}, "he_normal")
    assert "1 program " in str(one)
    assert ">1 program<" in one._repr_html_()


def test_run_makes_what_init_params_makes():
    params = planned().run(KEY)
    expected = init_params(KEY, TREE, RULES, stacked={"layers": 0})
    jax.tree.map(same_bits, params, expected)
    assert params["frozen"] is TREE["frozen"]
    jitted = jax.jit(planned().run)(KEY)
    jax.tree.map(same_bits, jitted, expected)


@pytest.mark.parametrize("progress", [False, True])
def test_running_builds_no_rows(monkeypatch, progress):
    made = planned()
    monkeypatch.setattr("cthulhu.params._plan.describe", refuse)
    made.run(KEY, progress=progress)
    assert len(list(made.stream(KEY))) == 4
    assert made.nbytes == 1848


def refuse(*args):
    raise AssertionError("nothing asked for a row")


def test_leaves_are_drawn_at_once(monkeypatch):
    both = threading.Barrier(2, timeout=60)

    def fill(span):
        both.wait()  # Passes when two leaves are being written.
        span.row[:] = 0

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        monkeypatch.setattr("cthulhu.programs._pool.workers", lambda: pool)
        monkeypatch.setattr("cthulhu.programs._blocks.fill", fill)
        tree = {name: Spec((drawing.SPAN,), np.float32) for name in "ab"}
        plan(tree, [(".*", "normal")]).run(KEY)
    assert not both.broken


def test_small_leaves_share_a_task(monkeypatch):
    handed = []
    monkeypatch.setattr(
        "cthulhu.programs._blocks.fill_all", lambda spans, x64: handed.append(len(spans))
    )
    tree = {str(number): Spec((32, 32), np.float32) for number in range(300)}
    plan(tree, [(".*", "normal")]).run(KEY)
    assert sum(handed) == 300
    assert len(handed) == -(-300 * drawing.SMALL_BLOCK // drawing.SPAN)


def test_planning_makes_no_array():
    before = len(jax.live_arrays())
    huge = {"w": Spec((10**6, 10**6), np.float32), "b": Spec((10**9,), np.float32)}
    made = plan(huge, [("w", "he_normal"), ("b", "zeros")])
    assert made.nbytes == 4 * 10**12 + 4 * 10**9
    assert made.rows[1].stddev == pytest.approx(math.sqrt(2e-6), rel=1e-5)
    assert str(made)
    assert len(jax.live_arrays()) <= before


PROGRAMS = {
    "shapes share": ({"a": (3, 4), "b": (5,), "c": (6, 7, 8)}, [(".*", "normal")], 1),
    "scalars share": ({"a": (3, 4), "b": (5, 9)}, [("a", "he_normal"), ("b", "lecun_normal")], 1),
    "laws": ({"a": (3, 4), "b": (3, 4)}, [("a", "he_normal"), ("b", "he_uniform")], 2),
    "fills need none": ({"a": (3, 4), "b": (5,)}, [("a", "zeros"), ("b", "ones")], 0),
    "matrices do not share": ({"a": (3, 4), "b": (4, 4), "c": (4, 4)}, [(".*", "orthogonal")], 2),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    shapes, rules, expected = PROGRAMS[name]
    tree = {path: Spec(shape, np.float32) for path, shape in shapes.items()}
    assert plan(tree, rules).programs == expected


def test_errors_are_those_of_a_plan():
    with pytest.raises(TypeError, match="plan: the leaf 'a' must be an array"):
        plan({"a": 1}, [(".*", "zeros")])

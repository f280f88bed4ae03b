"""State dicts as trees and back, of what is like a tensor: torch is not there."""

import subprocess
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load, save

from cthulhu import initializers
from cthulhu.adapters.torch import flat, plan, tree
from cthulhu.params import Keep, init_params
from cthulhu.trees import flatten, join
from tests.cases import KEY, same_bits

F32 = "torch.float32"
SHAPES: dict[str, Any] = {
    "wte.weight": ((11, 8), F32),
    "h.0.ln.weight": ((8,), F32),
    "h.0.attn.in_proj_weight": ((24, 8), F32),
    "h.0.mlp.weight": ((16, 8), "torch.bfloat16"),
    "h.0.mlp.bias": ((16,), "torch.bfloat16"),
    "conv.weight": ((6, 2, 3, 3), F32),
    "up.weight": ((4, 3, 3, 3), F32),
    "rnn.weight_ih_l0": ((20, 4), F32),
    "rnn.weight_hh_l0": ((20, 5), F32),
    "gru.weight_ih": ((15, 4), F32),
    "gru.weight_hh": ((15, 5), F32),
    "proj.weight_ih_l0": ((20, 4), F32),
    "proj.weight_hh_l0": ((20, 3), F32),
    "proj.weight_hr_l0": ((3, 5), F32),
    "plain.weight_ih_l0": ((5, 4), F32),
    "plain.weight_hh_l0": ((5, 5), F32),
    "mix.qkv.weight": ((24, 8), F32),
    "pos": ((1, 7, 8), F32),
}


def rows_of(rules: Any = "glorot_normal", **options: Any) -> dict[str, Any]:
    return {row.path: row for row in plan(tree(SHAPES), rules, **options).rows}


def test_a_name_becomes_a_path() -> None:
    paths, leaves, _ = flatten(tree(SHAPES))
    assert {".".join(path) for path in paths} == set(SHAPES)
    found = {join(path): leaf for path, leaf in zip(paths, leaves, strict=True)}
    assert found["h/0/mlp/weight"] == jax.ShapeDtypeStruct((16, 8), jnp.bfloat16)
    assert tree({"w": [(2, 3), np.float16]})["w"] == jax.ShapeDtypeStruct((2, 3), jnp.float16)
    assert tree({}) == {}


FANS = {
    "wte/weight": (8, 8),  # A row of a table is read whole.
    "h/0/mlp/weight": (8, 16),
    "conv/weight": (18, 54),
    "up/weight": (27, 36),
    "plain/weight_hh_l0": (5, 5),
    "proj/weight_hr_l0": (5, 3),
    "mix/qkv/weight": (8, 24),
}


@pytest.mark.parametrize("path", FANS)
def test_fans_are_told_by_rank_and_name(path: str) -> None:
    row = rows_of()[path]
    assert (row.fan_in, row.fan_out) == FANS[path]


GATES = {
    "h/0/attn/in_proj_weight": 3,
    "rnn/weight_ih_l0": 4,
    "rnn/weight_hh_l0": 4,
    "gru/weight_ih": 3,
    "gru/weight_hh": 3,
    "proj/weight_ih_l0": 4,
    "proj/weight_hh_l0": 4,
}


def orthogonal_parts(values: Any, parts: int) -> bool:
    """Whether the smaller side of each part is orthonormal."""
    found = np.asarray(values).reshape(parts, -1, values.shape[1])
    small = found @ found.mT if found.shape[1] < found.shape[2] else found.mT @ found
    return bool(np.allclose(small, np.eye(small.shape[-1]), atol=1e-5))


def test_gates_are_told_by_names_and_shapes() -> None:
    rules = [("h/0/ln/weight", "ones"), (".*weight.*", "orthogonal"), (".*", "zeros")]
    made = flat(plan(tree(SHAPES), rules, packed={"mix/qkv/weight": 3}).run(KEY))
    for path, parts in {**GATES, "mix/qkv/weight": 3, "plain/weight_hh_l0": 1}.items():
        assert orthogonal_parts(made[path.replace("/", ".")], parts), path
    whole = flat(plan(tree(SHAPES), rules).run(KEY))["mix.qkv.weight"]
    assert orthogonal_parts(whole, 1)
    assert not orthogonal_parts(whole, 3)


def test_what_no_name_tells_is_said() -> None:
    rows = rows_of(transposed="up/weight", groups={"(up|conv)/weight": 2}, embeddings="pos|mlp.*")
    assert (rows["conv/weight"].fan_in, rows["conv/weight"].fan_out) == (18, 27)
    assert (rows["up/weight"].fan_in, rows["up/weight"].fan_out) == (18, 27)
    assert rows["wte/weight"].fan_in == 8
    assert rows["wte/weight"].fan_out == 11  # No table any more.
    assert rows_of(embeddings=None)["wte/weight"].fan_out == 11


def test_the_rules_of_a_tree_serve_without_the_plan() -> None:
    state = {"a.weight": ((6, 4), F32), "a.bias": ((6,), F32)}
    rules = [(".*weight", "he_normal"), (".*bias", "zeros")]
    made, expected = (
        plan(tree(state), rules).run(0),
        init_params(0, tree(state), rules, layout="out_in"),
    )
    jax.tree.map(same_bits, made, expected)


def test_arrays_go_there_and_back() -> None:
    state = {"a.w": np.arange(6.0).reshape(2, 3), "b": np.zeros(3, jnp.bfloat16), "n": np.int64(3)}
    there = tree(state)
    assert there["a"]["w"] is state["a.w"]
    back = flat(there)
    assert back.keys() == state.keys()
    assert all(np.asarray(back[name]).dtype == np.asarray(state[name]).dtype for name in state)
    assert tree(state, values=False)["a"]["w"] == jax.ShapeDtypeStruct((2, 3), np.float64)


def test_a_safetensors_file_is_read_and_written() -> None:
    made = flat(plan(tree({"a.weight": ((6, 4), F32)}), "he_normal").run(0))
    loaded = load(save(made))
    assert plan(tree(loaded), [(".*", Keep())]).rows[0].path == "a/weight"
    same_bits(flat(tree(loaded), like=loaded)["a.weight"], made["a.weight"])


def test_what_comes_back_can_be_written_to() -> None:
    made = plan(tree({"w": ((2, 3), F32)}), "he_normal").run(0)
    found = flat(made)["w"]
    found[0, 0] = 7.0
    assert made["w"][0, 0] != 7.0


def test_tied_arrays_are_one_leaf() -> None:
    table = np.ones((4, 3), np.float32)
    state = {
        "embed.weight": table,
        "head.weight": table,
        "other.weight": table.copy(),
        "view": table[:2],
    }
    found = tree(state)
    assert set(found) == {"embed", "other", "view"}
    made = flat(plan(found, "normal").run(0), like=state)
    assert list(made) == list(state)
    same_bits(made["embed.weight"], made["head.weight"])
    assert not np.array_equal(made["embed.weight"], made["other.weight"])


def test_counters_stay_without_a_rule() -> None:
    state = {"bn.weight": np.zeros(3, np.float32), "bn.num_batches_tracked": np.array(5)}
    made = plan(tree(state), [(".*weight", "ones")]).run(0)
    assert made["bn"]["num_batches_tracked"] is state["bn.num_batches_tracked"]
    assert np.asarray(made["bn"]["weight"]).all()


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "a model": (lambda: tree(3), TypeError, r"torch\.tree: source must be a mapping .* got a int"),  # type: ignore[arg-type]
    "a name": (lambda: tree({3: 1}), TypeError, r"names must be strings; got 3"),  # type: ignore[dict-item]
    "a value": (lambda: tree({"a": "b"}), TypeError, r"'a' must be a tensor, an array or a pair"),
    "a type": (
        lambda: tree({"a": ((2,), "torch.qint8")}),
        TypeError,
        r"'a' is of the type torch\.qint8, which JAX does not have; leave it out",
    ),
    "a leaf and a node": (
        lambda: tree({"a": ((2,), F32), "a.b": ((2,), F32)}),
        ValueError,
        r"'a\.b' and another name cannot both be in one tree",
    ),
    "a node and a leaf": (
        lambda: tree({"a.b": ((2,), F32), "a": ((2,), F32)}),
        ValueError,
        r"'a' and another name cannot both be in one tree",
    ),
    "no like": (lambda: flat({}, like=3), TypeError, r"torch\.flat: like must be a mapping"),  # type: ignore[arg-type]
    "no values": (
        lambda: flat(tree(SHAPES)),
        TypeError,
        r"'conv\.weight' must be an array; got a ShapeDtypeStruct, which has no values",
    ),
    "a lack": (
        lambda: flat({}, like={"a": np.ones(2)}),
        ValueError,
        r"the names must be those of like; the tree lacks 'a'",
    ),
    "too many": (
        lambda: flat({"a": np.ones(2)}, like={}),
        ValueError,
        r"the tree has, and like has not, 'a'",
    ),
    "a shape": (
        lambda: flat({"a": np.ones(2)}, like={"a": np.ones(3)}),
        ValueError,
        r"'a' must have the shape that it has in like, \(3,\); got \(2,\)",
    ),
    "no match": (
        lambda: rows_of(groups={"nowhere": 2}),
        ValueError,
        r"torch\.plan: groups names 'nowhere', which matches no parameter",
    ),
    "no pattern": (
        lambda: rows_of(packed=3),
        TypeError,
        r"packed must be a regular expression of paths, or map them to numbers; got 3",
    ),
    "no number": (lambda: rows_of(packed={".*": 0}), ValueError, r"torch\.plan: packed must"),
    "unequal parts": (
        lambda: rows_of(packed={"wte/weight": 3}),
        ValueError,
        r"'wte/weight' of shape \(11, 8\) holds 3 matrices",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_errors_say_what_to_do(name: str) -> None:
    call, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        call()


def test_torch_is_not_imported() -> None:
    script = """
import sys
sys.modules["torch"] = None
import numpy as np
from cthulhu.adapters import torch
state = {"0.weight": np.zeros((3, 2), np.float32)}
made = torch.flat(torch.plan(torch.tree(state), "he_normal").run(0), like=state)
assert made["0.weight"].any()
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_an_initializer_that_names_its_axes_keeps_them() -> None:
    state = {"a.weight": ((6, 4), F32)}
    init = initializers.HeNormal(in_axis=0, out_axis=1)
    assert plan(tree(state), init).rows[0].fan_in == 6


def test_what_is_said_of_a_weight_counts_whatever_its_name() -> None:
    shapes = {"attn.qkv_proj": ((24, 8), "float32"), "c.kernel": ((24, 8, 3), "float32")}
    planned = plan(
        tree(shapes), "glorot_normal", packed={"attn/qkv_proj": 3}, groups={"c/kernel": 3}
    )
    assert [(row.fan_in, row.fan_out) for row in planned.rows] == [(8, 8), (24, 24)]

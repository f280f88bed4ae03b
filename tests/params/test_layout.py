"""Layouts: the axes are those that were named, or else those of the framework."""

import functools
import math

import jax
import numpy as np
import pytest

from cthulhu import functional, initializers
from cthulhu.params import Keep, Rules, init_params, plan, verify
from cthulhu.random import fold_path
from tests.cases import CASES, KEY, by_id, same_bits

Spec = jax.ShapeDtypeStruct
FANS = [case for case in CASES if hasattr(case.instance(), "in_axis")]


def made(shape, initializer, **options):
    return init_params(KEY, {"w": Spec(shape, np.float32)}, [("w", initializer)], **options)["w"]


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 3), (6, 4, 3, 3)])
@pytest.mark.parametrize("kind", ["instance", "function", "partial"])
@pytest.mark.parametrize("case", FANS, ids=by_id)
def test_out_in_is_the_axes_of_out_in(case, kind, shape):
    initializer = {
        "instance": case.instance(),
        "function": functools.partial(case.function, **case.options),
        "partial": functools.partial(case.function, **case.options, batch_axis=()),
    }[kind]
    expected = case.instance(in_axis=1, out_axis=0)(fold_path(KEY, ("w",)), shape)
    same_bits(made(shape, initializer, layout="out_in"), expected)
    same_bits(made(shape, initializer, layout="in_out"), made(shape, initializer))


def test_the_fans_of_out_in():
    tree = {
        "weight": Spec((8, 4), np.float32),
        "kernel": Spec((8, 4, 3, 3), np.float32),
        "layers": Spec((7, 8, 4), np.float32),
    }
    planned = plan(tree, "he_normal", stacked={"layers": 0}, layout="out_in")
    fans = {row.path: (row.fan_in, row.fan_out) for row in planned.rows}
    assert fans == {"weight": (4, 8), "kernel": (36, 72), "layers": (4, 8)}
    assert planned.rows[-1].stddev == pytest.approx(math.sqrt(2 / 4), rel=1e-5)


def test_batch_axes_are_no_inputs():
    initializer = initializers.HeNormal(batch_axis=0)
    (row,) = plan({"w": Spec((7, 8, 4), np.float32)}, initializer, layout="out_in").rows
    assert (row.fan_in, row.fan_out) == (4, 8)
    rest = initializers.HeNormal(batch_axis="rest")
    (row,) = plan({"w": Spec((8, 4, 7), np.float32)}, rest, layout="out_in").rows
    assert (row.fan_in, row.fan_out) == (4, 8)


NAMED = {
    "instance": initializers.HeNormal(in_axis=0, out_axis=1),
    "partial": functools.partial(functional.he_normal, in_axis=0, out_axis=1),
    "orthogonal": initializers.Orthogonal(axis=1),
}


@pytest.mark.parametrize("name", NAMED)
def test_axes_that_are_named_stay(name):
    initializer = NAMED[name]
    same_bits(made((6, 4), initializer, layout="out_in"), made((6, 4), initializer))


@pytest.mark.parametrize(
    "initializer", ["orthogonal", functional.orthogonal], ids=["name", "function"]
)
def test_an_orthogonal_matrix_has_its_columns_along_the_outputs(initializer):
    kernel = np.asarray(made((6, 4, 3), initializer, layout="out_in"))
    rows = kernel.reshape(6, -1)
    np.testing.assert_allclose(rows @ rows.T, np.eye(6), atol=1e-5)
    expected = initializers.Orthogonal(axis=0)(fold_path(KEY, ("w",)), (6, 4, 3))
    same_bits(kernel, expected)


UNTOUCHED = {
    "vector": ((6,), "he_normal"),
    "scalar": ((), "he_normal"),
    "no fans": ((6, 4), "random_normal"),
    "identity": ((6, 4), "identity"),
    "of JAX": ((6, 4), jax.nn.initializers.he_normal()),
    "custom": ((6, 4), jax.random.normal),
}


@pytest.mark.parametrize("name", UNTOUCHED)
def test_what_has_no_axes_is_untouched(name):
    shape, initializer = UNTOUCHED[name]
    same_bits(made(shape, initializer, layout="out_in"), made(shape, initializer))


def test_keep_has_no_layout():
    kept = np.ones((6, 4), np.float32)
    assert init_params(0, {"w": kept}, [("w", Keep())], layout="out_in")["w"] is kept


def test_the_layout_of_rules():
    tree = {"w": Spec((6, 4), np.float32)}
    rules = Rules([("w", "he_normal")], layout="out_in")
    expected = init_params(0, tree, rules.rules, layout="out_in")["w"]
    for options in ({}, {"layout": "out_in"}):
        same_bits(init_params(0, tree, rules, **options)["w"], expected)
        same_bits(plan(tree, rules, **options).run(0)["w"], expected)
    assert rules != Rules([("w", "he_normal")])
    assert repr(rules) == "Rules(rules=(('w', HeNormal()),), layout='out_in')"
    with pytest.raises(ValueError, match="init_params: layout is 'in_out', but the rules have"):
        init_params(0, tree, rules, layout="in_out")


def test_verify_reads_the_layout():
    tree = {"w": Spec((6, 4), np.float32)}
    params = init_params(0, tree, "he_normal", layout="out_in")
    assert verify(params, 0, "he_normal", layout="out_in")
    assert verify(params, 0, Rules("he_normal", layout="out_in"))
    assert not verify(params, 0, "he_normal")


def test_errors():
    tree = {"w": Spec((3, 4, 4), np.float32)}
    with pytest.raises(ValueError, match=r"init_params: layout must be one of 'in_out', 'out_in'"):
        init_params(0, tree, "he_normal", layout="oi")
    with pytest.raises(ValueError, match=r"Rules: layout must be one of .*did you mean 'out_in'"):
        Rules("he_normal", layout="outin")
    for name in ("delta_orthogonal", "convolution_orthogonal"):
        with pytest.raises(ValueError, match=f"'w': {name} makes kernels of layout"):
            init_params(0, tree, name, layout="out_in")
    with pytest.raises(TypeError, match="plan: layout belongs to a tree"):
        plan(lambda key: key, KEY, layout="out_in")

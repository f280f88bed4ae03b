"""Initializers made of others, in rules."""

import functools
import math
from typing import Any

import jax
import numpy as np
import pytest

from cthulhu import functional
from cthulhu.initializers import ICNR, Blocked, ByDepth, HeNormal, Orthogonal, Scaled, Stacked
from cthulhu.params import Plan, Rules, fast_init, init_params, plan, verify
from cthulhu.random import fold_path
from tests.cases import same_bits
from tests.refusals import Refused, each


def spec(*shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, np.float32)


STACK = {"layers": {"kernel": spec(4, 32, 64)}}
ALONE = {f"layers_{layer}": {"kernel": spec(32, 64)} for layer in range(4)}
HALF_LOG = "1/sqrt(2 * (l + 1))"


def test_stacked_in_rules_is_what_stacked_beside_them_is() -> None:
    ours = plan(STACK, [(".*", Stacked("he_normal"))])
    beside = plan(STACK, [(".*", "he_normal")], stacked=0)
    assert ours.rows == beside.rows
    same_bits(ours.run(0)["layers"]["kernel"], beside.run(0)["layers"]["kernel"])
    # And what the initializer makes by itself, with the parameter's key.
    key = jax.random.key(0)
    alone = Stacked("he_normal")(fold_path(key, ("layers", "kernel")), (4, 32, 64))
    same_bits(alone, ours.run(key)["layers"]["kernel"])


def test_a_stack_by_depth_is_the_stack_of_scaled_layers() -> None:
    """Either way of saying which axis, with the bits of an unscaled stack but for the factor."""
    plain = init_params(0, STACK, Stacked("he_normal"))["layers"]["kernel"]
    by_axis = init_params(0, STACK, ByDepth("he_normal", HALF_LOG, axis=0))["layers"]["kernel"]
    beside = init_params(0, STACK, ByDepth("he_normal", HALF_LOG), stacked=0)["layers"]["kernel"]
    same_bits(by_axis, beside)
    for layer in range(4):
        expected = np.asarray(plain[layer]) / math.sqrt(2 * (layer + 1))
        np.testing.assert_allclose(by_axis[layer], expected, rtol=3e-7)


@pytest.mark.parametrize("pattern", [r"layers_(?P<layer>\d+)/kernel", r"(.*_)(?P<layer>\d)/.*"])
def test_the_path_tells_the_layer(pattern: str) -> None:
    plain = init_params(0, ALONE, "he_normal")
    made = init_params(0, ALONE, [(pattern, ByDepth("he_normal", HALF_LOG))])
    total = init_params(0, ALONE, [(pattern, ByDepth("he_normal", "1/L"))])
    told = init_params(0, ALONE, [(pattern, ByDepth("he_normal", "1/L", layers=10))])
    for layer in range(4):
        kernels = (tree[f"layers_{layer}"]["kernel"] for tree in (plain, made, total, told))
        base, *scaled = map(np.asarray, kernels)
        factors = (1 / math.sqrt(2 * (layer + 1)), 1 / 4, 1 / 10)
        for values, factor in zip(scaled, factors, strict=True):
            np.testing.assert_allclose(values, base * np.float32(factor), rtol=3e-7)


def test_layers_that_lack_what_a_rule_is_for_are_counted() -> None:
    """As the dense layers before those with experts; each encoder and decoder by itself."""
    tree = {
        **{f"encoder_{n}": {"dense": spec(2)} for n in range(5)},
        **{f"decoder_{n}": {"dense": spec(2)} for n in range(2)},
        **{f"decoder_{n}": {"experts": spec(2)} for n in (2, 3)},
    }
    pattern = r"[a-z]+_(?P<layer>\d+)/experts"
    rules = [
        (pattern, ByDepth("ones", lambda layer, layers: layer / layers)),
        (".*/dense", "zeros"),
    ]
    made = init_params(0, tree, rules)
    assert float(made["decoder_2"]["experts"][0]) == 2 / 4
    assert float(made["decoder_3"]["experts"][0]) == 3 / 4


def test_what_is_within_others_learns_its_layer_too() -> None:
    pattern = r"layers_(?P<layer>\d)/.*"
    rule = Scaled(Blocked([ByDepth("he_normal", "1/L"), "zeros"], 2), 2.0)
    rules = Rules([(pattern, rule)])
    assert rules.match([(f"layers_{n}", "kernel") for n in range(2)])[1].init.init[0].layers == 2
    made = init_params(0, ALONE, rules)["layers_1"]["kernel"]
    assert float(made[:, 32:].max()) == 0
    assert float(made[:, :32].std()) == pytest.approx(2 / 4 * math.sqrt(2 / 32), rel=0.1)
    # By the function's name, as by the class's.
    bound = functools.partial(functional.by_depth, init="he_normal", factor="1/L")
    same_bits(
        init_params(0, ALONE, [(pattern, bound)])["layers_1"]["kernel"],
        init_params(0, ALONE, [(pattern, ByDepth("he_normal", "1/L"))])["layers_1"]["kernel"],
    )


@each(
    [
        Refused(
            "a layer is missing",
            lambda: init_params(
                0,
                {"h_0": spec(2), "h_3": spec(2)},
                [(r"h_(?P<layer>\d+)", ByDepth("ones", "1/L"))],
            ),
            ValueError,
            r"^Rules: rule 1 is the regular expression 'h_.*', whose layers go up to 3, and 1, 2 "
            r"are missing, so it is not known how many there are",
        ),
        Refused(
            "the group is no number",
            lambda: init_params(
                0, {"h_a": spec(2)}, [(r"h_(?P<layer>\w+)", ByDepth("ones", "1/L"))]
            ),
            ValueError,
            r"whose group 'layer' must match a number, as .* does; in 'h_a' it matches 'a'$",
        ),
        Refused(
            "more layers than were said",
            lambda: init_params(
                0,
                {"h_0": spec(2), "h_1": spec(2)},
                [(r"h_(?P<layer>\d+)", ByDepth("ones", "1/L", layers=1))],
            ),
            ValueError,
            r"^Rules: rule 1: ByDepth: layer must be less than layers",
        ),
        Refused(
            "nothing tells the layer",
            lambda: init_params(0, ALONE, ByDepth("ones", "1/L")),
            ValueError,
            r"^init_params: 'layers_0/kernel': by_depth: which layer is this\?",
        ),
        Refused(
            "a stack within another",
            lambda: init_params(0, STACK, Scaled(ByDepth("ones", "1/L"), 2.0), stacked=0),
            ValueError,
            r"^init_params: 'layers/kernel': Scaled\(.* Write ByDepth\(…\) outside of the others",
        ),
    ]
)
def test_what_rules_cannot_know_is_refused(refused: Refused) -> None:
    refused.check()


def test_a_layout_reaches_what_is_within() -> None:
    """Of weights (out, in), packed blocks lie along the first axis, and fans are turned."""
    tree = {"qkv": spec(96, 64), "bias": spec(96)}
    rules = Rules([("qkv", Scaled(Blocked("he_normal", 3), 1.0)), ("bias", "zeros")])
    (found, _) = plan(tree, rules, layout="out_in").leaves[::-1]
    assert found.initializer == Scaled(Blocked(HeNormal(in_axis=1, out_axis=0), 3, axis=0), 1.0)
    deep = plan({"w": spec(4, 96, 64)}, Stacked(Orthogonal()), layout="out_in").leaves[0]
    assert deep.initializer == Orthogonal(axis=0)
    assert deep.stack == 0


def test_rows_show_the_fans_of_what_is_within() -> None:
    def fans(initializer: Any, *shape: int) -> tuple[int | None, int | None]:
        (row,) = plan({"w": spec(*shape)}, initializer, stacked={}).rows
        return row.fan_in, row.fan_out

    assert fans(Scaled("he_normal", 0.5), 32, 64) == (32, 64)
    assert fans(Blocked("he_normal", 4), 32, 64) == (32, 16)
    assert fans(Blocked(["he_normal", "zeros"], 2), 32, 64) == (None, None)
    assert fans(ByDepth("he_normal", "1/L", axis=0), 4, 32, 64) == (32, 64)
    assert fans(Stacked("he_normal"), 4, 32, 64) == (32, 64)
    assert fans(Scaled(HeNormal(in_axis=1, out_axis=0), 0.5), 32, 64) == (64, 32)


TREE = {
    "qkv": spec(32, 96),
    "stack": spec(4, 32, 64),
    "down": spec(4, 64, 32),
    "table": spec(50, 32),
}
RULES = {
    "qkv": Blocked("orthogonal", 3),
    "stack": Stacked(Blocked(["he_normal", "lecun_uniform"], 2)),
    "down": ByDepth("glorot_uniform", "1/sqrt(2 * L)", axis=0),
    "table": Scaled("random_normal", 0.5),
}


def test_plans_stream_verify_and_go_through_json() -> None:
    planned = plan(TREE, RULES)
    params = planned.run(7)
    assert verify(params, 7, planned)
    assert not verify(params, 8, planned)
    for path, values in planned.stream(7):
        same_bits(values, params[path])
    again = Plan.from_json(planned.to_json())
    assert again.rows == planned.rows
    jax.tree.map(same_bits, again.run(7), params)
    traced = jax.jit(lambda key: init_params(key, TREE, RULES))(jax.random.key(7))
    jax.tree.map(same_bits, traced, params)


def test_init_functions_show_them_by_name() -> None:
    def init(key: jax.Array) -> dict[str, jax.Array]:
        keys = jax.random.split(key, len(RULES))
        pairs = zip(RULES.items(), keys, strict=True)
        return {name: init(own, TREE[name].shape) for (name, init), own in pairs}

    key = jax.random.key(1)
    jax.tree.map(same_bits, fast_init(init)(key), init(key))
    rows = {row.path: row.initializer for row in plan(init, key).rows}
    assert rows["qkv"] == "Blocked(init=Orthogonal(), sizes=3)"
    assert rows["down"].startswith("ByDepth(init=GlorotUniform(), factor='1/sqrt(2 * L)'")


def test_each_stack_counts_its_own_layers() -> None:
    """Of an encoder and a decoder under one rule."""
    counts = {"enc": 4, "dec": 2}
    tree = {f"{name}/h_{at}": spec(2) for name, count in counts.items() for at in range(count)}
    made = init_params(0, tree, [(r".*/h_(?P<layer>\d+)", ByDepth("ones", "1/L"))])
    assert made["enc/h_1"].tolist() == [0.25, 0.25]
    assert made["dec/h_1"].tolist() == [0.5, 0.5]


def test_copies_lie_along_the_outputs_of_a_layout() -> None:
    init = ICNR("he_normal", 2, "pixel_shuffle")
    made = init_params(0, {"w": spec(16, 8, 4, 4)}, init, layout="out_in")["w"]
    assert (made[:4] == made[:1]).all()
    assert not (made[..., :1] == made[..., 1:2]).all()


def test_errors_of_jax_come_through() -> None:
    def refuse(key: jax.Array, shape: Any, dtype: Any) -> jax.Array:
        return np.asarray(key)  # type: ignore[return-value]

    with pytest.raises(jax.errors.TracerArrayConversionError):
        jax.jit(lambda key: init_params(key, {"a": spec(2)}, Scaled(refuse, 2.0)))(
            jax.random.key(0)
        )

"""Plans and rules that know what a model uses its parameters as."""

import json
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import check, init_params, plan, usage
from cthulhu.fans import Layout
from cthulhu.initializers import GlorotNormal, HeNormal, LecunNormal, Orthogonal, TorchBias
from cthulhu.params import Plan, Rule, Rules, fill
from cthulhu.usage import Usage


def spec(*shape: int, dtype: Any = jnp.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


class Layer(nn.Module):
    @nn.compact
    def __call__(self, x: Any, _: None) -> Any:
        h = nn.relu(nn.Dense(20, name="up")(nn.LayerNorm(name="norm")(x)))
        return x + nn.Dense(12, name="down")(h), None


class Stack(nn.Module):
    @nn.compact
    def __call__(self, x: Any) -> Any:
        x = nn.DenseGeneral((3, 4), name="split")(x)
        x = nn.DenseGeneral(12, axis=(-2, -1), name="merge")(x)
        scanned = nn.scan(Layer, variable_axes={"params": 0}, split_rngs={"params": True}, length=5)
        return scanned(name="layers")(x, None)[0]


X = spec(2, 10)
RULES = [(".*/kernel", HeNormal()), (".*(split|merge|up|down)/bias", TorchBias()), (".*", "ones")]


@pytest.fixture(scope="module")
def tree() -> Any:
    return jax.eval_shape(Stack().init, jax.random.key(0), X)["params"]


@pytest.fixture(scope="module")
def found(tree: Any) -> Usage:
    return usage.infer(lambda p, x: Stack().apply({"params": p}, x), tree, X)


def test_a_plan_shows_roles_and_where_fans_come_from(
    tree: Any, found: Usage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    rows = {row.path: row for row in plan(tree, RULES, usage=found).rows}
    told = {path: (row.role, row.fan_in, row.fan_out, row.fans_from) for path, row in rows.items()}
    assert told == {
        "split/kernel": ("kernel", 10, 12, "use"),
        "split/bias": ("bias", None, None, None),
        "merge/kernel": ("kernel", 12, 12, "use"),
        "merge/bias": ("bias", None, None, None),
        "layers/up/kernel": ("kernel", 12, 20, "use"),
        "layers/up/bias": ("bias", None, None, None),
        "layers/down/kernel": ("kernel", 20, 12, "use"),
        "layers/down/bias": ("bias", None, None, None),
        "layers/norm/scale": ("scale", None, None, None),
        "layers/norm/bias": ("bias", None, None, None),
    }
    limit = {path: row.stddev for path, row in rows.items() if path.endswith("bias")}
    for path, fan_in in {"split": 10, "merge": 12, "layers/up": 12, "layers/down": 20}.items():
        assert limit[f"{path}/bias"] == pytest.approx(math.sqrt(1 / 3 / fan_in), rel=1e-5)
    text = str(plan(tree, RULES, usage=found))
    assert "fans from" in text
    assert "fans from" not in str(plan(tree, [(".*", "ones")]))


def test_without_a_usage_nothing_changes(tree: Any) -> None:
    flat = {"a": spec(10, 12), "b": spec(12)}
    rows = plan(flat, "he_normal").rows
    assert [(row.role, row.fans_from) for row in rows] == [(None, "default"), (None, "default")]


def test_stacks_are_those_of_the_loop(tree: Any, found: Usage) -> None:
    rules = [("(split|merge)/.*", "zeros"), *RULES[:1], ("layers/(up|down)/bias", TorchBias())]
    rules.append((".*", "ones"))
    by_use = init_params(0, tree, rules, usage=found)
    by_hand = init_params(0, tree, rules, stacked={"layers/.*": 0})
    jax.tree.map(np.testing.assert_array_equal, by_use, by_hand)


def test_stacks_that_are_said_win(tree: Any, found: Usage) -> None:
    at_once = init_params(0, tree, RULES, usage=found, stacked={})["layers"]["up"]["kernel"]
    batched = HeNormal(batch_axis=0)
    alone = init_params(0, tree, [(".*/kernel", batched), (".*", "ones")], stacked={})
    np.testing.assert_array_equal(at_once, alone["layers"]["up"]["kernel"])


@pytest.mark.parametrize(
    ("initializer", "layout", "fans", "source"),
    [
        (HeNormal(), None, (10, 12), "use"),
        (HeNormal(in_axis=(0, 1), out_axis=2), None, (30, 4), "initializer"),
        (HeNormal(), Layout(1, (0, 2)), (3, 40), "rule"),
    ],
)
def test_who_says_axes_is_heard_first(
    initializer: Any, layout: Any, fans: Any, source: str, tree: Any, found: Usage
) -> None:
    rules = Rules([Rule("split/kernel", initializer, layout=layout), (".*", "ones")])
    (row,) = (row for row in plan(tree, rules, usage=found).rows if row.path == "split/kernel")
    assert ((row.fan_in, row.fan_out), row.fans_from) == (fans, source)


def test_use_is_before_the_layout_of_all_rules() -> None:
    shape = {"w": spec(10, 12)}
    found = usage.infer(lambda p, x: x @ p["w"], shape, spec(2, 10))
    (row,) = plan(shape, LecunNormal(), usage=found, layout="out_in").rows
    assert (row.fan_in, row.fans_from) == (10, "use")
    (row,) = plan(shape, LecunNormal(), layout="out_in").rows
    assert (row.fan_in, row.fans_from) == (12, "rules")


def test_a_matrix_of_heads_is_orthogonal_as_it_is_used(tree: Any, found: Usage) -> None:
    params = init_params(0, tree, [(".*/kernel", Orthogonal()), (".*", "ones")], usage=found)
    split = params["split"]["kernel"].reshape(10, 12)
    np.testing.assert_allclose(split @ split.T, np.eye(10), atol=1e-5)
    merge = params["merge"]["kernel"].reshape(12, 12)
    np.testing.assert_allclose(merge @ merge.T, np.eye(12), atol=1e-5)


def test_rules_with_a_usage_are_json(found: Usage) -> None:
    rules = Rules(RULES, usage=found)
    again = Rules.from_json(rules.to_json())
    assert again == rules
    assert again.usage == found
    assert "usage=<Usage: 10 leaves" in repr(rules)
    assert rules.extend([("x", "zeros")]).usage == found
    old = json.loads(rules.to_json())
    del old["usage"]  # As versions wrote it that knew no usage.
    assert Rules.from_json(json.dumps(old)).usage is None


def test_a_plan_with_a_usage_is_json(tree: Any, found: Usage) -> None:
    planned = plan(tree, RULES, usage=found)
    again = Plan.from_json(planned.to_json())
    assert again.rows[0].stddev == planned.rows[0].stddev
    jax.tree.map(np.testing.assert_array_equal, again.run(0), planned.run(0))


def test_the_audit_takes_a_usage(tree: Any, found: Usage) -> None:
    large = jax.eval_shape(lambda: {"w": jnp.zeros((64, 8, 32))})
    known = usage.infer(lambda p, x: jnp.einsum("bd,dhk->bhk", x, p["w"]), large, spec(2, 64))
    params = init_params(0, large, GlorotNormal(), usage=known)
    assert check(params, GlorotNormal(), usage=known)
    assert not check(params, GlorotNormal(), stacked={})


def test_fill_takes_rules_with_a_usage(tree: Any, found: Usage) -> None:
    rules = Rules(RULES, usage=found)
    whole = init_params(0, tree, rules)
    filled = fill(tree, 0, rules)
    jax.tree.map(np.testing.assert_array_equal, filled, whole)


def test_no_warning_where_the_use_is_known() -> None:
    shape = {"weight": spec(12, 10)}
    found = usage.infer(lambda p, x: x @ p["weight"].T, shape, spec(2, 10))
    (row,) = plan(shape, "he_normal", usage=found).rows  # Warnings are errors here.
    assert row.fan_in == 10
    with pytest.warns(UserWarning, match="Equinox"):
        plan(shape, "he_normal")


@pytest.mark.parametrize("rules", ["he_normal", "orthogonal"])
def test_what_could_not_be_followed_is_refused_where_fans_count(rules: str) -> None:
    shape = {"a": spec(10, 4), "b": spec(4, 12), "c": spec(3, 3), "d": spec(3)}

    def fn(p: Any, x: Any) -> Any:
        return x @ (p["a"] @ p["b"]) * jnp.sort(p["d"])[0]

    found = usage.infer(fn, shape, spec(2, 10))
    if rules == "orthogonal":  # It does not count fans; a vector has no others than its size.
        assert plan({name: shape[name] for name in "abc"}, rules, usage=found)
        return
    with pytest.raises(
        ValueError, match=r"plan: 'a' is used in a way .* \(a product of parameters"
    ):
        plan(shape, rules, usage=found)
    with pytest.raises(ValueError, match=r"plan: 'c' is used nowhere, and HeNormal\(\) asks for"):
        plan(shape, [("[ab]", "zeros"), (".*", rules)], usage=found)
    said = [Rule("[abc]", rules, layout="in_out"), ("d", "zeros")]
    assert [row.fans_from for row in plan(shape, said, usage=found).rows] == ["rule"] * 3 + [None]
    assert plan(shape, "zeros", usage=found)


def test_a_usage_of_another_tree_is_refused(found: Usage, tree: Any) -> None:
    with pytest.raises(ValueError, match="init_params: usage knows no parameter 'w'"):
        init_params(0, {"w": spec(3)}, "zeros", usage=found)
    with pytest.raises(ValueError, match=r"has shape \(3,\), and usage knows it with shape \(12,"):
        init_params(0, {"merge": {"bias": spec(3)}}, "zeros", usage=found)
    other = usage.infer(lambda p, x: x @ p["w"], {"w": spec(10)}, X)
    with pytest.raises(ValueError, match="plan: the rules have another usage already; say it once"):
        plan(tree, Rules(RULES, usage=found), usage=other)
    with pytest.raises(TypeError, match=r"Rules: usage must be what cthulhu.usage.infer returned"):
        Rules("zeros", usage={"w": "kernel"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="plan: usage belongs to a tree with rules"):
        plan(nn.Dense(3).init, jax.random.key(0), np.ones((1, 2)), usage=found)


def test_the_bias_of_a_kernel_elsewhere_knows_its_inputs() -> None:
    shape = {"first": {"weights": spec(10, 4)}, "shift": spec(4)}

    def fn(p: Any, x: Any) -> Any:
        return x @ p["first"]["weights"] + p["shift"]

    found = usage.infer(fn, shape, spec(10))
    rules = [("first/.*", "zeros"), ("shift", TorchBias())]
    assert plan(shape, rules, usage=found).rows[1].initializer == "TorchBias(fan_in=10)"
    named = [("first/.*", "zeros"), ("shift", TorchBias(kernel="kernel"))]
    with pytest.raises(ValueError, match="sees 'kernel'"):
        plan(shape, named)

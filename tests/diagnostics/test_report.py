"""`report`: what should pass passes, each planted fault is flagged, wherever it lies."""

import contextlib
import dataclasses
import json
import math
import re
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P

from cthulhu import functional, initializers, recipes
from cthulhu.diagnostics import LeafReport, TreeReport, report
from cthulhu.diagnostics._data import REMEDIES
from cthulhu.diagnostics._leaf import FACTS
from cthulhu.initializers import ByDepth, RandomNormal, RandomUniform, TruncatedNormal
from cthulhu.params import Keep, Tied, init_params, plan
from tests.cases import ALL, KEY, Case, by_id

SMALL = {"layers": 2, "width": 64, "hidden": 256, "vocabulary": 300, "positions": 50}
SPEC = jax.ShapeDtypeStruct((256, 64), np.float32)


def normal(shape: tuple[int, ...] = (256, 64), stddev: float = 0.02, **options: Any) -> Any:
    return np.asarray(functional.random_normal(KEY, shape, stddev=stddev, **options))


def one_nan(values: Any) -> Any:
    values = values.copy()
    values[3, 5] = np.nan
    return values


def kinds(seen: TreeReport) -> dict[str, list[str]]:
    return {leaf.path: [flag.kind for flag in leaf.faults] for leaf in seen.failures}


LAW = RandomNormal(stddev=0.02)
CUT = TruncatedNormal(stddev=0.02, corrected=True)


def one_of(value: float) -> Any:
    """Values of a law that is cut, and one."""
    values = np.array(CUT(KEY, (256, 64)))
    values[3, 5] = value
    return values


# What is there, what should be, the kinds of the flags, and a part of what they say.
FAULTS: dict[str, tuple[Any, Any, list[str], str]] = {
    "wider": (normal(stddev=0.03), LAW, ["stddev"], "where 0.02 is expected"),
    "1 % wider": (normal((1024, 256), 0.0202), LAW, ["stddev"], "standard errors off"),
    "a mean": (normal() + np.float32(0.002), LAW, ["mean"], "has mean 0.002"),
    "zeroed": (np.zeros((256, 64), np.float32), LAW, ["zeroed"], "where normal is expected"),
    "dead": (np.full((256, 64), 0.01, np.float32), LAW, ["dead"], "is 0.01 everywhere"),
    "one NaN": (one_nan(normal()), LAW, ["non-finite"], "1 of 16384 values"),
    "uniform": (
        np.asarray(RandomUniform(-0.03464, 0.03464)(KEY, (256, 64))),
        LAW,
        ["distribution"],
        "shares are off by up to",
    ),
    "beyond": (one_of(0.3), CUT, ["support"], "to 0.3, beyond"),
    "below": (one_of(-0.3), CUT, ["support"], "from -0.3 to 0.0"),
    "drawn in bfloat16": (
        normal(dtype=jnp.bfloat16).astype(np.float32),
        LAW,
        ["narrow"],
        "drawn in bfloat16",
    ),
    "drawn with few bits": (
        np.asarray(jax.random.normal(KEY, (256, 64), jnp.bfloat16) * jnp.bfloat16(0.02)),
        LAW,
        ["narrow"],
        "was drawn with few bits",
    ),
    "ones, not zeros": (np.ones(64, np.float32), "zeros", ["not zeroed"], "where 0 is expected"),
    "zeros, not ones": (np.zeros(64, np.float32), "ones", ["zeroed"], "where 1 is expected"),
    "another constant": (np.ones(64, np.float32) * 2, "ones", ["value"], "is 2, where 1"),
    "twice the identity": (2 * np.eye(64, dtype=np.float32), "identity", ["value"], "fixed values"),
    "a wide orthogonal": (
        np.asarray(functional.orthogonal(KEY, (64, 64))) * np.float32(1.2),
        "orthogonal",
        ["stddev"],
        "has standard deviation",
    ),
    "unknown, with infinities": (
        np.float32([[1, np.inf], [2, -np.inf]]),
        None,
        ["non-finite"],
        "2 of 4 values",
    ),
    "unknown, one number": (np.full((8, 4), 0.5, np.float32), None, ["dead"], "all alike"),
    "unknown, in float16": (
        normal().astype(np.float16).astype(np.float32),
        None,
        ["narrow"],
        "every value is one of that type",
    ),
    "kept, a NaN": (one_nan(normal()), Keep(), ["non-finite"], "1 of 16384"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_flagged_alone(name: str) -> None:
    values, rules, expected, detail = FAULTS[name]
    good = {} if rules is None else {"good": init_params(0, {"good": SPEC}, LAW)["good"]}
    given = None if rules is None else [("bad", rules), *([("good", LAW)] if good else [])]
    seen = report({"bad": values, **good}, given)
    assert kinds(seen) == {"bad": expected}
    assert detail in seen.failures[0].faults[0].detail
    assert not seen
    with pytest.raises(AssertionError, match="not healthy:") as caught:
        seen.assert_healthy()
    assert f"  bad: {seen.failures[0].faults[0].detail}" in str(caught.value)
    assert f"  {expected[0]}: {REMEDIES[expected[0]]}" in str(caught.value)


# What nothing is wrong with, and the kinds of the flags that say what is there.
HEALTHY: dict[str, tuple[Any, Any, list[str]]] = {
    "ones": (np.ones(64, np.float32), "ones", ["constant"]),
    "zeros": (np.zeros((64, 8), np.float32), "zeros", ["zero"]),
    "unknown zeros": (np.zeros((64, 8), np.float32), None, ["zero"]),
    "unknown ones": (np.ones(64, np.float32), None, ["constant"]),
    "one column": (np.ones((64, 1), np.float32), None, ["constant"]),
    "few whole numbers": (np.arange(2048, dtype=np.float32), None, []),
    "integers": (np.arange(10), None, []),
    "a counter": (np.int32(7), None, ["constant"]),
    "flags": (np.array([True, False]), None, []),
    "no elements": (np.zeros((0, 4), np.float32), None, []),
    "the identity": (np.eye(64, dtype=np.float32), "identity", []),
    "far from 0": (normal(stddev=1.0) + np.float32(1000), RandomNormal(1000.0, 1.0), []),
    "kept": (np.full((8, 4), 3.0, np.float32), Keep(), ["constant"]),
    "one value": (np.float32([0.3]), RandomNormal(), ["constant"]),
    "in bfloat16": (normal(dtype=jnp.bfloat16), LAW, []),
    "rounded to beyond a bound": (
        RandomUniform(-0.05, 0.05)(KEY, (256, 64), jnp.bfloat16),
        RandomUniform(-0.05, 0.05),
        [],
    ),
    "a function": (normal(), jax.random.normal, []),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_what_nothing_is_wrong_with(name: str) -> None:
    values, rules, facts = HEALTHY[name]
    seen = report({"w": values}, rules)
    assert kinds(seen) == {}
    assert [flag.kind for flag in seen.leaves[0].flags] == facts
    assert seen
    seen.assert_healthy()


@pytest.mark.parametrize("case", ALL, ids=by_id)
def test_every_initializer_is_healthy_under_its_own_law(case: Case) -> None:
    shape = case.large or case.shape
    seen = report({"w": case.init(KEY, shape)}, {"w": case.instance()})
    seen.assert_healthy()
    (leaf,) = seen.leaves
    if leaf.expected_stddev is not None and case.witness:
        assert leaf.stddev == pytest.approx(leaf.expected_stddev, rel=0.2)


def test_healthy_models_are_flagged_as_rarely_as_chance_has_it() -> None:
    """At 3 standard errors, of the 32 statistics of a model, one in 370 each: in 100 models 8.6.

    At the 6 of the default, none in 500 million. The bounds have a false-alarm rate of 1e-4.
    """
    tree, rules = recipes.shapes("gpt2", **SMALL), recipes.rules("gpt2")
    planned = plan(tree, rules)
    made = [planned.run(seed) for seed in range(100)]
    statistics = sum(leaf.z_mean is not None for leaf in report(made[0], planned).leaves) * 2
    expected = 100 * statistics * math.erfc(3 / math.sqrt(2))
    flagged = sum(len(leaf.faults) for one in made for leaf in report(one, planned, z=3.0).leaves)
    assert expected / 4 < flagged < expected + 5 * math.sqrt(expected)
    assert all(report(one, planned) for one in made)


PLACES: dict[str, Any] = {
    "another device": lambda: SingleDeviceSharding(jax.devices()[3]),
    "rows": lambda: laid(P("x")),
    "columns": lambda: laid(P(None, "x")),
    "both": lambda: laid(P("x", "y")),
    "replicated": lambda: laid(P()),
    "explicit": lambda: laid(P("x", "y"), AxisType.Explicit),
}


def laid(spec: P, kind: AxisType = AxisType.Auto) -> NamedSharding:
    return NamedSharding(jax.make_mesh((4, 2), ("x", "y"), axis_types=(kind,) * 2), spec)


def tree() -> dict[str, Any]:
    """Arrays of many kinds, on the host."""
    values = normal((128, 64), 1.0).copy()
    values[:, 3], values[7, 0], values[9, 1] = 0, np.nan, -np.inf
    return {
        "normal": normal(),
        "bad": values,
        "far": normal(stddev=1.0) + np.float32(1000),
        "narrow": normal(dtype=jnp.bfloat16),
        "none": np.full((16, 8), np.nan, np.float32),
        "zeros": np.zeros((64, 8), np.float32),
        "integers": np.arange(1024, dtype=np.int32).reshape(128, 8),
        "complex": np.asarray(functional.he_normal(KEY, (64, 48), jnp.complex64)),
    }


RULES = {"normal": LAW, "far": RandomNormal(1000.0, 1.0), "narrow": LAW, ".*": Keep()}


def same(one: LeafReport, other: LeafReport) -> None:
    """Whether two reports of a parameter agree, but for the order of sums."""
    close = {"mean": 1e-5, "stddev": 1e-5, "z_mean": 1e-2, "z_stddev": 1e-2}
    for field in dataclasses.fields(LeafReport):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name in close and a is not None:
            assert a == pytest.approx(b, rel=close[field.name], abs=close[field.name]), field.name
        elif field.name == "histogram" and a is not None and a != b:
            assert (a.low, a.high) == pytest.approx((b.low, b.high))
            assert sum(map(abs, np.subtract(a.counts, b.counts))) <= 4
        elif field.name not in close:
            assert a == b, field.name


@pytest.mark.parametrize("rules", [None, RULES], ids=["unknown", "rules"])
@pytest.mark.parametrize("place", PLACES)
def test_a_place_changes_nothing(place: str, rules: Any) -> None:
    here = tree()
    there = {name: jax.device_put(value, PLACES[place]()) for name, value in here.items()}
    pairs = zip(report(here, rules).leaves, report(there, rules).leaves, strict=True)
    for one, other in pairs:
        same(one, other)


def test_numbers_of_all_parameters_are_fetched_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched = []
    get = jax.device_get
    monkeypatch.setattr(jax, "device_get", lambda tree: fetched.append(tree) or get(tree))
    here = {"a": normal(), "b": normal((16, 8)), "c": normal((4096,), 1.0)}
    report(jax.device_put(here, laid(P("x"))))
    assert len(fetched) == 1
    numbers = jax.tree.leaves(fetched)
    assert all(one.is_fully_replicated for one in numbers)
    assert sum(one.size for one in numbers) < 2 * 4200


# Within a row of a block, of a few rows and a rest, of many blocks, and of many spans.
SHAPES = [(700,), (300, 200), (3, 2**17 + 5), (2**20 + 1023,)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_what_is_seen_is_what_is_there(dtype: Any, shape: tuple[int, ...]) -> None:
    """Each number beside NumPy's of the finite values."""
    values = normal(shape, 1.0).astype(dtype).reshape(-1)
    values[3::200], values[510:520], values[7], values[-1] = 0, 1, 9, -9
    for planted in ((), (np.nan, -np.inf)):
        values[20 : 20 + len(planted)] = planted
        (leaf,) = report({"w": values.reshape(shape)}).leaves
        finite = values[np.isfinite(values)].astype(np.float64)
        assert (leaf.zeros, leaf.non_finite) == (int((finite == 0).sum()), len(planted))
        assert leaf.mean == pytest.approx(finite.mean(), abs=1e-6)
        assert leaf.stddev == pytest.approx(finite.std(), rel=1e-6)
        assert (leaf.minimum, leaf.maximum) == (-9, 9)
        assert (leaf.size, leaf.sampled) == (values.size, min(values.size, 4096))


def test_every_zero_of_a_large_array_is_counted() -> None:
    """Also where no sample of it holds one."""
    values = normal((1 << 20,), 1.0).copy()
    values[777] = 0.0
    values[5] = -0.0
    assert report({"w": values}).leaves[0].zeros == 2
    (leaf,) = report({"w": jax.device_put(values, laid(P("x")))}).leaves
    assert leaf.zeros == 2


DISTINCT = {
    "few": (np.float32([1, 2, 2, 3]), 3, 4),
    "all of a small one": (np.arange(4096, dtype=np.float32).reshape(64, 64), 4096, 4096),
    "a sample of a large one": (np.arange(10000, dtype=np.float32) // 5000, 2, 4096),
    "the numbers, not those that are none": (np.float32([1, np.nan, np.nan]), 1, 3),
    "large integers": (np.int64([2**53 - 1, 2**53 - 2]), 2, 2),
}


@pytest.mark.parametrize("name", DISTINCT)
def test_distinct_values_are_counted(name: str) -> None:
    values, distinct, sampled = DISTINCT[name]
    (leaf,) = report({"w": values}).leaves
    assert (leaf.distinct, leaf.sampled) == (distinct, sampled)


def test_stacked_layers_are_held_against_the_laws_of_all() -> None:
    law = ByDepth(RandomNormal(stddev=0.02), "1/sqrt(2 * (l + 1))", axis=0)
    good = law(KEY, (5, 64, 64))
    (leaf,) = report({"w": good}, law).leaves
    assert leaf.healthy
    square = np.mean([0.02**2 / (2 * (at + 1)) for at in range(5)])
    assert leaf.expected_stddev == pytest.approx(math.sqrt(square), rel=1e-5)
    assert leaf.z_stddev is not None
    assert abs(leaf.z_stddev) < 4
    flat = np.asarray(good).copy()
    flat[3] = normal((64, 64))
    assert kinds(report({"w": flat}, law)) == {"w": ["stddev"]}
    stacked = report({"w": normal((6, 64, 48))}, LAW, stacked=0)
    assert stacked
    assert stacked.leaves[0].histogram.shares is not None


def test_blocks_of_several_means_have_their_errors() -> None:
    """Of 200 at 3 standard errors, at most 8 are flagged, but for one time in 10,000."""
    law = initializers.Blocked(["ones", RandomNormal(3.0, 1.0)], 2)
    planned = plan({"w": jax.ShapeDtypeStruct((40, 30), np.float32)}, law)
    seen = [report(planned.run(seed), planned, z=3.0).leaves[0] for seed in range(200)]
    assert sum(not leaf.healthy for leaf in seen) <= 8
    for of in ("z_mean", "z_stddev"):
        values = np.array([getattr(leaf, of) for leaf in seen])
        assert 0.8 < values.std() < 1.2
        assert abs(values.mean()) < 4 / math.sqrt(200)


def test_recipes_plans_and_rules_say_the_same() -> None:
    tree, rules = recipes.shapes("gpt2", **SMALL), recipes.rules("gpt2")
    params = init_params(0, tree, rules)
    first = report(params, "gpt2")
    assert first == report(params, rules) == report(params, plan(tree, rules))
    assert first.leaves[1].role == "attention.key.bias"
    other = report(params, "gpt2", stddev=0.04)
    assert "stddev" in {flag.kind for leaf in other.failures for flag in leaf.faults}


def test_what_is_missing_or_of_another_shape() -> None:
    planned = plan({"a": SPEC, "b": SPEC}, LAW)
    seen = report({"a": normal((4, 4))}, planned)
    assert kinds(seen) == {"a": ["shape"], "b": ["missing"]}


def test_tied_parameters_are_looked_at() -> None:
    rules = {"w": LAW, "copy": Tied("w")}
    params = init_params(0, {"w": SPEC, "copy": SPEC}, rules)
    assert report(params, rules)


def test_complex_values_are_looked_at_in_parts() -> None:
    values = functional.he_normal(KEY, (600, 50), jnp.complex64)
    (leaf,) = report({"w": values}, "he_normal").leaves
    assert leaf.expected_stddev == pytest.approx(math.sqrt(1 / 600), rel=1e-5)
    assert leaf.stddev == pytest.approx(leaf.expected_stddev, rel=2e-2)


def test_keys_are_not_looked_at() -> None:
    seen = report({"rng": jax.random.key(0), "w": normal()})
    assert seen
    assert seen.leaves[0].note == "holds no numbers, so was not looked at"


@pytest.mark.parametrize("rules", [None, RULES], ids=["unknown", "rules"])
def test_a_report_survives_json(rules: Any) -> None:
    seen = report(tree(), rules)
    again = TreeReport.from_json(seen.to_json())
    assert again == seen
    assert json.loads(seen.to_json())["leaves"][0]["path"] == seen.leaves[0].path
    assert kinds(again) == kinds(seen)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"leaves": [{}], "z": 6}', '{"leaves": 3}'])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be what to_json returned"):
        TreeReport.from_json(text)


def test_the_report_is_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    seen = report(
        {"kernel": normal(stddev=0.03), "scale": np.ones(4, np.float32)},
        {
            "kernel": LAW,
            "scale": "ones",
        },
    )
    for text in (str(seen), seen._repr_html_()):
        assert "2 parameters, 16,388 elements: 1 not healthy" in text
        assert "law stddev" in text
        assert "RandomNormal(stddev=0.02)" in text
        assert "is 1 everywhere" in text
        assert "4,096" in text
    assert repr(seen) == "<TreeReport: 2 parameters, 1 not healthy>"
    assert "law stddev" not in str(report({"w": normal()}))


REFUSED: dict[str, tuple[Any, Any, dict[str, Any], type[Exception], str]] = {
    "a number": (3, None, {}, TypeError, r"params must be a tree of arrays; got 3 of type int"),
    "a number within": ({"a": 3}, None, {}, TypeError, r"'a' must be an array"),
    "nothing": ({}, None, {}, ValueError, r"params has no parameters; got {}"),
    "no values": ({"a": SPEC}, None, {}, ValueError, r"'a' has no values"),
    "no z": ({"a": normal()}, None, {"z": 0}, ValueError, r"z must be a number .*; got 0"),
    "a rule of nothing": ({"a": normal()}, {"b": "ones"}, {}, ValueError, "match no rule"),
    "an unknown recipe": ({"a": normal()}, "gpt-2", {}, ValueError, "did you mean 'gpt2'"),
    "a hyperparameter": ({"a": normal()}, None, {"layers": 2}, TypeError, "belongs to a recipe"),
    "another plan": (
        {"b": normal()},
        plan({"a": SPEC}, "zeros"),
        {},
        ValueError,
        "the plan knows nothing of 'b'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_reported_is_refused(name: str) -> None:
    params, rules, options, error, message = REFUSED[name]
    with pytest.raises(error, match=f"^(report|Rules): .*{message}"):
        report(params, rules, **options)


def test_traced_values_are_refused() -> None:
    with pytest.raises(TypeError, match=r"^report: 'w' is traced.*outside of jit"):
        jax.jit(lambda w: report({"w": w}) and 0)(np.ones(3, np.float32))


def test_every_kind_of_flag_is_documented_and_has_a_remedy() -> None:
    told = set(re.findall(r'``"([a-z -]+)"``', LeafReport.__doc__ or "")) - {"gpt2"}
    assert told == FACTS | REMEDIES.keys()


def test_a_bar_is_shown_if_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[tuple[int, bool, list[int]]] = []

    @contextlib.contextmanager
    def bar(title: str, total: int, *, shown: bool) -> Iterator[Any]:
        done: list[int] = []
        yield done.append
        bars.append((total, shown, done))

    monkeypatch.setattr("cthulhu.diagnostics._report.bar", bar)
    values = {"w": normal(), "v": jax.device_put(normal((8, 8)), laid(P("x")))}
    report(values, progress=True)
    report(values)
    assert bars == [(65792, shown, [256, 65536]) for shown in (True, False)]

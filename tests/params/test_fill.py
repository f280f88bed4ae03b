"""What a tree lacks is initialized as with the whole tree, and what is there is not touched."""

import dataclasses
import functools
import re
import warnings
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.core import FrozenDict
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu.initializers import ByDepth, HeNormal, TorchBias
from cthulhu.params import (
    FromSiblings,
    Keep,
    Rule,
    Rules,
    Tied,
    WeightNormScale,
    fill,
    init_params,
)
from cthulhu.trees import flatten, join
from tests.cases import KEY, same_bits
from tests.refusals import Refused, each


def spec(*shape: int, dtype: Any = np.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def half(key: Any, shape: Any, dtype: Any) -> jax.Array:
    return jnp.full(shape, 0.5, np.float32) + jax.random.uniform(key, shape)


def largest(key: Any, shape: Any, dtype: Any, v: jax.Array) -> jax.Array:
    return jnp.abs(v).max()


def by_path(tree: Any) -> dict[str, Any]:
    paths, leaves, _ = flatten(tree)
    return dict(zip(map(join, paths), leaves, strict=True))


def without(tree: Any, path: str) -> Any:
    """Nested dicts without one leaf."""
    name, _, rest = path.partition("/")
    if not rest:
        return {key: value for key, value in tree.items() if key != name}
    return {key: without(value, rest) if key == name else value for key, value in tree.items()}


def lacking(tree: Any, paths: Any) -> Any:
    return functools.reduce(without, paths, tree)


LAYERS = {f"layer_{at}": {"w": spec(6, 4)} for at in range(3)}

WHOLE: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "plain": (
        {"a": spec(6, 4), "b": {"c": spec(4), "d": spec(3, 2, dtype=jnp.bfloat16)}},
        [("a", "he_normal"), ("b/c", "zeros"), ("b/d", "orthogonal")],
        {},
    ),
    "custom": ({"a": spec(6, 4), "b": spec(3)}, half, {}),
    "stacked": (
        {"layers": {"w": spec(3, 6, 4), "b": spec(3, 4)}, "alone": spec(4, 2)},
        [(".*b", "normal"), (".*", "he_normal")],
        {"stacked": {"layers/.*": 0}},
    ),
    "layers of paths": (
        {**LAYERS, "head": spec(4, 2)},
        [(r"layer_(?P<layer>\d+)/w", ByDepth("he_normal", "1/sqrt(L)")), (".*", "normal")],
        {},
    ),
    "layers of an axis": (
        {"layers": {"w": spec(3, 6, 4), "scale": spec(3, 4)}},
        [(".*/w", ByDepth("he_normal", "1/sqrt(L)")), (".*", WeightNormScale("w"))],
        {"stacked": 0},
    ),
    "siblings": (
        {"e": spec(6, 4), "n": {"v": spec(6, 4), "g": spec(4)}, "r": spec(4, 6), "m": spec()},
        [
            ("e|.*/v", "he_normal"),
            (".*/g", WeightNormScale()),
            ("r", Tied("/e", transpose=True)),
            ("m", FromSiblings(largest, v="n/g")),
        ],
        {},
    ),
    "torch": (
        {"weight": spec(5, 64), "bias": spec(5)},
        [("weight", "torch_linear"), ("bias", TorchBias(kernel="weight"))],
        {"layout": "out_in"},
    ),
    "a layout of a rule": (
        {"w": spec(8, 2, 4), "bias": spec(8)},
        [
            Rule("w", HeNormal(), layout="attention_qkv"),
            ("bias", TorchBias(kernel="w")),
        ],
        {},
    ),
}


# XLA:CPU makes what sees the values of others in one loop with these where they are drawn, and
# not where they are there: the last bit may differ.
SEES_VALUES = frozenset({"layers of an axis", "siblings"})


def kept(name: str, params: Any) -> Any:
    """The same by `Keep`: a rule for each parameter that is there, before all others."""
    tree, rules, options = WHOLE[name]
    there = by_path(params)
    paths, shapes, structure = flatten(tree)
    mixed = [there.get(join(path), shape) for path, shape in zip(paths, shapes, strict=True)]
    optional = [dataclasses.replace(rule, optional=True) for rule in Rules(rules).rules]
    with_keep = [*(Rule(re.escape(path), Keep()) for path in there), *optional]
    return init_params(KEY, jax.tree.unflatten(structure, mixed), with_keep, **options)


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_filled_is_what_init_params_makes(name: str) -> None:
    """Whichever are missing: each alone, all but one, and all."""
    tree, rules, options = WHOLE[name]
    whole = init_params(KEY, tree, rules, **options)
    expected = by_path(whole)
    for path in expected:
        for gone in ({path}, expected.keys() - {path}, {*expected}):
            params = lacking(whole, gone)
            filled = fill(params, KEY, rules, like=tree, **options)
            assert jax.tree.structure(filled) == jax.tree.structure(tree)
            for other in expected.keys() - gone:
                assert by_path(filled)[other] is expected[other]
            if name in SEES_VALUES:
                jax.tree.map(same_bits, filled, kept(name, params))
                jax.tree.map(
                    functools.partial(np.testing.assert_allclose, rtol=1e-6), filled, whole
                )
            else:
                jax.tree.map(same_bits, filled, whole)


@pytest.mark.parametrize("name", WHOLE)
def test_under_jit(name: str) -> None:
    tree, rules, options = WHOLE[name]
    whole = init_params(KEY, tree, rules, **options)
    path = next(iter(by_path(tree)))
    run = jax.jit(lambda key, params: fill(params, key, rules, like=tree, **options))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-6)
    compare = close if name in SEES_VALUES else same_bits
    jax.tree.map(compare, run(KEY, without(whole, path)), whole)


def test_what_is_made_of_others_sees_those_that_are_there() -> None:
    v = jnp.arange(32.0).reshape(4, 8)
    tree = {"v": v, "g": spec(8), "tied": spec(8, 4)}
    rules = {"v": "he_normal", "g": WeightNormScale(), "tied": Tied("v", transpose=True)}
    filled = fill(tree, KEY, rules)
    np.testing.assert_allclose(filled["g"], np.linalg.norm(v, axis=0), rtol=1e-6)
    same_bits(filled["tied"], v.T)
    assert filled["v"] is v


class Model(eqx.Module):
    body: eqx.nn.Linear
    head: eqx.nn.Linear
    activation: Any
    rate: float

    def __init__(self) -> None:
        self.activation, self.rate = jax.nn.relu, 0.5
        first, second = jax.random.split(jax.random.key(0))
        self.body = eqx.nn.Linear(4, 3, key=first)
        self.head = eqx.nn.Linear(3, 2, key=second)


class Module(nnx.Module):
    def __init__(self, rngs: nnx.Rngs) -> None:
        self.body = nnx.Linear(4, 3, rngs=rngs)
        self.head = nnx.Linear(3, 2, rngs=rngs)


def nested(tree: Any) -> Any:
    """The arrays of any tree as nested dicts, as a checkpoint has them."""
    found: dict[str, Any] = {}
    for path, leaf in by_path(tree).items():
        *parents, name = path.split("/")
        node = functools.reduce(lambda node, part: node.setdefault(part, {}), parents, found)
        node[name] = leaf
    return found


DICTS = {"body": {"w": spec(4, 3), "b": spec(3)}, "head": {"w": spec(3, 2), "b": spec(2)}}
TREES: dict[str, Any] = {
    "nested dicts": lambda: DICTS,
    "FrozenDict": lambda: FrozenDict(DICTS),
    "lists": lambda: {"body": [spec(4, 3), spec(3)], "head": [spec(3, 2), spec(2)]},
    "nnx.State": lambda: nnx.state(nnx.eval_shape(lambda: Module(nnx.Rngs(0)))),
    "Equinox": lambda: eqx.filter_eval_shape(Model),
}


@pytest.mark.parametrize("how", ["shapes in the tree", "nested dicts and like", "like"])
@pytest.mark.parametrize("kind", TREES)
def test_trees_of_every_framework(kind: str, how: str) -> None:
    like = TREES[kind]()
    whole = init_params(KEY, like, "normal", layout="in_out")
    at_head = [path[0] == "head" for path in flatten(like)[0]]
    leaves = zip(at_head, jax.tree.leaves(like), jax.tree.leaves(whole), strict=True)
    mixed = [shape if head else array for head, shape, array in leaves]
    params = jax.tree.unflatten(jax.tree.structure(like), mixed)
    if how == "nested dicts and like":
        params = {"body": nested(whole)["body"]}
    options = {} if how == "shapes in the tree" else {"like": like}
    filled = fill(params, KEY, "normal", layout="in_out", **options)
    assert jax.tree.structure(filled) == jax.tree.structure(like)
    made, expected = by_path(filled), by_path(whole)
    for path, value in made.items():
        if path.startswith("body/"):
            assert value is expected[path]
        elif hasattr(value, "shape"):
            same_bits(value, expected[path])
        else:  # The functions and rates of an Equinox module.
            assert value == expected[path]


MARKS: dict[str, Any] = {
    "a shape": lambda tree: {**tree, "a": spec(3)},
    "an abstract array": lambda tree: {**tree, "a": jax.core.ShapedArray((3,), np.float32)},
    "not there": lambda tree: without(tree, "a"),
    "None": lambda tree: {**tree, "a": None},
    "what Orbax leaves": lambda tree: {**tree, "a": ...},
}


@pytest.mark.parametrize("mark", MARKS)
def test_what_is_missing(mark: str) -> None:
    like = {"a": spec(3), "b": spec(2)}
    whole = init_params(KEY, like, "normal")
    params = MARKS[mark](whole)
    filled = fill(params, KEY, "normal", like=like)
    jax.tree.map(same_bits, filled, whole)
    assert filled["b"] is whole["b"]
    # Arrays say what is missing as well as shapes do.
    jax.tree.map(
        same_bits, fill(params, KEY, "normal", like=jax.tree.map(np.zeros_like, whole)), whole
    )
    if "a" in mark.split():
        jax.tree.map(same_bits, fill(params, KEY, "normal"), whole)


def never(key: Any, shape: Any, dtype: Any) -> Any:
    raise AssertionError(f"something of shape {shape} is made")


THERE: dict[str, Any] = {
    "integers": lambda: np.arange(3),
    "narrow integers": lambda: jnp.arange(3, dtype=jnp.int8),
    "keys": lambda: jax.random.key(3),
    "double precision": lambda: np.arange(3) / 2,
    "not contiguous": lambda: np.arange(6, dtype=np.float32)[::2],
    "on another device": lambda: jax.device_put(jnp.ones(3), jax.devices()[3]),
    "narrow floats": lambda: jnp.ones((3, 4), jnp.float8_e5m2),
}


@pytest.mark.parametrize("what", THERE)
@pytest.mark.parametrize("rule", ["he_normal", never, Keep()], ids=["name", "custom", "Keep"])
def test_what_is_there_stays_whatever_its_rule_makes(what: str, rule: Any) -> None:
    value = THERE[what]()
    params = {"there": value, "head": spec(3, 2)}
    filled = fill(params, KEY, [("there", rule), ("head", "he_normal")])
    assert filled["there"] is value
    assert (
        fill(params, KEY, [("there", rule), ("head", "he_normal")], like=params)["there"] is value
    )


def test_nothing_is_made_if_nothing_is_missing() -> None:
    params = {"a": jnp.ones(3), "b": [jnp.ones(2)]}
    assert jax.tree.leaves(fill(params, KEY, never)) == jax.tree.leaves(params)
    assert fill({}, KEY, Rules([])) == {}


@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
@pytest.mark.parametrize("how", ["argument", "like", "bare"])
def test_shardings_are_of_what_is_made(kind: AxisType, how: str) -> None:
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(kind,) * 2)
    sharding = NamedSharding(mesh, P("x"))
    v = jax.device_put(jnp.arange(64.0).reshape(8, 8), jax.devices()[3])
    like = {"v": spec(8, 8), "w": spec(8, 8)}
    rules = {"v": "normal", "w": "he_normal"}
    expected = init_params(KEY, like, rules)
    if how == "argument":
        filled = fill({"v": v}, KEY, rules, like=like, shardings=sharding)
    elif how == "bare":
        with jax.set_mesh(mesh):
            filled = fill({"v": v}, KEY, rules, like=like, shardings=P("x"))
    else:
        like["w"] = jax.ShapeDtypeStruct((8, 8), np.float32, sharding=sharding)
        filled = fill({"v": v}, KEY, rules, like=like)
    assert filled["v"] is v
    same_bits(filled["w"], expected["w"])
    assert filled["w"].sharding.is_equivalent_to(sharding, 2)


def test_what_lies_on_a_mesh_is_seen() -> None:
    mesh = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Auto,) * 2)
    values = jnp.arange(64.0).reshape(8, 8)
    for v in (
        values,
        np.asarray(values),
        jax.device_put(values, jax.devices()[3]),
        jax.device_put(values, NamedSharding(mesh, P("y", "x"))),
    ):
        like = {"v": spec(8, 8), "g": spec(8)}
        rules = {"v": "normal", "g": WeightNormScale()}
        filled = fill({"v": v}, KEY, rules, like=like, shardings=NamedSharding(mesh, P("x")))
        np.testing.assert_allclose(filled["g"], np.linalg.norm(values, axis=0), rtol=1e-6)
        assert filled["v"] is v


LIKE = {"body": {"w": spec(4, 3), "b": spec(3)}, "head": {"w": spec(3, 2), "b": spec(2)}}
RULES = Rules([(".*/w", "he_normal"), (".*/b", "normal")])

OVERWRITTEN: dict[str, tuple[Any, set[str]]] = {
    "one": ("head/w", {"head/w"}),
    "a regex": (".*/b", {"body/b", "head/b"}),
    "several": (["head/.*", ".*/b"], {"body/b", "head/b", "head/w"}),
    "none": ([], set()),
}


@pytest.mark.parametrize("like", [None, LIKE], ids=["alone", "like"])
@pytest.mark.parametrize("name", OVERWRITTEN)
def test_what_is_overwritten_is_made_again(name: str, like: Any) -> None:
    overwrite, made = OVERWRITTEN[name]
    params = jax.tree.map(lambda leaf: jnp.full(leaf.shape, 7.0), LIKE)
    filled = fill(params, KEY, RULES, overwrite=overwrite, like=like, missing="error")
    expected, before = by_path(init_params(KEY, LIKE, RULES)), by_path(params)
    for path, value in by_path(filled).items():
        if path in made:
            same_bits(value, expected[path])
        else:
            assert value is before[path]
    # Neither the shape nor the value plays a part, nor whether there is one.
    other = {"head": {"w": np.zeros((3, 9))}, "body": {"w": params["body"]["w"]}}
    again = fill(other, KEY, RULES, like=LIKE, overwrite=["head/.*", ".*/b"], missing="error")
    same_bits(again["head"]["w"], expected["head/w"])
    same_bits(again["head"]["b"], expected["head/b"])


def test_what_is_overwritten_keeps_its_sharding() -> None:
    sharding = NamedSharding(jax.make_mesh((8,), ("x",)), P("x"))
    params = {"a": jax.device_put(jnp.zeros(8), sharding)}
    assert fill(params, KEY, "normal", overwrite="a")["a"].sharding == sharding


POLICIES: dict[str, tuple[Any, set[str], set[str]]] = {
    "init": ("init", set(), set()),
    "warn": ("warn", {"head/w", "head/b", "body/b"}, set()),
    "error": ("error", set(), {"head/w", "head/b", "body/b"}),
    "by path": ({"head/.*": "init", ".*": "error"}, set(), {"body/b"}),
    "the first wins": (
        {"head/b": "warn", "head/.*": "error", ".*": "init"},
        {"head/b"},
        {"head/w"},
    ),
    "all is spoken of": ({"head/.*": "warn", "body/b": "init"}, {"head/w", "head/b"}, set()),
}


@pytest.mark.parametrize("name", POLICIES)
def test_what_to_do_about_missing_parameters(name: str) -> None:
    missing, warned, refused = POLICIES[name]
    params = {"body": {"w": jnp.ones((4, 3))}}

    def listed(text: object) -> set[str]:
        return {line.strip() for line in str(text).splitlines() if line.startswith("  ")}

    rules = [(".*", never)] if refused else RULES
    run = functools.partial(fill, params, KEY, rules, like=LIKE, missing=missing)
    if refused:
        with pytest.raises(
            ValueError, match=r"^fill: \d of the parameters (is|are) missing"
        ) as error:
            run()
        assert listed(error.value) == refused
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        filled = run()
    assert [listed(one.message) for one in caught] == ([warned] if warned else [])
    assert [one.filename for one in caught] == [__file__] * len(caught)
    expected = init_params(KEY, LIKE, RULES)
    same_bits(filled["head"]["w"], expected["head"]["w"])


def test_axes_that_look_wrong_are_warned_of_only_where_something_is_made() -> None:
    like = {"a": {"weight": spec(8, 4)}, "b": {"weight": spec(8, 4)}}
    there = {"a": {"weight": jnp.ones((8, 4))}}
    with pytest.warns(UserWarning, match=r"^fill: 'b/weight' of shape \(8, 4\) is named as"):
        fill(there, KEY, "he_normal", like=like)
    fill({**there, "b": there["a"]}, KEY, "he_normal", like=like)


def test_progress_writes_nothing_but_a_bar(capsys: Any) -> None:
    fill({"a": jnp.ones(3), "b": spec(3)}, KEY, "normal", progress=True)
    assert capsys.readouterr().err == ""


ONE = {"a": spec(3)}
FULL = {"a": jnp.ones(3)}
REFUSED = (
    Refused(
        "lost",
        lambda: fill({**FULL, "b": {"c": FULL["a"], "d": spec(2)}}, KEY, never, like=ONE),
        ValueError,
        r"^fill: params holds 2 that like has not, and nothing is dropped:\n  b/c\n  b/d\nTake",
    ),
    Refused(
        "lost to what is no parameter",
        lambda: fill({"rate": jnp.ones(())}, KEY, never, like=TREES["Equinox"]()),
        ValueError,
        r"^fill: params holds 1 that like has not, and nothing is dropped:\n  rate\n",
    ),
    Refused(
        "other shapes",
        lambda: fill(
            {"a": jnp.ones(4), "b": np.ones(2)}, KEY, never, like={**ONE, "b": spec(2), "c": spec()}
        ),
        ValueError,
        r"^fill: 2 .* as like has them:\n  a: float32 \(4,\), and like has float32 \(3,\)\n"
        r"  b: float64 \(2,\), and like has float32 \(2,\)\n.* overwrite",
    ),
    Refused(
        "a shape of another shape",
        lambda: fill({"a": spec(4)}, KEY, never, like=ONE),
        ValueError,
        r"a: float32 \(4,\), and like has float32 \(3,\)",
    ),
    Refused(
        "a number",
        lambda: fill({"a": 0.5}, KEY, never, like=ONE),
        ValueError,
        r"a: 0\.5 of type float, and like has float32 \(3,\)",
    ),
    Refused(
        "a number without like",
        lambda: fill({"a": 0.5}, KEY, never),
        TypeError,
        r"^fill: the leaf 'a' of params must be an array or a jax\.ShapeDtypeStruct; got 0\.5 of",
    ),
    Refused(
        "like holds a number",
        lambda: fill(FULL, KEY, never, like={"a": 3}),
        TypeError,
        r"^fill: the leaf 'a' of like must be an array or a jax\.ShapeDtypeStruct; got 3 of type",
    ),
    Refused(
        "what Orbax leaves",
        lambda: fill({"a": ...}, KEY, never),
        ValueError,
        r"^fill: 'a' is \.\.\., which has no shape; pass the whole tree of shapes as like$",
    ),
    Refused(
        "missing is to be kept",
        lambda: fill({}, KEY, Keep(), like=ONE),
        ValueError,
        r"^fill: 'a' is to be kept, but has no value",
    ),
    Refused(
        "overwritten is to be kept",
        lambda: fill(FULL, KEY, [("a", Keep())], overwrite="a"),
        ValueError,
        r"^fill: 'a' is named by overwrite, and its rule keeps it; give it an initializer$",
    ),
    Refused(
        "a dead regex of overwrite",
        lambda: fill({"head": jnp.ones(3)}, KEY, never, overwrite=["head", "haed"]),
        ValueError,
        r"^fill: overwrite names 'haed', which matches no parameter \(did you mean 'head'\?\)$",
    ),
    Refused(
        "an invalid regex of overwrite",
        lambda: fill(FULL, KEY, never, overwrite="(a"),
        ValueError,
        r"^fill: overwrite has the invalid regular expression '\(a'",
    ),
    Refused(
        "overwrite is no regex",
        lambda: fill(FULL, KEY, never, overwrite=3),  # type: ignore[call-overload]
        TypeError,
        r"^fill: overwrite must be a regular expression of paths, or a sequence of them; got 3 of",
    ),
    Refused(
        "overwrite holds no regex",
        lambda: fill(FULL, KEY, never, overwrite=[3]),  # type: ignore[call-overload]
        TypeError,
        r"^fill: overwrite has 3, which is no regular expression of paths$",
    ),
    Refused(
        "an unknown policy",
        lambda: fill({}, KEY, never, like=ONE, missing="eror"),  # type: ignore[call-overload]
        ValueError,
        r"^fill: missing must be one of 'init', 'warn', 'error'; got 'eror' \(did you mean 'error'",
    ),
    Refused(
        "an unknown policy of a path",
        lambda: fill({}, KEY, never, like=ONE, missing={"a": None}),  # type: ignore[call-overload]
        ValueError,
        r"^fill: missing\['a'\] must be one of 'init', 'warn', 'error'; got None$",
    ),
    Refused(
        "a dead regex of a policy",
        lambda: fill(FULL, KEY, never, like=ONE, missing={"b": "init", ".*": "error"}),
        ValueError,
        r"^fill: missing names 'b', which matches no parameter",
    ),
    Refused(
        "no policy",
        lambda: fill(
            FULL, KEY, never, like={**ONE, "b": spec(), "c": spec()}, missing={"a|b": "init"}
        ),
        ValueError,
        r"^fill: 1 of the parameters is missing:\n  c\nmissing does not speak of them; add '\.\*'",
    ),
    Refused(
        "no rule",
        lambda: fill(FULL, KEY, [("b", "zeros")], like={**ONE, "b": spec()}),
        ValueError,
        r"^Rules: 1 of the parameters match no rule.*\n  a\n",
    ),
    Refused(
        "a dead rule",
        lambda: fill(FULL, KEY, [("b", "zeros"), ("a", "ones")]),
        ValueError,
        r"^Rules: these rules are never used:\n  rule 1, 'b'",
    ),
    Refused(
        "no key",
        lambda: fill(FULL, "seed", never),  # type: ignore[call-overload]
        TypeError,
        r"^fill: key ",
    ),
)


@each(REFUSED)
def test_what_is_refused_makes_nothing(refused: Refused) -> None:
    refused.check()


def test_a_rule_whose_leaves_are_there_is_not_dead() -> None:
    rules = [("body/.*", "zeros"), ("head", "ones")]
    filled = fill({"body": {"w": jnp.ones(3)}, "head": spec(2)}, KEY, rules)
    assert filled["head"].tolist() == [1, 1]

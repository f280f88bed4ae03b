"""Laws that see other parameters of the same model."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from cthulhu.fans import Layout
from cthulhu.initializers import (
    Blocked,
    ByDepth,
    HeNormal,
    Orthogonal,
    RandomUniform,
    RingUniform,
    Scaled,
    TorchBias,
)
from cthulhu.params import (
    FromSiblings,
    Keep,
    Plan,
    RingNormalizer,
    Rules,
    Tied,
    WeightNormScale,
    init_params,
    plan,
    verify,
)
from tests.cases import RANDOM, Case, by_id, same_bits
from tests.refusals import Refused, each


def spec(*shape: int, dtype: Any = np.float32) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def limit(kernel: Any, rule: Any = "torch_linear", bias: Any = None, **options: Any) -> float:
    """The bound of a bias beside a kernel, as 1 / bound**2: the fan_in that it saw."""
    rules = {"dense/kernel": rule, "dense/bias": bias or TorchBias()}
    planned = plan({"dense": {"kernel": kernel, "bias": spec(5)}}, rules, **options)
    (leaf,) = (leaf for leaf in planned.leaves if leaf.path[-1] == "bias")
    assert leaf.draw is not None
    return 1 / leaf.draw.recipe.law.support(*leaf.draw.scalars)[1] ** 2


def test_a_bias_sees_the_inputs_of_its_kernel() -> None:
    """`fan_in` of `torch.nn.Linear` and `Conv2d`, which torch reads off the weight."""
    for kernel, fan_in in (
        (spec(64, 5), 64),
        (spec(3, 3, 16, 5), 144),
    ):
        assert limit(kernel) == pytest.approx(fan_in, rel=1e-5)
    assert limit(spec(5, 64), layout="out_in") == pytest.approx(64, rel=1e-5)
    assert limit(spec(5, 64), "zeros", layout="out_in") == pytest.approx(64, rel=1e-5)
    # The axes of the kernel's own initializer count, also within another.
    turned = HeNormal(in_axis=1, out_axis=0)
    assert limit(spec(5, 64), turned) == pytest.approx(64, rel=1e-5)
    assert limit(spec(5, 64), Scaled(turned, 0.5)) == pytest.approx(64, rel=1e-5)
    torch_conv = HeNormal(layout="torch_conv")
    assert limit(spec(5, 16, 3, 3), torch_conv) == pytest.approx(144, rel=1e-5)
    # What the bias says counts before that.
    said = TorchBias(layout="torch_conv")
    assert limit(spec(5, 16, 3, 3), "zeros", said) == pytest.approx(144, rel=1e-5)
    by_axes = TorchBias(layout=Layout(in_axis=0, out_axis=1))
    assert limit(spec(64, 5), turned, by_axes) == pytest.approx(64, rel=1e-5)
    assert limit(spec(64, 5), bias=TorchBias(fan_in=9)) == pytest.approx(9, rel=1e-5)
    # Each half of a bias of blocks sees the whole kernel.
    halves = Blocked([TorchBias(), "zeros"], (2, 3))
    rules = {"kernel": "he_normal", "bias": halves}
    bias = init_params(0, {"kernel": spec(16, 5), "bias": spec(5)}, rules)["bias"]
    assert np.abs(bias[:2]).max() <= 0.25
    assert bias[2:].tolist() == [0, 0, 0]


def test_the_bias_of_torch_itself() -> None:
    torch = pytest.importorskip("torch")
    for layer in (torch.nn.Linear(49, 2000), torch.nn.Conv2d(6, 2000, 3, groups=2)):
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        fan_in = math.prod(weight.shape[1:])
        tree = {"weight": spec(*weight.shape), "bias": spec(*bias.shape)}
        rules = {"weight": "torch_linear", "bias": TorchBias(kernel="weight")}
        made = init_params(0, tree, rules, layout="out_in")["bias"]
        for values in (bias, made):
            assert np.abs(values).max() == pytest.approx(fan_in**-0.5, rel=0.01)


def test_a_bias_without_inputs_is_zero() -> None:
    rules = {"kernel": "torch_linear", "bias": TorchBias()}
    made = init_params(0, {"kernel": spec(0, 4), "bias": spec(4)}, rules)
    assert made["bias"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("case", RANDOM, ids=by_id)
def test_tied_parameters_are_equal_to_the_last_bit(case: Case) -> None:
    shape = case.shape
    tree = {"a": spec(*shape), "b": {"c": spec(*shape)}}
    made = init_params(3, tree, {"a": case.instance(), "b/c": Tied("/a")})
    same_bits(made["a"], made["b"]["c"])


def test_tied_parameters_may_be_transposed_and_of_other_types() -> None:
    tree = {"a": spec(24, 40), "b": {"c": spec(40, 24), "d": spec(24, 40, dtype=jnp.bfloat16)}}
    rules = {"a": "he_normal", "b/c": Tied("../a", transpose=True), "b/d": Tied("../b/../a")}
    made = init_params(3, tree, rules)
    same_bits(made["a"].T, made["b"]["c"])
    same_bits(made["a"].astype(jnp.bfloat16), made["b"]["d"])


V, G = spec(3, 16, 8), spec(8)


def test_weight_norm_begins_with_its_direction() -> None:
    norms = WeightNormScale()
    made = init_params(0, {"g": G, "v": V}, {"v": "he_normal", "g": norms})
    expected = np.sqrt(np.square(made["v"]).sum((0, 1)))
    np.testing.assert_allclose(made["g"], expected, rtol=1e-6)
    first = WeightNormScale(out_axis=0)
    made = init_params(0, {"g": spec(3, 1, 1), "v": V}, {"v": "he_normal", "g": first})
    expected = np.linalg.norm(np.asarray(made["v"]).reshape(3, -1), axis=1)
    np.testing.assert_allclose(made["g"][:, 0, 0], expected, rtol=1e-6)


def test_weight_norm_of_torch_itself() -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(4, 6, 3))
    weight = layer.parametrizations.weight
    g, v = weight.original0, weight.original1
    tree = {"g": spec(*g.shape), "v": jnp.asarray(v.detach().numpy())}
    made = init_params(0, tree, {"v": Keep(), "g": WeightNormScale(out_axis=0)})
    np.testing.assert_allclose(made["g"], g.detach().numpy(), rtol=1e-6)


def test_the_normalizer_of_linear_recurrent_units() -> None:
    """Against the definition of the paper, in double precision."""
    tree = {"lru": {"gamma": spec(500), "nu": spec(500)}}
    rules = {"lru/nu": RingUniform(0.9, 0.9999), "lru/gamma": RingNormalizer()}
    made = init_params(0, tree, rules)["lru"]
    modulus = np.exp(-np.exp(np.asarray(made["nu"], float)))
    expected = np.log(np.sqrt(1 - np.abs(modulus) ** 2))
    np.testing.assert_allclose(made["gamma"], expected, rtol=2e-6)


def mean_of(key: jax.Array, shape: Any, dtype: Any, a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.full(shape, (a.mean() + b.mean()) / 2, dtype)


def noisy(key: jax.Array, shape: Any, dtype: Any, a: jax.Array) -> jax.Array:
    return a + jax.random.normal(key, shape, dtype)


TREE = {
    "a": spec(6, 8),
    "b": spec(6, 8),
    "c": spec(),
    "d": spec(6, 8),
    "e": spec(6, 8),
    "dense": {"bias": spec(8), "kernel": spec(6, 8)},
}
RULES = Rules(
    {
        "a": "he_normal",
        "b": Orthogonal(),
        # Made of what is made of others, and of what comes later.
        "c": FromSiblings(mean_of, a="a", b="e"),
        "d": FromSiblings(noisy, a="dense/kernel"),
        "e": Tied("d"),
        "dense/kernel": jax.nn.initializers.lecun_normal(),
        "dense/bias": TorchBias(),
    }
)


def test_siblings_of_siblings_under_every_way_of_making() -> None:
    planned = plan(TREE, RULES)
    params = planned.run(5)
    np.testing.assert_allclose(
        params["c"], (params["a"].mean() + params["e"].mean()) / 2, rtol=1e-5
    )
    same_bits(params["d"], params["e"])
    assert 0.5 < float((params["d"] - params["dense"]["kernel"]).std()) < 1.5
    assert verify(params, 5, planned)
    assert not verify({**params, "c": params["c"] + 1}, 5, planned)
    streamed = dict(planned.stream(5))
    for path, value in streamed.items():
        same_bits(value, functools.reduce(lambda node, name: node[name], path.split("/"), params))
    traced = jax.jit(lambda key: init_params(key, TREE, RULES))(jax.random.key(5))
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6), traced, params
    )
    # What a parameter is does not depend on the order of the tree, nor on what is beside it.
    backwards = dict(reversed(TREE.items()))
    jax.tree.map(same_bits, dict(init_params(5, backwards, RULES)), dict(params))


def test_kept_siblings_are_seen() -> None:
    trained = {"v": jnp.arange(32.0).reshape(4, 8), "g": spec(8), "h": spec(8)}
    rules = {"v": Keep(), "g": WeightNormScale(), "h": FromSiblings(double, g="g")}
    planned = plan(trained, rules)
    made = planned.run(0)
    norms = np.linalg.norm(np.arange(32.0).reshape(4, 8), axis=0)
    np.testing.assert_allclose(made["g"], norms, rtol=1e-6)
    np.testing.assert_allclose(made["h"], 2 * norms, rtol=1e-6)
    jitted = jax.jit(lambda v: init_params(0, {**trained, "v": v}, rules))(trained["v"])
    np.testing.assert_allclose(jitted["h"], 2 * norms, rtol=1e-6)
    # Other values in the same program.
    other = init_params(0, {**trained, "v": 2 * trained["v"]}, rules)
    np.testing.assert_allclose(other["g"], 2 * norms, rtol=1e-6)


def double(key: jax.Array, shape: Any, dtype: Any, g: jax.Array) -> jax.Array:
    return 2 * g


def sum_of_both(key: jax.Array, shape: Any, dtype: Any, v: jax.Array, one: jax.Array) -> jax.Array:
    return v.sum(0) + one.sum()


def test_layers_see_their_own_siblings() -> None:
    tree = {"v": spec(3, 16, 8), "g": spec(3, 8), "bias": spec(3, 8), "one": spec(16)}
    rules = {
        "v": "he_normal",
        "g": WeightNormScale(),
        "bias": TorchBias(kernel="v"),
        "one": "ones",
    }
    made = init_params(0, tree, rules, stacked={"v|g|bias": 0})
    np.testing.assert_allclose(made["g"], np.sqrt(np.square(made["v"]).sum(1)), rtol=1e-6)
    assert np.abs(made["bias"]).max() <= 0.25
    jitted = jax.jit(lambda key: init_params(key, tree, rules, stacked={"v|g|bias": 0}))
    np.testing.assert_allclose(jitted(jax.random.key(0))["g"], made["g"], rtol=1e-6)
    # One parameter for all layers.
    rules["g"] = FromSiblings(
        lambda key, shape, dtype, v, one: v.sum(0) + one.sum(), v="v", one="one"
    )
    made = init_params(0, tree, rules, stacked={"v|g|bias": 0})
    np.testing.assert_allclose(made["g"], np.asarray(made["v"]).sum(1) + 16, rtol=1e-5)


def test_shardings_change_where_the_values_are() -> None:
    mesh = jax.make_mesh((4, 2), ("x", "y"))
    tree = {"v": spec(16, 8), "g": spec(8), "tied": spec(8, 16)}
    rules = {"v": "he_normal", "g": WeightNormScale(), "tied": Tied("v", transpose=True)}
    plain = init_params(0, tree, rules)
    shardings = {
        "v": NamedSharding(mesh, P("x", "y")),
        "g": NamedSharding(mesh, P("y")),
        "tied": NamedSharding(mesh, P("y", "x")),
    }
    made = init_params(0, tree, rules, shardings=shardings)
    for name, value in made.items():
        assert value.sharding.is_equivalent_to(shardings[name], value.ndim)
    same_bits(made["tied"], plain["tied"])
    np.testing.assert_allclose(made["g"], plain["g"], rtol=1e-6)
    kept = {**made, "g": spec(8)}
    again = init_params(0, kept, {**rules, "v": Keep(), "tied": Keep()}, shardings=shardings)
    np.testing.assert_allclose(again["g"], plain["g"], rtol=1e-6)


def test_plans_with_siblings_go_through_json() -> None:
    tree = {"v": spec(16, 8), "g": spec(8), "bias": spec(8), "nu": spec(4), "gamma": spec(4)}
    rules = {
        "v": "he_normal",
        "g": WeightNormScale(),
        "bias": TorchBias(kernel="v"),
        "nu": RingUniform(0.9, 0.99),
        "gamma": RingNormalizer(),
    }
    planned = plan(tree, rules)
    again = Plan.from_json(planned.to_json())
    assert again.rows == planned.rows
    jax.tree.map(same_bits, again.run(1), planned.run(1))
    rows = {row.path: row.initializer for row in planned.rows}
    assert rows["g"] == "WeightNormScale(v='v', out_axis=[-1])"
    assert rows["bias"] == "TorchBias(fan_in=16, kernel='v')"
    # A function has no config: the plan can be looked at, and not run.
    own = plan({"a": spec(2), "b": spec(2)}, {"a": "ones", "b": FromSiblings(double, g="a")})
    with pytest.raises(ValueError, match=r"could not hold the initializers of 'b'"):
        Plan.from_json(own.to_json()).run(0)


def test_programs_are_shared_by_equal_laws_and_siblings() -> None:
    tree = {name: {"v": spec(16, 8), "g": spec(8)} for name in "abc"}
    rules = [(".*/v", RandomUniform()), (".*/g", WeightNormScale())]
    assert plan(tree, rules).programs == 2


@each(
    [
        Refused(
            "no such parameter",
            lambda: init_params(
                0,
                {"dense": {"kernels": spec(2, 2), "bias": spec(2)}},
                {".*bias": TorchBias(), ".*": "ones"},
            ),
            ValueError,
            r"^init_params: 'dense/bias': TorchBias\(\) sees 'kernel', which is 'dense/kernel', "
            r"and there is no such parameter \(did you mean 'dense/kernels'\?\)\. Paths begin",
        ),
        Refused(
            "a circle",
            lambda: init_params(
                0,
                {"a": spec(2), "b": spec(2), "c": spec(2)},
                {"a": Tied("b"), "b": Tied("c"), "c": Tied("b")},
            ),
            ValueError,
            r"^init_params: these parameters are made of each other: 'b' -> 'c' -> 'b'; one",
        ),
        Refused(
            "itself",
            lambda: init_params(0, {"a": spec(2)}, {"a": Tied("a")}),
            ValueError,
            r"^init_params: these parameters are made of each other: 'a' -> 'a'",
        ),
        Refused(
            "within another",
            lambda: init_params(
                0, {"a": spec(2), "b": spec(2)}, {"a": Scaled(Tied("b"), 2.0), "b": "ones"}
            ),
            ValueError,
            r"^init_params: 'a': Tied\(.*\) sees other parameters, and must not be within another",
        ),
        Refused(
            "alone",
            lambda: WeightNormScale()(jax.random.key(0), (2,)),
            ValueError,
            r"^WeightNormScale\(v='v', .*\) sees other parameters \('v'\), and alone",
        ),
        Refused(
            "a bias alone",
            lambda: TorchBias()(jax.random.key(0), (2,)),
            ValueError,
            r"^torch_bias: how many inputs has the kernel\? Say fan_in=…, or use it in Rules",
        ),
        Refused(
            "other shapes",
            lambda: init_params(
                0, {"a": spec(2, 3), "b": spec(3, 2)}, {"a": Tied("b"), "b": "ones"}
            ),
            ValueError,
            r"^Tied: the parameter 'b' has shape \(3, 2\), and \(2, 3\) was asked for$",
        ),
        Refused(
            "norms of other shapes",
            lambda: init_params(
                0, {"g": spec(3), "v": spec(3, 2)}, {"g": WeightNormScale(), "v": "ones"}
            ),
            ValueError,
            r"^WeightNormScale: of 'v' of shape \(3, 2\) with out_axis=\(-1,\) there are norms of",
        ),
        Refused(
            "another shape than the law's",
            lambda: init_params(
                0,
                {"a": spec(3), "b": spec(2)},
                {"a": FromSiblings(lambda key, shape, dtype, b: b, b="b"), "b": "ones"},
            ),
            ValueError,
            r"^the initializer of 'a' was asked for shape \(3,\), and it returned .* \(2,\)$",
        ),
        Refused("no path", lambda: Tied(3), TypeError, r"^Tied: to must be the path of a param"),
        Refused(
            "no flag", lambda: Tied("a", 1), TypeError, r"^Tied: transpose must be True or False"
        ),
        Refused(
            "no path of a function",
            lambda: FromSiblings(double, g=None),
            TypeError,
            r"^FromSiblings: g must be the path of a parameter, .*; got None$",
        ),
        Refused(
            "no function",
            lambda: FromSiblings("v", g="a"),
            TypeError,
            r"^FromSiblings: function must be a function \(key, shape, dtype, \*\*siblings\)",
        ),
        Refused(
            "no axis", lambda: WeightNormScale("v", 0.5), TypeError, r"^WeightNormScale: out_a"
        ),
    ]
)
def test_what_cannot_be_seen_is_refused(refused: Refused) -> None:
    refused.check()


def test_layers_that_by_depth_makes_are_seen_one_by_one() -> None:
    """Whether the axis is said beside the rules or by the initializer itself."""
    tree = {"v": spec(3, 16, 8), "g": spec(3, 8), "bias": spec(3, 8)}
    for by_depth, stacked in (
        (ByDepth("he_normal", "1/L"), {"v|g|bias": 0}),
        (ByDepth("he_normal", "1/L", axis=0), {"g|bias": 0}),
    ):
        rules = {"v": by_depth, "g": WeightNormScale(), "bias": TorchBias(kernel="v")}
        made = init_params(0, tree, rules, stacked=stacked)
        np.testing.assert_allclose(made["g"], np.sqrt(np.square(made["v"]).sum(1)), rtol=1e-6)
        assert 0.22 < np.abs(made["bias"]).max() <= 0.25
    rules = {"v": "he_normal", "g": WeightNormScale()}
    with pytest.raises(ValueError, match=r"'g' stacks 2 layers, and 'v', .* stacks 3$"):
        init_params(0, {"v": spec(3, 16, 8), "g": spec(2, 8)}, rules, stacked=0)


def test_complex_directions_have_real_lengths() -> None:
    tree = {"v": spec(16, 8, dtype=np.complex64), "g": spec(8)}
    made = init_params(0, tree, {"v": "lecun_normal", "g": WeightNormScale()})
    np.testing.assert_allclose(made["g"], np.linalg.norm(made["v"], axis=0), rtol=1e-6)


def test_a_sibling_is_called_otherwise_than_the_other_arguments() -> None:
    with pytest.raises(TypeError, match="key is an argument that the function has anyway"):
        FromSiblings(double, key="kernel")


def test_paths_of_one_text_are_leaves_of_their_own() -> None:
    """As names of Haiku and of linen's weight norms, which have slashes."""
    tree = {"a/b": spec(2), "a": {"b": spec(2)}, "c": spec(2)}
    made = init_params(0, tree, {"c": Tied("a/b"), ".*": "random_normal"})
    assert not np.array_equal(made["a/b"], made["a"]["b"])
    first = made["a"]["b"] if next(iter(jax.tree.leaves(tree))) is tree["a"]["b"] else made["a/b"]
    same_bits(made["c"], first)


def test_kept_layers_are_counted_from_either_end() -> None:
    """An axis of a parameter that stays as it is may be negative, as any other's."""
    tree = {"kernel": jnp.ones((16, 4, 3)), "bias": spec(4, 3)}
    rules = {"kernel": Keep(), "bias": TorchBias()}
    planned = plan(tree, rules, stacked=-1)
    (bias,) = (leaf for leaf in planned.leaves if not leaf.kept)
    assert bias.initializer.fan_in == 16

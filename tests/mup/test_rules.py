"""Laws at another width: their standard deviations, which are told, and what is drawn."""

import math
from typing import Any

import jax
import numpy as np
import pytest

from cthulhu import init_params, plan
from cthulhu.initializers import (
    Blocked,
    ByDepth,
    HeNormal,
    Identity,
    LecunNormal,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    Scaled,
    Stacked,
    TorchBias,
    TruncatedNormal,
    VarianceScaling,
)
from cthulhu.laws import Normal
from cthulhu.mup import CompleteP, Shapes, UMuP, fold_readout, infer, rules
from cthulhu.params import (
    FromSiblings,
    Keep,
    OrthogonalTo,
    RingNormalizer,
    Rule,
    Rules,
    Tied,
    WeightNormScale,
)
from cthulhu.trees import flatten, join
from cthulhu.usage import Usage
from tests.cases import KEY, same_bits
from tests.mup.models import leaf, mlp, shapes, spec, tied, transformer, usage
from tests.refusals import Refused, each

MLP = infer(mlp(16), mlp(64), layout="in_out")
PATHS = [leaf.path for leaf in MLP]
KERNELS = ("first/kernel", "middle/kernel", "last/kernel")


def by_path(tree: Any) -> dict[str, Any]:
    paths, leaves, _ = flatten(tree)
    return dict(zip(map(join, paths), leaves, strict=True))


def stddevs(known: Shapes, tree: Any, given: Any, kind: Any = "mup", **options: Any) -> Any:
    """The standard deviation of the law of each parameter."""
    made = rules(given, known, kind, **options)
    rows = plan(tree, made, stacked=options.get("stacked", {})).rows
    return {row.path: row.stddev for row in rows}


def kernels(law: Any) -> list[Any]:
    return [(".*/kernel", law), (".*/bias", "zeros")]


# Of 6 inputs, a width of 16 in the base and of 64, and 4 outputs: what is hidden falls with the
# root of the width, and the others have what they have in the base.
STDDEVS: dict[str, tuple[Any, tuple[float, float, float]]] = {
    "constant": (RandomNormal(stddev=0.02), (0.02, 0.01, 0.02)),
    "uniform": (RandomUniform(-0.3, 0.3), (0.3 / 3**0.5, 0.15 / 3**0.5, 0.3 / 3**0.5)),
    "fan_in": (LecunNormal(), (6**-0.5, 64**-0.5, 16**-0.5)),
    "he": (HeNormal(), (3**-0.5, 32**-0.5, 8**-0.5)),
    "fan_out": (VarianceScaling(1.0, "fan_out"), (16**-0.5, 64**-0.5, 4**-0.5)),
    "fan_avg": ("glorot_uniform", (11**-0.5, 64**-0.5, 10**-0.5)),
    "orthogonal": (Orthogonal(), (16**-0.5, 64**-0.5, 16**-0.5)),
    "scaled": (Scaled("lecun_normal", 3.0), (3 * 6**-0.5, 3 * 64**-0.5, 3 * 16**-0.5)),
    "zeros": ("zeros", (0, 0, 0)),
}


@pytest.mark.parametrize("name", STDDEVS)
def test_a_law_has_the_scale_of_the_base_and_of_its_role(name: str) -> None:
    law, expected = STDDEVS[name]
    found = stddevs(MLP, mlp(64), kernels(law))
    assert tuple(found[path] for path in KERNELS) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", STDDEVS)
def test_without_its_own_factor_a_readout_is_smaller_by_the_width(name: str) -> None:
    law, (first, middle, last) = STDDEVS[name]
    found = stddevs(fold_readout(MLP), mlp(64), kernels(law))
    expected = first, middle, last / 4
    assert tuple(found[path] for path in KERNELS) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", STDDEVS)
def test_in_u_mup_every_weight_has_standard_deviation_one(name: str) -> None:
    known, tree = shapes(8, 192), transformer(8, 192)
    found = stddevs(
        known,
        tree,
        [("temperature", "ones"), (".*norm|.*bias", "ones"), (".*", STDDEVS[name][0])],
        "umup",
        stacked={"blocks/.*": 0},
    )
    weights = {"blocks/out", "blocks/query", "blocks/up/kernel", "embed", "head/kernel"}
    expected = {path: float(path in weights and name != "zeros") for path in found}
    assert found == pytest.approx(expected, rel=1e-5)


def test_what_is_drawn_has_that_scale() -> None:
    """That of 4096 normals is wrong by 5 % with a chance of 6e-6, and the key is fixed."""
    made = init_params(KEY, mlp(64), rules(kernels(RandomNormal(stddev=0.02)), MLP))
    assert made["middle"]["kernel"].std() == pytest.approx(0.01, rel=0.05)


def test_a_cut_is_scaled_with_the_law() -> None:
    made = init_params(KEY, mlp(64), rules(kernels(TruncatedNormal(stddev=0.02)), MLP))
    assert 0.019 < abs(made["middle"]["kernel"]).max() <= 0.02 * 1.0001


def test_spectral_scales_by_inputs_and_outputs() -> None:
    known = shapes(8, 192)
    found = stddevs(known, transformer(8, 192), [(".*", RandomNormal(stddev=0.02))], "spectral")
    assert found["blocks/up/kernel"] == pytest.approx(0.01)
    assert found["head/kernel"] == pytest.approx(0.02 * math.sqrt(40) / 16)
    assert found["embed"] == pytest.approx(0.02)


def test_what_is_tied_keeps_its_law() -> None:
    found = rules([(".*", RandomNormal(stddev=0.5))], tied(64))
    assert [(rule.pattern, rule.initializer) for rule in found.rules] == [
        ("hidden", Scaled(RandomNormal(stddev=0.5), 0.5)),
        (".*", RandomNormal(stddev=0.5)),
    ]


BLOCKS = [
    (r"h/(?P<layer>\d+)/out", ByDepth(RandomNormal(stddev=0.02), "1/sqrt(2 * L)")),
    (r".*/(up|mid)", "lecun_normal"),
    (".*", "zeros"),
]


def deep(width: int, layers: int) -> dict[str, Any]:
    block = {"up": spec(width, 4 * width), "out": spec(4 * width, width), "mid": spec(width, width)}
    return {"h": [block] * layers, "norm": spec(width)}


DEEP = infer(deep(16, 8), deep(64, 8), layout="in_out")


@pytest.mark.parametrize("kind", ["mup", "spectral", "completep", CompleteP(1.0, 0.5)])
def test_at_the_base_rules_are_as_they_were_to_the_bit(kind: Any) -> None:
    known = infer(deep(16, 3), deep(16, 3), layout="in_out", delta=deep(32, 3))
    assert {leaf.role for leaf in known} == {"hidden", "input"}
    made = rules(BLOCKS, known, kind)
    assert made == Rules(BLOCKS)
    ours, theirs = (init_params(KEY, deep(16, 3), one) for one in (made, BLOCKS))
    for path, value in by_path(ours).items():
        same_bits(value, by_path(theirs)[path])


def test_what_needs_no_factor_is_left_as_it_is() -> None:
    """He's and LeCun's laws are those of μP where inputs and outputs grow both."""
    hidden = infer({"w": spec(16, 16)}, {"w": spec(48, 48)})
    for law in (
        LecunNormal(),
        HeNormal(),
        VarianceScaling(2.0, "fan_avg", "uniform"),
        Orthogonal(),
    ):
        assert rules([("w", law)], hidden) == Rules([("w", law)])
    assert rules([("w", Identity())], hidden) == Rules([("w", Identity())])


def test_rules_stay_as_few_and_as_they_were_where_they_may() -> None:
    given = [(".*/bias", "zeros"), ("no/.*", "ones"), (".*", "lecun_normal")]
    optional = [given[0], Rule("no/.*", "ones", optional=True), given[2]]
    made = rules(optional, MLP).rules
    assert [(rule.pattern, rule.initializer) for rule in made] == [
        (".*/bias", Rules("zeros").rules[0].initializer),
        ("no/.*", Rules("ones").rules[0].initializer),
        ("last/kernel", Scaled(LecunNormal(), 2.0)),
        (".*", LecunNormal()),
    ]
    assert made[1].optional


def test_a_rule_that_is_changed_must_be_needed() -> None:
    (changed, rest) = rules([Rule(".*", "lecun_normal", optional=True)], MLP).rules
    assert (changed.pattern, changed.optional, rest.optional) == (
        "first/bias|last/kernel|middle/bias",
        False,
        True,
    )


def test_what_does_not_change_keeps_the_pattern() -> None:
    tree = lambda width: {"a": spec(width, width), **{n: spec(width, 2) for n in "bc"}}  # noqa: E731
    known = infer(tree(16), tree(64), layout="in_out")
    assert rules("lecun_normal", known) == Rules(
        [("b|c", Scaled(LecunNormal(), 2.0)), (".*", LecunNormal())]
    )


def test_where_all_of_a_rule_change_alike_its_pattern_stays() -> None:
    made = rules([("middle/kernel", RandomNormal()), (".*", "zeros")], MLP)
    assert made.rules[0] == Rule("middle/kernel", Scaled(RandomNormal(), 0.5))


def test_names_of_paths_are_no_regular_expressions() -> None:
    tree = lambda width: {"a.b": spec(width, width), "a+b": spec(width, width)}  # noqa: E731
    known = infer(tree(16), tree(64), roles={r"a\.b": "input"}, layout="in_out")
    assert [leaf.role for leaf in known] == ["hidden", "input"]
    made = rules([(".*", RandomNormal(stddev=1.0))], known)
    found = {row.path: row.stddev for row in plan(tree(64), made, stacked={}).rows}
    assert found == {"a+b": 0.5, "a.b": 1.0}


def test_layouts_are_kept() -> None:
    tree = lambda width: {"w": spec(4, width), "q": spec(width, 4, 8)}  # noqa: E731
    known = infer(tree(16), tree(64), roles={"w": "output", "q": "output"})
    query = Rule("q", "lecun_normal", layout="attention_qkv", role="attention.query")
    made = rules(Rules([query, (".*", "lecun_normal")], layout="out_in"), known)
    assert made.layout == "out_in"
    assert made.rules[0].layout == "attention_qkv"
    assert made.rules[0].role == "attention.query"
    assert made.rules[0].initializer == Scaled(LecunNormal(), 2.0)
    found = {row.path: row.stddev for row in plan(tree(64), made).rows}
    assert found == {"q": 0.25, "w": 0.25}
    assert rules([(".*", "lecun_normal")], known, layout="out_in").layout == "out_in"


def test_usage_tells_axes_and_stacks_and_is_kept() -> None:
    """Of kernels (in, heads, size) and (heads, size, out) the default axes would be wrong."""
    known, tree, given = (
        shapes(8, 192),
        transformer(8, 192),
        [
            (".*(norm|bias|temperature)", "zeros"),
            (".*", "lecun_normal"),
        ],
    )
    made = rules(given, known, usage=usage(8, 192))
    assert made == rules(Rules(given, usage=usage(8, 192)), known)
    assert made.usage == usage(8, 192)
    found = {row.path: row.stddev for row in plan(tree, made).rows}
    # By the features of the base, 16, in the table; by those at hand, 64, where both grow.
    expected = {"embed": 1 / 4, "head/kernel": 1 / 4}
    expected |= dict.fromkeys(["blocks/out", "blocks/query", "blocks/up/kernel"], 1 / 8)
    assert {path: found[path] for path in expected} == pytest.approx(expected, rel=1e-5)
    assert made.rules[1].pattern == "embed|head/kernel"


def test_what_does_not_count_is_that_of_the_wide_model() -> None:
    """Of a convolution whose field grows too, and of a stack that gets deeper."""
    conv = leaf("w", (3, 3, 4, 8), "kernel", inputs=(2,), outputs=(3,))
    known = infer({"w": spec(3, 3, 4, 8)}, {"w": spec(5, 5, 16, 8)}, Usage((conv,)))
    (row,) = plan({"w": spec(5, 5, 16, 8)}, rules([("w", "lecun_normal")], known)).rows
    assert row.stddev == pytest.approx((4 * 25) ** -0.5, rel=1e-5)
    known = infer({"w": spec(2, 8, 8)}, {"w": spec(8, 8, 8)}, stacked=0)
    deeper = [("w", ByDepth(RandomNormal(stddev=1.0), "1/sqrt(L)", axis=0))]
    assert rules(deeper, known) == Rules(deeper)


def test_layers_by_path_each_have_their_factor() -> None:
    found = stddevs(DEEP, deep(64, 8), BLOCKS)
    assert [found[f"h/{layer}/out"] for layer in (0, 7)] == pytest.approx([0.01 / 4] * 2)
    assert found["h/3/up"] == pytest.approx(64**-0.5)


BY_LAYER = [
    (r"h/(?P<layer>\d+)/(out|up)", ByDepth(LecunNormal(), "1/sqrt(2 * (l + 1))")),
    (".*", "zeros"),
]


def test_layers_by_path_know_which_they_are_when_rules_are_split() -> None:
    given = [
        (r"h/(?P<layer>\d+)/.*", ByDepth(LecunNormal(), "1/sqrt(2 * (l + 1))")),
        (".*", "ones"),
    ]
    known = infer(deep(16, 4), deep(64, 4), layout="in_out", roles={"h/./up": "output"})
    found = stddevs(known, deep(64, 4), given)
    for layer in range(4):
        factor = (2 * (layer + 1)) ** -0.5
        assert found[f"h/{layer}/up"] == pytest.approx(16**-0.5 * factor, rel=1e-5)
        assert found[f"h/{layer}/out"] == pytest.approx(256**-0.5 * factor, rel=1e-5)


STACK = {"blocks/.*": 0}


@pytest.mark.parametrize(
    "law",
    [
        ByDepth(RandomNormal(stddev=0.02), "1/sqrt(L)"),
        ByDepth(RandomNormal(stddev=0.02), "1/sqrt(L)", axis=0),
        Stacked(ByDepth(RandomNormal(stddev=0.02), "1/sqrt(L)", layer=1, layers=4)),
    ],
)
def test_stacked_layers_have_the_factors_of_the_wide_model(law: Any) -> None:
    stacked = STACK if isinstance(law, ByDepth) and law.axis is None else {}
    known, tree = shapes(8, 192, layers=4), transformer(8, 192, layers=4)
    given = [("blocks/(out|query)", law), (".*", "zeros")]
    made = rules(given, known, stacked=stacked)
    values = init_params(KEY, tree, made, stacked=stacked)["blocks"]["out"]
    old = init_params(KEY, tree, given, stacked=stacked)["blocks"]["out"]
    np.testing.assert_allclose(values, old / 2, rtol=1e-6)


# 8 layers are 4 times as many as the 2 of the base, whose factors count.
DEEPER: dict[str, tuple[Any, float]] = {
    "1/sqrt(2 * L)": (ByDepth(RandomNormal(stddev=0.02), "1/sqrt(2 * L)"), 0.01 / 2),
    "1/sqrt(L)": (ByDepth(RandomNormal(stddev=0.02), "1/sqrt(L)"), 0.01 / 2**0.5),
    "1/L": (ByDepth(RandomNormal(stddev=0.02), "1/L"), 0.01 / 2),
    "DeepNorm": (ByDepth(RandomNormal(stddev=0.02), "(8 * L)**-0.25"), 0.01 / 2),
    "outside": (Scaled(ByDepth(RandomNormal(stddev=0.01), "1/L"), 2.0), 0.01 / 2),
    "none": (RandomNormal(stddev=0.02), 0.01),
}


@pytest.mark.parametrize("name", DEEPER)
def test_in_complete_p_a_law_of_the_depth_is_that_of_the_base(name: str) -> None:
    law, expected = DEEPER[name]
    given = [(r"h/(?P<layer>\d+)/out", law), (".*", "zeros")]
    found = stddevs(DEEP, deep(64, 8), given, CompleteP(4.0))
    assert found["h/5/out"] == pytest.approx(expected, rel=1e-5)


def test_in_complete_p_a_stack_has_the_factors_of_the_base_too() -> None:
    known, tree = shapes(8, 192, layers=8), transformer(8, 192, layers=8)
    law = ByDepth(RandomNormal(stddev=0.02), "1/sqrt(2 * L)")
    given = [("blocks/out", law), (".*", "zeros")]
    made = rules(given, known, CompleteP(4.0), stacked=STACK)
    (row,) = (one for one in plan(tree, made, stacked=STACK).rows if one.path == "blocks/out")
    assert row.stddev == pytest.approx(0.02 / 2 / 2, rel=1e-5)


def test_a_bias_of_torch_has_the_fan_in_of_the_base() -> None:
    tree = lambda width: {"weight": spec(width, width), "bias": spec(width)}  # noqa: E731
    known = infer(tree(16), tree(64), layout="out_in")
    given = Rules([("bias", TorchBias(kernel="weight")), (".*", "torch_linear")], layout="out_in")
    found = {row.path: row.stddev for row in plan(tree(64), rules(given, known)).rows}
    assert found == pytest.approx({"bias": 1 / (4 * 3**0.5), "weight": 1 / (8 * 3**0.5)}, rel=1e-5)


def test_so_has_the_bias_of_a_readout_which_does_not_grow() -> None:
    tree = lambda width: {"weight": spec(4, width), "bias": spec(4)}  # noqa: E731
    known = infer(tree(16), tree(64), layout="out_in")
    given = Rules([("bias", TorchBias(kernel="weight")), (".*", "zeros")], layout="out_in")
    found = {row.path: row.stddev for row in plan(tree(64), rules(given, known)).rows}
    assert found == pytest.approx({"bias": 1 / (4 * 3**0.5), "weight": 0}, rel=1e-5)


def test_what_follows_others_follows() -> None:
    tree = lambda width: {  # noqa: E731
        "g": spec(width),
        "v": spec(width, width),
        "copy": spec(width, width),
    }
    known = infer(tree(16), tree(64), layout="in_out")
    given = [("g", WeightNormScale()), ("copy", Tied("v")), ("v", RandomNormal(stddev=1.0))]
    made = init_params(KEY, tree(64), rules(given, known))
    same_bits(made["copy"], made["v"])
    np.testing.assert_allclose(made["g"], np.linalg.norm(made["v"], axis=0), rtol=1e-6)
    assert made["v"].std() == pytest.approx(0.5, rel=0.05)


def test_the_norms_of_a_ring_follow_its_moduli() -> None:
    tree = lambda width: {"nu": spec(width), "gamma": spec(width)}  # noqa: E731
    known = infer(tree(16), tree(64))
    given = [("gamma", RingNormalizer()), ("nu", "random_normal")]
    assert rules(given, known) == Rules(given)


def test_adapters_whose_rank_is_fixed_stay() -> None:
    tree = lambda width: {"lora_a": spec(width, 8), "lora_b": spec(8, width)}  # noqa: E731
    known = infer(tree(16), tree(64), layout="in_out")
    given = [("lora_a", "zeros"), ("lora_b", OrthogonalTo())]
    assert rules(given, known) == Rules(given)


def test_adapters_whose_rank_grows_are_refused() -> None:
    tree = lambda width: {"lora_a": spec(width, width), "lora_b": spec(width, width)}  # noqa: E731
    known = infer(tree(16), tree(64), layout="in_out")
    with pytest.raises(ValueError, match=r"'lora_b': the standard deviation of OrthogonalTo"):
        rules([("lora_a", "zeros"), ("lora_b", OrthogonalTo())], known)


def test_what_is_kept_is_kept() -> None:
    given = [("middle/.*", Keep()), (".*", "zeros")]
    assert rules(given, MLP) == Rules(given)


def test_a_seed_stays_with_its_rule() -> None:
    hidden = infer({"w": spec(16, 16)}, {"w": spec(64, 64)})
    (rule,) = rules([("w", RandomNormal(seed=3))], hidden).rules
    assert rule.initializer == Scaled(RandomNormal(), 0.5, seed=3)


def test_a_zero_readout_is_a_rule_of_ones_own() -> None:
    given = [("last/kernel", "zeros"), *kernels("lecun_normal")]
    assert rules(given, MLP) == Rules(given)


def test_packed_projections_are_scaled_together() -> None:
    hidden = infer({"w": spec(16, 48)}, {"w": spec(64, 192)})
    law = Blocked(RandomNormal(stddev=0.02), 3)
    (rule,) = rules([("w", law)], hidden).rules
    assert rule.initializer == Scaled(law, 0.5)


def test_rules_serve_as_rules_do() -> None:
    made = rules(kernels("lecun_normal"), MLP)
    assert Rules.from_json(made.to_json()) == made
    assert plan(mlp(64), made).programs == plan(mlp(64), kernels("lecun_normal")).programs


def own(key: jax.Array, shape: Any, dtype: Any) -> jax.Array:
    return jax.random.normal(key, shape, dtype)


REFUSED = [
    Refused(
        "a function",
        lambda: rules([(".*/kernel", own), (".*", "zeros")], MLP),
        ValueError,
        r"^mup\.rules: 'first/kernel': the standard deviation of <function own .*> is not known, "
        r"and so not what it is at the width of the base\. Name an initializer",
    ),
    Refused(
        "siblings",
        lambda: rules([("middle/kernel", FromSiblings(own, b="bias")), (".*", "zeros")], MLP),
        ValueError,
        r"^mup\.rules: 'middle/kernel': the standard deviation of FromSiblings.* is not known",
    ),
    Refused(
        "u-muP of a function",
        lambda: rules([(".*", own)], shapes(8, 192), UMuP()),
        ValueError,
        r"^mup\.rules: 'blocks/out': the standard deviation of <function own .*> is not known",
    ),
    Refused(
        "a rule that matches nothing",
        lambda: rules([("nothing", "zeros"), (".*", "zeros")], MLP),
        ValueError,
        r"^Rules: these rules are never used",
    ),
    Refused(
        "a parameter without a rule",
        lambda: rules([(".*/kernel", "zeros")], MLP),
        ValueError,
        r"^Rules: 3 of the parameters match no rule",
    ),
    Refused(
        "two layouts",
        lambda: rules(Rules([(".*", "zeros")], layout="in_out"), MLP, layout="out_in"),
        ValueError,
        r"^mup\.rules: layout is 'out_in', but the rules have layout='in_out'; say it once$",
    ),
    Refused(
        "a factor of the layer in CompleteP",
        lambda: rules(BY_LAYER, DEEP, CompleteP(2)),
        ValueError,
        r"^mup\.rules: 'h/0/out': .* differs from layer to layer, .* The factors of the number of "
        r"layers are \['\(8 \* L\)\*\*-0\.25', '1/L', '1/sqrt\(2 \* L\)', '1/sqrt\(L\)'\]$",
    ),
    Refused(
        "a law that does not fit",
        lambda: rules([(".*", ByDepth("ones", "1/L"))], MLP),
        ValueError,
        r"^mup\.rules: 'first/bias': by_depth: which layer is this\?",
    ),
    Refused(
        "an unknown kind",
        lambda: rules("zeros", MLP, "mupp"),  # type: ignore[arg-type]
        ValueError,
        r"^mup\.rules: kind must be one of .*; got 'mupp' \(did you mean 'mup'\?\)$",
    ),
]


@each(REFUSED)
def test_what_cannot_be_told_is_refused(refused: Refused) -> None:
    refused.check()


def test_the_law_of_a_scaled_rule_is_that_of_its_initializer() -> None:
    made = rules(kernels(RandomNormal(stddev=0.02)), MLP)
    drawn = {join(leaf.path): leaf.draw for leaf in plan(mlp(64), made).leaves}["middle/kernel"]
    assert drawn is not None
    assert drawn.recipe.law == Normal()

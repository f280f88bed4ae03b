"""Rules: the first match wins, and whatever does not fit is an error that says so."""

import functools
import math
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import functional, initializers
from cthulhu.fans import Layout
from cthulhu.params import Keep, Rule, Rules, Tied, init_params, plan, verify
from cthulhu.params._rule import Lawless
from cthulhu.trees import join
from tests.cases import KEY, same_bits

PATHS = [("dense_0", "kernel"), ("dense_0", "bias"), ("dense_1", "kernel"), ("dense_1", "bias")]
HE, ZEROS, ONES = initializers.HeNormal(), initializers.Zeros(), initializers.Ones()

MATCHES = {
    "in order": ([(".*/kernel", HE), (".*/bias", ZEROS)], [HE, ZEROS, HE, ZEROS]),
    "the first wins": (
        [("dense_1/.*", ONES), (".*/kernel", HE), (".*", ZEROS)],
        [HE, ZEROS, ONES, ONES],
    ),
    "the whole path": (
        [("dense_0/kernel", HE), (".*_1/kernel", ONES), (".*bias", ZEROS)],
        [HE, ZEROS, ONES, ZEROS],
    ),
    "a mapping": ({".*/kernel": HE, ".*": ZEROS}, [HE, ZEROS, HE, ZEROS]),
    "lists": ([[".*/kernel", HE], [".*", ZEROS]], [HE, ZEROS, HE, ZEROS]),
    "keep": ([(".*/kernel", Keep()), (".*", ZEROS)], [Keep(), ZEROS, Keep(), ZEROS]),
    "keep, the class": ([(".*/kernel", Keep), (".*", ZEROS)], [Keep(), ZEROS, Keep(), ZEROS]),
    "other rules": (Rules([(".*/kernel", HE), (".*", ZEROS)]).rules, [HE, ZEROS, HE, ZEROS]),
}


@pytest.mark.parametrize("name", MATCHES)
def test_match(name):
    rules, expected = MATCHES[name]
    assert Rules(rules).match(PATHS) == expected


def constant_half(key, shape, dtype):
    return jnp.full(shape, 0.5, dtype)


def shape_first(shape, dtype=None):
    return jnp.full(shape, 0.5, dtype)


class Half(initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return jnp.full(shape, 0.5, dtype)


IDENTIFIERS = {
    "name": ("he_normal", HE),
    "class name": ("HeNormal", HE),
    "config": ({"class_name": "RandomNormal", "config": {"stddev": 0.1}}, None),
    "class": (initializers.HeNormal, HE),
    "instance": (initializers.HeNormal(in_axis=1, out_axis=0), None),
    "function": (functional.he_normal, None),
    "partial": (functools.partial(functional.random_normal, stddev=0.1), None),
    "custom": (constant_half, None),
    "custom, shape first": (shape_first, None),
    "custom class": (Half, None),
    "custom instance": (Half(), None),
}


@pytest.mark.parametrize("name", IDENTIFIERS)
def test_whatever_get_takes(name):
    identifier, expected = IDENTIFIERS[name]
    rules = Rules([(".*", identifier)])
    (found,) = rules.match([("kernel",)])
    assert expected is None or found == expected
    value = init_params(0, {"kernel": np.zeros((3, 4), np.float32)}, rules)["kernel"]
    if name.startswith("custom"):
        same_bits(value, np.full((3, 4), 0.5, np.float32))
    else:
        assert len(np.unique(value)) == 12


SINGLE = {
    **IDENTIFIERS,
    "jax.nn": (jax.nn.initializers.he_normal(), None),
    "keep": (Keep(), Keep()),
    "keep, the class": (Keep, Keep()),
}


@pytest.mark.parametrize("name", SINGLE)
def test_one_initializer_is_the_rule_for_all(name):
    identifier, _ = SINGLE[name]
    assert [rule.pattern for rule in Rules(identifier).rules] == [".*"]
    tree = {"a": {"w": np.full((3, 4), 7, np.float32)}, "b": np.full((4, 4), 7, np.float32)}
    expected = init_params(0, tree, [(".*", identifier)])
    jax.tree.map(same_bits, init_params(0, tree, identifier), expected)
    jax.tree.map(same_bits, plan(tree, identifier).run(0), expected)
    assert verify(expected, 0, identifier)


MALFORMED = {
    "not a pair": ([(".*",)], TypeError, "rule 1 must be a pair"),
    "a string": (["ab"], TypeError, "rule 1 must be a pair"),
    "no pattern": ([(re.compile("a"), "zeros")], TypeError, "rule 1 must be a pair"),
    "regex": (
        [("a", "zeros"), ("dense/(kernel", "zeros")],
        ValueError,
        r"rule 2 is the invalid regular expression 'dense/\(kernel': .* at position 6",
    ),
    "name": ([("a", "he_norml")], ValueError, "rule 1: .*did you mean 'he_normal'"),
    "none": ([("a", None)], TypeError, r"rule 1 names no initializer: got None.*Keep\(\)"),
    "number": ([("a", 3)], TypeError, "rule 1"),
    "one pair alone": (
        (".*", "zeros"),
        TypeError,
        r"rule 1 must be a pair.*A single rule is a list of one: \[\('\.\*', 'zeros'\)\]",
    ),
    "no rules at all": (None, TypeError, "pairs .* are needed, or one initializer for all"),
    "a number": (3, TypeError, "pairs .* are needed.*got 3 of type int"),
    "a key": (KEY, TypeError, "pairs .* are needed"),
    "one unknown name": ("he_norml", ValueError, "rule 1: .*did you mean 'he_normal'"),
    "a glob": (
        [("*kernel", "zeros")],
        ValueError,
        r"rule 1 is the invalid .*looks like a glob; write '\.\*kernel'",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_rules(name):
    rules, error, message = MALFORMED[name]
    with pytest.raises(error, match=f"Rules: {message}"):
        Rules(rules)


UNFIT = {
    "unmatched": ([(".*/kernel", HE)], "2 of the parameters match no rule.*\n  dense_0/bias\n"),
    "a part of the path": ([("kernel", HE), (".*", HE)], "rule 1, 'kernel': no path matches"),
    "dead": (
        [(".*", HE), (".*/bias", ZEROS)],
        "rule 2, '.*/bias': all it matches is taken by rules before it; move it up",
    ),
    "matches nothing": (
        [(".*", HE), ("dense_0/kernal", ZEROS)],
        "rule 2, 'dense_0/kernal': no path matches; the closest are 'dense_0/kernel'",
    ),
    "nothing is close": ([(".*", HE), ("§", ZEROS)], "no path matches; the closest are 'dense_0"),
    "a glob, unmatched": (
        [("dense_0/*", HE), (".*_1/.*", HE)],
        r"2 of the parameters (?s:.*)'dense_0/\*', looks like a glob; write 'dense_0/\.\*'",
    ),
    "a glob, dead": (
        [("dense_0/*", HE), (".*", HE)],
        r"no path matches; .*'dense_0/\*', looks like a glob; write 'dense_0/\.\*'",
    ),
    "no rules": ([], "4 of the parameters match no rule"),
}


@pytest.mark.parametrize("name", UNFIT)
def test_rules_that_do_not_fit(name):
    rules, message = UNFIT[name]
    with pytest.raises(ValueError, match=f"Rules: (?s:.*){message}"):
        Rules(rules).match(PATHS)


def test_only_a_glob_that_would_match_is_called_one():
    with pytest.raises(ValueError, match="no path matches") as caught:
        Rules([("conv/*", HE), (".*", HE)]).match(PATHS)
    assert "glob" not in str(caught.value)


def test_every_dead_rule_is_listed():
    with pytest.raises(ValueError, match=r"(?s)rule 1, 'x': .*rule 3, 'y': "):
        Rules([("x", HE), (".*", HE), ("y", HE)]).match(PATHS)


def test_a_long_list_of_unmatched_parameters_is_cut():
    paths = [("layer", str(number)) for number in range(25)]
    with pytest.raises(ValueError, match="… and 15 more") as caught:
        Rules([]).match(paths)
    assert [join(path) in str(caught.value) for path in paths].count(True) == 10


def test_no_parameters_need_no_rules():
    assert Rules([]).match([]) == []
    assert init_params(0, {}, []) == {}


def test_rules_are_values():
    first, again = (Rules([(".*", "he_normal")]) for _ in range(2))
    assert first == again
    assert hash(first) == hash(again)
    assert first != Rules([(".*", "he_uniform")])
    assert repr(first) == "Rules(rules=(('.*', HeNormal()),))"


ATTENTION = {"query": (64, 4, 16), "out": (4, 16, 64), "table": (100, 64), "bias": (4, 16)}
LAID_OUT = {
    "a name": (Rule("query", "lecun_normal", layout="attention_qkv"), 64),
    "another": (Rule("out", "lecun_normal", layout="attention_out"), 64),
    "a layout": (Rule("out", "lecun_normal", layout=Layout((0, 1), 2)), 64),
    "out first": (Rule("table", "lecun_normal", layout="out_in"), 64),
    "none, in a model of another": (Rule("table", "lecun_normal"), 64),
    "in first, in a model of another": (Rule("table", "lecun_normal", layout="in_out"), 100),
    "axes that are named stay": (
        Rule("out", initializers.LecunNormal(in_axis=0, out_axis=2), layout="attention_out"),
        4 * 16,
    ),
    "within another": (
        Rule("query", initializers.Scaled("lecun_normal", 2.0), layout="attention_qkv"),
        64,
    ),
}


@pytest.mark.parametrize("name", LAID_OUT)
def test_a_rule_has_a_layout_of_its_own(name):
    rule, fan_in = LAID_OUT[name]
    tree = {rule.pattern: jax.ShapeDtypeStruct(ATTENTION[rule.pattern], np.float32)}
    (row,) = plan(tree, Rules([rule], layout="out_in")).rows
    assert row.fan_in == fan_in


def test_a_bias_of_torch_counts_the_inputs_of_the_layout():
    tree = {name: jax.ShapeDtypeStruct(ATTENTION[name], np.float32) for name in ("query", "bias")}
    query = Rule("query", "he_normal", layout="attention_qkv")
    rules = [query, ("bias", initializers.TorchBias(kernel="query"))]
    assert plan(tree, rules).rows[0].stddev == pytest.approx(1 / math.sqrt(3 * 64), rel=1e-5)


def test_an_optional_rule_may_match_nothing():
    found = Rules([Rule("conv/.*", ONES, optional=True), (".*", HE)]).match(PATHS)
    assert found == [HE] * 4
    late = Rules([(".*", HE), Rule(".*/bias", ZEROS, optional=True)])
    assert late.match(PATHS) == [HE] * 4


ROLES = [
    Rule(".*/kernel", HE, role="kernel"),
    Rule("dense_0/.*", ONES, role="first", optional=True),
    Rule(".*/bias", ZEROS, role="bias"),
]


def test_two_roles_are_a_doubt():
    message = (
        "Rules: 2 of the parameters have several roles:\n  dense_0/kernel: first or kernel\n"
        "  dense_0/bias: bias or first\nSay which with a rule of your own before them"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        Rules(ROLES).match(PATHS)


def test_a_rule_without_a_role_settles_the_doubt():
    rules = Rules(ROLES).extend([("dense_0/.*", "ones")], before=True)
    assert rules.match(PATHS) == [ONES, ONES, HE, ZEROS]
    assert [rule.role for rule in rules.resolve(PATHS)] == [None, None, "kernel", "bias"]


def test_roles_are_told_of_what_matches_no_rule():
    with pytest.raises(ValueError, match=r"(?s)match no rule.*\nThe roles .* are bias, kernel$"):
        Rules([ROLES[0], ROLES[2]]).match([("dense", "scale")])


def test_a_role_without_a_law_is_named():
    rules = Rules([Rule(".*/kernel", Lawless("no law for the role 'kernel'"), role="kernel")])
    message = r"Rules: for 1 of the parameters there is no law:\n  a/kernel: no law for the role"
    with pytest.raises(ValueError, match=message):
        rules.match([("a", "kernel")])


EXTENDED = {
    "after": ({"before": False}, [HE, ZEROS, HE, ZEROS]),
    "before": ({"before": True}, [HE, ONES, HE, ONES]),
}


@pytest.mark.parametrize("name", EXTENDED)
def test_extend(name):
    how, expected = EXTENDED[name]
    rules = Rules([(".*/kernel", HE), Rule(".*/bias", ZEROS, optional=True)])
    more = [Rule(".*/bias", ONES, optional=True)]
    assert rules.extend(more, **how).match(PATHS) == expected
    assert rules.match(PATHS) == [HE, ZEROS, HE, ZEROS]


MIXED = {
    "of the first": ("out_in", None, "out_in", None),
    "of the second": (None, "out_in", "out_in", None),
    "of both": ("out_in", "out_in", "out_in", None),
    "of each": ("out_in", "in_out", "out_in", "in_out"),
    "of none": (None, None, None, None),
}


@pytest.mark.parametrize("name", MIXED)
def test_rules_that_extend_others_keep_their_layout(name):
    first, second, layout, of_rule = MIXED[name]
    rules = Rules([("a", HE)], layout=first).extend(Rules([("b", HE)], layout=second))
    assert rules.layout == layout
    assert rules.rules[1].layout == of_rule


SAVED = {
    "pairs": Rules([(".*/bias", "zeros"), (".*", "he_normal")]),
    "a layout": Rules([(".*", "he_normal")], layout="out_in"),
    "all of a rule": Rules(
        [Rule(".*", HE, layout="attention_qkv", optional=True, role="attention.query")]
    ),
    "a layout of one's own": Rules([Rule(".*", HE, layout=Layout((0, 1), 2))]),
    "kept": Rules([(".*", Keep())]),
    "a function": Rules([(".*", functional.he_normal)]),
    "by depth": Rules([(r"(?P<layer>\d+)/.*", initializers.ByDepth("he_normal", "1/sqrt(2 * L)"))]),
    "no law": Rules([Rule(".*", Lawless("why"), role="kernel")]),
    "siblings": Rules([("a", Tied("/b", transpose=True)), (".*", HE)]),
}


@pytest.mark.parametrize("name", SAVED)
def test_rules_are_read_as_they_were_written(name):
    rules = SAVED[name]
    again = Rules.from_json(rules.to_json())
    assert again == rules
    assert repr(again) == repr(rules)


def test_a_class_of_ones_own_is_read_with_its_name():
    rules = Rules([(".*", Half())])
    assert Rules.from_json(rules.to_json(), custom_objects={"Half": Half}) == rules
    with pytest.raises(ValueError, match="Half"):
        Rules.from_json(rules.to_json())


def test_code_is_not_written():
    message = "Rules.to_json: rule 2: .*constant_half.* cannot be saved"
    with pytest.raises(TypeError, match=message):
        Rules([("a", HE), (".*", constant_half)]).to_json()


NO_RULES = {
    "another record": "{}",
    "a list": "[]",
    "no rule": '{"rules": [1], "layout": null}',
    "an unknown field": '{"rules": [{"pattern": "", "initializer": null, "x": 1}], "layout": null}',
}


@pytest.mark.parametrize("name", NO_RULES)
def test_other_json_is_refused(name):
    with pytest.raises(ValueError, match=r"Rules.from_json: text must be what Rules.to_json wrote"):
        Rules.from_json(NO_RULES[name])


WRONG_RULES = {
    "pattern": ({"pattern": 3}, TypeError, "Rule: pattern must be a string"),
    "regex": ({"pattern": "("}, ValueError, "Rule: pattern is the invalid"),
    "name": ({"initializer": "he_norml"}, ValueError, "Rule: .*'he_normal'"),
    "layout": ({"layout": "out"}, ValueError, "Rule: layout must be"),
    "optional": ({"optional": 1}, TypeError, "Rule: optional"),
    "role": ({"role": 3}, TypeError, "Rule: role must be a string"),
}


@pytest.mark.parametrize("name", WRONG_RULES)
def test_a_wrong_rule(name):
    fields, error, message = WRONG_RULES[name]
    with pytest.raises(error, match=message):
        Rule(**{"pattern": "a", "initializer": HE, **fields})


def test_a_rule_shows_what_is_not_at_its_default():
    assert repr(Rule("a", HE)) == "Rule('a', HeNormal())"
    rule = Rule("a", HE, layout="moe", role="experts.in")
    assert repr(rule) == "Rule('a', HeNormal(), layout='moe', role='experts.in')"
    assert repr(Rules([("b", ZEROS), rule])) == f"Rules(rules=(('b', Zeros()), {rule!r}))"


def test_json_of_an_unknown_initializer_says_which_rule():
    text = Rules([("a", HE), (".*", ZEROS)]).to_json().replace('"Zeros"', '"Zeroes"')
    with pytest.raises(ValueError, match=r"Rules.from_json: rule 2: unknown initializer 'Zeroes'"):
        Rules.from_json(text)


def test_rules_for_nothing_say_so():
    with pytest.raises(ValueError, match="no path matches; there are no parameters"):
        Rules("zeros").match([])

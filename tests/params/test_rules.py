"""Rules: the first match wins, and whatever does not fit is an error that says so."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import functional, initializers
from cthulhu.params import Keep, Rules, init_params, plan, verify
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

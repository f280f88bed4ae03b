"""Patterns: the answers of `re`, in bounded time."""

import dataclasses
import re
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cthulhu.params import Rules, init_params
from cthulhu.params._patterns import LENGTH, Match, compiled, glob_as_regex

# Each keeps `re` busy for years; the letters at the end make the match fail.
HOSTILE = {
    "nested": ("(a+)+$", "a" * 40 + "b"),
    "nested, lazy": ("(a+?)+?b", "a" * 40),
    "nested, counted": ("(a{1,30}){1,30}b", "a" * 60),
    "alternatives": ("(a|a)*b", "a" * 40),
    "optional": ("(a?){40}a{40}b", "a" * 40),
    "one after the other": (".*.*.*.*.*.*.*.*.*.*b", "a" * 200),
    "looking ahead": ("(?=(a+)+b).*", "a" * 40),
    "looking behind": ("(a+)+(?<=a)b", "a" * 40),
    "within flags": ("(?i:(A+)+b)", "a" * 40),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pattern_takes_bounded_time(name):
    text, path = HOSTILE[name]
    pattern = compiled("rule 1 is", text)
    assert not pattern.is_fast
    start = time.perf_counter()
    assert not pattern.fullmatch(path)
    assert time.perf_counter() - start < 10
    assert pattern.fullmatch("a" * 40 + "b") == ("b" in text)


def test_rules_and_stacks_run_in_bounded_time():
    tree = {"a" * 40: np.zeros((3, 4), np.float32), "aab": np.zeros((3, 4), np.float32)}
    rules = Rules([("(a+)+b", "zeros"), ("(a|aa)+", "ones")])
    params = init_params(0, tree, rules, stacked={"(a|a)+": 0})
    assert params["a" * 40].all()
    assert not params["aab"].any()


FAST = [
    ".*",
    ".*/kernel",
    "decoder/layers_[0-9]+/(attention|mlp)/.*/kernel",
    ".*layers.*attention.*kernel",
    r"(?!.*bias).*\d+/(kernel|scale)$",
    r"block_(\d+)/.*_\1",
]


@pytest.mark.parametrize("text", FAST)
def test_what_people_write_runs_on_re(text):
    assert compiled("rule 1 is", text).is_fast


def test_a_long_path_is_not_left_to_re():
    # What is fast on a usual path is not on one that is long enough.
    pattern = dataclasses.replace(compiled("rule 1 is", ".*.*.*b"), regex=re.compile("never"))
    assert pattern.is_fast
    assert pattern.fullmatch("a" * LENGTH + "b")
    assert not pattern.fullmatch("a" * (LENGTH - 1) + "b")


def test_a_reference_runs_on_re_whatever_the_length_of_the_path():
    pattern = compiled("rule 1 is", r".*/block_(\d)/.*_\1")
    assert pattern.fullmatch("a" * LENGTH + "/block_1/dense_1")
    assert not pattern.fullmatch("a" * LENGTH + "/block_1/dense_2")


PIECES = st.sampled_from(
    ["a", "b", "/", "[ab]", "[^/]", ".", r"\w", r"\d", "^", "$", r"\b", "", "(?i:A)", "(?-i:b)"]
)


def larger(inner):
    repeats = st.sampled_from(["*", "+", "?", "*?", "{2}", "{1,2}", "{0,3}?"])
    around = st.sampled_from(["(?={})", "(?!{})", "({})"])
    return st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("({0[0]}|{0[1]})".format),
        st.tuples(inner, repeats).map("(?:{0[0]}){0[1]}".format),
        st.tuples(around, inner).map(lambda pair: pair[0].format(pair[1])),
    )


BEHIND = st.sampled_from(["", "(?<=a)", "(?<!b/)", "(?<=)"])
PATTERNS = st.tuples(
    st.sampled_from(["", "(?i)"]), st.recursive(PIECES, larger), BEHIND, PIECES
).map("".join)


@given(PATTERNS, st.text("aAbB/0", max_size=7))
@settings(max_examples=600)
def test_the_answer_is_that_of_re(text, path):
    expected = re.fullmatch(text, path) is not None
    pattern = compiled("rule 1 is", text)
    assert pattern.fullmatch(path) == expected
    # And the other way of running it too, whichever was chosen.
    assert (len(path) in Match(path).ends(pattern.node, 0)) == expected


REFUSED = {
    "reference": (r"(a+)+\1", "very many ways to match.*a reference to a group"),
    "conditional": (r"(a)?(b+)*(?(1)a|b)", "a reference to a group"),
    "atomic": ("(?>a)(a+)+", "an atomic group"),
    "possessive": ("a++(a+)+", "a possessive repetition"),
    "invalid": ("(a", r"invalid regular expression '\(a': .* at position 0"),
    "deep": ("(" * 5000 + "a" + ")" * 5000, "too large"),
    "huge": ("a{" + "9" * 30 + "}", "too large"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_run_is_refused_by_name(name):
    text, message = REFUSED[name]
    with pytest.raises(ValueError, match=f"^Rules: rule 2 is .*{message}") as caught:
        Rules([(".*", "zeros"), (text, "zeros")])
    assert repr(text)[1:40] in str(caught.value)
    with pytest.raises(ValueError, match=f"^init_params: stacked has .*{message}"):
        init_params(0, {}, [], stacked={text: 0})


GLOBS = {
    "*kernel": ".*kernel",
    "**/kernel": ".*/kernel",
    "layers/*/bias": "layers/.*/bias",
    "*/[ab]*": ".*/[ab]*",
    ".*kernel": None,
    "kernel*": None,
    "*(": None,
}


@pytest.mark.parametrize("glob", GLOBS)
def test_globs(glob):
    assert glob_as_regex(glob) == GLOBS[glob]

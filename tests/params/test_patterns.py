"""Patterns on paths: bounded time, and globs told from regular expressions."""

import time

import jax
import numpy as np
import pytest

from cthulhu.params import Rules, plan
from cthulhu.params import _patterns as patterns

SPEC = jax.ShapeDtypeStruct((4, 4), np.float32)
LONG = "a" * 40


@pytest.mark.parametrize(
    "pattern", ["(a+)+$b", "(a|aa)+c", "(a*)*c", "a*a*a*a*a*a*a*a*c", "(?:a?){40}a{40}c"]
)
def test_a_pattern_that_runs_away_is_stopped(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or seen through by the matcher: either way it ends."""
    monkeypatch.setattr(patterns, "SECONDS", 0.2)
    start = time.monotonic()
    with pytest.raises(ValueError, match=r"takes more than 0\.2 s|match no rule"):
        Rules([(pattern, "zeros")]).match([(LONG,)] * 3)
    assert time.monotonic() - start < 20  # Python's own matcher sees no end.


def test_the_message_names_the_rule_and_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.1)
    with pytest.raises(ValueError, match=rf"rule 2 is.*takes more than 0.1 s.*{LONG}"):
        Rules([("b", "zeros"), ("(a|aa)+c", "zeros")]).match([("b",), (LONG,)])


def test_stacked_has_the_same_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.1)
    with pytest.raises(ValueError, match="plan: stacked has the regular expression"):
        plan({LONG: SPEC}, [(".*", "zeros")], stacked={"(a|aa)+c": 0})


@pytest.mark.parametrize("pattern", [".*/kernel", "(encoder|decoder)/.*", "layers_[0-9]+/(w|b)+"])
def test_both_matchers_agree(pattern: str) -> None:
    import re

    for path in ("encoder/kernel", "layers_3/w", "layers_3/wb", "decoder/", "kernel", "x/kernel/y"):
        expected = re.fullmatch(pattern, path) is not None
        assert patterns.Pattern("doc", pattern).matches(path) is expected


@pytest.mark.parametrize(("glob", "written"), [("*kernel", ".*kernel"), ("*/bias", ".*/bias")])
def test_a_glob_is_told_from_a_regular_expression(glob: str, written: str) -> None:
    with pytest.raises(ValueError, match="looks like a glob") as caught:
        Rules([(glob, "zeros")])
    assert repr(written) in str(caught.value)

"""The types tell the truth: what the type checkers accept runs, and what they refuse raises."""

import inspect
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from cthulhu import functional, initializers, typing
from tests import typing_uses
from tests.typing_uses import KEY

WRONG = [
    line for line in inspect.getsource(typing_uses).splitlines() if re.match(r"    lambda: ", line)
]


@pytest.mark.parametrize("use", typing_uses.RIGHT, ids=lambda use: use.__name__)
def test_what_the_type_checkers_accept_runs(use: Callable[[], None]) -> None:
    use()


@pytest.mark.parametrize("number", range(len(typing_uses.WRONG)), ids=lambda n: f"line-{n}")
def test_what_the_type_checkers_refuse_raises(number: int) -> None:
    with pytest.raises((TypeError, ValueError)):
        typing_uses.WRONG[number]()


def test_every_wrong_use_is_marked_for_both_checkers() -> None:
    assert len(WRONG) == len(typing_uses.WRONG)
    for line in WRONG:
        assert re.search(r"# type: ignore\[[^]]+\]  # pyright: ignore\[[^]]+\]$", line), line


@pytest.mark.parametrize("mode", get_args(typing.Mode))
@pytest.mark.parametrize("distribution", get_args(typing.Distribution))
def test_every_choice_that_the_types_allow_is_one(
    mode: typing.Mode, distribution: typing.Distribution
) -> None:
    options: dict[str, str] = {"mode": mode, "distribution": distribution}
    drawn = functional.variance_scaling(KEY, (4, 8), **options)
    assert (drawn == initializers.VarianceScaling(**options)(KEY, (4, 8))).all()


def test_the_checks_run_over_the_uses() -> None:
    """mypy is told the file, and pyright's configuration names it."""
    root = Path(typing_uses.__file__).parents[1]
    settings = tomllib.loads((root / "pyproject.toml").read_text())["tool"]
    assert settings["pyright"]["include"] == ["tests/typing_uses.py"]
    assert settings["pyright"]["reportUnnecessaryTypeIgnoreComment"] == "error"
    assert "tests/typing_uses.py" in settings["mypy"]["files"]
    assert settings["mypy"]["strict"]

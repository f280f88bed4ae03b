"""The functions that are derived from the classes: what a call checks, recalls and runs."""

import copy
import dataclasses
import functools
import inspect
import sys
from types import FrameType
from typing import Any

import jax
import numpy as np
import pytest

from cthulhu import checks, functional, initializers
from cthulhu.initializers import _options as options
from cthulhu.initializers import _registry
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._functions import definition_of
from cthulhu.programs import _draws as draws
from tests.cases import CASES, KEY, Case, by_id, same_bits


def passed_through(call: Any) -> list[tuple[str, str]]:
    """The Python functions of this package that a repeated call runs, with their files."""
    call()
    found = []

    def see(frame: FrameType, event: str, argument: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and "/cthulhu/" in file and "/tests/" not in file:
            found.append((file, frame.f_code.co_name))

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        call()
    finally:
        sys.setprofile(before)
    return found


@pytest.mark.parametrize("case", CASES, ids=by_id)
def test_a_repeated_call_passes_through_few_functions(case: Case) -> None:
    given = case.options if case.needs_options else {}
    passed = passed_through(lambda: case.function(KEY, case.shape, **given))
    # Where any is given, all options are told apart, and looked up.
    assert 0 < len(passed) <= 6 + bool(given) * len(case.cls.defaults)
    assert len({file for file, _ in passed}) <= 4 + bool(given)


def count_checks(monkeypatch: pytest.MonkeyPatch, cls: Any) -> list[str]:
    """The owners for which the options of a class are checked."""
    owners: list[str] = []
    checked = cls.checked.__func__

    def counted(cls: Any, owner: str, *args: Any, **kwargs: Any) -> Any:
        owners.append(owner)
        return checked(cls, owner, *args, **kwargs)

    monkeypatch.setattr(cls, "checked", classmethod(counted))
    return owners


def test_an_option_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    owners = count_checks(monkeypatch, initializers.RandomNormal)
    functional.random_normal(KEY, (3,))
    assert owners == []
    for _ in range(3):
        functional.random_normal(KEY, (3,), stddev=0.28125)
    functional.random_normal(KEY, (4,), stddev=0.28125)
    assert owners == ["random_normal"]
    init = initializers.RandomNormal(stddev=0.28125)
    for _ in range(3):
        init(KEY, (3,))
    assert owners == ["random_normal", "RandomNormal"]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (lambda: functional.random_normal(KEY, (3,), stddev=1), {"stddev": True}),
        (lambda: functional.random_normal(KEY, (3,), stddev=1.0), {"stddev": 1 + 0j}),
    ],
)
def test_what_equals_a_right_option_is_still_wrong(first: Any, then: dict[str, Any]) -> None:
    first()
    with pytest.raises(TypeError, match="stddev must be a"):
        functional.random_normal(KEY, (3,), **then)


def test_an_integer_type_tells_a_complex_number_from_its_equal() -> None:
    functional.constant(None, (2,), value=1.0)
    with pytest.raises(TypeError, match=r"constant: value \(1\+0j\) is complex"):
        functional.constant(None, (2,), value=1 + 0j)


@pytest.fixture
def needy(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A class with an option that has no default, which no table of names has."""
    for table in ("CLASSES", "NAMES", "KNOWN_AS"):
        monkeypatch.setattr(_registry, table, copy.copy(getattr(_registry, table)))

    @_registry.defined
    @dataclasses.dataclass(frozen=True, repr=False)
    class Level(BuiltIn):
        """Initializer that generates a level.

        Law: every element is `height`, times `unit`.

        Args:
            height: the level.
            unit: a factor; default 1.
        """

        height: float = dataclasses.field(metadata=options.required(checks.finite))
        unit: float = options.number(1.0, checks.finite)

        draws = False
        example = ">>> pass"

        @classmethod
        def plan(cls, shape: Any, dtype: Any, sharding: Any, height: Any, unit: Any) -> Any:
            target = checks.dtype(cls.name, dtype)
            return draws.fill(shape, target, sharding, value=target.type(height * unit))

    return Level


def test_an_option_without_a_default_is_given(needy: Any) -> None:
    expected = np.full((2,), 6, np.float32)
    init = needy(3.0, 2.0)
    same_bits(init((2,)), expected)
    same_bits(needy.function(None, (2,), height=3.0, unit=2.0), expected)
    same_bits(needy.function.draw((2,), height=3.0, unit=2.0)(None), expected)
    assert repr(needy(3.0)) == "Level(height=3.0)"
    assert needy.from_config(init.get_config()) == init
    shown = inspect.signature(needy.function).parameters
    assert (shown["height"].default, shown["unit"].default) == (inspect.Parameter.empty, 1.0)
    assert list(needy.defaults) == ["height", "unit"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda cls: cls(), "height"),
        (lambda cls: cls.function(None, (2,)), r"level: height must be given.* bind it: functools"),
        (lambda cls: cls.function(None, (2,), unit=2.0), "level: height must be given"),
        (lambda cls: cls.function(), "level: an initializer, not a function that builds one"),
        (lambda cls: cls.function.draw((2,)), "level: height must be given, for"),
        (lambda cls: cls.function(None, (2,), hight=3.0), r"'hight' \(did you mean 'height'\?\)"),
        (lambda cls: cls.from_config({}), r"Level: height .* an instance: Level\(height=…\)"),
    ],
)
def test_an_option_without_a_default_is_missed(needy: Any, call: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        call(needy)


def test_axes_may_be_lists() -> None:
    listed = functional.he_normal(KEY, (2, 3, 4), in_axis=[0, 1], batch_axis=[])
    same_bits(listed, functional.he_normal(KEY, (2, 3, 4), in_axis=(0, 1)))
    same_bits(listed, initializers.HeNormal(in_axis=[0, 1])(KEY, (2, 3, 4)))


def test_a_partial_and_a_jitted_function_have_the_arguments() -> None:
    half = functools.partial(functional.random_normal, stddev=0.5)
    assert inspect.signature(half).parameters["stddev"].default == 0.5
    jitted = jax.jit(functional.he_normal, static_argnames=("shape", "dtype"))
    same_bits(jitted(KEY, shape=(3, 4)), functional.he_normal(KEY, (3, 4)))


@pytest.mark.parametrize("thing", [None, len, initializers.HeNormal, initializers.HeNormal(), 3])
def test_nothing_else_has_a_definition(thing: Any) -> None:
    assert definition_of(thing) is None
    assert definition_of(functional.he_normal) is initializers.HeNormal


def test_a_draw_waits_for_a_key() -> None:
    draw = functional.random_normal.draw((3, 4), np.float32, stddev=0.5)
    same_bits(draw(KEY), functional.random_normal(KEY, (3, 4), stddev=0.5))

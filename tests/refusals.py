"""Errors teach: each says who was asked, what came, and what to do.

Rows of what is refused. `BY_CHECK` has those of every check that options of several
initializers share, so that an option is tested because it has that check.
"""

import functools
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from types import CodeType
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from cthulhu import checks, functional, initializers
from cthulhu.initializers import _nested as nested
from cthulhu.initializers import _options as options
from cthulhu.initializers._variance_scaling import known_distribution, known_mode

__all__ = ["BY_CHECK", "Refused", "Wrong", "assert_refused", "code_of", "each", "shown"]


def assert_refused(call: Callable[[], object], error: type[Exception], message: str) -> None:
    """Assert that the call raises this very error, and that its text matches."""
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    # One string, so that the message reads as a sentence and not as a tuple.
    (text,) = caught.value.args
    assert re.search(message, text), text


def shown(value: Any) -> str:
    """A value in the name of a test."""
    if hasattr(value, "dtype"):
        return f"{value.dtype}{value.shape}"
    if isinstance(value, functools.partial):  # Its own text holds an address.
        return f"partial({value.func.__name__})"
    return reprlib.repr(value)


class Refused(NamedTuple):
    """A call that is refused: its name among the tests, the error, and what that says."""

    name: str
    call: Callable[[], object]
    error: type[Exception]
    message: str

    def check(self) -> None:
        assert_refused(self.call, self.error, self.message)


def each(rows: Sequence[Refused]) -> pytest.MarkDecorator:
    """Run a test for each row."""
    return pytest.mark.parametrize("refused", rows, ids=[row.name for row in rows])


class Wrong(NamedTuple):
    """Options that are refused, the error, and what it says after the owner's name."""

    options: Mapping[str, Any]
    error: type[Exception]
    message: str


Row = tuple[Any, type[Exception], str]

NUMBER: tuple[Row, ...] = (
    ("1", TypeError, r"must be a number or a scalar array; got '1' of type str$"),
    (None, TypeError, r"must be a number or a scalar array; got None of type NoneType$"),
    (True, TypeError, r"must be a number; got True$"),
    (np.array(True), TypeError, r"must be a number; got dtype bool$"),
    (np.ones(2), ValueError, r"must be a scalar; got an array of shape \(2,\)$"),
)
FINITE: tuple[Row, ...] = (
    *NUMBER,
    (1j, TypeError, r"must be a real number; got 1j$"),
    (float("nan"), ValueError, r"must be finite; got nan$"),
    (float("inf"), ValueError, r"must be finite; got inf$"),
    (10**400, ValueError, r"must be finite; got 10+$"),
)
SEED: tuple[Row, ...] = (
    (1.5, TypeError, r"must be an integer or None; got 1\.5 of type float$"),
    (1.0, TypeError, r"must be an integer or None; got 1\.0 of type float$"),
    (True, TypeError, r"must be an integer or None; got True$"),
    ("7", TypeError, r"must be an integer or None; got '7' of type str$"),
    (-1, ValueError, r"must be from 0 to 2\*\*32 - 1, so that no two seeds .*; got -1$"),
    (
        2**32,
        ValueError,
        r"must be from 0 to 2\*\*32 - 1, so that no two seeds give the same key; got 4294967296$",
    ),
    *(
        (
            key,
            TypeError,
            r"must be an integer or None; got a PRNG key\. "
            r"Pass the key when calling the instance: init\(key, shape, dtype\)$",
        )
        for key in (jax.random.key(0), jax.random.PRNGKey(0))
    ),
)
AXES: tuple[Row, ...] = (
    (0.5, TypeError, r"must be an integer or a sequence of integers; got 0\.5$"),
    (None, TypeError, r"must be an integer or a sequence of integers; got None$"),
    (True, TypeError, r"must be an integer or a sequence of integers; got True$"),
    ((0, 0.5), TypeError, r"must be an integer or a sequence of integers; got \(0, 0\.5\)$"),
)


MODE: tuple[Row, ...] = (
    ("fan_inn", ValueError, r"must be one of 'fan_in', .*; got 'fan_inn' \(did you mean 'fan_in'"),
    (None, ValueError, r"must be one of 'fan_in', 'fan_out', 'fan_avg', 'fan_geo_avg'; got None$"),
)
KINDS = "'truncated_normal', 'normal', 'untruncated_normal', 'uniform'"
DISTRIBUTION: tuple[Row, ...] = (
    (
        "unifrom",
        ValueError,
        rf"must be one of {KINDS}; got 'unifrom' \(did you mean 'uniform'\?\)$",
    ),
    ("gaussian", ValueError, rf"must be one of {KINDS}; got 'gaussian'$"),
)
LAYOUT: tuple[Row, ...] = (
    ("mo", ValueError, r"must be one of 'in_out', .*; got 'mo' \(did you mean 'moe'\?\)$"),
    ("grouped", ValueError, r"must say how many groups there are: pass cthulhu\.fans\.Layout"),
    (0, ValueError, r"must be one of 'in_out', .*; got 0$"),
)
INITIALIZER: tuple[Row, ...] = (
    ("he_norml", ValueError, r"names no initializer: unknown .* \(did you mean 'he_normal'\?\)"),
    (3, TypeError, r"names no initializer: an initializer is named by .*; got 3 of type int$"),
    (None, TypeError, r"names no initializer: got None$"),
    (functools.partial(functional.he_normal, mode=1), TypeError, r"names no .*unknown argument"),
    (
        initializers.HeNormal(seed=3),
        ValueError,
        r"has a seed of its own, 3, which would not be used: .*seed=3\)$",
    ),
)


def code_of(check: Any) -> CodeType:
    """What is the same in every closure that a factory of checks has made."""
    code: CodeType = check.__code__
    return code


BY_CHECK: dict[CodeType, tuple[Row, ...]] = {
    code_of(checks.fill_value): (
        *NUMBER,
        (10**400, ValueError, r"is an integer of 1329 bits, which no dtype can hold$"),
    ),
    code_of(checks.finite): FINITE,
    code_of(checks.bound): (
        *NUMBER,
        (1j, TypeError, r"must be a real number; got 1j$"),
        (float("nan"), ValueError, r"must be finite; got nan$"),
        (10**400, ValueError, r"must be finite; got 10+$"),
    ),
    code_of(checks.positive): (
        *FINITE,
        (0, ValueError, r"must be greater than 0; got 0$"),
        (0.0, ValueError, r"must be greater than 0; got 0\.0$"),
        (-1.0, ValueError, r"must be greater than 0; got -1\.0$"),
    ),
    code_of(checks.non_negative): (
        *FINITE,
        (-1, ValueError, r"must be at least 0; got -1$"),
        (-0.1, ValueError, r"must be at least 0; got -0\.1$"),
    ),
    code_of(checks.flag): (
        (1, TypeError, r"must be True or False; got 1$"),
        (None, TypeError, r"must be True or False; got None$"),
    ),
    code_of(checks.count): (
        (1.5, TypeError, r"must be an integer; got 1\.5$"),
        (None, TypeError, r"must be an integer; got None$"),
        (True, TypeError, r"must be an integer; got True$"),
        (0, ValueError, r"must be at least 1; got 0$"),
        (-1, ValueError, r"must be at least 1; got -1$"),
    ),
    code_of(options.seed().metadata["check"]): SEED,
    code_of(options.axes(-1).metadata["check"]): AXES,
    code_of(options.layout().metadata["check"]): LAYOUT,
    code_of(nested.initializer): INITIALIZER,
    code_of(nested.initializers): (
        *INITIALIZER,
        ([], ValueError, r"must name at least one initializer; got \[\]$"),
    ),
    code_of(checks.whole_or_none): (
        (1.5, TypeError, r"must be an integer or None; got 1\.5$"),
        ("3", TypeError, r"must be an integer or None; got '3'$"),
        (True, TypeError, r"must be an integer or None; got True$"),
        (-1, ValueError, r"must be at least 0; got -1$"),
    ),
    code_of(options.single_axis): (
        ((0, 1), TypeError, r"must be an integer; got \(0, 1\)$"),
        (True, TypeError, r"must be an integer; got True$"),
    ),
    code_of(known_mode): MODE,
    code_of(known_distribution): DISTRIBUTION,
}

"""The fields of the built-in classes: what an option is by default, and what checks it.

A check `(owner, argument, value)` returns the value in its canonical form. It is
the same for the class and for its function; a number may be traced in a call of
the function, and never in an instance, which outlives the trace.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cthulhu import checks
from cthulhu.fans._layout import Layout, layout_of

Check = Callable[[str, str, Any], Any]
Write = Callable[[Any], Any]
Field = dataclasses.Field[Any]

SEED = "seed"
"""The field that no function has: a call of it brings a key."""


def required(check: Check, *, traced: bool = False, write: Write | None = None) -> dict[str, Any]:
    """What `dataclasses.field(metadata=…)` takes for an option without a default.

    Type checkers take every other call for a default. `traced` lets a function take a
    traced number. `write` makes what JSON can hold of a value that it does not know.
    """
    return {"check": check, "may_be_traced": traced, "write": write}


def option(default: Any, check: Check, *, write: Write | None = None) -> Any:
    """A field that is one of a few values, or some other thing that is never traced."""
    return dataclasses.field(default=default, metadata={"check": check, "write": write})


def number(default: Any, check: Check) -> Any:
    """A field that is a number; in a function, one that may be traced."""
    return dataclasses.field(default=default, metadata={"check": check, "may_be_traced": True})


def axes(default: Any, *, rest: bool = False) -> Any:
    """A field for one axis, or several, or perhaps for the rest of them."""

    def check(owner: str, argument: str, value: Any) -> Any:
        if rest and isinstance(value, str):
            if value == "rest":
                return value
            raise ValueError(
                f"{owner}: {argument} must be an integer, a sequence of integers, or 'rest'; "
                f"got {value!r}{checks.did_you_mean(value, ['rest'])}"
            )
        found = checks.axis_tuple(owner, argument, value)
        return found[0] if len(found) == 1 else found

    return option(default, check)


def single_axis(owner: str, argument: str, value: Any) -> int:
    """One axis, as an integer."""
    try:
        return checks.whole(value)
    except TypeError:
        raise TypeError(f"{owner}: {argument} must be an integer; got {value!r}") from None


def layout() -> Any:
    """A field for the layout of the weights, in place of the axes."""

    def check(owner: str, argument: str, value: Any) -> Layout | str | None:
        if isinstance(value, Mapping):
            value = Layout(**value)  # As a config holds it.
        if value is not None:
            layout_of(owner, argument, value)
        return value  # type: ignore[no-any-return]

    return option(None, check)


def name_of(names: Iterable[str]) -> Write:
    """What writes one of a few functions, which have names: a config holds no code."""

    def write(value: Any) -> str:
        if isinstance(value, str):
            return value
        raise TypeError(
            f"serialize: the function {value!r} cannot be saved; those with a name can: "
            f"{', '.join(map(repr, names))}"
        )

    return write


def written(field: Field, value: Any) -> Any:
    """An option as JSON can hold it."""
    write = field.metadata.get("write")
    return plainly(value) if write is None else write(value)


def plainly(value: Any) -> Any:
    """A value that needs no words of its own, as JSON can hold it."""
    if isinstance(value, Layout):
        return {name: plainly(part) for name, part in dataclasses.asdict(value).items()}
    return list(value) if isinstance(value, tuple) else value


def seed() -> Any:
    """The field for the documented seed."""
    return option(None, lambda owner, _, value: checks.seed(owner, value))


def checked(owner: str, field: Field, value: Any, *, concrete: bool) -> Any:
    """The value of a field in its canonical form; `concrete` refuses a traced one."""
    if concrete and field.metadata.get("may_be_traced") and checks.is_traced(value):
        raise TypeError(
            f"{owner}: {field.name} must be concrete, since an instance is a value that can be "
            "compared and saved; got a traced array. Use the function in cthulhu.functional, "
            "which takes traced scalars"
        )
    return field.metadata["check"](owner, field.name, value)

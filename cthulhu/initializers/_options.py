"""The fields of the built-in classes: what an option is by default, and what checks it.

A check `(owner, argument, value)` returns the value in its canonical form. It is
the same for the class and for its function; a number may be traced in a call of
the function, and never in an instance, which outlives the trace.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from cthulhu import checks
from cthulhu.fans._layout import Layout, layout_of

Check = Callable[[str, str, Any], Any]
Field = dataclasses.Field[Any]

SEED = "seed"
"""The field that no function has: a call of it brings a key."""


def required(check: Check, *, may_be_traced: bool = False) -> dict[str, Any]:
    """What `dataclasses.field(metadata=…)` takes for an option without a default.

    Type checkers take every other call for a default.
    """
    return {"check": check, "may_be_traced": may_be_traced}


def option(default: Any, check: Check) -> Any:
    """A field that is one of a few values, or some other thing that is never traced."""
    return dataclasses.field(default=default, metadata={"check": check})


def number(default: Any, check: Check) -> Any:
    """A field that is a number; in a function, one that may be traced."""
    return dataclasses.field(default=default, metadata={"check": check, "may_be_traced": True})


def flag(owner: str, argument: str, value: Any) -> bool:
    """The check of a field that is true or false, and no number."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{owner}: {argument} must be True or False; got {value!r}")
    return bool(value)


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


def layout() -> Any:
    """A field for the layout of the weights, in place of the axes."""

    def check(owner: str, argument: str, value: Any) -> Layout | str | None:
        if isinstance(value, Mapping):
            value = Layout(**value)  # As a config holds it.
        if value is not None:
            layout_of(owner, argument, value)
        return value  # type: ignore[no-any-return]

    return option(None, check)


def one_way(owner: str, given: Mapping[str, Any]) -> None:
    """Refuse axes and a layout at once."""
    axes = (given["in_axis"], given["out_axis"], given["batch_axis"])
    if given["layout"] is not None and axes != (-2, -1, ()):
        raise ValueError(
            f"{owner}: pass axes, or a layout in their place; got in_axis={axes[0]!r}, "
            f"out_axis={axes[1]!r}, batch_axis={axes[2]!r} and layout={given['layout']!r}"
        )


def written(value: Any) -> Any:
    """An option as JSON can hold it."""
    if isinstance(value, Layout):
        return {name: written(field) for name, field in dataclasses.asdict(value).items()}
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

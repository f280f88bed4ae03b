"""The functions of `cthulhu.functional`, each derived from the class that defines it."""

import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

import jax

from cthulhu import checks
from cthulhu._types import Array
from cthulhu.caches import bounded
from cthulhu.initializers import _misuse as misuse
from cthulhu.initializers._builtin import BuiltIn, plan_draw, values_of
from cthulhu.initializers._docstrings import function_docstring
from cthulhu.programs._build import Draw
from cthulhu.typing import DTypeLike, OutSharding, Scalar, Shape

MODULE = "cthulhu.functional"

MISSING: Any = dataclasses.MISSING


class Function(Protocol):
    """A function `(key, shape, dtype, out_sharding, *, …options)` and where it comes from."""

    definition: type[BuiltIn]
    """The class that defines it, with its `name`, `defaults`, `plan` and `draws`."""

    draw: Callable[..., Draw]
    """`draw(shape, dtype, out_sharding, **options)`: the draw that a call runs, given a key."""

    def __call__(
        self,
        key: Array | None,
        shape: Shape,
        dtype: DTypeLike | None = None,
        out_sharding: OutSharding = None,
        **options: object,
    ) -> jax.Array:
        """Make the array that belongs to `key`."""
        ...


def function_of(definition: type[BuiltIn]) -> Function:
    """Derive the function of a class: its options are keywords, and may be traced."""
    name, defaults = definition.name, tuple(definition.defaults.values())
    incomplete = MISSING in defaults

    def initializer(
        key: Array | None = MISSING,
        shape: Shape = MISSING,
        dtype: DTypeLike | None = None,
        out_sharding: OutSharding = None,
        *excess: object,
        **options: object,
    ) -> jax.Array:
        values = checked_options(definition, options) if options else defaults
        if key is MISSING or shape is MISSING:
            raise misuse.too_few_arguments(name)
        if excess:
            raise misuse.too_many_arguments(name, 4 + len(excess), definition.defaults)
        if incomplete and not options:
            checked_options(definition, options)  # It tells what is missing.
        return values_of(definition, key, shape, dtype, out_sharding, values)

    def draw(
        shape: Shape,
        dtype: DTypeLike | None = None,
        out_sharding: OutSharding = None,
        **options: object,
    ) -> Draw:
        return plan_draw(
            definition, shape, dtype, out_sharding, checked_options(definition, options)
        )

    function: Any = initializer
    function.__name__ = function.__qualname__ = name
    function.__module__ = MODULE
    function.__signature__ = signature_of(definition)
    function.__annotations__ = annotations_of(function.__signature__)
    function.__kwdefaults__ = {
        option: default for option, default in definition.defaults.items() if default is not MISSING
    } or None
    function.__doc__ = docstring_of(definition)
    function.definition, function.draw = definition, draw
    return cast(Function, function)


def checked_options(definition: type[BuiltIn], given: Mapping[str, object]) -> tuple[object, ...]:
    """All options in the order of the plan, of which some were given."""
    merged = {**definition.defaults, **given}
    if len(merged) > len(definition.defaults):
        asked = next(name for name in merged if name not in definition.defaults)
        raise misuse.unknown_option(
            definition.name, asked, definition.defaults, definition.elsewhere
        )
    try:
        return remembered(definition, *map(checks.told_apart, merged.values()))
    except TypeError:
        pass  # Unhashable (a traced scalar, a list of axes), or wrong: checking again tells which.
    return checked_values(definition, *merged.values())


def checked_values(definition: type[BuiltIn], *values: object) -> tuple[object, ...]:
    given = dict(zip(definition.defaults, values, strict=True))
    owner = definition.name
    for option, value in given.items():
        if value is MISSING:
            how = f"Write {option}=…, or bind it: functools.partial({owner}, {option}=…)"
            raise misuse.missing_option(owner, option, how)
    return tuple(definition.checked(owner, given, concrete=False).values())


# 1 and True are equal, and only one of them is a number here.
remembered: Callable[..., tuple[object, ...]] = bounded(4096, typed=True)(checked_values)


def definition_of(thing: object) -> type[BuiltIn] | None:
    """The class that defines a function of `cthulhu.functional`; `None` for anything else."""
    found = getattr(thing, "definition", None) if inspect.isfunction(thing) else None
    return found if isinstance(found, type) and issubclass(found, BuiltIn) else None


def unbound(initializer: Any) -> tuple[Any, dict[str, Any]]:
    """An initializer without the `functools.partial` around it, and what that binds."""
    options: dict[str, Any] = {}
    while isinstance(initializer, functools.partial) and not initializer.args:
        options = {**initializer.keywords, **options}
        initializer = initializer.func
    return initializer, options


def signature_of(definition: type[BuiltIn]) -> inspect.Signature:
    """The arguments of a call, then the options as keywords."""
    key: object = jax.Array if definition.draws else jax.Array | None
    positional = [("key", key), ("shape", Shape)]
    optional = [("dtype", DTypeLike | None), ("out_sharding", OutSharding)]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [
        *(inspect.Parameter(name, kind, annotation=type_) for name, type_ in positional),
        *(inspect.Parameter(n, kind, annotation=t, default=None) for n, t in optional),
    ]
    for field in definition.option_fields():
        parameters.append(
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=Scalar if field.metadata.get("may_be_traced") else field.type,
            )
        )
    return inspect.Signature(parameters, return_annotation=jax.Array)


def annotations_of(signature: inspect.Signature) -> dict[str, object]:
    found = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return {**found, "return": signature.return_annotation}


def docstring_of(definition: type[BuiltIn]) -> str | None:
    """The docstring of the function; none where Python strips them (-OO)."""
    if definition.__doc__ is None or sys.flags.optimize >= 2:
        return None
    return function_docstring(
        definition.__doc__,
        arguments=definition.arguments,
        options={
            field.name: bool(field.metadata.get("may_be_traced"))
            for field in definition.option_fields()
        },
        example=definition.example,
        draws=definition.draws,
    )

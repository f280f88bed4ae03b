"""Which axes of a weight are inputs and outputs, where its initializer does not say."""

import dataclasses
import functools
from typing import Any, Literal

from cthulhu import checks, initializers
from cthulhu.fans import Fans, compute_fans
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._functions import definition_of, unbound
from cthulhu.initializers._nested import Combinator
from cthulhu.initializers._variance_scaling import FAN_AXES

TreeLayout = Literal["in_out", "out_in"] | None
"""How weights lie: (…, in, out) as in Flax, (out, in, …) as in Equinox, or unknown."""

LAYOUTS = ("in_out", "out_in")
FAN_OPTIONS = (*FAN_AXES, "layout")
IN_OUT_ALONE = (initializers.ConvolutionOrthogonal, initializers.DeltaOrthogonal)
AXES = ("in_axis", "out_axis", "batch_axis", "axis")


def instance(initializer: Any) -> Any:
    """An initializer made of others as an instance, which can be looked into."""
    function, given = unbound(initializer)
    definition = definition_of(function)
    if definition is None or not issubclass(definition, Combinator):
        return initializer
    if any(map(checks.is_traced, given.values())):
        return initializer
    return definition(**given)


def innermost(initializer: Any, shape: tuple[int, ...]) -> tuple[Any, tuple[int, ...]] | None:
    """The initializer within those made of others, and its shape; `None` if there are several."""
    initializer = instance(initializer)
    while isinstance(initializer, Combinator):
        (first, *others) = initializer.parts(shape)
        if any(one != first for one in others):
            return None
        initializer, shape = first
    return initializer, shape


def fans_of(initializer: Any, shape: tuple[int, ...]) -> Fans | None:
    """The fans that an initializer counts, or the one within it; `None` if it counts none."""
    found = innermost(initializer, shape)
    if found is None:
        return None
    (function, given), shape = unbound(found[0]), found[1]
    definition = definition_of(function)
    known = given if definition is None else {**definition.defaults, **given}
    options = {name: known.get(name, getattr(function, name, None)) for name in FAN_OPTIONS}
    axes: list[Any] = [options[name] for name in FAN_AXES]
    if options["layout"] is not None and None not in axes:
        return compute_fans(shape, layout=options["layout"])
    return None if None in axes else compute_fans(shape, *axes)


def axes_of(initializer: Any) -> dict[str, Any]:
    """The axes that one of this library's initializers uses; of others nothing is known."""
    function, given = unbound(initializer)
    known: dict[str, Any] = {}
    definition = definition_of(function)
    if isinstance(function, BuiltIn) and function.runs_its_plan and not given:
        known = {name: getattr(function, name) for name in type(function).defaults}
    elif definition is not None:
        known = {**definition.defaults, **given}
    if known.get("layout") is not None:
        return {}  # Whoever names a layout knows the axes.
    return {name: known[name] for name in AXES if name in known}


def has_default_axes(axes: dict[str, Any]) -> bool:
    """Whether fans count, and nobody said which axes are inputs and outputs."""
    return (axes.get("in_axis"), axes.get("out_axis")) == (-2, -1)


def with_layout(initializer: Any, layout: TreeLayout, shape: tuple[int, ...]) -> Any:
    """An initializer for weights of a shape and a layout; axes that it names stay.

    Args:
        initializer: any initializer.
        layout: the layout of the weights.
        shape: their shape; vectors and scalars have no layout.

    Returns:
        The initializer, or the same with other axes.

    Raises:
        ValueError: the initializer makes kernels of the other layout alone.

    Example:
        >>> from cthulhu import initializers
        >>> with_layout(initializers.HeNormal(), "out_in", (8, 4))
        HeNormal(in_axis=1, out_axis=0)
    """
    if layout != "out_in":
        return initializer
    if isinstance(initializer, Combinator):
        return combined(initializer, shape)
    function, given = unbound(initializer)
    definition = type(function) if isinstance(function, BuiltIn) else definition_of(function)
    if definition is not None and issubclass(definition, IN_OUT_ALONE):
        raise ValueError(
            f"{definition.name} makes kernels of layout (*spatial, in, out) alone, and the layout "
            "is 'out_in'; make it in that layout and transpose it"
        )
    axes = axes_of(initializer)
    if not axes:
        return initializer
    assert definition is not None  # Of others the axes are unknown.
    batch = axes.get("batch_axis", ())
    owner = definition.name
    stacks = () if batch == "rest" else checks.axes(owner, "batch_axis", batch, len(shape))
    rest = [axis for axis in range(len(shape)) if axis not in stacks]
    if len(rest) < 2:
        return initializer
    if has_default_axes(axes):
        change = {"in_axis": rest[1], "out_axis": rest[0]}
    elif axes.get("axis") == -1:
        change = {"axis": rest[0]}
    elif definition is initializers.OrthogonalPair and axes["axis"] is None:
        # The rank is the outputs of A, and the inputs of B.
        part = given.get("part", getattr(function, "part", None))
        change = {"axis": rest[0] if part == "A" else rest[1]}
    else:
        return initializer
    if isinstance(function, BuiltIn):
        return dataclasses.replace(function, **change)  # type: ignore[type-var]
    return functools.partial(initializer, **change)


def combined(initializer: Combinator, shape: tuple[int, ...]) -> Any:
    """An initializer made of others, for weights that lie (out, in)."""
    if len(shape) > 1:
        initializer = initializer.with_outputs(0)
    inits = [with_layout(one, "out_in", extent) for one, extent in initializer.parts(shape)]
    return initializer.of_parts(inits)

"""A parameter to be made: its path, shape, type, layout, initializer."""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, Sharding

from cthulhu import checks, initializers
from cthulhu._types import DType, PyTree
from cthulhu.fans import LayoutLike
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._by_depth import asks_for_layer
from cthulhu.initializers._functions import definition_of, unbound
from cthulhu.laws._composed import without
from cthulhu.params import _patterns as patterns
from cthulhu.params._fitting import laid_out
from cthulhu.params._rule import Keep, Rule
from cthulhu.params._rules import Rules
from cthulhu.params._using import (
    check_told,
    layout_in_layer,
    names_axes,
    same_fans,
    stack_of,
    usage_of,
)
from cthulhu.programs._build import Draw
from cthulhu.programs._placement import leaf_shardings
from cthulhu.trees import Frame, Path, flatten, frame_of, is_array, join
from cthulhu.usage import LeafUsage

Stacked = int | Mapping[str, int] | None
"""Which leaves stack layers along an axis: all of them, or those of a path regex."""


@dataclasses.dataclass(frozen=True)
class Leaf:
    """One parameter, and how it is made."""

    path: Path
    shape: tuple[int, ...]
    dtype: DType
    sharding: Sharding | None
    initializer: Any
    stack: int | None  # The axis along which layers are stacked, each with a key of its own.
    value: Any  # What `Keep` keeps.
    siblings: "tuple[tuple[str, Leaf], ...]" = ()  # What `OfSiblings` sees, by its arguments.
    layout: LayoutLike = None  # What is known of its axes.
    role: str | None = None  # What the rule says that it is.
    present: bool = False  # Whether it stays, though its rule names an initializer.
    used: LeafUsage | None = None  # What a function uses it as.
    source: str = "default"  # Where its axes come from; see `LeafPlan.fans_from`.

    @property
    def kept(self) -> bool:
        """Whether the parameter stays as it is."""
        return self.present or isinstance(self.initializer, Keep)

    @property
    def layer_axis(self) -> int | None:
        """The axis of the layers, also where the initializer makes them all at once."""
        initializer = self.initializer
        if self.stack is None and isinstance(initializer, initializers.ByDepth):
            return None if initializer.axis is None else initializer.axis % len(self.shape)
        return self.stack

    @property
    def shape_of_layer(self) -> tuple[int, ...]:
        """The shape of one layer, also where the initializer makes them all at once."""
        return self.shape if self.layer_axis is None else without(self.shape, self.layer_axis)

    @property
    def layers(self) -> int | None:
        """The number of stacked layers."""
        return None if self.stack is None else self.shape[self.stack]

    @property
    def layer_shape(self) -> tuple[int, ...]:
        """The shape of one layer: what the initializer is asked for."""
        return self.shape if self.stack is None else without(self.shape, self.stack)

    @property
    def nbytes(self) -> int:
        """The size of the parameter in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    @functools.cached_property
    def unbound(self) -> tuple[Any, dict[str, Any]]:
        """The initializer without the `functools.partial` around it, and what that binds."""
        return unbound(self.initializer)

    @functools.cached_property
    def draw(self) -> Draw | None:
        """The draw of one layer, if the initializer is one of this library's."""
        if self.kept:
            return None
        initializer, options = self.unbound
        if isinstance(initializer, BuiltIn) and initializer.runs_its_plan and not options:
            return initializer.draw(self.layer_shape, self.dtype)
        definition = definition_of(initializer)
        if definition is not None and options.keys() <= definition.defaults.keys():
            draw: Draw = initializer.draw(self.layer_shape, self.dtype, **options)
            return draw
        return None


def leaves_of(
    owner: str,
    tree: PyTree,
    rules: Rules,
    shardings: PyTree,
    stacked: Stacked,
    *,
    filling: bool = False,
) -> tuple[list[Leaf], Frame]:
    """The parameters of a tree under rules, checked, and the rest of the tree.

    With `filling`, what has a value stays where and as it is.
    """
    frame = frame_of(tree)
    every_path, everything, _ = flatten(tree)
    paths, values = frame.parameters(every_path), frame.parameters(everything)
    for path, value in zip(paths, values, strict=True):
        if not is_array(value):
            raise TypeError(
                f"{owner}: the leaf {join(path)!r} must be an array or a jax.ShapeDtypeStruct; "
                f"got {value!r} of type {type(value).__name__}"
            )
    if shardings is None:
        placed = [own_sharding(value) for value in values]
    else:
        placed = leaf_shardings(shardings, frame.alone(values), owner)
    found = rules.resolve(paths)
    axes = stack_axes(owner, stacked, paths)
    leaves = []
    for path, value, sharding, rule, said in zip(paths, values, placed, found, axes, strict=True):
        used = usage_of(owner, rules.usage, path, tuple(value.shape))
        axis = stack_of(used) if stacked is None else said
        check_kernel(owner, path, tuple(value.shape), rule)
        present = filling and has_value(value)
        known = rule.layout or layout_in_layer(used, axis)
        layout = known or rules.layout
        leaf = Leaf(
            path,
            tuple(value.shape),
            value.dtype,
            None if present else sharding,
            rule.initializer,
            axis,
            value,
            layout=layout,
            role=rule.role,
            present=present,
            used=used,
            source="rule" if rule.layout else "use" if known else "rules",
        )
        leaves.append(checked(owner, leaf, layout))
    return leaves, frame


def check_kernel(owner: str, path: Path, shape: tuple[int, ...], rule: Rule) -> None:
    """Refuse a vector of which the rules say that it is a kernel."""
    if rule.role is not None and rule.layout is not None and len(shape) < 2:
        raise ValueError(
            f"{owner}: {join(path)!r} has the role {rule.role!r} by its name, whose parameters "
            f"have inputs and outputs, and it is of shape {shape}. Say what it is with a rule of "
            "your own before the others: rules.extend([…], before=True)"
        )


def has_value(leaf: object) -> bool:
    """Whether a leaf is an array, and does not only say what one is like."""
    return isinstance(leaf, jax.Array) or hasattr(leaf, "__array__")


def own_sharding(value: object) -> Sharding | None:
    """The layout that a leaf brings along."""
    sharding = getattr(value, "sharding", None)
    return sharding if isinstance(sharding, NamedSharding) else None


def stack_axes(owner: str, stacked: Stacked, paths: list[Path]) -> list[int | None]:
    """The axis of stacked layers of each path."""
    if stacked is None:
        return [None] * len(paths)
    if isinstance(stacked, int) and not isinstance(stacked, bool):
        return [stacked] * len(paths)
    if not isinstance(stacked, Mapping):
        raise TypeError(
            f"{owner}: stacked must be an axis, or a mapping of regular expressions to axes; "
            f"got {stacked!r}"
        )
    axes: list[int | None] = [None] * len(paths)
    names = list(map(join, paths))
    for pattern, axis in stacked.items():
        if not isinstance(pattern, str):
            raise TypeError(f"{owner}: stacked maps strings (regex) to axes; got {pattern!r}")
        for at in patterns.matching(f"{owner}: stacked", pattern, names):
            axes[at] = axis if axes[at] is None else axes[at]
    return axes


def checked(owner: str, leaf: Leaf, layout: LayoutLike) -> Leaf:
    """A leaf whose parts fit each other, with its initializer in the layout of the model."""
    name = f"{owner}: {join(leaf.path)!r}"
    if leaf.stack is not None:
        (axis,) = checks.axes(name, "stacked", leaf.stack, len(leaf.shape))
        leaf = dataclasses.replace(leaf, stack=axis)
    if leaf.kept:
        if leaf.present:  # Its initializer may be asked for its axes.
            return in_layout(name, leaf, layout)
        if isinstance(leaf.value, jax.ShapeDtypeStruct):
            raise ValueError(
                f"{name} is to be kept, but has no value: it is a jax.ShapeDtypeStruct. "
                "Pass a tree that holds the array, or give the parameter an initializer"
            )
        return leaf
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        raise TypeError(f"{name} holds PRNG keys, which no initializer makes; use Keep()")
    return in_layout(name, dataclasses.replace(leaf, dtype=checks.dtype(name, leaf.dtype)), layout)


def in_layout(name: str, leaf: Leaf, layout: LayoutLike) -> Leaf:
    """A leaf whose initializer knows its stack and its layout."""
    try:
        leaf = unstacked(leaf)
        shape, initializer = leaf.layer_shape, leaf.initializer
        if names_axes(initializer, shape):
            leaf = dataclasses.replace(leaf, source="initializer")
        elif layout is None:
            leaf = dataclasses.replace(leaf, source="default")
        elif leaf.source == "use" and same_fans(initializer, layout, shape):
            return leaf
        initializer = laid_out(initializer, layout, shape, leaf.dtype)
    except (TypeError, ValueError) as error:
        raise checks.in_name_of(name, error) from None
    if layout is None:
        check_told(name, leaf.used, initializer, shape)
    return (
        leaf
        if initializer is leaf.initializer
        else dataclasses.replace(leaf, initializer=initializer)
    )


def planned(owner: str, leaf: Leaf) -> Leaf:
    """A leaf whose draw has been planned."""
    try:
        leaf.draw  # noqa: B018 - planning checks the shape and the type
    except (TypeError, ValueError) as error:
        raise checks.in_name_of(f"{owner}: {join(leaf.path)!r}", error) from None
    return leaf


def unstacked(leaf: Leaf) -> Leaf:
    """A leaf of stacked layers, whichever way that was said: as `Stacked`, or beside the rules."""
    initializer = leaf.initializer
    if leaf.stack is None and type(initializer) is initializers.Stacked:
        (axis,) = checks.axes("stacked", "axis", initializer.axis, len(leaf.shape))
        return dataclasses.replace(leaf, initializer=initializer.init, stack=axis)
    if leaf.stack is not None and asks_for_layer(initializer):
        if type(initializer) is not initializers.ByDepth or initializer.layers is not None:
            raise ValueError(
                f"{initializer!r} is to make stacked layers, and ByDepth within it does not know "
                "which is which. Write ByDepth(…) outside of the others, without layers"
            )
        by_axis = dataclasses.replace(initializer, axis=leaf.stack)
        return dataclasses.replace(leaf, initializer=by_axis, stack=None)
    return leaf

"""What the layers of a framework tell of their arrays, put into the plan of a model.

A tree tells paths and shapes. A layer tells more: which axes of its kernel are inputs and
outputs, how many axes one layer's array has (further ones, in front, stack layers), and
whether it holds the gates of a recurrent cell side by side. An adapter collects a `Weight`
for each path it knows of; `plan_of` gives each initializer what it needs of that. An
initializer that names its own axes keeps them, and one that is not of this library is asked
for the array as it is: nothing is known of either.
"""

import dataclasses
import functools
import math
from collections.abc import Container, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from cthulhu import checks
from cthulhu._types import DType, PyTree
from cthulhu.fans import Layout
from cthulhu.initializers import Blocked, ByDepth, Initializer, Stacked
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._functions import definition_of, unbound
from cthulhu.initializers._nested import Combinator
from cthulhu.laws import Elementwise, Fill
from cthulhu.params import Keep, Plan, Rules
from cthulhu.params._cautions import caution
from cthulhu.params._layout import TreeLayout, axes_of, has_default_axes
from cthulhu.params._leaves import Leaf, checked, own_sharding, stack_axes
from cthulhu.params._plan import laid_out
from cthulhu.params._relations import related
from cthulhu.params._rules import RulesLike
from cthulhu.trees import Path, flatten, frame_of, join
from cthulhu.typing import DTypeLike, Shape


class Weight(NamedTuple):
    """What a layer tells of one of its arrays."""

    rank: int
    """The number of its axes in a layer that stands alone."""

    layout: Layout | None = None
    """Its inputs and outputs; a bias and a scale have none."""

    gates: int = 1
    """The number of equal parts along the outputs, each a matrix of its own."""


@dataclasses.dataclass(frozen=True)
class Transposed(Initializer):
    """An initializer of (…, in, out) for a kernel of another layout.

    It serves laws whose elements depend on where they lie.
    """

    initializer: Any
    layout: Layout

    def __call__(self, key: jax.Array, shape: Shape, dtype: DTypeLike | None = None) -> jax.Array:
        """Make the kernel in (…, in, out), and move its axes."""
        rest, inputs, outputs = parts(self.layout, len(shape))
        order = (*rest, *inputs, *outputs)
        values = self.initializer(key, canonical(self.layout, shape), dtype)
        values = values.reshape([shape[axis] for axis in order])
        return jnp.transpose(values, [order.index(axis) for axis in range(len(shape))])


def parts(layout: Layout, rank: int) -> tuple[tuple[int, ...], ...]:
    """The axes of all else, of the inputs and of the outputs."""
    inputs = checks.axes("Layout", "in_axis", layout.in_axis, rank)
    outputs = checks.axes("Layout", "out_axis", layout.out_axis, rank)
    if layout.transpose:
        inputs, outputs = outputs, inputs
    rest = tuple(axis for axis in range(rank) if axis not in inputs + outputs)
    return rest, inputs, outputs


def canonical(layout: Layout, shape: Shape) -> tuple[int, ...]:
    """The shape of the same kernel in (…, in, out)."""
    rest, inputs, outputs = parts(layout, len(shape))
    ends = [math.prod(shape[axis] for axis in axes) for axes in (inputs, outputs)]
    return (*(shape[axis] for axis in rest), *ends)


def gate_shape(shape: Shape, gates: int, axis: int) -> tuple[int, ...]:
    """The shape of one gate."""
    one = list(shape)
    one[axis] //= gates
    return tuple(one)


def fitted(initializer: Any, weight: Weight, shape: Shape, dtype: DType) -> Any:
    """An initializer for one layer's array, as its layer knows it."""
    layout = weight.layout
    if layout is None:
        return initializer
    if isinstance(initializer, Combinator):
        return combined(initializer, weight, shape, dtype)
    function, options = unbound(initializer)
    definition = type(function) if isinstance(function, BuiltIn) else definition_of(function)
    own_code = isinstance(function, BuiltIn) and not function.runs_its_plan
    if definition is None or own_code or "layout" in options or len(shape) != weight.rank:
        return initializer
    axes = axes_of(initializer)
    if axes.get("batch_axis", ()) != () or axes.get("axis", -1) != -1:
        return initializer
    if "layout" in definition.defaults:
        if not has_default_axes(axes):
            return initializer
        fit = changed(initializer, **axes_or_layout(layout))
    else:
        one = gate_shape(shape, weight.gates, gate_axis(layout))
        law = initializer.draw(canonical(layout, one), dtype).recipe.law
        if isinstance(law, Elementwise | Fill) or layout.in_axis == layout.out_axis:
            return initializer
        fit = moved(initializer, layout, len(shape))
    if weight.gates == 1:
        return fit
    if getattr(fit, "seed", None) is not None:
        fit = dataclasses.replace(fit, seed=None)  # The key of the array decides.
    return Blocked(fit, weight.gates, axis=gate_axis(layout))


def combined(initializer: Combinator, weight: Weight, shape: Shape, dtype: DType) -> Combinator:
    """An initializer made of others, each of which knows what the layer tells."""
    layout = weight.layout
    if isinstance(initializer, Blocked):
        weight = weight._replace(gates=1)  # Whoever says blocks knows them.
    if layout is not None:
        initializer = initializer.with_outputs(gate_axis(layout))
    within = initializer.parts(tuple(shape))
    return initializer.of_parts([fitted(one, weight, extent, dtype) for one, extent in within])


def stacks_itself(initializer: Any) -> bool:
    """Whether an initializer, or one within, tells the layers of a stack by itself."""
    if not isinstance(initializer, Combinator):
        return False
    if isinstance(initializer, ByDepth) and initializer.axis is not None:
        return True
    return isinstance(initializer, Stacked) or any(map(stacks_itself, initializer.within))


def axes_or_layout(layout: Layout) -> dict[str, Any]:
    """The options of a layout: its axes, if they tell all."""
    if layout.transpose or layout.groups > 1:
        return {"layout": layout}
    return {name: getattr(layout, name) for name in ("in_axis", "out_axis", "batch_axis")}


def moved(initializer: Any, layout: Layout, rank: int) -> Any:
    """An initializer whose elements depend on where they lie, for a kernel of a layout."""
    rest, inputs, outputs = parts(layout, rank)
    if (*rest, *inputs, *outputs) == tuple(range(rank)) and len(inputs) == len(outputs) == 1:
        return initializer
    if axes_of(initializer).keys() == {"axis", "batch_axis"} and len(outputs) == 1:
        batch = rest if layout.batch_axis == "rest" else layout.batch_axis
        return changed(initializer, axis=outputs[0], batch_axis=batch)
    return Transposed(initializer, layout)


def gate_axis(layout: Layout) -> int:
    """The axis along which gates lie."""
    return layout.out_axis if isinstance(layout.out_axis, int) else layout.out_axis[0]


def changed(initializer: Any, **options: Any) -> Any:
    """An initializer with other options."""
    if isinstance(initializer, BuiltIn):
        return dataclasses.replace(initializer, **options)  # type: ignore[type-var]
    return functools.partial(initializer, **options)


def plan_of(
    owner: str,
    tree: PyTree,
    rules: RulesLike,
    weights: Mapping[Path, Weight],
    *,
    states: Container[Path] = (),
    layout: TreeLayout = None,
    stacked: int | Mapping[str, int] | None = None,
) -> Plan[Any]:
    """The plan of a model whose layers tell of their arrays.

    Args:
        owner: the function that the user called, two frames above.
        tree: the model.
        rules: as for `cthulhu.params.plan`. Arrays that hold no real or complex
            numbers stay as they are, and need no rule.
        weights: what is known of arrays, by path.
        states: the paths of arrays that are no parameters.
        layout: the layout of all other arrays.
        stacked: as for `cthulhu.params.plan`; where it is silent, the axes that an array
            has more than its layer tells stack layers.

    Returns:
        A `Plan`.
    """
    checked_rules: Rules = laid_out(owner, rules, None)
    layout = checked_rules.layout or layout
    frame = frame_of(tree)
    every_path, everything, _ = flatten(tree)
    paths, values = frame.parameters(every_path), frame.parameters(everything)
    ruled = [
        at
        for at, (path, value) in enumerate(zip(paths, values, strict=True))
        if needs_rule(owner, path, value) and path not in states
    ]
    found = dict(zip(ruled, checked_rules.match([paths[at] for at in ruled]), strict=True))
    axes = stack_axes(owner, stacked, paths)
    leaves = []
    for at, (path, value) in enumerate(zip(paths, values, strict=True)):
        weight, initializer, stack = weights.get(path), found.get(at, Keep()), axes[at]
        if stack is None and not stacks_itself(initializer):
            stack = stack_of(owner, path, value, weight)
        leaf = Leaf(
            path,
            tuple(value.shape),
            value.dtype,
            own_sharding(value),
            initializer,
            stack,
            value,
        )
        leaf = checked(owner, fit_leaf(owner, leaf, weight), None if weight else layout)
        leaves.append(leaf)
    layouts = {path: one.layout for path, one in weights.items() if one.layout is not None}
    leaves = related(owner, leaves, layout, layouts)
    unknown = [leaf for leaf in leaves if leaf.path not in weights]
    caution(owner, unknown, layout, stacked, stacklevel=3)
    return Plan(tuple(leaves), frame)


def needs_rule(owner: str, path: Path, value: Any) -> bool:
    """Whether an array is a parameter: counters, indices and keys are none."""
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise TypeError(
            f"{owner}: the leaf {join(path)!r} must be an array or a jax.ShapeDtypeStruct; "
            f"got {value!r} of type {type(value).__name__}"
        )
    # Without a value there is nothing to keep, so a rule has to say.
    return isinstance(value, jax.ShapeDtypeStruct) or jnp.issubdtype(value.dtype, jnp.inexact)


def stack_of(owner: str, path: Path, value: Any, weight: Weight | None) -> int | None:
    """The axis that stacks layers in an array of more axes than its layer tells."""
    further = 0 if weight is None else len(value.shape) - weight.rank
    if further > 1:
        raise ValueError(
            f"{owner}: {join(path)!r} of shape {tuple(value.shape)} has {further} axes more than "
            "its layer alone; one axis of stacked layers can be told. Give the initializer its "
            "axes, as HeNormal(in_axis=-1, out_axis=-2, batch_axis='rest'), and initialize the "
            "array by itself"
        )
    return 0 if further == 1 else None


def fit_leaf(owner: str, leaf: Leaf, weight: Weight | None) -> Leaf:
    """A leaf whose initializer knows what the layer tells."""
    if weight is None or leaf.kept:
        return leaf
    try:
        found = fitted(leaf.initializer, weight, leaf.layer_shape, leaf.dtype)
    except (TypeError, ValueError) as error:
        raise checks.in_name_of(f"{owner}: {join(leaf.path)!r}", error) from None
    return leaf if found is leaf.initializer else dataclasses.replace(leaf, initializer=found)

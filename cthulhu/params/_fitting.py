"""An initializer for a weight of which it is known where inputs, outputs and gates lie.

An initializer that names its own axes keeps them, and one that is not of this library is
asked for the array as it is: nothing is known of either.
"""

import dataclasses
import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from cthulhu import checks
from cthulhu._types import DType
from cthulhu.fans import Layout, LayoutLike
from cthulhu.fans._layout import layout_of
from cthulhu.initializers import Blocked, ByDepth, Initializer, Stacked
from cthulhu.initializers._builtin import BuiltIn
from cthulhu.initializers._functions import definition_of, unbound
from cthulhu.initializers._nested import Combinator
from cthulhu.laws import Elementwise, Fill
from cthulhu.params._layout import LAYOUTS as TREE_LAYOUTS
from cthulhu.params._layout import axes_of, has_default_axes, with_layout
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
    if axes.get("batch_axis", ()) != () or axes.get("axis", -1) not in (-1, None):
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


def laid_out(initializer: Any, layout: LayoutLike, shape: Shape, dtype: DType) -> Any:
    """An initializer for one layer's array of a layout; vectors have none."""
    if layout is None or layout in TREE_LAYOUTS:
        return with_layout(initializer, layout, tuple(shape))  # type: ignore[arg-type]
    if len(shape) < 2:
        return initializer
    weight = Weight(len(shape), layout_of("Rule", "layout", layout))
    return fitted(initializer, weight, shape, dtype)


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

"""Warnings where default axes meet a weight that does not look made for them.

Nothing in an array tells inputs from outputs, or layers from a receptive field. What a model
looks like does, often enough: the names of its parameters, and the shapes beside them.
"""

import dataclasses
import re
import warnings
from collections.abc import Sequence

from cthulhu import checks
from cthulhu.fans import Fans, compute_fans
from cthulhu.laws import Fill
from cthulhu.params._layout import TreeLayout, axes_of, has_default_axes, with_layout
from cthulhu.params._leaves import Leaf, Stacked
from cthulhu.trees import Path, join
from cthulhu.typing import Axes

# As in `weight`, `weight_ih`, `in_proj_weight`, and a state dict's `layers.0.weight`.
OUT_IN_NAME = re.compile(r"(.*[._])?weight(_.*)?")
# What a module that holds all its layers in one array is mostly called; layers that stand
# alone end in their number.
STACK_NAME = re.compile(r"(?i)(.*(layers|blocks|stack|stacked)|h|.*scan.*)")
MOST_LAYERS = 256
# The usual widths of a one-dimensional convolution, whose kernels have three axes too.
CONVOLUTION_WIDTHS = (1, 3, 5, 7)


def caution(
    owner: str, leaves: Sequence[Leaf], layout: TreeLayout, stacked: Stacked, stacklevel: int
) -> None:
    """Warn, once of each kind, of the first parameter whose axes look wrong.

    Args:
        owner: the function that the user called.
        leaves: the parameters.
        layout: what the user said of the layout; whoever has is not warned of it.
        stacked: what the user said of stacked layers, in the same way.
        stacklevel: the frames from here to the user's, as `warnings.warn` counts.
    """
    stacks = [] if stacked is not None else stacks_among(leaves, layout)
    if stacks:
        message = describe_stack(owner, [leaf for leaf, _ in stacks], stacks[0][1])
        warnings.warn(message, UserWarning, stacklevel=stacklevel + 1)
    if layout is None:
        taken = {leaf.path for leaf, _ in stacks}
        turned = [leaf for leaf in leaves if leaf.path not in taken and looks_turned(leaf)]
        if turned:
            warnings.warn(describe_turned(owner, turned), UserWarning, stacklevel=stacklevel + 1)


def others(leaves: Sequence[Leaf]) -> str:
    """How many more there are."""
    return f" (and {len(leaves) - 1} more like it)" if len(leaves) > 1 else ""


def fans(leaf: Leaf, **changed: Axes) -> Fans:
    """The fans of one layer, with some axes changed."""
    axes = {**axes_of(leaf.initializer), **changed}
    return compute_fans(leaf.layer_shape, axes["in_axis"], axes["out_axis"], axes["batch_axis"])


def looks_turned(leaf: Leaf) -> bool:
    """Whether the weight's name is of an (out, in) framework, and its axes make a difference."""
    if leaf.draw is None or not OUT_IN_NAME.fullmatch(leaf.path[-1] if leaf.path else ""):
        return False
    if not has_default_axes(axes_of(leaf.initializer)):
        return False
    initializer = with_layout(leaf.initializer, "out_in", leaf.layer_shape)
    turned = dataclasses.replace(leaf, initializer=initializer).draw
    assert turned is not None
    pairs = list(zip(leaf.draw.scalars, turned.scalars, strict=True))
    if any(checks.is_traced(scalar) for pair in pairs for scalar in pair):
        return True  # A traced scale hides whether the fans matter.
    return any(one != other for one, other in pairs)


def describe_turned(owner: str, leaves: Sequence[Leaf]) -> str:
    leaf = leaves[0]
    used = fans(leaf)
    other = fans(leaf, **axes_of(with_layout(leaf.initializer, "out_in", leaf.layer_shape)))
    return (
        f"{owner}: {join(leaf.path)!r} of shape {leaf.shape}{others(leaves)} is named as Equinox "
        "and PyTorch name their weights, which lie (out, in), and its initializer has the default "
        f"axes, (in, out): fan_in={used.fan_in} and fan_out={used.fan_out} are used, where "
        f"layout='out_in' uses fan_in={other.fan_in} and fan_out={other.fan_out}. Pass "
        "layout='out_in', here or to Rules, or layout='in_out' if all is right; or name the axes "
        "on the initializer, as HeNormal(in_axis=1, out_axis=0) does"
    )


def stacks_among(leaves: Sequence[Leaf], layout: TreeLayout) -> list[tuple[Leaf, Path]]:
    """The parameters of rank 3 whose first axis looks like a count of layers; the stack of each."""
    suspects = [leaf for leaf in leaves if counts_first_axis(leaf, layout)]
    groups = grouped(leaves) if suspects else {}
    pairs = [(leaf, stack_of(leaf, groups)) for leaf in suspects]
    return [(leaf, stack) for leaf, stack in pairs if stack is not None]


def counts_first_axis(leaf: Leaf, layout: TreeLayout) -> bool:
    """Whether a leaf has three axes, the first of which counts in its fans unasked."""
    if leaf.draw is None or leaf.stack is not None:
        return False
    if len(leaf.shape) != 3 or leaf.shape[0] < 2:
        return False
    axes = axes_of(leaf.initializer)
    by_layout = layout == "out_in" and (axes.get("in_axis"), axes.get("out_axis")) == (1, 0)
    return axes.get("batch_axis") == () and (by_layout or has_default_axes(axes))


@dataclasses.dataclass
class Group:
    """The parameters below one node of the tree."""

    firsts: set[int | None] = dataclasses.field(default_factory=set)
    """The sizes of their first axes; `None` for a scalar or a vector."""
    vectors: set[int] = dataclasses.field(default_factory=set)
    """The sizes of what may be a bias or a norm's scale for each layer."""


def grouped(leaves: Sequence[Leaf]) -> dict[Path, Group]:
    """The groups of a tree: of each node, of the root and of each leaf."""
    groups: dict[Path, Group] = {}
    for leaf in leaves:
        is_fill = leaf.draw is not None and isinstance(leaf.draw.recipe.law, Fill)
        for depth in range(len(leaf.path) + 1):
            group = groups.setdefault(leaf.path[:depth], Group())
            group.firsts.add(leaf.shape[0] if len(leaf.shape) > 1 else None)
            if len(leaf.shape) == 2 and is_fill:
                group.vectors.add(leaf.shape[1])
    return groups


def stack_of(leaf: Leaf, groups: dict[Path, Group]) -> Path | None:
    """The node below which all parameters have the first axis of this one, as stacked layers do.

    That it is no accident is told by a bias or a scale which has that axis, as that of a lone
    layer has not, or by the name of the node.
    """
    size = leaf.shape[0]
    for depth in range(len(leaf.path) + 1):
        group = groups[leaf.path[:depth]]
        if group.firsts != {size}:
            continue
        if not group.vectors.isdisjoint(leaf.shape[1:]):
            return leaf.path[:depth]
        numbered = depth < len(leaf.path) and leaf.path[depth].isdigit()
        named = depth > 0 and STACK_NAME.fullmatch(leaf.path[depth - 1])
        if named and not numbered and size <= MOST_LAYERS and size not in CONVOLUTION_WIDTHS:
            return leaf.path[:depth]
    return None


def describe_stack(owner: str, leaves: Sequence[Leaf], stack: Path) -> str:
    leaf = leaves[0]
    axes = axes_of(leaf.initializer)
    used, layer = fans(leaf), compute_fans(leaf.shape[1:], axes["in_axis"], axes["out_axis"])
    node = re.escape(join(stack))
    pattern = node if stack == leaf.path else f"{node}/.*"
    remedy = f"{{{pattern!r}: 0}}" if stack else "0"
    return (
        f"{owner}: {join(leaf.path)!r} of shape {leaf.shape}{others(leaves)} looks like "
        f"{leaf.shape[0]} stacked layers, and its initializer counts them in its fans: "
        f"fan_in={used.fan_in} and fan_out={used.fan_out} are used, where a layer of shape "
        f"{leaf.shape[1:]} has {layer.fan_in} and {layer.fan_out}. Pass stacked={remedy}, or "
        "stacked={} if nothing is stacked; or name the axis on the initializer, as "
        "HeNormal(batch_axis=0) does"
    )

"""What a function uses a parameter as, for its initializer: axes, and stacked layers."""

import dataclasses
from typing import Any

from cthulhu.fans import Layout, LayoutLike
from cthulhu.params._layout import axes_of, fans_of, has_default_axes, innermost
from cthulhu.trees import Path, join
from cthulhu.usage import LeafUsage, Usage


def usage_of(
    owner: str, usage: Usage | None, path: Path, shape: tuple[int, ...]
) -> LeafUsage | None:
    """What is known of a parameter; `None` if there is no usage.

    Raises:
        ValueError: the usage does not know it, or knows it in another shape.
    """
    if usage is None:
        return None
    found = usage.get(join(path))
    if found is None:
        near = ", ".join(repr(leaf.path) for leaf in usage.leaves[:3])
        raise ValueError(
            f"{owner}: usage knows no parameter {join(path)!r}; it is of a function of another "
            f"tree, with {near}, …. Infer it with the tree that is initialized"
        )
    if found.shape != shape:
        raise ValueError(
            f"{owner}: {join(path)!r} has shape {shape}, and usage knows it with shape "
            f"{found.shape}. Infer it with the tree that is initialized"
        )
    return found


def stack_of(used: LeafUsage | None) -> int | None:
    """The axis of layers, each of which gets a key of its own."""
    return used.stacked[0] if used is not None and used.stacked else None


def layout_in_layer(used: LeafUsage | None, stack: int | None) -> Layout | None:
    """The axes of a parameter, or of one of its layers, as an initializer takes them."""
    layout = None if used is None else used.layout
    if layout is None or stack is None:
        return layout

    def within(axes: Any) -> tuple[int, ...]:
        named = (axes,) if isinstance(axes, int) else axes
        return tuple(axis - (axis > stack) for axis in named if axis != stack)

    return dataclasses.replace(
        layout,
        in_axis=within(layout.in_axis),
        out_axis=within(layout.out_axis),
        batch_axis=within(layout.batch_axis),
    )


def counts_fans(initializer: Any, shape: tuple[int, ...]) -> bool:
    """Whether an initializer counts fans, and nobody said along which axes."""
    found = innermost(initializer, shape)
    return found is not None and len(found[1]) > 1 and has_default_axes(axes_of(found[0]))


def names_axes(initializer: Any, shape: tuple[int, ...]) -> bool:
    """Whether an initializer counts fans, along axes that it names."""
    try:
        found = innermost(initializer, shape)
    except ValueError:  # Its blocks may fit once it knows the layout.
        return False
    return (
        found is not None
        and fans_of(*found) is not None
        and not has_default_axes(axes_of(found[0]))
    )


def check_told(name: str, used: LeafUsage | None, initializer: Any, shape: tuple[int, ...]) -> None:
    """Refuse to count the fans of a parameter whose use could not be followed."""
    if used is None or used.layout is not None or used.role not in ("kernel", "opaque", "unused"):
        return
    if not counts_fans(initializer, shape):
        return
    how = {"kernel": "as a kernel whose axes cannot be told apart", "unused": "nowhere"}
    why = f" ({used.note})" if used.note else ""
    raise ValueError(
        f"{name} is used {how.get(used.role, 'in a way that could not be followed')}{why}, and "
        f"{initializer!r} asks for its inputs and outputs. Say them: Rule(pattern, initializer, "
        "layout=cthulhu.fans.Layout(in_axis=…, out_axis=…)), or name the axes on the initializer"
    )


def same_fans(initializer: Any, layout: LayoutLike, shape: tuple[int, ...]) -> bool:
    """Whether an initializer that counts fans counts by its default axes what a layout says."""
    return (
        isinstance(layout, Layout)
        and layout.groups == 1
        and counts_fans(initializer, shape)
        and fans_of(initializer, shape) == layout.fans(shape)
    )

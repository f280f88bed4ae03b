"""The role of a parameter: what is known of its axes, and which of them grow."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from cthulhu import checks
from cthulhu.mup._leaf import LeafShape, Role, Use
from cthulhu.params._layout import TreeLayout
from cthulhu.usage import LeafUsage

Axes = tuple[int, ...]
Shape = tuple[int, ...]


class Told(NamedTuple):
    """What is known of the axes of a parameter, whoever tells."""

    use: Use | None
    inputs: Axes
    outputs: Axes
    apart: Axes
    counted: Axes | None = None
    """The axes that may be infinite; `None` if all may."""
    tied: bool = False
    groups: int = 1
    stacked: Axes = ()
    """Those of `apart` that stack layers."""
    why: str = ""
    """Why nothing is known."""


class Grown(NamedTuple):
    """A parameter at both widths, and which of its axes grow."""

    path: str
    shape: Shape
    base: Shape
    dtype: str
    axes: Axes

    def ratio(self, axes: Axes) -> float:
        """By which factor these axes together have grown."""
        pairs = (Fraction(self.shape[axis], self.base[axis]) for axis in axes)
        return float(math.prod(pairs, start=Fraction(1)))


class AmbiguousError(Exception):
    """What keeps the role of a parameter from being known."""


def told_by_usage(leaf: LeafUsage, rank: int) -> Told:
    """What the use of a parameter tells of its axes."""
    if len(leaf.shape) != rank:
        raise ValueError(
            f"mup.infer: usage has {leaf.path!r} of shape {leaf.shape}, whose rank is not {rank} "
            "as in base; infer it from the model at hand"
        )
    apart = tuple(sorted({*leaf.batch, *leaf.stacked}))
    if leaf.role in ("opaque", "unused"):
        why = next((use.why for use in leaf.uses if use.why), "") or leaf.note
        text = "it is used in a way that is not known"
        text = "it is used by no operation" if leaf.role == "unused" else text
        why = f"{text} ({why})" if why else text
        return Told(None, (), (), apart, stacked=leaf.stacked, why=why)
    if leaf.role == "kernel":
        counted, more = (*leaf.inputs, *leaf.outputs), (leaf.tied, leaf.groups, leaf.stacked)
        return Told("kernel", leaf.inputs, leaf.outputs, apart, counted, *more)
    if leaf.role == "table":  # A row is looked up: nothing is summed over the rows.
        counted, more = leaf.outputs, (leaf.tied, 1, leaf.stacked)
        return Told("table", leaf.inputs, leaf.outputs, apart, counted, *more)
    outputs = tuple(axis for axis in range(rank) if axis not in apart)
    return Told("vector", (), outputs, apart, stacked=leaf.stacked)


def told_by_layout(path: str, rank: int, layout: TreeLayout, stack: int | None) -> Told:
    """What a layout and a stack tell of axes."""
    apart: Axes = ()
    if stack is not None:
        apart = checks.axes(f"mup.infer: {path!r}", "stacked", stack, rank)
    rest = tuple(axis for axis in range(rank) if axis not in apart)
    if len(rest) < 2:
        return Told("vector", (), rest, apart, stacked=apart)
    if layout is None:
        return Told(None, (), (), apart, stacked=apart)
    inputs, outputs = rest[-2:] if layout == "in_out" else (rest[1], rest[0])
    return Told(None, (inputs,), (outputs,), apart, stacked=apart)


def growing(shapes: Mapping[str, Shape], told: Told) -> Axes:
    """The axes along which a model grows, that count."""
    base = shapes["base"]
    return tuple(
        axis
        for axis in range(len(base))
        if any(shape[axis] != base[axis] for shape in shapes.values())
        and axis not in told.apart
        and (told.counted is None or axis in told.counted)
    )


def leaf_shape(grown: Grown, told: Told, given: Role | None) -> LeafShape:
    """A parameter with its role and its ratios."""
    axes, ratio = grown.axes, grown.ratio
    inward = tuple(axis for axis in axes if axis in told.inputs)
    outward = tuple(axis for axis in axes if axis in told.outputs)
    role = role_of(grown, told, inward, outward) if given is None else given
    m_in, m_out = ratio(inward), ratio(outward)
    if role == "hidden" and not (inward and outward):
        if len(axes) != 2 or len({ratio((axis,)) for axis in axes}) != 1:
            raise AmbiguousError(
                "said to be hidden, and inputs and outputs are not known to grow both"
            )
        m_in = m_out = ratio(axes[:1])
    elif role == "input":
        axes = one_side(axes, outward, "an input", "outputs")
        m_in, m_out = 1.0, ratio(axes)
    elif role == "output":
        axes = one_side(axes, inward, "an output", "inputs")
        m_in, m_out = ratio(axes), 1.0
    elif role == "tied":
        axes = one_side(axes, outward if told.use == "table" else inward, "tied", "features")
        m_in = m_out = ratio(axes)
    elif role == "scalar":
        m_in, m_out, axes = 1.0, 1.0, ()
    return LeafShape(
        path=grown.path,
        shape=grown.shape,
        base_shape=grown.base,
        role=role,
        m_in=m_in,
        m_out=m_out,
        infinite=axes,
        inputs=told.inputs,
        outputs=told.outputs,
        apart=told.apart,
        stacked=told.stacked,
        use=told.use,
        groups=told.groups,
        dtype=grown.dtype,
    )


def one_side(axes: Axes, side: Axes, role: str, what: str) -> Axes:
    """Of the axes that grow, those that count in a role that has one side."""
    if len(axes) < 2:
        return axes
    if not side:
        raise AmbiguousError(
            f"said to be {role}, and {len(axes)} of its dimensions grow: which are its {what}?"
        )
    return side


def role_of(grown: Grown, told: Told, inward: Axes, outward: Axes) -> Role:
    """What grows of a parameter, as far as its axes tell."""
    axes = grown.axes
    if not axes:
        return "scalar"
    if told.why:
        raise AmbiguousError(told.why)
    outside = [axis for axis in axes if axis not in (*inward, *outward)]
    if not (told.inputs or told.outputs):
        if len(axes) > 2:
            raise AmbiguousError(f"{len(axes)} of its dimensions grow, and at most two may")
        if len(axes) == 1:
            raise AmbiguousError(
                "one dimension grows, of an embedding's outputs or a readout's inputs"
            )
        if grown.ratio(axes[:1]) != grown.ratio(axes[1:]):
            raise AmbiguousError(
                "two dimensions grow by different factors, and which is the inputs'?"
            )
        return "hidden"
    if outside:
        listed = ", ".join(map(str, outside))
        raise AmbiguousError(f"it grows along axis {listed}, which is neither inputs nor outputs")
    if told.tied and not (inward and outward):
        return "tied"
    if told.tied and grown.ratio(inward) != grown.ratio(outward):
        raise AmbiguousError("a tied kernel, whose inputs and outputs grow by different factors")
    if inward and outward:
        return "hidden"
    return "input" if outward else "output"

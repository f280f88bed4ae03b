"""Counting: from axes to fans."""

import math
from typing import NamedTuple

from cthulhu import checks
from cthulhu.typing import Axes, BatchAxes, Shape


class Fans(NamedTuple):
    """The numbers of inputs and outputs of a weight tensor.

    Args:
        fan_in: the number of inputs.
        fan_out: the number of outputs.

    Example:
        >>> from cthulhu.fans import compute_fans
        >>> fan_in, fan_out = compute_fans((64, 8))
        >>> fan_in, fan_out
        (64, 8)
    """

    fan_in: int
    fan_out: int


class Counted(NamedTuple):
    """The axes of a shape by what they count for, and the groups."""

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    batch: tuple[int, ...]
    field: tuple[int, ...]  # The receptive field.


def counted(
    owner: str, dims: tuple[int, ...], in_axis: Axes, out_axis: Axes, batch_axis: BatchAxes
) -> Counted:
    """The axes of a shape by what they count for."""
    rest = isinstance(batch_axis, str)
    if rest:
        checks.choice(owner, "batch_axis", batch_axis, ["rest"])
    batch = () if rest else checks.axes(owner, "batch_axis", batch_axis, len(dims))
    if (in_axis, out_axis) == (-2, -1) and len(dims) - len(batch) < 2:
        # Of a vector, both fans are its size.
        return Counted((), (), batch, tuple(at for at in range(len(dims)) if at not in batch))
    inputs = checks.axes(owner, "in_axis", in_axis, len(dims))
    outputs = checks.axes(owner, "out_axis", out_axis, len(dims))
    if rest:
        batch = tuple(axis for axis in range(len(dims)) if axis not in inputs + outputs)
    for name, group in (("in_axis", inputs), ("out_axis", outputs)):
        for axis in set(group) & set(batch):
            raise ValueError(
                f"{owner}: axis {axis} of shape {dims!r} is in both {name} and batch_axis; "
                "a batch axis counts in no fan"
            )
    named = inputs + outputs + batch
    return Counted(inputs, outputs, batch, tuple(at for at in range(len(dims)) if at not in named))


def fans_of(
    owner: str,
    shape: Shape,
    in_axis: Axes,
    out_axis: Axes,
    batch_axis: BatchAxes,
    *,
    groups: int = 1,
    transpose: bool = False,
) -> Fans:
    """`compute_fans` for the one who asks, so that an error names them."""
    dims = checks.shape(owner, shape)
    found = counted(owner, dims, in_axis, out_axis, batch_axis)
    share = math.prod(dims[axis] for axis in found.outputs)
    if share % groups:
        raise ValueError(
            f"{owner}: groups must divide the {'inputs' if transpose else 'outputs'}; got "
            f"groups={groups} and {share} of them in shape {dims!r}"
        )
    fan_in = math.prod(dims[at] for at in range(len(dims)) if at not in found.outputs + found.batch)
    fan_out = math.prod(dims[at] for at in range(len(dims)) if at not in found.inputs + found.batch)
    fan_out //= groups
    return Fans(fan_out, fan_in) if transpose else Fans(fan_in, fan_out)

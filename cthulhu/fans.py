"""Fans: how many inputs and outputs a weight tensor connects."""

import math
from typing import NamedTuple

from cthulhu import checks
from cthulhu.typing import Axes, BatchAxes, Shape

__all__ = ["Fans", "compute_fans"]


class Fans(NamedTuple):
    """The numbers of inputs and outputs of a weight tensor.

    Args:
        fan_in: the number of inputs.
        fan_out: the number of outputs.

    Example:
        >>> fan_in, fan_out = compute_fans((64, 8))
        >>> fan_in, fan_out
        (64, 8)
    """

    fan_in: int
    fan_out: int


def compute_fans(
    shape: Shape,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
) -> Fans:
    """Count the inputs and the outputs that a weight tensor connects.

    ``fan_in`` is the product of all axes but the output and batch axes, and
    ``fan_out`` of all axes but the input and batch axes. Axes that are none of
    the three are the receptive field (the spatial axes of a convolution) and
    count in both. Batch axes stack independent weight tensors and count for
    nothing. An axis may be input and output at once, as in JAX: Flax's
    embeddings, of shape (vocabulary, features), use ``out_axis=0`` to get a
    fan_in of ``features``.

    With the default axes, a shape of one dimension has both fans equal to its
    size, and a scalar has fans 1, as in Keras.

    Args:
        shape: the shape of the weight tensor.
        in_axis: the axis, or axes, of the inputs.
        out_axis: the axis, or axes, of the outputs.
        batch_axis: the axis, or axes, that stack independent tensors; ``"rest"``
            is every axis that is neither input nor output, so that nothing
            counts but these, as with Keras's ``input_axes`` and ``output_axes``.

    Returns:
        The pair ``(fan_in, fan_out)``, two integers.

    Raises:
        ValueError: an axis is out of range, or is a batch axis and another too.

    Example:
        A 3 by 3 convolution from 16 to 32 channels, and twelve stacked dense
        layers:

        >>> compute_fans((3, 3, 16, 32))
        Fans(fan_in=144, fan_out=288)
        >>> compute_fans((12, 64, 256), batch_axis=0)
        Fans(fan_in=64, fan_out=256)

    References:
        Glorot and Bengio (2010), "Understanding the difficulty of training deep
        feedforward neural networks", https://proceedings.mlr.press/v9/glorot10a.html
    """
    return fans_of("compute_fans", shape, in_axis, out_axis, batch_axis)


def fans_of(owner: str, shape: Shape, in_axis: Axes, out_axis: Axes, batch_axis: BatchAxes) -> Fans:
    """`compute_fans` for the one who asks, so that an error names them."""
    dims = checks.shape(owner, shape)
    rest = isinstance(batch_axis, str)
    if rest:
        checks.choice(owner, "batch_axis", batch_axis, ["rest"])
    batch = () if rest else checks.axes(owner, "batch_axis", batch_axis, len(dims))
    if (in_axis, out_axis) == (-2, -1) and len(dims) - len(batch) < 2:
        size = math.prod(dim for axis, dim in enumerate(dims) if axis not in batch)
        return Fans(size, size)
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
    return Fans(
        math.prod(dim for axis, dim in enumerate(dims) if axis not in outputs + batch),
        math.prod(dim for axis, dim in enumerate(dims) if axis not in inputs + batch),
    )

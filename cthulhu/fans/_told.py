"""What users ask: the fans of a shape, and why."""

from cthulhu import checks
from cthulhu.fans._count import Fans, counted
from cthulhu.fans._layout import Layout, LayoutLike, chosen, operands_of
from cthulhu.typing import Axes, BatchAxes, Shape


def compute_fans(
    shape: Shape,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    *,
    groups: int = 1,
    transpose: bool = False,
    layout: LayoutLike = None,
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
        groups: the groups of a convolution: its kernel's input axis holds the inputs
            of one group, so an input reaches the outputs of its group alone.
        transpose: whether inputs and outputs have changed places, as in the kernel of
            a transposed convolution, ``(*spatial, out, in)``; then the output axis holds
            the outputs of one group.
        layout: the axes of a common layer, by name (see `LAYOUTS`), or a `Layout`, in
            place of all of these.

    Returns:
        The pair ``(fan_in, fan_out)``, two integers.

    Raises:
        TypeError: axes and a layout are given.
        ValueError: an axis is out of range, or is a batch axis and another too; the
            groups do not divide the channels; or there is no such layout.

    Example:
        A 3 by 3 convolution from 16 to 32 channels, and twelve stacked dense
        layers:

        >>> compute_fans((3, 3, 16, 32))
        Fans(fan_in=144, fan_out=288)
        >>> compute_fans((12, 64, 256), batch_axis=0)
        Fans(fan_in=64, fan_out=256)

        A projection to 8 heads of 64, and a convolution in 4 groups:

        >>> compute_fans((512, 8, 64), layout="attention_qkv")
        Fans(fan_in=512, fan_out=512)
        >>> compute_fans((3, 3, 16, 32), groups=4)
        Fans(fan_in=144, fan_out=72)

    References:
        Glorot and Bengio (2010), "Understanding the difficulty of training deep
        feedforward neural networks", https://proceedings.mlr.press/v9/glorot10a.html
    """
    given = chosen("compute_fans", Layout(in_axis, out_axis, batch_axis, groups, transpose), layout)
    return given.fans_of("compute_fans", shape)


def fans_from_einsum(equation: str, kernel_shape: Shape) -> Fans:
    """The fans of the kernel in an einsum: its second operand.

    Args:
        equation: as ``"bsd,dhk->bshk"``.
        kernel_shape: the shape of the kernel, an axis for each of its letters.

    Returns:
        The pair ``(fan_in, fan_out)``.

    Raises:
        ValueError: the equation is not of two operands and a result, or the shape has
            another number of axes.

    Example:
        >>> fans_from_einsum("bsd,dhk->bshk", (512, 8, 64))
        Fans(fan_in=512, fan_out=512)
        >>> fans_from_einsum("ebd,edf->ebf", (8, 64, 256))
        Fans(fan_in=64, fan_out=256)
    """
    kernel = operands_of(equation)[1]
    dims = checks.shape("fans_from_einsum", kernel_shape)
    if len(dims) != len(kernel):
        raise ValueError(
            f"fans_from_einsum: the kernel of {equation!r} has {len(kernel)} axes, and "
            f"kernel_shape {dims!r} has {len(dims)}"
        )
    return Layout.einsum(equation).fans_of("fans_from_einsum", dims)


def explain(
    shape: Shape,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    *,
    groups: int = 1,
    transpose: bool = False,
    layout: LayoutLike = None,
) -> str:
    """Say in words which axes are counted as what, and what the fans are.

    Args:
        shape: the shape of the weight tensor.
        in_axis: as for `compute_fans`.
        out_axis: as for `compute_fans`.
        batch_axis: as for `compute_fans`.
        groups: as for `compute_fans`.
        transpose: as for `compute_fans`.
        layout: as for `compute_fans`.

    Returns:
        A text of some lines.

    Raises:
        TypeError, ValueError: those of `compute_fans`.

    Example:
        >>> print(explain((12, 3, 3, 16, 32), batch_axis=0))
        shape (12, 3, 3, 16, 32)
        inputs: axis 3 (16)
        outputs: axis 4 (32)
        receptive field, in both fans: axes 1, 2 (3 x 3)
        stacked, in no fan: axis 0 (12)
        fan_in = 3 x 3 x 16 = 144
        fan_out = 3 x 3 x 32 = 288
    """
    given = chosen("explain", Layout(in_axis, out_axis, batch_axis, groups, transpose), layout)
    dims = checks.shape("explain", shape)
    fans = given.fans_of("explain", dims)
    found = counted("explain", dims, given.in_axis, given.out_axis, given.batch_axis)
    inputs, outputs = found.inputs, found.outputs
    if given.transpose:
        inputs, outputs = outputs, inputs
    named = {
        "inputs": inputs,
        "outputs": outputs,
        "receptive field, in both fans": found.field,
        "stacked, in no fan": found.batch,
    }
    lines = [f"shape {dims!r}"]
    for what, axes in named.items():
        if axes:
            sizes = " x ".join(str(dims[axis]) for axis in axes)
            plural = "axes" if len(axes) > 1 else "axis"
            lines.append(f"{what}: {plural} {', '.join(map(str, axes))} ({sizes})")
    divided = fans.fan_in if given.transpose else fans.fan_out
    for name, value, out in (("fan_in", fans.fan_in, outputs), ("fan_out", fans.fan_out, inputs)):
        factors = [str(dims[at]) for at in range(len(dims)) if at not in out + found.batch]
        text = " x ".join(factors) or "1"
        grouped = (
            given.groups > 1
            and value is divided
            and name == ("fan_in" if given.transpose else "fan_out")
        )
        by = f" / {given.groups} groups" if grouped else ""
        lines.append(f"{name} = {text}{by}" + (f" = {value}" if len(factors) != 1 or by else ""))
    return "\n".join(lines)

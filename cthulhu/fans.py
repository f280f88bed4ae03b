"""Fans: how many inputs and outputs a weight tensor connects, and which axes those are."""

import dataclasses
import math
from collections.abc import Mapping
from typing import NamedTuple, Self

from cthulhu import checks
from cthulhu.typing import Axes, BatchAxes, Shape

__all__ = ["LAYOUTS", "Fans", "Layout", "compute_fans", "explain", "fans_from_einsum"]


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


@dataclasses.dataclass(frozen=True)
class Layout:
    """Which axes of a weight tensor are inputs, outputs and stacks.

    `LAYOUTS` has those of common layers by name, which initializers take as well:
    ``HeNormal(layout="attention_qkv")``.

    Args:
        in_axis: the axis, or axes, of the inputs.
        out_axis: the axis, or axes, of the outputs.
        batch_axis: the axis, or axes, that stack independent tensors, or ``"rest"``.
        groups: the groups of a convolution, each of which sees its share of the inputs:
            the axis of the inputs holds one share.
        transpose: whether the kernel is that of a transposed convolution, whose inputs
            and outputs have changed places.

    Raises:
        TypeError, ValueError: an axis is no integer, or `groups` is less than 1.

    Example:
        >>> Layout(in_axis=0, out_axis=(1, 2)).fans((512, 8, 64))
        Fans(fan_in=512, fan_out=512)
        >>> LAYOUTS["torch_conv"].fans((32, 16, 3, 3))
        Fans(fan_in=144, fan_out=288)
    """

    in_axis: Axes = -2
    out_axis: Axes = -1
    batch_axis: BatchAxes = ()
    groups: int = 1
    transpose: bool = False

    def __post_init__(self) -> None:
        """Bring the fields to their canonical form."""
        for name in ("in_axis", "out_axis", "batch_axis"):
            value = getattr(self, name)
            if not (name == "batch_axis" and value == "rest"):
                found = checks.axis_tuple("Layout", name, value)
                object.__setattr__(self, name, found[0] if len(found) == 1 else found)
        object.__setattr__(self, "groups", checks.count("Layout", "groups", self.groups))

    def fans(self, shape: Shape) -> Fans:
        """The fans of a tensor of this shape."""
        return self.fans_of("Layout", shape)

    def fans_of(self, owner: str, shape: Shape) -> Fans:
        """`fans` for the one who asks, so that an error names them."""
        axes = self.in_axis, self.out_axis, self.batch_axis
        return fans_of(owner, shape, *axes, groups=self.groups, transpose=self.transpose)

    @classmethod
    def einsum(cls, equation: str) -> Self:
        """The layout of the kernel in an einsum: its second operand.

        Args:
            equation: as ``"bsd,dhk->bshk"``: what the kernel shares with the first
                operand alone are inputs, with the result alone outputs, with both
                stacks.

        Returns:
            A `Layout` with an axis for each letter of the kernel.

        Raises:
            ValueError: the equation is not of two operands and a result, or a letter of
                the kernel is nowhere else.

        Example:
            >>> Layout.einsum("bsd,dhk->bshk")
            Layout(in_axis=0, out_axis=(1, 2), batch_axis=(), groups=1, transpose=False)
        """
        inputs, kernel, result = operands_of(equation)
        found: dict[str, list[int]] = {"in_axis": [], "out_axis": [], "batch_axis": []}
        for axis, letter in enumerate(kernel):
            place = {
                (True, False): "in_axis",
                (False, True): "out_axis",
                (True, True): "batch_axis",
            }
            name = place.get((letter in inputs, letter in result))
            if name is None:
                raise ValueError(
                    f"Layout.einsum: the kernel's {letter!r} in {equation!r} must be in the first "
                    "operand or in the result"
                )
            found[name].append(axis)
        return cls(**{name: tuple(axes) for name, axes in found.items()})  # type: ignore[arg-type]


def operands_of(equation: str) -> tuple[str, str, str]:
    """The letters of the first operand, of the kernel, and of the result."""
    plain = equation.replace(" ", "") if isinstance(equation, str) else ""
    operands, arrow, result = plain.partition("->")
    inputs, comma, kernel = operands.partition(",")
    letters = (kernel, inputs.replace("...", ""), result.replace("...", ""))
    if not (arrow and comma) or not all(text.isalpha() or not text for text in letters):
        raise ValueError(
            "Layout.einsum: equation must have two operands, of which the second is the kernel, and "
            f"a result, as 'bsd,dhk->bshk'; got {equation!r}"
        )
    if len(set(kernel)) < len(kernel):
        raise ValueError(f"Layout.einsum: the kernel has a letter twice in {equation!r}")
    return letters[1], kernel, letters[2]


LAYOUTS: Mapping[str, Layout] = {
    # (…, in, out), as in Flax and Haiku, and (out, in, …), as in Equinox and torch.
    "in_out": Layout(-2, -1),
    "out_in": Layout(1, 0),
    "linen_dense": Layout(-2, -1, "rest"),
    "linen_conv": Layout(-2, -1),
    # Keras's, and linen's with transpose_kernel: (*spatial, out, in).
    "conv_transpose": Layout(-2, -1, transpose=True),
    # Keras's: (*spatial, channels, multiplier). Each output sees one channel.
    "depthwise": Layout((), -1, -2),
    "attention_qkv": Layout(-3, (-2, -1), "rest"),
    "attention_out": Layout((-3, -2), -1, "rest"),
    "moe": Layout(-2, -1, "rest"),
    "stacked": Layout(-2, -1, 0),
    # A row of a table is read whole: (vocabulary, features).
    "embedding": Layout(-2, -2),
    "equinox_linear": Layout(-1, -2, "rest"),
    "equinox_conv": Layout(1, 0),
    "torch_linear": Layout(-1, -2, "rest"),
    "torch_conv": Layout(1, 0),
}
"""The layouts of common layers, by name."""


def layout_of(owner: str, argument: str, value: object) -> Layout:
    """A layout, given by name or as it is."""
    if isinstance(value, Layout):
        return value
    if value == "grouped":
        raise ValueError(
            f"{owner}: {argument}='grouped' does not say how many groups there are; pass "
            "cthulhu.fans.Layout(groups=…)"
        )
    return LAYOUTS[checks.choice(owner, argument, value, LAYOUTS)]


def compute_fans(
    shape: Shape,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    *,
    groups: int = 1,
    transpose: bool = False,
    layout: Layout | str | None = None,
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
            a transposed convolution, (*spatial, out, in); then the output axis holds
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


def chosen(owner: str, given: Layout, layout: Layout | str | None) -> Layout:
    """The layout that is meant: axes that are given, or a layout in their place."""
    if layout is None:
        return given
    if given != Layout():
        raise TypeError(
            f"{owner}: pass axes, or a layout in their place; got {given} and {layout!r}"
        )
    return layout_of(owner, "layout", layout)


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
            f"fans_from_einsum: the kernel of {equation!r} has {len(kernel)} axes, and kernel_shape "
            f"{dims!r} has {len(dims)}"
        )
    return Layout.einsum(equation).fans_of("fans_from_einsum", dims)


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


def explain(
    shape: Shape,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
    *,
    groups: int = 1,
    transpose: bool = False,
    layout: Layout | str | None = None,
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

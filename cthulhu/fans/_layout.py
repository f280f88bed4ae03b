"""Layouts: which axes of a weight tensor are inputs, outputs and stacks."""

import dataclasses
from collections.abc import Mapping
from typing import Self, TypeAlias

from cthulhu import checks
from cthulhu.fans._count import Fans, fans_of
from cthulhu.typing import Axes, BatchAxes, LayoutName, Shape

# Whether a letter of the kernel is in the first operand, and in the result.
PLACES = {(True, False): "in_axis", (False, True): "out_axis", (True, True): "batch_axis"}


@dataclasses.dataclass(frozen=True, repr=False)
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

    def __repr__(self) -> str:
        """The constructor call, without what is at its default."""
        given = (
            f"{field.name}={getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        )
        return f"Layout({', '.join(given)})"

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
            Layout(in_axis=0, out_axis=(1, 2))
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
    plain = str(equation).replace(" ", "")
    operands, arrow, result = plain.partition("->")
    inputs, comma, kernel = operands.partition(",")
    letters = (kernel, inputs.replace("...", ""), result.replace("...", ""))
    if not (arrow and comma and kernel) or not all(text.isalpha() for text in letters if text):
        raise ValueError(
            "Layout.einsum: equation must have two operands, of which the second is the kernel, "
            f"and a result, as 'bsd,dhk->bshk'; got {equation!r}"
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


LayoutLike: TypeAlias = Layout | LayoutName | None
"""What names a layout: its name, or itself; `None` is none."""


def layout_of(owner: str, argument: str, value: object) -> Layout:
    """A layout, given by name or as it is."""
    if isinstance(value, Layout):
        return value
    if value == "grouped":
        raise ValueError(
            f"{owner}: {argument} must say how many groups there are: pass "
            "cthulhu.fans.Layout(groups=…) in place of 'grouped'"
        )
    return LAYOUTS[checks.choice(owner, argument, value, LAYOUTS)]


def chosen(owner: str, given: Layout, layout: LayoutLike) -> Layout:
    """The layout that is meant: axes that are given, or a layout in their place."""
    if layout is None:
        return given
    if given != Layout():
        raise TypeError(
            f"{owner}: pass axes, or a layout in their place; got {given} and {layout!r}"
        )
    return layout_of(owner, "layout", layout)

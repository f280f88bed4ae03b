"""Fans: against the layers' known numbers, and against the definition."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cthulhu.fans import LAYOUTS, Layout, compute_fans, explain, fans_from_einsum
from tests.refusals import assert_refused

KNOWN = [
    # A bias, and a scalar, as in Keras.
    ((), {}, (1, 1)),
    ((7,), {}, (7, 7)),
    # Dense, and convolutions of one to three dimensions.
    ((64, 256), {}, (64, 256)),
    ((5, 16, 32), {}, (80, 160)),
    ((3, 3, 16, 32), {}, (144, 288)),
    ((3, 3, 3, 16, 32), {}, (432, 864)),
    # Depthwise: one input channel.
    ((3, 3, 1, 8), {}, (9, 72)),
    # PyTorch's and Equinox's layout, and a transposed kernel.
    ((32, 16, 3, 3), {"in_axis": 1, "out_axis": 0}, (144, 288)),
    # Flax's embedding: an axis may be input and output at once.
    ((1000, 64), {"out_axis": 0}, (64, 64)),
    # Attention: (features, heads, head features), and back.
    ((512, 8, 64), {"in_axis": 0, "out_axis": (1, 2)}, (512, 512)),
    ((8, 64, 512), {"in_axis": (0, 1), "out_axis": -1}, (512, 512)),
    # Stacks.
    ((12, 64, 256), {"batch_axis": 0}, (64, 256)),
    ((12, 64, 256), {"batch_axis": (-3,)}, (64, 256)),
    ((4, 12, 64, 256), {"batch_axis": [0, 1]}, (64, 256)),
    ((12, 256), {"batch_axis": 0}, (256, 256)),
    # Nothing has no fans.
    ((0, 5), {}, (0, 5)),
    ((5, 0), {}, (5, 0)),
    # Groups divide what an input reaches; in a transposed kernel, what reaches an output.
    ((3, 3, 16, 32), {"groups": 4}, (144, 72)),
    ((3, 3, 16, 32), {"transpose": True}, (288, 144)),
    ((3, 3, 16, 32), {"transpose": True, "groups": 4}, (72, 144)),
    # Layouts by name.
    ((64, 256), {"layout": "in_out"}, (64, 256)),
    ((256, 64, 3), {"layout": "out_in"}, (192, 768)),
    ((12, 64, 256), {"layout": "linen_dense"}, (64, 256)),
    ((3, 3, 16, 32), {"layout": "linen_conv"}, (144, 288)),
    ((3, 3, 256, 16), {"layout": "conv_transpose"}, (144, 2304)),
    ((3, 3, 64, 2), {"layout": "depthwise"}, (9, 18)),
    ((512, 8, 64), {"layout": "attention_qkv"}, (512, 512)),
    ((24, 512, 8, 64), {"layout": "attention_qkv"}, (512, 512)),
    ((8, 64, 512), {"layout": "attention_out"}, (512, 512)),
    ((8, 64, 256), {"layout": "moe"}, (64, 256)),
    ((24, 8, 64, 256), {"layout": "moe"}, (64, 256)),
    ((12, 3, 64, 64), {"layout": "stacked"}, (192, 192)),
    ((1000, 64), {"layout": "embedding"}, (64, 64)),
    ((256, 64), {"layout": "equinox_linear"}, (64, 256)),
    ((128, 64, 3, 3), {"layout": "equinox_conv"}, (576, 1152)),
    ((256, 64), {"layout": "torch_linear"}, (64, 256)),
    ((128, 64, 3, 3), {"layout": "torch_conv"}, (576, 1152)),
    # torch's own fan_in of a transposed convolution, whose weight is (in, out / groups, *k).
    ((16, 8, 3), {"layout": "torch_conv"}, (24, 48)),
    ((3, 3, 16, 32), {"layout": Layout(groups=4)}, (144, 72)),
    # One axis only, said so.
    ((7,), {"in_axis": 0, "out_axis": ()}, (7, 1)),
]


@pytest.mark.parametrize(("shape", "axes", "expected"), KNOWN, ids=str)
def test_known_fans(
    shape: tuple[int, ...], axes: dict[str, Any], expected: tuple[int, int]
) -> None:
    fans = compute_fans(shape, **axes)
    assert fans == expected
    assert (fans.fan_in, fans.fan_out) == expected
    assert all(type(fan) is int for fan in fans)
    assert compute_fans(list(shape), **axes) == expected


@st.composite
def kernels(draw: Any) -> tuple[tuple[int, ...], list[str]]:
    """A shape, and the part that each axis plays."""
    roles = draw(st.lists(st.sampled_from(["in", "out", "batch", "space"]), min_size=2, max_size=6))
    shape = tuple(draw(st.integers(1, 2**40)) for _ in roles)
    return shape, roles


@given(kernels())
def test_fans_follow_the_definition(kernel: tuple[tuple[int, ...], list[str]]) -> None:
    shape, roles = kernel
    axes = {
        f"{role}_axis": tuple(axis for axis, played in enumerate(roles) if played == role)
        for role in ("in", "out", "batch")
    }
    fans = compute_fans(shape, **axes)

    def product(*counted: str) -> int:
        return math.prod(size for size, role in zip(shape, roles, strict=True) if role in counted)

    # In exact integers, however large.
    assert fans == (product("in", "space"), product("out", "space"))
    negative = {name: tuple(axis - len(shape) for axis in value) for name, value in axes.items()}
    assert compute_fans(shape, **negative) == fans


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (
            {"in_axis": 2, "out_axis": 0},
            "in_axis must name axes of a shape with 2 dimensions, so from -2 to 1; got 2",
        ),
        ({"out_axis": -3}, "out_axis must name axes of a shape with 2 dimensions, .*; got -3"),
        ({"in_axis": (0, 0)}, r"in_axis names an axis twice; got \(0, 0\)"),
        (
            {"in_axis": 0, "batch_axis": 0},
            r"axis 0 of shape \(3, 4\) is in both in_axis and batch_axis; a batch axis counts in",
        ),
    ],
    ids=str,
)
def test_wrong_axes_are_refused(axes: dict[str, Any], message: str) -> None:
    assert_refused(lambda: compute_fans((3, 4), **axes), ValueError, f"^compute_fans: {message}")


def test_every_layout_is_known() -> None:
    told = {given["layout"] for _, given, _ in KNOWN if isinstance(given.get("layout"), str)}
    assert told == set(LAYOUTS)


EINSUMS = [
    ("bsd,dhk->bshk", (512, 8, 64), (512, 512)),
    ("bshk,hkd->bsd", (8, 64, 512), (512, 512)),
    ("ebd,edf->ebf", (8, 64, 256), (64, 256)),
    ("...d,df->...f", (64, 256), (64, 256)),
    ("b s d, d f -> b s f", (64, 256), (64, 256)),
    ("bd,dg->bg", (3, 5), (3, 5)),
    ("bd,b->bd", (7,), (1, 1)),  # A scale of each row connects nothing.
]


@pytest.mark.parametrize(("equation", "shape", "expected"), EINSUMS)
def test_the_fans_of_einsums(
    equation: str, shape: tuple[int, ...], expected: tuple[int, int]
) -> None:
    assert fans_from_einsum(equation, shape) == expected
    assert Layout.einsum(equation).fans(shape) == expected


EXPLAINED = {
    "a convolution": (
        ((3, 3, 16, 32), {"groups": 4}),
        [
            "shape (3, 3, 16, 32)",
            "inputs: axis 2 (16)",
            "outputs: axis 3 (32)",
            "receptive field, in both fans: axes 0, 1 (3 x 3)",
            "fan_in = 3 x 3 x 16 = 144",
            "fan_out = 3 x 3 x 32 / 4 groups = 72",
        ],
    ),
    "experts": (
        ((8, 64, 256), {"layout": "moe"}),
        [
            "shape (8, 64, 256)",
            "inputs: axis 1 (64)",
            "outputs: axis 2 (256)",
            "stacked, in no fan: axis 0 (8)",
            "fan_in = 64",
            "fan_out = 256",
        ],
    ),
    "transposed": (
        ((3, 32, 16), {"transpose": True, "groups": 2}),
        [
            "shape (3, 32, 16)",
            "inputs: axis 2 (16)",
            "outputs: axis 1 (32)",
            "receptive field, in both fans: axis 0 (3)",
            "fan_in = 3 x 16 / 2 groups = 24",
            "fan_out = 3 x 32 = 96",
        ],
    ),
    "a bias": (
        ((7,), {}),
        ["shape (7,)", "receptive field, in both fans: axis 0 (7)", "fan_in = 7", "fan_out = 7"],
    ),
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_an_explanation_names_each_axis(name: str) -> None:
    (shape, given), lines = EXPLAINED[name]
    assert explain(shape, **given).splitlines() == lines


REFUSED = [
    (lambda: compute_fans((4, 4), layout="mo"), ValueError, r"compute_fans: layout must be one of"),
    (
        lambda: compute_fans((4, 4), layout="grouped"),
        ValueError,
        r"compute_fans: layout must say how many groups there are",
    ),
    (
        lambda: compute_fans((4, 4), 0, 1, layout="moe"),
        TypeError,
        r"compute_fans: pass axes, or a layout in their place; got Layout\(in_axis=0, out_axis=1\)",
    ),
    (
        lambda: compute_fans((4, 6), groups=4),
        ValueError,
        r"compute_fans: groups must divide the outputs; got groups=4 and 6 of them in shape",
    ),
    (lambda: compute_fans((4, 4), groups=0), ValueError, r"groups must be at least 1; got 0"),
    (lambda: Layout(in_axis=0.5), TypeError, r"Layout: in_axis must be an integer or a sequence"),
    (lambda: Layout.einsum("dhk"), ValueError, r"Layout.einsum: equation must have two operands"),
    (lambda: Layout.einsum("bd,d1->b1"), ValueError, r"equation must have two operands"),
    (lambda: Layout.einsum("bd,dd->b"), ValueError, r"the kernel has a letter twice in 'bd,dd->b'"),
    (
        lambda: Layout.einsum("bd,dx->b"),
        ValueError,
        r"the kernel's 'x' in 'bd,dx->b' must be in the first operand or in the result",
    ),
    (
        lambda: fans_from_einsum("bsd,dhk->bshk", (4, 4)),
        ValueError,
        r"the kernel of 'bsd,dhk->bshk' has 3 axes, and kernel_shape \(4, 4\) has 2",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), REFUSED)
def test_what_names_no_axes_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()

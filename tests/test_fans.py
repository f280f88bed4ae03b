"""Fans: against the layers' known numbers, and against the definition."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cthulhu.fans import compute_fans
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

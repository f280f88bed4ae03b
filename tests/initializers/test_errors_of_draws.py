"""What a class and its function refuse where options, shape and dtype meet, in the same words."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from cthulhu import initializers as init
from cthulhu.fans import Layout
from tests.cases import KEY
from tests.refusals import assert_refused


class Draw(NamedTuple):
    """A draw that there is not: the message begins with the function's name."""

    cls: Any
    shape: tuple[int, ...]
    message: str
    options: Mapping[str, Any] = {}
    dtype: Any = None
    error: type[Exception] = ValueError


# What a type cannot hold would become infinite, or NaN.
OVERFLOWS = (
    Draw(init.RandomNormal, (2,), r"the values overflow float32 with 1e\+39", {"stddev": 1e39}),
    Draw(init.RandomNormal, (2,), r"the values overflow float32 with 1e\+300", {"mean": 1e300}),
    Draw(init.VarianceScaling, (2, 2), r"the values overflow float32", {"scale": 1e80}),
    Draw(
        init.RandomUniform,
        (2,),
        r"the values overflow float32 with -3e\+38 and 3e\+38",
        {"minval": -3e38, "maxval": 3e38},
    ),
    Draw(
        init.RandomNormal,
        (2,),
        r"the values overflow float8_e4m3fn with 550\.0",
        {"stddev": 100},
        "float8_e4m3fn",
    ),
    Draw(
        init.TruncatedNormal,
        (2,),
        r"in float32 no probability is left between lower=3.9 and upper=3.90001",
        {"lower": 3.9, "upper": 3.90001},
    ),
    Draw(
        init.Constant, (2,), r"value=1000000\.0 overflows dtype float16", {"value": 1e6}, "float16"
    ),
)

# A number that is there exactly, or not at all.
NUMBERS = (
    Draw(
        init.Constant,
        (2,),
        r"value 1j is complex; dtype float32 is not",
        {"value": 1j},
        "float32",
        TypeError,
    ),
    Draw(
        init.Constant,
        (2,),
        r"value 0\.5 is no integer, and dtype is int32",
        {"value": 0.5},
        "int32",
    ),
    Draw(
        init.Constant,
        (2,),
        r"value nan is no integer, and dtype is int32",
        {"value": float("nan")},
        "int32",
    ),
    Draw(
        init.Constant,
        (2,),
        r"dtype int8 holds integers from -128 to 127; got value=300",
        {"value": 300},
        "int8",
    ),
    Draw(
        init.Identity,
        (2, 2),
        r"gain 0\.5 is no integer, and dtype is int32",
        {"gain": 0.5},
        "int32",
    ),
)

COMPLEX = (
    Draw(
        init.TruncatedNormal,
        (2,),
        r"dtype must be a real floating type; got complex64\. For a complex normal cut at a "
        r"modulus use variance_scaling with distribution='truncated_normal'",
        dtype="complex64",
        error=TypeError,
    ),
    Draw(
        init.RandomUniform,
        (2,),
        r"dtype must be a real floating type; got complex64\. For a uniform disk use "
        r"variance_scaling with distribution='uniform'",
        dtype="complex64",
        error=TypeError,
    ),
)

SHAPES = (
    Draw(
        init.Orthogonal, (3,), r"shape must have at least 2 dimensions .*; got \(3,\), which has 1"
    ),
    Draw(
        init.Orthogonal,
        (4, 3),
        r"shape must have at least 3 dimensions \(a matrix, and the batch axes\); got \(4, 3\)",
        {"batch_axis": 0},
    ),
    Draw(
        init.Identity,
        (2, 2, 2),
        r"shape must have exactly 2 dimensions \(the identity is a matrix\); got \(2, 2, 2\), "
        r"which has 3",
    ),
    Draw(init.Identity, (2,), r"shape must have exactly 2 dimensions .*; got \(2,\), which has 1"),
    Draw(
        init.DeltaOrthogonal,
        (4, 8),
        r"shape must have 3 to 5 dimensions \(one to three spatial, then input and output\); "
        r"got \(4, 8\), which has 2",
    ),
    Draw(
        init.DeltaOrthogonal,
        (1, 1, 1, 1, 2, 2),
        r"shape must have 3 to 5 dimensions .*; got \(1, 1, 1, 1, 2, 2\), which has 6",
    ),
    Draw(
        init.DeltaOrthogonal,
        (3, 3, 8, 4),
        r"the last dimension \(outputs\) must be at least the one before it \(inputs\); "
        r"got 4 outputs and 8 inputs in \(3, 3, 8, 4\)",
    ),
    Draw(
        init.ConvolutionOrthogonal,
        (3, 5, 4, 8),
        r"the spatial sizes must be equal; got \(3, 5\) in \(3, 5, 4, 8\)\. "
        r"delta_orthogonal takes any$",
    ),
    Draw(
        init.ConvolutionOrthogonal,
        (3, 8, 4),
        r"the last dimension \(outputs\) must be at least the one before it \(inputs\); "
        r"got 4 outputs and 8 inputs in \(3, 8, 4\)$",
    ),
    Draw(init.ConvolutionOrthogonal, (4, 8), r"shape must have 3 to 5 dimensions .*has 2$"),
    *(
        Draw(cls, shape, message, options)
        for cls in (init.ScaledOrthogonal, init.Spectral)
        for shape, message, options in (
            (
                (4, 3),
                r"shape must have at least 3 dimensions \(a matrix, and the batch axes\); "
                r"got \(4, 3\)",
                {"batch_axis": 0},
            ),
            (
                (4, 3),
                r"inputs and outputs must be different axes of a matrix; "
                r"got in_axis=-2 and out_axis=-2$",
                {"layout": "embedding"},
            ),
            (
                (3, 3, 4, 8),
                r"the kernel of a convolution in 2 groups is that many matrices side by side; "
                r"make one for each group, and concatenate them along the outputs$",
                {"layout": Layout(groups=2)},
            ),
        )
    ),
    Draw(init.Dirac, (4, 4), r"shape must have 3 to 5 dimensions .*; got \(4, 4\), which has 2"),
    Draw(
        init.Dirac,
        (3, 2, 4),
        r"groups must divide the last dimension \(outputs\); got groups=3 and 4 outputs",
        {"groups": 3},
    ),
)

AXES = (
    Draw(
        init.HeNormal,
        (2, 3),
        r"in_axis must name axes of a shape with 2 dimensions, so from -2 to 1; got 5",
        {"in_axis": 5},
    ),
    Draw(
        init.Orthogonal,
        (2, 3, 4),
        r"axis must name axes of a shape with 3 dimensions, so from -3 to 2; got 3",
        {"axis": 3},
    ),
    Draw(
        init.HeUniform,
        (2, 3),
        r"in_axis names an axis twice; got \(0, -2\)",
        {"in_axis": (0, -2)},
    ),
    Draw(
        init.HeNormal,
        (2, 3, 4),
        r"axis 2 of shape \(2, 3, 4\) is in both out_axis and batch_axis; "
        r"a batch axis counts in no fan",
        {"batch_axis": -1},
    ),
    Draw(
        init.Orthogonal,
        (2, 3, 4),
        r"axis -1 is a batch axis too; got batch_axis=2",
        {"batch_axis": 2},
    ),
)

DRAWS = (*OVERFLOWS, *NUMBERS, *COMPLEX, *SHAPES, *AXES)


@pytest.mark.parametrize(
    "draw", DRAWS, ids=lambda draw: f"{draw.cls.name}-{draw.shape}-{dict(draw.options)}"
)
def test_a_draw_that_there_is_not_is_refused(draw: Draw) -> None:
    cls, name = draw.cls, draw.cls.name
    for call in (
        lambda: cls(**draw.options)(KEY, draw.shape, draw.dtype),
        lambda: cls.function(KEY, draw.shape, draw.dtype, **draw.options),
    ):
        assert_refused(call, draw.error, f"^{name}: {draw.message}")

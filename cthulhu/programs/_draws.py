"""Unit draws and their scales: the laws behind every random initializer.

Each function here returns a `Draw`: a compiled program with its runtime
scalars, which wait for a key. float32 values equal those of the jitted
`jax.nn.initializers` bit for bit; narrower types are the float32 values,
rounded. `rows=(first, last)` draws these rows of the array alone, at their own
cost. `VERSION` changes when any number does.
"""

import math
from typing import Any, TypeAlias

import jax
import numpy as np
from jax import lax
from jax.sharding import NamedSharding

from cthulhu._types import DType, Number, Option
from cthulhu.laws import (
    ComplexDisk,
    ComplexNormal,
    DeltaOrthogonal,
    Eye,
    Fill,
    Normal,
    Orthogonal,
    TruncatedNormal,
    Uniform,
)
from cthulhu.laws._base import is_complex
from cthulhu.laws._complex import TRUNCATED_DISK_STDDEV
from cthulhu.laws._normal import REACH
from cthulhu.laws._tail import FROM as TAIL_FROM
from cthulhu.laws._tail import REACH as TAIL_REACH
from cthulhu.laws._tail import NormalTail, survival
from cthulhu.programs._build import Draw, bind, compute_dtype

VERSION = 1

Rows = tuple[int, int] | None

Inexact: TypeAlias = np.inexact[Any] | jax.Array
"""A scalar in the type of a computation."""

# Truncation at two standard deviations leaves this standard deviation.
TRUNCATED_STDDEV = 0.87962566103423978
COMPLEX_TRUNCATED_STDDEV = TRUNCATED_DISK_STDDEV

NO_SHIFT = -0.0  # The additive identity that keeps the sign of a zero.


def number(dtype: DType, value: Option | Inexact) -> Inexact:
    """`value` in the arithmetic of `dtype`: computed on the host unless traced."""
    if isinstance(value, jax.core.Tracer):
        return lax.convert_element_type(value, dtype)
    with np.errstate(over="ignore"):
        converted: Inexact = dtype.type(value)
    refuse_overflow(dtype, converted, value)
    return converted


def refuse_overflow(dtype: DType, converted: Inexact, *given: Option | Inexact) -> None:
    """Refuse numbers that `dtype` cannot hold: they would become infinite, or NaN."""
    if not isinstance(converted, jax.core.Tracer) and not np.isfinite(converted):
        listed = " and ".join(repr(value) for value in given)
        raise ValueError(
            f"the values overflow {dtype} with {listed}; use smaller ones, or a wider dtype"
        )


def refuse_extent(
    dtype: DType, scale: Inexact, reach: float, shift: Option | Inexact = 0.0
) -> None:
    """Refuse a law whose values, up to `reach` scales away from `shift`, overflow `dtype`."""
    if isinstance(scale, jax.core.Tracer) or isinstance(shift, jax.core.Tracer):
        return
    extent = reach * abs(float(np.real(scale))) + abs(float(np.real(shift)))
    with np.errstate(over="ignore"):
        refuse_overflow(dtype, dtype.type(extent), extent)


def bound_of(low: Option, high: Option) -> float:
    """The largest absolute value of an interval, as far as it is known."""
    known = [abs(float(end)) for end in (low, high) if not isinstance(end, jax.core.Tracer)]
    return max(known, default=0.0)


def shift_of(dtype: DType, mean: Option) -> Inexact:
    """The shift that adds `mean`."""
    if not isinstance(mean, jax.core.Tracer) and mean == 0:
        mean = NO_SHIFT
    return number(dtype, mean)


def uniform(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    minval: Option = 0.0,
    maxval: Option = 1.0,
    scale: Option | Inexact = 1.0,
    rows: Rows = None,
) -> Draw:
    """Uniform on [minval, maxval), times `scale`."""
    compute = compute_dtype(dtype)
    low = number(compute, minval)
    high = number(compute, maxval)
    with np.errstate(over="ignore"):
        width = high - low
    refuse_overflow(compute, width, minval, maxval)
    factor = number(compute, scale)
    refuse_extent(dtype, factor, bound_of(minval, maxval))
    return bind(Uniform(), (width, low, factor), shape, dtype, sharding, rows)


def normal(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    stddev: Option | Inexact = 1.0,
    mean: Option = 0.0,
    rows: Rows = None,
) -> Draw:
    """Normal with this mean and standard deviation."""
    compute = compute_dtype(dtype)
    scale, shift = number(compute, stddev), shift_of(compute, mean)
    if is_complex(dtype):
        return bind(ComplexNormal(), (scale, shift), shape, dtype, sharding, rows)
    refuse_extent(dtype, scale, REACH[compute.itemsize], shift)
    scale = compute.type(math.sqrt(2)) * scale
    return bind(Normal(), (scale, shift), shape, dtype, sharding, rows)


def truncated_normal(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    stddev: Option | Inexact = 1.0,
    mean: Option = 0.0,
    lower: Option = -2.0,
    upper: Option = 2.0,
    absolute: bool = False,
    rows: Rows = None,
) -> Draw:
    """Normal, cut at `lower` and `upper` standard deviations from the mean.

    `stddev` is that of the normal before it is cut. Bounds that are `absolute` are values.
    """
    compute = compute_dtype(dtype)
    scale, shift = number(compute, stddev), shift_of(compute, mean)
    start, stop = lower, upper
    if absolute:
        start, stop = (in_stddevs(compute, end, scale, shift) for end in (lower, upper))
    known = not any(isinstance(end, jax.core.Tracer) for end in (start, stop))
    if known and max(start, -stop) >= TAIL_FROM[compute.itemsize]:
        return normal_tail(shape, dtype, sharding, scale, shift, (start, stop), rows)
    # One element in 2**23 is erf_inv of the low end, which must not be an infinity that becomes
    # a bound far away. Finite relative bounds keep it: it is in the numbers of version 1.
    reach = math.inf
    if absolute or math.isinf(bound_of(lower, upper)):
        reach = REACH[compute.itemsize]
    low, high = (error_function(compute, clipped(compute, end, reach)) for end in (start, stop))
    if not isinstance(high - low, jax.core.Tracer) and high <= low:
        raise ValueError(
            f"in {compute} no probability is left between lower={lower!r} and upper={upper!r}; "
            "move the bounds apart, or use dtype float64"
        )
    refuse_extent(dtype, scale, min(bound_of(start, stop), reach), shift)
    ends = inside(compute, (start, stop))
    return bind(
        TruncatedNormal(), (high - low, low, *ends, scale, shift), shape, dtype, sharding, rows
    )


def normal_tail(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None,
    scale: Inexact,
    shift: Inexact,
    bounds: tuple[Option, Option],
    rows: Rows,
) -> Draw:
    """Normal, cut at these bounds far away from the mean, on one side."""
    compute = compute_dtype(dtype)
    near, far = sorted(abs(float(end)) for end in bounds)
    ends = inside(compute, bounds)
    if ends[0] > ends[1]:
        raise ValueError(
            f"no {compute} lies between the bounds, which are {bounds[0]!r} and {bounds[1]!r} "
            "standard deviations from the mean; move them apart, or use dtype float64"
        )
    refuse_extent(dtype, scale, min(far, near + TAIL_REACH), shift)
    side, rest = math.copysign(1.0, bounds[0]), float(survival(near, far))
    numbers = [compute.type(value) for value in (side, near, rest)]
    return bind(NormalTail(), (*numbers, *ends, scale, shift), shape, dtype, sharding, rows)


def in_stddevs(dtype: DType, bound: Option, scale: Inexact, shift: Inexact) -> Option:
    """A value as its distance from the mean, in standard deviations."""
    if any(isinstance(value, jax.core.Tracer) for value in (bound, scale, shift)):
        distance: jax.Array = (number(dtype, bound) - shift) / scale
        return distance
    if not scale:
        raise ValueError(f"with absolute bounds stddev must be greater than 0; got {scale!r}")
    return (float(bound) - float(shift)) / float(scale)


def clipped(dtype: DType, bound: Option, reach: float) -> Option:
    """`bound`, or the end of what inversion reaches."""
    if isinstance(bound, jax.core.Tracer):
        return lax.clamp(dtype.type(-reach), number(dtype, bound), dtype.type(reach))
    return bound if math.isinf(reach) else min(max(bound, -reach), reach)


def inside(dtype: DType, bounds: tuple[Option, Option]) -> tuple[Inexact, Inexact]:
    """The neighbours of bounds. Of values, rounding reaches no further than the bounds."""
    low, high = bounds
    return next_after(dtype, low, math.inf), next_after(dtype, high, -math.inf)


def uniform_disk(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    stddev: Number,
) -> Draw:
    """Complex, uniform on a disk around 0, with this standard deviation."""
    return bind(ComplexDisk(truncated=False), (stddev,), shape, dtype, sharding)


def truncated_disk(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    stddev: Number,
) -> Draw:
    """Complex normal of this standard deviation, cut where its modulus is twice that."""
    return bind(ComplexDisk(truncated=True), (stddev,), shape, dtype, sharding)


def orthogonal(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    gain: Option = 1.0,
    axis: int = -1,
    batch: tuple[int, ...] = (),
) -> Draw:
    """Matrices with orthonormal rows or columns, times `gain`; `axis` holds the columns."""
    scalars = (number(compute_dtype(dtype), gain),)
    return bind(Orthogonal(axis % len(shape), batch), scalars, shape, dtype, sharding)


def delta_orthogonal(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    gain: Option = 1.0,
    axis: int = -1,
) -> Draw:
    """An orthogonal matrix at the centre of a convolution kernel, 0 elsewhere."""
    scalars = (number(compute_dtype(dtype), gain),)
    return bind(DeltaOrthogonal(axis % 2), scalars, shape, dtype, sharding)


def eye(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    gain: Number,
    groups: int = 1,
    shift: int = 0,
    upper: bool = False,
) -> Draw:
    """`gain` from each input to its output, 0 elsewhere; the key plays no part."""
    return bind(Eye(groups, shift, upper), (gain,), shape, dtype, sharding)


def fill(
    shape: tuple[int, ...], dtype: DType, sharding: NamedSharding | None = None, *, value: Number
) -> Draw:
    """The same value everywhere; the key plays no part."""
    return bind(Fill(), (value,), shape, dtype, sharding)


def error_function(dtype: DType, bound: Option) -> Inexact:
    """erf(bound / sqrt(2)): rounded from double precision on the host, as XLA folds it."""
    scaled = number(dtype, bound) / dtype.type(math.sqrt(2))
    if isinstance(bound, jax.core.Tracer):
        return lax.erf(scaled)
    value: Inexact = dtype.type(math.erf(scaled))
    return value


def logarithms(dtype: DType, low: Option, high: Option) -> tuple[Inexact, Inexact]:
    """ln(high) - ln(low), and ln(low): of double precision on the host, unless traced."""
    if isinstance(low, jax.core.Tracer) or isinstance(high, jax.core.Tracer):
        start, end = lax.log(number(dtype, low)), lax.log(number(dtype, high))
        return end - start, start
    return dtype.type(math.log(high) - math.log(low)), dtype.type(math.log(low))


def next_after(dtype: DType, bound: Option, towards: float) -> Inexact:
    """The neighbour of `bound` in the direction of `towards`; of an infinity, itself."""
    if isinstance(bound, jax.core.Tracer):
        return lax.nextafter(number(dtype, bound), dtype.type(towards))
    rounded: Inexact = dtype.type(bound)
    return rounded if np.isinf(rounded) else np.nextafter(rounded, dtype.type(towards))

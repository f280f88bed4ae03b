"""Unit draws and their scales: the laws behind every random initializer.

Each function here returns a `Draw`: a compiled program with its runtime
scalars, which wait for a key. float32 values equal those of the jitted
`jax.nn.initializers` bit for bit; narrower types are the float32 values,
rounded. `rows=(first, last)` draws these rows of the array alone, at their own
cost. `VERSION` changes when any number does.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding

from cthulhu.random.bits import Counter, fused, random_bits
from cthulhu.random.inverse import erf_inv
from cthulhu.random.programs import Draw, compute_dtype, draw

__all__ = [
    "VERSION",
    "delta_orthogonal",
    "eye",
    "fill",
    "normal",
    "orthogonal",
    "truncated_disk",
    "truncated_normal",
    "uniform",
    "uniform_disk",
]

VERSION = 1

DType = np.dtype[Any]
Rows = tuple[int, int] | None

# Truncation at two standard deviations leaves this standard deviation.
TRUNCATED_STDDEV = 0.87962566103423978
COMPLEX_TRUNCATED_STDDEV = 0.95311164380491208

NO_SHIFT = -0.0  # The additive identity that keeps the sign of a zero.


def number(dtype: DType, value: Any) -> Any:
    """`value` in the arithmetic of `dtype`: computed on the host unless traced."""
    if isinstance(value, jax.core.Tracer):
        return lax.convert_element_type(value, dtype)
    return dtype.type(value)


def shift_of(dtype: DType, mean: Any) -> Any:
    """The shift that adds `mean`."""
    if not isinstance(mean, jax.core.Tracer) and mean == 0:
        mean = NO_SHIFT
    return number(dtype, mean)


def is_complex(dtype: DType) -> bool:
    """Whether `dtype` has an imaginary part."""
    return bool(jnp.issubdtype(dtype, np.complexfloating))


def unit(key: jax.Array, shape: tuple[int, ...], dtype: DType, start: Counter | None) -> jax.Array:
    """Uniform values in [0, 1): random mantissas below the exponent of one."""
    width, mantissa = (64, 52) if dtype == np.float64 else (32, 23)
    bits = random_bits(key, shape, width, start)
    one = np.ones((), dtype).view(bits.dtype)
    floats = lax.bitcast_convert_type((bits >> bits.dtype.type(width - mantissa)) | one, dtype)
    values: jax.Array = floats - dtype.type(1)
    return values


def uniform_law(
    key: jax.Array,
    shape: tuple[int, ...],
    dtype: DType,
    start: Counter | None,
    width: Any,
    low: Any,
    scale: Any,
) -> jax.Array:
    """Uniform on [low, low + width), times `scale`."""
    values: jax.Array = (unit(key, shape, dtype, start) * width + low) * scale
    return values


def normal_law(
    key: jax.Array,
    shape: tuple[int, ...],
    dtype: DType,
    start: Counter | None,
    scale: Any,
    shift: Any,
) -> jax.Array:
    """Normal by inversion; `scale` holds the factor sqrt(2)."""
    low = np.nextafter(dtype.type(-1), dtype.type(0))
    uniform = lax.add(lax.mul(unit(key, shape, dtype, start), dtype.type(2)), low)
    quantile = erf_inv(uniform, ends=False)
    values: jax.Array = quantile * scale + shift
    return values


def truncated_normal_law(
    key: jax.Array,
    shape: tuple[int, ...],
    dtype: DType,
    start: Counter | None,
    width: Any,
    low: Any,
    least: Any,
    most: Any,
    scale: Any,
    shift: Any,
) -> jax.Array:
    """Normal by inversion of [low, low + width), kept within [least, most]."""
    inverse = erf_inv(unit(key, shape, dtype, start) * width + low, ends=True)
    unscaled = lax.min(lax.max(dtype.type(math.sqrt(2)) * inverse, least), most)
    values: jax.Array = unscaled * scale + shift
    return values


def complex_normal_law(
    key: jax.Array, shape: tuple[int, ...], dtype: DType, start: None, scale: Any, shift: Any
) -> jax.Array:
    """Complex normal of unit variance, as JAX draws it."""
    values: jax.Array = jax.random.normal(fused(key), shape, dtype) * scale + shift
    return values


def complex_disk_law(
    key: jax.Array,
    shape: tuple[int, ...],
    dtype: DType,
    start: None,
    scale: Any,
    *,
    truncated: bool,
) -> jax.Array:
    """A radius and an angle: uniform on a disk of unit variance, or normal cut at modulus 2."""
    real = np.dtype(np.float32 if dtype == np.complex64 else np.float64)
    radius_key, angle_key = jax.random.split(fused(key))
    spread = unit(radius_key, shape, real, None)
    angle = dtype.type(2 * np.pi) * unit(angle_key, shape, real, None).astype(dtype)
    if truncated:
        tail = (dtype.type(1) - jnp.exp(jnp.asarray(-4.0, dtype))) * spread.astype(dtype)
        radius = jnp.sqrt(-jnp.log(dtype.type(1) - tail))
    else:
        radius = jnp.sqrt(real.type(2) * spread).astype(dtype)
    values: jax.Array = radius * jnp.exp(dtype.type(1j) * angle) * scale
    return values


def orthogonal_law(
    key: jax.Array,
    shape: tuple[int, ...],
    dtype: DType,
    start: None,
    gain: Any,
    *,
    axis: int,
    batch: tuple[int, ...],
) -> jax.Array:
    """Haar-distributed matrices: the sign-corrected QR of a Gaussian."""
    rest = tuple(a for a in range(len(shape)) if a not in (*batch, axis))
    stack = tuple(shape[a] for a in batch)
    rows, columns = math.prod(shape[a] for a in rest), shape[axis]
    order = (*batch, *rest, axis)
    if 0 in shape:
        return jnp.zeros(shape, dtype)
    tall = (*stack, max(rows, columns), min(rows, columns))
    if is_complex(dtype):
        gaussian = jax.random.normal(fused(key), tall, dtype)
    else:
        gaussian = normal_law(key, tall, dtype, None, dtype.type(math.sqrt(2)), dtype.type(0))
    basis, triangle = jnp.linalg.qr(gaussian)
    diagonal = jnp.diagonal(triangle, axis1=-2, axis2=-1)
    sign = jnp.where(diagonal == 0, dtype.type(1), jnp.sign(diagonal))
    matrix = basis * sign[..., None, :]
    if rows < columns:
        matrix = jnp.swapaxes(matrix, -1, -2)
    matrix = matrix.reshape(tuple(shape[a] for a in order))
    values: jax.Array = gain * jnp.transpose(matrix, tuple(int(a) for a in np.argsort(order)))
    return values


def delta_orthogonal_law(
    key: jax.Array, shape: tuple[int, ...], dtype: DType, start: None, gain: Any, *, axis: int
) -> jax.Array:
    """An orthogonal matrix at the centre of the spatial axes, 0 elsewhere."""
    matrix = orthogonal_law(key, shape[-2:], dtype, None, gain, axis=axis, batch=())
    if 0 in shape:
        return jnp.zeros(shape, dtype)
    centre = tuple((size - 1) // 2 for size in shape[:-2])
    kernel = matrix.reshape((1,) * len(centre) + shape[-2:])
    before_after = [(at, size - 1 - at, 0) for at, size in zip(centre, shape, strict=False)]
    return lax.pad(kernel, dtype.type(0), [*before_after, (0, 0, 0), (0, 0, 0)])


def eye_law(
    key: jax.Array | None, shape: tuple[int, ...], dtype: DType, start: None, gain: Any
) -> jax.Array:
    """`gain` on the diagonal."""
    row = lax.broadcasted_iota(np.int32, shape, 0)
    column = lax.broadcasted_iota(np.int32, shape, 1)
    return jnp.where(row == column, gain, lax.full_like(gain, 0))


def fill_law(
    key: jax.Array | None, shape: tuple[int, ...], dtype: DType, start: None, value: Any
) -> jax.Array:
    """The same value everywhere."""
    return jnp.broadcast_to(value, shape)


def uniform(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    minval: Any = 0.0,
    maxval: Any = 1.0,
    scale: Any = 1.0,
    rows: Rows = None,
) -> Draw:
    """Uniform on [minval, maxval), times `scale`."""
    compute = compute_dtype(dtype)
    low = number(compute, minval)
    width = number(compute, maxval) - low
    return draw(uniform_law, (width, low, number(compute, scale)), shape, dtype, sharding, rows)


def normal(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    stddev: Any = 1.0,
    mean: Any = 0.0,
    rows: Rows = None,
) -> Draw:
    """Normal with this mean and standard deviation."""
    compute = compute_dtype(dtype)
    scale, shift = number(compute, stddev), shift_of(compute, mean)
    if is_complex(dtype):
        return draw(complex_normal_law, (scale, shift), shape, dtype, sharding, rows)
    scale = compute.type(math.sqrt(2)) * scale
    return draw(normal_law, (scale, shift), shape, dtype, sharding, rows)


def truncated_normal(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    stddev: Any = 1.0,
    mean: Any = 0.0,
    lower: Any = -2.0,
    upper: Any = 2.0,
    rows: Rows = None,
) -> Draw:
    """Normal, cut at `lower` and `upper` standard deviations from the mean.

    `stddev` is that of the normal before it is cut.
    """
    compute = compute_dtype(dtype)
    scale = number(compute, stddev)
    low, high = error_function(compute, lower), error_function(compute, upper)
    scalars = (
        high - low,
        low,
        next_after(compute, lower, math.inf),
        next_after(compute, upper, -math.inf),
        scale,
        shift_of(compute, mean),
    )
    return draw(truncated_normal_law, scalars, shape, dtype, sharding, rows)


def uniform_disk(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    stddev: Any,
) -> Draw:
    """Complex, uniform on a disk around 0, with this standard deviation."""
    return draw(complex_disk_law, (stddev,), shape, dtype, sharding, truncated=False)


def truncated_disk(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    stddev: Any,
) -> Draw:
    """Complex normal of this standard deviation, cut where its modulus is twice that."""
    return draw(complex_disk_law, (stddev,), shape, dtype, sharding, truncated=True)


def orthogonal(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    gain: Any = 1.0,
    axis: int = -1,
    batch: tuple[int, ...] = (),
) -> Draw:
    """Matrices with orthonormal rows or columns, times `gain`; `axis` holds the columns."""
    scalars = (number(compute_dtype(dtype), gain),)
    return draw(
        orthogonal_law, scalars, shape, dtype, sharding, axis=axis % len(shape), batch=batch
    )


def delta_orthogonal(
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None = None,
    *,
    gain: Any = 1.0,
    axis: int = -1,
) -> Draw:
    """An orthogonal matrix at the centre of a convolution kernel, 0 elsewhere."""
    scalars = (number(compute_dtype(dtype), gain),)
    return draw(delta_orthogonal_law, scalars, shape, dtype, sharding, axis=axis % 2)


def eye(
    shape: tuple[int, ...], dtype: DType, sharding: NamedSharding | None = None, *, gain: Any
) -> Draw:
    """`gain` on the diagonal, 0 elsewhere; the key plays no part."""
    return draw(eye_law, (gain,), shape, dtype, sharding)


def fill(
    shape: tuple[int, ...], dtype: DType, sharding: NamedSharding | None = None, *, value: Any
) -> Draw:
    """The same value everywhere; the key plays no part."""
    return draw(fill_law, (value,), shape, dtype, sharding)


def error_function(dtype: DType, bound: Any) -> Any:
    """erf(bound / sqrt(2)): rounded from double precision on the host, as XLA folds it."""
    scaled = number(dtype, bound) / dtype.type(math.sqrt(2))
    if isinstance(bound, jax.core.Tracer):
        return lax.erf(scaled)
    return dtype.type(math.erf(scaled))


def next_after(dtype: DType, bound: Any, towards: float) -> Any:
    """The neighbour of `bound` in the direction of `towards`."""
    if isinstance(bound, jax.core.Tracer):
        return lax.nextafter(number(dtype, bound), dtype.type(towards))
    return np.nextafter(dtype.type(bound), dtype.type(towards))

"""The laws behind every initializer, as traceable functions of key, shape and scalars.

`law(key, shape, dtype, start, *scalars)` draws in `dtype`, the type of the
computation; `start` is the place of a block in the array that it belongs to.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from cthulhu.random._bits import Counter, fused, random_bits
from cthulhu.random._inverse import erf_inv

__all__ = [
    "ELEMENTWISE",
    "complex_disk_law",
    "complex_normal_law",
    "delta_orthogonal_law",
    "eye_law",
    "fill_law",
    "is_complex",
    "normal_law",
    "orthogonal_law",
    "truncated_normal_law",
    "uniform_law",
]

DType = np.dtype[Any]


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
    # Were the width known to be 1, XLA would take (bits - 1) + low for bits + (low - 1).
    factor = lax.optimization_barrier(jnp.asarray(width))
    values: jax.Array = (unit(key, shape, dtype, start) * factor + low) * scale
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
    # As one loop, hash and complex functions take LLVM a minute to compile (JAX 0.12).
    spread, turn = lax.optimization_barrier(
        (unit(radius_key, shape, real, None), unit(angle_key, shape, real, None))
    )
    angle = dtype.type(2 * np.pi) * turn.astype(dtype)
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


# Element i depends on the key and on i alone: these laws have random access.
ELEMENTWISE = (uniform_law, normal_law, truncated_normal_law)

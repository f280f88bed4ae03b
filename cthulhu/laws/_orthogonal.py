"""Orthogonal matrices, and kernels of convolutions that keep norms."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from cthulhu._types import DType, Number
from cthulhu.laws._base import Law, Moments, Section, real_parts
from cthulhu.laws._matrices import Matrices, gaussians
from cthulhu.laws._normal import Normal
from cthulhu.random._bits import fused, random_bits


def signs_of(diagonal: jax.Array) -> jax.Array:
    """The signs by which the columns of a QR decomposition become uniform."""
    one = np.ones((), diagonal.dtype)
    return jnp.where(diagonal == 0, one, jnp.sign(diagonal))


@dataclasses.dataclass(frozen=True)
class Orthogonal(Matrices):
    """Haar-distributed matrices times `gain`: the sign-corrected QR of a Gaussian.

    Args:
        axis: the axis, or axes, of the columns; the rest are rows.
        batch: the axes that stack independent matrices.

    Example:
        >>> Orthogonal(axis=1, batch=()).moments((16, 4), 1.0).stddev
        0.25
    """

    scalars = ("gain",)
    linear = ("gain",)
    identical = True

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        (gain,) = scalars
        stack, rows, columns = self.extent(shape)
        order = self.order(shape)
        if 0 in shape:
            return jnp.zeros(shape, dtype)
        tall = (*stack, max(rows, columns), min(rows, columns))
        basis, triangle = jnp.linalg.qr(gaussians(key, tall, dtype))
        sign = signs_of(jnp.diagonal(triangle, axis1=-2, axis2=-1))
        matrix = basis * sign[..., None, :]
        if rows < columns:
            matrix = jnp.swapaxes(matrix, -1, -2)
        matrix = matrix.reshape(tuple(shape[a] for a in order))
        values: jax.Array = gain * jnp.transpose(matrix, tuple(int(a) for a in np.argsort(order)))
        return values

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """Zero, and the root of the mean square."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        (gain,) = real_parts(scalars)
        return Moments(0.0, abs(gain) / math.sqrt(max(self.extent(shape)[1:])))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """No element of a unit vector is larger than one."""
        (gain,) = real_parts(scalars)
        return -abs(gain), abs(gain)

    def nearly(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Section | None:
        """A few coordinates of a point on a sphere of many dimensions are nearly normal."""
        stddev = np.float32(self.moments(shape, *scalars).stddev * math.sqrt(2))
        whole = (slice(None),) * len(shape)
        return Section(whole, Normal(), shape, (stddev, np.float32(0)))

    def defect(self, values: jax.Array, *scalars: ArrayLike) -> jax.Array | None:
        """By how much the matrices change the norms of a few vectors, beside their gain."""
        shape = values.shape
        (gain,) = real_parts(scalars)
        if 0 in shape or not gain:
            return None
        stack, rows, columns = self.extent(shape)
        matrices = jnp.transpose(values, self.order(shape)).reshape(*stack, rows, columns)
        if rows < columns:
            matrices = jnp.swapaxes(matrices, -1, -2)
        few = min(rows, columns)
        vectors = jax.random.rademacher(jax.random.key(0), (few, PROBES), values.dtype)
        norms = jnp.linalg.norm(matrices @ vectors, axis=-2) / (abs(gain) * math.sqrt(few))
        return jnp.max(jnp.abs(norms - 1))


PROBES = 8
"""The vectors whose norms are looked at."""


@dataclasses.dataclass(frozen=True)
class DeltaOrthogonal(Law):
    """An orthogonal matrix times `gain` at the centre of the spatial axes, 0 elsewhere.

    Args:
        axis: which of the last two axes holds the columns, 0 or 1.

    Example:
        >>> DeltaOrthogonal(axis=1).moments((3, 3, 4, 4), 3.0).stddev
        0.5
    """

    axis: int

    scalars = ("gain",)
    linear = ("gain",)

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        matrix = Orthogonal(self.axis, ()).values(key, shape[-2:], dtype, *scalars)
        if 0 in shape:
            return jnp.zeros(shape, dtype)
        centre = tuple((size - 1) // 2 for size in shape[:-2])
        kernel = matrix.reshape((1,) * len(centre) + shape[-2:])
        before_after = [(at, size - 1 - at, 0) for at, size in zip(centre, shape, strict=False)]
        return lax.pad(kernel, dtype.type(0), [*before_after, (0, 0, 0), (0, 0, 0)])

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """Zero, and the root of the mean square, zeros included."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        (gain,) = real_parts(scalars)
        return Moments(0.0, abs(gain) / math.sqrt(max(shape[-2:]) * math.prod(shape[:-2])))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """No element of a unit vector is larger than one."""
        (gain,) = real_parts(scalars)
        return -abs(gain), abs(gain)


@dataclasses.dataclass(frozen=True)
class ConvolutionOrthogonal(Law):
    """Kernels (``*spatial``, inputs, outputs) of convolutions that multiply each norm by `gain`.

    With a variable z for each spatial axis, a kernel is a polynomial of matrices, and its
    convolution with another is their product. The factors are Haar matrices, of which the
    first is (inputs, outputs), and between two of them a delay: a diagonal of ones, and of
    z at a random half of the channels, each with probability one half. Where all ``|z| = 1``
    every factor is unitary, so each frequency keeps its norm. With the delays grouped by
    bases, ``Q diag(1, z) Q* = P + (1 - P) z``, these are the projections P of Xiao et al.

    Example:
        >>> ConvolutionOrthogonal().moments((3, 3, 2, 4), 3.0).stddev
        0.5
    """

    scalars = ("gain",)
    linear = ("gain",)

    def values(
        self, key: jax.Array, shape: tuple[int, ...], dtype: DType, *scalars: Number
    ) -> jax.Array:
        """The values that belong to a key."""
        if 0 in shape:
            return jnp.zeros(shape, dtype)
        (gain,) = scalars
        *spatial, inputs, outputs = shape
        matrix_key, basis_key, delay_key = jax.random.split(fused(key), 3)
        matrix = Orthogonal(1, ()).values(matrix_key, (inputs, outputs), dtype, dtype.type(1))
        kernel = matrix.reshape((1,) * len(spatial) + matrix.shape)
        steps = len(spatial) * (spatial[0] - 1)
        if steps:
            gaussian = gaussians(basis_key, (steps, outputs, outputs), dtype)
            reflectors, factors = jnp.linalg.qr(gaussian, mode="raw")
            signs = signs_of(jnp.diagonal(reflectors, axis1=1, axis2=2))
            delayed = random_bits(delay_key, (steps, outputs)) >= np.uint32(2**31)
        for step in range(steps):
            kernel = one_longer(kernel, step % len(spatial), delayed[step])
            # A product by reflections: no accelerator takes a narrow type for it, and no
            # layout of the result divides its sums.
            rows = kernel.reshape(-1, outputs)
            turned = lax.linalg.ormqr(reflectors[step].T, factors[step], rows, left=False)
            kernel = (turned * signs[step][None]).reshape(kernel.shape)
        values: jax.Array = gain * kernel
        return values

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """Zero, and the root of the mean square."""
        if 0 in shape:
            return Moments(0.0, 0.0)
        (gain,) = real_parts(scalars)
        return Moments(0.0, abs(gain) / math.sqrt(math.prod(shape[:-2]) * shape[-1]))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """No element of a unit vector is larger than one."""
        (gain,) = real_parts(scalars)
        return -abs(gain), abs(gain)


def one_longer(kernel: jax.Array, axis: int, delayed: jax.Array) -> jax.Array:
    """The kernel with one more tap, of zeros: the first where delayed, and the last elsewhere."""
    none = jnp.zeros((), kernel.dtype)
    early, late = ([(0, 0, 0)] * kernel.ndim for _ in range(2))
    early[axis], late[axis] = (0, 1, 0), (1, 0, 0)
    shape = [size + (at == axis) for at, size in enumerate(kernel.shape)]
    which = lax.broadcast_in_dim(delayed, shape, (kernel.ndim - 1,))
    return lax.select(which, lax.pad(kernel, none, late), lax.pad(kernel, none, early))

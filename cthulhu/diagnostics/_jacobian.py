"""The Jacobian of a function of arrays, as the products that JAX has: one way, and back.

What is differentiated is a list of arrays, the variables; what comes out is one vector. Both are
wide: float32, or float64 where an array is. Complex numbers are two real ones each.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from cthulhu._types import DType

Arrays: TypeAlias = list[jax.Array]
Function: TypeAlias = Callable[[Arrays], jax.Array]
Way: TypeAlias = Callable[[Arrays], jax.Array]
WayBack: TypeAlias = Callable[[jax.Array], Arrays]

TOGETHER = 64  # Products that are made at a time.
ELEMENTS = 2**26  # Elements of the variables that these may have, all together.


class Spec(NamedTuple):
    """What an array is like."""

    shape: tuple[int, ...]
    dtype: DType

    @property
    def is_complex(self) -> bool:
        """Whether its numbers are two real ones each."""
        return bool(jnp.issubdtype(self.dtype, jnp.complexfloating))

    @property
    def wide(self) -> tuple[int, ...]:
        """The shape of its real numbers."""
        return (2, *self.shape) if self.is_complex else self.shape

    @property
    def size(self) -> int:
        """How many real numbers it has."""
        return math.prod(self.wide)


def spec_of(array: Any) -> Spec:
    """What an array is like."""
    return Spec(tuple(array.shape), jnp.dtype(array.dtype))


def is_inexact(array: Any) -> bool:
    """Whether an array has a gradient."""
    return bool(jnp.issubdtype(array.dtype, jnp.inexact))


def wide_type(specs: Sequence[Spec]) -> DType:
    """The type to compute in."""
    double = any(one.dtype in (np.float64, np.complex128) for one in specs)
    return np.dtype(np.float64 if double else np.float32)


def widened(array: jax.Array, dtype: DType) -> jax.Array:
    """An array as real numbers of one type."""
    if jnp.iscomplexobj(array):
        array = jnp.stack([array.real, array.imag])
    return array.astype(dtype)


def narrowed(array: jax.Array, spec: Spec) -> jax.Array:
    """What `widened` was given."""
    if spec.is_complex:
        array = lax.complex(array[0], array[1])
    return array.astype(spec.dtype)


def vector(arrays: Sequence[jax.Array]) -> jax.Array:
    """Arrays as one vector."""
    return jnp.concatenate([array.ravel() for array in arrays])


def apart(values: jax.Array, specs: Sequence[Spec]) -> Arrays:
    """The arrays that a vector was made of."""
    found, start = [], 0
    for one in specs:
        found.append(values[start : start + one.size].reshape(one.wide))
        start += one.size
    return found


class NoWayBackError(ValueError):
    """A function that JAX differentiates forwards only, as a `while` loop."""


def way(fn: Function, at: Arrays) -> Way:
    """The product of the Jacobian with a tangent: J v."""
    push: Way = jax.linearize(fn, at)[1]  # Once it is linear, no product runs the function again.
    several = [jax.ShapeDtypeStruct((1, *one.shape), one.dtype) for one in at]
    try:
        # A function with a rule for the way back has none for this one, which comes out here.
        jax.eval_shape(jax.vmap(push), several)
    except TypeError:
        out, pull = jax.vjp(fn, at)
        transposed = jax.linear_transpose(lambda given: pull(given)[0], out)
        return lambda tangent: transposed(tangent)[0]
    return push


def way_back(fn: Function, at: Arrays) -> WayBack:
    """The product of its transpose with a cotangent: Jᵀ u."""
    out, pull = jax.vjp(fn, at)
    try:
        jax.eval_shape(pull, out)
    except ValueError as error:
        raise NoWayBackError(str(error)) from None
    return lambda cotangent: pull(cotangent)[0]


def matrix(fn: Function, at: Arrays, specs: Sequence[Spec], rows: int, dtype: DType) -> jax.Array:
    """The Jacobian, or its transpose: by as few products as it has columns, or rows."""
    columns = sum(one.size for one in specs)
    try:
        back = way_back(fn, at) if rows < columns else None
    except NoWayBackError:
        back = None
    if back is not None:
        known = back
        return products(lambda given: vector(known(given)), rows, columns, dtype)
    there = way(fn, at)
    return products(lambda given: there(apart(given, specs)), columns, columns, dtype)


def kernel(there: Way, back: WayBack, specs: Sequence[Spec], rows: int, dtype: DType) -> jax.Array:
    """The Jacobian by its transpose, column by column: it never is there as a whole."""
    columns = sum(one.size for one in specs)
    found = products(lambda given: there(back(given)), rows, columns, dtype)
    return (found + found.T) / 2


def finite(found: jax.Array) -> tuple[jax.Array, jax.Array]:
    """A matrix that can be decomposed, and what its values are to be multiplied by: 1, or NaN."""
    ok = jnp.isfinite(found).all()
    return jnp.where(ok, found, 0), jnp.where(ok, 1, jnp.nan).astype(found.dtype)


def products(
    product: Callable[[jax.Array], jax.Array], size: int, elements: int, dtype: DType
) -> jax.Array:
    """What a linear map makes of each unit vector of a size, in rows."""
    together = max(1, min(TOGETHER, size, ELEMENTS // max(1, elements)))
    found: jax.Array = lax.map(product, jnp.eye(size, dtype=dtype), batch_size=together)
    return found

"""Zeros, ones and constants: the initializers that draw nothing."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from cthulhu import checks
from cthulhu.functional.plans import planner
from cthulhu.random import draws
from cthulhu.random.programs import Draw
from cthulhu.typing import DTypeLike, OutSharding, Scalar, Shape

__all__ = ["constant", "ones", "zeros"]


@planner
def plan_constant(shape: Any, dtype: Any, sharding: Any, value: Any) -> Draw:
    """Check the value against the type, and name the program that fills an array."""
    owner = "constant"
    number = checks.scalar(owner, "value", value)
    target = checks.dtype(owner, dtype)
    if isinstance(number, jax.core.Tracer):
        return draws.fill(shape, target, sharding, value=lax.convert_element_type(number, target))
    if isinstance(number, complex) and not jnp.issubdtype(target, jnp.complexfloating):
        raise TypeError(f"{owner}: value {number!r} is complex; dtype {target} is not")
    if jnp.issubdtype(target, jnp.integer) and number != int(number):
        raise ValueError(f"{owner}: value {number!r} is no integer, and dtype is {target}")
    return draws.fill(shape, target, sharding, value=target.type(number))


def constant(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    value: Scalar = 0.0,
) -> jax.Array:
    """Fill an array with one value.

    Law: every element is `value`; mean `value`, standard deviation 0.

    Args:
        key: ignored, and may be `None`.
        shape: the shape of the result.
        dtype: the type of the result, floating, complex, integer or boolean;
            default: JAX's default float.
        out_sharding: the layout of the result.
        value: a number or a scalar array, possibly traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `value` is not a number, or is complex and `dtype` is not.
        ValueError: `shape` has a negative or unknown dimension, or `value` is
            not representable in an integer `dtype`.

    Example:
        >>> constant(None, (2, 2), value=3).tolist()
        [[3.0, 3.0], [3.0, 3.0]]
    """
    program, scalars = plan_constant(shape, dtype, out_sharding, value)
    return program(None, *scalars)


def zeros(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
) -> jax.Array:
    """Fill an array with 0.

    Law: every element is 0.

    Args:
        key: ignored, and may be `None`.
        shape: the shape of the result.
        dtype: the type of the result; default: JAX's default float.
        out_sharding: the layout of the result.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        ValueError: `shape` has a negative or unknown dimension.

    Example:
        >>> zeros(None, (2, 2)).tolist()
        [[0.0, 0.0], [0.0, 0.0]]
    """
    program, scalars = plan_constant(shape, dtype, out_sharding, 0)
    return program(None, *scalars)


def ones(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
) -> jax.Array:
    """Fill an array with 1.

    Law: every element is 1.

    Args:
        key: ignored, and may be `None`.
        shape: the shape of the result.
        dtype: the type of the result; default: JAX's default float.
        out_sharding: the layout of the result.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        ValueError: `shape` has a negative or unknown dimension.

    Example:
        >>> ones(None, (2, 2)).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """
    program, scalars = plan_constant(shape, dtype, out_sharding, 1)
    return program(None, *scalars)

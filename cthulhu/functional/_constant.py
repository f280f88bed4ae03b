"""Zeros, ones and constants: the initializers that draw nothing."""

from typing import Any

import jax
from jax import lax

from cthulhu import checks
from cthulhu.functional._plans import planned, planner
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw
from cthulhu.typing import DTypeLike, OutSharding, Scalar, Shape

__all__ = ["constant", "ones", "zeros"]


@planner
def plan_constant(shape: Any, dtype: Any, sharding: Any, value: Any) -> Draw:
    """Check the value against the type, and name the program that fills an array."""
    owner = "constant"
    number = checks.fill_value(owner, "value", value)
    target = checks.dtype(owner, dtype)
    if isinstance(number, jax.core.Tracer):
        return draws.fill(shape, target, sharding, value=lax.convert_element_type(number, target))
    exact = checks.representable(owner, "value", number, target)
    return draws.fill(shape, target, sharding, value=exact)


@planner
def plan_zeros(shape: Any, dtype: Any, sharding: Any) -> Draw:
    """The constant 0."""
    return plan_constant.plan(shape, dtype, sharding, 0)


@planner
def plan_ones(shape: Any, dtype: Any, sharding: Any) -> Draw:
    """The constant 1."""
    return plan_constant.plan(shape, dtype, sharding, 1)


@planned(plan_constant)
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
    program, scalars, _ = plan_constant(shape, dtype, out_sharding, value)
    return program(None, *scalars)


@planned(plan_zeros)
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
    program, scalars, _ = plan_zeros(shape, dtype, out_sharding)
    return program(None, *scalars)


@planned(plan_ones)
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
    program, scalars, _ = plan_ones(shape, dtype, out_sharding)
    return program(None, *scalars)

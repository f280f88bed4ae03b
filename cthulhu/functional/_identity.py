"""The identity matrix."""

from typing import Any

import jax
from jax import lax

from cthulhu import checks
from cthulhu.functional._plans import planned, planner
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw
from cthulhu.typing import DTypeLike, OutSharding, Scalar, Shape

__all__ = ["identity"]


@planner
def plan_identity(shape: Any, dtype: Any, sharding: Any, gain: Any) -> Draw:
    """Check the rank and name the program."""
    owner = "identity"
    checks.rank(owner, shape, 2, 2, why=" (the identity is a matrix)")
    target = checks.dtype(owner, dtype)
    number = checks.finite(owner, "gain", gain)
    if isinstance(number, jax.core.Tracer):
        return draws.eye(shape, target, sharding, gain=lax.convert_element_type(number, target))
    exact = checks.representable(owner, "gain", number, target)
    return draws.eye(shape, target, sharding, gain=exact)


@planned(plan_identity)
def identity(
    key: jax.Array | None,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    gain: Scalar = 1.0,
) -> jax.Array:
    """Make the identity matrix, padded with zeros if it is not square.

    Law: `gain` on the main diagonal, 0 elsewhere.

    Args:
        key: ignored, and may be `None`.
        shape: the shape of the result: two dimensions.
        dtype: the type of the result; default: JAX's default float.
        out_sharding: the layout of the result.
        gain: the factor; a number or a scalar array, possibly traced.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        ValueError: `shape` has not exactly two dimensions, or `gain` is not
            representable in an integer `dtype`.

    Example:
        >>> identity(None, (2, 3), gain=2).tolist()
        [[2.0, 0.0, 0.0], [0.0, 2.0, 0.0]]

    References:
        Le, Jaitly and Hinton (2015), "A simple way to initialize recurrent
        networks of rectified linear units", https://arxiv.org/abs/1504.00941
    """
    program, scalars, _ = plan_identity(shape, dtype, out_sharding, gain)
    return program(None, *scalars)

"""Uniform."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu import checks
from cthulhu.functional._plans import planned, planner, run
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw
from cthulhu.typing import DTypeLike, OutSharding, Scalar, Shape

__all__ = ["random_uniform"]


@planner
def plan_random_uniform(shape: Any, dtype: Any, sharding: Any, minval: Any, maxval: Any) -> Draw:
    """Check the bounds and name the program."""
    owner = "random_uniform"
    target = checks.inexact_dtype(owner, dtype)
    if jnp.issubdtype(target, np.complexfloating):
        raise TypeError(
            f"{owner}: dtype must be a real floating type; got {target}. For a uniform disk "
            "use variance_scaling with distribution='uniform'"
        )
    minval = checks.finite(owner, "minval", minval)
    maxval = checks.finite(owner, "maxval", maxval)
    checks.unordered(owner, "minval", minval, "maxval", maxval, strict=False)
    return draws.uniform(shape, target, sharding, minval=minval, maxval=maxval)


@planned(plan_random_uniform)
def random_uniform(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    minval: Scalar = -0.05,
    maxval: Scalar = 0.05,
) -> jax.Array:
    """Draw from a uniform distribution.

    Law: uniform on [`minval`, `maxval`), with mean ``(minval + maxval) / 2`` and
    standard deviation ``(maxval - minval) / sqrt(12)``; rounding may reach
    `maxval`. float32 values equal ``jax.jit`` of `jax.random.uniform`, and with
    ``minval=0`` of ``jax.nn.initializers.uniform(maxval)``, bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a real floating type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        minval: the lower bound; a number or a scalar array, possibly traced.
        maxval: the upper bound, at least `minval`; likewise.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `key` is no key, or `dtype` is not a real floating type.
        ValueError: a bound is not finite, `minval` is greater than `maxval`,
            `shape` has a negative dimension, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> values = random_uniform(jax.random.key(0), (1000,), minval=2, maxval=3)
        >>> bool((values >= 2).all() and (values < 3).all())
        True
    """
    return run(plan_random_uniform, key, shape, dtype, out_sharding, minval, maxval)

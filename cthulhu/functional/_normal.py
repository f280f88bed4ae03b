"""Normal and truncated normal."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu import checks
from cthulhu.functional._plans import planned, planner, run
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw
from cthulhu.typing import DTypeLike, OutSharding, Scalar, Shape

__all__ = ["random_normal", "truncated_normal"]


@planner
def plan_random_normal(shape: Any, dtype: Any, sharding: Any, mean: Any, stddev: Any) -> Draw:
    """Check the moments and name the program."""
    owner = "random_normal"
    return draws.normal(
        shape,
        checks.inexact_dtype(owner, dtype),
        sharding,
        mean=checks.finite(owner, "mean", mean),
        stddev=checks.non_negative(owner, "stddev", stddev),
    )


@planner
def plan_truncated_normal(
    shape: Any, dtype: Any, sharding: Any, mean: Any, stddev: Any, lower: Any, upper: Any
) -> Draw:
    """Check the moments and the bounds and name the program."""
    owner = "truncated_normal"
    target = checks.inexact_dtype(owner, dtype)
    if jnp.issubdtype(target, np.complexfloating):
        raise TypeError(
            f"{owner}: dtype must be a real floating type; got {target}. For a complex normal "
            "cut at a modulus use variance_scaling with distribution='truncated_normal'"
        )
    lower = checks.finite(owner, "lower", lower)
    upper = checks.finite(owner, "upper", upper)
    checks.unordered(owner, "lower", lower, "upper", upper, strict=True)
    return draws.truncated_normal(
        shape,
        target,
        sharding,
        mean=checks.finite(owner, "mean", mean),
        stddev=checks.non_negative(owner, "stddev", stddev),
        lower=lower,
        upper=upper,
    )


@planned(plan_random_normal)
def random_normal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    mean: Scalar = 0.0,
    stddev: Scalar = 0.05,
) -> jax.Array:
    """Draw from a normal distribution.

    Law: normal with mean `mean` and standard deviation `stddev`. In float32 the
    support is `mean` ± 5.42 `stddev`, the range of inversion with 23 bits; a
    complex `dtype` gives real and imaginary parts of standard deviation
    ``stddev / sqrt(2)`` each. float32 values with mean 0 equal
    ``jax.jit(jax.nn.initializers.normal(stddev))`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types
            below 32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        mean: the mean; a number or a scalar array, possibly traced.
        stddev: the standard deviation, at least 0; likewise.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `key` is no key, or `dtype` is an integer type.
        ValueError: `stddev` is negative or not finite, `shape` has a negative
            dimension, or `key` is a batch of keys.

    Example:
        The leading rows of a larger draw are the smaller draw:

        >>> import jax, numpy as np
        >>> key = jax.random.key(0)
        >>> rows = random_normal(key, (2, 64))
        >>> bool(np.array_equal(random_normal(key, (5, 64))[:2], rows))
        True
    """
    return run(plan_random_normal, key, shape, dtype, out_sharding, mean, stddev)


@planned(plan_truncated_normal)
def truncated_normal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    mean: Scalar = 0.0,
    stddev: Scalar = 0.05,
    lower: Scalar = -2.0,
    upper: Scalar = 2.0,
) -> jax.Array:
    """Draw from a normal distribution cut at `lower` and `upper` standard deviations.

    Law: normal with mean `mean` and standard deviation `stddev`, conditioned on
    (`mean` + `lower` · `stddev`, `mean` + `upper` · `stddev`). `stddev` is that
    of the normal before the cut: with the default bounds the values have
    standard deviation 0.8796 · `stddev` (`variance_scaling` corrects for it).
    Rounding to a narrow `dtype` may reach the bounds themselves. float32 values
    with mean 0 equal ``jax.jit(jax.nn.initializers.truncated_normal(stddev))``
    bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a real floating type; default: JAX's default float. Types below
            32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        mean: the mean before the cut; a number or a scalar array, possibly traced.
        stddev: the standard deviation before the cut, at least 0; likewise.
        lower: the lower bound, in standard deviations from the mean; likewise.
        upper: the upper bound, greater than `lower`; likewise.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `key` is no key, or `dtype` is not a real floating type.
        ValueError: `stddev` is negative, a bound is not finite, `lower` is not
            less than `upper`, `shape` has a negative dimension, or `key` is a
            batch of keys.

    Example:
        >>> import jax
        >>> values = truncated_normal(jax.random.key(0), (1000,), stddev=1.0)
        >>> bool((abs(values) < 2).all())
        True
    """
    return run(plan_truncated_normal, key, shape, dtype, out_sharding, mean, stddev, lower, upper)

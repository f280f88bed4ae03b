"""Orthogonal and delta-orthogonal."""

from typing import Any

import jax

from cthulhu import checks
from cthulhu.functional._plans import axes_key, planned, planner, run
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw
from cthulhu.typing import Axes, DTypeLike, OutSharding, Scalar, Shape

__all__ = ["delta_orthogonal", "orthogonal"]


@planner
def plan_orthogonal(
    shape: Any, dtype: Any, sharding: Any, gain: Any, axis: Any, batch_axis: Any
) -> Draw:
    """Check the axes and name the program."""
    owner = "orthogonal"
    target = checks.inexact_dtype(owner, dtype)
    batch = checks.axes(owner, "batch_axis", batch_axis, len(shape))
    checks.rank(owner, shape, 2 + len(batch), why=" (a matrix, and the batch axes)")
    (column,) = checks.axes(owner, "axis", (axis,), len(shape))
    if column in batch:
        raise ValueError(f"{owner}: axis {axis} is a batch axis too; got batch_axis={batch_axis!r}")
    return draws.orthogonal(
        shape,
        target,
        sharding,
        gain=checks.finite(owner, "gain", gain),
        axis=column,
        batch=tuple(sorted(batch)),
    )


@planner
def plan_delta_orthogonal(shape: Any, dtype: Any, sharding: Any, gain: Any, axis: Any) -> Draw:
    """Check the kernel's shape and name the program."""
    owner = "delta_orthogonal"
    target = checks.inexact_dtype(owner, dtype)
    checks.rank(owner, shape, 3, 5, why=" (one to three spatial, then input and output)")
    if shape[-1] < shape[-2]:
        raise ValueError(
            f"{owner}: the last dimension (outputs) must be at least the one before it "
            f"(inputs); got {shape[-1]} outputs and {shape[-2]} inputs in {shape!r}"
        )
    (column,) = checks.axes(owner, "axis", (axis,), 2)
    return draws.delta_orthogonal(
        shape, target, sharding, gain=checks.finite(owner, "gain", gain), axis=column
    )


@planned(plan_orthogonal)
def orthogonal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    gain: Scalar = 1.0,
    axis: int = -1,
    batch_axis: Axes = (),
) -> jax.Array:
    """Draw matrices with orthonormal rows or columns.

    Law: `gain` times a matrix from the Haar (uniform) distribution over the
    (semi-)orthogonal matrices, or unitary ones for a complex `dtype`. The tensor
    is seen as a matrix whose columns run along `axis` and whose rows run along
    all others; the smaller side is orthonormal. Each element has mean 0 and
    standard deviation ``gain / sqrt(max(rows, columns))``. float32 values equal
    ``jax.jit(jax.nn.initializers.orthogonal(gain, axis))`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result, of rank 2 or more.
        dtype: a floating or complex type; default: JAX's default float. Types
            below 32 bits hold the float32 result, rounded.
        out_sharding: the layout of the result, which changes no value. Every
            device computes whole matrices before it keeps its part.
        gain: the factor; a number or a scalar array, possibly traced.
        axis: the axis of the columns.
        batch_axis: axes that stack independent matrices, made by one batched
            decomposition.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `key` is no key, or `dtype` is an integer type.
        ValueError: `shape` has less than two dimensions beside the batch axes,
            an axis is out of range or named twice, `gain` is not finite, or
            `key` is a batch of keys.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> q = orthogonal(jax.random.key(0), (64, 16))
        >>> bool(jnp.allclose(q.T @ q, jnp.eye(16), atol=1e-5))
        True

    References:
        Saxe, McClelland and Ganguli (2014), "Exact solutions to the nonlinear
        dynamics of learning in deep linear neural networks",
        https://arxiv.org/abs/1312.6120. Mezzadri (2007), "How to generate random
        matrices from the classical compact groups",
        https://arxiv.org/abs/math-ph/0609050.
    """
    return run(plan_orthogonal, key, shape, dtype, out_sharding, gain, axis, axes_key(batch_axis))


@planned(plan_delta_orthogonal)
def delta_orthogonal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    gain: Scalar = 1.0,
    axis: int = -1,
) -> jax.Array:
    """Draw a convolution kernel that is orthogonal at its centre and 0 elsewhere.

    Law: zeros, but for the centre of the spatial axes (the lower one if a size
    is even), which holds an `orthogonal` matrix of the last two dimensions.
    float32 values equal ``jax.jit(jax.nn.initializers.delta_orthogonal(gain,
    axis))`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: ``(*spatial, inputs, outputs)``, of rank 3, 4 or 5, with at least
            as many outputs as inputs.
        dtype: a floating or complex type; default: JAX's default float.
        out_sharding: the layout of the result, which changes no value.
        gain: the factor; a number or a scalar array, possibly traced.
        axis: which of the last two dimensions holds the matrix's columns.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `key` is no key, or `dtype` is an integer type.
        ValueError: `shape` is of another rank or has more inputs than outputs,
            or `key` is a batch of keys.

    Example:
        >>> import jax, numpy as np
        >>> kernel = delta_orthogonal(jax.random.key(0), (3, 3, 4, 8))
        >>> int(np.count_nonzero(np.any(np.asarray(kernel), axis=(2, 3))))
        1

    References:
        Xiao, Bahri, Sohl-Dickstein, Schoenholz and Pennington (2018), "Dynamical
        isometry and a mean field theory of CNNs", https://arxiv.org/abs/1806.05393
    """
    return run(plan_delta_orthogonal, key, shape, dtype, out_sharding, gain, axis)

"""Glorot (Xavier) normal and uniform."""

import jax

from cthulhu.functional._plans import axes_key, planned, run
from cthulhu.functional._variance_scaling import case
from cthulhu.typing import Axes, BatchAxes, DTypeLike, OutSharding, Shape

__all__ = ["glorot_normal", "glorot_uniform"]

plan_glorot_normal = case("glorot_normal", 1.0, "fan_avg", "truncated_normal")
plan_glorot_uniform = case("glorot_uniform", 1.0, "fan_avg", "uniform")


@planned(plan_glorot_normal)
def glorot_normal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
) -> jax.Array:
    """Draw Glorot (Xavier) normal weights.

    Law: truncated normal (cut at two standard deviations before the cut) with
    mean 0 and, after the cut, standard deviation ``sqrt(2 / (fan_in + fan_out))``.
    This is `variance_scaling` with scale 1.0, mode ``"fan_avg"`` and
    distribution ``"truncated_normal"``. float32 values equal
    ``jax.jit(jax.nn.initializers.glorot_normal())`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float.
        out_sharding: the layout of the result, which changes no value.
        in_axis: the axis, or axes, of the inputs.
        out_axis: the axis, or axes, of the outputs.
        batch_axis: axes that stack independent tensors and count in no fan;
            ``"rest"`` is all that are neither inputs nor outputs.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `key` is no key, or `dtype` is an integer type.
        ValueError: an axis is out of range, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> values = glorot_normal(jax.random.key(0), (400, 100))
        >>> round(float(values.std()), 3)
        0.063

    References:
        Glorot and Bengio (2010), "Understanding the difficulty of training deep
        feedforward neural networks",
        https://proceedings.mlr.press/v9/glorot10a.html
    """
    axes = (axes_key(in_axis), axes_key(out_axis), axes_key(batch_axis))
    return run(plan_glorot_normal, key, shape, dtype, out_sharding, *axes)


@planned(plan_glorot_uniform)
def glorot_uniform(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
) -> jax.Array:
    """Draw Glorot (Xavier) uniform weights.

    Law: uniform on ±limit with ``limit = sqrt(6 / (fan_in + fan_out))``; mean 0 and
    standard deviation ``sqrt(2 / (fan_in + fan_out))``.
    This is `variance_scaling` with scale 1.0, mode ``"fan_avg"`` and
    distribution ``"uniform"``. float32 values equal
    ``jax.jit(jax.nn.initializers.glorot_uniform())`` bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float.
        out_sharding: the layout of the result, which changes no value.
        in_axis: the axis, or axes, of the inputs.
        out_axis: the axis, or axes, of the outputs.
        batch_axis: axes that stack independent tensors and count in no fan;
            ``"rest"`` is all that are neither inputs nor outputs.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `key` is no key, or `dtype` is an integer type.
        ValueError: an axis is out of range, or `key` is a batch of keys.

    Example:
        >>> import jax
        >>> values = glorot_uniform(jax.random.key(0), (400, 100))
        >>> bool((abs(values) <= (6 / (400 + 100)) ** 0.5).all())
        True

    References:
        Glorot and Bengio (2010), "Understanding the difficulty of training deep
        feedforward neural networks",
        https://proceedings.mlr.press/v9/glorot10a.html
    """
    axes = (axes_key(in_axis), axes_key(out_axis), axes_key(batch_axis))
    return run(plan_glorot_uniform, key, shape, dtype, out_sharding, *axes)

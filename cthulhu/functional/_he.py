"""He (Kaiming) normal and uniform."""

import jax

from cthulhu.functional._plans import axes_key, planned, run
from cthulhu.functional._variance_scaling import case
from cthulhu.typing import Axes, BatchAxes, DTypeLike, OutSharding, Shape

__all__ = ["he_normal", "he_uniform"]

plan_he_normal = case("he_normal", 2.0, "fan_in", "truncated_normal")
plan_he_uniform = case("he_uniform", 2.0, "fan_in", "uniform")


@planned(plan_he_normal)
def he_normal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
) -> jax.Array:
    """Draw He (Kaiming) normal weights.

    Law: truncated normal (cut at two standard deviations before the cut) with
    mean 0 and, after the cut, standard deviation ``sqrt(2 / fan_in)``.
    This is `variance_scaling` with scale 2.0, mode ``"fan_in"`` and
    distribution ``"truncated_normal"``. float32 values equal
    ``jax.jit(jax.nn.initializers.he_normal())`` bit for bit.

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
        >>> values = he_normal(jax.random.key(0), (400, 100))
        >>> round(float(values.std()), 3)
        0.071

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852
    """
    axes = (axes_key(in_axis), axes_key(out_axis), axes_key(batch_axis))
    return run(plan_he_normal, key, shape, dtype, out_sharding, *axes)


@planned(plan_he_uniform)
def he_uniform(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
) -> jax.Array:
    """Draw He (Kaiming) uniform weights.

    Law: uniform on ±limit with ``limit = sqrt(6 / fan_in)``; mean 0 and
    standard deviation ``sqrt(2 / fan_in)``.
    This is `variance_scaling` with scale 2.0, mode ``"fan_in"`` and
    distribution ``"uniform"``. float32 values equal
    ``jax.jit(jax.nn.initializers.he_uniform())`` bit for bit.

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
        >>> values = he_uniform(jax.random.key(0), (400, 100))
        >>> bool((abs(values) <= (6 / 400) ** 0.5).all())
        True

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852
    """
    axes = (axes_key(in_axis), axes_key(out_axis), axes_key(batch_axis))
    return run(plan_he_uniform, key, shape, dtype, out_sharding, *axes)

"""LeCun normal and uniform."""

import jax

from cthulhu.functional._plans import axes_key, planned, run
from cthulhu.functional._variance_scaling import case
from cthulhu.typing import Axes, BatchAxes, DTypeLike, OutSharding, Shape

__all__ = ["lecun_normal", "lecun_uniform"]

plan_lecun_normal = case("lecun_normal", 1.0, "fan_in", "truncated_normal")
plan_lecun_uniform = case("lecun_uniform", 1.0, "fan_in", "uniform")


@planned(plan_lecun_normal)
def lecun_normal(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
) -> jax.Array:
    """Draw LeCun normal weights.

    Law: truncated normal (cut at two standard deviations before the cut) with
    mean 0 and, after the cut, standard deviation ``sqrt(1 / fan_in)``.
    This is `variance_scaling` with scale 1.0, mode ``"fan_in"`` and
    distribution ``"truncated_normal"``. float32 values equal
    ``jax.jit(jax.nn.initializers.lecun_normal())`` bit for bit.

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
        >>> values = lecun_normal(jax.random.key(0), (400, 100))
        >>> round(float(values.std()), 3)
        0.05

    References:
        LeCun, Bottou, Orr and Müller (1998), "Efficient BackProp",
        https://doi.org/10.1007/3-540-49430-8_2
    """
    axes = (axes_key(in_axis), axes_key(out_axis), axes_key(batch_axis))
    return run(plan_lecun_normal, key, shape, dtype, out_sharding, *axes)


@planned(plan_lecun_uniform)
def lecun_uniform(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
) -> jax.Array:
    """Draw LeCun uniform weights.

    Law: uniform on ±limit with ``limit = sqrt(3 / fan_in)``; mean 0 and
    standard deviation ``sqrt(1 / fan_in)``.
    This is `variance_scaling` with scale 1.0, mode ``"fan_in"`` and
    distribution ``"uniform"``. float32 values equal
    ``jax.jit(jax.nn.initializers.lecun_uniform())`` bit for bit.

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
        >>> values = lecun_uniform(jax.random.key(0), (400, 100))
        >>> bool((abs(values) <= (3 / 400) ** 0.5).all())
        True

    References:
        LeCun, Bottou, Orr and Müller (1998), "Efficient BackProp",
        https://doi.org/10.1007/3-540-49430-8_2
    """
    axes = (axes_key(in_axis), axes_key(out_axis), axes_key(batch_axis))
    return run(plan_lecun_uniform, key, shape, dtype, out_sharding, *axes)

"""Variance scaling, and the named initializers that are cases of it."""

import math
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from cthulhu import checks
from cthulhu.fans import Fans, fans_of
from cthulhu.functional._plans import Planner, axes_key, planned, planner, run
from cthulhu.programs import _draws as draws
from cthulhu.programs._build import Draw, compute_dtype
from cthulhu.typing import (
    Axes,
    BatchAxes,
    Distribution,
    DTypeLike,
    Mode,
    OutSharding,
    Scalar,
    Shape,
)

__all__ = [
    "DISTRIBUTIONS",
    "MODES",
    "variance_scaling",
]

MODES: tuple[str, ...] = get_args(Mode)
DISTRIBUTIONS: tuple[str, ...] = get_args(Distribution)


def denominator(fans: Fans, mode: str) -> float:
    """The n of a mode, at least 1 so that empty tensors have a scale too."""
    n: float = {
        "fan_in": fans.fan_in,
        "fan_out": fans.fan_out,
        "fan_avg": (fans.fan_in + fans.fan_out) / 2,
        "fan_geo_avg": math.sqrt(fans.fan_in * fans.fan_out),
    }[mode]
    return max(1.0, n)


@planner
def plan_variance_scaling(
    shape: Any,
    dtype: Any,
    sharding: Any,
    scale: Any,
    mode: Any,
    distribution: Any,
    in_axis: Any,
    out_axis: Any,
    batch_axis: Any,
    owner: str = "variance_scaling",
) -> Draw:
    """Turn the fans into a scale, in the arithmetic of the draw, and name the program."""
    target = checks.inexact_dtype(owner, dtype)
    scale = checks.positive(owner, "scale", scale)
    mode = checks.choice(owner, "mode", mode, MODES)
    distribution = checks.choice(owner, "distribution", distribution, DISTRIBUTIONS)
    n = denominator(fans_of(owner, shape, in_axis, out_axis, batch_axis), mode)
    compute = compute_dtype(target)
    is_complex = bool(jnp.issubdtype(compute, np.complexfloating))
    if isinstance(scale, jax.core.Tracer):
        variance = lax.convert_element_type(scale, compute) / compute.type(n)
        root: Any = jnp.sqrt
    else:
        variance, root = draws.number(compute, scale / n), np.sqrt
    if distribution == "uniform":
        if is_complex:
            return draws.uniform_disk(shape, target, sharding, stddev=root(variance))
        limit = root(compute.type(3) * variance)
        return draws.uniform(shape, target, sharding, minval=-1.0, maxval=1.0, scale=limit)
    if distribution == "untruncated_normal":
        return draws.normal(shape, target, sharding, stddev=root(variance))
    if is_complex:
        remaining = compute.type(draws.COMPLEX_TRUNCATED_STDDEV)
        return draws.truncated_disk(shape, target, sharding, stddev=root(variance) / remaining)
    remaining = compute.type(draws.TRUNCATED_STDDEV)
    return draws.truncated_normal(shape, target, sharding, stddev=root(variance) / remaining)


def case(owner: str, scale: float, mode: str, distribution: str) -> Planner:
    """The planner of a named initializer, whose only options are the axes."""

    def plan(
        shape: Any, dtype: Any, sharding: Any, in_axis: Any, out_axis: Any, batch_axis: Any
    ) -> Draw:
        return plan_variance_scaling.plan(
            shape, dtype, sharding, scale, mode, distribution, in_axis, out_axis, batch_axis, owner
        )

    return Planner(owner, plan)


@planned(plan_variance_scaling)
def variance_scaling(
    key: jax.Array,
    shape: Shape,
    dtype: DTypeLike | None = None,
    out_sharding: OutSharding = None,
    *,
    scale: Scalar = 1.0,
    mode: Mode = "fan_in",
    distribution: Distribution = "truncated_normal",
    in_axis: Axes = -2,
    out_axis: Axes = -1,
    batch_axis: BatchAxes = (),
) -> jax.Array:
    """Draw with a variance adapted to the shape of the weights.

    Law: mean 0 and standard deviation ``sqrt(scale / n)``, where n is, by
    `mode`, ``fan_in``, ``fan_out``, their average (``fan_avg``) or their
    geometric average (``fan_geo_avg``), at least 1. The distribution is

    - ``"truncated_normal"``, or its synonym ``"normal"``: normal, cut at two
      standard deviations of the normal before the cut, and widened by 1 / 0.8796
      so that the standard deviation after the cut is the one above. (In
      `jax.nn.initializers`, ``"normal"`` is the untruncated one.)
    - ``"untruncated_normal"``: normal.
    - ``"uniform"``: uniform on ±sqrt(3 · scale / n).

    A complex `dtype` gives a normal cut at a modulus, a normal, or a disk.
    float32 values equal ``jax.jit(jax.nn.initializers.variance_scaling(…))``
    bit for bit.

    Args:
        key: one PRNG key, typed or raw.
        shape: the shape of the result.
        dtype: a floating or complex type; default: JAX's default float. Types
            below 32 bits hold the float32 values, rounded.
        out_sharding: the layout of the result, which changes no value.
        scale: the factor, greater than 0; a number or a scalar array, possibly
            traced.
        mode: ``"fan_in"``, ``"fan_out"``, ``"fan_avg"`` or ``"fan_geo_avg"``.
        distribution: ``"truncated_normal"``, ``"normal"``,
            ``"untruncated_normal"`` or ``"uniform"``.
        in_axis: the axis, or axes, of the inputs.
        out_axis: the axis, or axes, of the outputs.
        batch_axis: axes that stack independent tensors and count in no fan;
            ``"rest"`` is all that are neither inputs nor outputs.

    Returns:
        An array of `shape` and `dtype`.

    Raises:
        TypeError: `key` is no key, or `dtype` is an integer type.
        ValueError: `scale` is not greater than 0, `mode` or `distribution` is
            unknown, an axis is out of range, or `key` is a batch of keys.

    Example:
        A stack of twelve layers, each scaled as if it stood alone:

        >>> import jax
        >>> stack = variance_scaling(jax.random.key(0), (12, 100, 100), batch_axis=0)
        >>> round(float(stack.std()), 2)
        0.1

    References:
        He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers",
        https://arxiv.org/abs/1502.01852. Glorot and Bengio (2010),
        "Understanding the difficulty of training deep feedforward neural
        networks", https://proceedings.mlr.press/v9/glorot10a.html
    """
    return run(
        plan_variance_scaling,
        key,
        shape,
        dtype,
        out_sharding,
        scale,
        mode,
        distribution,
        axes_key(in_axis),
        axes_key(out_axis),
        axes_key(batch_axis),
    )

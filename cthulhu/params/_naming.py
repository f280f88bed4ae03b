"""The names of traced laws, told by their quantiles, as this library calls them."""

import functools
import math
import statistics
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from cthulhu._types import DType, HostArray, Number
from cthulhu.caches import bounded
from cthulhu.fans import Fans, compute_fans
from cthulhu.initializers._builtin import SLASH, labelled, plan_draw
from cthulhu.initializers._functions import definition_of
from cthulhu.initializers._variance_scaling import FAN_AXES
from cthulhu.laws import Elementwise
from cthulhu.laws._normal import truncated_moments
from cthulhu.params._layout import innermost, unbound
from cthulhu.programs._build import Draw, compute_dtype
from cthulhu.tracing import _flat as flat
from cthulhu.tracing._law import Traced

GRID = 2**16  # Points at which a law is looked at.
FAN_OPTIONS = (*FAN_AXES, "layout")
EXACT = 1e-4  # How far a law in float32 may be from the one whose name it gets.

# The variance of each named initializer, by the shape of its law.
SCALES: dict[str, Callable[[Fans], float]] = {
    "lecun": lambda fans: 1 / fans.fan_in,
    "he": lambda fans: 2 / fans.fan_in,
    "glorot": lambda fans: 2 / (fans.fan_in + fans.fan_out),
}


class Law(NamedTuple):
    """What makes a leaf, as far as it can be told."""

    name: str
    mean: float | None = None
    stddev: float | None = None
    fans: Fans | None = None


def constant(value: ArrayLike) -> Law:
    """The law of one number everywhere."""
    number = float(np.real(value))
    known = {0.0: "zeros", 1.0: "ones"}
    return Law(known.get(number, f"constant(value={number:.4g})"), number, 0.0)


def name(traced: flat.TracedDraw, dtype: DType) -> Law:
    """The law of an elementwise draw: a named initializer, or a law with its parameters.

    A name such as ``lecun_normal`` says that the law is the same, to four digits, as
    that initializer's for the shape that was drawn, with the default axes. Where two
    such names fit, which differ, neither is given.
    """
    own = of_initializer(traced, dtype)
    if own is not None:
        return own
    fans = compute_fans(traced.shape) if len(traced.shape) > 1 else None
    law = traced.law
    if not isinstance(law, Elementwise):
        expected = law.moments(traced.shape, *traced.scalars)
        if expected is None:
            return Law(law.name, fans=fans)
        return Law(law.name, expected.mean, float(f"{expected.stddev:.4g}"), fans)
    if isinstance(law, Traced) and not law.single_draw:
        return Law("draw", fans=fans)
    family, mean, stddev = fitted(law, traced.scalars, dtype)
    called = "draw"
    if family is not None:
        known = named(family, mean, stddev, fans, dtype)
        called = known or spelled(family, mean, stddev, dtype)
    return Law(called, round(mean, 6) + 0.0, float(f"{stddev:.4g}"), fans)


def of_initializer(traced: flat.TracedDraw, dtype: DType) -> Law | None:
    """The initializer of this library that a draw is, by the label that it left."""
    known = labelled(traced.label)
    if known is None:
        return None
    definition, options = known
    # The label is text, which a user's name scope may hold too: what it names is drawn again.
    again = plan_draw(definition, traced.shape, dtype, None, options)
    same = (again.recipe.law, again.scalars) == (traced.law, traced.scalars)
    if not same:
        return None
    given = dict(zip(definition.defaults, options, strict=True))
    fans = fans_of_draw(again, functools.partial(definition.function, **given))
    expected, called = again.moments(), traced.label.replace(SLASH, "/")
    if expected is None:
        return Law(called, fans=fans)
    return Law(called, expected.mean + 0.0, float(f"{expected.stddev:.6g}"), fans)


def fans_of_draw(draw: Draw, initializer: Any) -> Fans | None:
    """The fans of a parameter, by the axes of its initializer, or of the one within it."""
    found = innermost(initializer, draw.recipe.shape)
    if found is None:
        return None
    (function, given), shape = unbound(found[0]), found[1]
    definition = definition_of(function)
    known = given if definition is None else {**definition.defaults, **given}
    options = {name: known.get(name, getattr(function, name, None)) for name in FAN_OPTIONS}
    axes: list[Any] = [options[name] for name in FAN_AXES]
    if options["layout"] is not None:
        return compute_fans(shape, layout=options["layout"])
    if None not in axes:
        return compute_fans(shape, *axes)
    # Nothing depends on these; they help to read.
    return compute_fans(shape) if draw.recipe.law.uses_key and len(shape) > 1 else None


@bounded(256)
def fitted(
    law: Elementwise, scalars: tuple[Number, ...], dtype: DType
) -> tuple[str | None, float, float]:
    """The family that a law belongs to, if any, its mean and its standard deviation."""
    values = jax.jit(law.quantiles, static_argnums=(0, 1))(GRID, compute_dtype(dtype), *scalars)
    found = np.sort(np.asarray(values).astype(np.float64))
    mean, stddev = float(found.mean()), float(found.std())
    if not 0 < stddev < math.inf:
        return None, mean, stddev
    for family, quantiles in families().items():
        apart = (found - mean) / stddev - quantiles / quantiles.std()
        if math.sqrt(np.mean(apart**2)) < tolerance(dtype):
            # Where the family is known, so is what the grid leaves of its tails.
            return family, mean, stddev / float(quantiles.std()) * spread(family)
    return None, mean, stddev


def tolerance(dtype: DType) -> float:
    """How far rounding may move a law."""
    return EXACT + 4 * float(jnp.finfo(dtype).eps)  # type: ignore[no-untyped-call]


@functools.cache
def families() -> dict[str, HostArray]:
    """The quantiles of the standard laws at the points of the grid."""
    points = (np.arange(GRID) + 0.5) / GRID
    normal = statistics.NormalDist()
    inside = normal.cdf(-2) + points * (normal.cdf(2) - normal.cdf(-2))
    return {
        "normal": np.array([normal.inv_cdf(point) for point in points.tolist()]),
        "truncated_normal": np.array([normal.inv_cdf(point) for point in inside.tolist()]),
        "uniform": points - 0.5,
    }


def spread(family: str) -> float:
    """The standard deviation of a standard law."""
    known = {
        "normal": 1.0,
        "truncated_normal": truncated_moments(-2, 2).stddev,
        "uniform": 12**-0.5,
    }
    return known[family]


def named(family: str, mean: float, stddev: float, fans: Fans | None, dtype: DType) -> str | None:
    """The initializer whose law for these fans this is."""
    if fans is None or 0 in fans or family == "normal" or abs(mean) > tolerance(dtype) * stddev:
        return None
    found: dict[str, float] = {}
    for start, variance in SCALES.items():
        expected = math.sqrt(variance(fans))
        if abs(stddev / expected - 1) < tolerance(dtype) and expected not in found.values():
            found[f"{start}_{family.removeprefix('truncated_')}"] = expected
    return next(iter(found)) if len(found) == 1 else None


def spelled(family: str, mean: float, stddev: float, dtype: DType) -> str:
    """A law with its parameters."""
    if family == "uniform":
        width = stddev * math.sqrt(12)
        low, high = (
            0.0 if abs(bound) < tolerance(dtype) * width else bound
            for bound in (mean - width / 2, mean + width / 2)
        )
        return f"random_uniform(minval={low:.4g}, maxval={high:.4g})"
    shift = "" if abs(mean) < tolerance(dtype) * stddev else f"mean={mean:.4g}, "
    prefix = "" if family == "truncated_normal" else "random_"
    return f"{prefix}{family}({shift}stddev={stddev / spread(family):.4g})"

"""The far tail of a normal, where the error function has too few values left.

Near 1, float32 numbers are 6e-8 apart: between erf(4 / sqrt(2)) and 1 there are a
thousand, and beyond 5.4 standard deviations there is none. The probability of the
tail itself keeps its digits, and what is left of it beyond x is inverted:

    S(x) = Q(x) / Q(near),  -log S(near + t) = near t + t**2 / 2 + log(h(near + t) / h(near))

with Q the probability above x, and the hazard h(x) = density(x) / Q(x) as Laplace's
continued fraction x + 1 / (x + 2 / (x + 3 / …)). The right side is convex in t, and
what it is without its last term gives a start above the root, so that Newton's steps
come down to it.
"""

import dataclasses
import math
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from cthulhu._types import DType, HostArray, HostNumber, Number
from cthulhu.laws._base import Elementwise, Moments, real_parts, unit
from cthulhu.laws._normal import truncated_moments

FROM = {4: 4.0, 8: 7.5}
"""Where the tail begins, by the bytes of the type: a thousand values of erf are left there."""

REACH = 4.0  # Inversion of 23 or 52 random bits comes no further from the near bound.

LEVELS = {4: 10, 8: 16}  # These hold the hazard to 2e-8 from 4 on, to 1e-16 from 7.5 on.
HOST_LEVELS = 60
STEPS = 4

Value = TypeVar("Value", jax.Array, HostArray)


def hazard(x: Value, levels: int) -> Value:
    """The density of a standard normal at `x`, divided by the probability above."""
    found = x
    for level in range(levels, 0, -1):
        found = x + level / found
    return found


def survival(near: float, x: ArrayLike) -> HostArray:
    """The probability above `x`, divided by that above `near`."""
    x = np.asarray(x, float)
    with np.errstate(under="ignore", invalid="ignore"):
        ratio = hazard(np.asarray(near), HOST_LEVELS) / hazard(x, HOST_LEVELS)
        found = np.exp((near - x) * (near + x) / 2) * ratio
    return np.where(x == math.inf, 0.0, found)


@dataclasses.dataclass(frozen=True)
class NormalTail(Elementwise):
    """Normal, kept between `near` and a bound farther out, times `scale`, plus `shift`.

    `side` is 1 above the mean and -1 below; `near` is a distance from it. `rest` is the
    probability beyond the far bound, divided by that beyond the near one; `least` and
    `most` are the bounds' neighbours inside.

    Example:
        >>> from cthulhu.functional import truncated_normal
        >>> draw = truncated_normal.draw((1000,), stddev=1.0, lower=5.0, upper=6.0)
        >>> draw.recipe.law, round(draw.moments().mean, 4)
        (NormalTail(), 5.1831)
    """

    scalars = ("side", "near", "rest", "least", "most", "scale", "shift")
    linear = ("scale", "shift")

    def of_bits(self, bits: jax.Array, dtype: DType, *scalars: Number) -> jax.Array:
        """The values that random bits stand for, larger ones for larger bits."""
        *places, least, most, scale, shift = scalars
        # Known to a program, they would be folded into its arithmetic, and rounded otherwise.
        side, near, rest = lax.optimization_barrier(tuple(map(jnp.asarray, places)))
        levels, half, one = LEVELS[dtype.itemsize], dtype.type(0.5), dtype.type(1)
        # The middle of each step of a uniform, so that both ends are alike.
        middle = unit(bits, dtype) + (one - np.nextafter(one, dtype.type(0)))
        share = jnp.where(side < 0, one - middle, middle)
        wanted = -jnp.log((one - share) + share * rest)
        at_near = hazard(near, levels)

        def step(_: int, t: jax.Array) -> jax.Array:
            here = hazard(near + t, levels)
            excess = (near + half * t) * t + jnp.log(here / at_near) - wanted
            closer: jax.Array = t - excess / here
            return closer

        twice = wanted + wanted
        start = twice / (jnp.sqrt(near * near + twice) + near)
        distance = near + lax.fori_loop(0, STEPS, step, start)
        unscaled = lax.min(lax.max(side * distance, least), most)
        values: jax.Array = unscaled * scale + shift
        return values

    def moments(self, shape: tuple[int, ...], *scalars: ArrayLike) -> Moments:
        """The mean and the standard deviation, after the cut."""
        _, _, _, least, most, scale, shift = real_parts(scalars)
        mean, stddev = truncated_moments(least, most)
        return Moments(mean * scale + shift, stddev * abs(scale))

    def support(self, *scalars: ArrayLike) -> tuple[float, float]:
        """The bounds."""
        _, _, _, least, most, scale, shift = real_parts(scalars)
        ends = sorted((least * scale + shift, most * scale + shift))
        return ends[0], ends[1]

    def distribution(self, x: ArrayLike, *scalars: ArrayLike) -> HostNumber | HostArray:
        """The probability of a value of at most `x`."""
        side, near, rest, _, _, scale, shift = real_parts(scalars)
        if not scale:
            return (np.asarray(x) >= shift).astype(float)
        z = side * (np.asarray(x, float) - shift) / scale
        within: HostArray = np.clip((1 - survival(near, np.maximum(z, near))) / (1 - rest), 0, 1)
        return within if side * scale > 0 else 1 - within

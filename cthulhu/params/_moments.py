"""What a draw is expected to look like: its mean and its standard deviation."""

import math
from typing import Any, NamedTuple

from cthulhu.random import _draws as draws
from cthulhu.random import _laws as laws
from cthulhu.random._programs import Draw

__all__ = ["Moments", "moments"]


class Moments(NamedTuple):
    """The mean and the standard deviation of the elements of a draw."""

    mean: float
    stddev: float


def moments(draw: Draw) -> Moments | None:
    """The mean and the standard deviation that the law of a draw gives.

    Args:
        draw: a draw with concrete scalars.

    Returns:
        A pair of numbers; `None` if the law is none of this library's. For a
        complex draw, the standard deviation is that of the modulus around the mean.

    Example:
        >>> import numpy as np
        >>> from cthulhu.functional import he_normal
        >>> round(moments(he_normal.draw((200, 10))).stddev, 6)
        0.1
    """
    law, static, shape, _, _ = draw.recipe
    values = [complex(value).real for value in draw.scalars]
    if law is laws.uniform_law:
        width, low, scale = values
        return Moments((low + width / 2) * scale, width * abs(scale) / math.sqrt(12))
    if law is laws.normal_law:
        scale, shift = values
        return Moments(shift, abs(scale) / math.sqrt(2))
    if law is laws.truncated_normal_law:
        _, _, least, most, scale, shift = values
        mean, stddev = truncated(least, most)
        return Moments(mean * scale + shift, stddev * abs(scale))
    if law is laws.complex_normal_law:
        return Moments(values[1], abs(values[0]))
    if law is laws.complex_disk_law:
        remaining = draws.COMPLEX_TRUNCATED_STDDEV if dict(static)["truncated"] else 1.0
        return Moments(0.0, abs(values[0]) * remaining)
    if law is laws.fill_law:
        return Moments(values[0], 0.0)
    if law not in (laws.eye_law, laws.orthogonal_law, laws.delta_orthogonal_law):
        return None
    size = math.prod(shape)
    if not size:
        return Moments(0.0, 0.0)
    if law is laws.eye_law:
        mean = values[0] * min(shape) / size
        return Moments(mean, math.sqrt(max(0.0, values[0] ** 2 * min(shape) / size - mean**2)))
    return Moments(0.0, abs(values[0]) * math.sqrt(orthogonal_square(law, static, shape)))


def truncated(lower: float, upper: float) -> tuple[float, float]:
    """The mean and the standard deviation of a standard normal cut at these bounds."""

    def density(x: float) -> float:
        return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    mass = (math.erf(upper / math.sqrt(2)) - math.erf(lower / math.sqrt(2))) / 2
    if mass <= 0:
        return (lower + upper) / 2, 0.0
    mean = (density(lower) - density(upper)) / mass
    second = 1 + (lower * density(lower) - upper * density(upper)) / mass
    return mean, math.sqrt(max(0.0, second - mean * mean))


def orthogonal_square(law: Any, static: Any, shape: tuple[int, ...]) -> float:
    """The mean square of the elements of an orthogonal draw of gain 1."""
    options = dict(static)
    if law is laws.delta_orthogonal_law:
        return 1 / max(shape[-2:]) / math.prod(shape[:-2])
    columns = shape[options["axis"]]
    rows = math.prod(
        dim for at, dim in enumerate(shape) if at not in (options["axis"], *options["batch"])
    )
    return 1 / max(rows, columns)

"""A parameter part by part: what is there, what should be, and how far these are apart."""

import dataclasses
import functools
import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu._types import Array, DType, HostArray
from cthulhu.audit import _drawn as drawn
from cthulhu.audit._audit import Flag
from cthulhu.audit._observed import Observed, lies_on_host, observe
from cthulhu.audit._tests import Expected, Test, expected_of, tests
from cthulhu.laws._base import Section
from cthulhu.laws._composed import Stack
from cthulhu.params._leaves import Leaf
from cthulhu.params._making import drawn_for, on_host
from cthulhu.programs._build import bind, compute_dtype

LARGE = 2**14  # Elements of an array whose law may stand in for one like it.
EXACT = 1e-4  # How far rounding may move what a structure keeps; wider for narrow types.


@dataclasses.dataclass
class Look:
    """A part of a parameter that has a law of its own."""

    section: Section | None
    seen: Observed
    expected: Expected | None = None
    tests: list[Test] = dataclasses.field(default_factory=list)
    flags: list[Flag] = dataclasses.field(default_factory=list)

    def test(self, name: str) -> Test | None:
        """The test of a name."""
        return next((one for one in self.tests if one.name == name), None)


def looks(leaf: Leaf, value: Array) -> list[Look]:
    """Look at all parts of a parameter."""
    array: Array = np.asarray(value) if lies_on_host(value) else value
    if leaf.kept or leaf.draw is None:
        look = Look(None, observe(real(array), 0.0))
        if not leaf.kept and look.seen.size and not look.seen.bad:
            look.tests = drawn.compare(
                np.asarray(real(array)), functools.partial(made, leaf), resolution(leaf.dtype)
            )
        return [look]
    return [part(leaf, section, real(taken(array, section))) for section in sections(leaf)]


def taken(array: Array, section: Section) -> Array:
    """The values of a part; where that is all, without a copy."""
    return array if section.shape == array.shape else array[section.place]


def real(array: Array) -> Array:
    """Real numbers: of complex ones, the real parts and the imaginary ones."""
    if not jnp.issubdtype(array.dtype, np.complexfloating):
        return array
    stack = np.stack if isinstance(array, np.ndarray) else jnp.stack
    both: Array = stack([array.real, array.imag])
    return both


def sections(leaf: Leaf) -> Iterator[Section]:
    """The parts of a parameter by its law, of stacked layers each."""
    assert leaf.draw is not None
    law, scalars = leaf.draw.recipe.law, leaf.draw.scalars
    if leaf.stack is not None:
        law = Stack(law, leaf.stack, leaf.shape[leaf.stack])
    yield from law.sections(leaf.shape, *scalars)


def part(leaf: Leaf, section: Section, values: Array) -> Look:
    """Look at one part, which has this law."""
    law, scalars = section.law, section.scalars
    moments = law.moments(section.shape, *scalars)
    look = Look(section, observe(values, 0.0 if moments is None else moments.mean))
    if not look.seen.size or look.seen.bad:
        return look
    if not law.uses_key:
        if moments is not None and not moments.stddev:
            look.flags += of_constant(look.seen, moments.mean, leaf.dtype)
        else:
            look.flags += of_values(np.asarray(values), drawn_as(section, leaf.dtype, 0))
        return look
    if not look.seen.high and not look.seen.low:
        look.flags.append(Flag("zeroed", f"is 0 everywhere, where {law.name} is expected"))
        return look
    if look.seen.constant and look.seen.size > 1:
        text = f"is {look.seen.low:.4g} everywhere, where {law.name} is expected"
        look.flags.append(Flag("dead", text))
        return look
    real_law = not jnp.issubdtype(leaf.dtype, np.complexfloating)
    look.expected = expected_of(law, scalars, leaf.dtype, section.shape) if real_law else None
    if look.expected is not None:
        look.tests = tests(look.seen, look.expected)
        return look
    # What takes long to draw is compared with what its elements nearly are.
    like = law.nearly(section.shape, *scalars) if look.seen.size >= LARGE and real_law else None
    draw = functools.partial(drawn_as, like or section, leaf.dtype)
    look.tests = drawn.compare(np.asarray(values), draw, resolution(leaf.dtype))
    if real_law:
        defect = law.defect(jnp.asarray(values, compute_dtype(leaf.dtype)), *scalars)
        if defect is not None and not float(defect) < EXACT + resolution(leaf.dtype) / 4:
            text = f"does not keep the norms that {law.name} keeps: they are off by {defect:.2g}"
            look.flags.append(Flag("structure", text))
    return look


def resolution(dtype: DType) -> float:
    """The relative distance of the numbers of a type."""
    return float(jnp.finfo(dtype).eps) if jnp.issubdtype(dtype, jnp.inexact) else 0.0  # type: ignore[no-untyped-call]


def drawn_as(section: Section, dtype: DType, number: int) -> HostArray:
    """A draw of the law of a part, of one of a few keys."""
    key = jax.random.wrap_key_data(drawn.keys()[number], impl="threefry2x32")
    draw = bind(section.law, section.scalars, section.shape, dtype, None)
    return np.asarray(real(draw(key)))


def made(leaf: Leaf, number: int) -> HostArray:
    """What an initializer whose law is not known makes of one of a few keys."""
    alone = dataclasses.replace(leaf, sharding=None)
    return np.asarray(real(on_host([alone], [words(alone, number)])[0]))


def words(leaf: Leaf, number: int) -> Any:
    """The key data of a parameter; of one made of siblings, also theirs."""
    own = drawn.keys()[number]
    if not leaf.siblings:
        return own
    count = len(list(drawn_for(leaf)))
    return np.stack([own + np.uint32(at) for at in range(count)])


def of_constant(seen: Observed, value: float, dtype: DType) -> list[Flag]:
    """What is wrong with values that should all be one number."""
    rounding = 4 * resolution(dtype) * abs(value)
    if abs(seen.low - value) <= rounding and abs(seen.high - value) <= rounding:
        return []
    there = f"{seen.low:.4g}" if seen.constant else f"from {seen.low:.4g} to {seen.high:.4g}"
    if not value:
        return [Flag("not zeroed", f"is {there}, where 0 is expected")]
    if seen.constant and not seen.low:
        return [Flag("zeroed", f"is 0, where {value:.4g} is expected")]
    return [Flag("value", f"is {there}, where {value:.4g} is expected")]


def of_values(values: HostArray, expected: Array) -> list[Flag]:
    """What is wrong with values that no chance plays a part in."""
    wide, known = values.astype(np.float64), np.asarray(expected).astype(np.float64)
    size = float(np.abs(known).max(initial=0.0))
    apart = float(np.abs(wide - known).max(initial=0.0))
    if apart <= (EXACT + 4 * resolution(values.dtype)) * size:
        return []
    if not wide.any():
        return [Flag("zeroed", "is 0 everywhere, where fixed values are expected")]
    return [Flag("value", f"differs from the fixed values by up to {apart:.3g}")]


def spread(looks: list[Look]) -> tuple[float, float]:
    """The mean and the standard deviation of all parts together."""
    count = sum(look.seen.size for look in looks) or 1
    mean = sum(look.seen.size * look.seen.mean for look in looks) / count
    square = sum(look.seen.size * (look.seen.stddev**2 + look.seen.mean**2) for look in looks)
    return mean, math.sqrt(max(0.0, square / count - mean**2))

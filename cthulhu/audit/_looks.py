"""A parameter part by part: what is there, what should be, and how far these are apart."""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding

from cthulhu._types import Array, DType, HostArray
from cthulhu.audit import _drawn as drawn
from cthulhu.audit._audit import Flag
from cthulhu.audit._observed import Observed, lies_on_host, observe
from cthulhu.audit._tests import Expected, Test, expected_of, neighbours, tests
from cthulhu.caches import bounded
from cthulhu.laws._base import Moments, Section
from cthulhu.laws._composed import Stack
from cthulhu.params._leaves import Leaf, has_value
from cthulhu.params._making import drawn_for, on_host
from cthulhu.programs._build import bind, compute_dtype
from cthulhu.trees import Path, is_array

LARGE = 2**14  # Elements of an array whose law may stand in for one like it.
NEVER = 1e-9  # The probability of what does not happen.
NARROW = ("bfloat16", "float16")
LEAST = 32  # Values that tell a narrow type.
EXACT = 1e-4  # How far rounding may move what a structure keeps; wider for narrow types.


@dataclasses.dataclass
class Look:
    """A part of a parameter that has a law of its own."""

    section: Section | None
    seen: Observed
    dtype: DType
    """The type of the values."""
    expected: Expected | None = None
    narrow: str | None = None
    """The narrower type in which they were drawn."""
    tests: list[Test] = dataclasses.field(default_factory=list)
    flags: list[Flag] = dataclasses.field(default_factory=list)

    def test(self, name: str) -> Test | None:
        """The test of a name."""
        return next((one for one in self.tests if one.name == name), None)


def looks(leaf: Leaf, value: Array) -> list[Callable[[], Look]]:
    """Begin to look at all parts of a parameter; each function waits for one."""
    if leaf.kept and not is_real(value.dtype):
        return []
    array: Array = np.asarray(value) if lies_on_host(value) else indexable(value)
    if leaf.kept or leaf.draw is None:
        return [functools.partial(whole, leaf, array, observe(real(array), 0.0))]
    found: list[Callable[[], Look]] = []
    for section in sections(leaf):
        known = section.law.moments(section.shape, *section.scalars) or Moments(0.0, 1.0)
        seen = observe(real(taken(array, section)), *known)
        # The part is taken again where its values are asked for: all at once are a copy of all.
        found.append(functools.partial(part, leaf, section, array, seen))
    return found


def indexable(array: Array) -> Array:
    """An array that parts can be taken of, whatever they cut: where it lies, without a copy.

    Of one whose type says how it lies, they would have to say how they lie themselves.
    """
    sharding = getattr(array, "sharding", None)
    if not isinstance(sharding, NamedSharding) or AxisType.Explicit not in sharding.mesh.axis_types:
        return array
    names = sharding.mesh.axis_names
    mesh = Mesh(sharding.mesh.devices, names, axis_types=(AxisType.Auto,) * len(names))
    found: Array = jax.device_put(array, NamedSharding(mesh, sharding.spec))
    return found


def whole(leaf: Leaf, array: Array, seen: Callable[[], Observed]) -> Look:
    """Look at a parameter whose law is not known."""
    look = Look(None, seen(), type_of(leaf, array))
    if not leaf.kept and look.seen.size and not look.seen.bad:
        known = drawn.known_of(functools.partial(made, leaf))
        compared(look, lambda: real(array), known)
    return look


def compared(look: Look, values: Callable[[], Array], known: drawn.Known) -> None:
    """Compare what was seen with draws, or with the array that all draws are."""
    if known.always is not None:
        look.flags += of_values(np.asarray(values()), known.always)
    else:
        look.tests = drawn.compare(look.seen, known, resolution(look.dtype))


def is_real(dtype: DType) -> bool:
    """Whether values of a type can be looked at as numbers."""
    return bool(jnp.issubdtype(dtype, np.number) or dtype == np.bool_)


def type_of(leaf: Leaf, array: Array) -> DType:
    """The type that the values were rounded to, of which the rules may not know."""
    return array.dtype if jnp.issubdtype(array.dtype, np.inexact) else leaf.dtype


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


def part(leaf: Leaf, section: Section, array: Array, seen: Callable[[], Observed]) -> Look:
    """Look at one part, which has this law."""
    law, scalars = section.law, section.scalars
    look = Look(section, seen(), type_of(leaf, array))
    if not look.seen.size or look.seen.bad:
        return look
    if not law.uses_key:
        moments = law.moments(section.shape, *scalars)
        if moments is not None and not moments.stddev:
            look.flags += of_constant(look.seen, moments.mean, look.dtype)
        else:
            values = np.asarray(real(taken(array, section)))
            look.flags += of_values(values, drawn_as(section, leaf.dtype, 0))
        return look
    real_law = not jnp.issubdtype(look.dtype, np.complexfloating)
    look.expected = expected_of(law, scalars, look.dtype, section.shape) if real_law else None
    if look.seen.constant and not may_be_one(look.seen, look.expected):
        look.flags.append(of_one(look.seen, law.name))
        return look
    if look.expected is not None:
        look.narrow = narrower(look.seen.sample, leaf.dtype, look.dtype)
        dtype = look.dtype if look.narrow is None else jnp.dtype(look.narrow)
        look.tests = tests(look.seen, look.expected._replace(dtype=dtype))
        return look
    # What takes long to draw is compared with what its elements nearly are.
    like = law.nearly(section.shape, *scalars) if look.seen.size >= LARGE and real_law else None
    known = known_of((like or section)._replace(place=()), leaf.dtype)
    compared(look, lambda: real(taken(array, section)), known)
    if real_law:
        wide = jnp.asarray(taken(array, section), compute_dtype(look.dtype))
        defect = law.defect(wide, *scalars)
        if defect is not None and not float(defect) < EXACT + resolution(look.dtype) / 4:
            text = f"does not keep the norms that {law.name} keeps: they are off by {defect:.2g}"
            look.flags.append(Flag("structure", text))
    return look


def of_one(seen: Observed, law: str) -> Flag:
    """What is wrong with values that are all one number, and should not be."""
    if not seen.low:
        return Flag("zeroed", f"is 0 everywhere, where {law} is expected")
    return Flag("dead", f"is {seen.low:.4g} everywhere, where {law} is expected")


def may_be_one(seen: Observed, expected: Expected | None) -> bool:
    """Whether all values may well be one number: there is one, or all are rounded to it."""
    if expected is None or (seen.size == 1 and seen.low):
        return seen.size == 1 and bool(seen.low)
    low, high = neighbours(np.array([seen.low]), expected.dtype)
    share = float((expected.below(high) - expected.below(low))[0])
    return share > 0 and seen.size * math.log(share) > math.log(NEVER)


def narrower(sample: HostArray, meant: DType, dtype: DType) -> str | None:
    """The type that values were drawn in, if it is narrower than theirs, and than what is meant."""
    if sample.size < LEAST or dtype not in (np.float32, np.float64):
        return None
    for name in NARROW if meant != np.float64 else (*NARROW, "float32"):
        # The first few mostly tell that it is not.
        if is_of(sample[:LEAST], name) and is_of(sample, name):
            return name
    return None


def is_of(values: HostArray, name: str) -> bool:
    """Whether all values are numbers of a type."""
    with np.errstate(over="ignore"):
        back = values.astype(jnp.dtype(name)).astype(values.dtype)
    return np.array_equal(back, values)


@bounded(64)
def resolution(dtype: DType) -> float:
    """The relative distance of the numbers of a type."""
    return float(jnp.finfo(dtype).eps) if jnp.issubdtype(dtype, jnp.inexact) else 0.0  # type: ignore[no-untyped-call]


def drawn_as(section: Section, dtype: DType, number: int) -> HostArray:
    """A draw of the law of a part, of one of a few keys."""
    key = jax.random.wrap_key_data(drawn.keys()[number], impl="threefry2x32")
    draw = bind(section.law, section.scalars, section.shape, dtype, None)
    return np.asarray(real(draw(key)))


@bounded(256)
def known_of(section: Section, dtype: DType) -> drawn.Known:
    """What draws of the law of a part show; layers that are alike share it."""
    return drawn.known_of(functools.partial(drawn_as, section, dtype))


def made(leaf: Leaf, number: int) -> HostArray:
    """What an initializer whose law is not known makes of one of a few keys."""
    alone = dataclasses.replace(leaf, sharding=None)
    return np.asarray(real(on_host([alone], [words(alone, number)])[0]))


def words(leaf: Leaf, number: int) -> Any:
    """The key data of a parameter; of one made of siblings, as many as are drawn for it."""
    own = drawn.keys()[number]
    if not leaf.siblings:
        return own
    count = len(list(drawn_for(leaf)))
    return np.stack([own + np.uint32(at) for at in range(count)])


def beside(leaf: Leaf, there: Mapping[Path, Any]) -> Leaf:
    """A parameter that is made of its siblings as they are, not of others of their laws."""
    values = [there.get(one.path) for _, one in leaf.siblings]
    if not values or not all(is_array(one) and has_value(one) for one in values):
        return leaf
    siblings = tuple(
        (name, dataclasses.replace(one, value=value, present=True))
        for (name, one), value in zip(leaf.siblings, values, strict=True)
    )
    return dataclasses.replace(leaf, siblings=siblings)


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

"""What is to be said of the values of a parameter, and what is wrong with them."""

import math
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from cthulhu._types import DType
from cthulhu.audit import Flag
from cthulhu.audit._faults import narrow
from cthulhu.audit._looks import Look, may_be_one, narrower, of_constant, of_one, resolution
from cthulhu.audit._observed import Observed
from cthulhu.audit._tests import ROUNDING, two_sided
from cthulhu.diagnostics._outlook import Outlook
from cthulhu.params._leaves import Leaf

FEW = 32  # Different values that tell a narrow type where nothing is expected.
EXACT = 1e-4  # How far moments of fixed values may be off, of their size.


def flags_of(
    leaf: Leaf, seen: Observed, known: Outlook, dtype: DType, told: bool
) -> Iterator[Flag]:
    """What is wrong with values that are no numbers, or one, or not those that are fixed."""
    if seen.bad:
        text = f"{seen.bad} of {seen.size} values are no finite numbers"
        yield Flag("non-finite", text)
        return
    fixed = known.random is False and known.mean is not None
    wrong: list[Flag] = []
    if fixed and not known.stddev:
        wrong = of_constant(seen, known.mean or 0.0, dtype)
    elif fixed:
        wrong = of_fixed(seen, known, dtype)
    elif seen.constant and known.random and not (leaf.kept or may_be(seen, known)):
        wrong = [of_one(seen, leaf.draw.recipe.law.name if leaf.draw else "chance")]
    elif seen.constant and not told and seen.low and sum(n > 1 for n in leaf.shape) > 1:
        text = f"is {seen.low:.4g} everywhere, so that its units are all alike"
        wrong = [Flag("dead", text)]
    yield from wrong
    if seen.constant and not wrong:
        kind = "constant" if seen.low else "zero"
        yield Flag(kind, f"is {seen.low:.4g} everywhere")


def may_be(seen: Observed, known: Outlook) -> bool:
    """Whether all values may well be one number."""
    return may_be_one(seen, known.law) if known.law is not None else seen.size == 1


def of_fixed(seen: Observed, known: Outlook, dtype: DType) -> list[Flag]:
    """What is wrong with values that no chance plays a part in, by their moments."""
    assert known.mean is not None
    assert known.stddev is not None
    size = (EXACT + 4 * resolution(dtype)) * (abs(known.mean) + known.stddev)
    if abs(seen.mean - known.mean) <= size and abs(seen.stddev - known.stddev) <= size:
        return []
    text = (
        f"has mean {seen.mean:.4g} and standard deviation {seen.stddev:.4g}, where the fixed "
        f"values that are expected have {known.mean:.4g} and {known.stddev:.4g}"
    )
    return [Flag("value", text)]


def off_by(
    seen: Observed, known: Outlook, off: tuple[float | None, float | None], z: float
) -> Iterator[Flag]:
    """What is too far from what is expected."""
    for kind, name, there, meant, errors in (
        ("mean", "mean", seen.mean, known.mean, off[0]),
        ("stddev", "standard deviation", seen.stddev, known.stddev, off[1]),
    ):
        if errors is not None and abs(errors) > z:
            text = f"has {name} {there:.4g}, where {meant:.4g} is expected"
            yield Flag(kind, f"{text}: {abs(errors):.3g} standard errors off")
    law = known.law
    if law is not None and not (seen.bad or seen.constant):
        least, most = law.support
        slack = (ROUNDING + 2 * resolution(law.dtype)) * (known.stddev or 0.0)
        slack += 2 * resolution(law.dtype) * max(abs(seen.low), abs(seen.high))
        if seen.low < least - slack or seen.high > most + slack:
            text = f"has values from {seen.low:.4g} to {seen.high:.4g}, beyond "
            yield Flag("support", text + f"[{least:.4g}, {most:.4g}]")


def narrow_type(
    leaf: Leaf, seen: Observed, known: Outlook, dtype: DType, distinct: int
) -> str | None:
    """The narrower type that values were drawn in, if they were."""
    if seen.bad or seen.constant or not is_inexact(dtype):
        return None
    if known.random is None:
        integers = bool((np.trunc(seen.sample) == seen.sample).all())
        return None if distinct < FEW or integers else narrower(seen.sample, dtype, dtype)
    return narrower(seen.sample, leaf.dtype, dtype) if known.law is not None else None


def is_inexact(dtype: DType) -> bool:
    """Whether a type is one of real numbers with a fraction."""
    return bool(jnp.issubdtype(dtype, np.floating))


def narrow_flags(
    leaf: Leaf, seen: Observed, known: Outlook, dtype: DType, thin: str | None
) -> list[Flag]:
    """Whether the values were drawn in a narrower type than they have, or with its few bits."""
    if known.random is None:
        text = f"was drawn or kept in {thin}: every value is one of that type"
        return [Flag("narrow", text)] if thin else []
    if seen.bad or seen.constant or known.law is None:
        return []
    flag = narrow(Look(known.section, seen, dtype, known.law, thin))
    return [] if flag is None else [flag]


def unlike(distance: float, count: int, z: float) -> list[Flag]:
    """Whether values are distributed otherwise than their law: by the bound of Massart."""
    if 2 * math.exp(-2 * count * distance**2) >= two_sided(z):
        return []
    text = f"is distributed otherwise than expected: shares are off by up to {distance:.2g}"
    return [Flag("distribution", text)]

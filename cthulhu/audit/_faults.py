"""What may be the matter with values that are not as they should be."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cthulhu._types import HostArray
from cthulhu.audit._audit import Flag
from cthulhu.audit._looks import LEAST, Look, drawn_as
from cthulhu.audit._observed import Observed
from cthulhu.audit._tests import Expected, Test, extremes
from cthulhu.initializers import ByDepth
from cthulhu.initializers._by_depth import DEPTH, factor_at
from cthulhu.initializers._functions import definition_of, unbound
from cthulhu.initializers._variance_scaling import OfFans, denominator
from cthulhu.laws._applied import grid
from cthulhu.laws._normal import truncated_moments
from cthulhu.params._described import describe
from cthulhu.params._layout import fans_of, innermost
from cthulhu.params._leaves import Leaf
from cthulhu.programs._draws import TRUNCATED_STDDEV
from cthulhu.typing import Mode

CLOSE = 2e-3  # How far a ratio may be from what explains it.
SURE = 6.0  # Standard errors that chance does not make.
NORMAL = "a normal law"

Layers = Mapping[str, tuple[int, int]]
"""The layer of a path, and how many there are, by the numbers in paths."""


def faults(leaf: Leaf, look: Look, wrong: set[str], layers: Layers, path: str) -> Iterator[Flag]:
    """What is wrong with a part, some tests of which failed.

    Args:
        leaf: the parameter.
        look: the part.
        wrong: the names of the tests that failed.
        layers: the layers of all paths.
        path: the path of the parameter.
    """
    expected = look.expected
    if expected is None:
        names = ", ".join(sorted(wrong))
        yield Flag("distribution", f"is not as draws of {describe(leaf).initializer} are: {names}")
        return
    seen, moments = look.seen, expected.moments
    ratio = math.sqrt(seen.squares) / math.sqrt(moments.stddev**2)
    scaled = "stddev" in wrong
    # Of values that are too wide, the mean is off by as much more.
    errors = abs(seen.mean - moments.mean) * math.sqrt(seen.size)
    if "mean" in wrong and not (scaled and errors < SURE * seen.stddev):
        text = f"has mean {seen.mean:.4g}, where {moments.mean:.4g} is expected"
        yield Flag("mean", text)
    if scaled:
        yield of_scale(leaf, look, ratio, layers.get(path))
    if "zeros" in wrong:
        yield Flag("zeroed", f"has {seen.zeros} zeros among {seen.size} values")
        wrong = wrong - {"zeros"}
        if not wrong:
            return
    # The same values with the mean and the width that are expected tell the rest.
    rest = rescaled(seen, expected, scaled or "mean" in wrong)
    if any(test.p < 1e-6 for test in rest) or not (scaled or "mean" in wrong):
        yield of_shape(look, wrong)


def rescaled(seen: Observed, expected: Expected, off: bool) -> list[Test]:
    """The tests of the extremes for values that have been brought to the expected width."""
    if not off or not seen.stddev:
        return []
    by = expected.moments.stddev / seen.stddev
    ends = [(end - seen.mean) * by + expected.moments.mean for end in (seen.low, seen.high)]
    # The width is known as well as so many values tell it.
    slack = 6 * math.sqrt(max(expected.kurtosis - 1, 0.1) / seen.size) * max(map(abs, ends))
    low, high = ends[0] + slack, ends[1] - slack
    if low >= high:
        return []
    inside = extremes(seen._replace(low=low, high=high), expected)
    outside = extremes(seen._replace(low=ends[0] - slack, high=ends[1] + slack), expected)
    return [*(one for one in inside if one.z > 0), *(one for one in outside if one.z < 0)]


def of_scale(leaf: Leaf, look: Look, ratio: float, layer: tuple[int, int] | None) -> Flag:
    """The standard deviation is another: which would explain it?"""
    assert look.expected is not None
    seen = look.seen
    text = (
        f"has standard deviation {math.sqrt(seen.squares):.4g}, where "
        f"{look.expected.moments.stddev:.4g} is expected"
    )
    error = math.sqrt(max(look.expected.kurtosis - 1, 0.1) / (4 * seen.size))
    close = CLOSE + 4 * error

    def is_close(other: float) -> bool:
        return abs(ratio / other - 1) < close

    found = [one for one in explanations(leaf, look, layer) if one.ratio and is_close(one.ratio)]
    if "cut" not in looks_like(seen):
        found = [one for one in found if one.kind != "truncated"]
    if not found:
        return Flag("scale", f"{text} ({ratio:.4g} times)")
    return Flag(found[0].kind, f"{text}: {', or '.join(one.why for one in found[:3])}")


class Explanation(NamedTuple):
    """What would make the standard deviation so many times wider."""

    kind: str
    why: str
    ratio: float


def explanations(leaf: Leaf, look: Look, layer: tuple[int, int] | None) -> Iterator[Explanation]:
    """What is known to happen, the likelier first."""
    factor, *known = depth_of(leaf, look)
    if factor is not None:
        yield Explanation("depth", "the scale by depth is missing", 1 / factor)
    yield from of_fans(leaf)
    at, layers = known if factor is not None else layer or (None, None)
    if at is not None and layers is not None:
        ratios: dict[float, list[str]] = {}
        for name in DEPTH:
            by = factor_at("check", name, at, layers) / (factor or 1.0)
            ratios.setdefault(round(by, 9), []).append(name)
        for by, names in ratios.items():
            if by != 1.0:
                why = f"it is scaled by {' or '.join(names)}, in layer {at} of {layers}"
                yield Explanation("depth", why, by)
    yield Explanation("truncated", "that of a cut at 2 which is not corrected", TRUNCATED_STDDEV)
    yield Explanation("truncated", "that of a cut at 2 which is corrected", 1 / TRUNCATED_STDDEV)


def depth_of(leaf: Leaf, look: Look) -> tuple[float | None, int | None, int | None]:
    """The factor by depth that the initializer has here, the layer, and how many there are."""
    initializer = leaf.initializer
    if not isinstance(initializer, ByDepth):
        return None, None, None
    at, layers = initializer.layer, initializer.layers
    if initializer.axis is not None and look.section is not None:
        axis = initializer.axis % len(leaf.shape)
        at, layers = look.section.place[axis], leaf.shape[axis]  # type: ignore[assignment]
    if at is None or layers is None:
        return None, None, None
    return factor_at("check", initializer.factor, at, layers), at, layers


def of_fans(leaf: Leaf) -> Iterator[Explanation]:
    """The ratios that other fans would make."""
    shape = leaf.shape_of_layer
    fans = fans_of(leaf.initializer, shape)
    mode = mode_of(leaf, shape)
    if fans is None or mode is None or not all(fans):
        return
    used = denominator(fans, mode)
    known: dict[float, str] = {}
    for name in ("fan_in", "fan_out", "fan_avg"):
        known.setdefault(denominator(fans, name), f"{name} = {denominator(fans, name):.6g}")
    for count in range(1, len(leaf.shape) + 1):
        for axes in itertools.combinations(range(len(leaf.shape)), count):
            sizes = [leaf.shape[axis] for axis in axes]
            product, named = math.prod(sizes), " * ".join(map(str, sizes))
            text = f"{named}, of axes {', '.join(map(str, axes))}"
            known.setdefault(float(product), text)
    for other, name in known.items():
        if other and other != used:
            why = f"that of {name}, where {mode} = {used:.6g} counts"
            yield Explanation("wrong fan", why, math.sqrt(used / other))


def mode_of(leaf: Leaf, shape: tuple[int, ...]) -> Mode | None:
    """Which fan the initializer counts, or the one within it, if it counts one."""
    found = innermost(leaf.initializer, shape)
    if found is None:
        return None
    function, given = unbound(found[0])
    if isinstance(function, OfFans):
        return function.counted({name: getattr(function, name) for name in function.defaults})
    definition = definition_of(function)
    if definition is None or not issubclass(definition, OfFans):
        return None
    return definition.counted({**definition.defaults, **given})


def of_shape(look: Look, wrong: set[str]) -> Flag:
    """The values are distributed otherwise: as what?"""
    assert look.expected is not None
    family, meant = looks_like(look.seen), looks_like(quantiles(look.expected, look.seen.size))
    as_is = f"{family}, where {meant} is expected" if family != meant else "otherwise than expected"
    reach = max(abs(end - look.seen.mean) for end in (look.seen.low, look.seen.high))
    far = f"the farthest value is {reach / look.seen.stddev:.3g} standard deviations away"
    cut = "cut" in family
    if cut and meant == NORMAL:
        return Flag("truncated", f"is distributed as {as_is}: {far}")
    if "cut" in meant and family == NORMAL:
        return Flag("not truncated", f"is distributed as {as_is}: {far}")
    least, most = look.expected.support
    if look.seen.low < least or look.seen.high > most:
        text = f"has values from {look.seen.low:.4g} to {look.seen.high:.4g}, beyond "
        return Flag("support", text + f"[{least:.4g}, {most:.4g}]")
    return Flag("distribution", f"is distributed as {as_is} ({', '.join(sorted(wrong))}): {far}")


def quantiles(expected: Expected, count: int) -> Observed:
    """What so many values of a law look like."""
    points, shares = grid(expected.law, expected.moments, *expected.scalars)
    below = np.cumsum(shares)
    sample = np.interp((np.arange(4096) + 0.5) / 4096, below, points)
    least, most = expected.support
    reach = np.interp([0.5 / count, 1 - 0.5 / count], below, points)
    low, high = max(least, float(reach[0])), min(most, float(reach[1]))
    return Observed(
        count, expected.moments.mean, expected.moments.stddev, 0.0, low, high, 0, 0, 0, sample
    )


def looks_like(seen: Observed) -> str:
    """The family whose shape the values have."""
    from scipy import special

    values = np.sort((seen.sample.astype(np.float64) - seen.mean) / (seen.stddev or 1.0))
    places = (np.arange(values.size) + 0.5) / max(values.size, 1)
    reach = max(abs(seen.low - seen.mean), abs(seen.high - seen.mean)) / (seen.stddev or 1.0)
    families: dict[str, tuple[HostArray, float]] = {
        NORMAL: (special.ndtri(places), math.inf),
        "a uniform law": ((places - 0.5) * math.sqrt(12), math.sqrt(3)),
    }
    for cut in (2.0, 3.0):
        ends = special.ndtr(-cut), special.ndtr(cut)
        inside = special.ndtri(ends[0] + places * (ends[1] - ends[0]))
        stddev = truncated_moments(-cut, cut).stddev
        families[f"{NORMAL} cut at {cut:g}"] = (inside / stddev, cut / stddev)

    def apart(name: str) -> float:
        known, bound = families[name]
        end = -float(special.ndtri(0.5 / max(seen.size, 2))) if math.isinf(bound) else bound
        # Of the cuts the bulk differs little; the farthest value tells.
        return float(np.abs(values - known).mean()) + 0.1 * abs(reach - end)

    best = min(families, key=apart)
    return best if apart(best) < 0.15 else "none of the usual laws"


def layers_of(paths: Sequence[str]) -> dict[str, tuple[int, int]]:
    """The layer of each path, by the first number that differs between paths of one form."""
    forms: dict[str, set[int]] = {}
    found: list[tuple[str, str, int]] = []
    for path in paths:
        for match in re.finditer(r"(?<![A-Za-z0-9.])\d+|(?<=_)\d+", path):
            form = path[: match.start()] + "#" + re.sub(r"\d+", "#", path[match.end() :])
            forms.setdefault(form, set()).add(int(match[0]))
            found.append((path, form, int(match[0])))
    known: dict[str, tuple[int, int]] = {}
    for path, form, number in found:
        if len(forms[form]) > 1:
            known.setdefault(path, (number, len(forms[form])))
    return known


def narrow(look: Look) -> Flag | None:
    """Whether the values were drawn in a narrower type than they have, or with its few bits."""
    if look.narrow is not None:
        text = f"was drawn in {look.narrow}: every value is one of that type"
        return Flag("narrow", text)
    sample = look.seen.sample
    wide = look.dtype in (np.float32, np.float64)
    if look.expected is None or wide or sample.size < LEAST:
        return None
    assert look.section is not None
    own = drawn_as(look.section._replace(shape=(sample.size,)), look.dtype, 0)
    distinct, expected = np.unique(sample).size, np.unique(own).size
    if 2 * distinct < expected:
        text = f"was drawn with few bits: of {sample.size} values {distinct} are distinct, where "
        return Flag("narrow", text + f"{expected} would be")
    return None

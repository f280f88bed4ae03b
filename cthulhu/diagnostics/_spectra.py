"""The picture of spectra: values in their order, a line for each spectrum."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cthulhu._types import HostArray
from cthulhu.diagnostics._pictures import FILL, INK, LINE, PAGE, Picture

# The first two are those of the other pictures; all differ in brightness, and in their marks.
COLOURS = ("#1f5a8e", LINE, "#33a02c", "#9467bd", "#000000", FILL, "#e0a100", "#d678b5")
MARKS = "osD^vPX*"
PALE = "#c9cdd2"
DECADES = 7  # What is farther below the largest value is rounding, in float32.
LEAST = 2  # Less would make of nothing a cliff.
FEW = 8  # Values that have a tick each.
MARKED = 40  # Values that have a mark each; of more, some.
SEEN = 0.02  # The part of a value that a whisker must have to be seen.


class Curve(NamedTuple):
    """A spectrum to be drawn: for each example its values, and their residuals if there are any."""

    name: str
    values: list[list[float]]
    residuals: list[list[float]]


def drawn(curves: Sequence[Curve], kind: str, title: str) -> Figure:
    """A line for each spectrum, from the largest value to the smallest, on a logarithmic axis."""
    figure = Picture(figsize=(6.4, 3.6), layout="constrained", facecolor=PAGE)
    axes = figure.subplots()
    low, high = limits(curves)
    axes.set_yscale("log")
    if kind == "singular value" and low < 1 < high:
        axes.axhline(1, color=PALE, linewidth=1, zorder=0)
    for at, curve in enumerate(curves):
        line(axes, curve, COLOURS[at % len(COLOURS)], MARKS[at % len(MARKS)], low)
    longest = max(len(row) for curve in curves for row in curve.values)
    axes.set_ylim(low, high)
    beside = max(0.5, 0.02 * longest)
    axes.set_xlim(1 - beside, longest + beside)
    if longest <= FEW:
        axes.set_xticks(range(1, longest + 1))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set(color=INK, linewidth=0.5)
    axes.tick_params(which="both", labelsize=8, colors=INK, width=0.5)
    axes.set_xlabel("number of the value, the largest first", size=8, color=INK)
    axes.set_ylabel(kind, size=8, color=INK)
    if not any(one > 0 for curve in curves for row in curve.values for one in row):
        axes.text(0.5, 0.4, "all are 0", transform=axes.transAxes, ha="center", size=8, color=INK)
    axes.set_title(title, size=9, loc="left", color=INK)
    if any(curve.name for curve in curves):
        figure.legend(loc="outside lower left", frameon=False, fontsize=8, labelcolor=INK, ncols=4)
    return figure


def limits(curves: Sequence[Curve]) -> tuple[float, float]:
    """What the axis shows: all values, if that is neither too little nor too much."""
    known = [one for curve in curves for row in curve.values for one in row if one > 0]
    if not known:
        return 10 ** (-LEAST / 2), 10 ** (LEAST / 2)
    top = math.log10(max(known))
    bottom = max(math.log10(min(known)), top - DECADES)
    beside = max(0.05 * (top - bottom), (LEAST - (top - bottom)) / 2)
    return 10 ** (bottom - beside), 10 ** (top + beside)


def line(axes: Any, curve: Curve, colour: str, mark: str, low: float) -> None:
    """The median of each value over the examples, between its least and its greatest."""
    # What is 0 leaves the picture where it ends.
    values: HostArray = np.maximum(np.asarray(curve.values, np.float64), low / 10)
    count = values.shape[1]
    middle, places = np.median(values, axis=0), np.arange(1, count + 1)
    if len(values) > 1:
        axes.fill_between(
            places, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.2, linewidth=0
        )
    axes.plot(
        places,
        middle,
        color=colour,
        linewidth=1.6,
        marker=mark,
        markersize=4,
        markevery=1 if count <= MARKED else math.ceil(count / 10),
        label=curve.name or None,
    )
    if len(values) == 1 and curve.residuals[0]:
        off: HostArray = np.asarray(curve.residuals[0])
        if (off > SEEN * middle).any():
            down = np.minimum(off, middle - low / 10)
            axes.errorbar(
                places, middle, [down, off], fmt="none", ecolor=colour, elinewidth=1, capsize=2
            )

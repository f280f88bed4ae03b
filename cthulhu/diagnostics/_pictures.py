"""The pictures: drawn by matplotlib, which is loaded with this file.

Blue and orange, which the colour-blind tell apart, and which differ in brightness, so that they do
in print; what is wrong is written, and not only coloured.
"""

import io
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cthulhu._types import HostArray
from cthulhu.audit._audit import number
from cthulhu.diagnostics._leaf import LeafReport
from cthulhu.views import counted

INK, FILL, LINE, WRONG, PAGE = "#33373c", "#7fb2dd", "#b8450b", "#8b0000", "#ffffff"
COLUMNS = 6
WIDTH = 1.75  # Inches of a small picture.
HEIGHT = 1.15
LONGEST = 30  # Characters of a path over a small picture.
MOST = 600  # Small pictures; the rest are counted.
SHOWN = 8  # Numbers that are everywhere, which the footer names.


class Picture(Figure):
    """A figure that a notebook shows, whether or not pyplot has been imported."""

    def _repr_png_(self) -> bytes:
        """The picture for a notebook."""
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=144)
        return stream.getvalue()


def plain(axes: Any, size: float) -> None:
    """An axis with little ink."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(INK)
    axes.spines["bottom"].set_linewidth(0.5)
    axes.set_yticks([])
    axes.tick_params(labelsize=size, colors=INK, length=2, width=0.5)


def bars(axes: Any, edges: HostArray, counts: Sequence[int]) -> None:
    """A histogram as a density."""
    total = sum(counts)
    density = np.asarray(counts) / (total * np.diff(edges))
    axes.stairs(density, edges, fill=True, color=FILL, linewidth=0, label="values")


def small(axes: Any, leaf: LeafReport) -> None:
    """One parameter: its values, the law, its name, and what is wrong."""
    plain(axes, 5.5)
    if leaf.histogram is not None:
        low, high, counts, shares = leaf.histogram
        edges = np.linspace(low, high, len(counts) + 1)
        bars(axes, edges, counts)
        if shares is not None:
            middles = (edges[1:] + edges[:-1]) / 2
            axes.plot(middles, np.asarray(shares) / np.diff(edges), color=LINE, linewidth=1)
        axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(MaxNLocator(3, symmetric=low < 0 < high))
    else:
        axes.set_xticks([])
        nothing = "no finite numbers" if leaf.non_finite else "no values"
        there = nothing if leaf.mean is None else f"{leaf.mean:.4g} everywhere"
        axes.text(0.5, 0.4, there, transform=axes.transAxes, ha="center", size=6, color=INK)
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # What is written is above what is drawn.
    name = leaf.path if len(leaf.path) <= LONGEST else f"…{leaf.path[1 - LONGEST :]}"
    axes.set_title(name, size=6, loc="left", pad=3, color=INK, family="monospace")
    if leaf.histogram is not None:
        said = f"σ {number(leaf.stddev, 3)}"
        if leaf.expected_stddev is not None:
            said += f"\nlaw {number(leaf.expected_stddev, 3)}"
        axes.text(0.02, 0.97, said, transform=axes.transAxes, va="top", size=5.5, color=INK)
    if not leaf.healthy:
        kinds = "\n".join(flag.kind for flag in leaf.faults)
        axes.text(
            0.98,
            0.97,
            f"✗ {kinds}",
            transform=axes.transAxes,
            va="top",
            ha="right",
            size=6.5,
            weight="bold",
            color=WRONG,
        )
        axes.set_facecolor("#fdeee6")


def multiples(parameters: Sequence[LeafReport]) -> Figure:
    """All parameters as small pictures; those that are one number, and healthy, in the footer."""
    leaves = sorted(parameters, key=natural)
    drawn = [leaf for leaf in leaves if leaf.histogram is not None or not leaf.healthy]
    quiet = [leaf for leaf in leaves if leaf.histogram is None and leaf.healthy]
    shown = drawn[:MOST]
    columns = max(1, min(COLUMNS, len(shown)))
    rows = max(1, math.ceil(len(shown) / columns))
    size = (max(6.0, WIDTH * columns), HEIGHT * rows + 0.9)
    figure = Picture(figsize=size, layout="constrained", facecolor=PAGE)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, leaf in zip(grid.flat, shown, strict=False):
        small(axes, leaf)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    with_law = any(leaf.histogram is not None and leaf.histogram.shares for leaf in shown)
    wrong = sum(not leaf.healthy for leaf in leaves)
    verdict = f"{wrong:,} not healthy" if wrong else "all healthy"
    title = f"{counted(len(leaves), 'parameter', 'parameters')}: {verdict}"
    key = "blue: values" + ("; orange: the law that is expected" if with_law else "")
    figure.suptitle(f"{title}\n{key}", size=9, x=0.01, ha="left", color=INK)
    footer = "\n".join(rest(quiet, len(drawn) - len(shown)))
    if footer:
        figure.supxlabel(footer, size=6.5, x=0.01, ha="left", color=INK)
    return figure


def natural(leaf: LeafReport) -> list[tuple[bool, int, str]]:
    """The order of paths in which layer 10 comes after layer 9."""
    parts = re.split(r"(\d+)", leaf.path)
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def rest(quiet: list[LeafReport], left: int) -> list[str]:
    """What is not drawn, in lines."""
    numbers: dict[str, int] = {}
    for leaf in quiet:
        there = "without values" if leaf.mean is None else f"that are {leaf.mean:.4g} everywhere"
        numbers[there] = numbers.get(there, 0) + 1
    said = [f"{count:,} {there}" for there, count in list(numbers.items())[:SHOWN]]
    if len(numbers) > SHOWN:
        said.append(f"{len(numbers) - SHOWN:,} other numbers")
    lines = [f"Not drawn: {', '.join(said)}."] if said else []
    return [*lines, f"And {left:,} parameters more."] if left else lines


def one(
    edges: HostArray,
    counts: Sequence[int],
    law: tuple[HostArray, HostArray] | None,
    title: str,
    law_title: str,
) -> Figure:
    """One histogram, with the density of a law over it."""
    figure = Picture(figsize=(5.2, 3.2), layout="constrained", facecolor=PAGE)
    axes = figure.subplots()
    plain(axes, 8)
    bars(axes, edges, counts)
    if law is not None:
        axes.plot(*law, color=LINE, linewidth=1.6, label=law_title)
    axes.set_ylim(0, 1.18 * axes.get_ylim()[1])
    axes.xaxis.set_major_locator(MaxNLocator(7))
    axes.set_xlabel("value", size=8, color=INK)
    axes.set_ylabel("density", size=8, color=INK)
    axes.set_title(title, size=9, loc="left", color=INK, family="monospace")
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, loc="upper right", ncols=2)
    return figure

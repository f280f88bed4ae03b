"""The picture of a signal by depth: a line an initializer, for eyes of every kind, and for print.

Initializers differ by colour, by dashes and by markers, so that each of these tells them apart.
Where there are residual streams, they are the lines, and layers are dots beside them.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cthulhu.diagnostics._layer import SignalRow
from cthulhu.diagnostics._pictures import INK, PAGE, Picture

# From dark to light and by hue: blue, orange, green, purple, grey, sky (Okabe and Ito, darkened).
COLOURS = ("#0b5a94", "#c2500a", "#1f9e77", "#a03a82", "#6b6f75", "#3aa5dd")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.6)), (0, (5, 1.4, 1.2, 1.4)), (0, (1.4, 1.2)))
MARKERS = "os^Dv"
PALE = "#e4e6e8"
NAMED = 30  # Names along the axis; of more rows, some.
LONGEST = 30  # Characters of a name.
LEVEL = 0.055  # Of the height of a panel: what marks at its edges need.
MARKED = 60  # Rows, above which a line is told by its dashes alone.
WIDE = 30.0  # From the least to the greatest value, above which an axis is by powers.
SAME = re.compile(r"/(kernel|weight|w|embedding)(?=$|#|\[)")
"""What names end in that says nothing beside others."""

Read = Callable[[SignalRow], float | None]


class Style(NamedTuple):
    """How an initializer is drawn."""

    colour: str
    dashes: Any
    marker: str


def by_depth(lines: Mapping[str, Sequence[SignalRow]]) -> Figure:
    """Two panels, forward and backward, if anything went back; the rows are as they run."""
    paths = list(dict.fromkeys(row.path for rows in lines.values() for row in rows))
    every = [row for rows in lines.values() for row in rows]
    streams = any(row.kind == "stream" for row in every)
    panels: list[tuple[str, Read]] = [("forward: root mean square of outputs", lambda row: row.rms)]
    if any(row.gradient is not None for row in every):
        panels.append(("backward: root mean square of gradients", lambda row: row.gradient))
    size = (7.6, 1.5 + 2.05 * len(panels))
    figure = Picture(figsize=size, layout="constrained", facecolor=PAGE)
    grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True)[:, 0]
    places = {path: at for at, path in enumerate(paths)}
    odd: set[str] = set()
    for axes, (title, read) in zip(grid, panels, strict=True):
        framed(axes, title, [read(row) for row in every])
        for at, rows in enumerate(lines.values()):
            drawn(axes, style_of(at), rows, places, read, streams, len(paths))
        odd |= edges(axes, list(lines.values()), places, read)
    named(grid[-1], paths)
    handles = legend(list(lines), streams, len(paths), odd)
    if handles:
        figure.legend(
            handles=handles,
            loc="outside upper left",
            ncols=min(4, len(handles)),
            frameon=False,
            fontsize=8,
            labelcolor=INK,
            handlelength=3.2,
        )
    return figure


def style_of(at: int) -> Style:
    """The style of an initializer, by its number."""
    return Style(COLOURS[at % len(COLOURS)], DASHES[at % len(DASHES)], MARKERS[at % len(MARKERS)])


def framed(axes: Any, title: str, values: Sequence[float | None]) -> None:
    """What stands around the lines: few lines, and an axis by powers if the values are."""
    axes.set_title(title, size=9, loc="left", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(INK)
    axes.spines[["bottom", "left"]].set_linewidth(0.5)
    axes.tick_params(labelsize=7.5, colors=INK, length=2, width=0.5, which="both")
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    known = [one for one in values if one is not None and math.isfinite(one)]
    above = [one for one in known if one > 0]
    if above and max(above) > WIDE * min(above):
        axes.set_yscale("log")
        beside = 0.06 * math.log10(max(above) / min(above))
        axes.set_ylim(min(above) / 10**beside, max(above) * 10**beside)
    else:
        axes.set_ylim(0, 1.15 * max(above, default=1.0))


def drawn(
    axes: Any,
    style: Style,
    rows: Sequence[SignalRow],
    places: Mapping[str, int],
    read: Read,
    streams: bool,
    count: int,
) -> None:
    """The line of an initializer; beside that of a stream, layers are dots."""
    main = [row for row in rows if not streams or row.kind == "stream"]
    beside = [row for row in rows if streams and row.kind == "layer"]
    spread = [(places[row.path], shown(axes, read(row))) for row in main]
    axes.plot(
        [x for x, _ in spread],
        [y for _, y in spread],
        color=style.colour,
        linestyle=style.dashes,
        linewidth=1.7 if count <= 100 else 1.4,
        marker=style.marker if count <= MARKED and not streams else None,
        markersize=4,
    )
    axes.plot(
        [places[row.path] for row in beside],
        [shown(axes, read(row)) for row in beside],
        color=style.colour,
        linestyle="",
        marker=style.marker,
        markersize=3.4 if count <= MARKED else 2,
        markeredgewidth=0,
        alpha=0.75,
    )


def shown(axes: Any, value: float | None) -> float:
    """A value that the axis has a place for, or none."""
    if value is None or not math.isfinite(value) or (value == 0 and axes.get_yscale() == "log"):
        return math.nan
    return value


def edges(
    axes: Any, lines: Sequence[Sequence[SignalRow]], places: Mapping[str, int], read: Read
) -> set[str]:
    """Marks at the edges for what the axis has no place for, and which there are.

    Each initializer has a level of its own there, as marks would lie on each other.
    """
    marked: dict[tuple[int, str], list[int]] = {}
    for at, rows in enumerate(lines):
        for row in rows:
            value = read(row)
            if value is not None and math.isnan(shown(axes, value)):
                what = "NaN" if math.isnan(value) else "infinite" if value else "0"
                marked.setdefault((at, what), []).append(places[row.path])
    # A row may be infinite with one and no number with another: a level for each initializer.
    below = sorted({at for at, what in marked if what == "0"})
    above = sorted({at for at, what in marked if what != "0"})
    widened(axes, LEVEL * (len(below) + 0.5 * bool(below)), LEVEL * (len(above) + bool(above)))
    for (at, what), xs in marked.items():
        y = LEVEL * (below.index(at) + 0.5) if what == "0" else 1 - LEVEL * (above.index(at) + 0.5)
        axes.plot(
            xs,
            [y] * len(xs),
            transform=axes.get_xaxis_transform(),
            color=style_of(at).colour,
            linestyle="",
            marker=ODD[what],
            markersize=4,
            markerfacecolor=PAGE,
            markeredgewidth=0.9,
            clip_on=False,
        )
    return {what for _, what in marked}


def widened(axes: Any, below: float, above: float) -> None:
    """Room at the edges, as shares of the panel."""
    low, high = axes.get_ylim()
    share = 1 - below - above
    if axes.get_yscale() == "log":
        decades = math.log10(high / low) / share
        axes.set_ylim(low / 10 ** (decades * below), high * 10 ** (decades * above))
    else:
        axes.set_ylim(low - (high - low) * below / share, high + (high - low) * above / share)


ODD = {"0": "v", "infinite": "^", "NaN": "x"}
"""The marks of what has no place on an axis."""


def named(axes: Any, paths: Sequence[str]) -> None:
    """The names of rows along the axis, of many only some."""
    step = max(1, math.ceil(len(paths) / NAMED))
    chosen = range(0, len(paths), step)
    axes.set_xticks(list(chosen), [short(paths[at]) for at in chosen], rotation=90, size=6.5)
    axes.set_xlim(-0.5, max(len(paths) - 0.5, 0.5))
    every = "" if step == 1 else f"; 1 in {step} is named"
    axes.set_xlabel(f"layers, in the order in which they run{every}", size=8, color=INK)


def short(path: str) -> str:
    """A name that is not too long, without what all names end in."""
    name = SAME.sub("", path).replace("x + ", "+ ")
    return name if len(name) <= LONGEST else f"…{name[1 - LONGEST :]}"


def legend(names: Sequence[str], streams: bool, count: int, odd: set[str]) -> list[Line2D]:
    """What says which line is which; of one without a name, only what kinds there are."""
    marked = not streams and count <= MARKED
    handles = []
    for at, name in enumerate(names):
        colour, dashes, marker = style_of(at)
        shape = marker if marked or streams else None
        if name:
            known: Any = {"color": colour, "linestyle": dashes, "marker": shape, "markersize": 4}
            handles.append(Line2D([], [], label=name, linewidth=1.7, **known))
    colour = INK if len(names) > 1 else COLOURS[0]
    if streams:
        handles.append(Line2D([], [], color=colour, linewidth=1.7, label="residual stream"))
        dots: Any = {"color": colour, "linestyle": "", "marker": MARKERS[0], "markersize": 3.4}
        handles.append(Line2D([], [], label="layers", **dots))
    for what in sorted(odd):
        mark: Any = {"color": colour, "linestyle": "", "marker": ODD[what], "markersize": 4}
        handles.append(Line2D([], [], label=f"{what}, at the edge", markerfacecolor=PAGE, **mark))
    return handles

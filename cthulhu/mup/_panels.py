"""The picture of a coordinate check: small multiples, for eyes of every kind, and for print."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from cthulhu import checks
from cthulhu._types import HostArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, PALE = "#333333", "#dddddd"
MARKERS = "osD^vPX*"
LONGEST = 34  # Characters of a title.


class Panel(NamedTuple):
    """An activation: its values by step and width, and the slope of the last step."""

    name: str
    kind: str
    values: HostArray
    slope: float


def drawn(panels: Sequence[Panel], widths: Sequence[int], label: str, columns: int) -> "Figure":
    """A panel for each activation, in rows; the steps have one legend."""
    with checks.extra("CoordCheck.plot", "matplotlib", name="plot"):
        from matplotlib import colormaps
        from matplotlib.figure import Figure

    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(1 + 2.6 * columns, 1.1 + 2.1 * rows), dpi=150, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    steps = len(panels[0].values)
    # From light to dark, as brightness is what every eye and every printer tells apart; the
    # lightest tenth would be lost on paper.
    colours = colormaps["viridis_r"]([0.1 + 0.9 * at / max(steps - 1, 1) for at in range(steps)])
    for at, axes in enumerate(grid.flat):
        if at >= len(panels):
            axes.set_visible(False)
            continue
        panel = panels[at]
        for step, values in enumerate(panel.values):
            known = [
                (width, value) for width, value in zip(widths, values, strict=True) if value > 0
            ]
            axes.plot(
                [width for width, _ in known],
                [value for _, value in known],
                color=colours[step],
                marker=MARKERS[step % len(MARKERS)],
                markersize=4,
                linewidth=1.4,
                markeredgecolor=INK,
                markeredgewidth=0.4,
            )
        framed(axes, panel, widths, at + columns >= len(panels))
    marks = [
        figure.axes[0].plot([], [], color=colours[step], marker=MARKERS[step % len(MARKERS)])[0]
        for step in range(steps)
    ]
    names = [f"t = {step + 1}" for step in range(steps)]
    figure.legend(marks, names, loc="outside upper center", ncols=min(steps, 10), frameon=False)
    figure.supxlabel("width", fontsize="medium", color=INK)
    figure.supylabel(f"{label}, before step t", fontsize="medium", color=INK)
    return figure


def framed(axes: "Axes", panel: Panel, widths: Sequence[int], lowest: bool) -> None:
    """What stands around the lines of a panel: axes by powers, its name and its last slope."""
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(widths, [str(width) for width in widths])
    axes.minorticks_off()
    # Less than two decades would look like a cliff if they filled the panel.
    seen = panel.values[panel.values > 0]
    if seen.size:
        low, high = math.log10(seen.min()), math.log10(seen.max())
        beside = max(0.2, (2 - (high - low)) / 2)
        axes.set_ylim(10 ** (low - beside), 10 ** (high + beside))
    axes.tick_params(labelsize="x-small", colors=INK, labelbottom=lowest)
    axes.grid(color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    name = panel.name if len(panel.name) <= LONGEST else f"…{panel.name[1 - LONGEST :]}"
    axes.set_title(name, fontsize="small", color=INK)
    if not math.isnan(panel.slope):
        axes.annotate(
            f"{panel.kind}, last slope {panel.slope:+.2f}",
            xy=(0.03, 0.97),
            xycoords="axes fraction",
            va="top",
            fontsize="x-small",
            color=INK,
        )

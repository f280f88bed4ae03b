"""`Signal.plot` and `Comparison.plot`: what the pictures show is what was measured."""

import io
import itertools
import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from cthulhu.diagnostics import Comparison, Signal, SignalRow


def rows(
    sizes: Sequence[float], gradients: Sequence[float | None], streams: bool = False
) -> tuple[SignalRow, ...]:
    """Layers of these sizes; with streams, each second one is a sum."""
    found = []
    for at, (size, gradient) in enumerate(zip(sizes, gradients, strict=True)):
        is_sum = streams and at % 2
        name = f"layers/{at // 2 if streams else at}/kernel"
        found.append(
            SignalRow(
                f"x + {name}" if is_sum else name,
                name,
                None,
                0.0,
                size,
                size,
                gradient=gradient,
                kind="stream" if is_sum else "layer",
            )
        )
    return tuple(found)


def points(figure: Figure, panel: int) -> list[list[tuple[float, float]]]:
    """What is drawn at its place in a panel, line by line."""
    axes = figure.axes[panel]
    return [
        [(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True) if not math.isnan(y)]
        for line in axes.lines
        if line.get_transform() == axes.transData
    ]


def at_edges(figure: Figure, panel: int) -> list[tuple[str, list[float], float]]:
    """The marks at the edges of a panel: which, where along, and how high."""
    axes = figure.axes[panel]
    return [
        (line.get_marker(), list(line.get_xdata()), line.get_ydata()[0])
        for line in axes.lines
        if line.get_transform() == axes.get_xaxis_transform()
    ]


def labels(figure: Figure) -> list[str]:
    (legend,) = figure.legends or [None]
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def test_a_line_has_the_sizes_of_the_layers() -> None:
    figure = Signal(rows([1.0, 2.0, 4.0], [0.5, 0.25, 1.0])).plot()
    assert isinstance(figure, Figure)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "forward: root mean square of outputs",
        "backward: root mean square of gradients",
    ]
    assert points(figure, 0)[0] == [(0, 1), (1, 2), (2, 4)]
    assert points(figure, 1)[0] == [(0, 0.5), (1, 0.25), (2, 1)]
    assert [tick.get_text() for tick in figure.axes[1].get_xticklabels()] == [
        "layers/0",
        "layers/1",
        "layers/2",
    ]
    assert labels(figure) == []
    assert figure._repr_png_()[:4] == b"\x89PNG"


def test_without_a_way_back_there_is_one_panel() -> None:
    figure = Signal(rows([1.0, 2.0], [None, None])).plot()
    assert len(figure.axes) == 1


def test_streams_are_lines_and_layers_dots() -> None:
    figure = Signal(rows([1, 2, 3, 4], [4, 3, 2, 1], streams=True)).plot()
    line, dots = points(figure, 0)
    assert (line, dots) == ([(1, 2), (3, 4)], [(0, 1), (2, 3)])
    drawn, beside = figure.axes[0].lines
    assert (drawn.get_linestyle(), beside.get_linestyle()) == ("-", "None")
    assert labels(figure) == ["residual stream", "layers"]
    names = [tick.get_text() for tick in figure.axes[1].get_xticklabels()]
    assert names == ["layers/0", "+ layers/0", "layers/1", "+ layers/1"]


def many(count: int, initializers: int) -> Comparison:
    factors = [0.9, 1.1, 1.0, 0.5, 2.0, 0.8, 1.3]
    return Comparison(
        {
            f"init{at}": Signal(rows([factors[at] ** n for n in range(count)], [1.0] * count))
            for at in range(initializers)
        }
    )


@pytest.mark.parametrize("count", [2, 12, 60])
def test_initializers_are_told_apart_in_three_ways(count: int) -> None:
    figure = many(count, 4).plot()
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata())]
    for what in ("get_color", "get_marker"):
        assert len({str(getattr(line, what)()) for line in lines}) == 4
    dashes = [str(line._dash_pattern) for line in lines]
    assert len(set(dashes)) == 4
    brightness = [np.dot(to_rgb(line.get_color()), (0.299, 0.587, 0.114)) for line in lines]
    assert brightness[0] < brightness[1]  # The two that are compared most often, in print.
    assert labels(figure) == [f"init{at}" for at in range(4)]


def to_rgb(colour: Any) -> Any:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)


@pytest.mark.parametrize("count", [1, 2, 12, 200])
def test_names_do_not_overlap(count: int) -> None:
    """Each is narrower than the distance to the next, and none leaves the picture."""
    figure = many(count, 2).plot()
    figure.savefig(io.BytesIO(), format="png")
    boxes = [
        tick.get_window_extent() for tick in figure.axes[1].get_xticklabels() if tick.get_text()
    ]
    assert len(boxes) == min(count, 29)
    for one, other in itertools.pairwise(boxes):
        assert one.x1 <= other.x0
    assert all(box.y0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)
    every = figure.axes[1].get_xlabel()
    assert every.endswith("1 in 7 is named") == (count == 200)


SCALES: dict[str, tuple[list[float], str]] = {
    "narrow": ([1.0, 20.0], "linear"),
    "wide": ([1.0, 40.0], "log"),
    "all zero": ([0.0, 0.0], "linear"),
    "narrow but for a zero": ([0.0, 1.0], "linear"),
    "one": ([3.0], "linear"),
    "nothing finite": ([math.nan, math.inf], "linear"),
}


@pytest.mark.parametrize("name", SCALES)
def test_an_axis_is_by_powers_where_values_are_wide(name: str) -> None:
    sizes, scale = SCALES[name]
    figure = Signal(rows(sizes, [1.0] * len(sizes))).plot()
    axes = figure.axes[0]
    assert axes.get_yscale() == scale
    finite = [(at, size) for at, size in enumerate(sizes) if math.isfinite(size)]
    assert points(figure, 0)[0] == finite
    low, high = axes.get_ylim()
    assert all(low <= size < high for _, size in finite)
    figure.savefig(io.BytesIO(), format="png")


def test_what_has_no_place_is_marked_at_the_edge() -> None:
    """With a level for each initializer, and no value beneath the marks."""
    sizes = [1.0, 1e-3, 0.0, math.inf, math.nan]
    signals = {name: Signal(rows(sizes, [1.0] * 5)) for name in "ab"}
    figure = Comparison(signals).plot()
    marks = at_edges(figure, 0)
    assert [(mark, xs) for mark, xs, _ in marks] == 2 * [("v", [2]), ("^", [3]), ("x", [4])]
    levels = {mark: [y for one, _, y in marks if one == mark] for mark in "v^x"}
    assert levels["v"][0] < levels["v"][1] < 0.15
    assert 0.8 < levels["^"][1] < levels["^"][0]
    assert levels["^"] == levels["x"]
    axes = figure.axes[0]
    transform = axes.transData + axes.transAxes.inverted()
    lowest, highest = (transform.transform((0, value))[1] for value in (1e-3, 1.0))
    assert levels["v"][1] < lowest < highest < levels["^"][1]
    assert at_edges(figure, 1) == []
    assert labels(figure)[2:] == ["0, at the edge", "NaN, at the edge", "infinite, at the edge"]


def test_without_matplotlib_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ("_lines", "_pictures"):
        monkeypatch.delitem(sys.modules, f"cthulhu.diagnostics.{name}", raising=False)
    found = Signal(rows([1.0], [1.0]))
    for one in (found, Comparison({"it": found})):
        with pytest.raises(ModuleNotFoundError, match=r"plot needs matplotlib.*cthulhu-jax\[plot"):
            one.plot()

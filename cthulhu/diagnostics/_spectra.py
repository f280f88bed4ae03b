"""The picture of spectra: values in their order, a line for each spectrum."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from cthulhu import checks

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Curve(NamedTuple):
    """A spectrum to be drawn: for each example its values, and their residuals if there are any."""

    name: str
    values: list[list[float]]
    residuals: list[list[float]]


def drawn(curves: Sequence[Curve], kind: str, title: str) -> "Figure":
    with checks.extra("Spectrum.plot", "matplotlib", name="plot"):
        from cthulhu.diagnostics._pictures import Picture
    raise NotImplementedError

"""What a coordinate check measured: data, its slopes, its table and whether they are flat."""

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from cthulhu import checks
from cthulhu._types import HostArray
from cthulhu.mup._panels import Panel, drawn
from cthulhu.mup._slopes import (
    LEAF_STATISTICS,
    PARTS,
    STATISTICS,
    Coordinate,
    Failure,
    LeafNorm,
    LeafStatistic,
    Statistic,
    Watched,
    slope,
)
from cthulhu.views import Grid, View, counted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

AXIS: dict[str, str] = {
    "l1": "mean |x|",
    "l2": "root mean square of x",
    "std": "standard deviation of x",
    "change": "root mean square of x − x at step 1",
}
FALLING = -0.5  # The slope of a sum of independent terms that is divided by their number.


@dataclasses.dataclass(frozen=True, repr=False)
class CoordCheck(View):
    """How large activations are at several widths: slopes of logarithms, in a table when printed.

    `coord_check` makes one.

    Args:
        widths: the widths, in order.
        steps: how many steps were looked at; the first is before any update.
        seeds: over how many seeds the statistics are averaged.
        activations: the activations, in the order of the program.
        coordinates: what was measured of each, before each step, at each width.
        leaves: what was measured of each parameter.

    Example:
        >>> rows = tuple(Coordinate("out", 1, width, width**0.5, 1, 0, 1, 0) for width in (4, 16))
        >>> found = CoordCheck((4, 16), 1, 1, (Watched("out", "layer"),), rows, ())
        >>> round(found.slopes()["out"][0], 6)
        0.5
    """

    widths: tuple[int, ...]
    steps: int
    seeds: int
    activations: tuple[Watched, ...]
    coordinates: tuple[Coordinate, ...]
    leaves: tuple[LeafNorm, ...]

    def slopes(self, statistic: Statistic = "l1") -> dict[str, tuple[float, ...]]:
        """The slope of each activation before each step: log of a statistic over log of the width.

        Args:
            statistic: ``"l1"``, the mean of sizes; ``"l2"``, ``"std"``, or ``"change"``, of the
                difference to the first step.

        Returns:
            By name, the slopes of the least squares, one for each step. Where a statistic is zero
            there is none: NaN.

        Raises:
            ValueError: `statistic` is unknown.
        """
        checks.choice("CoordCheck.slopes", "statistic", statistic, STATISTICS)
        values = self._values(self.coordinates, statistic)
        return {one.name: self._slopes(values[one.name]) for one in self.activations}

    def leaf_slopes(self, statistic: LeafStatistic = "norm") -> dict[str, tuple[float, ...]]:
        """The slope of each parameter before each step.

        Args:
            statistic: ``"norm"``, the spectral norm over √(outputs / inputs), or ``"change"``, that
                of the difference to the first step, both of kernels alone; or ``"decay"``.

        Returns:
            By path, the slopes, one for each step.

        Raises:
            ValueError: `statistic` is unknown.
        """
        checks.choice("CoordCheck.leaf_slopes", "statistic", statistic, LEAF_STATISTICS)
        values = self._values(self.leaves, statistic)
        return {path: self._slopes(found) for path, found in values.items()}

    def failures(self, tolerance: float = 0.1, *, decay: bool = True) -> tuple[Failure, ...]:
        """What grows or shrinks with the width, and should not; see `assert_flat`.

        Args:
            tolerance: how far from 0 a slope may be.
            decay: whether weight decay is looked at.

        Returns:
            What is not flat, in order.
        """
        checks.positive("CoordCheck", "tolerance", tolerance)
        found = []
        values = self._values(self.coordinates, "l1")
        for name, kind in self.activations:
            for step, row in enumerate(values[name], 1):
                may_fall = step == 1 and kind != "layer"
                lowest = FALLING - tolerance if may_fall else -tolerance
                found += self._failure(name, step, row, lowest, tolerance)
        if decay:
            for path, rows in self._values(self.leaves, "decay").items():
                found += self._failure(path, 0, rows[0], -tolerance, tolerance)
        return tuple(found)

    def assert_flat(self, tolerance: float = 0.1, *, decay: bool = True) -> None:
        """Raise an error that lists what is not flat, if anything is.

        The slope of the mean size has to be within `tolerance` of 0: for every activation,
        before every step. Before step 1, and there alone, those of readouts and of contractions
        of activations, as attention logits, may fall as 1/√width, so down to −1/2 − `tolerance`:
        their terms are independent, until the first update. What is zero at all widths is flat,
        as the logits of a readout that begins with zeros.

        The product of the learning rate and the weight decay has to be flat as well: decay that is
        multiplied with a learning rate of muP vanishes as the width grows, which no activation
        shows within a few steps.

        Args:
            tolerance: how far from 0 a slope may be.
            decay: whether weight decay is looked at.

        Raises:
            AssertionError: something is not flat.
        """
        wrong = self.failures(tolerance, decay=decay)
        if not wrong:
            return
        lines = [f"  {one.text}" for one in wrong]
        listed = ", ".join(map(str, self.widths))
        raise AssertionError(
            f"coord_check: {counted(len(wrong), 'slope is', 'slopes are')} not flat over the "
            f"widths {listed}:\n" + checks.listed(lines)
        )

    def table(self, statistic: Statistic = "l1") -> Table:
        """The slopes of a statistic as a table.

        Args:
            statistic: as for `slopes`.

        Returns:
            A table of the `rich` library.

        Raises:
            ValueError: `statistic` is unknown.
        """
        return self._grid(statistic).table()

    def plot(self, statistic: Statistic = "l1", *, columns: int = 4) -> "Figure":
        """A picture: for each activation, the statistic over the width, a line for each step.

        Args:
            statistic: as for `slopes`.
            columns: how many panels stand beside each other.

        Returns:
            A figure of matplotlib: ``figure.savefig("coordinates.png")``.

        Raises:
            ValueError: `statistic` is unknown.
            ModuleNotFoundError: matplotlib is not installed.
        """
        checks.choice("CoordCheck.plot", "statistic", statistic, STATISTICS)
        checks.count("CoordCheck.plot", "columns", columns)
        values, slopes = self._values(self.coordinates, statistic), self.slopes(statistic)
        panels = [
            Panel(name, kind, values[name], slopes[name][-1]) for name, kind in self.activations
        ]
        return drawn(panels, self.widths, AXIS[statistic], columns)

    def to_json(self) -> str:
        """The check as JSON, which `from_json` reads."""
        record = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in PARTS:
            record[name] = [row._asdict() for row in record[name]]
        return json.dumps(record)

    @classmethod
    def from_json(cls, text: str) -> "CoordCheck":
        """Read what `to_json` wrote.

        Args:
            text: what `to_json` returned.

        Returns:
            An equal check.

        Raises:
            ValueError: `text` is not what `to_json` wrote.
        """
        with checks.from_json("CoordCheck"):
            record = json.loads(text)
            for name, part in PARTS.items():
                record[name] = tuple(part(**row) for row in record[name])
            return cls(**{**record, "widths": tuple(record["widths"])})

    def _values(self, rows: tuple[Any, ...], statistic: str) -> dict[str, HostArray]:
        """By name, a statistic by step and width; without those that have none."""
        found: dict[str, HostArray] = {}
        for row in rows:
            value = getattr(row, statistic)
            if value is None:
                continue
            if row[0] not in found:
                found[row[0]] = np.full((self.steps, len(self.widths)), np.nan)
            found[row[0]][row.step - 1, self.widths.index(row.width)] = value
        return found

    def _slopes(self, values: HostArray) -> tuple[float, ...]:
        return tuple(slope(self.widths, row) for row in values)

    def _failure(
        self, name: str, step: int, row: HostArray, lowest: float, highest: float
    ) -> list[Failure]:
        """What is wrong with the values at all widths, if anything is."""
        if not row.any():
            return []
        found = slope(self.widths, row)
        return [] if lowest <= found <= highest else [Failure(name, step, found, lowest, highest)]

    def _grid(self, statistic: Statistic = "l1") -> Grid:
        slopes = self.slopes(statistic)
        failures = self.failures()
        steps = [f"t = {step}" for step in range(1, self.steps + 1)]
        rows = []
        for name, kind in self.activations:
            wrong = [str(one.step) for one in failures if one.name == name and one.step]
            said = f"not flat: t = {', '.join(wrong)}" if wrong else ""
            rows.append([name, kind, *map(shown, slopes[name]), said])
        for one in failures:
            if not one.step:
                empty = [""] * (self.steps - 1)
                rows.append([one.name, "decay", shown(one.slope), *empty, "not flat"])
        names = ["activation", "kind", *steps, "flat"]
        if not failures:
            names, rows = names[:-1], [row[:-1] for row in rows]
        listed = ", ".join(map(str, self.widths))
        title = f"Slopes of log {AXIS[statistic]} over log width, of the widths {listed}"
        return Grid(title, names, rows, [], frozenset(steps))

    def __repr__(self) -> str:
        """How many slopes there are, and how many are not flat."""
        count = counted(len(self.activations), "activation", "activations")
        widths = f"widths {self.widths[0]} to {self.widths[-1]}"
        steps = counted(self.steps, "step", "steps")
        return f"<CoordCheck: {count}, {steps}, {widths}, {len(self.failures())} not flat>"


def shown(value: float) -> str:
    return "" if math.isnan(value) else f"{value:+.2f}"

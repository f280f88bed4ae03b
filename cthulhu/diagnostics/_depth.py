"""`Signal`: what `signal` measured, layer by layer; `Comparison`: of several initializers."""

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cthulhu import checks
from cthulhu.diagnostics._layer import SignalRow
from cthulhu.views import ByPath, Grid, View, counted

COLUMNS = ("layer", "mean", "rms", "stddev", "cosine", "gradient", "dead")
NUMBERS = frozenset(COLUMNS[1:])
WIDTH = 10  # Of a number in a table.


@dataclasses.dataclass(frozen=True, repr=False)
class Signal(ByPath[SignalRow]):
    """The signal at all layers and residual streams, as they run: a table when printed.

    Args:
        leaves: the layers, and the sums of the streams.

    Example:
        >>> Signal((SignalRow("kernel", "kernel", None, 0.0, 1.0, 1.0),))["kernel"].rms
        1.0
    """

    leaves: tuple[SignalRow, ...]

    @property
    def layers(self) -> tuple[SignalRow, ...]:
        """The outputs of layers."""
        return tuple(row for row in self.leaves if row.kind == "layer")

    @property
    def streams(self) -> tuple[SignalRow, ...]:
        """The sums of residual streams."""
        return tuple(row for row in self.leaves if row.kind == "stream")

    def plot(self) -> Any:
        """Draw the size of the signal by depth, forward and backward.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ModuleNotFoundError: matplotlib is not installed.
        """
        with checks.extra("Signal.plot", "matplotlib", name="plot"):
            from cthulhu.diagnostics._lines import by_depth
        return by_depth({"": self.leaves})

    def to_json(self) -> str:
        """The signal as JSON, which `from_json` reads."""
        return json.dumps({"signal": records(self)})

    @classmethod
    def from_json(cls, text: str) -> "Signal":
        """Read what `to_json` wrote.

        Args:
            text: what `to_json` returned.

        Returns:
            An equal signal.

        Raises:
            ValueError: `text` is not what `to_json` wrote.
        """
        with checks.from_json("Signal"):
            return signal_of(json.loads(text)["signal"])

    def _grid(self) -> Grid:
        known = [cells(row) for row in self.leaves]
        names = [name for name in COLUMNS if any(row[name] for row in known)]
        totals = [counted(len(known), "row", "rows"), *[""] * (len(names) - 1)]
        rows = [[row[name] for name in names] for row in known]
        return Grid("Signal", names, rows, totals, NUMBERS)

    def __repr__(self) -> str:
        """How many rows there are."""
        return f"<Signal: {counted(len(self.leaves), 'row', 'rows')}>"


@dataclasses.dataclass(frozen=True, repr=False)
class Comparison(View, Mapping[str, Signal]):
    """The signals of one function with several initializers, by name: a table when printed.

    The table has the root mean square of each output, and of the gradient that arrives there,
    side by side; the rest is in the signals.

    Args:
        signals: by the name of the initializer, the `Signal` with it.

    Example:
        >>> row = SignalRow("kernel", "kernel", None, 0.0, 1.0, 1.0)
        >>> found = Comparison({"he": Signal((row,))})
        >>> list(found), found["he"]["kernel"].rms
        (['he'], 1.0)
    """

    signals: Mapping[str, Signal]

    def __iter__(self) -> Iterator[str]:
        """The names of the initializers."""
        return iter(self.signals)

    def __len__(self) -> int:
        """The number of initializers."""
        return len(self.signals)

    def __getitem__(self, name: str) -> Signal:
        """The signal with one of the initializers."""
        if name not in self.signals:
            near = checks.did_you_mean(name, self.signals)
            raise KeyError(f"Comparison: there is no initializer {name!r}{near}")
        return self.signals[name]

    def plot(self) -> Any:
        """Draw the size of the signal by depth, forward and backward, a line an initializer.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ModuleNotFoundError: matplotlib is not installed.
        """
        with checks.extra("Comparison.plot", "matplotlib", name="plot"):
            from cthulhu.diagnostics._lines import by_depth
        return by_depth({name: found.leaves for name, found in self.items()})

    def to_json(self) -> str:
        """The comparison as JSON, which `from_json` reads."""
        return json.dumps({"signals": {name: records(one) for name, one in self.items()}})

    @classmethod
    def from_json(cls, text: str) -> "Comparison":
        """Read what `to_json` wrote.

        Args:
            text: what `to_json` returned.

        Returns:
            An equal comparison.

        Raises:
            ValueError: `text` is not what `to_json` wrote.
        """
        with checks.from_json("Comparison"):
            found = json.loads(text)["signals"]
            return cls({name: signal_of(rows) for name, rows in found.items()})

    def _grid(self) -> Grid:
        rows: dict[str, dict[str, str]] = {}
        for name, found in self.items():
            for row in found.leaves:
                told = rows.setdefault(row.path, {"layer": row.path})
                told[heading(name, "rms")] = shown(row.rms)
                told[heading(name, "gradient")] = shown(row.gradient)
        every = [heading(name, what) for name in self for what in ("rms", "gradient")]
        names = [one for one in every if any(row.get(one) for row in rows.values())]
        table = [[row.get(name, "") for name in ("layer", *names)] for row in rows.values()]
        totals = [counted(len(table), "row", "rows"), *[""] * len(names)]
        return Grid("Signal by initializer", ["layer", *names], table, totals, frozenset(names))

    def __repr__(self) -> str:
        """The names, and how many rows there are of each."""
        return f"<Comparison of {', '.join(f'{name}: {one!r}' for name, one in self.items())}>"


def records(found: Signal) -> list[dict[str, Any]]:
    """A signal as data that JSON can hold."""
    return [dataclasses.asdict(row) for row in found.leaves]


def signal_of(rows: list[dict[str, Any]]) -> Signal:
    """The signal that `records` made data of."""
    return Signal(tuple(SignalRow(**row) for row in rows))


def cells(row: SignalRow) -> dict[str, str]:
    """What the table says of a layer."""
    return {
        "layer": row.path,
        "mean": shown(row.mean),
        "rms": shown(row.rms),
        "stddev": shown(row.stddev),
        "cosine": shown(row.cosine),
        "gradient": shown(row.gradient),
        "dead": "" if row.dead is None else f"{row.dead:.1%}",
    }


def heading(name: str, what: str) -> str:
    """The name of a column, in lines that are no wider than a number, if it can be broken."""
    lines = [""]
    for part in re.split(r"(?<=[_ ])", name):
        lines[-1:] = [lines[-1] + part] if len(lines[-1] + part) <= WIDTH else [lines[-1], part]
    return "\n".join([*(line.strip() for line in lines if line.strip()), what])


def shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"

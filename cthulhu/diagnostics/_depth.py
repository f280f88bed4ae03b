"""`Signal`: what `signal` measured, layer by layer."""

import dataclasses
import json

from cthulhu import checks
from cthulhu.views import ByPath, Grid, counted

COLUMNS = ("layer", "mean", "rms", "stddev", "cosine", "gradient", "dead")
NUMBERS = frozenset(COLUMNS[1:])


@dataclasses.dataclass(frozen=True)
class SignalRow:
    """The signal at one layer, or at one step of it in a loop: plain data.

    Args:
        path: the path of the layer's parameter; its second use is ``path#2``, and its step in
            a loop ``path[3]``.
        parameter: the path of the parameter alone.
        step: the step of the loops around, if there are any.
        mean: the mean of the output.
        rms: its root mean square.
        stddev: its standard deviation.
        cosine: the mean cosine between the outputs of one example and of the next; `None` where
            examples are not told apart.
        gradient: the root mean square of the gradient that arrives there; `None` if nothing
            went back.
        dead: the fraction of units to which no gradient arrives, likewise.

    Example:
        >>> row = SignalRow("kernel", "kernel", None, 0.0, 1.0, 1.0)
        >>> row.rms, row.gradient
        (1.0, None)
    """

    path: str
    parameter: str
    step: int | None
    mean: float
    rms: float
    stddev: float
    cosine: float | None = None
    gradient: float | None = None
    dead: float | None = None


@dataclasses.dataclass(frozen=True, repr=False)
class Signal(ByPath[SignalRow]):
    """The signal of all layers, in the order of the program: a table when printed.

    Args:
        leaves: the layers.

    Example:
        >>> Signal((SignalRow("kernel", "kernel", None, 0.0, 1.0, 1.0),))["kernel"].rms
        1.0
    """

    leaves: tuple[SignalRow, ...]

    def to_json(self) -> str:
        """The signal as JSON, which `from_json` reads."""
        return json.dumps({"signal": [dataclasses.asdict(row) for row in self.leaves]})

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
            return cls(tuple(SignalRow(**row) for row in json.loads(text)["signal"]))

    def _grid(self) -> Grid:
        known = [cells(row) for row in self.leaves]
        names = [name for name in COLUMNS if any(row[name] for row in known)]
        totals = [counted(len(known), "row", "rows"), *[""] * (len(names) - 1)]
        rows = [[row[name] for name in names] for row in known]
        return Grid("Signal", names, rows, totals, NUMBERS)

    def __repr__(self) -> str:
        """How many rows there are."""
        return f"<Signal: {counted(len(self.leaves), 'row', 'rows')}>"


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


def shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"

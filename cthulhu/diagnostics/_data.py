"""`TreeReport`: what `report` saw."""

import dataclasses
import json
from typing import Any

from cthulhu import checks
from cthulhu.audit import Flag
from cthulhu.audit._audit import number
from cthulhu.diagnostics._leaf import Histogram, LeafReport, leaf_of
from cthulhu.views import Grid, View, counted

REMEDIES = {
    "non-finite": "find what made them: a file that was cut short, or a type that overflows",
    "dead": "units that start alike stay alike: give the parameter an initializer that is random",
    "zeroed": "give the parameter its initializer, or, if it is to be 0, say so in the rules",
    "not zeroed": "initialize it with zeros, or give the rules its law",
    "value": "initialize it as expected, or give the rules its law",
    "narrow": "draw in float32 and round once, as this library does",
    "shape": "make the parameters and the rules of one model",
    "missing": "make the parameters and the rules of one model; cthulhu.fill makes what lacks",
    **dict.fromkeys(
        ("mean", "stddev", "distribution", "support"),
        "initialize it as expected; cthulhu.check says what would explain the difference",
    ),
}
"""What to do, by the kind of flag."""

COLUMNS = (
    *("path", "role", "shape", "dtype", "expected", "mean", "law mean", "stddev", "law stddev"),
    *("min", "max", "distinct", "zeros", "z", "flags"),
)
ALWAYS = frozenset({"path", "shape", "mean", "stddev", "flags"})
NUMBERS = frozenset(COLUMNS[5:14])
SPARE = frozenset({"dtype", "role", "law mean", "min", "max", "distinct", "zeros"})


@dataclasses.dataclass(frozen=True, repr=False)
class TreeReport(View):
    """What `report` saw of all parameters: true if nothing is wrong.

    Args:
        leaves: the parameters.
        z: how many standard errors a mean or a standard deviation may be off.

    Example:
        >>> import numpy as np
        >>> from cthulhu.diagnostics import report
        >>> seen = report({"bias": np.float32([1, np.nan]), "scale": np.ones(2, np.float32)})
        >>> bool(seen), [leaf.path for leaf in seen.failures]
        (False, ['bias'])
    """

    leaves: tuple[LeafReport, ...]
    z: float

    def __bool__(self) -> bool:
        """Whether nothing is wrong."""
        return not self.failures

    @property
    def failures(self) -> tuple[LeafReport, ...]:
        """The parameters that something is wrong with."""
        return tuple(leaf for leaf in self.leaves if not leaf.healthy)

    def assert_healthy(self) -> None:
        """Raise an error that lists what is wrong, and what to do, if anything is.

        Raises:
            AssertionError: something is wrong with a parameter.
        """
        wrong = self.failures
        if not wrong:
            return
        lines = [f"  {leaf.path}: {'; '.join(f.detail for f in leaf.faults)}" for leaf in wrong]
        kinds = dict.fromkeys(flag.kind for leaf in wrong for flag in leaf.faults)
        remedies: dict[str, list[str]] = {}
        for kind in kinds:
            remedies.setdefault(REMEDIES[kind], []).append(kind)
        todo = [f"  {', '.join(kinds)}: {remedy}" for remedy, kinds in remedies.items()]
        raise AssertionError(
            f"report: {len(wrong)} of {counted(len(self.leaves), 'parameter is', 'parameters are')}"
            " not healthy:\n" + "\n".join([checks.listed(lines), "What to do:", *todo])
        )

    def plot(self) -> Any:
        """Draw the distribution of each parameter, with its law over it where that is known.

        Returns:
            A `matplotlib.figure.Figure` of small pictures, one a parameter.

        Raises:
            ModuleNotFoundError: matplotlib is not installed.
        """
        with checks.extra("TreeReport.plot", "matplotlib", name="plot"):
            from cthulhu.diagnostics._pictures import multiples
        return multiples(self.leaves)

    def to_json(self) -> str:
        """The report as JSON, which `from_json` reads."""
        record = dataclasses.asdict(self)
        for leaf in record["leaves"]:
            leaf["flags"] = [Flag(*flag)._asdict() for flag in leaf["flags"]]
            histogram = leaf["histogram"]
            leaf["histogram"] = None if histogram is None else Histogram(*histogram)._asdict()
        return json.dumps(record, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "TreeReport":
        """Read a report that `to_json` wrote.

        Args:
            text: what `to_json` returned.

        Returns:
            An equal report.

        Raises:
            ValueError: `text` is not what `to_json` wrote.
        """
        try:
            record = json.loads(text)
            return cls(tuple(map(leaf_of, record["leaves"])), float(record["z"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"TreeReport.from_json: text must be what to_json returned; {error!r}"
            ) from None

    def _grid(self) -> Grid:
        cells = [cells_of(leaf) for leaf in self.leaves]
        names = [name for name in COLUMNS if name in ALWAYS or any(cell[name] for cell in cells)]
        count, wrong = sum(leaf.size for leaf in self.leaves), len(self.failures)
        title = (
            f"{counted(len(self.leaves), 'parameter', 'parameters')}, "
            f"{counted(count, 'element', 'elements')}: "
        )
        return Grid(
            title + (f"{wrong:,} not healthy" if wrong else "all healthy"),
            names,
            [[cell[name] for name in names] for cell in cells],
            [],
            NUMBERS,
            SPARE,
        )

    def __repr__(self) -> str:
        """The totals: the parameters may be thousands."""
        return (
            f"<TreeReport: {counted(len(self.leaves), 'parameter', 'parameters')}, "
            f"{len(self.failures):,} not healthy>"
        )


def cells_of(leaf: LeafReport) -> dict[str, str]:
    """The cells of a row."""
    flags = "; ".join(flag.detail for flag in leaf.flags) or leaf.note
    whole = leaf.sampled == leaf.size
    return {
        "path": leaf.path,
        "role": leaf.role or "",
        "shape": str(leaf.shape),
        "dtype": leaf.dtype,
        "expected": leaf.expected or "",
        "mean": number(leaf.mean),
        "law mean": number(leaf.expected_mean),
        "stddev": number(leaf.stddev),
        "law stddev": number(leaf.expected_stddev),
        "min": number(leaf.minimum),
        "max": number(leaf.maximum),
        "distinct": f"{leaf.distinct:,}" + ("" if whole else f" of {leaf.sampled:,}"),
        "zeros": f"{leaf.zeros:,}" if leaf.zeros else "",
        "z": number(leaf.z, 2),
        "flags": flags,
    }

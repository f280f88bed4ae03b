"""`Spectrum`: what `spectrum` found."""

import dataclasses
import json
import math
import statistics
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

from cthulhu import checks
from cthulhu.views import Grid, View, counted

Matrix: TypeAlias = Literal["jacobian", "tangent_kernel"]
JACOBIAN: Matrix = "jacobian"
KERNEL: Matrix = "tangent_kernel"

COLUMNS = (
    *("example", "largest", "least found", "median", "smallest", "condition"),
    *("mean square", "mean", "residual"),
)
SHOWN = 20  # Examples that the table has.


@dataclasses.dataclass(frozen=True)
class SpectrumRow:
    """The values of one matrix: plain data.

    Args:
        values: the singular values, or the eigenvalues of a tangent kernel, the largest first.
        mean_square: the mean of all squared singular values of the Jacobian, found or not; of a
            tangent kernel, whose eigenvalues are those squares, the mean of them.
        mean_square_error: its standard error, where it is an estimate.
        residuals: how far each value may be off, where they are not exact: within it there is a
            value of the matrix.

    Example:
        >>> SpectrumRow((2.0, 1.0), 2.5).values
        (2.0, 1.0)
    """

    values: tuple[float, ...]
    mean_square: float
    mean_square_error: float | None = None
    residuals: tuple[float, ...] | None = None


@dataclasses.dataclass(frozen=True, repr=False)
class Spectrum(View):
    """Singular values of a Jacobian, or eigenvalues of a tangent kernel: a table when printed.

    With several examples there are as many matrices; ``spectrum[3]`` is the spectrum of one, and
    what is said of all is that of the matrix which has them as blocks on its diagonal.

    Args:
        of: ``"jacobian"`` or ``"tangent_kernel"``.
        outputs: the number of outputs: the rows of the Jacobian.
        variables: the number of inputs, or of parameters: its columns.
        exact: whether all is computed, up to rounding, or the largest values by Lanczos.
        examples: the values, for each matrix.

    Example:
        >>> found = Spectrum("jacobian", 2, 3, True, (SpectrumRow((2.0, 1.0), 2.5),))
        >>> found.largest, found.smallest, found.condition
        (2.0, 1.0, 2.0)
    """

    of: Matrix
    outputs: int
    variables: int
    exact: bool
    examples: tuple[SpectrumRow, ...]

    def __len__(self) -> int:
        """The number of examples."""
        return len(self.examples)

    def __iter__(self) -> "Iterator[Spectrum]":
        """The spectrum of each example."""
        return (self[at] for at in range(len(self)))

    def __getitem__(self, at: int) -> "Spectrum":
        """The spectrum of one example."""
        return dataclasses.replace(self, examples=(self.examples[at],))

    @property
    def count(self) -> int:
        """How many values each matrix has."""
        return self.outputs if self.of == KERNEL else min(self.outputs, self.variables)

    @property
    def complete(self) -> bool:
        """Whether all values are there."""
        return all(len(row.values) == self.count for row in self.examples)

    @property
    def values(self) -> tuple[float, ...]:
        """The values of all examples, the largest first."""
        return tuple(sorted((one for row in self.examples for one in row.values), reverse=True))

    @property
    def largest(self) -> float:
        """The largest value."""
        return max(row.values[0] for row in self.examples)

    @property
    def smallest(self) -> float | None:
        """The smallest value, if all are there."""
        return min(row.values[-1] for row in self.examples) if self.complete else None

    @property
    def condition(self) -> float | None:
        """The largest value over the smallest, if all are there.

        In float32, what is less than some 10⁻⁷ of the largest value is rounding.
        """
        if self.smallest is None:
            return None
        return self.largest / self.smallest if self.smallest > 0 else math.inf

    @property
    def mean_square(self) -> float:
        """The mean of the squared singular values of the Jacobian, over all examples."""
        return statistics.fmean(row.mean_square for row in self.examples)

    @property
    def mean_square_error(self) -> float | None:
        """Its standard error, where it is an estimate."""
        errors = [row.mean_square_error for row in self.examples]
        known = [error for error in errors if error is not None]
        return math.hypot(*known) / len(self) if known else None

    @property
    def residual(self) -> float | None:
        """How far a value may be off at most, where they are not exact."""
        return max((max(row.residuals) for row in self.examples if row.residuals), default=None)

    def plot(self, beside: "Mapping[str, Spectrum] | None" = None, *, name: str = "") -> Any:
        """Draw the values in their order, on a logarithmic axis; a flat line is an isometry.

        Of several examples, the line is the median of each value, in a band from the least to
        the greatest. Whiskers are residuals, where these can be seen.

        Args:
            beside: other spectra to be drawn beside it, by their names.
            name: what this one is called.

        Returns:
            A `matplotlib.figure.Figure`.

        Raises:
            ValueError: not all spectra are of one kind.
            TypeError: `beside` has something else among them.
            ModuleNotFoundError: matplotlib is not installed.
        """
        with checks.extra("Spectrum.plot", "matplotlib", name="plot"):
            from cthulhu.diagnostics._spectra import Curve, drawn
        together = {name: self, **(beside or {})}
        for called, other in together.items():
            if not isinstance(other, Spectrum):
                raise TypeError(
                    f"Spectrum.plot: beside must hold spectra by name; {called!r} is {other!r}"
                )
            if other.of != self.of:
                raise ValueError(
                    f"Spectrum.plot: {called!r} is of {other.of!r}, and this one of {self.of!r}; "
                    "draw them apart"
                )
        curves = [
            Curve(
                called,
                [list(row.values) for row in one.examples],
                [list(row.residuals or ()) for row in one.examples],
            )
            for called, one in together.items()
        ]
        return drawn(curves, self.kind, f"{self.kind.capitalize()}s of {self.matrix}")

    def to_json(self) -> str:
        """The spectrum as JSON, which `from_json` reads."""
        return json.dumps(dataclasses.asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Spectrum":
        """Read what `to_json` wrote.

        Args:
            text: what `to_json` returned.

        Returns:
            An equal spectrum.

        Raises:
            ValueError: `text` is not what `to_json` wrote.
        """
        with checks.from_json("Spectrum"):
            record = json.loads(text)
            return cls(**{**record, "examples": tuple(map(row_of, record["examples"]))})

    @property
    def kind(self) -> str:
        """What a value is."""
        return "eigenvalue" if self.of == KERNEL else "singular value"

    @property
    def matrix(self) -> str:
        """What the values are of, in words."""
        outputs = counted(self.outputs, "output", "outputs")
        if self.of == KERNEL:
            by = counted(self.variables, "parameter", "parameters")
            return f"the tangent kernel of {outputs} by {by}"
        return f"the Jacobian of {outputs} by {counted(self.variables, 'input', 'inputs')}"

    @property
    def extent(self) -> str:
        """How many values are there, and how they were found."""
        there = len(self.examples[0].values)
        how = "exact" if self.exact else "by Lanczos"
        known = (
            f"all {there:,}" if there == self.count else f"the largest {there:,} of {self.count:,}"
        )
        return f"{known}, {how}"

    def _grid(self) -> Grid:
        single = len(self) == 1
        shown = [cells(one, str(at)) for at, one in enumerate(self) if at < SHOWN]
        if len(self) > SHOWN:
            left = f"… {len(self) - SHOWN:,} more"
            shown.append({**dict.fromkeys(COLUMNS, ""), "example": left})
        total = cells(self, counted(len(self), "example", "examples"))
        names = [name for name in COLUMNS if any(row[name] for row in [*shown, total])]
        names = [name for name in names if not (single and name == "example")]
        return Grid(
            f"{self.kind.capitalize()}s of {self.matrix}: {self.extent}",
            names,
            [[row[name] for name in names] for row in shown],
            [] if single else [total[name] for name in names],
            frozenset(COLUMNS[1:]),
        )

    def __repr__(self) -> str:
        """What it is of."""
        examples = "" if len(self) == 1 else f", {len(self):,} examples"
        return f"<Spectrum: {self.kind}s of {self.matrix}, {self.extent}{examples}>"


def row_of(record: Mapping[str, Any]) -> SpectrumRow:
    """The values of one matrix, of JSON."""
    residuals = record["residuals"]
    known = None if residuals is None else tuple(residuals)
    return SpectrumRow(**{**record, "values": tuple(record["values"]), "residuals": known})


def cells(found: Spectrum, example: str) -> dict[str, str]:
    """What the table says of one spectrum."""
    error = found.mean_square_error
    off = "" if error is None else f" ± {error:.2g}"
    middle = statistics.median(found.values) if found.complete else None
    mean = f"{shown(found.mean_square)}{off}"
    return {
        "example": example,
        "largest": shown(found.largest),
        "least found": "" if found.complete else shown(found.values[-1]),
        "median": shown(middle),
        "smallest": shown(found.smallest),
        "condition": shown(found.condition),
        "mean square": "" if found.of == KERNEL else mean,
        "mean": mean if found.of == KERNEL else "",
        "residual": "" if found.residual is None else f"{found.residual:.2g}",
    }


def shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"

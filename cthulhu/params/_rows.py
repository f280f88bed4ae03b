"""What a plan says, as data and as a table."""

import dataclasses
import io
import json
import math

from rich.console import Console
from rich.table import Table

__all__ = ["LeafPlan", "Rows"]


@dataclasses.dataclass(frozen=True)
class LeafPlan:
    """What a plan says of one parameter: plain data.

    Args:
        path: its path, joined by slashes.
        shape: its shape.
        dtype: its type.
        sharding: its layout, if it has one.
        nbytes: its size in bytes.
        initializer: what makes it.
        fan_in: the number of inputs, if the initializer asks for it.
        fan_out: the number of outputs, likewise.
        mean: the mean of the law, if it is known.
        stddev: the standard deviation, likewise.
        digest: what the path adds to the key.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.params import plan
        >>> spec = jax.ShapeDtypeStruct((64, 8), np.float32)
        >>> plan({"kernel": spec}, [("kernel", "lecun_normal")]).rows[0].stddev
        0.125
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    sharding: str | None
    nbytes: int
    initializer: str
    fan_in: int | None
    fan_out: int | None
    mean: float | None
    stddev: float | None
    digest: str


class Rows:
    """The views of a plan: text, a table, JSON. A plan has `rows` and `programs`."""

    @property
    def rows(self) -> list[LeafPlan]:
        """What will be made, a row for each parameter."""
        raise NotImplementedError

    @property
    def programs(self) -> int:
        """The number of distinct programs that `run` needs."""
        raise NotImplementedError

    @property
    def nbytes(self) -> int:
        """The bytes of all parameters."""
        return sum(row.nbytes for row in self.rows)

    def to_json(self) -> str:
        """The plan as JSON: the rows, and the totals."""
        return json.dumps(
            {
                "parameters": [dataclasses.asdict(row) for row in self.rows],
                "nbytes": self.nbytes,
                "programs": self.programs,
            }
        )

    def __rich__(self) -> Table:
        """The plan as a table."""
        table = Table(title="Initialization plan")
        for name in ("path", "shape", "dtype", "sharding"):
            table.add_column(name, overflow="fold")
        table.add_column("bytes", justify="right")
        table.add_column("initializer", overflow="fold")
        for name in ("fan_in", "fan_out", "mean", "stddev"):
            table.add_column(name, justify="right")
        table.add_column("digest")
        rows = self.rows
        for row in rows:
            table.add_row(
                row.path,
                str(row.shape),
                row.dtype,
                row.sharding or "",
                f"{row.nbytes:,}",
                row.initializer,
                *(shown(value) for value in (row.fan_in, row.fan_out, row.mean, row.stddev)),
                row.digest,
            )
        table.add_section()
        count = sum(math.prod(row.shape) for row in rows)
        table.add_row(
            f"{len(rows)} leaves",
            f"{count:,} elements",
            "",
            "",
            f"{self.nbytes:,}",
            f"{self.programs} programs",
        )
        return table

    def __str__(self) -> str:
        """The table as text."""
        console = Console(width=160, color_system=None)
        with console.capture() as captured:
            console.print(self)
        return captured.get()

    def _repr_html_(self) -> str:
        """The table for a notebook."""
        console = Console(width=160, record=True, file=io.StringIO())
        console.print(self)
        return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


def shown(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.4g}"

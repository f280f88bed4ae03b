"""What a plan says, as data and as a table."""

import dataclasses
import json
import math
from typing import Any

from rich.table import Table

from cthulhu.views import Grid, View, counted

COLUMNS = (
    *("path", "role", "shape", "dtype", "sharding", "bytes", "initializer"),
    *("fan_in", "fan_out", "fans from", "mean", "stddev", "digest"),
)
# The shape and the type tell the bytes; the rest is for whoever looks closer.
SPARE = frozenset({"bytes", "fans from", "role"})
ALWAYS = ("path", "shape", "dtype", "bytes", "initializer")
NUMBERS = frozenset({"bytes", "fan_in", "fan_out", "mean", "stddev"})


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
        role: what the parameter is, if the rules or a usage say so.
        fans_from: who says which axes are inputs and outputs: the ``"initializer"``, its
            ``"rule"``, the ``"use"`` by a function, the layout of all ``"rules"``, or nobody:
            ``"default"``. `None` if there are no fans.

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
    role: str | None = None
    fans_from: str | None = None


class Rows(View):
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
        """The plan as JSON: the rows and the totals, which `Plan.from_json` reads."""
        return json.dumps(self._record())

    def _record(self) -> dict[str, Any]:
        """The plan as data that JSON can hold."""
        return {
            "parameters": [dataclasses.asdict(row) for row in self.rows],
            "nbytes": self.nbytes,
            "programs": self.programs,
        }

    def table(self, *, digests: bool = False) -> Table:
        """The plan as a table, without the columns that would be empty.

        Args:
            digests: whether to show the digest of each path, from which its key follows.

        Returns:
            A table of the `rich` library.
        """
        return self._grid(digests=digests).table()

    def _grid(self, *, digests: bool = False) -> Grid:
        rows = self.rows
        told = any(row.fans_from not in (None, "default") for row in rows)
        cells = [
            {
                "path": row.path,
                "role": row.role or "",
                "shape": str(row.shape),
                "dtype": row.dtype,
                "sharding": row.sharding or "",
                "bytes": f"{row.nbytes:,}",
                "initializer": row.initializer,
                "fan_in": shown(row.fan_in),
                "fan_out": shown(row.fan_out),
                "fans from": (row.fans_from or "") if told else "",
                "mean": shown(row.mean),
                "stddev": shown(row.stddev),
                "digest": row.digest if digests else "",
            }
            for row in rows
        ]
        names = [name for name in COLUMNS if name in ALWAYS or any(cell[name] for cell in cells)]
        count = sum(math.prod(row.shape) for row in rows)
        totals = {
            "path": counted(len(rows), "leaf", "leaves"),
            "shape": counted(count, "element", "elements"),
            "bytes": f"{self.nbytes:,}",
            "initializer": counted(self.programs, "program", "programs"),
        }
        return Grid(
            "Initialization plan",
            names,
            [[cell[name] for name in names] for cell in cells],
            [totals.get(name, "") for name in names],
            NUMBERS,
            SPARE,
        )

    def __repr__(self) -> str:
        """The totals: the rows may be thousands."""
        rows = self.rows
        count = sum(math.prod(row.shape) for row in rows)
        return (
            f"<{type(self).__name__}: {counted(len(rows), 'leaf', 'leaves')}, "
            f"{counted(count, 'element', 'elements')}, {counted(self.nbytes, 'byte', 'bytes')}, "
            f"{counted(self.programs, 'program', 'programs')}>"
        )


def shown(value: float | None) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, int) else f"{value:.4g}"

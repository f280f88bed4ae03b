"""A model beside its base: the shapes of all parameters, as data and as a table."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from rich.table import Table

from cthulhu import checks
from cthulhu.mup._kind import Kind, Multipliers
from cthulhu.mup._kinds import KindLike, kind_of
from cthulhu.mup._leaf import ROLES, LeafShape
from cthulhu.mup._relative import MuP
from cthulhu.views import ByPath, Grid, counted

COLUMNS = ("std ×", "forward ×", "Adam ×", "SGD ×", "ε ×", "Muon ×")
NUMBERS = frozenset({"ninf", "m_in", "m_out", *COLUMNS})
SPARE = frozenset({"shape", "base", "ninf", "ε ×", "Muon ×"})


@dataclasses.dataclass(frozen=True, repr=False)
class Shapes(ByPath[LeafShape]):
    """Which dimensions of a model are infinite, and by how much they have grown.

    `infer` makes one. It is found by the path of a parameter, goes over all of them, and is a
    table when printed: what each has in kind ``"mup"``.

    Args:
        leaves: the parameters, in the order of their tree.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu import mup
        >>> def model(width):
        ...     spec = lambda *shape: jax.ShapeDtypeStruct(shape, np.float32)
        ...     return {"in": spec(8, width), "mid": spec(width, width), "out": spec(width, 2)}
        >>> shapes = mup.infer(model(64), model(256), layout="in_out")
        >>> [leaf.role for leaf in shapes], shapes["mid"].m_in
        (['input', 'hidden', 'output'], 4.0)
    """

    leaves: tuple[LeafShape, ...]

    def multipliers(self, kind: KindLike = "mup") -> dict[str, Multipliers]:
        """What each parameter has, by its path.

        Args:
            kind: the kind of parametrization.

        Returns:
            `Multipliers` for each.

        Raises:
            ValueError: `kind` is unknown, or has no rule for a parameter.

        Example:
            >>> leaf = LeafShape("kernel", (512, 512), (128, 128), "hidden", 4.0, 4.0)
            >>> Shapes((leaf,)).multipliers()["kernel"].adam
            0.25
        """
        found = kind_of("Shapes.multipliers", kind).multipliers(self.leaves)
        return {leaf.path: one for leaf, one in zip(self.leaves, found, strict=True)}

    def to_json(self) -> str:
        """The shapes as JSON, which `from_json` reads."""
        return json.dumps({"shapes": [dataclasses.asdict(leaf) for leaf in self.leaves]})

    @classmethod
    def from_json(cls, text: str) -> "Shapes":
        """Read what `to_json` wrote.

        Args:
            text: what `to_json` returned.

        Returns:
            Equal shapes.

        Raises:
            ValueError: `text` is not what `to_json` wrote.

        Example:
            >>> shapes = Shapes((LeafShape("bias", (512,), (128,), "input", m_out=4.0),))
            >>> Shapes.from_json(shapes.to_json()) == shapes
            True
        """
        with checks.from_json("Shapes"):
            records = json.loads(text)["shapes"]
            return cls(tuple(LeafShape(**frozen(record)) for record in records))

    def table(self, kind: KindLike = "mup") -> Table:
        """The table of a kind of parametrization: what each parameter has.

        Args:
            kind: the kind of parametrization.

        Returns:
            A table of the `rich` library.

        Raises:
            ValueError: as `multipliers`.
        """
        return self._grid(kind_of("Shapes.table", kind)).table()

    def _grid(self, kind: Kind | None = None) -> Grid:
        kind = MuP() if kind is None else kind
        found = kind.multipliers(self.leaves)
        known = [cells(leaf, one) for leaf, one in zip(self.leaves, found, strict=True)]
        names = ["path", "shape", "base", "role", "ninf", "m_in", "m_out"]
        names += [name for name in COLUMNS if any(one[name] for one in known)]
        rows = [[one[name] for name in names] for one in known]
        totals = [counted(len(rows), "leaf", "leaves"), *[""] * (len(names) - 1)]
        return Grid(f"Shapes, kind {kind.name!r}", names, rows, totals, NUMBERS, SPARE)

    def __repr__(self) -> str:
        """How many there are of each role."""
        roles = [leaf.role for leaf in self.leaves]
        known = [f"{roles.count(role)} {role}" for role in ROLES if role in roles]
        return f"<Shapes: {counted(len(roles), 'leaf', 'leaves')}: {', '.join(known)}>"


def check_shapes(owner: str, shapes: Any) -> None:
    """Refuse what is no `Shapes`, as a learning rate in its place."""
    if not isinstance(shapes, Shapes):
        raise TypeError(
            f"{owner}: shapes must be what mup.infer returned; got {shapes!r} of type "
            f"{type(shapes).__name__}"
        )


def frozen(record: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON holds as lists, as tuples."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in record.items()
    }


def cells(leaf: LeafShape, one: Multipliers) -> dict[str, str]:
    """What the table says of a parameter."""
    role = f"{leaf.role}, folded" if leaf.folded else str(leaf.role)
    return {
        "path": leaf.path,
        "shape": str(leaf.shape),
        "base": str(leaf.base_shape),
        "role": role,
        "ninf": str(leaf.ninf),
        "m_in": shown(leaf.m_in),
        "m_out": shown(leaf.m_out),
        "std ×": shown(one.std),
        "forward ×": "" if one.forward == 1 else shown(one.forward),
        "Adam ×": shown(one.adam),
        "SGD ×": shown(one.sgd),
        "ε ×": shown(one.eps),
        "Muon ×": shown(one.muon),
    }


def shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"

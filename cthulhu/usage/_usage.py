"""What is known of the parameters of a function: data, and its table."""

import dataclasses
import json
from collections import Counter
from typing import Any, Literal, TypeAlias, get_args

from cthulhu import checks
from cthulhu.fans import Fans, Layout
from cthulhu.trees import Frame
from cthulhu.views import ByPath, Grid, counted

Role: TypeAlias = Literal["kernel", "table", "scale", "bias", "token", "opaque", "unused"]
"""What a parameter is to the activations.

A ``kernel`` is contracted with them, a ``table`` is looked up by them, a ``scale`` multiplies
them and a ``bias`` is added to them, element by element; a ``token`` stands among them, as a
class token or an initial state. What else is done with a parameter is ``opaque``.
"""

ROLES: tuple[Role, ...] = get_args(Role)
NUMBERS = frozenset({"fan_in", "fan_out", "uses"})
SPARE = frozenset({"fan_out", "uses", "of"})


@dataclasses.dataclass(frozen=True)
class Use:
    """One place of a program where a parameter meets the activations.

    Args:
        role: what the parameter is there.
        operation: the operation of JAX, as ``"dot_general"``.
        inputs: the axes of the parameter that the activations are contracted with, or look
            up.
        outputs: the axes that remain in the result.
        batch: the axes that stack independent parameters, as experts.
        stacked: the axes of which a loop takes one layer after the other.
        groups: the groups of a convolution.
        times: how often the place is run with the same values: the steps of a loop around
            it that does not go through layers; `None` if the program does not tell.
        kernels: of a bias, the paths of the kernels to whose output it is added.
        where: the modules and functions around it, as JAX names them.
        why: what was done with an opaque parameter.
        loops: of each loop around, from the outermost, the axes that it takes layer by layer;
            none if it runs with the same values again.
        taken: the axes of which the program takes one layer by its number, as ``kernel[3]``
            does, each with that number.

    Example:
        >>> Use("kernel", "dot_general", (0,), (1,)).outputs
        (1,)
    """

    role: Role
    operation: str
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    batch: tuple[int, ...] = ()
    stacked: tuple[int, ...] = ()
    groups: int = 1
    times: int | None = 1
    kernels: tuple[str, ...] = ()
    where: str = ""
    why: str = ""
    loops: tuple[tuple[int, ...], ...] = ()
    taken: tuple[tuple[int, int], ...] = ()

    @property
    def axes(self) -> tuple[tuple[int, ...], ...]:
        """The axes of inputs, of outputs, of the batch, and of stacked layers."""
        return self.inputs, self.outputs, self.batch, self.stacked

    @property
    def goes_backwards(self) -> bool:
        """Whether it is part of a derivative that goes from outputs to inputs."""
        return "transpose(" in self.where


@dataclasses.dataclass(frozen=True)
class LeafUsage:
    """What one parameter is used as. Its axes are those that most of its uses have.

    Where two are as frequent, they are those of the first. Derivatives do not count.

    Args:
        path: its path, joined by slashes.
        shape: its shape.
        role: what it is to the activations; see `Role`.
        uses: every place where it meets them, in the order of the program.
        tied: whether it is used in two ways: as a table and as a kernel, or as a kernel
            with inputs and outputs changed. Derivatives, which go backwards, do not count.
        note: what could not be followed.

    Example:
        >>> use = Use("kernel", "dot_general", inputs=(0,), outputs=(1, 2))
        >>> LeafUsage("query/kernel", (512, 8, 64), "kernel", (use,)).fans
        Fans(fan_in=512, fan_out=512)
    """

    path: str
    shape: tuple[int, ...]
    role: Role
    uses: tuple[Use, ...] = ()
    tied: bool = False
    note: str = ""

    @property
    def inputs(self) -> tuple[int, ...]:
        """The axes that the activations are contracted with, or look up."""
        return self._first.inputs

    @property
    def outputs(self) -> tuple[int, ...]:
        """The axes that remain in the result."""
        return self._first.outputs

    @property
    def batch(self) -> tuple[int, ...]:
        """The axes that stack independent parameters, as experts."""
        return self._first.batch

    @property
    def stacked(self) -> tuple[int, ...]:
        """The axes of which a loop takes one layer after the other."""
        return self._first.stacked

    @property
    def field(self) -> tuple[int, ...]:
        """The receptive field, which are the spatial axes of a convolution, and none of these."""
        if self.role != "kernel":
            return ()
        named = sum(self._first.axes, ())
        return tuple(axis for axis in range(len(self.shape)) if axis not in named)

    @property
    def groups(self) -> int:
        """The groups of a convolution."""
        return self._first.groups

    @property
    def kernels(self) -> tuple[str, ...]:
        """Of a bias, the paths of the kernels to whose output it is added."""
        return self._first.kernels

    @property
    def layout(self) -> Layout | None:
        """The axes as initializers take them; `None` if the role has no fans, or tells none.

        A row of a table is read whole, so its fan_in is the number of its features.
        """
        first = self._first
        batch = (*first.batch, *first.stacked)
        if self.role == "table":
            return Layout(first.inputs, first.inputs, batch)
        axes = (*batch, *first.inputs, *first.outputs)
        if self.role != "kernel" or len(set(axes)) < len(axes):
            return None
        return Layout(first.inputs, first.outputs, batch, first.groups)

    @property
    def fans(self) -> Fans | None:
        """The numbers of inputs and outputs; `None` where there is no `layout`."""
        layout = self.layout
        return None if layout is None else layout.fans_of(self.path, self.shape)

    @property
    def _first(self) -> Use:
        """The first use, in the role of the whole, of those whose axes are the most frequent."""
        mine = [use for use in self.uses if use.role == self.role]
        mine = [use for use in mine if not use.goes_backwards] or mine
        counts = Counter(use.axes for use in mine)
        return max(mine, key=lambda use: counts[use.axes], default=NOWHERE)


NOWHERE = Use("unused", "")


@dataclasses.dataclass(frozen=True, repr=False)
class Usage(ByPath[LeafUsage]):
    """What the parameters of a function are used as: a table when printed.

    `infer` makes one. It is found by the path of a parameter, and goes over all of them.

    Args:
        leaves: the parameters, in the order of their tree.
        frame: that tree, which plays no part in comparisons.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from cthulhu import usage
        >>> kernel = jax.ShapeDtypeStruct((8, 4), jnp.float32)
        >>> found = usage.infer(lambda params, x: x @ params["kernel"].T, {"kernel": kernel},
        ...                     jnp.ones((2, 4)))
        >>> found["kernel"].role, found["kernel"].inputs, found["kernel"].outputs
        ('kernel', (1,), (0,))
    """

    leaves: tuple[LeafUsage, ...]
    frame: Frame | None = dataclasses.field(default=None, compare=False)

    def to_json(self) -> str:
        """The usage as JSON, which `from_json` reads."""
        return json.dumps({"usage": self.to_record()})

    def to_record(self) -> list[dict[str, Any]]:
        """The usage as data that JSON can hold."""
        return [dataclasses.asdict(leaf) for leaf in self.leaves]

    @classmethod
    def from_record(cls, record: list[dict[str, Any]]) -> "Usage":
        """The usage that `to_record` wrote."""
        return cls(tuple(map(leaf_from, record)))

    @classmethod
    def from_json(cls, text: str) -> "Usage":
        """Read what `to_json` wrote: the same parameters, in a tree of dicts.

        Raises:
            ValueError: `text` is not what `to_json` wrote.
        """
        with checks.from_json("Usage"):
            return cls.from_record(json.loads(text)["usage"])

    def _grid(self) -> Grid:
        names = ["path", "shape", "role", "inputs", "outputs", "batch", "stacked", "fan_in"]
        names += ["fan_out", "uses", "of", "note"]
        rows = [[cells(leaf)[name] for name in names] for leaf in self.leaves]
        kept = [at for at in range(len(names)) if at < 3 or any(row[at] for row in rows)]
        names, rows = [names[at] for at in kept], [[row[at] for at in kept] for row in rows]
        totals = [counted(len(rows), "leaf", "leaves"), *[""] * (len(names) - 1)]
        return Grid("Usage", names, rows, totals, NUMBERS, SPARE)

    def __repr__(self) -> str:
        """How many there are of each role."""
        roles = [leaf.role for leaf in self.leaves]
        known = [f"{roles.count(role)} {role}" for role in ROLES if role in roles]
        return f"<Usage: {counted(len(roles), 'leaf', 'leaves')}: {', '.join(known)}>"


def leaf_from(record: dict[str, Any]) -> LeafUsage:
    """The parameter that a record of JSON tells of."""
    uses = tuple(
        Use(**{name: frozen(value) for name, value in use.items()}) for use in record["uses"]
    )
    known = {name: frozen(value) for name, value in record.items()}
    return LeafUsage(**{**known, "uses": uses})


def frozen(value: Any) -> Any:
    """What JSON holds as lists, as tuples."""
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def cells(leaf: LeafUsage) -> dict[str, str]:
    """What the table says of a parameter."""
    fans = leaf.fans
    return {
        "path": leaf.path,
        "shape": str(leaf.shape),
        "role": f"{leaf.role}, tied" if leaf.tied else leaf.role,
        "inputs": axes_text(leaf.inputs),
        "outputs": axes_text(leaf.outputs),
        "batch": axes_text(leaf.batch),
        "stacked": axes_text(leaf.stacked),
        "fan_in": "" if fans is None else str(fans.fan_in),
        "fan_out": "" if fans is None else str(fans.fan_out),
        "uses": str(len(leaf.uses)),
        "of": ", ".join(leaf.kernels),
        "note": leaf.note,
    }


def axes_text(axes: tuple[int, ...]) -> str:
    return ", ".join(map(str, axes))

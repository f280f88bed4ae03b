"""`plan`: the dry run of an initialization, which can be read, saved and run."""

import dataclasses
import io
import json
from collections.abc import Iterator
from typing import Any

import jax
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cthulhu import extend
from cthulhu.fans import compute_fans
from cthulhu.params import making
from cthulhu.params.leaves import Leaf, Stacked, leaves_of
from cthulhu.params.moments import moments
from cthulhu.params.paths import join, leaf_keys
from cthulhu.random import path_digest

__all__ = ["LeafPlan", "Plan", "init_params", "plan"]

FAN_AXES = ("in_axis", "out_axis", "batch_axis")


@dataclasses.dataclass(frozen=True)
class LeafPlan:
    """What a plan says of one parameter: plain data.

    Example:
        >>> import jax, numpy as np
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


def describe(leaf: Leaf) -> LeafPlan:
    """The row of one leaf."""
    initializer, given = leaf.unbound
    known = {**(getattr(initializer, "__kwdefaults__", None) or {}), **given}
    axes: list[Any] = [known.get(name, getattr(initializer, name, None)) for name in FAN_AXES]
    fans = None
    if leaf.draw is not None and None not in axes:
        fans = compute_fans(leaf.layer_shape, *axes)
    expected = None if leaf.draw is None else moments(leaf.draw)
    called = getattr(initializer, "__name__", None) or repr(initializer)
    if given:
        called += f"({', '.join(f'{name}={value!r}' for name, value in given.items())})"
    spec = getattr(leaf.sharding, "spec", leaf.sharding)
    return LeafPlan(
        path=join(leaf.path),
        shape=leaf.shape,
        dtype=str(leaf.dtype),
        sharding=None if leaf.sharding is None else str(spec),
        nbytes=leaf.nbytes,
        initializer=called,
        fan_in=None if fans is None else fans.fan_in,
        fan_out=None if fans is None else fans.fan_out,
        mean=None if expected is None else expected.mean + 0.0,
        stddev=None if expected is None else float(f"{expected.stddev:.6g}"),
        digest="".join(f"{word:08x}" for word in path_digest(leaf.path)),
    )


@dataclasses.dataclass(frozen=True)
class Plan:
    """An initialization that has been checked, but not run. Made by `plan`."""

    leaves: tuple[Leaf, ...]
    structure: Any

    @property
    def rows(self) -> list[LeafPlan]:
        """What will be made, a row for each parameter."""
        return [describe(leaf) for leaf in self.leaves]

    @property
    def nbytes(self) -> int:
        """The bytes of all parameters."""
        return sum(leaf.nbytes for leaf in self.leaves)

    @property
    def programs(self) -> int:
        """The number of distinct programs that `run` needs."""
        return making.count_programs(self.leaves)

    def run(self, key: Any, *, progress: bool = False) -> Any:
        """Make all parameters.

        Args:
            key: one PRNG key of any implementation, or an integer seed; it may be
                traced.
            progress: whether to show a bar.

        Returns:
            The tree that was planned, holding arrays.

        Raises:
            TypeError, ValueError: `key` is neither a single key nor a seed.
        """
        words = leaf_keys("init_params", key, [leaf.path for leaf in self.leaves])
        if extend.under_trace():
            return jax.tree.unflatten(self.structure, making.make_traced(self.leaves, words))
        values = []
        with Progress(transient=True, disable=not progress) as bar:
            task = bar.add_task("Initializing", total=max(1, self.nbytes))
            for leaf, value in zip(self.leaves, making.make(self.leaves, words), strict=True):
                values.append(value)
                bar.advance(task, leaf.nbytes)
        return jax.tree.unflatten(self.structure, values)

    def stream(self, key: Any) -> Iterator[tuple[str, Any]]:
        """Make the parameters one at a time, for a model larger than memory.

        Args:
            key: as for `run`; the values are the same.

        Yields:
            The path of a parameter, joined by slashes, and its array. Only one
            parameter is held at a time.
        """
        words = leaf_keys("Plan.stream", key, [leaf.path for leaf in self.leaves])
        values = making.make(self.leaves, words)
        for leaf in self.leaves:  # A zip would hold an array while the next is made.
            yield join(leaf.path), next(values)

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
        for row in self.rows:
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
        count = sum(leaf.nbytes // max(1, leaf.dtype.itemsize) for leaf in self.leaves)
        table.add_row(
            f"{len(self.leaves)} leaves",
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


def plan(tree: Any, rules: Any, *, shardings: Any = None, stacked: Stacked = None) -> Plan:
    """Check an initialization by rules, and say what it will do, without doing it.

    Args:
        tree: a pytree of `jax.ShapeDtypeStruct` or arrays, of any framework, as
            ``jax.eval_shape(model.init, key, inputs)["params"]``.
        rules: `Rules`, or what they are made of.
        shardings: a sharding, or a pytree of them that is a prefix of `tree`;
            default: those that the leaves bring along.
        stacked: the axis along which leaves stack layers, for all leaves or by
            path regex, as ``{"layers/.*": 0}``. Each layer has a key of its own,
            and is initialized as if it stood alone.

    Returns:
        A `Plan`: a table when printed, `rows` as data, `run(key)` to do it and
        `stream(key)` to do it a leaf at a time.

    Raises:
        ValueError: a parameter matches no rule, a rule matches no parameter, a
            sharding does not divide a shape, or an initializer does not take one.
        TypeError: a leaf is not an array, or not of a type that its initializer
            makes.

    Example:
        >>> import jax, numpy as np
        >>> spec = jax.ShapeDtypeStruct((4, 8), np.float32)
        >>> plan({"a": spec, "b": spec}, [(".*", "he_normal")]).programs
        1
    """
    leaves, structure = leaves_of("plan", tree, rules, shardings, stacked)
    return Plan(tuple(leaves), structure)


def init_params(
    key: Any,
    tree: Any,
    rules: Any,
    *,
    shardings: Any = None,
    stacked: Stacked = None,
    progress: bool = False,
) -> Any:
    """Initialize the parameters of any model by rules on their paths.

    The key of a parameter follows from `key` and its path alone, so adding,
    removing or reordering others changes nothing. The values depend neither on
    the mesh, nor on the number of processes, nor on the key implementation that
    `jax_default_prng_impl` names. Elementwise laws on the host share one program,
    whatever the shapes.

    Args:
        key: one PRNG key of any implementation, or an integer seed; it may be
            traced.
        tree: a pytree of `jax.ShapeDtypeStruct` or arrays, of any framework.
        rules: `Rules`, or what they are made of.
        shardings: a sharding, or a pytree of them that is a prefix of `tree`;
            default: those that the leaves bring along. Each device makes its own
            part alone.
        stacked: the axis along which leaves stack layers, for all leaves or by
            path regex, as ``{"layers/.*": 0}``.
        progress: whether to show a bar.

    Returns:
        A tree like `tree`, of arrays.

    Raises:
        ValueError, TypeError: as `plan`; nothing has been made then. Or `key` is
            neither a single key nor a seed.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.params import Rules
        >>> spec = lambda *shape: jax.ShapeDtypeStruct(shape, np.float32)
        >>> tree = {"dense": {"kernel": spec(4, 8), "bias": spec(8)}}
        >>> rules = Rules([(".*/kernel", "he_normal"), (".*/bias", "zeros")])
        >>> params = init_params(jax.random.key(0), tree, rules)
        >>> again = init_params(0, {"dense": {"kernel": spec(4, 8)}}, rules.rules[:1])
        >>> bool(np.array_equal(params["dense"]["kernel"], again["dense"]["kernel"]))
        True
    """
    leaves, structure = leaves_of("init_params", tree, rules, shardings, stacked)
    return Plan(tuple(leaves), structure).run(key, progress=progress)

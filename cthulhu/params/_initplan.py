"""`InitPlan`: the dry run of a model's own init function."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import jax
import numpy as np
from jax.typing import ArrayLike

from cthulhu import checks
from cthulhu._types import Array, KeyLike, PyTree
from cthulhu.params import _naming as naming
from cthulhu.params._rows import LeafPlan, Rows
from cthulhu.random import from_seed, path_digest
from cthulhu.tracing._graph import Literal, is_key
from cthulhu.tracing._launch import Launch
from cthulhu.tracing._trace import Args, Kwargs, Traces, fast_init
from cthulhu.trees import Path, join

Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True, repr=False)
class InitPlan(Rows, Generic[Result]):
    """What `fast_init` will do for an init function and its arguments. Made by `plan`.

    Args:
        function: what `fast_init` returned.
        args: the arguments of the call.
        kwargs: its keyword arguments.

    Example:
        >>> import jax
        >>> from cthulhu.params import plan
        >>> planned = plan(lambda key: jax.random.normal(key, (8, 8)), jax.random.key(0))
        >>> planned.nbytes, planned.run().nbytes
        (256, 256)
    """

    function: Callable[..., Result]
    args: Args
    kwargs: Kwargs

    @property
    def rows(self) -> list[LeafPlan]:
        """What will be made, a row for each leaf of the result.

        The names are this library's, for the laws that were traced: of a named
        initializer, where the law is its law for the shape that was drawn, with the
        default axes. The fans are those of that shape, to read the name by: which axes
        the init function itself counted is not known.
        """
        launch, _ = self._launch(self.args, self.kwargs, dry=True)
        return [row(launch, at, path) for at, path in enumerate(launch.paths())]

    @property
    def nbytes(self) -> int:
        """The bytes of all parameters."""
        launch, _ = self._launch(self.args, self.kwargs, dry=True)
        return sum(aval.size * aval.dtype.itemsize for aval in launch.avals())

    @property
    def programs(self) -> int:
        """The number of distinct programs that `run` needs."""
        return self._launch(self.args, self.kwargs, dry=True)[0].count()

    def run(self, key: KeyLike | None = None) -> Result:
        """Make all parameters.

        Args:
            key: one PRNG key or an integer seed, which takes the place of the first
                key among the arguments; default: that key itself.

        Returns:
            What the init function returns.

        Raises:
            TypeError, ValueError: `key` is neither a single key nor a seed, or there
                was none among the arguments.
        """
        args, kwargs = self._with_key(key)
        return self.function(*args, **kwargs)

    def stream(self, key: KeyLike | None = None) -> Iterator[tuple[str, Array]]:
        """Make the leaves one at a time, for a model larger than memory.

        Args:
            key: as for `run`; the values are the same.

        Yields:
            The path of a leaf, joined by slashes, and its array.
        """
        paths, values = self.made(key)
        for path in paths:  # A zip would hold an array while the next is made.
            yield join(path), next(values)

    def made(self, key: KeyLike | None) -> tuple[list[Path], Iterator[Array]]:
        """The paths of the leaves, and the leaves, each made when it is asked for."""
        launch, arguments = self._launch(*self._with_key(key))
        return launch.paths(), launch.stream(arguments)

    def _launch(
        self, args: Args, kwargs: Kwargs, *, dry: bool = False
    ) -> tuple[Launch, list[ArrayLike]]:
        traces: Traces = self.function.traces  # type: ignore[attr-defined]
        return traces.launch(args, kwargs, dry=dry)

    def _with_key(self, key: KeyLike | None) -> tuple[Args, Kwargs]:
        """The arguments, with another key."""
        if key is None:
            return self.args, self.kwargs
        if isinstance(key, int | np.integer) and not isinstance(key, bool):
            key = from_seed(int(key))
        checks.single_key("InitPlan.run", key)
        leaves, tree = jax.tree.flatten((self.args, self.kwargs))
        for at, leaf in enumerate(leaves):
            if is_key_argument(leaf):
                leaves[at] = key
                args, kwargs = jax.tree.unflatten(tree, leaves)
                return args, kwargs
        raise TypeError(
            "InitPlan.run: a key was given, and there is none among the arguments of the plan "
            "that it could take the place of"
        )


def is_key_argument(leaf: object) -> bool:
    """Whether an argument is a key, or the shape of one."""
    if not isinstance(leaf, jax.ShapeDtypeStruct):
        return checks.is_key(leaf)
    return is_key(leaf) or (leaf.dtype == np.uint32 and leaf.shape == (2,))


def init_plan(
    function: Callable[..., Result], shardings: PyTree, args: Args, kwargs: Kwargs
) -> InitPlan[Result]:
    """The plan of an init function, wrapped by `fast_init` already or not."""
    if not hasattr(function, "traces"):
        function = fast_init(function, out_shardings=shardings)
    elif shardings is not None:
        raise ValueError(
            "plan: the function comes from fast_init, which has its own out_shardings; "
            "pass them there"
        )
    made = InitPlan(function, args, kwargs)
    made.programs  # noqa: B018 - tracing shows what is wrong with the function
    return made


def row(launch: Launch, at: int, path: Path) -> LeafPlan:
    """The row of one leaf."""
    aval, law, sharding = launch.output_aval(at), describe(launch, at), launch.shardings[at]
    return LeafPlan(
        path=join(path),
        shape=tuple(aval.shape),
        dtype=str(aval.dtype),
        sharding=None if sharding is None else str(getattr(sharding, "spec", sharding)),
        nbytes=aval.size * aval.dtype.itemsize,
        initializer=law.name,
        fan_in=None if law.fans is None else law.fans.fan_in,
        fan_out=None if law.fans is None else law.fans.fan_out,
        mean=law.mean,
        stddev=law.stddev,
        digest="".join(f"{word:08x}" for word in path_digest(path)),
    )


def describe(launch: Launch, at: int) -> naming.Law:
    """What makes a leaf."""
    ref = launch.graph.outputs[at]
    if isinstance(ref, Literal):
        return naming.constant(ref.value)
    if ref in launch.fills:
        return naming.constant(launch.fills[ref])
    traced = launch.laws.get(ref)
    return (
        naming.Law("program")
        if traced is None
        else naming.name(traced, launch.output_aval(at).dtype)
    )

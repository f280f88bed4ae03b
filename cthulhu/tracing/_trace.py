"""`fast_init`: a model's own init function, with its programs compiled once."""

import functools
import inspect
import threading
from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Sharding
from jax.typing import ArrayLike

from cthulhu import compat
from cthulhu._types import Jitted, KeyPath, PyTree
from cthulhu.caches import Recent
from cthulhu.programs._build import watcher
from cthulhu.programs._jobs import compiling_ahead
from cthulhu.programs._placement import committed, leaf_shardings
from cthulhu.tracing._graph import Graph
from cthulhu.tracing._launch import Launch
from cthulhu.trees import Frame, frame_of

LIMIT = 64  # Plans that one wrapped function keeps.

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

Args: TypeAlias = tuple[Any, ...]
Kwargs: TypeAlias = dict[str, Any]


def fast_init(
    init_fn: Callable[Arguments, Result], *, out_shardings: PyTree = None
) -> Callable[Arguments, Result]:
    """Wrap an init function so that it compiles little, once, and makes the same bits.

    The result is that of ``jax.jit(init_fn, out_shardings=out_shardings)``, bit
    for bit. The function is traced, and what no output needs is dropped, so no
    forward pass runs. Keys are derived on the host. The rest falls apart into
    the draws of single parameters: those that are the same up to their keys
    share one compiled program, which later calls and other models use again. An
    initialization that depends on data stays whole, and stays correct. Under
    another JAX transformation `init_fn` is called as it stands.

    Args:
        init_fn: a pure function to a pytree of arrays: `model.init` of flax.linen
            or Haiku, or one that builds a model of any framework and returns its
            arrays, or an `equinox.Module`. It may be called with any arguments.
            Arrays, keys and numbers are traced, as by `jax.jit`; all else
            (strings, flags, functions, configurations) is static, and must be
            hashable. A `jax.ShapeDtypeStruct` stands for an array that only the
            forward pass reads.
        out_shardings: where the results go: `None`, a sharding for all of them,
            or a pytree of shardings that is a prefix of the result's. Each device
            makes its own part and nothing else.

    Returns:
        A function with the signature of `init_fn`. An `equinox.Module` comes back
        whole: its arrays made, its functions, flags and numbers as they are.

    Raises:
        TypeError: `init_fn` is not callable; and, when called, an output is not
            an array, an argument is neither an array nor hashable, or the result
            depends on the values of a `jax.ShapeDtypeStruct`.
        ValueError: when called, `init_fn` has side effects, `out_shardings` does
            not match the result, or one of them does not divide its shape.

    Example:
        >>> import flax.linen as nn, jax, jax.numpy as jnp, numpy as np
        >>> model = nn.Sequential([nn.Dense(8), nn.relu, nn.Dense(2)])
        >>> key, inputs = jax.random.key(0), jnp.ones((1, 4))
        >>> fast = fast_init(model.init)(key, inputs)
        >>> same = jax.tree.map(np.array_equal, fast, jax.jit(model.init)(key, inputs))
        >>> all(jax.tree.leaves(same))
        True
    """
    if not callable(init_fn):
        raise TypeError(
            "fast_init: init_fn must be a function, as model.init is; "
            f"got {init_fn!r} of type {type(init_fn).__name__}"
        )
    traces = Traces(init_fn, out_shardings)

    @functools.wraps(init_fn)
    def initialize(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        if compat.under_trace():
            given, named = traces.stood_in(args, kwargs)
            return init_fn(*given, **named)
        launch, arguments = traces.launch(args, kwargs)
        result: Result = launch.run(arguments)
        return result

    initialize.traces = traces  # type: ignore[attr-defined]
    return initialize


def count_programs(function: Callable[..., PyTree], *args: object, **kwargs: object) -> int:
    """The number of programs that a call of a wrapped function needs compiled.

    Args:
        function: what `fast_init` returned.
        *args: the arguments of the call.
        **kwargs: its keyword arguments.

    Returns:
        The number of distinct programs, whether they are compiled yet or not.

    Raises:
        TypeError: `function` does not come from `fast_init`.

    Example:
        >>> import jax
        >>> init = lambda key: [jax.random.normal(k, (8, 8)) for k in jax.random.split(key, 10)]
        >>> count_programs(fast_init(init), jax.random.key(0))
        1
    """
    traces = getattr(function, "traces", None)
    if not isinstance(traces, Traces):
        raise TypeError(
            f"count_programs: function must be what fast_init returned; got {function!r}"
        )
    return traces.launch(args, kwargs, dry=True)[0].count()


class Traces:
    """The traced forms of one init function, one for each kind of arguments."""

    def __init__(self, function: Callable[..., PyTree], out_shardings: PyTree) -> None:
        self.function = function
        self.out_shardings = out_shardings
        self.lock = threading.Lock()
        self.jitted: Recent[Jitted] = Recent(LIMIT)
        self.launches: Recent[tuple[compat.ClosedJaxpr, Launch]] = Recent(LIMIT)

    def launch(
        self, args: Args, kwargs: Kwargs, *, dry: bool = False
    ) -> tuple[Launch, list[ArrayLike]]:
        """What to run for these arguments, and the arrays among them.

        A dry run needs no more of an argument than its shape.
        """
        # XLA compiles in threads, while the rest of the function is traced.
        ahead = not dry and self.out_shardings is None
        token = watcher.set(compiling_ahead() if ahead else lambda draw: None)
        try:
            launch, dynamic = self.prepared(args, kwargs)
        finally:
            watcher.reset(token)
        if not dry:
            self.check_given(launch.graph, args, kwargs)
        return launch, dynamic

    def prepared(self, args: Args, kwargs: Kwargs) -> tuple[Launch, list[ArrayLike]]:
        """What to run for arguments of this kind, remembered."""
        leaves, tree = jax.tree.flatten((args, kwargs))
        static = {at: leaf for at, leaf in enumerate(leaves) if not is_dynamic(leaf)}
        dynamic = [leaf for at, leaf in enumerate(leaves) if at not in static]
        kind = (tree, tuple((at, type(leaf), leaf) for at, leaf in static.items()))
        try:
            hash(kind)
        except TypeError:
            for leaf in static.values():
                check_hashable(leaf)
            raise
        place = committed(dynamic)
        with self.lock:
            jitted = self.jitted.get(kind, lambda: self.jit(tree, static))
            # JAX keeps the trace for as long as nothing it depends on changes.
            traced = jitted.trace(*dynamic)
            key = (id(traced.jaxpr), place, jax.sharding.get_mesh())
            _, launch = self.launches.get(key, lambda: (traced.jaxpr, self.prepare(traced, place)))
        return launch, dynamic

    def check_given(self, graph: Graph, args: Args, kwargs: Kwargs) -> None:
        """Refuse a shape where values are needed."""
        found = jax.tree_util.tree_leaves_with_path((args, kwargs))
        dynamic = [item for item in found if is_dynamic(item[1])]
        for ref, (path, leaf) in zip(graph.inputs, dynamic, strict=True):
            if isinstance(leaf, jax.ShapeDtypeStruct) and ref in graph.needed:
                raise TypeError(
                    f"fast_init: the argument {name_of(self.function, path)} is a "
                    "jax.ShapeDtypeStruct, and the result depends on its values; pass an array. "
                    "Shapes are enough for what the forward pass alone reads"
                )

    def stood_in(self, args: Args, kwargs: Kwargs) -> tuple[Args, Kwargs]:
        """The arguments with zeros for shapes, whose values nothing needs."""
        leaves, tree = jax.tree.flatten((args, kwargs))
        if not any(isinstance(leaf, jax.ShapeDtypeStruct) for leaf in leaves):
            return args, kwargs
        static = {at: leaf for at, leaf in enumerate(leaves) if not is_dynamic(leaf)}
        dynamic = [leaf for at, leaf in enumerate(leaves) if at not in static]
        self.check_given(Graph(self.jit(tree, static).trace(*dynamic).jaxpr), args, kwargs)
        filled = [
            jnp.zeros(leaf.shape, leaf.dtype) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf
            for leaf in leaves
        ]
        args, kwargs = jax.tree.unflatten(tree, filled)
        return args, kwargs

    def jit(self, tree: jax.tree_util.PyTreeDef, static: dict[int, object]) -> Jitted:
        """The function of the arrays among the arguments."""

        def function(*dynamic: jax.Array) -> tuple[list[ArrayLike], Frame]:
            rest = iter(dynamic)
            leaves = [static[at] if at in static else next(rest) for at in range(tree.num_leaves)]
            args, kwargs = jax.tree.unflatten(tree, leaves)
            return split(self.function(*args, **kwargs))

        function.__name__ = getattr(self.function, "__name__", "init_fn")
        return jax.jit(function)

    def prepare(self, traced: jax.stages.Traced, place: Sharding | None) -> Launch:
        """Plan the programs."""
        check_effects(traced.jaxpr)
        shapes, frame = traced.out_info
        shardings = leaf_shardings(self.out_shardings, frame.alone(shapes))
        return Launch(Graph(traced.jaxpr), frame, [s or place for s in shardings])


def split(result: PyTree) -> tuple[list[ArrayLike], Frame]:
    """The arrays of a result, and what they are put into again."""
    frame = frame_of(result)
    found = frame.parameters(jax.tree_util.tree_leaves_with_path(result))
    for path, leaf in found:
        check_output(path, leaf)
    return [leaf for _, leaf in found], frame


def check_output(path: KeyPath, leaf: object) -> None:
    if isinstance(leaf, jax.Array | np.ndarray | np.generic | bool | int | float | complex):
        return
    raise TypeError(
        "fast_init: init_fn must return a pytree of arrays; "
        f"got {leaf!r} of type {type(leaf).__name__} at result{jax.tree_util.keystr(path)}. "
        "Return the arrays alone, as nnx.state(model) does, or an equinox.Module that holds it"
    )


def is_dynamic(leaf: object) -> bool:
    """Whether an argument is traced: arrays, their shapes, keys and numbers, but no flags."""
    if isinstance(leaf, bool):
        return False
    arrays = jax.Array | jax.ShapeDtypeStruct | np.ndarray | np.generic
    return isinstance(leaf, arrays | int | float | complex)


def check_hashable(leaf: object) -> None:
    try:
        hash(leaf)
    except TypeError:
        raise TypeError(
            "fast_init: an argument that is no array is static, and must be hashable; "
            f"got {leaf!r} of type {type(leaf).__name__}. Bind it beforehand: "
            "fast_init(functools.partial(init_fn, name=value))"
        ) from None


def name_of(function: Callable[..., PyTree], path: KeyPath) -> str:
    """An argument as the caller knows it: by the name of its parameter, where it has one."""
    (place, *inner), keyword = path[1:], path[0].idx == 1
    rest = jax.tree_util.keystr(tuple(inner))
    if keyword:
        return f"{place.key}{rest}"
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    if place.idx < len(parameters) and parameters[place.idx].kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
    ):
        return f"{parameters[place.idx].name}{rest}"
    return f"args[{place.idx}]{rest}"


def check_effects(jaxpr: "compat.ClosedJaxpr") -> None:
    """Refuse what would run another number of times, in another order, or never."""
    visible = [e for e in jaxpr.effects if type(e).__name__ != "InternalMutableArrayEffect"]
    if visible:
        listed = ", ".join(sorted({str(effect) for effect in visible}))
        raise ValueError(
            f"fast_init: init_fn must have no side effects; got {listed}. Take out its "
            "callbacks and prints (jax.debug.print, io_callback), or use jax.jit(init_fn)"
        )

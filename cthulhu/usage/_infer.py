"""`infer`: what a function uses its parameters as."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from cthulhu._types import PyTree
from cthulhu.trees import Frame, Path, flatten, frame_of, is_array, join
from cthulhu.usage._recorder import Recorder
from cthulhu.usage._usage import NOWHERE, LeafUsage, Usage, Use
from cthulhu.usage._values import DATA, FIXED, Kind, Place, Value
from cthulhu.usage._views import whole
from cthulhu.usage._walk import walk

OWNER = "usage.infer"


def infer(fn: Callable[..., Any], params: PyTree, *args: Any, **kwargs: Any) -> Usage:
    """Read off a function which axes of its parameters are inputs, outputs and stacks.

    The function is traced, and never run. Each parameter is followed through whatever
    moves its elements (transposes, reshapes, slices, casts, loops, branches, calls) to
    every place where it meets the activations.

    Args:
        fn: any function ``(params, *args, **kwargs)`` of a tree of parameters: the
            ``apply`` of a model of linen or Haiku, a module of Equinox that is called, what
            merges a state of nnx, a loss. It must take the parameters as its first
            argument, and not capture them.
        params: the parameters, or their `jax.ShapeDtypeStruct`: a pytree of any framework.
        *args: the other arguments: arrays or their shapes. What is neither, as a flag, is
            given to the function as it is.
        **kwargs: likewise.

    Returns:
        A `Usage`: for each parameter its role, its axes of inputs, outputs, batch and
        stacked layers, every place where it is used, and what could not be followed.

    Raises:
        TypeError: `fn` is no function, or `params` has leaves that are no arrays.
        ValueError: none of the parameters is used.

    Example:
        A projection to 8 heads of 4, whose kernel has two axes of outputs:

        >>> import jax, jax.numpy as jnp
        >>> def project(params, x):
        ...     return jnp.einsum("bsd,dhk->bshk", x, params["kernel"]) + params["bias"]
        >>> shape = lambda *sizes: jax.ShapeDtypeStruct(sizes, jnp.float32)
        >>> tree = {"kernel": shape(32, 8, 4), "bias": shape(8, 4)}
        >>> found = infer(project, tree, shape(2, 5, 32))
        >>> found["kernel"].inputs, found["kernel"].outputs, found["kernel"].fans
        ((0,), (1, 2), Fans(fan_in=32, fan_out=32))
        >>> found["bias"].role, found["bias"].kernels
        ('bias', ('kernel',))
    """
    program = traced(OWNER, fn, params, args, kwargs)
    return summed_up(OWNER, program, uses_of(program))


class Traced(NamedTuple):
    """A function as a jaxpr, whose first inputs are the parameters."""

    jaxpr: Any
    paths: list[Path]
    leaves: list[Any]
    inputs: list[Any]
    """What the other inputs are like."""
    frame: Frame
    """What is around the parameters in their tree."""


def traced(
    owner: str,
    fn: Callable[..., Any],
    params: PyTree,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Traced:
    """A function of parameters and of whatever else has a shape, as a jaxpr."""
    if not callable(fn):
        raise TypeError(f"{owner}: fn must be a function (params, *args); got {fn!r}")
    frame = frame_of(params)
    every_path, everything, _ = flatten(params)
    paths, leaves = frame.parameters(every_path), frame.parameters(everything)
    for path, leaf in zip(paths, leaves, strict=True):
        if not is_array(leaf):
            raise TypeError(
                f"{owner}: the leaf {join(path)!r} must be an array or a "
                f"jax.ShapeDtypeStruct; got {leaf!r} of type {type(leaf).__name__}"
            )
    rest, structure = jax.tree.flatten((args, kwargs))
    arrays = [at for at, leaf in enumerate(rest) if is_array(leaf)]

    def flat(known: Sequence[Any], given: Sequence[Any]) -> Any:
        everything = list(rest)
        for at, value in zip(arrays, given, strict=True):
            everything[at] = value
        positional, named = jax.tree.unflatten(structure, everything)
        return fn(frame.fill(known), *positional, **named)

    inputs = [spec(rest[at]) for at in arrays]
    jaxpr = jax.make_jaxpr(flat)([spec(leaf) for leaf in leaves], inputs)
    return Traced(jaxpr, paths, leaves, inputs, frame)


def spec(leaf: Any) -> Any:
    """What an array is like; a value is not needed."""
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)


def uses_of(traced: Traced) -> dict[tuple[int, Place], Use]:
    """Every use of a parameter, by the parameter's number and the place in the program."""
    shapes = [tuple(leaf.shape) for leaf in traced.leaves]
    recorder = Recorder(shapes)
    given = [Value(Kind.LEAF, (whole(at, shape),)) for at, shape in enumerate(shapes)]
    keys = [jnp.issubdtype(one.dtype, jax.dtypes.prng_key) for one in traced.inputs]
    data = [FIXED if is_key else DATA for is_key in keys]
    recorder.returned(walk(recorder, traced.jaxpr, [*given, *data]))
    names = list(map(join, traced.paths))
    return {key: named(use, names) for key, use in recorder.uses.items()}


def summed_up(owner: str, traced: Traced, found: Mapping[tuple[int, Place], Use]) -> Usage:
    """The usage of all parameters, of their uses."""
    if traced.leaves and not found:
        raise ValueError(
            f"{owner}: the function uses none of the parameters. They must be its first "
            "argument; does it capture them instead?"
        )
    uses: dict[int, list[Use]] = {at: [] for at in range(len(traced.leaves))}
    for (leaf, _), use in sorted(found.items(), key=lambda item: item[0][1]):
        uses[leaf].append(use)
    leaves = tuple(
        summary(join(path), tuple(leaf.shape), tuple(uses[at]))
        for at, (path, leaf) in enumerate(zip(traced.paths, traced.leaves, strict=True))
    )
    return Usage(leaves, frame=traced.frame)


def named(use: Use, names: list[str]) -> Use:
    """A use whose kernels are known by their paths."""
    return dataclasses.replace(use, kernels=tuple(names[int(one)] for one in use.kernels))


def summary(path: str, shape: tuple[int, ...], uses: tuple[Use, ...]) -> LeafUsage:
    """What a parameter is, of all that it is used as."""
    known = [use for use in uses if use.role != "opaque"]
    first = known[0] if known else uses[0] if uses else NOWHERE
    # What goes backwards to an input, as in a force or an inner step, ties a kernel to nothing.
    forwards = [use for use in known if not use.goes_backwards]
    ways = {(use.role, use.axes) for use in forwards if use.role in ("kernel", "table")}
    leaf = LeafUsage(path, shape, first.role, uses, len(ways) > 1)
    return dataclasses.replace(leaf, note=note(leaf))


def note(leaf: LeafUsage) -> str:
    """What could not be followed."""
    texts = list(dict.fromkeys(use.why for use in leaf.uses if use.why))
    if leaf.role == "kernel":
        for axis in sorted({*leaf.inputs} & {*leaf.outputs}):
            texts.append(f"axis {axis} is inputs and outputs")
        for axis in sorted({*leaf.inputs, *leaf.outputs} & {*leaf.batch, *leaf.stacked}):
            texts.append(f"axis {axis} is a stack, and inputs or outputs")
    return "; ".join(texts)

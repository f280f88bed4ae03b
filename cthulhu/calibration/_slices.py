"""Which parts of a parameter have a factor of their own: those that a loop goes over."""

import dataclasses
import functools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from cthulhu import compat
from cthulhu.programs._build import compute_dtype
from cthulhu.usage._bodies import CALLS, STACKING, bodies
from cthulhu.usage._usage import Use
from cthulhu.usage._values import Place

LONELY = frozenset({"cond", "while"})  # Where a device may go without the others.


class Spread(NamedTuple):
    """Statistics of an output, of one step of the loops around it, or of all."""

    mean: jax.Array
    variance: jax.Array
    ran: jax.Array
    """1 where the layer ran; 0 in a branch that was not taken."""


Taken: TypeAlias = tuple[tuple[int, int], ...]
"""Axes of which one part is used, each with the number of that part."""


@dataclasses.dataclass(frozen=True)
class Slices:
    """The slices of a parameter that a layer in a loop uses one after the other.

    Args:
        axes: the axes of the parameter that loops go over, from the outermost loop.
        kept: the axes of the statistics that belong to them.
        own: whether each step of the loops has a slice of its own, so that its output tells its
            factor at once.
        devices: the axes of the mesh whose devices measure an output together, within
            `shard_map`.
        taken: the axes of the parameter of which the layer has one part, and its number.
    """

    axes: tuple[int, ...] = ()
    kept: tuple[int, ...] = ()
    own: bool = True
    devices: tuple[str, ...] = ()
    taken: Taken = ()

    def pooled(self, spread: Spread) -> Spread:
        """The statistics of each slice, over all else that was measured."""
        others = tuple(at for at in range(spread.mean.ndim) if at not in self.kept)
        count = jnp.sum(spread.ran, others, jnp.int32, keepdims=True)
        ran = spread.ran > 0

        def average(values: jax.Array) -> jax.Array:
            # Blanks are NaN, and NaN times 0 is NaN.
            total = jnp.sum(jnp.where(ran, values, 0), others, keepdims=True)
            return total / count.astype(total.dtype)

        mean = average(spread.mean)
        variance = average(spread.variance + jnp.square(jnp.abs(spread.mean - mean)))
        return Spread(*(jnp.squeeze(one, others) for one in (mean, variance, count)))

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the parts that the layer has."""
        return tuple(number for _, number in self.taken)

    def sizes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """How many slices there are along each axis, of a parameter of this shape."""
        return tuple(shape[axis] for axis in self.axes)

    def constant(self, leaf: jax.Array) -> jax.Array:
        """Whether all elements of each slice are one number; a single one, whether it is 0."""
        leaf = leaf[region(self.taken, leaf.ndim)]
        others = tuple(axis for axis in range(leaf.ndim) if axis not in self.axes)
        first = leaf[tuple(slice(0, 1) if at in others else slice(None) for at in range(leaf.ndim))]
        single = math.prod(leaf.shape[axis] for axis in others) == 1
        found = jnp.all(leaf == (0 if single else first), others)
        order = np.argsort(np.argsort(self.axes))
        each: jax.Array = jnp.transpose(found, order.tolist())
        return each


def region(taken: Taken, ndim: int) -> tuple[slice, ...]:
    """Where the parts of a parameter are of which some axes have one each."""
    numbers = dict(taken)
    every = slice(None)
    return tuple(
        slice(numbers[at], numbers[at] + 1) if at in numbers else every for at in range(ndim)
    )


def indexed(taken: Taken) -> str:
    """What is written behind the name of a parameter for some part of it."""
    numbers = dict(taken)
    known = [str(numbers.get(at, ":")) for at in range(max(numbers, default=-1) + 1)]
    return f"[{', '.join(known)}]" if known else ""


def overlap(one: Taken, other: Taken) -> bool:
    """Whether two parts of a parameter have elements in common."""
    numbers = dict(other)
    return all(numbers.get(axis, number) == number for axis, number in one)


def along(factors: Any, axes: Sequence[int], ndim: int) -> jax.Array:
    """Something for each slice along some axes, as it broadcasts to the parameter."""
    shape = [1] * ndim
    for axis, size in zip(axes, jnp.shape(factors), strict=True):
        shape[axis] = size
    order = np.argsort(axes).tolist()
    found: jax.Array = jnp.transpose(jnp.asarray(factors), order).reshape(shape)
    return found


def times(leaf: Any, axes: Sequence[int], factor: Any) -> jax.Array:
    """A parameter, multiplied by a factor for each of its slices along some axes, rounded once."""
    array: jax.Array = jnp.asarray(leaf)
    wide = compute_dtype(array.dtype)
    return (array.astype(wide) * along(factor, axes, array.ndim).astype(wide)).astype(array.dtype)


class Part(NamedTuple):
    """A part of a parameter, and what its slices are multiplied by."""

    taken: Taken
    axes: tuple[int, ...]
    factor: Any


def multiplied(leaf: Any, parts: Sequence[Part]) -> jax.Array:
    """A parameter of which each part is multiplied by its factors."""
    if len(parts) == 1 and not parts[0].taken:
        return times(leaf, parts[0].axes, parts[0].factor)
    shape = jnp.shape(leaf)
    axes = sorted({axis for one in parts for axis in (*one.axes, *(at for at, _ in one.taken))})
    factors = jnp.ones([size if at in axes else 1 for at, size in enumerate(shape)], jnp.float32)
    for one in parts:
        where = region(one.taken, len(shape))
        factors = factors.at[where].set(along(one.factor, one.axes, len(shape)))
    return times(leaf, axes, factors.reshape([shape[axis] for axis in axes]))


def slices_of(jaxpr: "compat.Held", place: Place, use: Use, shape: Sequence[int]) -> Slices:
    """The slices of a parameter that are used at a place."""
    *around, _ = equations_at(jaxpr, place)
    names = [equation.primitive.name for equation in around]
    loops = iter(use.loops)
    axes: list[int] = []
    kept: list[int] = []
    devices: list[str] = []
    own, dimension = True, 0
    for at, (name, equation) in enumerate(zip(names, around, strict=True)):
        if name not in STACKING and name != "while":
            continue
        taken = () if name == "shard_map" else next(loops, ())
        length = equation.params.get("length")
        if len(taken) == 1 and shape[taken[0]] == length:
            axes.append(taken[0])
            kept.append(dimension)
        elif name == "shard_map" and LONELY.isdisjoint(names[at:]):
            devices += compat.manual_axes(equation)
        else:
            own = False
        dimension += name in STACKING
    return Slices(tuple(axes), tuple(kept), own, tuple(devices), use.taken)


def equations_at(jaxpr: "compat.Held", place: Place) -> Iterator["compat.JaxprEqn"]:
    """The equations around a place, from the outermost, and the one that is there."""
    held: Any = jaxpr
    while place:
        equation = compat.opened(held)[0].eqns[place[0]]
        yield equation
        name, place = equation.primitive.name, place[1:]
        if name in CALLS:
            held = equation.params[CALLS[name]]
            continue
        for steps, inner, *_ in bodies(equation):
            if place[: len(steps)] == steps:
                held, place = inner, place[len(steps) :]
                break


def spread_of(value: jax.Array, devices: tuple[str, ...] = ()) -> Spread:
    """The mean and the variance of an output, in float32; those of float64 are rounded once.

    Devices that work together, within `shard_map`, have those of all their parts.
    """
    wide = value.astype(compute_dtype(value.dtype))
    # One axis of the mesh after the other: over some, the output may be the same everywhere.
    mean = functools.reduce(lax.pmean, devices, jnp.mean(wide))
    variance = functools.reduce(lax.pmean, devices, jnp.mean(jnp.square(jnp.abs(wide - mean))))
    narrow = jnp.complex64 if jnp.iscomplexobj(mean) else jnp.float32
    return Spread(mean.astype(narrow), variance.astype(jnp.float32), jnp.int32(1))

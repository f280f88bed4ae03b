"""The layers whose outputs are measured, and the parameters that are left alone."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp

from cthulhu import compat
from cthulhu._types import HostArray
from cthulhu.calibration._slices import Slices, equations_at, indexed, overlap, slices_of
from cthulhu.calibration._targets import Target, Targets, for_slices, target_of, targets_of
from cthulhu.fans import Fans
from cthulhu.trees import join
from cthulhu.usage._activations import Followed
from cthulhu.usage._usage import LeafUsage, Use
from cthulhu.usage._values import Place

Used: TypeAlias = tuple[str, Use]
"""The path of a parameter, and a use of it."""


class Member(NamedTuple):
    """A parameter that a layer multiplies by its factor."""

    path: str
    leaf: int
    """Its number."""
    slices: Slices
    kernel: int
    """The number of the kernel that it is of: itself, unless it is a scale."""
    kernel_slices: Slices

    @property
    def name(self) -> str:
        """The path, and which part of the parameter it is."""
        return self.path + indexed(self.slices.taken)

    def overlaps(self, other: "Member") -> bool:
        """Whether both have elements in common."""
        return self.path == other.path and overlap(self.slices.taken, other.slices.taken)

    def constant(self, known: Sequence[Any]) -> jax.Array:
        """Whether each slice of the kernel is one number everywhere, and so is left alone."""
        return self.kernel_slices.constant(jnp.asarray(known[self.kernel]))


class Layer(NamedTuple):
    """An output to be measured, and the parameters that it is of."""

    name: str
    path: str
    place: Place
    slices: Slices
    target: HostArray
    """Of each slice."""
    members: tuple[Member, ...] = ()
    """What is multiplied: the kernel, or those that make it up together, or its scale. Nothing,
    where its parameter has its factor from an earlier use, so that this is but a look."""


class Left(NamedTuple):
    """A parameter that is left alone, and why."""

    path: str
    why: str


class Contraction(NamedTuple):
    """A contraction with a parameter, and what it is multiplied by."""

    place: Place
    kernels: tuple[Used, ...]
    """The kernels that make up the weight; the first stands for them."""
    scale: Used | None
    """The scale of the weight, as a weight norm has one."""

    @property
    def paths(self) -> list[str]:
        """The paths of the kernels, and of the scale."""
        return [path for path, _ in (*self.kernels, *([self.scale] if self.scale else []))]

    @property
    def multiplied(self) -> tuple[Used, ...]:
        """What the output is proportional to: of a weight that is normed, its scale."""
        return self.kernels if self.scale is None else (self.scale,)


def layers_of(found: Followed, targets: Targets) -> tuple[list[Layer], list[Left]]:
    """The layers that have a target, and the kernels and tables that have none."""
    contractions = sorted(contractions_of(found), key=lambda one: one.place)
    named = dict.fromkeys(path for one in contractions for path in one.paths)
    roles = {leaf.path: leaf.role for leaf in found.usage}
    asked = targets_of(targets, list(named), roles)
    numbers = {join(path): at for at, path in enumerate(found.traced.paths)}
    layers: list[Layer] = []
    left: dict[str, str] = {}
    times: Counter[str] = Counter()
    given: list[Member] = []
    for one in contractions:
        target = target_of(one.paths, asked)
        why = reason(found, one, target, numbers)
        if why is not None:
            left |= dict.fromkeys((path for path, _ in one.kernels), why)
            continue
        layer = layer_of(found, one, target, numbers)
        if any(member.overlaps(earlier) for member in layer.members for earlier in given):
            layer = layer._replace(members=())
        # A part may be used again of what was used as a whole.
        times[layer.name] = max(times[layer.name], not layer.members) + 1
        if times[layer.name] > 1:
            layer = layer._replace(name=f"{layer.name}#{times[layer.name]}")
        layers.append(layer)
        given += layer.members
    scaled = {member.path for member in given}
    known = scaled | {one.path for one in layers} | left.keys()
    left |= {
        leaf.path: why
        for leaf in found.usage
        if leaf.path not in known and (why := unmeasured(leaf)) is not None
    }
    return layers, [Left(path, why) for path, why in left.items() if path not in scaled]


def unmeasured(leaf: LeafUsage) -> str | None:
    """Why what could be a kernel has no output of its own; `None` of what is none."""
    if leaf.role == "kernel":
        return "another kernel tells the output"
    if leaf.role == "opaque" and len(leaf.shape) > 1:
        return f"it cannot be followed to an output: {leaf.note}"
    return None


def contractions_of(found: Followed) -> Iterator[Contraction]:
    """The contractions that go forwards, each with the parameters that make up its weight."""
    given = {one.path for one in found.activations if one.given}
    for one in found.activations:
        if one.path is None or one.use is None or one.use.goes_backwards:
            continue
        if one.path in given and not one.given:
            continue  # It says nothing of the batch, as the steps of a spectral norm.
        together = [(one.path, one.use), *one.others]
        scales = [pair for pair in together if pair[1].role == "scale"]
        kernels = [pair for pair in together if pair[1].role == one.use.role]
        yield Contraction(one.place, weights(found, kernels), scales[0] if scales else None)


def weights(found: Followed, kernels: list[Used]) -> tuple[Used, ...]:
    """The kernels in which a contraction is linear, if all of them are multiplied.

    Those of a sum or of a concatenation have all the same inputs, or the same outputs. Else there
    is a product among them, as in W + A B: then it is the largest, and those of its shape.
    """
    sizes = {path: fans_of(found.usage[path], use) for path, use in kernels}
    inputs = {fans.fan_in for fans in sizes.values()}
    outputs = {fans.fan_out for fans in sizes.values()}
    if len(inputs) == 1 or len(outputs) == 1:
        return tuple(kernels)
    whole = [pair for pair in kernels if sizes[pair[0]] == Fans(max(inputs), max(outputs))]
    return tuple(whole or kernels[:1])


def fans_of(leaf: LeafUsage, use: Use) -> Fans:
    """The numbers of inputs and outputs at one use."""
    sizes = [math.prod(leaf.shape[axis] for axis in axes) for axes in (use.inputs, use.outputs)]
    return Fans(*sizes)


def reason(
    found: Followed, one: Contraction, target: Target, numbers: dict[str, int]
) -> str | None:
    """Why the parameters of a contraction are left alone, if they are."""
    if target.stddev is None:
        return "its target is None"
    role = found.usage[one.kernels[0][0]].role
    if role != "kernel" and not target.named:
        return f"it is a {role}; name it in targets to calibrate it"
    *_, equation = equations_at(found.traced.jaxpr, one.place)
    types = [found.traced.leaves[numbers[path]].dtype for path, _ in one.multiplied]
    types.append(compat.aval_of(equation.outvars[0]).dtype)
    if all(jnp.issubdtype(one, jnp.inexact) for one in types):
        return None
    return "it or its output is of integers"


def layer_of(found: Followed, one: Contraction, target: Target, numbers: dict[str, int]) -> Layer:
    """The layer of a contraction."""

    def slices(pair: Used) -> Slices:
        path, use = pair
        return slices_of(found.traced.jaxpr, one.place, use, found.usage[path].shape)

    path = one.kernels[0][0]
    own = slices(one.kernels[0])
    assert target.stddev is not None
    shape = found.usage[path].shape
    stddev = for_slices(
        path, target.stddev, own.sizes(shape), [shape[axis] for axis, _ in own.taken]
    )
    members = []
    for pair in one.multiplied:
        mine = slices(pair)
        kernel = one.kernels[0] if one.scale is not None else pair
        # What goes through the loops in another way has no factor for each of these slices.
        if mine.kept == own.kept:
            members.append(
                Member(pair[0], numbers[pair[0]], mine, numbers[kernel[0]], slices(kernel))
            )
    name = path or "params"  # The one that is no tree has no path.
    name += indexed(own.taken)
    part: Any = (..., *own.numbers)
    return Layer(name, path, one.place, own, stddev[part], tuple(members))

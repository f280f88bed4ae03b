"""The passes: each measures all outputs, and corrects what is off on its way."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax

from cthulhu import compat
from cthulhu._types import HostArray
from cthulhu.calibration._layers import Layer
from cthulhu.calibration._slices import Part, along, multiplied, spread_of, times
from cthulhu.usage._taps import tapped

ByName: TypeAlias = dict[str, jax.Array]


class Wanted(NamedTuple):
    """What a layer is corrected by: its target, its factor until now, and from where on."""

    target: jax.Array | HostArray
    factor: jax.Array
    limit: jax.Array
    """The relative distance from the target up to which it stays."""
    bounds: tuple[jax.Array | float, jax.Array | float]

    def better(self, stddev: jax.Array) -> jax.Array:
        """The factor after this was measured."""
        ratio = self.target / stddev
        # What is no number, or infinite, says nothing of the factor.
        known = (stddev > 0) & jnp.isfinite(ratio)
        moves = known & (jnp.abs(stddev / self.target - 1) > self.limit)
        return jnp.where(moves, jnp.clip(self.factor * ratio, *self.bounds), self.factor)

    def at_each(self, steps: tuple[int, ...], kept: tuple[int, ...]) -> "Wanted":
        """The same for each step of the loops around, of which some go over the slices."""

        def spread(one: Any) -> jax.Array:
            array = jnp.asarray(one, jnp.float32)
            return jnp.broadcast_to(along(array, kept[: array.ndim], len(steps)), steps)

        low, high = self.bounds
        return Wanted(
            spread(self.target),
            spread(self.factor),
            spread(self.limit),
            (spread(low), spread(high)),
        )


class State(NamedTuple):
    """What is known after a pass, by the name of the layer."""

    factors: ByName
    before: ByName
    """The standard deviations of the first pass."""
    after: ByName
    """Those of the last."""
    ran: ByName
    """How often each layer ran in the last."""
    moved: jax.Array
    """Whether any factor was changed."""
    passes: jax.Array


class Result(NamedTuple):
    """What is known in the end."""

    state: State
    constant: ByName
    """By the name of a member: whether each slice of its kernel is one number everywhere."""
    factors: ByName
    """By the name of a member: what it is multiplied by, which is 1 where it is constant."""


def calibrating(
    jaxpr: "compat.ClosedJaxpr",
    layers: Sequence[Layer],
    *,
    tolerance: float,
    passes: int,
    bounds: tuple[float, float],
) -> Callable[[list[Any], list[Any]], Result]:
    """The function of parameters and a batch to the factors, which may be traced."""
    look = tapped(
        jaxpr,
        {one.place: one.name for one in layers},
        {one.name: functools.partial(spread_of, devices=one.slices.devices) for one in layers},
        {one.name: functools.partial(corrected, devices=one.slices.devices) for one in layers},
    )
    firsts = [one for one in layers if one.members]

    def run(known: list[Any], arrays: list[Any]) -> Result:
        constant = {member.name: member.constant(known) for one in firsts for member in one.members}
        steps = jax.eval_shape(look, *known, *arrays)[1]

        def asked(layer: Layer, state: State) -> Wanted:
            still = functools.reduce(jnp.logical_and, [constant[one.name] for one in layer.members])
            first, last = state.passes == 0, state.passes == passes - 1
            limit = jnp.where(last, jnp.inf, jnp.where(first, 0.0, tolerance)).astype(jnp.float32)
            limit = jnp.where(still, jnp.inf, limit)
            return Wanted(layer.target, state.factors[layer.name], limit, bounds)

        def one_pass(state: State) -> State:
            wanted = {one.name: asked(one, state) for one in firsts}
            given = {
                one.name: wanted[one.name].at_each(steps[one.name].variance.shape, one.slices.kept)
                for one in firsts
                if one.slices.own
            }
            now = list(known)
            parts: dict[int, list[Part]] = {}
            for name, factor in by_member(state.factors).items():
                leaf, slices = members[name].leaf, members[name].slices
                parts.setdefault(leaf, []).append(Part(slices.taken, slices.axes, factor))
            for leaf, every in parts.items():
                now[leaf] = multiplied(now[leaf], every)
            _, seen = look(*now, *arrays, given=given)
            found = {one.name: one.slices.pooled(seen[one.name]) for one in layers}
            after = {name: jnp.sqrt(spread.variance) for name, spread in found.items()}
            factors = {name: one.better(after[name]) for name, one in wanted.items()}
            moved = [jnp.any(factors[name] != state.factors[name]) for name in factors]
            first = state.passes == 0
            return State(
                factors,
                {name: jnp.where(first, after[name], state.before[name]) for name in after},
                after,
                {name: spread.ran for name, spread in found.items()},
                jnp.any(jnp.stack(moved)),
                state.passes + 1,
            )

        members = {member.name: member for one in firsts for member in one.members}

        def by_member(factors: ByName) -> ByName:
            return {
                member.name: jnp.where(constant[member.name], jnp.float32(1), factors[one.name])
                for one in firsts
                for member in one.members
            }

        ones = {one.name: jnp.ones(one.target.shape, jnp.float32) for one in layers}
        zeros = {one.name: jnp.zeros(one.target.shape, jnp.int32) for one in layers}
        factors = {one.name: ones[one.name] for one in firsts}
        start = State(factors, ones, ones, zeros, jnp.bool_(True), jnp.int32(0))
        end: State = lax.while_loop(
            lambda state: state.moved & (state.passes < passes), one_pass, start
        )
        return Result(end, constant, by_member(end.factors))

    return run


def corrected(value: jax.Array, wanted: Wanted, devices: tuple[str, ...] = ()) -> jax.Array:
    """An output as it is with the factor that it shows to be right."""
    factor = wanted.better(jnp.sqrt(spread_of(value, devices).variance)) / wanted.factor
    # It is the same at all of them, which `shard_map` does not know.
    return times(value, (), functools.reduce(lax.pmax, devices, factor))

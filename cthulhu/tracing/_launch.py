"""A traced init function, planned: what to run for its results."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec, Sharding
from jax.typing import ArrayLike

from cthulhu._types import (
    Array,
    Aval,
    Given,
    HostArray,
    HostNumber,
    Jitted,
    PyTree,
    Words,
)
from cthulhu.laws import Elementwise, Fill
from cthulhu.programs import _executor as executor
from cthulhu.programs import _jobs as jobs
from cthulhu.programs import _pool as pool
from cthulhu.programs._placement import runs_on_cpu
from cthulhu.tracing import _components as components
from cthulhu.tracing import _derivation as derivation
from cthulhu.tracing import _flat as flat
from cthulhu.tracing._graph import Graph, Literal, is_key
from cthulhu.tracing._law import Traced
from cthulhu.tracing._parts import Component, parts
from cthulhu.trees import Frame, Path, flatten


class Launch:
    """The programs of one init function for one kind of arguments."""

    def __init__(self, graph: Graph, frame: Frame, shardings: list[Sharding | None]) -> None:
        self.graph = graph
        self.frame = frame
        self.shardings = shardings
        self.context = pool.context()
        self.mesh = jax.sharding.get_mesh()
        self.derivation, found = parts(graph)
        self.on_host = self.derives_on_host()
        # The first leaf that holds a value: the one that the value is made for.
        self.first: dict[int, int] = {}
        for leaf, ref in enumerate(graph.outputs):
            if not isinstance(ref, Literal):
                self.first.setdefault(ref, leaf)
        self.laws: dict[int, flat.TracedDraw] = {}
        """The values that are elementwise draws, however they are made."""
        self.fills: dict[int, HostNumber] = {}
        """The values that hold one number everywhere."""
        self.refs: list[int] = []
        self.jobs: list[jobs.Job] = []
        self.takes: list[tuple[int, ...]] = []
        """For each job, the values that it takes: keys, or all arguments of a component."""
        for component in found:
            self.assign(component)
        order = sorted(range(len(self.refs)), key=lambda at: self.first[self.refs[at]])
        self.refs = [self.refs[at] for at in order]
        self.jobs = [self.jobs[at] for at in order]
        self.takes = [self.takes[at] for at in order]

    def derives_on_host(self) -> bool:
        """Whether every key is one whose derivation is written out in NumPy."""
        config: Any = jax.config
        made = (ref for equation in self.derivation for ref in equation.outputs)
        keys = {
            self.graph.avals[ref].dtype
            for ref in (*self.graph.inputs, *made)
            if is_key(self.graph.avals[ref])
        }
        return bool(config.jax_threefry_partitionable) and keys <= {derivation.threefry_dtype()}

    def assign(self, component: Component) -> None:
        """Choose how a component is made."""
        avals, outputs = self.graph.avals, component.outputs
        shardings = tuple(self.shardings[self.first[output]] for output in outputs)
        # A mesh in use decides where results go that have no sharding of their own.
        decided = self.mesh.empty or None not in shardings
        if decided and (number := self.fill(component)) is not None:
            self.fills[outputs[0]] = number
            self.add(outputs[0], jobs.Drawn(Fill(), (number,), avals[outputs[0]].shape), ())
            return
        found = marked_draw(component, avals) or flat.elementwise_draw(component, avals)
        if found is not None:
            self.laws[outputs[0]] = found
            on_host = self.on_host and (runs_on_cpu(shardings) or not isinstance(found.law, Traced))
            if on_host and self.are_keys(found.keys) and set(found.keys) <= set(component.inputs):
                drawn = jobs.Drawn(found.law, found.scalars, avals[outputs[0]].shape)
                self.add(outputs[0], drawn, found.keys)
                return
        given = {*self.graph.inputs, *self.graph.constants}
        ahead = self.on_host and all(
            is_key(avals[ref]) or ref not in given for ref in component.inputs
        )
        key = (components.program_key(component, avals), shardings, self.on_host, self.context)
        arguments = tuple(components.words_spec(avals[ref]) for ref in component.inputs)

        def build() -> Jitted:
            return jax.jit(components.runner(component, avals), out_shardings=shardings)

        for place, output in enumerate(outputs):
            called = jobs.Called(key, build, arguments, ahead, outputs, place)
            self.add(output, called, component.inputs)

    def are_keys(self, refs: Sequence[int]) -> bool:
        """Whether the values are single threefry keys, typed, or raw where JAX takes them so."""
        config: Any = jax.config
        return all(
            is_key(aval) or config.jax_default_prng_impl == "threefry2x32"
            for aval in (self.graph.avals[ref] for ref in refs)
        )

    def add(self, ref: int, source: jobs.Drawn | jobs.Called, takes: tuple[int, ...]) -> None:
        """Append the job of a value."""
        aval, sharding = self.graph.avals[ref], self.shardings[self.first[ref]]
        self.refs.append(ref)
        self.jobs.append(jobs.Job(tuple(aval.shape), aval.dtype, sharding, None, source))
        self.takes.append(takes)

    def fill(self, component: Component) -> HostNumber | None:
        """The number that a component holds everywhere; `None` if it holds another, or several."""
        if len(component.outputs) != 1 or component.inputs:
            return None
        aval = self.graph.avals[component.outputs[0]]
        if aval.size > jobs.LARGEST_FILL or aval.weak_type or is_key(aval):
            return None
        known: dict[int, HostNumber] = {}
        for equation in component.equations:
            operands = [
                flat.number(ref) if isinstance(ref, Literal) else known[ref]
                for ref in equation.inputs
            ]
            value = flat.fold(equation, operands) if operands else None
            if value is None:
                return None
            known.update(dict.fromkeys(equation.outputs, value))
        return flat.scalar_of(np.asarray(known[component.outputs[0]], aval.dtype))

    def count(self) -> int:
        """The number of distinct programs."""
        derives = bool(self.derivation) and not self.on_host
        return jobs.count_programs(self.jobs) + derives

    def output_aval(self, at: int) -> Aval:
        """The shape and the type of a leaf."""
        ref = self.graph.outputs[at]
        return ref.aval if isinstance(ref, Literal) else self.graph.avals[ref]

    def paths(self) -> list[Path]:
        """The paths of the leaves."""
        paths, _, _ = flatten(self.frame.fill(self.avals()))
        return self.frame.parameters(paths)

    def avals(self) -> list[Aval]:
        """The shapes and the types of the leaves."""
        return [self.output_aval(at) for at in range(len(self.graph.outputs))]

    def run(self, arguments: Sequence[ArrayLike]) -> PyTree:
        """Make the results."""
        values = self.derive(arguments)
        arrays = executor.make(self.jobs, self.given(values))
        made = dict(zip(self.refs, arrays, strict=True))
        leaves = [self.leaf(at, made, values) for at in range(len(self.graph.outputs))]
        return self.frame.fill(leaves)

    def stream(self, arguments: Sequence[ArrayLike]) -> Iterator[Array]:
        """The leaves in order, each made when it is asked for, and held no longer."""
        values = self.derive(arguments)
        arrays = executor.stream(self.jobs, self.given(values))
        last = {
            ref: at for at, ref in enumerate(self.graph.outputs) if not isinstance(ref, Literal)
        }
        wanted = set(self.refs)
        made: dict[int, Array] = {}
        for at, ref in enumerate(self.graph.outputs):
            if ref in wanted and self.first[ref] == at:
                made[ref] = next(arrays)
            yield self.leaf(at, made, values)
            if not isinstance(ref, Literal) and last[ref] == at:
                made.pop(ref, None)

    def given(self, values: dict[int, ArrayLike]) -> list[Given]:
        """What each job takes: the words of its keys, one after the other, or its arguments."""
        return [
            words_of([values[ref] for ref in takes])
            if isinstance(job.source, jobs.Drawn)
            else tuple(values[ref] for ref in takes)
            for job, takes in zip(self.jobs, self.takes, strict=True)
        ]

    def derive(self, arguments: Sequence[ArrayLike]) -> dict[int, ArrayLike]:
        """The inputs of the components: arguments, constants, and derived keys."""
        graph = self.graph
        values = {**graph.constants, **dict(zip(graph.inputs, arguments, strict=True))}
        if not self.on_host:
            if self.derivation:
                values.update(self.derive_compiled(values))
            return values
        needed = {ref for equation in self.derivation for ref in equation.sources()}
        known = {}
        for ref in (*graph.inputs, *graph.constants):
            if ref not in graph.needed:
                continue  # It may be no more than a shape.
            if is_key(graph.avals[ref]):
                values[ref] = known[ref] = np.asarray(jax.random.key_data(values[ref]))
            elif ref in needed:
                known[ref] = np.asarray(values[ref], graph.avals[ref].dtype)
        derivation.derive(self.derivation, graph.avals, known)
        return {**known, **values}

    def derive_compiled(self, values: dict[int, ArrayLike]) -> dict[int, jax.Array]:
        """All keys by one program: for implementations that the host does not know."""
        made = [ref for equation in self.derivation for ref in equation.outputs]
        inputs = dict.fromkeys(
            ref for equation in self.derivation for ref in equation.sources() if ref in values
        )
        whole = Component(tuple(self.derivation), tuple(inputs), tuple(made))
        key = (components.program_key(whole, self.graph.avals), self.context)
        run = components.runner(whole, self.graph.avals)
        program = pool.program_future(key, lambda: jax.jit(run), (), ahead=False)
        results = program.result()(*(values[ref] for ref in inputs))
        return dict(zip(made, results, strict=True))

    def put(self, array: HostArray, leaf: int) -> jax.Array:
        """An array of the host as a leaf of its own."""
        sharding = self.shardings[leaf]
        if sharding is None and not self.mesh.empty:
            sharding = NamedSharding(self.mesh, PartitionSpec())
        return executor.put(np.asarray(array), sharding)

    def leaf(self, at: int, made: dict[int, Array], values: dict[int, ArrayLike]) -> Array:
        """One leaf; a value that has been one already, or comes from outside, is copied."""
        ref = self.graph.outputs[at]
        sharding = self.shardings[at]
        if isinstance(ref, Literal):
            if ref.aval.weak_type:
                return weak(ref.aval.dtype.kind, ref.value, sharding)
            return self.put(np.asarray(ref.value, ref.aval.dtype), at)
        if ref in made and self.first[ref] == at:
            return made[ref]
        aval = self.graph.avals[ref]
        value = made[ref] if ref in made else values[ref]
        if is_key(aval) and isinstance(value, jax.Array | np.ndarray) and not is_key(value):
            value = jax.random.wrap_key_data(jnp.asarray(value), impl="threefry2x32")
        elif isinstance(value, np.ndarray):
            return self.put(np.asarray(value, aval.dtype), at)
        copied: jax.Array = copy(value)
        if sharding is not None:
            copied = jax.device_put(copied, sharding)
        return copied


def marked_draw(component: Component, avals: Sequence[Aval]) -> flat.TracedDraw | None:
    """The draw of a component that is an initializer of this library, perhaps reshaped."""
    first, *rest = component.equations
    if first.recipe is None or len(component.outputs) != 1:
        return None
    law = first.recipe.law
    # Without random access, a law's values would be made in the shape of the leaf.
    if rest and not isinstance(law, Elementwise):
        return None
    key, *scalars = first.inputs
    if isinstance(key, Literal) or not all(isinstance(scalar, Literal) for scalar in scalars):
        return None
    (current,) = first.outputs
    for equation in rest:
        if equation.inputs != (current,) or not flat.keeps_order(equation, avals):
            return None
        (current,) = equation.outputs
    numbers = tuple(flat.number(scalar) for scalar in scalars if isinstance(scalar, Literal))
    return flat.TracedDraw(law, (key,), numbers, first.recipe.shape, first.label)


def words_of(keys: Sequence[ArrayLike]) -> Words:
    """The words of some keys, one after the other."""
    if len(keys) == 1:
        return np.asarray(keys[0])
    return np.concatenate([np.ravel(key) for key in keys]) if keys else np.empty(0, np.uint32)


def weak(kind: str, value: ArrayLike, sharding: Sharding | None) -> jax.Array:
    """A weakly typed scalar, as a Python number gives."""
    number = {"i": int, "u": int, "f": float, "c": complex, "b": bool}[kind](value)
    scalar: jax.Array = jax.jit(lambda: number, out_shardings=sharding)()
    return scalar


@jax.jit
def copy(value: jax.Array) -> jax.Array:
    """The same values in a buffer of their own."""
    return jnp.copy(value)

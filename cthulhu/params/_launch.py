"""A traced init function, planned: what to run for its results."""

import functools
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec, Sharding

from cthulhu.params import _compiled as compiled
from cthulhu.params import _derivation as derivation
from cthulhu.params import _drawing as drawing
from cthulhu.params import _flat as flat
from cthulhu.params._frame import Frame
from cthulhu.params._graph import Graph, Literal, is_key
from cthulhu.params._parts import Component, parts
from cthulhu.params._paths import Path, flatten
from cthulhu.params._placement import runs_on_cpu

__all__ = ["Launch"]

LARGEST_FILL = 2**20  # Elements that the host fills; a program makes more.


class Task(NamedTuple):
    """A component with its program."""

    component: Component
    key: Any
    ahead: bool
    shardings: tuple[Sharding | None, ...]


class Launch:
    """The programs of one init function for one kind of arguments."""

    def __init__(self, graph: Graph, frame: Frame, shardings: list[Sharding | None]) -> None:
        self.graph = graph
        self.frame = frame
        self.shardings = shardings
        self.context = compiled.context()
        self.mesh = jax.sharding.get_mesh()
        self.derivation, components = parts(graph)
        self.on_host = self.derives_on_host()
        # The first leaf that holds a value: the one that the value is made for.
        self.first: dict[int, int] = {}
        for leaf, ref in enumerate(graph.outputs):
            if not isinstance(ref, Literal):
                self.first.setdefault(ref, leaf)
        self.fills: dict[int, np.ndarray[Any, Any]] = {}
        self.draws: list[tuple[int, flat.Draw]] = []
        self.tasks: list[Task] = []
        for component in components:
            self.assign(component)
        self.blocks = drawing.block_sizes([draw for _, draw in self.draws])

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
        """Choose how a component is run."""
        avals, outputs = self.graph.avals, component.outputs
        shardings = tuple(self.shardings[self.first[output]] for output in outputs)
        # A mesh in use decides where results go that have no sharding of their own.
        decided = self.mesh.empty or None not in shardings
        if decided and (fill := self.fill(component)) is not None:
            self.fills[outputs[0]] = fill
            return
        if self.on_host and runs_on_cpu(shardings):
            draw = flat.draw_of(component, avals)
            if draw is not None and set(draw.keys) <= set(component.inputs):
                self.draws.append((outputs[0], draw))
                return
        given = {*self.graph.inputs, *self.graph.constants}
        ahead = self.on_host and all(
            is_key(avals[ref]) or ref not in given for ref in component.inputs
        )
        key = (compiled.identity(component, avals), shardings, self.on_host, self.context)
        self.tasks.append(Task(component, key, ahead, shardings))

    def fill(self, component: Component) -> np.ndarray[Any, Any] | None:
        """The value of a component that holds one number everywhere, as a view of it."""
        if len(component.outputs) != 1 or component.inputs:
            return None
        aval = self.graph.avals[component.outputs[0]]
        if aval.size > LARGEST_FILL or aval.weak_type or is_key(aval):
            return None
        known: dict[int, Any] = {}
        for equation in component.equations:
            operands = [
                flat.number(ref) if isinstance(ref, Literal) else known[ref]
                for ref in equation.inputs
            ]
            value = flat.fold(equation, operands) if operands else None
            if value is None:
                return None
            known.update(dict.fromkeys(equation.outputs, value))
        return np.broadcast_to(np.asarray(known[component.outputs[0]], aval.dtype), aval.shape)

    def count(self) -> int:
        """The number of distinct programs."""
        laws = {(draw.law, size) for (_, draw), size in zip(self.draws, self.blocks, strict=True)}
        derives = bool(self.derivation) and not self.on_host
        return len(laws) + len({task.key for task in self.tasks}) + derives

    @functools.cached_property
    def laws(self) -> dict[int, flat.Draw]:
        """The values that are elementwise draws, however they are run."""
        found = dict(self.draws)
        for task in self.tasks:
            draw = flat.draw_of(task.component, self.graph.avals)
            if draw is not None:
                found[task.component.outputs[0]] = draw
        return found

    def output_aval(self, at: int) -> Any:
        """The shape and the type of a leaf."""
        ref = self.graph.outputs[at]
        return ref.aval if isinstance(ref, Literal) else self.graph.avals[ref]

    def paths(self) -> list[Path]:
        """The paths of the leaves."""
        paths, _, _ = flatten(self.frame.fill(self.avals()))
        return self.frame.parameters(paths)

    def avals(self) -> list[Any]:
        """The shapes and the types of the leaves."""
        return [self.output_aval(at) for at in range(len(self.graph.outputs))]

    def run(self, arguments: Sequence[Any]) -> Any:
        """Make the results."""
        values = self.derive(arguments)
        blocks = [
            drawing.program(draw, size, self.context)
            for (_, draw), size in zip(self.draws, self.blocks, strict=True)
        ]
        programs = [self.program(task, values) for task in self.tasks]
        made: dict[int, Any] = {}
        for ref, fill in self.fills.items():
            made[ref] = self.put(fill, self.first[ref])
        for (ref, _), array in zip(self.draws, self.draw(blocks, values), strict=True):
            made[ref] = array
        for task, program in zip(self.tasks, programs, strict=True):
            results = program.result()(*(values[ref] for ref in task.component.inputs))
            made.update(zip(task.component.outputs, results, strict=True))
        leaves = [self.leaf(at, made, values) for at in range(len(self.graph.outputs))]
        return self.frame.fill(leaves)

    def stream(self, arguments: Sequence[Any]) -> Iterator[Any]:
        """The leaves in order, each made when it is asked for, and held no longer."""
        values = self.derive(arguments)
        draws = {
            ref: (draw, size) for (ref, draw), size in zip(self.draws, self.blocks, strict=True)
        }
        tasks = {output: task for task in self.tasks for output in task.component.outputs}
        last = {
            ref: at for at, ref in enumerate(self.graph.outputs) if not isinstance(ref, Literal)
        }
        made: dict[int, Any] = {}
        for at, ref in enumerate(self.graph.outputs):
            if not isinstance(ref, Literal) and ref not in made:
                if ref in self.fills:
                    made[ref] = self.put(self.fills[ref], self.first[ref])
                elif ref in draws:
                    draw, size = draws[ref]
                    program = drawing.program(draw, size, self.context)
                    job = drawing.Job(program, draw, size, [values[key] for key in draw.keys])
                    (array,) = drawing.draw([job])
                    made[ref] = jax.device_put(array, self.shardings[self.first[ref]])
                    del array  # Only the one who asked holds it while the next is made.
                elif ref in tasks:
                    task = tasks[ref]
                    inputs = (values[number] for number in task.component.inputs)
                    results = self.program(task, values).result()(*inputs)
                    made.update(zip(task.component.outputs, results, strict=True))
            yield self.leaf(at, made, values)
            if not isinstance(ref, Literal) and last[ref] == at:
                made.pop(ref, None)

    def derive(self, arguments: Sequence[Any]) -> dict[int, Any]:
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
        derivation.evaluate(self.derivation, graph.avals, known)
        return {**known, **values}

    def derive_compiled(self, values: dict[int, Any]) -> dict[int, Any]:
        """All keys by one program: for implementations that the host does not know."""
        made = [ref for equation in self.derivation for ref in equation.outputs]
        inputs = dict.fromkeys(
            ref for equation in self.derivation for ref in equation.sources() if ref in values
        )
        whole = Component(tuple(self.derivation), tuple(inputs), tuple(made))
        key = (compiled.identity(whole, self.graph.avals), self.context)
        run = compiled.runner(whole, self.graph.avals)
        program = compiled.compiled(key, lambda: jax.jit(run), (), ahead=False)
        results = program.result()(*(values[ref] for ref in inputs))
        return dict(zip(made, results, strict=True))

    def program(self, task: Task, values: dict[int, Any]) -> "Future[compiled.Program]":
        """The program of a component, compiled or on its way."""
        avals = self.graph.avals

        def build() -> Any:
            return jax.jit(compiled.runner(task.component, avals), out_shardings=task.shardings)

        arguments = [compiled.words_spec(avals[ref]) for ref in task.component.inputs]
        return compiled.compiled(task.key, build, arguments, ahead=task.ahead)

    def draw(self, programs: list[Any], values: dict[int, Any]) -> list[Any]:
        """The leaves that are elementwise draws."""
        jobs = [
            drawing.Job(program, draw, size, [values[key] for key in draw.keys])
            for program, (_, draw), size in zip(programs, self.draws, self.blocks, strict=True)
        ]
        arrays = drawing.draw(jobs)
        return [
            jax.device_put(array, self.shardings[self.first[ref]])
            for (ref, _), array in zip(self.draws, arrays, strict=True)
        ]

    def put(self, array: Any, leaf: int) -> Any:
        """An array of the host as a leaf of its own."""
        sharding = self.shardings[leaf]
        if sharding is None and not self.mesh.empty:
            sharding = NamedSharding(self.mesh, PartitionSpec())
        if sharding is not None and not sharding.is_fully_addressable:
            # `jax.device_put` would compare the array among all hosts.
            part = np.asarray(array)
            return jax.make_array_from_callback(part.shape, sharding, lambda index: part[index])
        return jax.device_put(array, sharding, may_alias=False)

    def leaf(self, at: int, made: dict[int, Any], values: dict[int, Any]) -> Any:
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
        value = made.get(ref, values.get(ref))
        if is_key(aval) and not is_key(value):
            value = jax.random.wrap_key_data(jnp.asarray(value), impl="threefry2x32")
        elif isinstance(value, np.ndarray):
            return self.put(np.asarray(value, aval.dtype), at)
        copied = copy(value)
        return copied if sharding is None else jax.device_put(copied, sharding)


def weak(kind: str, value: Any, sharding: Sharding | None) -> Any:
    """A weakly typed scalar, as a Python number gives."""
    number = {"i": int, "u": int, "f": float, "c": complex, "b": bool}[kind](value)
    return jax.jit(lambda: number, out_shardings=sharding)()


@jax.jit
def copy(value: Any) -> Any:
    """The same values in a buffer of their own."""
    return jnp.copy(value)

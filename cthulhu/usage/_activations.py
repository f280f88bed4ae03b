"""The activations of a program: the outputs of its layers, found without any framework.

A layer is a contraction of which one side is a parameter, or a lookup in a table. Its
output is what comes of that by adding the layer's bias and by multiplying with scalars, as
of a readout: those belong to it. A scalar before the next contraction belongs to that one,
as the 1/√k that some put on queries. Contractions of activations with each other, as of
queries and keys, are layers without parameters.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from cthulhu import compat
from cthulhu._types import PyTree
from cthulhu.trees import join
from cthulhu.usage._bodies import CALLS, bodies
from cthulhu.usage._infer import Traced, summed_up, traced, uses_of
from cthulhu.usage._usage import Usage, Use
from cthulhu.usage._values import Place

# What moves or renames a value, and leaves its elements as they are.
MOVING = frozenset({"convert_element_type", "copy", "copy_p", "name", "reduce_precision"})
MOVING |= {"reshape", "sharding_constraint", "squeeze", "transpose"}
# What makes one output of the parts that devices have, each of some of the inputs.
MOVING |= {"psum", "psum_invariant", "reduce_scatter"}
SCALING = frozenset({"mul", "div"})
ADDING = frozenset({"add", "add_any", "sub"})
CONTRACTING = frozenset({"dot_general", "conv_general_dilated", "ragged_dot_general"})
OUTSIDE = -1  # What reads the outputs of a jaxpr.


Layer: TypeAlias = tuple[str | None, Use | None]
"""The path of the parameter of a layer, and its use, if there is one."""


class Activation(NamedTuple):
    """The output of a layer, and where it is in the program."""

    name: str
    """The path of the parameter, or else the scopes around; ``#2`` is the second of a name."""
    place: Place
    path: str | None = None
    """The path of the parameter, if there is one."""
    use: Use | None = None
    """What it is used as there."""
    others: tuple[tuple[str, Use], ...] = ()
    """The other parameters that are used there, as a weight norm's scale, and what as."""
    start: Place = ()
    """Where the layer begins: its contraction, or its lookup."""
    given: bool = True
    """Whether it depends on the inputs; the steps of a spectral norm do not."""


class Followed(NamedTuple):
    """A function as a program, what it uses its parameters as, and its activations."""

    traced: Traced
    usage: Usage
    activations: tuple[Activation, ...]
    flat: "Flat"
    """The program's equations, with what is called spelled out."""


def followed(
    owner: str, fn: Callable[..., Any], params: PyTree, *args: Any, scaled: bool = True
) -> Followed:
    """Trace a function ``(params, *args)``, as `infer` does, and find its activations.

    Args:
        owner: who asks, with whose name errors begin.
        fn: the function.
        params: its parameters, or what they are like.
        *args: its other arguments.
        scaled: whether scalars that multiply an output belong to it.
    """
    return followed_in(owner, traced(owner, fn, params, args, {}), scaled=scaled)


def followed_in(owner: str, program: Traced, *, scaled: bool = True) -> Followed:
    """Find the activations of a function that was traced; as `followed`."""
    uses = uses_of(program)
    usage = summed_up(owner, program, uses)
    paths = list(map(join, program.paths))
    flat = Flat(program.jaxpr, {place for _, place in uses}, len(paths))
    found = activations(flat, uses, paths, scaled=scaled)
    return Followed(program, usage, tuple(found), flat)


def activations(
    flat: "Flat",
    uses: Mapping[tuple[int, Place], Use],
    paths: Sequence[str],
    *,
    scaled: bool = True,
) -> Iterable[Activation]:
    """The outputs of all layers, in the order of the program."""
    layers: dict[Place, Layer] = {}
    others: dict[Place, list[tuple[str, Use]]] = {}
    biases: dict[Place, set[str]] = {}
    for (leaf, place), use in sorted(uses.items(), key=lambda item: item[0][::-1]):
        if use.role in ("kernel", "table") and place in flat.at and place not in layers:
            # Of several kernels in one contraction, as of W + A B, the first names it.
            layers[place] = paths[leaf], use
        elif use.role in ("kernel", "table", "scale"):
            others.setdefault(place, []).append((paths[leaf], use))
        elif use.role == "bias":
            biases.setdefault(place, set()).update(use.kernels)
    layers |= dict.fromkeys(flat.between_activations(), (None, None))
    times: Counter[str] = Counter()
    for place, (path, known) in sorted(layers.items(), key=lambda item: item[0]):
        summed = known is not None and known.operation == "reduce_sum"
        end = flat.end(place, path, biases, summed=summed, scaled=scaled)
        name = path or flat.nodes[flat.at[place]].where
        times[name] += 1
        numbered = name if times[name] == 1 else f"{name}#{times[name]}"
        beside = tuple(others.get(place, ()))
        given = not flat.given.isdisjoint(flat.nodes[flat.at[place]].inputs)
        yield Activation(numbered, end, path, known, beside, place, given)


class Node(NamedTuple):
    """An equation that calls nothing; its values are numbers."""

    place: Place
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    where: str
    enters: tuple["Entry", ...] = ()
    """What goes into the bodies that it holds."""


class Entry(NamedTuple):
    """A value as the body of a loop or a branch sees it, and as it is outside."""

    inner: int
    outer: int
    carried: bool
    """Whether a loop goes on with another."""


class Flat:
    """The equations of a program, with what is called spelled out.

    The bodies of loops and branches are there too, each by itself.
    """

    def __init__(self, jaxpr: "compat.Held", meeting: set[Place], parameters: int) -> None:
        self.nodes: list[Node] = []
        self.at: dict[Place, int] = {}
        self.sizes: list[int] = []
        self.readers: list[list[int]] = []
        self.single: set[int] = set()
        """The values all of whose elements are one scalar."""
        self.active: set[int] = set()
        """The values that depend on a parameter and on the inputs: activations."""
        self.meeting = meeting
        body = compat.opened(jaxpr)[0]
        self.inputs = [self.new(variable) for variable in body.invars]
        self.given: set[int] = {*self.inputs[parameters:]}
        """The values that depend on the inputs that are no parameters."""
        self.body(jaxpr, self.inputs, (), ())

    def new(self, atom: "compat.Atom") -> int:
        """A value of its own."""
        size = math.prod(compat.aval_of(atom).shape)
        self.sizes.append(size)
        self.readers.append([])
        number = len(self.sizes) - 1
        if size == 1:
            self.single.add(number)
        return number

    def body(
        self, held: "compat.Held", inputs: Sequence[int], place: Place, names: tuple[str, ...]
    ) -> None:
        """The equations of a jaxpr whose outputs go where they cannot be followed."""
        for value in self.inline(held, inputs, place, names):
            self.readers[value].append(OUTSIDE)

    def inline(
        self, held: "compat.Held", inputs: Sequence[int], place: Place, names: tuple[str, ...]
    ) -> list[int]:
        """The equations of a jaxpr; its outputs are returned."""
        jaxpr = compat.opened(held)[0]
        scope: dict[Any, int] = dict(zip(jaxpr.invars, inputs, strict=True))
        scope.update({variable: self.new(variable) for variable in jaxpr.constvars})

        def read(atom: "compat.Atom") -> int:
            return self.new(atom) if hasattr(atom, "val") else scope[atom]

        for index, equation in enumerate(jaxpr.eqns):
            here = (*place, index)
            within = (*names, str(equation.source_info.name_stack))
            values = list(map(read, equation.invars))
            called = CALLS.get(equation.primitive.name)
            if called is not None:
                outputs = self.inline(equation.params[called], values, here, within)
            else:
                outputs = [self.new(variable) for variable in equation.outvars]
                self.note(equation, here, values, outputs, within)
            scope.update(zip(equation.outvars, outputs, strict=True))
        return list(map(read, jaxpr.outvars))

    def note(
        self,
        equation: "compat.JaxprEqn",
        place: Place,
        values: list[int],
        outputs: list[int],
        names: tuple[str, ...],
    ) -> None:
        """Take down an equation, and the bodies that it holds."""
        name = equation.primitive.name
        where = "/".join(part.strip("/") for part in names if part.strip("/")) or name
        number = self.at[place] = len(self.nodes)
        for value in values:
            self.readers[value].append(number)
        self.nodes.append(Node(place, name, tuple(values), tuple(outputs), where))
        active = place in self.meeting or not self.active.isdisjoint(values)
        given = not self.given.isdisjoint(values)
        entries: list[Entry] = []
        for steps, held, operands, kept in bodies(equation):
            inner = [self.new(variable) for variable in compat.opened(held)[0].invars]
            entries += [
                Entry(own, values[at], at in kept) for own, at in zip(inner, operands, strict=True)
            ]
            # What a loop carries may become an activation in it.
            before = len(self.active)
            self.active.update(inner if active or self.meets((*place, *steps)) else ())
            self.given.update(inner if given else ())
            self.body(held, inner, (*place, *steps), names)
            active = active or len(self.active) > before
        self.nodes[number] = self.nodes[number]._replace(enters=tuple(entries))
        self.active.update(outputs if active else ())
        self.given.update(outputs if given else ())
        if name == "broadcast_in_dim" and values[0] in self.single:
            self.single.update(outputs)

    def meets(self, place: Place) -> bool:
        """Whether a parameter meets activations within a place."""
        return any(one[: len(place)] == place for one in self.meeting)

    def between_activations(self) -> list[Place]:
        """The contractions of activations with each other."""
        return [
            node.place
            for node in self.nodes
            if node.name == "dot_general"
            and node.place not in self.meeting
            and self.active.issuperset(node.inputs)
            and self.sizes[node.outputs[0]] > 1
        ]

    def end(
        self,
        place: Place,
        path: str | None,
        biases: Mapping[Place, set[str]],
        *,
        summed: bool,
        scaled: bool,
    ) -> Place:
        """Where the output of the layer is that begins at a place."""
        node = self.nodes[self.at[place]]
        before_scaling: Place | None = None
        while True:
            value = node.outputs[0]
            readers = set(self.readers[value])
            after = (
                self.nodes[readers.pop()] if len(readers) == 1 and readers != {OUTSIDE} else None
            )
            kind = None if after is None else self.belongs(after, value, path, biases, summed)
            if after is None or kind is None or (kind == "scale" and not scaled):
                break
            if kind == "scale" and before_scaling is None:
                before_scaling = node.place
            elif kind == "bias":
                before_scaling = None
            node = after
        if before_scaling is not None and self.contracted(node.outputs[0]):
            return before_scaling
        return node.place

    def belongs(
        self,
        node: Node,
        value: int,
        path: str | None,
        biases: Mapping[Place, set[str]],
        summed: bool,
    ) -> str | None:
        """What an equation that reads the output of a layer adds to it, if it is of the layer."""
        if node.name in MOVING:
            return "move"
        if node.name == "reduce_sum" and summed:
            return "move"
        if node.name in ADDING and path in biases.get(node.place, ()):
            return "bias"
        if node.name in SCALING and node.inputs[0] == value != node.inputs[1]:
            return "scale" if node.inputs[1] in self.single else None
        if node.name == "mul" and node.inputs[1] == value:
            return "scale" if node.inputs[0] in self.single else None
        return None

    def contracted(self, value: int) -> bool:
        """Whether a contraction reads a value."""
        return any(
            reader != OUTSIDE and self.nodes[reader].name in CONTRACTING
            for reader in self.readers[value]
        )

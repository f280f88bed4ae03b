"""The independent parts of an init function.

What derives keys is set aside, for it is cheap and every output has its own.
The rest falls into components that share nothing but keys and inputs: most
often, one for each parameter.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from cthulhu import compat
from cthulhu._types import Aval
from cthulhu.tracing import _derivation as derivation
from cthulhu.tracing._graph import Equation, Graph

# Constants that are cheaper to repeat in every component than to share.
REPEATED = {"broadcast_in_dim", "iota", "reshape", "convert_element_type", "squeeze"}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Component:
    """Equations that no other component shares a value with, keys and inputs apart."""

    equations: tuple[Equation, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def parts(graph: Graph) -> tuple[list[Equation], list[Component]]:
    """The derivation of keys, and the components that use them."""
    roots = {*graph.inputs, *graph.constants}
    derived = {root for root in roots if derivation.derives_from(graph.avals[root])}
    # A weakly typed result would lose that on the host.
    weak = {ref for ref in graph.outputs if isinstance(ref, int) and graph.avals[ref].weak_type}
    repeated: dict[int, Equation] = {}
    keys, body = [], []
    for equation in graph.equations:
        constant = all(source in repeated for source in equation.sources())
        small = all(graph.size(output) <= 1 for output in equation.outputs)
        if (
            derivation.is_derivation(equation, graph.avals)
            and derived.issuperset(equation.sources())
            and weak.isdisjoint(equation.outputs)
        ):
            keys.append(equation)
            derived.update(equation.outputs)
        elif constant and (small or equation.name in REPEATED):
            repeated.update(dict.fromkeys(equation.outputs, equation))
        else:
            body.append(equation)
    shared = {*roots, *derived}
    groups = [*connected(body), *alone(graph, repeated)]
    wanted: dict[int, int] = {}
    for place, ref in enumerate(graph.outputs):
        if isinstance(ref, int):
            wanted.setdefault(ref, place)
    return keys, [component(group, repeated, shared, wanted) for group in groups]


def alone(graph: Graph, repeated: dict[int, Equation]) -> Iterable[list[Equation]]:
    """The constants that are outputs themselves."""
    wanted = dict.fromkeys(ref for ref in graph.outputs if isinstance(ref, int))
    return ([repeated[ref]] for ref in wanted if ref in repeated)


def connected(equations: Sequence[Equation]) -> list[list[Equation]]:
    """Equations grouped by the values they pass to each other."""
    parent = list(range(len(equations)))

    def find(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    maker: dict[int, int] = {}
    for position, equation in enumerate(equations):
        for source in equation.sources():
            if source in maker:
                parent[find(position)] = find(maker[source])
        maker.update(dict.fromkeys(equation.outputs, position))
    groups: dict[int, list[Equation]] = {}
    for position, equation in enumerate(equations):
        groups.setdefault(find(position), []).append(equation)
    return list(groups.values())


def component(
    group: list[Equation],
    repeated: dict[int, Equation],
    shared: set[int],
    wanted: dict[int, int],
) -> Component:
    """A group with the constants it repeats, its inputs and its outputs, which are `wanted`."""
    made = {output for equation in group for output in equation.outputs}
    prelude: dict[int, Equation] = {}

    def require(equation: Equation) -> None:
        for source in equation.sources():
            if source in repeated and source not in made:
                require(repeated[source])
                prelude[id(repeated[source])] = repeated[source]

    for equation in group:
        require(equation)
    equations = (*prelude.values(), *group)
    inputs = dict.fromkeys(
        source for equation in equations for source in equation.sources() if source in shared
    )
    outputs = sorted(made & wanted.keys(), key=wanted.__getitem__)
    return Component(equations, tuple(inputs), tuple(outputs))


def is_delicate(aval: Aval) -> bool:
    """Whether XLA's rounding depends on the loop that it writes for such an array.

    Since JAX 0.11, normals with a last dimension of 3 to 5, and those in double
    precision, differ in the last bit from the same draws in another shape.
    """
    short = compat.SHORT_LOOPS_DIFFER and aval.shape[-1:] in ((3,), (4,), (5,))
    return short or aval.dtype == np.float64

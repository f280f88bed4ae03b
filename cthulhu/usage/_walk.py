"""The walk: from equation to equation, into calls, loops and branches."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from cthulhu.usage import _contractions as contractions
from cthulhu.usage import _views as views
from cthulhu.usage._elementwise import ELEMENTWISE, elementwise
from cthulhu.usage._moving import HANDLERS, moved, shape_of
from cthulhu.usage._recorder import Recorder
from cthulhu.usage._values import (
    CAPTURED,
    DATA,
    FIXED,
    UNIFORM,
    Kind,
    Value,
    one_of,
    plainly,
)

ROUNDS = 8  # After which what a loop carries is not followed any further.

# Each operand has a result of its own.
SEVERAL = frozenset({"psum", "psum2", "psum_invariant", "optimization_barrier", "device_put"})


def walk(recorder: Recorder, jaxpr: Any, values: Sequence[Value]) -> list[Value]:
    """What the results of a jaxpr are, of what its arguments are."""
    body, constants = opened(jaxpr)
    scope: dict[Any, Value] = dict(zip(body.invars, values, strict=True))
    for variable, constant in zip(body.constvars, constants, strict=True):
        scope[variable] = captured(constant)
    readers = Counter(
        atom for equation in body.eqns for atom in equation.invars if not hasattr(atom, "val")
    )
    readers.update(atom for atom in body.outvars if not hasattr(atom, "val"))

    def read(atom: Any) -> Value:
        if hasattr(atom, "val"):
            return captured(atom.val)
        value = scope[atom]
        if readers[atom] > 1 and (value.heads or value.product):
            # Whoever else reads it may add something of its own.
            return Value(value.kind, value.views, value.lost)
        return value

    for index, equation in enumerate(body.eqns):
        recorder.index, recorder.equation = index, equation
        results = step(recorder, equation, [read(atom) for atom in equation.invars])
        scope.update(zip(equation.outvars, results, strict=True))
    return [read(atom) for atom in body.outvars]


def opened(jaxpr: Any) -> tuple[Any, Sequence[Any]]:
    """The jaxpr itself, and its constants."""
    inner = getattr(jaxpr, "jaxpr", jaxpr)
    return inner, getattr(jaxpr, "consts", ())


def captured(constant: Any) -> Value:
    """What a constant of the program is."""
    return CAPTURED if getattr(constant, "ndim", 0) else UNIFORM


def step(recorder: Recorder, equation: Any, values: list[Value]) -> list[Value]:
    """What the results of one equation are."""
    name = equation.primitive.name
    if name in CONTAINERS:
        return CONTAINERS[name](recorder, equation, values)
    if name in SEVERAL:
        return [
            elementwise(recorder, [value], shape_of(out))
            for value, out in zip(values, equation.outvars, strict=True)
        ]
    if name in ELEMENTWISE:
        return [elementwise(recorder, values, shape_of(equation.outvars[0]))]
    handler = HANDLERS.get(name)
    if handler is not None:
        return handler(recorder, values, equation)
    inner = called(equation)
    if inner is not None:
        with recorder.within():
            return walk(recorder, inner, values)
    if name == "reduce_sum" and values[0].product is not None:
        return [contractions.summed(recorder, values[0].product, equation)]
    return unknown(recorder, equation, values)


def unknown(recorder: Recorder, equation: Any, values: list[Value]) -> list[Value]:
    """What an operation that no one knows makes of parameters: it uses them up."""
    name = str(equation.primitive.name)
    if any(value.kind is Kind.DATA or value.looked_up for value in values):
        for value in values:
            recorder.meets(value, "opaque", why=name)
        result = DATA
    else:
        result = plainly(
            value.used_up(name) if value.kind is Kind.LEAF else value for value in values
        )
        result = FIXED if result.kind is Kind.FIXED else result
    return [result] * len(equation.outvars)


def called(equation: Any) -> Any:
    """The jaxpr that an equation calls with its own operands, if it does nothing else."""
    held = [value for value in equation.params.values() if hasattr(opened(value)[0], "eqns")]
    if len(held) != 1:
        return None
    body = opened(held[0])[0]
    pairs = [(body.invars, equation.invars), (body.outvars, equation.outvars)]
    for inner, outer in pairs:
        if len(inner) != len(outer) or any(
            kind_of(one) != kind_of(other) for one, other in zip(inner, outer, strict=True)
        ):
            return None
    return held[0]


def kind_of(atom: Any) -> tuple[Any, ...]:
    """What tells an array from another, and from a reference to one."""
    aval = atom.aval
    return getattr(aval, "shape", None), getattr(aval, "dtype", None), hasattr(aval, "inner_aval")


def joined(recorder: Recorder, one: Value, other: Value) -> Value:
    """What may be either of two values, as after a branch."""
    if one == other:
        return one
    kinds = {one.kind, other.kind}
    if Kind.LEAF in kinds:
        if kinds == {Kind.LEAF}:
            if one.looked_up != other.looked_up:
                recorder.as_activation(one)
                return recorder.as_activation(other)
            return Value(Kind.LEAF, one_of(one.views + other.views), one.lost | other.lost)
        leaf, plain = (one, other) if one.kind is Kind.LEAF else (other, one)
        if plain.kind in (Kind.DATA, Kind.CAPTURED):
            return recorder.as_activation(leaf)
        if plain.kind is Kind.LOST:
            return plainly([leaf.used_up("a branch"), plain])
        return leaf
    found = plainly([one, other])
    return FIXED if found.kind is Kind.FIXED else found


def call(recorder: Recorder, equation: Any, values: list[Value]) -> list[Value]:
    """A function that is called."""
    inner = called(equation)
    if inner is None:
        return unknown(recorder, equation, values)
    with recorder.within():
        return walk(recorder, inner, values)


def steady(
    recorder: Recorder, body: Callable[[list[Value]], list[Value]], carry: list[Value]
) -> list[Value]:
    """What a loop carries, once it no longer changes."""
    with recorder.not_listening():
        for _ in range(ROUNDS):
            after = body(carry)
            found = [joined(recorder, one, other) for one, other in zip(carry, after, strict=True)]
            if found == carry:
                return carry
            carry = found
    return [value.used_up("a loop") if value.kind is Kind.LEAF else value for value in carry]


def trained(
    recorder: Recorder,
    before: list[Value],
    inside: list[Value],
    run: Callable[[list[Value]], list[Value]],
) -> set[int]:
    """The parameters that a loop starts with and changes, as an inner optimizer does its weights.

    In the first step they are themselves, as in a loop that is written out, and kernels there.
    """
    pairs = [pair for pair in zip(before, inside, strict=True) if becomes_data(*pair)]
    leaves = {view.leaf for start, _ in pairs for view in start.views}
    if not leaves or recorder.deaf:
        return set()
    with recorder.aside() as uses:
        run(before)
    for (leaf, place), use in uses.items():
        if leaf in leaves and use.role in ("kernel", "table"):
            recorder.uses[leaf, place] = use
    return {leaf for leaf, place in uses if (leaf, place) in recorder.uses}


def becomes_data(start: Value, now: Value) -> bool:
    """Whether a loop goes on with activations where it starts with a parameter."""
    return start.kind is Kind.LEAF and now.kind is Kind.DATA


def carried(
    recorder: Recorder, before: list[Value], inside: list[Value], weights: set[int]
) -> None:
    """Take down the states that a loop starts with, and goes on with activations."""
    for start, value in zip(before, inside, strict=True):
        if becomes_data(start, value):
            states = tuple(view for view in start.views if view.leaf not in weights)
            recorder.meets(Value(Kind.LEAF, states, start.lost), "token")
        elif value.kind is Kind.DATA:
            recorder.lost(start.lost)


def scan(recorder: Recorder, equation: Any, values: list[Value]) -> list[Value]:
    """A loop of so many steps, over layers or over time."""
    closed, length = equation.params["jaxpr"], equation.params["length"]
    body = opened(closed)[0]
    # The parameters that say how many there are of each differ between versions of JAX.
    results = [
        len(shape_of(out)) > len(shape_of(inner))
        for out, inner in zip(equation.outvars, body.outvars, strict=True)
    ]
    layers = [
        len(shape_of(outer)) > len(shape_of(inner))
        for outer, inner in zip(equation.invars, body.invars, strict=True)
    ]
    carries = results.count(False)
    first = layers.count(False) - carries
    constants, carry, rows = (
        values[:first],
        values[first : first + carries],
        values[first + carries :],
    )
    with recorder.within(), recorder.loop(length):
        depth = len(recorder.loops) - 1
        inner_rows = [a_layer(value, depth) for value in rows]

        def run(now: list[Value]) -> list[Value]:
            return walk(recorder, closed, [*constants, *now, *inner_rows])

        inside = steady(recorder, lambda now: run(now)[:carries], carry)
        weights = trained(recorder, carry, inside, run)
        found = run(inside)
    carried(recorder, carry, inside, weights)
    stacked = [a_stack(value, length) for value in found[carries:]]
    return [*inside, *stacked]


def a_layer(value: Value, depth: int) -> Value:
    """What the body of a loop sees of what it goes over."""
    if value.kind is Kind.LEAF:
        return Value(Kind.LEAF, tuple(views.layer(view, depth) for view in value.views), value.lost)
    return moved(value, "scan", lambda view: view)


def a_stack(value: Value, length: int) -> Value:
    """What the results of all steps are together."""
    if value.kind is not Kind.LEAF:
        return plainly([value]) if value.kind is not Kind.FIXED else FIXED
    if any(view.stripped for view in value.views):
        return value.used_up("scan")
    return value.with_views(
        [view.with_dims([views.repeated(length), *view.dims]) for view in value.views], "scan"
    )


def while_loop(recorder: Recorder, equation: Any, values: list[Value]) -> list[Value]:
    """A loop of which no one knows how many steps it takes."""
    params = equation.params
    first, second = params["cond_nconsts"], params["body_nconsts"]
    tests, constants = values[:first], values[first : first + second]
    carry = values[first + second :]
    with recorder.loop(None):
        with recorder.within(1):

            def run(now: list[Value]) -> list[Value]:
                return walk(recorder, params["body_jaxpr"], [*constants, *now])

            inside = steady(recorder, run, carry)
            weights = trained(recorder, carry, inside, run)
            run(inside)
        with recorder.within(0):
            walk(recorder, params["cond_jaxpr"], [*tests, *inside])
    carried(recorder, carry, inside, weights)
    return inside


def cond(recorder: Recorder, equation: Any, values: list[Value]) -> list[Value]:
    """Branches: whichever is taken."""
    chosen, *operands = values
    if chosen.kind is Kind.LEAF:
        recorder.meets(chosen, "opaque", why="cond")
    found = []
    for number, branch in enumerate(equation.params["branches"]):
        with recorder.within(number):
            found.append(walk(recorder, branch, operands))
    results = list(found[0])
    for other in found[1:]:
        results = [joined(recorder, *pair) for pair in zip(results, other, strict=True)]
    return results


def shard_map(recorder: Recorder, equation: Any, values: list[Value]) -> list[Value]:
    """What each device does, with its part of everything."""
    body = opened(equation.params["jaxpr"])[0]
    inner = [in_parts(value, atom) for value, atom in zip(values, body.invars, strict=True)]
    with recorder.within():
        found = walk(recorder, equation.params["jaxpr"], inner)
    return [in_parts(value, atom) for value, atom in zip(found, equation.outvars, strict=True)]


def in_parts(value: Value, atom: Any) -> Value:
    """A value in the size that one device, or all together, have."""
    shape = shape_of(atom)
    return moved(value, "shard_map", lambda view: views.in_shape(view, shape))


CONTAINERS: dict[str, Callable[[Recorder, Any, list[Value]], list[Value]]] = {
    "scan": scan,
    "while": while_loop,
    "cond": cond,
    "shard_map": shard_map,
    **dict.fromkeys(("jit", "pjit", "closed_call", "core_call"), call),
    **dict.fromkeys(("custom_jvp_call", "custom_vjp_call", "checkpoint", "remat2"), call),
}

"""The components of an init function as functions, and what their programs depend on.

Components that are the same up to the numbering of their values share a program.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from cthulhu import compat, random
from cthulhu._types import Aval
from cthulhu.laws import Elementwise
from cthulhu.programs._pool import Unique
from cthulhu.tracing._graph import (
    Equation,
    Graph,
    Literal,
    Ref,
    bare,
    inner_jaxprs,
    is_closed,
    is_key,
)
from cthulhu.tracing._parts import Component, is_delicate

# The order of these sums is up to the compiler, and depends on what it fuses
# them with: around them, bits are drawn as JAX draws them.
SUMS = {
    *("reduce_sum", "reduce_prod", "reduce", "reduce_window", "reduce_window_sum"),
    *("dot_general", "conv_general_dilated", "ragged_dot", "cumsum", "cumprod", "scatter-add"),
    *("cumlogsumexp", "fft", "reduce_precision"),
}


def trace_equations(
    equations: Sequence[Equation], values: dict[int, ArrayLike], *, fuse: bool
) -> None:
    """Trace `equations`: add their results to `values`, in which their inputs stand."""
    for equation in equations:
        operands = [
            ref.value if isinstance(ref, Literal) else values[ref] for ref in equation.inputs
        ]
        params = equation.params
        if fuse and equation.name == "random_bits":
            (key,) = operands
            assert isinstance(key, jax.Array)
            operands = [random.fused(key)]
        elif fuse and any(draws_bits(inner) for inner in inner_jaxprs(params)):
            params = {name: rewritten(value) for name, value in params.items()}
        bound = equation.primitive.get_bind_params(params)
        results = equation.primitive.bind(*operands, **bound)
        if not equation.primitive.multiple_results:
            results = [results]
        values.update(zip(equation.outputs, results, strict=True))


def draws_bits(jaxpr: "compat.Held") -> bool:
    """Whether random bits are drawn somewhere in `jaxpr`."""
    return "random_bits" in names(jaxpr)


def names(jaxpr: "compat.Held") -> set[str]:
    """The names of all operations in `jaxpr`, at whatever depth."""
    found: set[str] = set()
    for equation in bare(jaxpr).eqns:
        found.add(equation.primitive.name)
        if "branches_platforms" not in equation.params:
            for inner in inner_jaxprs(equation.params):
                found |= names(inner)
    return found


def rewritten(value: Any) -> Any:
    """A parameter of an equation, with the random bits of its jaxprs drawn fused."""
    if isinstance(value, tuple | list):
        return type(value)(map(rewritten, value)) if any(map(is_closed, value)) else value
    if not is_closed(value) or not draws_bits(value):
        return value
    graph = Graph(value)

    def run(*arguments: jax.Array) -> list[ArrayLike]:
        values = {**graph.constants, **dict(zip(graph.inputs, arguments, strict=True))}
        trace_equations(graph.equations, values, fuse=True)
        return [ref.value if isinstance(ref, Literal) else values[ref] for ref in graph.outputs]

    return jax.make_jaxpr(run)(*(spec(graph.avals[number]) for number in graph.inputs))


def spec(aval: Aval) -> jax.ShapeDtypeStruct:
    """An argument to trace with."""
    return jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def words_spec(aval: Aval) -> jax.ShapeDtypeStruct:
    """An argument of a program: keys come as their words."""
    if is_key(aval):
        return jax.ShapeDtypeStruct((*aval.shape, 2), np.uint32)
    return spec(aval)


def runner(component: Component, avals: Sequence[Aval]) -> Callable[..., tuple[ArrayLike, ...]]:
    """The function of a component: its inputs, keys as words or typed, to its outputs."""
    found = {equation.name for equation in component.equations}
    for equation in component.equations:
        if "branches_platforms" not in equation.params:
            for inner in inner_jaxprs(equation.params):
                found |= names(inner)
    made = (avals[output] for equation in component.equations for output in equation.outputs)
    # Own draws of dependent elements have sums too.
    summed = any(
        e.recipe and not isinstance(e.recipe.law, Elementwise) for e in component.equations
    )
    fuse = found.isdisjoint(SUMS) and not summed and not any(map(is_delicate, made))

    def run(*arguments: jax.Array) -> tuple[ArrayLike, ...]:
        values: dict[int, ArrayLike] = {}
        for number, argument in zip(component.inputs, arguments, strict=True):
            words = is_key(avals[number]) and not is_key(argument)
            values[number] = (
                jax.random.wrap_key_data(argument, impl="threefry2x32") if words else argument
            )
        trace_equations(component.equations, values, fuse=fuse)
        return tuple(values[output] for output in component.outputs)

    return run


def program_key(component: Component, avals: Sequence[Aval]) -> Hashable:
    """What the component's program depends on: the same for all that can share it."""
    numbers = {number: place for place, number in enumerate(component.inputs)}
    text = []
    for equation in component.equations:
        operands = tuple(operand(ref, numbers) for ref in equation.inputs)
        for output in equation.outputs:
            numbers[output] = len(numbers)
        what = equation.recipe or parameters(equation)
        text.append((equation.primitive, what, operands))
    inputs = tuple(signature(avals[number]) for number in component.inputs)
    return inputs, tuple(text), tuple(numbers[output] for output in component.outputs)


def signature(aval: Aval) -> Hashable:
    return tuple(aval.shape), aval.dtype, aval.weak_type


def operand(ref: Ref, numbers: dict[int, int]) -> Hashable:
    if not isinstance(ref, Literal):
        return numbers[ref]
    return ref.aval.dtype, ref.aval.weak_type, np.asarray(ref.value).tobytes()


def parameters(equation: Equation) -> Hashable:
    """The parameters of an equation, to be compared."""
    return tuple((name, comparable(value)) for name, value in sorted(equation.params.items()))


def comparable(value: Any) -> Hashable:
    if hasattr(value, "eqns") or is_closed(value):
        return (str(value), *map(Unique, getattr(value, "consts", ())))
    if isinstance(value, tuple | list):
        return tuple(map(comparable, value))
    try:
        hash(value)
    except TypeError:
        return Unique(value)
    return value  # type: ignore[no-any-return]

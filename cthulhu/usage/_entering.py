"""Equations that hold jaxprs, entered: each as a function that says what is found inside too.

Each is made again with the public function that made it, of the evaluators of its jaxprs.
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec

from cthulhu import compat
from cthulhu._types import PyTree
from cthulhu.usage._values import Place

Found: TypeAlias = dict[int, PyTree]
"""The statistics by the number of the tap."""

Inside: TypeAlias = Mapping[Place, int]
"""The numbers of the taps within a jaxpr, by their places in it."""

Evaluator: TypeAlias = Callable[..., tuple[list[Any], Found]]
"""From what is given to taps, and the inputs of a jaxpr or an equation, to its outputs, and what
is found within."""

Make: TypeAlias = "Callable[[compat.Held, Inside], Evaluator]"
"""What makes the evaluator of a jaxpr."""

OWNER = "tapped"


def entered(equation: "compat.JaxprEqn", within: Inside, make: Make) -> Evaluator:
    """An equation that holds jaxprs, as a function of its inputs."""
    name = equation.primitive.name
    if name not in HOLDING:
        raise ValueError(
            f"{OWNER}: a place is inside of {name!r}, which cannot be entered; "
            f"{', '.join(sorted(HOLDING))} can"
        )
    inner = HOLDING[name](equation, within, make)

    numbers = set(within.values())

    def evaluate(given: Found, *arguments: Any) -> tuple[list[Any], Found]:
        mine = {number: value for number, value in given.items() if number in numbers}
        with equation.ctx.manager:
            return inner(mine, *arguments)

    return evaluate


def call(held: str, equation: "compat.JaxprEqn", within: Inside, make: Make) -> Evaluator:
    """What only calls the jaxpr it holds."""
    return make(equation.params[held], within)


def jitted(equation: "compat.JaxprEqn", within: Inside, make: Make) -> Evaluator:
    """``jit``, which may ask that values lie somewhere."""
    params = equation.params
    inner = make(params["jaxpr"], within)

    def run(given: Found, *arguments: Any) -> tuple[list[Any], Found]:
        outputs, found = inner(given, *laid_out(arguments, params["in_shardings"]))
        return laid_out(outputs, params["out_shardings"]), found

    return jax.jit(run)


def laid_out(values: Sequence[Any], shardings: Sequence[Any]) -> list[Any]:
    """The values where they are asked to lie."""
    return [
        value if compat.is_unspecified(asked) else lax.with_sharding_constraint(value, asked)
        for value, asked in zip(values, shardings, strict=True)
    ]


def remat(equation: "compat.JaxprEqn", within: Inside, make: Make) -> Evaluator:
    """``checkpoint``."""
    params = equation.params
    inner = make(params["jaxpr"], within)
    return jax.checkpoint(inner, prevent_cse=params["prevent_cse"], policy=params["policy"])


def scan(equation: "compat.JaxprEqn", within: Inside, make: Make) -> Evaluator:
    """``scan``: statistics are stacked as its outputs are."""
    params = equation.params
    inner = make(params["jaxpr"], within)
    constants, carried = compat.scan_parts(equation)
    options = {name: params[name] for name in ("length", "reverse", "unroll")}

    def run(given: Found, *arguments: Any) -> tuple[list[Any], Found]:
        fixed, start = arguments[:constants], arguments[constants : constants + carried]
        rows = given, arguments[constants + carried :]

        def body(carry: Sequence[Any], row: tuple[Found, Sequence[Any]]) -> Any:
            mine, x = row
            outputs, found = inner(mine, *fixed, *carry, *x)
            return tuple(outputs[:carried]), (outputs[carried:], found)

        end, (stacked, found) = lax.scan(body, start, rows, **options)
        return [*end, *stacked], found

    return run


def cond(equation: "compat.JaxprEqn", within: Inside, make: Make) -> Evaluator:
    """``cond``: the branches that are not taken leave blanks."""
    held = equation.params["branches"]
    branches = [make(one, part) for one, part in parts(held, within)]

    def run(given: Found, index: Any, *operands: Any) -> tuple[list[Any], Found]:
        shapes = [jax.eval_shape(branch, given, *operands)[1] for branch in branches]
        blanks: Found = {}
        for shape in shapes:
            blanks |= jax.tree.map(blank, shape)

        def filled(branch: Evaluator) -> Evaluator:
            def evaluate(*arguments: Any) -> tuple[list[Any], Found]:
                outputs, found = branch(*arguments)
                return outputs, {**blanks, **found}

            return evaluate

        result: tuple[list[Any], Found] = lax.switch(
            index, list(map(filled, branches)), given, *operands
        )
        return result

    return run


def parts(held: Sequence["compat.Held"], within: Inside) -> Iterator[tuple["compat.Held", Inside]]:
    """Each of several jaxprs, with the taps in it."""
    for which, *_ in within:
        if not 0 <= which < len(held):
            raise ValueError(
                f"{OWNER}: there are {len(held)} branches; number {which} is asked for"
            )
    for at, one in enumerate(held):
        yield one, {place[1:]: number for place, number in within.items() if place[0] == at}


def blank(value: Any) -> jax.Array:
    """What a statistic is where nothing ran."""
    inexact = jnp.issubdtype(value.dtype, jnp.inexact)
    return jnp.full(value.shape, jnp.nan if inexact else 0, value.dtype)


def while_loop(equation: "compat.JaxprEqn", within: Inside, make: Make) -> Evaluator:
    """``while``: the statistics of each step replace those of the step before."""
    params = equation.params
    held = [params["cond_jaxpr"], params["body_jaxpr"]]
    (condition, early), (body, late) = parts(held, within)
    if early:
        raise ValueError(f"{OWNER}: the condition of a while loop cannot be looked into")
    goes_on, step = make(condition, {}), make(body, late)
    for_condition, for_body = params["cond_nconsts"], params["body_nconsts"]

    def run(given: Found, *arguments: Any) -> tuple[list[Any], Found]:
        first = arguments[:for_condition]
        second = arguments[for_condition : for_condition + for_body]
        start = list(arguments[for_condition + for_body :])
        blanks = jax.tree.map(blank, jax.eval_shape(step, given, *second, *start)[1])
        result: tuple[list[Any], Found] = lax.while_loop(
            lambda carry: goes_on({}, *first, *carry[0])[0][0],
            lambda carry: step(given, *second, *carry[0]),
            (start, blanks),
        )
        return result

    return run


def shard_map(equation: "compat.JaxprEqn", within: Inside, make: Make) -> Evaluator:
    """``shard_map``: each device has statistics of its own, which are stacked."""
    params = equation.params
    inner = make(params["jaxpr"], within)
    everywhere = PartitionSpec(compat.manual_axes(equation))

    def run(given: Found, *arguments: Any) -> tuple[list[Any], Found]:
        mine = jax.tree.map(lambda value: value[0], given)
        outputs, found = inner(mine, *arguments)
        return outputs, jax.tree.map(lambda value: jnp.asarray(value)[None], found)

    mapped = jax.shard_map(
        run,
        mesh=params["mesh"],
        in_specs=(everywhere, *params["in_specs"]),
        out_specs=(list(params["out_specs"]), everywhere),
        check_vma=params["check_vma"],
        axis_names=params["newly_manual_axes"],
    )
    return mapped


HOLDING: "dict[str, Callable[[compat.JaxprEqn, Inside, Make], Evaluator]]" = {
    "jit": jitted,
    "pjit": jitted,
    "checkpoint": remat,
    "remat2": remat,
    "closed_call": functools.partial(call, "call_jaxpr"),
    "core_call": functools.partial(call, "call_jaxpr"),
    "custom_jvp_call": functools.partial(call, "call_jaxpr"),
    "custom_vjp_call": functools.partial(call, "call_jaxpr"),
    "scan": scan,
    "cond": cond,
    "while": while_loop,
    "shard_map": shard_map,
}

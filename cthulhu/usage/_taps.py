"""Run a program once, and look at values in its midst: no hook of any framework is needed.

A jaxpr is cut behind the equations that are looked at, and around those that hold others
inside of which one is. What lies between is evaluated by JAX itself, as it stands; what is
cut is put together again by the public function that made it, with the statistics as
further outputs. So the values are those of the program, and nothing is kept but what a
statistic keeps.
"""

import functools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax

from cthulhu import compat
from cthulhu._types import PyTree
from cthulhu.usage._entering import OWNER, Evaluator, Found, Inside, entered
from cthulhu.usage._values import Place

Statistic: TypeAlias = Callable[[jax.Array], PyTree]
Change: TypeAlias = Callable[[jax.Array, PyTree], jax.Array]
Values: TypeAlias = "dict[compat.Atom, Any]"
LastReads: TypeAlias = "dict[compat.Atom, int]"


class Look(NamedTuple):
    """What is done at each tap, by its number."""

    statistics: Sequence[Statistic]
    changes: Sequence[Change] | None = None

    def at(self, value: jax.Array, given: Found, number: int) -> tuple[jax.Array, Found]:
        """The value from here on, and what is found of it before."""
        found = {number: self.statistics[number](value)}
        if self.changes is not None and number in given:
            value = self.changes[number](value, given[number])
        return value, found


def tapped(
    program: "compat.ClosedJaxpr",
    taps: Mapping[Place, Hashable],
    statistic: Statistic | Mapping[Any, Statistic],
    change: Change | Mapping[Any, Change] | None = None,
) -> Callable[..., tuple[list[Any], dict[Any, PyTree]]]:
    """The function of a jaxpr that also returns statistics of chosen values within.

    The outputs are those of the program. Around a tap, derivatives are those of the
    equations as they stand: a ``custom_jvp`` or ``custom_vjp`` is entered if a tap is
    inside of it, and keeps its rule if none is.

    Args:
        program: the jaxpr, with its constants, as `jax.make_jaxpr` makes it.
        taps: what each chosen equation is called, by its `Place`. It has one output.
        statistic: from the output to arrays, as its mean square. It is applied where the
            value is made, and before it is changed, so that the value need not be kept. A
            mapping has one for each name.
        change: from the output, and what is given to the tap, to the value that the program
            goes on with; likewise. Default: nothing is changed.

    Returns:
        A function of the program's inputs, one by one, to its outputs and the statistics
        by name. What is given to taps is its argument `given`, by name: arrays like those
        of a statistic, with a leading axis for each step or device where a statistic has
        one. It may be transformed by `jax.jit`, `jax.vmap` and `jax.grad`. Within a
        ``scan``, statistics are stacked, an entry a step, in the order of its inputs;
        within ``shard_map``, an entry a device, of its own part. In a ``while``, they are
        those of the last step. Where nothing ran, as in the branch of a ``cond`` that was
        not taken, they are NaN, or 0 for integers.

    Raises:
        ValueError: a place is none of the program's, cannot be entered, or has not one
            output.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> program = jax.make_jaxpr(lambda x: jnp.tanh(2 * x).sum())(jnp.zeros(3))
        >>> run = tapped(program, {(1,): "tanh"}, lambda value: value.shape[0])
        >>> run(jnp.zeros(3))[1]
        {'tanh': 3}
    """
    names = list(taps.values())
    look = Look(for_each(names, statistic), None if change is None else for_each(names, change))
    evaluate = evaluator(look, program, {place: at for at, place in enumerate(taps)})

    def run(
        *arguments: Any, given: Mapping[Any, PyTree] | None = None
    ) -> tuple[list[Any], dict[Any, PyTree]]:
        numbered = {names.index(name): value for name, value in (given or {}).items()}
        outputs, found = evaluate(numbered, *arguments)
        return outputs, {name: found[at] for at, name in enumerate(names)}

    return run


def for_each(names: Sequence[Any], one: Any) -> list[Any]:
    """What is done at each tap: its own, or the same."""
    return [one[name] for name in names] if isinstance(one, Mapping) else [one] * len(names)


class Piece(NamedTuple):
    """Some equations in a row, as a function from the values they read to those read later."""

    reads: Sequence["compat.Atom"]
    writes: Sequence["compat.Var"]
    evaluate: Evaluator


def evaluator(look: Look, held: "compat.Held", inside: Inside) -> Evaluator:
    """The function of a jaxpr, which returns what is found in it too."""
    jaxpr, constants = compat.opened(held)
    if not inside:
        return untapped(held)
    pieces = list(cut(jaxpr, inside, look))

    def evaluate(given: Found, *arguments: Any) -> tuple[list[Any], Found]:
        values: Values = dict(zip(jaxpr.constvars, constants, strict=True))
        values.update(zip(jaxpr.invars, arguments, strict=True))
        found: Found = {}
        for piece in pieces:
            outputs, new = piece.evaluate(given, *(read(values, atom) for atom in piece.reads))
            values.update(zip(piece.writes, outputs, strict=True))
            found.update(new)
        return [read(values, atom) for atom in jaxpr.outvars], found

    return evaluate


def untapped(held: "compat.Held") -> Evaluator:
    """The function of a jaxpr in which nothing is looked at."""
    jaxpr, constants = compat.opened(held)

    def evaluate(given: Found, *arguments: Any) -> tuple[list[Any], Found]:
        return list(jax.core.eval_jaxpr(jaxpr, constants, *arguments)), {}

    return evaluate


def read(values: Values, atom: "compat.Atom") -> Any:
    """The value of a variable or of a literal."""
    return atom.val if hasattr(atom, "val") else values[atom]


def is_literal(atom: "compat.Atom") -> bool:
    """Whether it is a constant in the text of the program."""
    return hasattr(atom, "val")


def cut(jaxpr: "compat.Jaxpr", inside: Inside, look: Look) -> Iterator[Piece]:
    """The equations of a jaxpr in pieces: each ends where something is looked at."""
    looked_at: dict[int, dict[Place, int]] = {}
    for place, number in inside.items():
        index = place[0] if place else -1
        if not 0 <= index < len(jaxpr.eqns):
            raise ValueError(
                f"{OWNER}: a place must be one of the program's; equation {index} was asked for "
                f"where there are {len(jaxpr.eqns)}"
            )
        looked_at.setdefault(index, {})[place[1:]] = number
    last = last_reads(jaxpr)
    start = 0
    for index, within in sorted(looked_at.items()):
        equation = jaxpr.eqns[index]
        if () in within:
            yield looking(jaxpr, (start, index + 1), last, within, look)
        else:
            yield plain(jaxpr, (start, index), last)
            make = functools.partial(evaluator, look)
            yield Piece(equation.invars, equation.outvars, entered(equation, within, make))
        start = index + 1
    yield plain(jaxpr, (start, len(jaxpr.eqns)), last)


def last_reads(jaxpr: "compat.Jaxpr") -> LastReads:
    """The last equation that reads each variable; the outputs are read after all."""
    last = {
        atom: index
        for index, equation in enumerate(jaxpr.eqns)
        for atom in equation.invars
        if not is_literal(atom)
    }
    return last | {atom: len(jaxpr.eqns) for atom in jaxpr.outvars if not is_literal(atom)}


def plain(
    jaxpr: "compat.Jaxpr",
    span: tuple[int, int],
    last: LastReads,
    looked_at: Sequence["compat.Var"] = (),
) -> Piece:
    """The equations of a span; what is looked at is written whether it is read later or not."""
    equations = jaxpr.eqns[slice(*span)]
    made = {variable: None for equation in equations for variable in equation.outvars}
    needed = [atom for equation in equations for atom in equation.invars]
    outside = [atom for atom in needed if not is_literal(atom) and atom not in made]
    reads = list(dict.fromkeys(outside))
    writes = [variable for variable in made if last.get(variable, -1) >= span[1]]
    writes += looked_at
    piece = jaxpr.replace(constvars=(), invars=reads, outvars=writes, eqns=equations)
    return Piece(reads, writes, untapped(piece))


def looking(
    jaxpr: "compat.Jaxpr",
    span: tuple[int, int],
    last: LastReads,
    within: Inside,
    look: Look,
) -> Piece:
    """The equations of a span, of which the last is looked at."""
    equation = jaxpr.eqns[span[1] - 1]
    name = equation.primitive.name
    if len(within) > 1:
        raise ValueError(f"{OWNER}: {name!r} was asked for, and an equation inside of it too")
    if len(equation.outvars) != 1:
        raise ValueError(
            f"{OWNER}: a place must be of an equation with one output; {name!r} has "
            f"{len(equation.outvars)}"
        )
    piece = plain(jaxpr, span, last, equation.outvars)

    def evaluate(given: Found, *arguments: Any) -> tuple[list[Any], Found]:
        (*others, value), _ = piece.evaluate(given, *arguments)
        value, found = look.at(value, given, within[()])
        # It may have been written already, for what is read later.
        again = [
            value if one is equation.outvars[0] else other
            for one, other in zip(piece.writes[:-1], others, strict=True)
        ]
        return [*again, value], found

    return piece._replace(evaluate=evaluate)

"""An init function as a flat list of equations.

A `Graph` is a jaxpr with nothing unneeded in it, so without the forward pass,
and with its inner calls spelled out.
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any, TypeAlias, TypeGuard, cast

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from cthulhu import compat
from cthulhu._types import Array, Aval
from cthulhu.programs._build import Recipe, recipe_of

# Calls whose meaning is that of the jaxpr they hold; what else they carry serves
# differentiation, of which there is none here.
CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "checkpoint": "jaxpr",
    "remat2": "jaxpr",
}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """A constant scalar of the program's text."""

    value: ArrayLike
    aval: Aval


Ref = int | Literal

Params: TypeAlias = dict[str, Any]
"""The parameters of an operation, by name: whatever it takes."""

Scope: TypeAlias = "dict[compat.Atom, Ref]"
"""What stands for the variables of a jaxpr."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Equation:
    """One operation; values are numbers into `Graph.avals`."""

    primitive: "compat.Primitive"
    params: Params
    inputs: tuple[Ref, ...]
    outputs: tuple[int, ...]
    recipe: Recipe | None = None
    """What an initializer of this library draws here; its inputs are the key and the scalars."""
    label: str = ""
    """What that initializer calls itself."""

    @property
    def name(self) -> str:
        """The name of the operation."""
        return str(self.primitive.name)

    def sources(self) -> Iterable[int]:
        """The inputs that are no literals."""
        return (ref for ref in self.inputs if not isinstance(ref, Literal))


class Graph:
    """The equations that `outputs` need, in order; `needed` are the values they read."""

    def __init__(self, jaxpr: "compat.ClosedJaxpr") -> None:
        opened, constants = marked(jaxpr.jaxpr, {}), jaxpr.consts
        needed = compat.pruned(opened)
        self.avals: list[Aval] = []
        self.equations: list[Equation] = []
        self.constants: dict[int, ArrayLike] = {}
        scope: Scope = {}
        for variable, constant in zip(opened.constvars, constants, strict=True):
            scope[variable] = self.constant(compat.aval_of(variable), constant)
        self.inputs = [self.new(compat.aval_of(variable)) for variable in needed.invars]
        scope.update(zip(needed.invars, self.inputs, strict=True))
        self.outputs = self.inline(needed, scope)
        self.prune()

    def new(self, aval: Aval) -> int:
        """A value of its own."""
        self.avals.append(aval)
        return len(self.avals) - 1

    def constant(self, aval: Aval, value: ArrayLike) -> int:
        """A captured array: an input that the graph itself provides."""
        number = self.new(aval)
        self.constants[number] = value
        return number

    def read(self, scope: Scope, atom: "compat.Atom") -> Ref:
        """What stands for a variable or a literal of a jaxpr."""
        if not hasattr(atom, "val"):
            return scope[atom]
        aval = compat.aval_of(atom)
        return self.constant(aval, atom.val) if aval.shape else Literal(atom.val, aval)

    def inline(self, jaxpr: "compat.Jaxpr", scope: Scope) -> list[Ref]:
        """Append the equations of `jaxpr`, with its calls spelled out."""
        for equation in jaxpr.eqns:
            inputs = tuple(self.read(scope, atom) for atom in equation.invars)
            recipe, label, inner = None, "", called(equation)
            if equation.primitive is compat.draw_marker():
                recipe, written = equation.params["recipe"], equation.params["equation"]
                label = str(written.source_info.name_stack).rpartition("/")[2]
            else:
                written = equation
            if inner is None:
                outputs = tuple(self.new(compat.aval_of(variable)) for variable in equation.outvars)
                self.equations.append(
                    Equation(written.primitive, written.params, inputs, outputs, recipe, label)
                )
                scope.update(zip(equation.outvars, outputs, strict=True))
                continue
            body, constants = bare(inner), getattr(inner, "consts", ())
            within: Scope = dict(zip(body.invars, inputs, strict=True))
            for variable, value in zip(body.constvars, constants, strict=True):
                within[variable] = self.constant(compat.aval_of(variable), value)
            scope.update(zip(equation.outvars, self.inline(body, within), strict=True))
        return [self.read(scope, atom) for atom in jaxpr.outvars]

    def prune(self) -> None:
        """Drop what no output needs."""
        needed = {ref for ref in self.outputs if not isinstance(ref, Literal)}
        kept = []
        for equation in reversed(self.equations):
            if not needed.isdisjoint(equation.outputs):
                kept.append(equation)
                needed.update(equation.sources())
        self.equations = kept[::-1]
        self.needed = needed

    def size(self, ref: Ref) -> int:
        """The number of elements of a value."""
        aval = ref.aval if isinstance(ref, Literal) else self.avals[ref]
        return math.prod(aval.shape)


def marked(
    jaxpr: "compat.Jaxpr", known: "dict[int, tuple[compat.Jaxpr, compat.Jaxpr]]"
) -> "compat.Jaxpr":
    """The jaxpr with every draw of this library marked, so that nothing prunes or opens it.

    `known` remembers the jaxprs that were read already, with what they became.
    """
    if id(jaxpr) in known:
        return known[id(jaxpr)][1]
    equations = []
    for equation in jaxpr.eqns:
        found = equation
        recipe = recipe_of(equation)
        if recipe is not None and recipe.law.uses_key:
            params = {"recipe": recipe, "equation": equation}
            found = equation.replace(primitive=compat.draw_marker(), params=params)
        elif recipe is None and (inner := called(equation)) is not None:
            body = marked(bare(inner), known)
            if body is not bare(inner):
                held = CALLS[equation.primitive.name]
                opened = inner.replace(jaxpr=body) if is_closed(inner) else body
                found = equation.replace(params={**equation.params, held: opened})
        equations.append(found)
    same = all(new is old for new, old in zip(equations, jaxpr.eqns, strict=True))
    result: compat.Jaxpr = jaxpr if same else jaxpr.replace(eqns=equations)
    known[id(jaxpr)] = (jaxpr, result)
    return result


def called(equation: "compat.JaxprEqn") -> "compat.Held | None":
    """The jaxpr that an equation calls as it stands, or `None`."""
    params = equation.params
    held = CALLS.get(equation.primitive.name)
    if held is None or held not in params or params.get("compiler_options_kvs"):
        return None
    for name in ("in_shardings", "out_shardings", "in_layouts", "out_layouts"):
        for asked in params.get(name, ()):
            if not compat.is_unspecified(asked):
                return None
    inner: compat.Held = params[held]
    return inner


def bare(jaxpr: "compat.Held") -> "compat.Jaxpr":
    """The jaxpr itself, where it is held with its constants."""
    return cast("compat.Jaxpr", getattr(jaxpr, "jaxpr", jaxpr))


def is_closed(value: object) -> "TypeGuard[compat.ClosedJaxpr]":
    """Whether it is a jaxpr with its constants."""
    return hasattr(value, "jaxpr") and hasattr(value, "consts")


def inner_jaxprs(params: Params) -> "Iterable[compat.Held]":
    """The jaxprs among the parameters of an equation."""
    for value in params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if hasattr(item, "eqns") or hasattr(getattr(item, "jaxpr", None), "eqns"):
                yield item


def is_key(aval: Aval | Array | jax.ShapeDtypeStruct) -> bool:
    """Whether values of this kind are typed keys."""
    return bool(jnp.issubdtype(aval.dtype, jax.dtypes.prng_key))

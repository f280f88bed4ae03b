"""An init function as a flat list of equations.

A `Graph` is a jaxpr with nothing unneeded in it, so without the forward pass,
and with its inner calls spelled out.
"""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp

from cthulhu import compat
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

    value: Any
    aval: Any


Ref = int | Literal


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Equation:
    """One operation; values are numbers into `Graph.avals`."""

    primitive: Any
    params: dict[str, Any]
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

    def __init__(self, jaxpr: Any) -> None:
        opened, constants = marked(jaxpr.jaxpr, {}), jaxpr.consts
        needed = compat.pruned(opened)
        self.avals: list[Any] = []
        self.equations: list[Equation] = []
        self.constants: dict[int, Any] = {}
        scope: dict[Any, Ref] = {}
        for variable, constant in zip(opened.constvars, constants, strict=True):
            scope[variable] = self.constant(variable.aval, constant)
        self.inputs = [self.new(variable.aval) for variable in needed.invars]
        scope.update(zip(needed.invars, self.inputs, strict=True))
        self.outputs = self.inline(needed, scope)
        self.prune()

    def new(self, aval: Any) -> int:
        """A value of its own."""
        self.avals.append(aval)
        return len(self.avals) - 1

    def constant(self, aval: Any, value: Any) -> int:
        """A captured array: an input that the graph itself provides."""
        number = self.new(aval)
        self.constants[number] = value
        return number

    def read(self, scope: dict[Any, Ref], atom: Any) -> Ref:
        """What stands for a variable or a literal of a jaxpr."""
        if not hasattr(atom, "val"):
            return scope[atom]
        if atom.aval.shape:
            return self.constant(atom.aval, atom.val)
        return Literal(atom.val, atom.aval)

    def inline(self, jaxpr: Any, scope: dict[Any, Ref]) -> list[Ref]:
        """Append the equations of `jaxpr`, with its calls spelled out."""
        for equation in jaxpr.eqns:
            inputs = tuple(self.read(scope, atom) for atom in equation.invars)
            recipe, label, inner = None, "", called(equation)
            if equation.primitive is compat.own_draw():
                recipe, written = equation.params["recipe"], equation.params["equation"]
                label = str(written.source_info.name_stack).rpartition("/")[2]
            else:
                written = equation
            if inner is None:
                outputs = tuple(self.new(variable.aval) for variable in equation.outvars)
                self.equations.append(
                    Equation(written.primitive, written.params, inputs, outputs, recipe, label)
                )
                scope.update(zip(equation.outvars, outputs, strict=True))
                continue
            body, constants = getattr(inner, "jaxpr", inner), getattr(inner, "consts", ())
            within: dict[Any, Ref] = dict(zip(body.invars, inputs, strict=True))
            for variable, value in zip(body.constvars, constants, strict=True):
                within[variable] = self.constant(variable.aval, value)
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


def marked(jaxpr: Any, known: dict[int, Any]) -> Any:
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
            found = equation.replace(primitive=compat.own_draw(), params=params)
        elif recipe is None and (inner := called(equation)) is not None:
            body = marked(getattr(inner, "jaxpr", inner), known)
            if body is not getattr(inner, "jaxpr", inner):
                held = CALLS[equation.primitive.name]
                opened = inner.replace(jaxpr=body) if hasattr(inner, "jaxpr") else body
                found = equation.replace(params={**equation.params, held: opened})
        equations.append(found)
    same = all(new is old for new, old in zip(equations, jaxpr.eqns, strict=True))
    result = jaxpr if same else jaxpr.replace(eqns=equations)
    known[id(jaxpr)] = (jaxpr, result)
    return result


def called(equation: Any) -> Any:
    """The jaxpr that an equation calls as it stands, or `None`."""
    params = equation.params
    held = CALLS.get(equation.primitive.name)
    if held is None or held not in params or params.get("compiler_options_kvs"):
        return None
    for name in ("in_shardings", "out_shardings", "in_layouts", "out_layouts"):
        for asked in params.get(name, ()):
            if not compat.is_unspecified(asked):
                return None
    return params[held]


def inner_jaxprs(params: dict[str, Any]) -> Iterable[Any]:
    """The jaxprs among the parameters of an equation."""
    for value in params.values():
        for item in value if isinstance(value, tuple | list) else (value,):
            if hasattr(item, "eqns") or hasattr(getattr(item, "jaxpr", None), "eqns"):
                yield item


def is_key(aval: Any) -> bool:
    """Whether values of this kind are typed keys."""
    return bool(jnp.issubdtype(aval.dtype, jax.dtypes.prng_key))

"""Compiled programs: one for each (law, shape, dtype, sharding).

A program runs a law in the type of the computation, and rounds the result once to
the type asked for. Scales, shifts and bounds are its runtime scalars, so they never
cause another compilation.
"""

import contextvars
import functools
import math
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, NamedSharding

from cthulhu import compat
from cthulhu._types import Array, DType, Jitted, Number
from cthulhu.caches import Recent, bounded
from cthulhu.laws import Elementwise, Law, Moments
from cthulhu.laws._base import values_alone
from cthulhu.programs._placement import check_divides
from cthulhu.random._threefry import Counter

Run = Callable[..., jax.Array]

Argument: TypeAlias = Array | Number | Counter | None
"""What a program takes: a key, scalars, and the place of a block."""


class Recipe(NamedTuple):
    """What a program computes, apart from the scalars: what tells the program from others."""

    law: Law
    shape: tuple[int, ...]
    dtype: DType
    sharding: NamedSharding | None


class Draw(NamedTuple):
    """A law bound to its scalars, a shape, a type and a layout; its values wait for a key only."""

    program: "Program"
    scalars: tuple[Number, ...]
    recipe: Recipe
    label: str = ""
    """What a trace calls the draw: the initializer with its options."""
    place: tuple[Counter, ...] = ()
    """Of some rows of an array, where they begin."""

    def __call__(self, key: Array | None) -> jax.Array:
        """Make the values that belong to `key`."""
        values: jax.Array
        if compat.under_trace():
            with jax.named_scope(self.label or self.recipe.law.name):
                see = watcher.get()
                if see is not None and self.is_one_operation():
                    see(self)
                    aval = jax.core.ShapedArray(self.recipe.shape, self.recipe.dtype)
                    values = operation().bind(key, *self.scalars, recipe=self.recipe, aval=aval)
                else:
                    values = self.program.inside(key, *self.place, *self.scalars)
        else:
            values = self.program.outside(key, *self.place, *self.scalars)
        return values

    def is_one_operation(self) -> bool:
        """Whether a function that is only read may show the draw as one operation."""
        plain = self.recipe.law.uses_key and self.recipe.sharding is None and not self.place
        return plain and bool(jax.sharding.get_abstract_mesh().empty)

    def moments(self) -> Moments | None:
        """The mean and the standard deviation, if the law knows them; of concrete scalars."""
        return self.recipe.law.moments(self.recipe.shape, *self.scalars)

    def rows(self, first: int, last: int) -> "Draw":
        """The draw of these rows alone: equal to slicing the whole, at their own cost.

        The rows' place is a runtime scalar, so blocks of one size share a program.
        Only elementwise laws have random access.
        """
        law, shape, dtype, sharding = self.recipe
        if not shape or not 0 <= first <= last <= shape[0]:
            raise ValueError(
                f"{law.name}: rows must be a pair (first, last) with 0 <= first <= last <= "
                f"{shape[0] if shape else 0}, the first dimension of shape {shape!r}; "
                f"got {(first, last)!r}"
            )
        block = Recipe(law, (last - first, *shape[1:]), dtype, sharding)
        offset = first * math.prod(shape[1:])
        start = (np.uint32(offset >> 32), np.uint32(offset & 0xFFFFFFFF))
        return Draw(block_program(block), self.scalars, block, self.label, (start,))


watcher: "contextvars.ContextVar[Callable[[Draw], None] | None]"
watcher = contextvars.ContextVar("watcher", default=None)
"""What hears of each draw, in a trace that is to be read and not to be run."""


@functools.cache
def operation() -> "compat.Primitive":
    """A draw of this library as one equation, which takes no time to trace."""

    def expand(
        key: jax.Array, *scalars: Number, recipe: Recipe, aval: jax.core.ShapedArray
    ) -> jax.Array:
        values: jax.Array = program(recipe).inside(key, *scalars)
        return values

    return compat.one_operation("cthulhu_draw", expand)


def compute_dtype(dtype: DType) -> DType:
    """The type to draw in: at least float32, so that narrow types are rounded once."""
    if jnp.issubdtype(dtype, np.complexfloating) or dtype == np.float64:
        return dtype
    return np.dtype(np.float32)


def rounded(values: jax.Array, dtype: DType) -> jax.Array:
    """Finite `values` in another type, rounded to nearest, ties to even.

    XLA:CPU takes longer to convert float32 to bfloat16 than to draw it. The same
    rounding in integers: add half a unit of what stays, less one bit where that
    is even, and cut off the rest.
    """
    if values.dtype != np.float32 or dtype != jnp.bfloat16:
        return lax.convert_element_type(values, dtype)

    def on_cpu(values: jax.Array) -> jax.Array:
        bits = lax.bitcast_convert_type(values, np.uint32)
        odd = lax.bitwise_and(lax.shift_right_logical(bits, np.uint32(16)), np.uint32(1))
        carried = lax.add(lax.add(bits, np.uint32(0x7FFF)), odd)
        kept = lax.convert_element_type(lax.shift_right_logical(carried, np.uint32(16)), np.uint16)
        return lax.bitcast_convert_type(kept, jnp.bfloat16)

    def elsewhere(values: jax.Array) -> jax.Array:
        return lax.convert_element_type(values, dtype)

    result: jax.Array = lax.platform_dependent(values, cpu=on_cpu, default=elsewhere)
    return result


class Program:
    """The program of a law, for one shape, type and sharding.

    By itself, `outside` of any trace, it runs compiled, with compiler options, which JAX
    accepts for a program of its own only. `inside` of a trace it leaves one `jit` equation
    with the name of its law, by which `recipe_of` knows it again.
    """

    def __init__(self, run: Run, sharding: NamedSharding | None) -> None:
        options = compat.options_of_platform()
        if sharding is None:
            self.inside: Any = jax.jit(run)
            self.outside: Jitted = jax.jit(run, compiler_options=options)
        else:
            self.inside = constrained(run, sharding)
            self.outside = jax.jit(run, out_shardings=sharding, compiler_options=options)
        self.recipe: Recipe | None = None
        self.traced: object = None  # What the newest equation that was recognized holds.

    def left(self, equation: "compat.JaxprEqn") -> bool:
        """Whether the equation is a call of this program, unchanged by any transformation.

        JAX traces a function once for each kind of arguments, so a call that was
        vectorized, differentiated or pruned holds another text than the call itself.
        """
        held = equation.params["jaxpr"]
        if self.traced is not held:
            avals = map(compat.aval_of, equation.invars)
            specs = [
                jax.ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)
                for aval in avals
            ]
            if self.inside.trace(*specs).jaxpr is not held:
                return False
            self.traced = held
        return True


LIMIT = 4096  # Programs that are remembered, and kinds of them that are recognized.

# By name, shape and type. The programs themselves are kept by `program` alone.
_recognized: Recent["weakref.WeakSet[Program]"] = Recent(LIMIT)


def recipe_of(equation: "compat.JaxprEqn") -> Recipe | None:
    """What a draw of this library left in a traced program: its recipe.

    Args:
        equation: an equation of a jaxpr.

    Returns:
        The recipe of the draw, of which the equation has the key and the scalars as
        its inputs; `None` if it is anything else, or a draw that was transformed.

    Example:
        >>> from cthulhu.functional import he_normal
        >>> jaxpr = jax.make_jaxpr(lambda key: he_normal(key, (4, 8)))(jax.random.key(0))
        >>> recipe_of(jaxpr.eqns[0]).law.name
        'truncated_normal'
    """
    if equation.primitive is operation():
        found: Recipe = equation.params["recipe"]
        return found
    if equation.primitive.name not in ("jit", "pjit") or len(equation.outvars) != 1:
        return None
    made = compat.aval_of(equation.outvars[0])
    kind = (equation.params.get("name"), tuple(made.shape), made.dtype)
    # A law without key and scalars has no inputs.
    programs = _recognized.peek(kind)
    if programs is None or not equation.invars:
        return None
    key, *scalars = map(compat.aval_of, equation.invars)
    if any(aval.shape for aval in scalars):
        return None
    if key.shape != (() if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else (2,)):
        return None
    for one in tuple(programs):
        recipe = one.recipe
        if recipe and len(scalars) == len(recipe.law.scalars) and one.left(equation):
            return recipe
    return None


@bounded(LIMIT)
def program(recipe: Recipe) -> Program:
    """The compiled program of a law."""
    law, shape, dtype, sharding = recipe
    values_of = law.values if sharding is not None else functools.partial(values_alone, law)

    def run(key: jax.Array, *scalars: Number) -> jax.Array:
        return rounded(values_of(key, shape, compute_dtype(dtype), *scalars), dtype)

    run.__name__ = run.__qualname__ = law.name
    made = Program(run, sharding)
    if sharding is None:
        made.recipe = recipe
        kind = (law.name, shape, dtype)
        _recognized.get(kind, weakref.WeakSet).add(made)
    return made


@bounded(1024)
def block_program(recipe: Recipe) -> Program:
    """The compiled program of a law over a block, whose place is a runtime scalar."""
    law, shape, dtype, sharding = recipe
    assert isinstance(law, Elementwise)

    def run(key: jax.Array, start: Counter, *scalars: Number) -> jax.Array:
        values = law.block(key, shape, compute_dtype(dtype), start, *scalars)
        return rounded(values, dtype)

    run.__name__ = run.__qualname__ = f"{law.name}_block"
    return Program(run, sharding)


def constrained(run: Run, sharding: NamedSharding) -> Run:
    """`run` with its result in `sharding`, as a part of other programs."""
    explicit = tuple(
        name
        for name, kind in zip(sharding.mesh.axis_names, sharding.mesh.axis_types, strict=True)
        if kind == AxisType.Explicit
    )

    def isolated(*arguments: Argument) -> jax.Array:
        # Draws that share a key and a shape would otherwise share parts of their loops,
        # and XLA would round some of them otherwise than a draw that stands alone.
        return run(*lax.optimization_barrier(arguments))

    def inside(*arguments: Argument) -> jax.Array:
        values: jax.Array
        if explicit:
            placed = jax.sharding.auto_axes(isolated, axes=explicit, out_sharding=sharding)
            values = placed(*arguments)
        else:
            values = lax.with_sharding_constraint(isolated(*arguments), sharding)
        return values

    return inside


def bind(
    law: Law,
    scalars: tuple[Number, ...],
    shape: tuple[int, ...],
    dtype: DType,
    sharding: NamedSharding | None,
    rows: tuple[int, int] | None = None,
) -> Draw:
    """The draw of a law with these scalars, for a whole array or for some of its rows."""
    recipe = Recipe(law, shape, dtype, sharding)
    if sharding is not None and rows is None:
        check_divides(law.name, shape, sharding)
    whole = Draw(program(recipe), scalars, recipe)
    return whole if rows is None else whole.rows(*rows)

"""The largest singular values of a linear map that is known by its products.

Golub and Kahan's bidiagonalization: from a random vector, products there and back make two bases in
which the map is bidiagonal, and whose singular values come to be those of the map, the largest
first. Rounding would let one value be found again and again, unless each new vector is made
orthogonal to all before it. That is done on one side, the smaller: it is enough (Simon and Zha
2000, Barlow 2013), and of the other side, which may be all parameters of a model, one vector is
kept.

Where the basis spans all that the map makes of it, as after one step with an orthogonal matrix, it
goes on with another random vector.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from cthulhu._types import DType, Key, PyTree

ROUND = 8  # Steps from one look at how far it has come to the next, or a quarter of all so far.
LOST = 16  # What is left of a product, in units of its rounding, is rounding alone.


class Largest(NamedTuple):
    """The largest singular values, how far each may be off, and what they were found with."""

    values: jax.Array
    residuals: jax.Array
    """How far a pair of vectors is from being singular: within it of each value there is one."""
    steps: jax.Array
    basis: jax.Array
    """As many orthonormal vectors of the smaller side, in rows; the others are 0."""
    within: jax.Array
    """The sum of the squares of all its singular values there, in units of the largest one's."""


class State(NamedTuple):
    """What is known after some steps."""

    step: jax.Array
    basis: jax.Array
    """The orthonormal vectors of the smaller side, in rows; rows to come are 0."""
    other: PyTree
    """The last vector of the other side."""
    diagonal: jax.Array
    above: jax.Array
    """Beside the diagonal; the last that is known leads out of the basis."""
    values: jax.Array
    residuals: jax.Array
    done: jax.Array


def largest(
    there: Callable[[jax.Array], PyTree],
    back: Callable[[PyTree], jax.Array],
    size: int,
    dtype: DType,
    *,
    count: int,
    steps: int,
    tolerance: float,
    key: Key,
) -> Largest:
    """The `count` largest singular values of a map from vectors of `size` elements to trees.

    Args:
        there: the map.
        back: its transpose.
        size: the number of elements of the vectors.
        dtype: their type.
        count: how many values.
        steps: how many steps at most, from `count` to `size`.
        tolerance: it ends where no residual is above this part of the largest value.
        key: the key of the vector that it starts from.

    Returns:
        The values, the largest first, their residuals, and the basis that was made.
    """
    tiny = LOST * np.finfo(dtype).eps

    def fresh(step: jax.Array, basis: jax.Array) -> jax.Array:
        vector = jax.random.normal(jax.random.fold_in(key, step), (size,), dtype)
        vector = outside(vector, basis)
        return over(vector, norm(vector))

    def advance(state: State) -> State:
        step, vector = state.step, state.basis[state.step]
        scale = jnp.maximum(jnp.max(state.diagonal), jnp.max(state.above))
        before = jnp.where(step > 0, state.above[step - 1], 0)
        other = jax.tree.map(lambda new, old: new - before * old, there(vector), state.other)
        length = norm(other)
        length = jnp.where(length <= tiny * scale, 0, length)  # NaN stays what it is.
        other = jax.tree.map(lambda part: over(part, length), other)
        scale = jnp.maximum(scale, length)
        rest = outside(back(other) - length * vector, state.basis)
        beside = norm(rest)
        beside = jnp.where(beside <= tiny * scale, 0, beside)
        rest = lax.cond(
            beside == 0, lambda: fresh(step + 1, state.basis), lambda: over(rest, beside)
        )
        return state._replace(
            step=step + 1,
            basis=state.basis.at[step + 1].set(rest),
            other=other,
            diagonal=state.diagonal.at[step].set(length),
            above=state.above.at[step].set(beside),
        )

    def inside(state: State) -> jax.Array:
        """What is above the diagonal, within the basis."""
        return jnp.where(jnp.arange(steps, dtype=jnp.int32) < state.step - 1, state.above, 0)

    def go_on(state: State) -> State:
        """Some steps; then a look at the values of the part that is known."""
        end = jnp.minimum(state.step + jnp.maximum(ROUND, state.step // 4), steps)
        state = lax.while_loop(lambda state: state.step < end, advance, state)
        part = jnp.diag(state.diagonal) + jnp.diag(inside(state)[:-1], 1)
        ok = jnp.isfinite(part).all()
        left, values, _ = jnp.linalg.svd(jnp.where(ok, part, 0))
        values = jnp.where(ok, values, jnp.nan)
        out = state.above[state.step - 1] * jnp.abs(left[state.step - 1])
        residuals = jnp.maximum(out, tiny * values[0])[:count]
        near = (state.step >= count) & (jnp.max(residuals) <= tolerance * values[0])
        return state._replace(values=values[:count], residuals=residuals, done=near | ~ok)

    basis = jnp.zeros((steps + 1, size), dtype)
    start = fresh(jnp.int32(0), basis)
    nothing = jax.tree.map(
        lambda part: jnp.zeros(part.shape, part.dtype), jax.eval_shape(there, start)
    )
    numbers, few = jnp.zeros(steps, dtype), jnp.zeros(count, dtype)
    basis = basis.at[0].set(start)
    state = State(jnp.int32(0), basis, nothing, numbers, numbers, few, few, jnp.bool_(False))
    state = lax.while_loop(lambda state: (state.step < steps) & ~state.done, go_on, state)
    # Here, a sum of squares needs no decomposition.
    known = (jnp.arange(steps, dtype=jnp.int32) < state.step).astype(dtype)
    entries = over(jnp.concatenate([state.diagonal, inside(state)]), state.values[0])
    return Largest(
        state.values,
        state.residuals,
        state.step,
        state.basis[:-1] * known[:, None],
        jnp.sum(jnp.square(entries)),
    )


def mean_square(
    there: Callable[[jax.Array], PyTree], near: Largest, *, probes: int, key: Key
) -> tuple[jax.Array, jax.Array]:
    """The mean of all squared singular values in units of the largest one's, and its error.

    Of what the basis spans, their sum is known. For the rest it is estimated: of a direction at
    random, the map makes a vector whose squared length has their mean as its own (Hutchinson 1990,
    but of one length, so that of an isometry it is exact).
    """
    basis = near.basis
    size = basis.shape[1]
    left = (size - near.steps).astype(basis.dtype)

    def probe(own: Key) -> jax.Array:
        vector = outside(jax.random.normal(own, (size,), basis.dtype), basis)
        length = norm(there(over(vector, norm(vector))))
        return left * over(length, near.values[0]) ** 2

    found = lax.map(probe, jax.random.split(key, probes))
    error = jnp.std(found, ddof=1) / jnp.sqrt(jnp.asarray(probes, found.dtype))
    total: jax.Array = near.within + jnp.mean(found)
    return total / size, error / size


def outside(vector: jax.Array, basis: jax.Array) -> jax.Array:
    """What of a vector is orthogonal to the basis; once would leave rounding."""
    for _ in range(2):
        vector = vector - (basis @ vector) @ basis
    return vector


def norm(tree: PyTree) -> jax.Array:
    """The Euclidean length of arrays together, also where squares would overflow or vanish."""
    parts = jax.tree.leaves(tree)
    most: jax.Array = jnp.stack([jnp.max(jnp.abs(part), initial=0) for part in parts]).max()
    squares = jnp.stack([jnp.sum(jnp.square(over(part, most))) for part in parts])
    return most * jnp.sqrt(jnp.sum(squares))


def over(vector: jax.Array, length: jax.Array) -> jax.Array:
    """A vector by its length; nothing stays nothing."""
    nothing = length == 0
    return jnp.where(nothing, 0, vector / jnp.where(nothing, jnp.ones_like(length), length))

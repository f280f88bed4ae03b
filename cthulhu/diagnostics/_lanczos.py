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
from jax import lax

from cthulhu._types import Key, PyTree

ROUND = 8  # Steps from one look at how far it has come to the next, or a quarter of all so far.
LOST = 8  # What is left of a product, in units of its rounding, is rounding alone.


class Largest(NamedTuple):
    """The largest singular values, how far each may be off, and what they were found with."""

    values: jax.Array
    residuals: jax.Array
    """How far a pair of vectors is from being singular: within it of each value there is one."""
    basis: jax.Array
    """Orthonormal vectors of the smaller side, in rows, of which the last may be 0."""
    within: jax.Array
    """The sum of the squared singular values of the map, of what the basis spans."""


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
    done: jax.Array


def largest(
    there: Callable[[jax.Array], PyTree],
    back: Callable[[PyTree], jax.Array],
    size: int,
    dtype: jax.typing.DTypeLike,
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
    tiny = LOST * jnp.finfo(dtype).eps

    def outside(vector: jax.Array, basis: jax.Array) -> jax.Array:
        """What of a vector is orthogonal to the basis; once would leave rounding."""
        for _ in range(2):
            vector = vector - (basis @ vector) @ basis
        return vector

    def fresh(step: jax.Array, basis: jax.Array) -> jax.Array:
        return outside(jax.random.normal(jax.random.fold_in(key, step), (size,), dtype), basis)

    def advance(state: State) -> State:
        step, vector = state.step, state.basis[state.step]
        scale = jnp.maximum(jnp.max(state.diagonal), jnp.max(state.above))
        before = jnp.where(step > 0, state.above[step - 1], 0)
        other = jax.tree.map(lambda new, old: new - before * old, there(vector), state.other)
        length = norm(other)
        length = jnp.where(length > tiny * scale, length, 0)
        other = jax.tree.map(lambda part: over(part, length), other)
        scale = jnp.maximum(scale, length)
        rest = outside(back(other) - length * vector, state.basis)
        beside = jnp.linalg.norm(rest)
        beside = jnp.where(beside > tiny * scale, beside, 0)
        rest = jnp.where(beside > 0, over(rest, beside), fresh(step + 1, state.basis))
        # What was small is orthogonal only after it is made as long as the others.
        rest = outside(over(rest, jnp.linalg.norm(rest)), state.basis)
        return State(
            step + 1,
            state.basis.at[step + 1].set(over(rest, jnp.linalg.norm(rest))),
            other,
            state.diagonal.at[step].set(length),
            state.above.at[step].set(beside),
            state.done,
        )

    def look(state: State) -> tuple[Largest, jax.Array]:
        """The values of the part that is known, and whether they are near enough."""
        inner = jnp.where(jnp.arange(steps) < state.step - 1, state.above, 0)
        small = jnp.diag(state.diagonal) + jnp.diag(inner[:-1], 1)
        ok = jnp.isfinite(small).all()
        left, values, _ = jnp.linalg.svd(jnp.where(ok, small, 0))
        values = jnp.where(ok, values, jnp.nan)
        out = state.above[state.step - 1]
        residuals = jnp.maximum(out * jnp.abs(left[state.step - 1]), tiny * values[0])
        known = (jnp.arange(steps) < state.step).astype(dtype)
        found = Largest(
            values[:count],
            residuals[:count],
            state.basis[:-1] * known[:, None],
            jnp.sum(jnp.square(values)),
        )
        near = jnp.max(found.residuals) <= tolerance * values[0]
        return found, (state.step >= count) & near | ~ok

    def go_on(state: State) -> State:
        end = jnp.minimum(state.step + jnp.maximum(ROUND, state.step // 4), steps)
        state = lax.while_loop(lambda state: state.step < end, advance, state)
        return state._replace(done=look(state)[1])

    basis = jnp.zeros((steps + 1, size), dtype)
    start = fresh(jnp.int32(0), basis)
    nothing = jax.tree.map(
        lambda part: jnp.zeros(part.shape, part.dtype), jax.eval_shape(there, start)
    )
    numbers = jnp.zeros(steps, dtype)
    state = State(
        jnp.int32(0),
        basis.at[0].set(over(start, jnp.linalg.norm(start))),
        nothing,
        numbers,
        numbers,
        jnp.bool_(False),
    )
    state = lax.while_loop(lambda state: (state.step < steps) & ~state.done, go_on, state)
    return look(state)[0]


def norm(tree: PyTree) -> jax.Array:
    """The Euclidean length of a tree of arrays, taken together."""
    return jnp.linalg.norm(jnp.stack([jnp.linalg.norm(part.ravel()) for part in leaves(tree)]))


def leaves(tree: PyTree) -> list[jax.Array]:
    """The arrays of a tree."""
    found: list[jax.Array] = jax.tree.leaves(tree)
    return found


def over(vector: jax.Array, length: jax.Array) -> jax.Array:
    """A vector by its length; nothing stays nothing."""
    return jnp.where(length > 0, vector / jnp.where(length > 0, length, 1), 0)


def mean_square(
    there: Callable[[jax.Array], PyTree], near: Largest, *, probes: int, key: Key
) -> tuple[jax.Array, jax.Array]:
    """The mean of all squared singular values, and its standard error.

    Of what the basis spans, their sum is known. For the rest it is estimated: of a vector of
    random signs, the map makes one whose squared length has the sum as its mean (Hutchinson 1990).
    """
    basis = near.basis
    size = basis.shape[1]

    def probe(own: Key) -> jax.Array:
        signs = jax.random.rademacher(own, (size,), basis.dtype)
        return norm(there(signs - (basis @ signs) @ basis)) ** 2

    found = lax.map(probe, jax.random.split(key, probes))
    error = jnp.std(found, ddof=1) / jnp.sqrt(jnp.asarray(probes, found.dtype))
    return (near.within + jnp.mean(found)) / size, error / size

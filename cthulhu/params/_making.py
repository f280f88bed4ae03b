"""Parameters by rules, as jobs of the executor."""

import functools
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding, PartitionSpec, Sharding

from cthulhu import compat
from cthulhu._types import Array, Given, KeyLike, Words
from cthulhu.params._keys import layer_keys, leaf_keys
from cthulhu.params._leaves import Leaf
from cthulhu.programs import _executor as executor
from cthulhu.programs import _jobs as jobs
from cthulhu.programs import _pool as pool
from cthulhu.programs._build import compute_dtype, rounded
from cthulhu.programs._placement import place
from cthulhu.trees import join


def leaf_words(owner: str, key: KeyLike, leaves: Sequence[Leaf]) -> Iterable[Any]:
    """The key data of each leaf; of one that sees siblings, also that of each of them.

    Args:
        owner: who asks, for the message of an error.
        key: one key, or an integer seed; it may be traced.
        leaves: the parameters.

    Returns:
        For each leaf two words, or as many rows of two words as it needs keys.
    """
    words = leaf_keys(owner, key, [leaf.path for leaf in leaves])
    if not any(leaf.siblings for leaf in leaves):
        return words
    place = {leaf.path: at for at, leaf in enumerate(leaves)}
    needed = [np.array([place[one.path] for one in drawn_for(leaf)], int) for leaf in leaves]
    return [
        words[rows] if leaf.siblings else words[at]
        for at, (leaf, rows) in enumerate(zip(leaves, needed, strict=True))
    ]


def drawn_for(leaf: Leaf) -> Iterator[Leaf]:
    """The leaves that are drawn for one: it, and its siblings in order, each with its own."""
    if not leaf.kept:
        yield leaf
    for _, sibling in leaf.siblings:
        yield from drawn_for(sibling)


def kept_for(leaf: Leaf) -> Iterator[Leaf]:
    """The leaves that exist already, and that one is made of, in the same order."""
    for _, sibling in leaf.siblings:
        if sibling.kept:
            yield sibling
        else:
            yield from kept_for(sibling)


def make(
    leaves: Sequence[Leaf],
    words: Iterable[Words],
    advance: Callable[[int], None] = lambda nbytes: None,
) -> list[Array]:
    """The values of all leaves, made by all cores at once.

    Args:
        leaves: the parameters.
        words: the key data of each leaf.
        advance: hears of the bytes of each leaf that is there.

    Returns:
        An array for each leaf.
    """
    return executor.make(*asked(leaves, words), advance)


def on_host(leaves: Sequence[Leaf], words: Iterable[Words]) -> list[Array]:
    """The values of all leaves, to look at: those that the host makes are arrays of NumPy."""
    return executor.make(*asked(leaves, words), hand_over=False)


def stream(leaves: Sequence[Leaf], words: Iterable[Words]) -> Iterator[Array]:
    """The values of the leaves, in order, each made when it is asked for."""
    return executor.stream(*asked(leaves, words))


def count_programs(leaves: Sequence[Leaf]) -> int:
    """The number of distinct programs that the leaves need."""
    return jobs.count_programs([job_of(leaf) for leaf in leaves])


def asked(leaves: Sequence[Leaf], words: Iterable[Words]) -> tuple[list[jobs.Job], list[Given]]:
    """The jobs of the leaves, and what they are given."""
    made = [job_of(leaf) for leaf in leaves]
    given = [given_to(leaf, job, key) for leaf, job, key in zip(leaves, made, words, strict=True)]
    return made, given


def given_to(leaf: Leaf, job: jobs.Job, words: Words) -> Given:
    """What the job of a leaf is given."""
    if leaf.siblings:
        return (words, *(beside(leaf.sharding, one.value) for one in kept_for(leaf)))
    keys = words if leaf.layers is None else layer_keys(words, leaf.layers)
    return (keys,) if isinstance(job.source, jobs.Called) else keys


def job_of(leaf: Leaf) -> jobs.Job:
    """The job of a leaf."""
    source: jobs.Kept | jobs.Drawn | jobs.Called
    if leaf.kept:
        source = jobs.Kept(leaf.value)
    elif leaf.siblings:
        keys = jax.ShapeDtypeStruct((len(list(drawn_for(leaf))), 2), np.uint32)
        source = jobs.Called(
            (related_key(leaf), leaf.sharding, pool.context()),
            lambda: jax.jit(functools.partial(run_related, leaf), out_shardings=leaf.sharding),
            (keys, *(specification(one.value, leaf.sharding) for one in kept_for(leaf))),
            ahead=True,
            group=None,
            output=None,
        )
    elif leaf.draw is not None:
        source = jobs.Drawn(leaf.draw.recipe.law, leaf.draw.scalars, leaf.layer_shape)
    else:
        words = jax.ShapeDtypeStruct((2,) if leaf.layers is None else (leaf.layers, 2), np.uint32)
        source = jobs.Called(
            program_key(leaf),
            lambda: jax.jit(functools.partial(run_custom, leaf), out_shardings=leaf.sharding),
            (words,),
            ahead=True,
            group=None,
            output=None,
        )
    return jobs.Job(leaf.shape, leaf.dtype, leaf.sharding, leaf.stack, source)


def specification(value: Array, sharding: Sharding | None = None) -> jax.ShapeDtypeStruct:
    """What a program is compiled for in the place of an array, if its result has a sharding."""
    own = value.sharding if isinstance(value, jax.Array) else None
    if own is not None:
        own = moves_to(sharding, own) or own
    return jax.ShapeDtypeStruct(value.shape, value.dtype, sharding=own)


def beside(sharding: Sharding | None, value: Array) -> Array:
    """An array where a program can take it whose result has a sharding."""
    target = moves_to(sharding, value.sharding) if isinstance(value, jax.Array) else None
    return value if target is None else jax.device_put(value, target)


def moves_to(sharding: Sharding | None, own: Sharding) -> Sharding | None:
    """Where an array must go, if it lies on other devices than a result is to."""
    if sharding is None or own.device_set == sharding.device_set:
        return None
    if isinstance(sharding, NamedSharding):
        return NamedSharding(sharding.mesh, PartitionSpec())
    return sharding


def hashable(initializer: Any) -> Hashable:
    """An initializer, or what stands for it alone."""
    try:
        hash(initializer)
    except TypeError:
        return pool.Unique(initializer)
    return initializer  # type: ignore[no-any-return]


def program_key(leaf: Leaf) -> Hashable:
    """What the program of an initializer that is not of this library depends on."""
    what = ("custom", hashable(leaf.initializer), leaf.shape, leaf.dtype)
    return (what, leaf.stack, leaf.sharding, pool.context())


def related_key(leaf: Leaf) -> Hashable:
    """What the values of a leaf depend on in a program that makes it of its siblings."""
    if leaf.kept:
        return ("kept", specification(leaf.value), leaf.stack)
    how: Hashable = hashable(leaf.initializer)
    if leaf.draw is not None:
        how = (leaf.draw.recipe.law, leaf.draw.scalars)
    siblings = tuple((name, related_key(one)) for name, one in leaf.siblings)
    return (how, leaf.shape, leaf.dtype, leaf.stack, siblings)


def run_related(leaf: Leaf, words: jax.Array, *kept: jax.Array) -> jax.Array:
    """What a leaf is, made of its siblings, which are made here again."""
    return value_of(leaf, iter(words), iter(kept))


def run_custom(leaf: Leaf, words: jax.Array) -> jax.Array:
    """What an initializer that is not of this library makes, of a leaf or of all its layers."""
    name = join(leaf.path)

    def one(key: jax.Array) -> jax.Array:
        try:
            values = jnp.asarray(leaf.initializer(key, leaf.layer_shape, leaf.dtype), leaf.dtype)
        except Exception as error:
            error.add_note(f"This is from the initializer of {name!r}.")
            raise
        if values.shape != leaf.layer_shape:
            raise ValueError(
                f"the initializer of {name!r} was asked for shape {leaf.layer_shape!r}, and it "
                f"returned an array of shape {values.shape!r}"
            )
        return values

    keys = jax.random.wrap_key_data(words, impl="threefry2x32")
    return one(keys) if leaf.stack is None else jax.vmap(one, out_axes=leaf.stack)(keys)


def make_traced(leaves: Sequence[Leaf], words: Iterable[Any]) -> list[Array]:
    """The values of the leaves, inside another program."""
    assert compat.under_trace()
    values = []
    for leaf, own in zip(leaves, words, strict=True):
        if leaf.kept:
            value = leaf.value
        else:
            rows = own if leaf.siblings else [own]
            value = value_of(leaf, iter(rows), iter([one.value for one in kept_for(leaf)]))
        if isinstance(leaf.sharding, NamedSharding):
            value = place(value, leaf.sharding)
        values.append(value)
    return values


def value_of(leaf: Leaf, words: Iterator[Any], kept: Iterator[Array]) -> jax.Array:
    """The values of a leaf inside a program, of the next words and the next kept values."""
    if leaf.kept:
        return jnp.asarray(next(kept))
    own = next(words)
    if leaf.siblings:
        # What is made of them is another program than that which made them.
        siblings = [
            (name, one, lax.optimization_barrier(value_of(one, words, kept)))
            for name, one in leaf.siblings
        ]
        return of_siblings(leaf, own, siblings)
    keys = own
    if leaf.layers is not None:
        keys = traced_layer_keys(own, leaf.layers)
    if leaf.draw is None:
        return run_custom(leaf, keys)
    law, shape, dtype, _ = leaf.draw.recipe
    return jobs.run_law(law, shape, dtype, leaf.stack, keys, *leaf.draw.scalars)


def traced_layer_keys(words: jax.Array, layers: int) -> jax.Array:
    """The key data of stacked layers, inside a program."""
    folded = jax.vmap(jax.random.fold_in, in_axes=(None, 0))
    key = jax.random.wrap_key_data(words, impl="threefry2x32")
    return jax.random.key_data(folded(key, jnp.arange(layers, dtype=np.uint32)))


def of_siblings(
    leaf: Leaf, words: jax.Array, siblings: Sequence[tuple[str, Leaf, jax.Array]]
) -> jax.Array:
    """The values of a leaf, of those of its siblings; of stacked layers one by one."""
    compute = compute_dtype(leaf.dtype)
    names = [name for name, _, _ in siblings]

    def one(words: jax.Array, *values: jax.Array) -> jax.Array:
        given = {name: widened(value) for name, value in zip(names, values, strict=True)}
        key = jax.random.wrap_key_data(words, impl="threefry2x32")
        try:
            made = leaf.initializer.of_siblings(key, leaf.layer_shape, compute, **given)
        except Exception as error:
            error.add_note(f"This is from the initializer of {join(leaf.path)!r}.")
            raise
        if made.shape != leaf.layer_shape:
            raise ValueError(
                f"the initializer of {join(leaf.path)!r} was asked for shape "
                f"{leaf.layer_shape!r}, and it returned an array of shape {made.shape!r}"
            )
        return rounded(made, leaf.dtype)

    values = [value for _, _, value in siblings]
    if leaf.layers is None:
        return one(jnp.asarray(words), *values)
    axes = (0, *(sibling.layer_axis for _, sibling, _ in siblings))
    keys = traced_layer_keys(words, leaf.layers)
    made: jax.Array = jax.vmap(one, in_axes=axes, out_axes=leaf.stack)(keys, *values)
    return made


def widened(value: jax.Array) -> jax.Array:
    """A value in the type of computations: at least float32, if it is of floating numbers."""
    if not jnp.issubdtype(value.dtype, np.inexact):
        return value
    return value.astype(compute_dtype(value.dtype))

"""Parameters by rules, as jobs of the executor."""

import functools
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from cthulhu import compat
from cthulhu._types import Array, Given, Words
from cthulhu.params._keys import layer_keys
from cthulhu.params._leaves import Leaf
from cthulhu.programs import _executor as executor
from cthulhu.programs import _jobs as jobs
from cthulhu.programs import _pool as pool
from cthulhu.programs._placement import place
from cthulhu.trees import join


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
    keys = [
        key if leaf.layers is None else layer_keys(key, leaf.layers)
        for leaf, key in zip(leaves, words, strict=True)
    ]
    given: list[Given] = [
        (key,) if isinstance(job.source, jobs.Called) else key
        for job, key in zip(made, keys, strict=True)
    ]
    return made, given


def job_of(leaf: Leaf) -> jobs.Job:
    """The job of a leaf."""
    source: jobs.Kept | jobs.Drawn | jobs.Called
    if leaf.kept:
        source = jobs.Kept(leaf.value)
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


def program_key(leaf: Leaf) -> Hashable:
    """What the program of an initializer that is not of this library depends on."""
    initializer = leaf.initializer
    try:
        hash(initializer)
    except TypeError:
        initializer = pool.Unique(initializer)
    what = ("custom", initializer, leaf.shape, leaf.dtype)
    return (what, leaf.stack, leaf.sharding, pool.context())


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


def make_traced(leaves: Sequence[Leaf], words: Array) -> list[Array]:
    """The values of the leaves, inside another program."""
    assert compat.under_trace()
    values = []
    for leaf, own in zip(leaves, words, strict=True):
        keys = own
        if leaf.layers is not None and not leaf.kept:
            folded = jax.vmap(jax.random.fold_in, in_axes=(None, 0))
            key = jax.random.wrap_key_data(own, impl="threefry2x32")
            keys = jax.random.key_data(folded(key, jnp.arange(leaf.layers, dtype=np.uint32)))
        if leaf.kept:
            value = leaf.value
        elif leaf.draw is None:
            value = run_custom(leaf, keys)
        else:
            law, shape, dtype, _ = leaf.draw.recipe
            value = jobs.run_law(law, shape, dtype, leaf.stack, keys, *leaf.draw.scalars)
        if isinstance(leaf.sharding, NamedSharding):
            value = place(value, leaf.sharding)
        values.append(value)
    return values

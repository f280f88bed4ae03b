"""Making parameters: few programs, each leaf straight in its place.

In the host's memory, elementwise draws of all shapes share one program a law,
which makes blocks of the flat array. Everything else, and whatever has a
sharding or lies on an accelerator, has a program for its shape and layout.
"""

import collections
import functools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding

from cthulhu import extend
from cthulhu.laws import Elementwise, Fill
from cthulhu.params import _compiled as compiled
from cthulhu.params import _drawing as drawing
from cthulhu.params._derivation import hash_words
from cthulhu.params._leaves import Leaf
from cthulhu.params._paths import join
from cthulhu.params._placement import runs_on_cpu
from cthulhu.programs._build import Recipe, compute_dtype, options_of_platform, place, rounded

__all__ = ["count_programs", "make", "make_all", "make_traced"]

LARGEST_FILL = 2**20  # Elements that the host fills; a program makes more.
SMALL = drawing.BLOCK // 4  # Elements of a draw that wastes most of a block.


def make(leaves: Sequence[Leaf], words: Any) -> Iterator[Any]:
    """The values of the leaves, in order, each made when it is asked for.

    All programs are compiled from the start, in threads; `words` holds the key
    data of each leaf.
    """
    sizes = block_sizes(leaves)
    programs = [program_of(leaf, size) for leaf, size in zip(leaves, sizes, strict=True)]
    for leaf, size, program, key in zip(leaves, sizes, programs, words, strict=True):
        keys = keys_of(leaf, key)
        if program is None or not in_blocks(leaf):
            yield make_leaf(leaf, program, keys)
            continue
        array, spans = drawn(leaf, size, program, keys.reshape(-1, 2))
        yield written(leaf, array, drawing.write(spans))
        del array, spans  # Only the one who asked holds it while the next is made.


def make_all(
    leaves: Sequence[Leaf], words: Any, advance: Callable[[int], None] = lambda nbytes: None
) -> list[Any]:
    """The values of all leaves, made by all cores at once; `advance` hears of their bytes."""
    sizes = block_sizes(leaves)
    programs = [program_of(leaf, size) for leaf, size in zip(leaves, sizes, strict=True)]
    arrays: dict[int, np.ndarray[Any, Any]] = {}
    waited: dict[int, slice] = {}
    spans: list[drawing.Span] = []
    for at, (leaf, size, program, key) in enumerate(
        zip(leaves, sizes, programs, words, strict=True)
    ):
        if program is not None and in_blocks(leaf):
            arrays[at], own = drawn(leaf, size, program, keys_of(leaf, key).reshape(-1, 2))
            waited[at] = slice(len(spans), len(spans) + len(own))
            spans += own
    futures = drawing.write(spans)
    values = []
    for at, (leaf, program, key) in enumerate(zip(leaves, programs, words, strict=True)):
        if at in arrays:
            values.append(written(leaf, arrays.pop(at), futures[waited[at]]))
        else:
            values.append(make_leaf(leaf, program, keys_of(leaf, key)))
        advance(leaf.nbytes)
    return values


def keys_of(leaf: Leaf, key: Any) -> Any:
    """The key data of a leaf, or of each of its layers."""
    return key if leaf.layers is None else layer_keys(key, leaf.layers)


def make_leaf(leaf: Leaf, program: "Future[compiled.Program] | None", keys: Any) -> Any:
    """The value of a leaf that is not written in blocks."""
    if leaf.kept:
        return leaf.value if leaf.sharding is None else jax.device_put(leaf.value, leaf.sharding)
    if program is None:
        return filled(leaf)
    scalars = () if leaf.draw is None else leaf.draw.scalars
    return program.result()(keys, *scalars)


def written(leaf: Leaf, array: Any, futures: "Sequence[Future[None]]") -> Any:
    """A leaf of the host's memory, once all of it is written."""
    for future in futures:
        future.result()
    return jax.device_put(array, leaf.sharding)


def layer_keys(key: Any, layers: int) -> Any:
    """The keys of stacked layers: `jax.random.fold_in(key, layer)` for each."""
    count = np.arange(layers, dtype=np.uint32)
    return hash_words(np.asarray(key), np.zeros_like(count), count)


def is_fill(leaf: Leaf) -> bool:
    """Whether the host makes the leaf, of one number everywhere."""
    return (
        leaf.draw is not None
        and isinstance(leaf.draw.recipe.law, Fill)
        and math.prod(leaf.shape) <= LARGEST_FILL
    )


def filled(leaf: Leaf) -> Any:
    assert leaf.draw is not None
    value = leaf.draw.scalars[0]
    if leaf.sharding is not None and not leaf.sharding.is_fully_addressable:
        # `jax.device_put` would compare the array among all hosts.
        part = np.full(leaf.sharding.shard_shape(leaf.shape), value, leaf.dtype)
        return jax.make_array_from_callback(leaf.shape, leaf.sharding, lambda _: part)
    return jax.device_put(np.full(leaf.shape, value, leaf.dtype), leaf.sharding, may_alias=False)


def in_blocks(leaf: Leaf) -> bool:
    """Whether the leaf is made by a law's one program, block by block."""
    return (
        leaf.draw is not None
        and isinstance(leaf.draw.recipe.law, Elementwise)
        and leaf.stack in (None, 0)
        and runs_on_cpu((leaf.sharding,))
    )


def block_sizes(leaves: Sequence[Leaf]) -> list[int]:
    """The block of each leaf: a smaller one if a law has very many small draws."""
    unneeded: collections.Counter[Hashable] = collections.Counter()
    small = [in_blocks(leaf) and math.prod(leaf.layer_shape) <= SMALL for leaf in leaves]
    for leaf, is_small in zip(leaves, small, strict=True):
        if is_small:
            unneeded[identity(leaf, SMALL)] += drawing.BLOCK * (leaf.layers or 1)
    return [
        drawing.SMALL_BLOCK
        if is_small and unneeded[identity(leaf, SMALL)] > drawing.WORTHWHILE
        else drawing.BLOCK
        for leaf, is_small in zip(leaves, small, strict=True)
    ]


def drawn(
    leaf: Leaf, size: int, program: "Future[compiled.Program]", keys: Any
) -> tuple[np.ndarray[Any, Any], list[drawing.Span]]:
    """The memory of a leaf that lies on the host, and what has to be written into it."""
    assert leaf.draw is not None
    array = drawing.aligned(math.prod(leaf.shape), leaf.dtype)
    rows = array.reshape(len(keys), math.prod(leaf.layer_shape))
    run, scalars = program.result(), leaf.draw.scalars
    spans = [
        span
        for row, key in zip(rows, keys, strict=True)
        for span in drawing.spans_of(run, size, scalars, row, key)
    ]
    return array.reshape(leaf.shape), spans


def identity(leaf: Leaf, size: int) -> Hashable:
    """What the leaf's program depends on; `None` if it needs none."""
    if leaf.kept or is_fill(leaf):
        return None
    if leaf.draw is None:
        initializer = leaf.initializer
        try:
            hash(initializer)
        except TypeError:
            initializer = compiled.Unique(initializer)
        what: Hashable = ("custom", initializer, leaf.shape, leaf.dtype)
    elif in_blocks(leaf):
        recipe = leaf.draw.recipe
        return ("rows", recipe.law, leaf.dtype, size, compiled.context())
    else:
        what = ("leaf", leaf.draw.recipe, leaf.shape)
    return (what, leaf.stack, leaf.sharding, compiled.context())


def count_programs(leaves: Sequence[Leaf]) -> int:
    """The number of distinct programs that the leaves need."""
    sizes = block_sizes(leaves)
    return len({identity(leaf, size) for leaf, size in zip(leaves, sizes, strict=True)} - {None})


def program_of(leaf: Leaf, size: int) -> "Future[compiled.Program] | None":
    """The leaf's program, compiled or on its way."""
    key = identity(leaf, size)
    if key is None:
        return None
    scalars = () if leaf.draw is None else leaf.draw.scalars
    specs = [jax.ShapeDtypeStruct((), scalar.dtype) for scalar in scalars]
    if in_blocks(leaf):
        assert leaf.draw is not None
        block = functools.partial(run_block, leaf.draw.recipe, size)
        words = jax.ShapeDtypeStruct((4,), np.uint32)
        return compiled.compiled(
            key,
            lambda: jax.jit(block, compiler_options=options_of_platform()),
            [words, *specs],
            ahead=True,
        )
    words = jax.ShapeDtypeStruct((2,) if leaf.layers is None else (leaf.layers, 2), np.uint32)
    run = functools.partial(run_leaf, leaf)

    def build() -> Any:
        return jax.jit(run, out_shardings=leaf.sharding)

    return compiled.compiled(key, build, [words, *specs], ahead=True)


def run_block(recipe: Recipe, size: int, words: Any, *scalars: Any) -> jax.Array:
    """A block of a flat draw: `words` are its place, low and high, and the key."""
    compute = compute_dtype(recipe.dtype)
    key = jax.random.wrap_key_data(words[2:4], impl="threefry2x32")
    assert isinstance(recipe.law, Elementwise)
    values = recipe.law.block(key, (size,), compute, (words[1], words[0]), *scalars)
    return rounded(values, recipe.dtype)


def custom(leaf: Leaf, key: jax.Array) -> jax.Array:
    """What an initializer that is not of this library makes."""
    name = join(leaf.path)
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


def run_leaf(leaf: Leaf, words: Any, *scalars: Any) -> jax.Array:
    """A whole leaf, or all the layers of one."""

    def one(key: jax.Array) -> jax.Array:
        if leaf.draw is None:
            return custom(leaf, key)
        law, shape, dtype, _ = leaf.draw.recipe
        values = law.values(key, shape, compute_dtype(dtype), *scalars)
        return rounded(values, dtype)

    keys = jax.random.wrap_key_data(words, impl="threefry2x32")
    return one(keys) if leaf.stack is None else jax.vmap(one, out_axes=leaf.stack)(keys)


def make_traced(leaves: Sequence[Leaf], words: Any) -> list[Any]:
    """The values of the leaves, inside another program."""
    assert extend.under_trace()
    values = []
    for leaf, words_of_leaf in zip(leaves, words, strict=True):
        if leaf.kept:
            value = leaf.value
        else:
            scalars = () if leaf.draw is None else leaf.draw.scalars
            keys = words_of_leaf
            if leaf.layers is not None:
                folded = jax.vmap(jax.random.fold_in, in_axes=(None, 0))
                key = jax.random.wrap_key_data(keys, impl="threefry2x32")
                keys = jax.random.key_data(folded(key, jnp.arange(leaf.layers, dtype=np.uint32)))
            value = run_leaf(leaf, keys, *scalars)
        if isinstance(leaf.sharding, NamedSharding):
            value = place(value, leaf.sharding)
        values.append(value)
    return values

"""`verify`: whether parameters hold the values that a plan says."""

import collections
import dataclasses
import functools
import math
from collections.abc import Callable, Iterator

import jax
import numpy as np

from cthulhu._types import Array, HostArray, KeyLike, PyTree, Words
from cthulhu.laws import Elementwise
from cthulhu.params._beside import as_rules
from cthulhu.params._initplan import InitPlan
from cthulhu.params._keys import layer_keys
from cthulhu.params._layout import TreeLayout
from cthulhu.params._leaves import Leaf, Stacked
from cthulhu.params._making import leaf_words, on_host
from cthulhu.params._plan import Plan, rules_plan
from cthulhu.params._report import Index, Mismatch, Report, difference
from cthulhu.params._rules import RulesLike
from cthulhu.tracing._graph import is_key
from cthulhu.trees import Path, flatten, frame_of, join

Recomputed = tuple[Path, Array | Leaf, Callable[[Array], Iterator[tuple[Index, HostArray]]]]
"""A path, what has the parameter's shape and type, and the parts to compare with an array."""

PLACES = 4  # The blocks of a sample.
BATCH = 512  # Small parameters that are recomputed at once, and then compared.
SMALL = 2**16  # Elements of a small parameter.
LARGEST_BLOCK = 2**22  # Elements recomputed at a time.


def verify(
    params: PyTree,
    key: KeyLike,
    plan_or_rules: Plan[PyTree] | InitPlan[PyTree] | RulesLike,
    *,
    sample: int = 4096,
    stacked: Stacked = None,
    layout: TreeLayout = None,
) -> Report:
    """Compare parameters with what a plan makes, by recomputing slices of them.

    Elementwise draws by rules are recomputed at rows spread over the parameter,
    at the cost of these rows; other initializers, and what an init function
    makes, whole, one parameter at a time. Of an array that lies on many hosts,
    each host looks at its own shards.

    Args:
        params: a tree of arrays: freshly made, or read from a checkpoint.
        key: the key, or the integer seed, that they were made with. For the plan
            of an init function, `None` is the key among its arguments.
        plan_or_rules: the plan, or the `Rules`, that made them.
        sample: how many elements of each parameter to look at, at least; 0 is all.
            What is recomputed whole is compared whole.
        stacked: as for `init_params`, if rules are given.
        layout: as for `init_params`, if rules are given.

    Returns:
        A `Report`, true if all is right.

    Raises:
        TypeError, ValueError: the arguments do not fit each other.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu.params import init_params
        >>> tree = {"kernel": jax.ShapeDtypeStruct((64, 8), np.float32)}
        >>> rules = [("kernel", "he_normal")]
        >>> params = init_params(0, tree, rules)
        >>> bool(verify(params, 0, rules)), bool(verify(params, 1, rules))
        (True, False)
    """
    if isinstance(sample, bool) or not hasattr(sample, "__index__") or sample < 0:
        raise ValueError(f"verify: sample must be an integer of at least 0; got {sample!r}")
    planned = plan_or_rules
    if isinstance(planned, InitPlan):
        recomputed = of_function(planned, key)
    else:
        if not isinstance(planned, Plan):
            rules = as_rules("verify", planned, layout)
            planned = rules_plan("verify", params, rules, None, stacked)
        recomputed = of_leaves(planned, key, sample)
    frame = frame_of(params)
    paths, values, _ = flatten(params)
    found = dict(zip(frame.parameters(paths), frame.parameters(values), strict=True))
    mismatches: list[Mismatch] = []
    checked = elements = 0
    for path, aval, parts in recomputed:
        value = found.pop(path, None)
        wrong = misfit(path, aval, value)
        if wrong is None:
            value = words_of(value)
            for index, expected in parts(value):
                elements += expected.size
                if wrong is None:
                    wrong = difference(path, index, expected, part(value, index))
        if wrong is not None:
            mismatches.append(wrong)
        checked += 1
        del aval, parts  # They may hold a parameter, and the next is made now.
    mismatches += [Mismatch(join(path), "is not in the plan") for path in found]
    return Report(checked, elements, tuple(mismatches))


def of_leaves(planned: Plan[PyTree], key: KeyLike, sample: int) -> Iterator[Recomputed]:
    """The leaves of a plan by rules."""
    if planned.saved is not None:
        planned.saved.refuse("verify")
    words = leaf_words("verify", key, planned.leaves)
    waiting = collections.deque(zip(planned.leaves, words, strict=True))
    while waiting:
        batch: list[tuple[Leaf, Words]] = []
        while waiting and len(batch) < BATCH and is_small(waiting[0][0], sample):
            batch.append(waiting.popleft())
        if not batch:
            leaf, own = waiting.popleft()
            yield leaf.path, leaf, functools.partial(slices, leaf, own, sample)
            continue
        unplaced = [unsharded(leaf) for leaf, _ in batch]
        made = on_host(unplaced, [own for _, own in batch])
        for leaf, array in zip(unplaced, made, strict=True):
            yield leaf.path, leaf, functools.partial(whole, array)


def unsharded(leaf: Leaf) -> Leaf:
    """A leaf whose values are made here, whole."""
    return leaf if leaf.sharding is None else dataclasses.replace(leaf, sharding=None)


def is_small(leaf: Leaf, sample: int) -> bool:
    """Whether a leaf is recomputed whole, and quickly: many such are made at once."""
    size = math.prod(leaf.shape)
    compared_whole = sample == 0 or size <= sample or not has_blocks(leaf)
    return not leaf.kept and size <= SMALL and compared_whole


def has_blocks(leaf: Leaf) -> bool:
    """Whether a part of a leaf can be made alone."""
    draw = leaf.draw
    return draw is not None and isinstance(draw.recipe.law, Elementwise) and bool(leaf.layer_shape)


def of_function(planned: InitPlan[PyTree], key: KeyLike) -> Iterator[Recomputed]:
    """The leaves that an init function makes."""
    paths, values = planned.made(key)
    for path in paths:  # A zip would hold an array while the next is made.
        expected = next(values)
        yield path, expected, functools.partial(whole, words_of(expected))
        del expected


def words_of(value: Array) -> Array:
    """An array; in the place of keys, their words."""
    return jax.random.key_data(value) if is_key(value) else value


def whole(made: Array, value: Array) -> Iterator[tuple[Index, HostArray]]:
    """The parts of a parameter that was recomputed whole."""
    if isinstance(made, jax.Array) and not made.is_fully_addressable:
        for index in regions(made.shape, made):
            yield index, part(made, index)
        return
    array = np.asarray(made)
    for index in regions(made.shape, value):
        yield index, array[index]


def misfit(path: Path, expected: Array | Leaf, value: PyTree) -> Mismatch | None:
    """What is wrong before any value is looked at."""
    name = join(path)
    if value is None:
        return Mismatch(name, "is missing")
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        return Mismatch(name, f"is no array, but of type {type(value).__name__}")
    if tuple(value.shape) != tuple(expected.shape):
        return Mismatch(name, f"has shape {tuple(value.shape)}, not {tuple(expected.shape)}")
    if value.dtype != expected.dtype:
        return Mismatch(name, f"has dtype {value.dtype}, not {expected.dtype}")
    return None


def slices(
    leaf: Leaf, words: Words, sample: int, value: Array
) -> Iterator[tuple[Index, HostArray]]:
    """Parts of a parameter that lie here: where they are, and what they should be."""
    if leaf.kept:
        return
    draw = leaf.draw
    if draw is None or not has_blocks(leaf):
        whole = np.asarray(on_host([unsharded(leaf)], [words])[0])
        for index in regions(leaf.shape, value):
            yield index, whole[index]
        return
    keys = words[None] if leaf.layers is None else layer_keys(words, leaf.layers)
    for index in regions(leaf.shape, value):
        for layer, first, last in blocks(leaf, index, sample):
            key = jax.random.wrap_key_data(keys[layer], impl="threefry2x32")
            rows = np.asarray(draw.rows(first, last)(key))
            inner = [*index]
            if leaf.stack is not None:
                del inner[leaf.stack]
            inner[0] = slice(first, last)
            expected = rows[(slice(None), *inner[1:])]
            if leaf.stack is not None:
                inner.insert(leaf.stack, slice(layer, layer + 1))
                expected = np.expand_dims(expected, leaf.stack)
            yield tuple(inner), expected


def regions(shape: tuple[int, ...], value: Array) -> list[Index]:
    """The parts of an array that this host holds, each once."""
    everything = tuple(slice(0, size) for size in shape)
    if not isinstance(value, jax.Array) or value.is_fully_replicated:
        return [everything]
    held = {
        tuple(s.indices(size)[:2] for s, size in zip(shard.index, shape, strict=True))
        for shard in value.addressable_shards
    }
    return [tuple(slice(*bounds) for bounds in region) for region in sorted(held)]


def blocks(leaf: Leaf, index: Index, sample: int) -> Iterator[tuple[int, int, int]]:
    """Blocks of rows within a region, spread evenly: the layer, the first row, the last."""
    shape = leaf.layer_shape
    inner = [*index]
    layers = [0]
    if leaf.stack is not None:
        stack = inner.pop(leaf.stack)
        layers = list(range(stack.start, stack.stop))
    start, stop = inner[0].start, inner[0].stop
    width = max(1, math.prod(shape[1:]))
    if start >= stop or not layers or 0 in shape:
        return
    rows = stop - start
    wanted = min(rows, math.ceil(sample / width / len(layers))) if sample else rows
    if wanted < rows:
        count = min(PLACES, rows)
        size = math.ceil(wanted / count)
        starts = [start + (rows - size) * number // max(1, count - 1) for number in range(count)]
    else:
        size = min(rows, max(1, LARGEST_BLOCK // width))
        starts = list(range(start, stop, size))
    for layer in layers:
        for first in starts:
            yield layer, first, min(first + size, stop)


def part(value: Array, index: Index) -> HostArray:
    """The elements of a region that this host holds."""
    if not isinstance(value, jax.Array):
        return np.asarray(value[index])
    for shard in value.addressable_shards:
        bounds = [s.indices(n)[:2] for s, n in zip(shard.index, value.shape, strict=True)]
        pairs = list(zip(bounds, index, strict=True))
        if all(low <= s.start and s.stop <= high for (low, high), s in pairs):
            local = tuple(slice(s.start - low, s.stop - low) for (low, _), s in pairs)
            # Slicing needs a program; reading the host's memory does not.
            near = shard.device.platform == "cpu"
            return np.asarray(shard.data)[local] if near else np.asarray(shard.data[local])
    raise ValueError(
        f"verify: no shard of this host holds the elements {index}, which the plan makes here; "
        "place the parameters as the plan does"
    )

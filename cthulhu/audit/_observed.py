"""What is there: the sums and extremes of an array, in one pass, and a sample of its values.

Arrays that lie on the host are read in blocks that fit its caches, by all cores; others are
reduced by a program where they lie, under whatever sharding, and numbers come to the host.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cthulhu._types import Array, HostArray
from cthulhu.caches import bounded
from cthulhu.programs import _pool as pool
from cthulhu.programs._build import compute_dtype

BLOCK = 2**15  # Elements of a block on the host: 128 KiB in float32.
SAMPLE = 2**12  # Elements of a sample.
RUN = 64  # Neighbours of which a sample is made: fewer lines of memory to fetch.


class Observed(NamedTuple):
    """The values of an array, or of a part of one."""

    size: int
    mean: float
    stddev: float
    squares: float
    """The mean square of the distance from the mean that was expected."""
    low: float
    high: float
    bad: int
    """The values that are no finite numbers."""
    zeros: int
    ones: int
    sample: HostArray
    """Some of the values; all, if they are few."""

    @property
    def constant(self) -> bool:
        """Whether all values are one number."""
        return self.size > 0 and not self.bad and self.low == self.high

    @property
    def whole(self) -> bool:
        """Whether the sample is all there is."""
        return self.sample.size == self.size


NOTHING = Observed(0, 0.0, 0.0, 0.0, math.inf, -math.inf, 0, 0, 0, np.zeros(0))


def observe(array: Array, mean: float) -> Callable[[], Observed]:
    """Begin to look at an array of real numbers.

    Args:
        array: the array.
        mean: what its mean should be.

    Returns:
        A function that waits for what was seen: devices work while more is begun.
    """
    if not math.prod(array.shape):
        return lambda: NOTHING
    if lies_on_host(array):
        return functools.partial(on_host, np.asarray(array), mean)
    return functools.partial(on_device, reduced(array, np.float32(mean)), array.shape, mean)


def lies_on_host(array: Array) -> bool:
    """Whether the values can be read without a copy."""
    if not isinstance(array, jax.Array):
        return True
    if len(array.sharding.device_set) > 1:
        return False
    return all(device.platform == "cpu" for device in array.devices())


def on_host(array: HostArray, mean: float) -> Observed:
    """Look at an array of the host."""
    flat = array.reshape(-1)  # A copy, if it is a part of another.
    blocks = [flat[start : start + BLOCK] for start in range(0, flat.size, BLOCK)]
    if len(blocks) > 4:
        share = -(-len(blocks) // (4 * max(1, pool.workers()._max_workers)))
        jobs = [blocks[start : start + share] for start in range(0, len(blocks), share)]
        parts = list(pool.workers().map(sums, jobs))
    else:
        parts = [sums(blocks)]
    total, squares, low, high = np.array(parts).T
    sample = flat[positions(flat.size)]
    zeros, ones = equal(flat, sample, 0), equal(flat, sample, 1)
    if not math.isfinite(squares.sum()):
        return irregular(flat, mean, sample)._replace(zeros=zeros, ones=ones)
    parts_of_all = total.sum(), squares.sum(), low.min(), high.max()
    return summary(flat.size, *parts_of_all, mean, sample)._replace(zeros=zeros, ones=ones)


def equal(flat: HostArray, sample: HostArray, number: int) -> int:
    """How many values are a number: a sample tells where that is worth another pass."""
    return int(np.count_nonzero(flat == number)) if (sample == number).any() else 0


@functools.cache
def ones() -> HostArray:
    """A block of ones: a product with them is a sum, and faster than one."""
    return np.ones(BLOCK, np.float32)


def sums(blocks: list[HostArray]) -> tuple[float, float, float, float]:
    """The sum, the sum of squares and the extremes of blocks."""
    total = squares = 0.0
    low, high = math.inf, -math.inf
    for block in blocks:
        values = block if block.dtype == np.float64 else block.astype(np.float32, copy=False)
        total += float(np.dot(values, ones()[: values.size].astype(values.dtype, copy=False)))
        squares += float(np.dot(values, values))
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    return total, squares, low, high


def irregular(flat: HostArray, mean: float, sample: HostArray) -> Observed:
    """Look at an array that has values which are no numbers, or whose squares overflow."""
    wide = flat.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    bad = flat.size - finite.size
    if not finite.size:
        return Observed(flat.size, *(math.nan,) * 5, bad, 0, 0, sample)
    parts = finite.sum(), np.square(finite).sum(), finite.min(), finite.max()
    known = summary(finite.size, *parts, mean, sample)
    return known._replace(size=flat.size, bad=bad)


def summary(
    count: int,
    total: float,
    squares: float,
    low: float,
    high: float,
    mean: float,
    sample: HostArray,
) -> Observed:
    """What sums tell."""
    average = float(total) / count
    square = float(squares) / count
    return Observed(
        count,
        average,
        math.sqrt(max(0.0, square - average * average)),
        max(0.0, square - 2 * mean * average + mean * mean),
        float(low),
        float(high),
        0,
        0,
        0,
        sample,
    )


@bounded(1024)
def positions(size: int) -> HostArray:
    """The places of a sample among so many elements: runs, spread evenly and irregularly."""
    if size <= SAMPLE:
        return np.arange(size)
    runs = SAMPLE // RUN
    generator = np.random.default_rng(size)
    each = (size - RUN) / runs
    starts = (np.arange(runs) + generator.random(runs)) * each
    found: HostArray = (starts.astype(np.int64)[:, None] + np.arange(RUN)).reshape(-1)
    return found


def on_device(found: Sequence[jax.Array], shape: tuple[int, ...], mean: float) -> Observed:
    """What was seen of an array where it lies."""
    numbers, counts, sample = map(np.asarray, found)
    offset, squares, low, high = numbers.astype(float).tolist()
    bad, zeros, ones = counts.tolist()
    size = math.prod(shape)
    good = size - bad
    if not good:
        return Observed(size, *(math.nan,) * 5, bad, zeros, ones, sample)
    shift, square = offset / good, squares / good
    stddev = math.sqrt(max(0.0, square - shift * shift))
    return Observed(size, mean + shift, stddev, square, low, high, bad, zeros, ones, sample)


@jax.jit
def reduced(array: jax.Array, mean: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Sums of the distances from a mean and of their squares, extremes; counts; and a sample."""
    compute = compute_dtype(array.dtype)
    wide = array.astype(compute)
    finite = jnp.isfinite(wide)
    distance = jnp.where(finite, wide - mean.astype(compute), 0)
    numbers = [
        total(distance),
        total(jnp.square(distance)),
        jnp.min(jnp.where(finite, wide, jnp.inf)),
        jnp.max(jnp.where(finite, wide, -jnp.inf)),
    ]
    counts = [jnp.sum(one, dtype=np.int32) for one in (~finite, wide == 0, wide == 1)]
    places = np.unravel_index(positions(array.size), array.shape) if array.ndim else ()
    return jnp.stack(numbers), jnp.stack(counts), wide[tuple(map(np.asarray, places))]


def total(values: jax.Array) -> jax.Array:
    """A sum along one axis after the other: of many numbers at once, the small ones are lost."""
    while values.ndim:
        values = jnp.sum(values, axis=-1)
    return values

"""What is there: the sums and extremes of an array, in one pass, and a sample of its values.

Arrays that lie on the host are read in blocks that fit its caches, by all cores; others are
reduced by a program where they lie, under whatever sharding, and numbers come to the host.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from cthulhu._types import Array, HostArray, Jitted
from cthulhu.caches import bounded
from cthulhu.programs import _pool as pool
from cthulhu.programs._build import compute_dtype

BLOCK = 2**17  # Elements that fit a core's cache, 512 KiB in float32: few calls, and few misses.
ROW = 2**10  # Elements of a block that are summed up together.
SPAN = 2**20  # Elements that a thread reads at a time.
ALONE = 2**16  # Elements that are faster read than handed to a thread.
SAMPLE = 2**12  # Elements of a sample.
TINY = 1e-32  # A mean square that float32 sums of squares may have lost parts of.
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


class Sums(NamedTuple):
    """What is summed up of a part of an array."""

    total: float
    squares: float
    low: float
    high: float
    zeros: int


NOTHING = Observed(0, 0.0, 0.0, 0.0, math.inf, -math.inf, 0, 0, 0, np.zeros(0))


class Begun(NamedTuple):
    """A look at an array of devices, which work on it while more is begun."""

    found: tuple[jax.Array, ...]
    """Numbers, as they lie: a few for the whole array, and a sample."""
    finish: Callable[[Sequence[Any]], Observed]
    """What they say, once they are on the host."""


class Reading(NamedTuple):
    """A look at an array of the host, the spans of which threads can read."""

    jobs: Sequence[Callable[[], Sums]]
    finish: Callable[[list[Sums]], Observed]
    """What the sums say."""


def observe(array: Array, mean: float, stddev: float = 1.0) -> Callable[[], Observed]:
    """Begin to look at an array of real numbers.

    Args:
        array: the array.
        mean: what its mean should be.
        stddev: what its standard deviation should be, roughly: sums of squares of so many
            of it neither overflow nor vanish.

    Returns:
        A function that waits for what was seen: devices work while more is begun.
    """
    if math.prod(array.shape) and lies_on_host(array):
        return functools.partial(on_host, np.asarray(array), mean)
    found, finish = begin(array, mean, stddev)
    return functools.partial(finish, found)


def begin(array: Array, mean: float | None, stddev: float | None = 1.0) -> Begun:
    """Begin to look at an array where it lies, so that its numbers can be fetched with others.

    Args:
        array: the array.
        mean: what its mean should be; `None` if nobody knows.
        stddev: as for `observe`; `None` likewise.

    Returns:
        A `Begun`.
    """
    if not math.prod(array.shape):
        return Begun((), lambda found: NOTHING)
    compute = compute_dtype(array.dtype)
    shift = compute.type(math.nan if mean is None else mean)
    unit = compute.type(math.nan if stddev is None else stddev) or compute.type(1)
    found = reducer(replicated(array))(array, shift, unit)
    return Begun(found, functools.partial(on_device, size=math.prod(array.shape), mean=mean))


def replicated(array: Array) -> NamedSharding | None:
    """Where numbers of a sharded array are to be: with every device that has a part of it."""
    sharding = getattr(array, "sharding", None)
    if not isinstance(sharding, NamedSharding) or len(sharding.device_set) == 1:
        return None
    return NamedSharding(sharding.mesh, PartitionSpec())


def lies_on_host(array: Array) -> bool:
    """Whether the values can be read without a copy."""
    if not isinstance(array, jax.Array):
        return True
    if len(array.sharding.device_set) > 1:
        return False
    return all(device.platform == "cpu" for device in array.devices())


def on_host(array: HostArray, mean: float | None, *, exact: bool = False) -> Observed:
    """Look at an array of the host.

    Args:
        array: the array.
        mean: what its mean should be; `None` if nobody knows.
        exact: whether to count every zero, also where no sample holds one; of ones, none.
    """
    reading = begin_on_host(array, mean, exact=exact)
    return reading.finish(list(pool.results(reading.jobs)))


def begin_on_host(array: HostArray, mean: float | None, *, exact: bool = False) -> Reading:
    """Begin to look at an array of the host, so that it can be read together with others."""
    flat = array.reshape(-1)  # A copy, if it is a part of another.
    sample = flat[positions(flat.size)]
    mean = middle(sample) if mean is None else mean
    shift = np.float32(mean)
    finish = functools.partial(of_host, flat, sample, mean, shift, exact)
    if flat.size <= ALONE:
        return Reading((), lambda _: finish([sums(flat, shift, exact=exact)]))
    starts = range(0, flat.size, SPAN)
    jobs = [functools.partial(sums, flat[at : at + SPAN], shift, exact=exact) for at in starts]
    return Reading(jobs, finish)


def of_host(
    flat: HostArray, sample: HostArray, mean: float, shift: Any, exact: bool, parts: list[Sums]
) -> Observed:
    """What was seen of an array of the host, part by part."""
    total, squares = sum(one.total for one in parts), sum(one.squares for one in parts)
    low, high = min(one.low for one in parts), max(one.high for one in parts)
    zeros = sum(one.zeros for one in parts) if exact else equal(flat, sample, 0)
    ones = 0 if exact else equal(flat, sample, 1)
    if not math.isfinite(squares) or (low < high and squares < TINY * flat.size):
        return irregular(flat, mean, sample)._replace(zeros=zeros, ones=ones)
    known = summary(flat.size, total, squares, mean, float(shift))
    return known._replace(low=low, high=high, zeros=zeros, ones=ones, sample=sample)


def middle(sample: HostArray) -> float:
    """Around what to sum, where nobody knows the mean: 0, unless all is far from it."""
    values = sample.astype(np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0
    mean = float(values.mean())
    return mean if abs(mean) > float(values.std()) else 0.0


def equal(flat: HostArray, sample: HostArray, number: int) -> int:
    """How many values are a number: a sample tells where that is worth another pass."""
    return int(np.count_nonzero(flat == number)) if (sample == number).any() else 0


@functools.cache
def ones() -> HostArray:
    """A row of ones: a product with them is a sum, and NumPy has no faster one."""
    return np.ones(ROW, np.float32)


def summed(values: HostArray) -> float:
    """The sum of the values of a block."""
    unit = ones().astype(values.dtype, copy=False)
    whole = values.size // ROW * ROW
    rows = np.dot(values[:whole].reshape(-1, ROW), unit)
    rest = np.dot(values[whole:], unit[: values.size - whole])
    return float(np.add.reduce(rows, dtype=np.float64)) + float(rest)


def sums(flat: HostArray, shift: Any, *, exact: bool) -> Sums:
    """The sums of the distances from a number and of their squares, the extremes, the zeros.

    Sums of what is far from 0 would leave nothing of the spread around it. Each block is read
    from memory once, and then from a cache: first by what takes longest, as that hides the wait.
    Threads hand Python's lock to each other between any two calls, so that there are few.
    """
    total = squares = 0.0
    zeros = 0
    low, high = math.inf, -math.inf
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, flat.size, BLOCK):
            block = flat[start : start + BLOCK]
            values = block if block.dtype == np.float64 else block.astype(np.float32, copy=False)
            around = values - values.dtype.type(shift) if shift else values
            squares += float(np.dot(around, around))
            total += summed(around)
            least, most = float(np.minimum.reduce(values)), float(np.maximum.reduce(values))
            low, high = min(low, least), max(high, most)
            if exact and not (least > 0 or most < 0):
                zeros += int(np.count_nonzero(values == 0))
    return Sums(total, squares, low, high, zeros)


def irregular(flat: HostArray, mean: float, sample: HostArray) -> Observed:
    """Look at an array that holds no numbers, or whose squares overflow or vanish."""
    wide = flat.astype(np.float64)
    finite = wide[np.isfinite(wide)]
    bad = flat.size - finite.size
    if not finite.size:
        return Observed(flat.size, *(math.nan,) * 5, bad, 0, 0, sample)
    distance = finite - mean
    known = summary(finite.size, distance.sum(), np.square(distance).sum(), mean, mean)
    low, high = float(finite.min()), float(finite.max())
    return known._replace(size=flat.size, low=low, high=high, bad=bad, sample=sample)


def summary(count: int, total: float, squares: float, mean: float, shift: float) -> Observed:
    """What sums of the distances from `shift` and of their squares tell, but for the ends."""
    offset, square, off = float(total) / count, float(squares) / count, mean - shift
    stddev = math.sqrt(max(0.0, square - offset * offset))
    around = max(0.0, square - 2 * off * offset + off * off)
    return NOTHING._replace(size=count, mean=shift + offset, stddev=stddev, squares=around)


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


def on_device(found: Sequence[Any], size: int, mean: float | None) -> Observed:
    """What was seen of an array where it lies."""
    numbers, counts, sample = map(np.asarray, found)
    offset, squares, low, high, shift, unit = numbers.astype(float).tolist()
    bad, zeros, ones = counts.tolist()
    if not size - bad:
        return Observed(size, *(math.nan,) * 5, bad, zeros, ones, sample)
    around = shift if mean is None else mean
    known = summary(size - bad, offset * unit, squares * unit * unit, around, shift)
    seen = known._replace(size=size, low=low, high=high, bad=bad)
    return seen._replace(zeros=zeros, ones=ones, sample=sample)


@bounded(64)
def reducer(sharding: NamedSharding | None) -> Jitted:
    """The program that looks at arrays, with its results laid out so."""
    return jax.jit(reduced, out_shardings=sharding)


def reduced(
    array: jax.Array, shift: jax.Array, unit: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Sums of the distances, in units, and of their squares, extremes; counts; and a sample.

    Where the shift or the unit is no number, the sample tells one.
    """
    wide = array.astype(compute_dtype(array.dtype))
    finite = jnp.isfinite(wide)
    places = np.unravel_index(positions(array.size), array.shape) if array.ndim else ()
    sample = wide[tuple(map(np.asarray, places))]
    known = jnp.isfinite(sample)
    own, spread = jnp.mean(sample, where=known), jnp.std(sample, where=known)
    shift = jnp.where(jnp.isnan(shift), jnp.where(jnp.any(known), own, 0), shift)
    unit = jnp.where(jnp.isnan(unit), jnp.where(spread > 0, spread, 1), unit)
    distance = jnp.where(finite, (wide - shift) / unit, 0)
    numbers = [
        total(distance),
        total(jnp.square(distance)),
        jnp.min(jnp.where(finite, wide, jnp.inf)),
        jnp.max(jnp.where(finite, wide, -jnp.inf)),
        shift,
        unit,
    ]
    counts = [jnp.sum(one, dtype=np.int32) for one in (~finite, wide == 0, wide == 1)]
    return jnp.stack(numbers), jnp.stack(counts), sample


def total(values: jax.Array) -> jax.Array:
    """A sum along one axis after the other: of many numbers at once, the small ones are lost."""
    while values.ndim:
        values = jnp.sum(values, axis=-1)
    return values

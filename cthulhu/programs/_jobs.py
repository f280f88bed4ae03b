"""The executor: arrays to make, and making them, whoever asks.

Rules, traced init functions, plans, streams and `verify` make a list of jobs.
On the host, elementwise laws share one program a law, whatever the shapes, and
all cores write their blocks. Everything else, and whatever has a sharding or
lies on an accelerator, has a program for its shape and layout.
"""

import collections
import functools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Sharding, SingleDeviceSharding

from cthulhu.laws import Elementwise, Fill, Law
from cthulhu.programs import _blocks as blocks
from cthulhu.programs import _handing as handing
from cthulhu.programs import _pool as pool
from cthulhu.programs._build import compute_dtype, rounded

LARGEST_FILL = 2**20  # Elements that the host fills; a program makes more.

# What is handed over to JAX at once.
BATCH = 512  # Arrays.
BATCH_BYTES = 2**26


class Kept(NamedTuple):
    """An array that exists already."""

    value: Any


class Drawn(NamedTuple):
    """The values of a law, for a key, or for the keys of stacked layers.

    `shape` is that of one layer. What the job is given are the key's words.
    """

    law: Law
    scalars: tuple[Any, ...]
    shape: tuple[int, ...]


class Called(NamedTuple):
    """One result of a function. What the job is given are the function's arguments.

    `identity` is what the program depends on, `build` makes the jitted function,
    and `arguments` are their shapes and types. `ahead` is whether to compile it
    before it is called. Jobs of one `group` are results of one call.
    """

    identity: Hashable
    build: Callable[[], Any]
    arguments: tuple[Any, ...]
    ahead: bool
    group: Hashable
    output: int | None  # Which of the results; None if the function has but one.


class Job(NamedTuple):
    """An array to make: what it is like, where it goes, and what it is made from."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    sharding: Sharding | None
    stack: int | None  # The axis along which layers are stacked, each with a key of its own.
    source: Kept | Drawn | Called

    @property
    def nbytes(self) -> int:
        """The size of the array in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


Results = dict[Hashable, list[Any]]
"""Of each group of jobs that one call makes, the results that are not yet asked for."""


class Step(NamedTuple):
    """A job, with its block if it is made in blocks, and with its program if it needs one."""

    job: Job
    block: int
    program: "Future[pool.Program] | None"


def make(
    jobs: Sequence[Job],
    given: Sequence[Any],
    advance: Callable[[int], None] = lambda nbytes: None,
    *,
    hand_over: bool = True,
) -> list[Any]:
    """The arrays of all jobs, made by all cores at once.

    Args:
        jobs: what to make.
        given: for each job, what its source takes: words of keys, or arguments.
        advance: hears of the bytes of each array that is there.
        hand_over: whether all become arrays of JAX; else those that the host makes
            stay arrays of NumPy.

    Returns:
        An array for each job.
    """
    many: frozenset[Hashable] = frozenset()
    if hand_over and runs_on_cpu((None,)):
        many = handing.frequent(handing.kind(job) for job in jobs if job.sharding is None)
    values = []
    for job, value in zip(jobs, run(steps_of(jobs), given, {}, many, hand_over), strict=True):
        values.append(value)
        advance(job.nbytes)
    return values


def stream(jobs: Sequence[Job], given: Sequence[Any]) -> Iterator[Any]:
    """The arrays of the jobs, in order, each made when it is asked for, and held no longer.

    All programs are compiled from the start. Small arrays that one call of a program
    makes are there together.
    """
    results: Results = {}
    steps = steps_of(jobs)
    for first, last in windows(steps):
        yield from run(steps[first:last], given[first:last], results, frozenset(), True)


def windows(steps: Sequence[Step]) -> Iterator[tuple[int, int]]:
    """The first and the last of the steps that are made together in a stream."""
    first = last = elements = 0
    for step in steps:
        size = blocks.elements(math.prod(step.job.shape), step.block)
        together = step.block == blocks.SMALL_BLOCK or step.program is None
        if last > first and (not together or elements + size > blocks.BLOCK):
            yield first, last
            first, elements = last, 0
        last += 1
        elements += size
    if last:
        yield first, last


def run(
    steps: Sequence[Step],
    given: Sequence[Any],
    results: Results,
    many: frozenset[Hashable],
    hand_over: bool,
) -> Iterator[Any]:
    """The arrays of the steps, whose blocks all cores write at once."""
    arrays: dict[int, np.ndarray[Any, Any]] = {}
    waited: dict[int, slice] = {}
    spans: list[blocks.Span] = []
    for at, (step, keys) in enumerate(zip(steps, given, strict=True)):
        if step.block:
            arrays[at], own = allotted(step, keys)
            waited[at] = slice(len(spans), len(spans) + len(own))
            spans += own
    futures = blocks.write(spans)
    spans.clear()  # They hold the memory of arrays that somebody else may have dropped.
    same: dict[Hashable, np.ndarray[Any, Any]] = {}
    for batch in batches(steps):
        ready: dict[int, Any] = {}
        for at in batch:
            job = steps[at].job
            if at in arrays:
                for future in futures[waited[at]]:
                    future.result()
                ready[at] = arrays.pop(at)
            elif is_fill(job) and is_addressable(job.sharding):
                ready[at] = filled(job, many, same)
        if hand_over:
            placed = [steps[at].job.sharding for at in ready]
            handed = handing.over(list(ready.values()), placed, many)
            ready = dict(zip(ready, handed, strict=True))
            del handed
        for at in batch:
            yield ready.pop(at) if at in ready else made(steps[at], given[at], results)


def batches(steps: Sequence[Step]) -> Iterator[list[int]]:
    """The numbers of the steps, in order: many small arrays at a time, or a few large ones."""
    batch: list[int] = []
    size = 0
    for at, step in enumerate(steps):
        batch.append(at)
        size += step.job.nbytes
        if len(batch) == BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def count_programs(jobs: Sequence[Job]) -> int:
    """The number of distinct programs that the jobs need."""
    context = pool.context()
    found = {
        identity(job, size, context)
        for job, size in zip(jobs, block_sizes(jobs), strict=True)
        if needs_program(job)
    }
    return len(found)


def steps_of(jobs: Sequence[Job]) -> list[Step]:
    """The jobs with their programs, which are compiled, or on their way."""
    context = pool.context()
    known: dict[Hashable, Future[pool.Program]] = {}
    steps = []
    for job, size in zip(jobs, block_sizes(jobs), strict=True):
        program = None
        if needs_program(job):
            key = identity(job, size, context)
            if key not in known:
                known[key] = program_of(job, size, key, context)
            program = known[key]
        steps.append(Step(job, size, program))
    return steps


def needs_program(job: Job) -> bool:
    """Whether the host does not make the array by itself."""
    return not (isinstance(job.source, Kept) or is_fill(job))


def is_fill(job: Job) -> bool:
    """Whether the host fills the array with one number."""
    source = job.source
    return (
        isinstance(source, Drawn)
        and isinstance(source.law, Fill)
        and math.prod(job.shape) <= LARGEST_FILL
    )


def in_blocks(job: Job) -> bool:
    """Whether the array is made by a law's one program, block by block."""
    source = job.source
    return (
        isinstance(source, Drawn)
        and isinstance(source.law, Elementwise)
        and job.stack in (None, 0)
        and runs_on_cpu((job.sharding,))
    )


def block_sizes(jobs: Sequence[Job]) -> list[int]:
    """The block of each job: a smaller one if a law has very many small arrays; else 0."""
    unneeded: collections.Counter[Hashable] = collections.Counter()
    found: list[tuple[Any, bool] | None] = []
    for job in jobs:
        if not in_blocks(job):
            found.append(None)
            continue
        source = job.source
        assert isinstance(source, Drawn)
        law, small = (source.law, job.dtype), math.prod(source.shape) <= blocks.SMALL
        found.append((law, small))
        if small:
            unneeded[law] += blocks.BLOCK * (1 if job.stack is None else job.shape[job.stack])
    crowded = {law for law, elements in unneeded.items() if elements > blocks.WORTHWHILE}
    return [
        0 if one is None else (blocks.SMALL_BLOCK if one[1] and one[0] in crowded else blocks.BLOCK)
        for one in found
    ]


def identity(job: Job, size: int, context: Hashable) -> Hashable:
    """What the program of a job depends on."""
    source = job.source
    if isinstance(source, Called):
        return source.identity
    assert isinstance(source, Drawn)
    if size:
        return ("block", source.law, job.dtype, size)
    return ("law", source.law, source.shape, job.shape, job.dtype, job.stack, job.sharding, context)


def program_of(job: Job, size: int, key: Hashable, context: Hashable) -> "Future[pool.Program]":
    """The program of a job, compiled or on its way."""
    source = job.source
    if isinstance(source, Called):
        return pool.compiled(key, source.build, source.arguments, ahead=source.ahead)
    assert isinstance(source, Drawn)
    if size:
        assert isinstance(source.law, Elementwise)
        return blocks.program(source.law, job.dtype, size, source.scalars, context)
    run = functools.partial(run_law, source.law, source.shape, job.dtype, job.stack)
    layers = () if job.stack is None else (job.shape[job.stack],)
    words = jax.ShapeDtypeStruct((*layers, 2), np.uint32)
    specs = [jax.ShapeDtypeStruct((), scalar.dtype) for scalar in source.scalars]
    return pool.compiled(
        key, lambda: jax.jit(run, out_shardings=job.sharding), [words, *specs], ahead=True
    )


def run_law(
    law: Law,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    stack: int | None,
    words: Any,
    *scalars: Any,
) -> jax.Array:
    """A whole array, or all the layers of one, for keys given as words."""

    def one(key: jax.Array) -> jax.Array:
        return rounded(law.values(key, shape, compute_dtype(dtype), *scalars), dtype)

    keys = jax.random.wrap_key_data(words, impl="threefry2x32")
    return one(keys) if stack is None else jax.vmap(one, out_axes=stack)(keys)


def allotted(step: Step, keys: Any) -> tuple[np.ndarray[Any, Any], list[blocks.Span]]:
    """The memory of an array on the host, and what has to be written into it."""
    job, source = step.job, step.job.source
    assert isinstance(source, Drawn)
    assert step.program is not None
    array = blocks.aligned(math.prod(job.shape), job.dtype)
    run = step.program.result()
    if job.stack is None:
        spans = blocks.spans_of(run, step.block, source.scalars, array, keys)
    else:
        rows = array.reshape(len(keys), math.prod(source.shape))
        spans = [
            span
            for row, key in zip(rows, keys, strict=True)
            for span in blocks.spans_of(run, step.block, source.scalars, row, key)
        ]
    return array.reshape(job.shape), spans


def made(step: Step, taken: Any, results: Results) -> Any:
    """The array of a job that is not made in blocks; `results` wait for the rest of their group."""
    job, program = step.job, step.program
    match job.source:
        case Kept(value):
            return value if job.sharding is None else jax.device_put(value, job.sharding)
        case Drawn(_, scalars, _):
            if program is None:
                return put(np.broadcast_to(number_of(job), job.shape), job.sharding)
            return program.result()(taken, *scalars)
        case Called(group=None, output=None):
            assert program is not None
            return program.result()(*taken)
        case Called(group=group, output=output):
            assert program is not None
            assert output is not None
            waiting = results.setdefault(group, [])
            if not waiting:
                waiting += program.result()(*taken)
            value, waiting[output] = waiting[output], None
            if not any(other is not None for other in waiting):
                del results[group]
            return value


def number_of(job: Job) -> np.ndarray[Any, Any]:
    """What a fill is filled with, in its own type."""
    assert isinstance(job.source, Drawn)
    return np.asarray(job.source.scalars[0], job.dtype)


def filled(
    job: Job, many: frozenset[Hashable], same: dict[Hashable, np.ndarray[Any, Any]]
) -> np.ndarray[Any, Any]:
    """A fill in the host's memory: `same` are those of which there are many."""
    number = number_of(job)
    key = (handing.kind(job), number.tobytes())
    if job.sharding is None and key in same:
        return same[key]
    array = blocks.aligned(math.prod(job.shape), job.dtype)
    array.fill(number)
    array = array.reshape(job.shape)
    if job.sharding is None and key[0] in many:
        same[key] = array
    return array


def is_addressable(sharding: Sharding | None) -> bool:
    """Whether this host holds all of an array in this sharding."""
    return sharding is None or sharding.is_fully_addressable


def put(array: np.ndarray[Any, Any], sharding: Sharding | None) -> Any:
    """An array of the host, in a buffer of its own, where the sharding says."""
    if sharding is not None and not is_addressable(sharding):
        # `jax.device_put` would compare the array among all hosts.
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])
    return jax.device_put(np.array(array), sharding, may_alias=False)


def runs_on_cpu(shardings: Sequence[Sharding | None]) -> bool:
    """Whether arrays in these shardings lie whole in the host's memory."""
    for sharding in shardings:
        if sharding is None:
            platforms = {default_platform()}
        elif isinstance(sharding, SingleDeviceSharding):
            devices: Any = sharding.device_set
            platforms = {device.platform for device in devices}
        else:
            return False
        if platforms != {"cpu"}:
            return False
    return bool(jax.sharding.get_mesh().empty)


def default_platform() -> str:
    """Where JAX puts what has no place of its own."""
    config: Any = jax.config
    device: Any = config.jax_default_device
    if device is None:
        return jax.default_backend()
    return str(getattr(device, "platform", device))

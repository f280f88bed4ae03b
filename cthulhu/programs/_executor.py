"""The executor: it makes arrays, whoever asks.

All cores write the blocks of elementwise laws in the host's memory; programs make
the rest. A stream is the same, with few arrays at a time.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Sequence

import jax
import numpy as np
from jax.sharding import Sharding

from cthulhu._types import Array, Given, HostArray, Words
from cthulhu.programs import _blocks as blocks
from cthulhu.programs import _handing as handing
from cthulhu.programs._jobs import Called, Drawn, Job, Kept, Step, is_fill, steps_of
from cthulhu.programs._placement import is_addressable, runs_on_cpu

# What is handed over to JAX at once.
BATCH = 512  # Arrays.
BATCH_BYTES = 2**26

Results = dict[Hashable, list[jax.Array | None]]
"""Of each group of jobs that one call makes, the results that are not yet asked for."""


def make(
    jobs: Sequence[Job],
    given: Sequence[Given],
    advance: Callable[[int], None] = lambda nbytes: None,
    *,
    hand_over: bool = True,
) -> list[Array]:
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
    for job, value in zip(jobs, arrays_of(steps_of(jobs), given, {}, many, hand_over), strict=True):
        values.append(value)
        advance(job.nbytes)
    return values


def stream(jobs: Sequence[Job], given: Sequence[Given]) -> Iterator[Array]:
    """The arrays of the jobs, in order, each made when it is asked for, and held no longer.

    All programs are compiled from the start. Small arrays that one call of a program
    makes are there together.
    """
    results: Results = {}
    steps = steps_of(jobs)
    for first, last in windows(steps):
        yield from arrays_of(steps[first:last], given[first:last], results, frozenset(), True)


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


def arrays_of(
    steps: Sequence[Step],
    given: Sequence[Given],
    results: Results,
    many: frozenset[Hashable],
    hand_over: bool,
) -> Iterator[Array]:
    """The arrays of the steps, whose blocks all cores write at once."""
    arrays: dict[int, HostArray] = {}
    waited: dict[int, slice] = {}
    spans: list[blocks.Span] = []
    for at, (step, keys) in enumerate(zip(steps, given, strict=True)):
        if step.block:
            assert not isinstance(keys, tuple)
            arrays[at], own = allotted(step, keys)
            waited[at] = slice(len(spans), len(spans) + len(own))
            spans += own
    futures = blocks.write(spans)
    spans.clear()  # They hold the memory of arrays that somebody else may have dropped.
    same: dict[Hashable, HostArray] = {}
    for batch in batches(steps):
        ready: dict[int, HostArray] = {}
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
            there: dict[int, Array] = dict(zip(ready, handed, strict=True))
            del handed
        else:
            there = {**ready}
        ready.clear()
        for at in batch:
            yield there.pop(at) if at in there else made(steps[at], given[at], results)


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


def allotted(step: Step, keys: Words) -> tuple[HostArray, list[blocks.Span]]:
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


def made(step: Step, taken: Given, results: Results) -> Array:
    """The array of a job that is not made in blocks; `results` wait for the rest of their group."""
    job, program = step.job, step.program
    match job.source:
        case Kept(value):
            return value if job.sharding is None else jax.device_put(value, job.sharding)
        case Drawn(_, scalars, _):
            if program is None:
                return put(np.broadcast_to(number_of(job), job.shape), job.sharding)
            array: jax.Array = program.result()(taken, *scalars)
            return array
        case Called(group=None, output=None):
            assert program is not None
            single: jax.Array = program.result()(*taken)
            return single
        case Called(group=group, output=output):
            assert program is not None
            assert output is not None
            waiting = results.setdefault(group, [])
            if not waiting:
                waiting += program.result()(*taken)
            own, waiting[output] = waiting[output], None
            assert own is not None
            if not any(other is not None for other in waiting):
                del results[group]
            return own


def number_of(job: Job) -> HostArray:
    """What a fill is filled with, in its own type."""
    assert isinstance(job.source, Drawn)
    return np.asarray(job.source.scalars[0], job.dtype)


def filled(job: Job, many: frozenset[Hashable], same: dict[Hashable, HostArray]) -> HostArray:
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


def put(array: HostArray, sharding: Sharding | None) -> jax.Array:
    """An array of the host, in a buffer of its own, where the sharding says."""
    if sharding is not None and not is_addressable(sharding):
        # `jax.device_put` would compare the array among all hosts.
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])
    placed: jax.Array = jax.device_put(np.array(array), sharding, may_alias=False)
    return placed

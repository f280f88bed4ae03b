"""Arrays to make, and the programs that make them.

Rules, traced init functions, plans, streams and `verify` make a list of jobs.
On the host, elementwise laws share one program a law, whatever the shapes.
Everything else, and whatever has a sharding or lies on an accelerator, has a
program for its shape and layout.
"""

import collections
import functools
import math
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Sharding

from cthulhu._types import Array, DType, Jitted, Number
from cthulhu.laws import Elementwise, Fill, Law
from cthulhu.laws._base import each
from cthulhu.programs import _blocks as blocks
from cthulhu.programs import _pool as pool
from cthulhu.programs._build import Draw, compute_dtype, rounded
from cthulhu.programs._placement import runs_on_cpu

LARGEST_FILL = 2**20  # Elements that the host fills; a program makes more.


class Kept(NamedTuple):
    """An array that exists already."""

    value: Array


class Drawn(NamedTuple):
    """The values of a law, for a key, or for the keys of stacked layers.

    `shape` is that of one layer. What the job is given are the key's words.
    """

    law: Law
    scalars: tuple[Number, ...]
    shape: tuple[int, ...]


class Called(NamedTuple):
    """One result of a function. What the job is given are the function's arguments.

    `program_key` is what the program depends on, `build` makes the jitted function,
    and `arguments` are their shapes and types. `ahead` is whether to compile it
    before it is called. Jobs of one `group` are results of one call.
    """

    program_key: Hashable
    build: Callable[[], Jitted]
    arguments: tuple[jax.ShapeDtypeStruct, ...]
    ahead: bool
    group: Hashable
    output: int | None  # Which of the results; None if the function has but one.


class Job(NamedTuple):
    """An array to make: what it is like, where it goes, and what it is made from."""

    shape: tuple[int, ...]
    dtype: DType
    sharding: Sharding | None
    stack: int | None  # The axis along which layers are stacked, each with a key of its own.
    source: Kept | Drawn | Called

    @property
    def nbytes(self) -> int:
        """The size of the array in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


class Step(NamedTuple):
    """A job, with its block if it is made in blocks, and with its program if it needs one."""

    job: Job
    block: int
    program: "Future[pool.Program] | None"


def count_programs(jobs: Sequence[Job]) -> int:
    """The number of distinct programs that the jobs need."""
    context = pool.context()
    found = {
        program_key(job, size, context)
        for job, size in zip(jobs, block_sizes(jobs), strict=True)
        if needs_program(job)
    }
    return len(found)


def compiling_ahead() -> Callable[[Draw], None]:
    """What begins to compile the programs of draws as soon as they are traced.

    It is for draws that will be made in blocks, as large ones are on the host.
    """
    if not runs_on_cpu((None,)):
        return lambda draw: None
    context = pool.context()

    def see(draw: Draw) -> None:
        law, shape, dtype, sharding = draw.recipe
        if math.prod(shape) > blocks.SMALL and isinstance(law, Elementwise) and sharding is None:
            with jax.core.eval_context():
                blocks.program(law, dtype, blocks.BLOCK, draw.scalars, context)

    return see


def steps_of(jobs: Sequence[Job]) -> list[Step]:
    """The jobs with their programs, which are compiled, or on their way."""
    context = pool.context()
    known: dict[Hashable, Future[pool.Program]] = {}
    steps = []
    for job, size in zip(jobs, block_sizes(jobs), strict=True):
        program = None
        if needs_program(job):
            key = program_key(job, size, context)
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
    found: list[tuple[Hashable, bool] | None] = []
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


def program_key(job: Job, size: int, context: Hashable) -> Hashable:
    """What the program of a job depends on."""
    source = job.source
    if isinstance(source, Called):
        return source.program_key
    assert isinstance(source, Drawn)
    if size:
        return ("block", source.law, job.dtype, size)
    return ("law", source.law, source.shape, job.shape, job.dtype, job.stack, job.sharding, context)


def program_of(job: Job, size: int, key: Hashable, context: Hashable) -> "Future[pool.Program]":
    """The program of a job, compiled or on its way."""
    source = job.source
    if isinstance(source, Called):
        return pool.program_future(key, source.build, source.arguments, ahead=source.ahead)
    assert isinstance(source, Drawn)
    if size:
        assert isinstance(source.law, Elementwise)
        return blocks.program(source.law, job.dtype, size, source.scalars, context)
    run = functools.partial(run_law, source.law, source.shape, job.dtype, job.stack)
    layers = () if job.stack is None else (job.shape[job.stack],)
    words = jax.ShapeDtypeStruct((*layers, 2), np.uint32)
    specs = [jax.ShapeDtypeStruct((), scalar.dtype) for scalar in source.scalars]
    return pool.program_future(
        key, lambda: jax.jit(run, out_shardings=job.sharding), [words, *specs], ahead=True
    )


def run_law(
    law: Law,
    shape: tuple[int, ...],
    dtype: DType,
    stack: int | None,
    words: jax.Array,
    *scalars: Number,
) -> jax.Array:
    """A whole array, or all the layers of one, for keys given as words."""

    def one(key: jax.Array) -> jax.Array:
        return rounded(law.values(key, shape, compute_dtype(dtype), *scalars), dtype)

    keys = jax.random.wrap_key_data(words, impl="threefry2x32")
    return one(keys) if stack is None else each(law, one, keys, stack)

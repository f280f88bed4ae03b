"""Draws in blocks: one program for leaves of all shapes, in the host's memory."""

import dataclasses
import functools
from collections.abc import Hashable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import jax
import numpy as np

from cthulhu.params import _compiled as compiled
from cthulhu.params import _flat as flat
from cthulhu.programs._build import options_of_platform

__all__ = ["Job", "Span", "aligned", "block_sizes", "draw", "program", "spans_of", "write"]

BLOCK = 2**17  # Elements: fits a core's cache, and outweighs the call of a program.
SMALL_BLOCK = 2**12
SPAN = 2**20  # Elements that one thread makes at a time.
WORTHWHILE = 2**24  # Unneeded elements that cost more than to compile another program.
ALIGNMENT = 64  # Bytes: JAX takes over memory that is aligned so, and copies other.


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """One leaf to draw."""

    program: "Future[compiled.Program]"
    draw: flat.Draw
    block: int
    keys: Sequence[np.ndarray[Any, Any]]


class Span(NamedTuple):
    """Consecutive elements of a flat array that one thread makes, from `first` on."""

    run: compiled.Program
    size: int
    scalars: Sequence[Any]
    row: np.ndarray[Any, Any]
    keys: Any
    first: int

    @property
    def elements(self) -> int:
        """How many elements are computed: whole blocks."""
        return -(-min(max(SPAN, self.size), self.row.size - self.first) // self.size) * self.size


def block_sizes(draws: Sequence[flat.Draw]) -> list[int]:
    """The block of each draw: a smaller one if a law has very many small leaves."""
    unneeded: dict[Hashable, int] = {}
    for draw in draws:
        if size_of(draw) <= BLOCK // 4:
            unneeded[draw.law] = unneeded.get(draw.law, 0) + BLOCK
    return [
        SMALL_BLOCK if size_of(draw) <= BLOCK // 4 and unneeded[draw.law] > WORTHWHILE else BLOCK
        for draw in draws
    ]


def size_of(draw: flat.Draw) -> int:
    return int(np.prod(draw.shape, dtype=object))


def program(draw: flat.Draw, size: int, context: Hashable) -> "Future[compiled.Program]":
    """The program of a law."""
    words = jax.ShapeDtypeStruct((2 + 2 * len(draw.keys),), np.uint32)
    scalars = [jax.ShapeDtypeStruct((), scalar.dtype) for scalar in draw.scalars]

    def build() -> Any:
        run = functools.partial(flat.block, draw.law, size)
        return jax.jit(run, compiler_options=options_of_platform())

    key = ("block", draw.law, size, context)
    return compiled.compiled(key, build, [words, *scalars], ahead=True)


def draw(jobs: Sequence[Job]) -> list[np.ndarray[Any, Any]]:
    """Make the values of all jobs, with all the host's cores."""
    arrays = [aligned(size_of(job.draw), job.draw.dtype) for job in jobs]
    spans = [
        span
        for job, array in zip(jobs, arrays, strict=True)
        for span in spans_of(job.program.result(), job.block, job.draw.scalars, array, job.keys)
    ]
    for future in write(spans):
        future.result()
    return [array.reshape(job.draw.shape) for job, array in zip(jobs, arrays, strict=True)]


def spans_of(
    run: compiled.Program, size: int, scalars: Sequence[Any], row: Any, keys: Any
) -> list[Span]:
    """The spans of one flat draw, which one program makes."""
    starts = range(0, row.size, max(SPAN, size))
    return [Span(run, size, scalars, row, keys, first) for first in starts]


def write(spans: Sequence[Span]) -> "list[Future[None]]":
    """Fill all spans with all cores: what to wait for, for each of them.

    Small ones share a task, for handing one over takes as long as filling one.
    Nothing is left to wait for if there was too little to hand over.
    """
    config: Any = jax.config
    wide = config.jax_enable_x64  # This thread's setting, which the workers do not see.
    if sum(span.elements for span in spans) <= BLOCK // 4:
        fill_all(spans, wide)
        return []
    futures: list[Future[None]] = []
    start = total = 0
    for stop, span in enumerate(spans, 1):
        total += span.elements
        if total >= SPAN or stop == len(spans):
            task = compiled.workers().submit(fill_all, spans[start:stop], wide)
            futures += [task] * (stop - start)
            start, total = stop, 0
    return futures


def fill_all(spans: Sequence[Span], wide: bool) -> None:
    """Write the elements of some spans, in a thread whose settings are not the caller's."""
    with jax.enable_x64(wide):
        for span in spans:
            fill(span)


def fill(span: Span) -> None:
    """Write the elements of a span, block by block."""
    run, size, scalars, row, keys, first = span
    last = min(first + max(SPAN, size), row.size)
    for start in range(first, last, size):
        stop = min(start + size, last)
        words = np.array([start & 0xFFFFFFFF, start >> 32, *np.ravel(keys)], np.uint32)
        row[start:stop] = np.asarray(run(words, *scalars))[: stop - start]


def aligned(size: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Memory that JAX takes over without a copy."""
    raw = np.empty(size * dtype.itemsize + ALIGNMENT, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT
    return raw[offset : offset + size * dtype.itemsize].view(dtype)

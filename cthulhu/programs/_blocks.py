"""Elementwise laws in the host's memory: one program a law makes blocks of arrays of all shapes."""

import functools
from collections.abc import Hashable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax

from cthulhu import compat
from cthulhu._types import DType, HostArray, Jitted, Number, Words
from cthulhu.laws import Elementwise
from cthulhu.programs import _pool as pool
from cthulhu.programs._build import compute_dtype, rounded

BLOCK = 2**17  # Elements: fits a core's cache, and outweighs the call of a program.
SMALL_BLOCK = 2**12  # One program makes many of them, for as many arrays.
ROWS = BLOCK // SMALL_BLOCK
SMALL = BLOCK // 4  # Elements of an array that wastes most of a block.
SPAN = 2**20  # Elements that one thread makes at a time.
WORTHWHILE = 2**24  # Unneeded elements that cost more than to compile another program.
ALIGNMENT = 64  # Bytes: JAX takes over memory that is aligned so, and copies other.


def elements(count: int, size: int) -> int:
    """How many are computed for so many: whole blocks of a size."""
    return -(-count // size) * size if size else count


class Span(NamedTuple):
    """Consecutive elements of a flat array that one thread makes, from `first` on."""

    run: pool.Program
    size: int
    scalars: Sequence[Number]
    row: HostArray
    keys: Words
    first: int

    @property
    def elements(self) -> int:
        """How many elements are computed."""
        return elements(min(max(SPAN, self.size), self.row.size - self.first), self.size)


def program(
    law: Elementwise, dtype: DType, size: int, scalars: Sequence[Number], context: Hashable
) -> "Future[pool.Program]":
    """The program that makes blocks of this law."""
    rows = (ROWS,) if size == SMALL_BLOCK else ()
    words = jax.ShapeDtypeStruct((*rows, 2 + 2 * law.keys), np.uint32)
    specs = [jax.ShapeDtypeStruct(rows, scalar.dtype) for scalar in scalars]

    def build() -> Jitted:
        one = functools.partial(block, law, dtype, size)
        run = functools.partial(each, one) if rows else one
        return jax.jit(run, compiler_options=compat.options_of_platform())

    key = ("block", law, dtype, size, context)
    return pool.program_future(key, build, [words, *specs], ahead=True)


def block(
    law: Elementwise, dtype: DType, size: int, words: jax.Array, *scalars: jax.Array
) -> jax.Array:
    """A block of a flat array: `words` are its place, low and high, and the keys.

    The first element lies at a multiple of `size`, a power of two.
    """
    start = (words[1], words[0])
    return rounded(law.block(words[2:], (size,), compute_dtype(dtype), start, *scalars), dtype)


def each(run: pool.Program, *rows: jax.Array) -> jax.Array:
    """The blocks of many arrays: a loop around the very program that makes one."""
    values: jax.Array = lax.map(lambda row: run(*row), rows)
    return values


def spans_of(
    run: pool.Program, size: int, scalars: Sequence[Number], row: HostArray, keys: Words
) -> list[Span]:
    """The spans of one flat array, which one program makes."""
    starts = range(0, row.size, max(SPAN, size))
    return [Span(run, size, scalars, row, keys, first) for first in starts]


def write(spans: Sequence[Span]) -> "list[Future[None]]":
    """Fill all spans with all cores: what to wait for, for each of them.

    Small ones share a task, for handing one over takes as long as filling one.
    Nothing is left to wait for if there was too little to hand over.
    """
    config: Any = jax.config
    x64 = config.jax_enable_x64  # This thread's setting, which the workers do not see.
    if sum(span.elements for span in spans) <= SMALL:
        fill_all(spans, x64)
        return []
    futures: list[Future[None]] = []
    start = total = 0
    for stop, span in enumerate(spans, 1):
        total += span.elements
        if total >= SPAN or stop == len(spans):
            task = pool.workers().submit(fill_all, spans[start:stop], x64)
            futures += [task] * (stop - start)
            start, total = stop, 0
    return futures


def fill_all(spans: Sequence[Span], x64: bool) -> None:
    """Write the elements of some spans, in a thread whose settings are not the caller's."""
    small: dict[int, tuple[pool.Program, list[Part]]] = {}
    with jax.enable_x64(x64):
        for span in spans:
            if span.size == SMALL_BLOCK:
                small.setdefault(id(span.run), (span.run, []))[1].extend(parts_of(span))
            else:
                fill(span)
        for run, parts in small.values():
            for first in range(0, len(parts), ROWS):
                fill_rows(run, parts[first : first + ROWS])


def fill(span: Span) -> None:
    """Write the elements of a span, block by block."""
    for part in parts_of(span):
        values = np.asarray(span.run(part.words, *part.scalars))
        part.target[:] = values[: part.target.size]


class Part(NamedTuple):
    """What a block is made from, and the elements of it that are wanted."""

    words: Words
    scalars: Sequence[Number]
    target: HostArray


def parts_of(span: Span) -> Iterator[Part]:
    """The blocks of a span."""
    _, size, scalars, row, keys, first = span
    last = min(first + max(SPAN, size), row.size)
    for start in range(first, last, size):
        words = np.empty(2 + keys.size, np.uint32)
        words[0], words[1] = start & 0xFFFFFFFF, start >> 32
        words[2:] = keys
        yield Part(words, scalars, row[start : min(start + size, last)])


def fill_rows(run: pool.Program, parts: Sequence[Part]) -> None:
    """Write blocks of many arrays by one call, which takes no fewer than it is made for."""
    padded = [*parts, *(parts[0] for _ in range(ROWS - len(parts)))]
    words = np.stack([part.words for part in padded])
    columns = zip(*(part.scalars for part in padded), strict=True)
    values = np.asarray(run(words, *map(np.stack, columns)))
    for part, made in zip(parts, values, strict=False):
        part.target[:] = made[: part.target.size]


def aligned(size: int, dtype: DType) -> HostArray:
    """Memory that JAX takes over without a copy."""
    raw = np.empty(size * dtype.itemsize + ALIGNMENT, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT
    return raw[offset : offset + size * dtype.itemsize].view(dtype)

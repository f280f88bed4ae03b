"""Elementwise laws in the host's memory: one program a law makes blocks of arrays of all shapes."""

import functools
from collections.abc import Hashable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

import jax
import numpy as np

from cthulhu import compat
from cthulhu.laws import Elementwise
from cthulhu.programs import _pool as pool
from cthulhu.programs._build import compute_dtype, rounded

BLOCK = 2**17  # Elements: fits a core's cache, and outweighs the call of a program.
SMALL_BLOCK = 2**12
SMALL = BLOCK // 4  # Elements of an array that wastes most of a block.
SPAN = 2**20  # Elements that one thread makes at a time.
WORTHWHILE = 2**24  # Unneeded elements that cost more than to compile another program.
ALIGNMENT = 64  # Bytes: JAX takes over memory that is aligned so, and copies other.


class Span(NamedTuple):
    """Consecutive elements of a flat array that one thread makes, from `first` on."""

    run: pool.Program
    size: int
    scalars: Sequence[Any]
    row: np.ndarray[Any, Any]
    keys: np.ndarray[Any, Any]
    first: int

    @property
    def elements(self) -> int:
        """How many elements are computed: whole blocks."""
        return -(-min(max(SPAN, self.size), self.row.size - self.first) // self.size) * self.size


def program(
    law: Elementwise, dtype: np.dtype[Any], size: int, scalars: Sequence[Any], context: Hashable
) -> "Future[pool.Program]":
    """The program that makes blocks of this law."""
    words = jax.ShapeDtypeStruct((2 + 2 * law.keys,), np.uint32)
    specs = [jax.ShapeDtypeStruct((), scalar.dtype) for scalar in scalars]

    def build() -> Any:
        run = functools.partial(block, law, dtype, size)
        return jax.jit(run, compiler_options=compat.options_of_platform())

    key = ("block", law, dtype, size, context)
    return pool.compiled(key, build, [words, *specs], ahead=True)


def block(
    law: Elementwise, dtype: np.dtype[Any], size: int, words: Any, *scalars: Any
) -> jax.Array:
    """A block of a flat array: `words` are its place, low and high, and the keys.

    The first element lies at a multiple of `size`, a power of two.
    """
    start = (words[1], words[0])
    return rounded(law.block(words[2:], (size,), compute_dtype(dtype), start, *scalars), dtype)


def spans_of(
    run: pool.Program, size: int, scalars: Sequence[Any], row: Any, keys: Any
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
    wide = config.jax_enable_x64  # This thread's setting, which the workers do not see.
    if sum(span.elements for span in spans) <= SMALL:
        fill_all(spans, wide)
        return []
    futures: list[Future[None]] = []
    start = total = 0
    for stop, span in enumerate(spans, 1):
        total += span.elements
        if total >= SPAN or stop == len(spans):
            task = pool.workers().submit(fill_all, spans[start:stop], wide)
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
    words = np.empty(2 + keys.size, np.uint32)
    words[2:] = keys
    for start in range(first, last, size):
        stop = min(start + size, last)
        place = words.copy()
        place[0], place[1] = start & 0xFFFFFFFF, start >> 32
        row[start:stop] = np.asarray(run(place, *scalars))[: stop - start]


def aligned(size: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Memory that JAX takes over without a copy."""
    raw = np.empty(size * dtype.itemsize + ALIGNMENT, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT
    return raw[offset : offset + size * dtype.itemsize].view(dtype)

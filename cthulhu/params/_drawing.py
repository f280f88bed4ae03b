"""Draws in blocks: one program for leaves of all shapes, in the host's memory."""

import dataclasses
import functools
from collections.abc import Hashable, Sequence
from concurrent.futures import Future
from typing import Any

import jax
import numpy as np

from cthulhu.params import _compiled as compiled
from cthulhu.params import _flat as flat
from cthulhu.random._programs import options_of_platform

__all__ = ["Job", "block_sizes", "draw", "program"]

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
    config: Any = jax.config
    wide = config.jax_enable_x64  # This thread's setting, which the workers do not see.
    programs = [job.program.result() for job in jobs]
    running = [
        compiled.workers().submit(
            fill, program, job.block, job.draw.scalars, wide, array, job.keys, first
        )
        for job, program, array in zip(jobs, programs, arrays, strict=True)
        for first in range(0, array.size, max(SPAN, job.block))
    ]
    for future in running:
        future.result()
    return [array.reshape(job.draw.shape) for job, array in zip(jobs, arrays, strict=True)]


def aligned(size: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Memory that JAX takes over without a copy."""
    raw = np.empty(size * dtype.itemsize + ALIGNMENT, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT
    return raw[offset : offset + size * dtype.itemsize].view(dtype)


def fill(
    run: compiled.Program, size: int, scalars: Any, wide: bool, row: Any, keys: Any, first: int
) -> None:
    """Write the elements of a row from `first` on, as many as one thread makes at a time."""
    last = min(first + max(SPAN, size), row.size)
    for start in range(first, last, size):
        stop = min(start + size, last)
        words = np.array([start & 0xFFFFFFFF, start >> 32, *np.ravel(keys)], np.uint32)
        with jax.enable_x64(wide):
            row[start:stop] = np.asarray(run(words, *scalars))[: stop - start]

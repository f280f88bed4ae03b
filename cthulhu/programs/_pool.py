"""Programs that are compiled in threads, each once in a process.

XLA compiles in threads, for it holds no lock while it does.
"""

import collections
import concurrent.futures
import functools
import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeVar

import jax

from cthulhu._types import Jitted
from cthulhu.caches import Recent

LIMIT = 2048  # Programs kept; the least recently used goes first.

Value = TypeVar("Value")
Program = Callable[..., Any]
_programs: Recent[concurrent.futures.Future[Program]] = Recent(LIMIT)


@functools.cache
def threads() -> int:
    """How many threads compile, draw and read."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(count or 1, 16))


@functools.cache
def workers() -> concurrent.futures.ThreadPoolExecutor:
    """The threads that compile, draw and read."""
    return concurrent.futures.ThreadPoolExecutor(threads(), "cthulhu")


def results(jobs: Sequence[Callable[[], Value]]) -> Iterator[Value]:
    """What jobs return, in order, as threads get to it: also the one that asks, while it waits."""
    promises = [concurrent.futures.Future[Value]() for _ in jobs]
    left = collections.deque(zip(jobs, promises, strict=True))

    def one() -> bool:
        try:
            job, promise = left.popleft()
        except IndexError:
            return False
        try:
            promise.set_result(job())
        except BaseException as error:
            promise.set_exception(error)
        return True

    def work() -> None:
        while one():
            pass

    def each() -> Iterator[Value]:
        try:
            for promise in promises:
                while not promise.done() and one():
                    pass
                yield promise.result()
        finally:
            left.clear()

    for _ in range(min(threads(), len(jobs)) - 1):
        workers().submit(work)
    return each()


def context() -> Hashable:
    """The settings of JAX that a program depends on beside its equations."""
    config: Any = jax.config
    return (
        jax.default_backend(),
        config.jax_default_device,
        config.jax_enable_x64,
        config.jax_threefry_partitionable,
        jax.sharding.get_mesh(),
    )


def program_future(
    key: Hashable,
    build: Callable[[], Jitted],
    arguments: Sequence[jax.ShapeDtypeStruct],
    *,
    ahead: bool,
) -> concurrent.futures.Future[Program]:
    """The program of this key, perhaps still being compiled; `build` makes its function.

    Args:
        key: what the program depends on.
        build: returns the jitted function.
        arguments: the shapes and types it will be called with.
        ahead: compile now, in a thread; else when it is first called.
    """
    promise: concurrent.futures.Future[Program] = concurrent.futures.Future()
    known = _programs.get(key, lambda: promise)
    if known is not promise:
        return known
    try:
        function = build()
        if not ahead:
            promise.set_result(function)
            return promise
        # Lowering holds Python's lock and sees this thread's settings of JAX.
        lowered = function.lower(*arguments)
    except BaseException as error:
        forget(key, promise, error)
        raise
    workers().submit(finish, key, promise, lowered)
    return promise


def finish(
    key: Hashable, promise: concurrent.futures.Future[Program], lowered: jax.stages.Lowered
) -> None:
    try:
        promise.set_result(lowered.compile())
    except BaseException as error:
        forget(key, promise, error)


def forget(
    key: Hashable, promise: concurrent.futures.Future[Program], error: BaseException
) -> None:
    """A program that failed is not kept."""
    _programs.forget(key, promise)
    promise.set_exception(error)


class Unique:
    """Equal to itself alone; keeps what it stands for alive."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Unique) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)

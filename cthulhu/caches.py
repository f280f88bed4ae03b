"""Every cache of the library: each is bounded, and all are emptied at once.

A constant that is computed when it is first needed is no cache: such a function
without arguments has `functools.cache`, which stays as it is.
"""

import collections
import functools
import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")
Function = TypeVar("Function", bound=Callable[..., Any])

_emptied: list[Callable[[], None]] = []


def bounded(size: int, *, typed: bool = False) -> Callable[[Function], Function]:
    """`functools.lru_cache` for at most `size` results, which `clear` forgets.

    Example:
        >>> double = bounded(16)(lambda number: 2 * number)
        >>> double(4), double.cache_info().maxsize
        (8, 16)
    """

    def decorate(function: Function) -> Function:
        remembering: Any = functools.lru_cache(maxsize=size, typed=typed)(function)
        _emptied.append(remembering.cache_clear)
        return remembering  # type: ignore[no-any-return]

    return decorate


class Recent(Generic[Value]):
    """The values of the keys that were asked for last; the least recently used is forgotten.

    It may be used by several threads, and dies with whoever holds it.

    Args:
        size: how many values are kept.

    Example:
        >>> squares = Recent(2)
        >>> [squares.get(number, lambda: number**2) for number in (1, 2, 3)]
        [1, 4, 9]
        >>> 1 in squares, 3 in squares
        (False, True)
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.lock = threading.RLock()
        self.values: collections.OrderedDict[Hashable, Value] = collections.OrderedDict()
        _recent.add(self)

    def __contains__(self, key: Hashable) -> bool:
        return key in self.values

    def __len__(self) -> int:
        return len(self.values)

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, which is made if it is not there."""
        with self.lock:
            if key not in self.values:
                self.values[key] = make()
                while len(self.values) > self.size:
                    self.values.popitem(last=False)
            self.values.move_to_end(key)
            return self.values[key]

    def peek(self, key: Hashable) -> Value | None:
        """The value of a key, if it is there; it is no younger for that."""
        return self.values.get(key)

    def forget(self, key: Hashable, value: Value) -> None:
        """Drop a value, unless the key has another by now."""
        with self.lock:
            if self.values.get(key) is value:
                del self.values[key]

    def clear(self) -> None:
        """Forget all values."""
        with self.lock:
            self.values.clear()


_recent: "weakref.WeakSet[Recent[Any]]" = weakref.WeakSet()


def clear_caches() -> None:
    """Forget every plan, trace and compiled program that this library remembers.

    Nothing that was made changes, and no later value is another: what is needed
    again is planned, traced and compiled again. All caches are bounded without it:
    they keep the most recent 2048 programs of whole models, 4096 draws and their
    programs, 64 traces of each function from `fast_init`, and 16 programs of
    `cthulhu.diagnostics.signal`. `jax.clear_caches` empties those of JAX.

    Example:
        >>> import cthulhu, jax
        >>> init = cthulhu.initializers.HeNormal()
        >>> before = init(jax.random.key(0), (4, 4))
        >>> cthulhu.clear_caches()
        >>> bool((init(jax.random.key(0), (4, 4)) == before).all())
        True
    """
    for empty in _emptied:
        empty()
    for recent in list(_recent):
        recent.clear()

"""The ambient key, and the default generator.

An initializer that is called without a key and has no seed needs a key from
somewhere: from the innermost `scope`, or, outside any, from the default
generator, whose state `set_seed` sets.
"""

import contextlib
import contextvars
import dataclasses
import secrets
import threading
from collections.abc import Iterator

import jax
import numpy as np

from cthulhu import checks, compat
from cthulhu.random import _keys as keys


@dataclasses.dataclass
class _Source:
    """A key and the number of keys already drawn from it."""

    key: jax.Array
    entered_under_trace: bool
    drawn: int = 0


_ambient: contextvars.ContextVar[_Source | None] = contextvars.ContextVar(
    "cthulhu_scope", default=None
)


class _Generator:
    """The process-wide source of keys; safe to use from several threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seed = secrets.randbits(32)
        self.drawn = 0

    def restart(self, seed: int) -> None:
        with self.lock:
            self.seed, self.drawn = seed, 0

    def next_key(self) -> jax.Array:
        with self.lock:
            seed, number = self.seed, self.drawn
            self.drawn += 1
        return jax.random.fold_in(keys.from_seed(seed), np.uint32(number))


_default = _Generator()


@contextlib.contextmanager
def scope(key: jax.Array) -> Iterator[None]:
    """Make `key` the source of every key drawn in the block of a `with` statement.

    The n-th draw inside is made with ``jax.random.fold_in(key, n)``, so what
    runs inside is a pure function of `key` and can be jitted and vmapped.
    Scopes nest; the innermost counts. A scope belongs to its thread and context.

    Args:
        key: one key, typed or raw, which may be traced.

    Raises:
        TypeError, ValueError: `key` is no key, or a batch of keys.

    Example:
        >>> import jax, numpy as np
        >>> from cthulhu import initializers
        >>> def two(key):
        ...     with scope(key):
        ...         init = initializers.HeNormal()
        ...         return init((2, 3)), init((2, 3))
        >>> first, second = two(jax.random.key(0))
        >>> again, _ = jax.jit(two)(jax.random.key(0))
        >>> bool(np.array_equal(first, again)), bool(np.array_equal(first, second))
        (True, False)
    """
    checks.single_key("scope", key)
    token = _ambient.set(_Source(key, compat.under_trace()))
    try:
        yield
    finally:
        _ambient.reset(token)


def in_scope() -> bool:
    """Whether `next_key` takes its keys from a scope here."""
    source = _ambient.get()
    return source is not None and (source.entered_under_trace or not compat.under_trace())


def keys_drawn() -> int:
    """How many keys the innermost scope has given so far."""
    source = _ambient.get()
    return 0 if source is None else source.drawn


def next_key(owner: str = "next_key") -> jax.Array:
    """A fresh key: from the innermost scope, else from the default generator.

    Args:
        owner: who asks, for the message of an error.

    Returns:
        A key that was not returned before.

    Raises:
        RuntimeError: a JAX function is being traced and no scope was entered in
            it. The key would become a constant of the compiled program, the same
            at every call.

    Example:
        >>> import jax
        >>> with scope(jax.random.key(0)):
        ...     first, second = next_key(), next_key()
        >>> bool(first == second)
        False
    """
    source = _ambient.get()
    traced = compat.under_trace()
    if source is not None and (source.entered_under_trace or not traced):
        key = jax.random.fold_in(source.key, np.uint32(source.drawn))
        source.drawn += 1
        return key
    if traced:
        outside = " (the scope in use was entered outside of it)" if source is not None else ""
        raise RuntimeError(
            f"{owner}: called without a key and without a seed while JAX traces a function"
            f"{outside}; the values would be a constant of the compiled program. Pass a key, "
            "init(key, shape, dtype), or enter `with cthulhu.random.scope(key):` inside "
            "the function"
        )
    return _default.next_key()


def set_seed(seed: int) -> None:
    """Restart the default generator, from which unseeded draws get their keys.

    Args:
        seed: an integer from 0 to 2**32 - 1. Until the first call, the generator
            starts from the operating system's entropy.

    Raises:
        TypeError, ValueError: `seed` is no integer in this range.

    Example:
        >>> import numpy as np
        >>> from cthulhu import initializers
        >>> init = initializers.RandomNormal()
        >>> set_seed(0); first = init((3,))
        >>> set_seed(0); again = init((3,)); other = init((3,))
        >>> bool(np.array_equal(first, again)), bool(np.array_equal(first, other))
        (True, False)
    """
    number = checks.seed("set_seed", seed)
    if number is None:
        raise TypeError("set_seed: seed must be an integer; got None")
    _default.restart(number)

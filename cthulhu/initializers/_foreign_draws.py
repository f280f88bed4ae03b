"""Callables `(shape, dtype)` that draw, and not from the key they are called with.

Layers with such a callable would share their weights. A callable that takes no
key from its scope is looked at once, more closely. It may be a function of the
shape, as the identity is: then nothing is wrong. These are the signs of a draw:

- its program has JAX's random operations;
- it moves the global random state of Python or NumPy;
- two calls give two results;
- its own code makes or seeds a generator of NumPy.

What draws in a library's compiled code, from a constant seed, shows none.
"""

import contextlib
import functools
import inspect
import random
import weakref
from collections.abc import Callable, Iterator
from types import CodeType

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from cthulhu import checks, compat

SMALL = 2**20  # Elements of an array that is worth to be made twice.

RANDOM_OPERATIONS = ("random_", "rng_", "threefry")

_innocent: weakref.WeakSet[object] = weakref.WeakSet()


def refuse_foreign_draws(
    owner: str, source: object, run: Callable[[], ArrayLike], array: jax.Array
) -> None:
    """Refuse a callable that ignored its key and still draws.

    `run` makes `array` again; `source` is the user's object whose code it runs.
    """
    if array.size < 2 or is_innocent(source):
        return
    small = array.size <= SMALL
    told = small and not checks.is_traced(array)
    # The program being traced outside must not hold what is tried here.
    with jax.core.eval_context():
        sign = None if told and is_constant(array) else sign_of_a_draw(source, run, small)
    if sign is not None:
        raise ValueError(
            f"{owner}: called with a key, it drew its values from elsewhere: {sign}. Two layers "
            "would share their weights. Draw from cthulhu.backend, as "
            "K.random_normal(shape, dtype=dtype) does, use the key that "
            "cthulhu.random.next_key() gives, or write a function (key, shape, dtype)"
        )
    remember(source)


def sign_of_a_draw(source: object, run: Callable[[], ArrayLike], small: bool) -> str | None:
    """What shows that a callable draws, in the words of the message."""
    before = global_states()
    try:
        program = jax.make_jaxpr(lambda: jnp.asarray(run()))()
    except Exception:  # What cannot be traced may run all the same.
        program = None
    if program is not None and any(map(is_random, operations(program.jaxpr))):
        return "JAX's random functions, with a key or a seed of its own"
    if small and not same_bytes(run(), run()):
        return "two calls with one key differ"
    if global_states() != before:
        return "the global random state of Python or NumPy"
    names = frozenset().union(*(code.co_names for code in (*codes(source), *codes(run))))
    if names & {"default_rng", "RandomState"} or names >= {"random", "seed"}:
        return "a generator of NumPy or Python, with a seed of its own"
    return None


def is_constant(array: jax.Array) -> bool:
    values = np.asarray(array)
    return bool(np.all(values == values.flat[0]))


def same_bytes(first: ArrayLike, second: ArrayLike) -> bool:
    return np.asarray(first).tobytes() == np.asarray(second).tobytes()


def is_random(name: str) -> bool:
    return name.startswith(RANDOM_OPERATIONS)


def operations(jaxpr: "compat.Jaxpr") -> Iterator[str]:
    """The names of a program's operations, those of inner programs too."""
    for equation in jaxpr.eqns:
        yield equation.primitive.name
        for value in equation.params.values():
            for item in value if isinstance(value, tuple | list) else (value,):
                inner = item.jaxpr if hasattr(item, "jaxpr") else item
                if hasattr(inner, "eqns"):
                    yield from operations(inner)


def global_states() -> tuple[object, ...]:
    _, words, *rest = np.random.get_state(legacy=True)  # noqa: NPY002 - it is only watched
    return (random.getstate(), np.asarray(words).tobytes(), *rest)


def codes(source: object) -> Iterator[CodeType]:
    """The Python code of a callable, with the functions written inside it."""
    while isinstance(source, functools.partial):
        source = source.func
    if not inspect.isroutine(source):
        source = type(source).__call__
    waiting = [getattr(inspect.unwrap(source), "__code__", None)]
    while waiting:
        code = waiting.pop()
        if isinstance(code, CodeType):
            yield code
            waiting += code.co_consts


def is_innocent(source: object) -> bool:
    try:
        return lasting(source) in _innocent
    except TypeError:
        return False


def remember(source: object) -> None:
    # What cannot be hashed or referred to weakly is looked at again.
    with contextlib.suppress(TypeError):
        _innocent.add(lasting(source))


def lasting(source: object) -> object:
    """The object of a bound method, which itself is a new one at every use."""
    return source.__self__ if inspect.ismethod(source) else source

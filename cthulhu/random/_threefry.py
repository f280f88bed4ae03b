"""threefry2x32, the hash behind JAX's keys: one text, for programs and for the host.

Source: Salmon, Moraes, Dror and Shaw (2011), "Parallel random numbers: as easy
as 1, 2, 3", https://doi.org/10.1145/2063384.2063405.
"""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar, overload

import jax
import numpy as np
from jax import lax

from cthulhu._types import Words

U32 = np.uint32
MASK = 0xFFFFFFFF
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
PARITY = 0x1BD11BDA

Word = TypeVar("Word")

Counter: TypeAlias = tuple[jax.Array | np.uint32, jax.Array | np.uint32]
"""The high and the low 32 bits of a 64-bit count: scalars or arrays of uint32."""

Pair: TypeAlias = tuple[jax.Array | np.uint32 | Words, jax.Array | np.uint32 | Words]


Lanes: TypeAlias = tuple[Words | np.uint32, Words | np.uint32]


class Arithmetic(NamedTuple, Generic[Word]):
    """How words of 32 bits are computed with."""

    word: Callable[[int], Word]
    add: Callable[[Word, Word], Word]
    xor: Callable[[Word, Word], Word]
    rotate: Callable[[Word, int], Word]  # To the left.


# `lax` functions and not operators: tracing the latter takes three times as long. The
# rotation is written in the form that compilers recognize.
PROGRAM: Arithmetic[jax.Array | np.uint32] = Arithmetic(
    U32,
    lax.add,
    lax.bitwise_xor,
    lambda word, by: lax.bitwise_or(
        lax.shift_left(word, U32(by)), lax.shift_right_logical(word, U32(32 - by))
    ),
)

# Arrays of NumPy, whose sums wrap around without a warning; those of its scalars warn.
ARRAYS: Arithmetic[Words | np.uint32] = Arithmetic(
    U32, np.add, np.bitwise_xor, lambda word, by: word << U32(by) | word >> U32(32 - by)
)

# Python's integers are the fastest for one key.
INTEGERS: Arithmetic[int] = Arithmetic(
    int,
    lambda left, right: (left + right) & MASK,
    lambda left, right: left ^ right,
    lambda word, by: (word << by) & MASK | word >> (32 - by),
)


@overload
def threefry2x32(key: Pair, count: Pair) -> tuple[jax.Array, jax.Array]: ...
@overload
def threefry2x32(
    key: tuple[Word, Word], count: tuple[Word, Word], over: Arithmetic[Word]
) -> tuple[Word, Word]: ...
def threefry2x32(
    key: tuple[Any, Any], count: tuple[Any, Any], over: Arithmetic[Any] = PROGRAM
) -> tuple[Any, Any]:
    """Hash `count` with `key`: 20 rounds, the key injected after every four."""
    word, add, xor, rotate = over
    schedule = (key[0], key[1], xor(xor(key[0], key[1]), word(PARITY)))
    left, right = add(count[0], schedule[0]), add(count[1], schedule[1])
    for injection in range(1, 6):
        for rotation in ROTATIONS[(injection - 1) % 2]:
            left = add(left, right)
            right = xor(left, rotate(right, rotation))
        left = add(left, schedule[injection % 3])
        # The scalars first, so that the loop has one addition and not two.
        right = add(right, add(schedule[(injection + 1) % 3], word(injection)))
    return left, right


def hash_words(key: Words, high: Words, low: Words) -> Words:
    """The hash of counts on the host, along a last axis of two words.

    Args:
        key: words of keys, uint32, with a last axis of two; without it, they
            broadcast against the counts.
        high: the high words of the counts, uint32.
        low: the low words.

    Returns:
        An array of uint32.

    Example:
        >>> import jax
        >>> key = jax.random.key_data(jax.random.key(0))
        >>> zero, layer = np.zeros(1, np.uint32), np.array([3], np.uint32)
        >>> folded = jax.random.key_data(jax.random.fold_in(jax.random.key(0), 3))
        >>> bool((hash_words(np.asarray(key), zero, layer)[0] == folded).all())
        True
    """
    shape = np.broadcast_shapes(key.shape[:-1], low.shape)
    if key.size == 2 and low.size == 1:
        first, second = map(int, key.flat)
        words = threefry2x32((first, second), (int(high.flat[0]), int(low.flat[0])), INTEGERS)
        return np.array(words, U32).reshape(*shape, 2)
    # A scalar of NumPy would warn that its sum wraps around.
    lead: Lanes = np.atleast_1d(key[..., 0]), np.atleast_1d(key[..., 1])
    count: Lanes = np.atleast_1d(high), np.atleast_1d(low)
    arrays = threefry2x32(lead, count, ARRAYS)
    return np.stack([np.broadcast_to(array, shape) for array in arrays], -1)

"""Random bits: JAX's threefry stream, as one fused elementwise loop.

With `jax_threefry_partitionable` (JAX's default), element `i` of
`jax.random.bits(key, shape)`, counted in row-major order with 64 bits, is
`threefry2x32(key, (high(i), low(i)))`. On CPU, JAX lowers that hash to a rolled
loop that writes full-size temporaries at every step. Written as plain
elementwise operations it fuses with whatever consumes the bits, needs no
temporary, and gives the same bits.
"""

import functools
import math
from collections.abc import Hashable, Sequence
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from cthulhu import checks, compat
from cthulhu._types import Key
from cthulhu.random._threefry import U32, Counter, threefry2x32

UNSIGNED = {8: np.uint8, 16: np.uint16, 32: np.uint32, 64: np.uint64}


Count: TypeAlias = tuple[jax.Array, jax.Array]
"""A `Counter` whose two words are arrays."""


def multiply(count: jax.Array, factor: int) -> Count:
    """The 64-bit product of uint32 values and a constant below 2**64."""
    high, low = U32(factor >> 32), U32(factor & 0xFFFFFFFF)
    if not high and not low >> U32(16):
        carried = (count & U32(0xFFFF)) * low
        upper = (count >> U32(16)) * low + (carried >> U32(16))
        return upper >> U32(16), count * low
    a_low, a_high = count & U32(0xFFFF), count >> U32(16)
    b_low, b_high = low & U32(0xFFFF), low >> U32(16)
    cross = a_high * b_low + ((a_low * b_low) >> U32(16))
    middle = a_low * b_high + (cross & U32(0xFFFF))
    upper = a_high * b_high + (cross >> U32(16)) + (middle >> U32(16))
    return upper + count * high, count * low


def add(first: Count, second: Counter) -> Count:
    """The 64-bit sum of two counts."""
    low = first[1] + second[1]
    return first[0] + second[0] + (low < second[1]).astype(U32), low


def counters(shape: Sequence[int], start: Counter | None = None) -> Counter:
    """The row-major index of every element of an array, plus `start`, in 64 bits.

    Each dimension has an iota of its own, as in JAX: a flattened one would leave
    the whole array's shape in every device's part of a partitioned program.
    """
    narrow = start is None and math.prod(shape) <= 2**32
    low = lax.full(shape, 0, U32)
    total: Count = (low, low)
    stride = 1
    for dimension in reversed(range(len(shape))):
        # A dimension of 2**32 or more has its iota in 64 bits or not at all.
        if shape[dimension] > 2**32:
            raise ValueError(
                "random_bits: each dimension must have at most 2**32 elements; "
                f"got {shape[dimension]} in {tuple(shape)!r}"
            )
        index = lax.broadcasted_iota(U32, shape, dimension)
        if narrow:
            low = lax.add(low, lax.mul(index, U32(stride & 0xFFFFFFFF)))
        else:
            total = add(total, multiply(index, stride))
        stride *= shape[dimension]
    if narrow:
        return U32(0), low
    return total if start is None else add(total, start)


def from_memory(words: jax.Array) -> jax.Array:
    """The same words, which the loop that hashes them reads from memory.

    Where the compiler knows a key, as that of a seed inside `jax.jit`, LLVM computes the
    elements outside the vector loop itself, and rounds after every multiplication where
    the processor's fused multiply-add does not: their last bit would differ from the
    draw's own program. A sum over the diagonal that XLA does not fold, and gives a kernel
    of its own, hides the words (an `optimization_barrier` does not: it is gone before XLA
    fuses loops). It costs a kernel of some instructions, and no bit changes.
    """

    def diagonal_sum(words: jax.Array) -> jax.Array:
        square = (words.size, words.size)
        row, column = (lax.broadcasted_iota(U32, square, axis) for axis in (0, 1))
        repeated = lax.broadcast_in_dim(words, square, (1,))
        diagonal = lax.select(lax.eq(row, column), repeated, lax.full(square, 0, U32))
        total: jax.Array = lax.reduce(diagonal, U32(0), lax.bitwise_or, (1,))
        return total

    hidden: jax.Array = lax.platform_dependent(words, cpu=diagonal_sum, default=lambda words: words)
    return hidden


def stream(
    key: Key, bit_width: int, shape: Sequence[int], start: Counter | None = None
) -> jax.Array:
    """The bits that belong to the raw data of one threefry key."""
    words = from_memory(key)
    left, right = threefry2x32((words[0], words[1]), counters(shape, start))
    if bit_width == 64:
        return (left.astype(np.uint64) << np.uint64(32)) | right.astype(np.uint64)
    return lax.convert_element_type(lax.bitwise_xor(left, right), UNSIGNED[bit_width])


def _impl_bits(key: Key, bit_width: int, shape: Sequence[int]) -> jax.Array:
    return stream(key, bit_width, shape)


@functools.cache
def implementation() -> Hashable:
    """JAX's threefry keys with the fused bits, as a key implementation of its own."""
    prng = compat.prng()
    made: Hashable = prng.define_prng_impl(
        key_shape=(2,),
        seed=prng.threefry_prng_impl.seed,
        split=prng.threefry_prng_impl.split,
        random_bits=_impl_bits,
        fold_in=prng.threefry_prng_impl.fold_in,
        name="cthulhu_threefry2x32",
        tag="cfry",
    )
    return made


def fused(key: jax.Array) -> jax.Array:
    """The same key, on whose bits every sampler of `jax.random` runs fused.

    The values are those of `key`, bit for bit; on CPU they come several times
    faster and with no full-size temporaries. Keys split from it, or folded, are
    fused too.

    Args:
        key: a threefry key, typed or raw. Keys of other implementations, and
            every key while `jax_threefry_partitionable` is off, are returned as
            they are: their stream is another one.

    Returns:
        A typed key.

    Raises:
        TypeError: `key` is not a key.

    Example:
        >>> import jax, numpy as np
        >>> key = jax.random.key(0)
        >>> draw = lambda key: jax.random.gumbel(key, (5, 5))
        >>> bool(np.array_equal(draw(fused(key)), draw(key)))
        True
    """
    if not checks.is_key(key):
        checks.single_key("fused", key)
    typed = key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(key)
    partitionable: bool = jax.config.jax_threefry_partitionable  # type: ignore[attr-defined]
    if jax.random.key_impl(typed) == "threefry2x32" and partitionable:
        typed = jax.random.wrap_key_data(jax.random.key_data(typed), impl=implementation())
    return typed


def is_fused(key: jax.Array) -> bool:
    """Whether `key` runs on the fused stream."""
    return bool(jax.random.key_impl(key) == implementation())


def is_threefry(key: jax.Array) -> bool:
    """Whether a key has the two words of threefry's."""
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    return bool((jax.random.key_data(key) if typed else key).shape[-1] == 2)


def random_bits(
    key: jax.Array, shape: Sequence[int], bit_width: int = 32, start: Counter | None = None
) -> jax.Array:
    """Uniform random bits: those of `jax.random.bits`, element for element.

    Args:
        key: one key, typed or raw, of any implementation.
        shape: the shape of the result.
        bit_width: 8, 16, 32 or 64 (the last needs `jax_enable_x64`).
        start: the 64-bit row-major index of the first element in the array that
            this one is a block of, as a pair of `uint32` (high, low); `None` is
            the array's beginning. Only threefry keys have random access.

    Returns:
        An array of unsigned integers.

    Raises:
        TypeError, ValueError: `key` is no key, or a batch of keys.
        NotImplementedError: `start` with a key without random access.

    Example:
        >>> import jax, numpy as np
        >>> key = jax.random.key(0)
        >>> bool(np.array_equal(random_bits(key, (2, 3)), jax.random.bits(key, (2, 3))))
        True
    """
    checks.single_key("random_bits", key)
    key = fused(key)
    if is_fused(key):
        return stream(jax.random.key_data(key), bit_width, tuple(shape), start)
    if start is not None:
        raise NotImplementedError(
            "random_bits: a block of an array can be drawn only with a threefry key and "
            "jax_threefry_partitionable; got a key of implementation "
            f"{jax.random.key_impl(key)!r}"
        )
    return jax.random.bits(key, tuple(shape), UNSIGNED[bit_width])

"""The fused stream is JAX's threefry stream, and its 64-bit counters count."""

import contextlib
import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cthulhu import functional
from cthulhu.random import fused, random_bits
from cthulhu.random._bits import add, counters, is_fused, multiply
from tests.cases import KEY, same_bits

UNSIGNED = {8: jnp.uint8, 16: jnp.uint16, 32: jnp.uint32, 64: jnp.uint64}
SHAPES = [(), (1,), (7,), (31, 17), (3, 5, 7), (2, 1, 3, 5), (0, 4)]

words = st.integers(0, 2**32 - 1)
# Counts near the places where something carries.
wide = st.one_of(
    st.integers(0, 2**64 - 1),
    st.builds(
        lambda power, offset: (2**power + offset) % 2**64,
        st.sampled_from([16, 31, 32, 33, 40, 48, 63]),
        st.integers(-5, 5),
    ),
)


def split(count: int) -> tuple[np.ndarray, np.ndarray]:
    """As the library holds it; one-element arrays wrap without a warning."""
    return np.array([count >> 32], np.uint32), np.array([count & 0xFFFFFFFF], np.uint32)


def joined(count: Any) -> list[int]:
    high, low = np.broadcast_arrays(*(np.asarray(word).astype(object) for word in count))
    return np.ravel(high * 2**32 + low).tolist()


@given(wide, wide)
def test_add_is_addition(first: int, second: int) -> None:
    assert joined(add(split(first), split(second))) == [(first + second) % 2**64]


@given(words, wide)
@example(2**32 - 1, 2**64 - 1)
@example(2**32 - 1, 2**32 - 1)
@example(2**32 - 1, 2**16 - 1)
@example(2**32 - 1, 2**16)
def test_multiply_is_multiplication(count: int, factor: int) -> None:
    product = multiply(np.array([count], np.uint32), factor)
    assert joined(product) == [(count * factor) % 2**64]


@functools.lru_cache
def compiled_counters(shape: tuple[int, ...]) -> Any:
    return jax.jit(lambda start: counters(shape, start))


@given(st.sampled_from([(), (5,), (3, 4), (2, 1, 3)]), wide)
@example((3, 4), 2**32 - 5)
@example((3, 4), 2**40 - 5)
@example((3, 4), 2**64 - 5)
def test_counters_are_row_major_indices(shape: tuple[int, ...], start: int) -> None:
    first = tuple(np.uint32(word.item()) for word in split(start))
    indices = range(math.prod(shape))
    assert joined(compiled_counters(shape)(first)) == [(start + i) % 2**64 for i in indices]
    assert joined(compiled_counters(shape)(None)) == list(indices)


def test_counters_of_more_than_32_bits_carry() -> None:
    # Of ten billion elements, XLA computes the four that are asked for alone.
    shape = (100_000, 100_000)

    @jax.jit
    def corners() -> list[Any]:
        high, low = counters(shape)
        places = [(0, 0), (42_949, 67_295), (42_949, 67_296), (99_999, 99_999)]
        return [(high[place], low[place]) for place in places]

    assert corners.lower().compile().memory_analysis().temp_size_in_bytes < 2**20
    found = [joined(pair)[0] for pair in corners()]
    assert found == [0, 2**32 - 1, 2**32, 10**10 - 1]


def test_a_dimension_of_more_than_32_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 2\\*\\*32 elements"):
        jax.eval_shape(lambda: counters((2**32 + 1,)))


@pytest.mark.parametrize("bit_width", [8, 16, 32, 64])
def test_bits_are_those_of_jax(bit_width: int) -> None:
    for shape in SHAPES if bit_width == 32 else [(7,), (31, 17)]:
        with jax.enable_x64(True) if bit_width == 64 else contextlib.nullcontext():
            ours = random_bits(KEY, shape, bit_width)
            theirs = jax.random.bits(KEY, shape, UNSIGNED[bit_width])
            same_bits(ours, theirs)
            same_bits(jax.random.bits(fused(KEY), shape, UNSIGNED[bit_width]), theirs)


def test_bits_are_those_of_jax_for_any_key() -> None:
    keys = [jax.random.key(seed) for seed in (0, 1, 2**31, 2**32 - 1)]
    keys += list(jax.random.split(KEY, 3))
    keys += [jax.random.fold_in(KEY, np.uint32(2**32 - 1))]
    draw = jax.jit(lambda key: jax.random.bits(key, (33,)))
    for key in keys:
        same_bits(random_bits(key, (33,)), draw(key))
        same_bits(random_bits(jax.random.key_data(key), (33,)), draw(key))


def test_keys_of_fused_keys_are_fused_and_the_same() -> None:
    key = fused(KEY)
    assert is_fused(key)
    assert not is_fused(KEY)
    for ours, theirs in (
        (jax.random.split(key, 3), jax.random.split(KEY, 3)),
        (jax.random.split(key, (2, 2)), jax.random.split(KEY, (2, 2))),
        (jax.random.fold_in(key, 7), jax.random.fold_in(KEY, 7)),
        (jax.random.clone(key), jax.random.clone(KEY)),
    ):
        assert is_fused(ours)
        same_bits(jax.random.key_data(ours), jax.random.key_data(theirs))
    same_bits(
        jax.random.bits(jax.random.fold_in(key, 7), (9,)),
        jax.random.bits(jax.random.fold_in(KEY, 7), (9,)),
    )
    assert is_fused(fused(key))


@pytest.mark.parametrize(
    "sampler",
    [jax.random.uniform, jax.random.exponential, jax.random.gumbel, jax.random.cauchy],
)
def test_samplers_of_jax_run_on_the_fused_stream(sampler: Any) -> None:
    draw = jax.jit(lambda key: sampler(key, (50,)))
    same_bits(draw(fused(KEY)), draw(KEY))


def test_integers_and_permutations_of_jax_run_on_the_fused_stream() -> None:
    for draw in (
        lambda key: jax.random.randint(key, (50,), 0, 1000),
        lambda key: jax.random.permutation(key, 50),
        lambda key: jax.random.bernoulli(key, 0.3, (50,)),
    ):
        same_bits(draw(fused(KEY)), draw(KEY))


def test_bits_are_the_same_under_transformations() -> None:
    keys = jax.random.split(KEY, 3)
    expected = np.stack([random_bits(key, (4, 5)) for key in keys])
    same_bits(jax.vmap(lambda key: random_bits(key, (4, 5)))(keys), expected)
    same_bits(jax.jit(jax.vmap(lambda key: random_bits(key, (4, 5))))(keys), expected)
    same_bits(jax.lax.map(lambda key: random_bits(key, (4, 5)), keys), expected)
    same_bits(jax.vmap(lambda key: jax.random.bits(fused(key), (4, 5)))(keys), expected)


def test_the_other_threefry_stream_is_honoured() -> None:
    partitionable = functional.random_uniform(KEY, (7, 5))
    with jax.threefry_partitionable(False):
        assert fused(KEY) is KEY
        same_bits(random_bits(KEY, (7, 5)), jax.random.bits(KEY, (7, 5)))
        theirs = jax.jit(lambda key: jax.random.uniform(key, (7, 5), minval=-0.05, maxval=0.05))
        values = functional.random_uniform(KEY, (7, 5))
        same_bits(values, theirs(KEY))
        normal = jax.jit(jax.nn.initializers.normal(0.05), static_argnums=1)(KEY, (7, 5))
        same_bits(functional.random_normal(KEY, (7, 5)), normal)
        with pytest.raises(NotImplementedError, match="jax_threefry_partitionable"):
            random_bits(KEY, (3,), start=(np.uint32(0), np.uint32(1)))
    assert not np.array_equal(values, partitionable)
    same_bits(functional.random_uniform(KEY, (7, 5)), partitionable)


@pytest.mark.parametrize("impl", ["rbg", "unsafe_rbg"])
def test_other_implementations_keep_their_stream(impl: str) -> None:
    key = jax.random.key(3, impl=impl)
    assert fused(key) is key
    for bit_width in (8, 16, 32):
        same_bits(
            random_bits(key, (9,), bit_width), jax.random.bits(key, (9,), UNSIGNED[bit_width])
        )
    with pytest.raises(NotImplementedError, match=impl):
        random_bits(key, (3,), start=(np.uint32(0), np.uint32(1)))

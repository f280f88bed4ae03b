"""The ambient key and the default generator."""

import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cthulhu import initializers, random
from cthulhu.random import next_key, scope, set_seed
from tests.refusals import Refused, each

KEY = jax.random.key(8)


def data(key: jax.Array) -> tuple[int, ...]:
    return tuple(np.asarray(jax.random.key_data(key)).ravel().tolist())


def nth(number: int, key: jax.Array = KEY) -> tuple[int, ...]:
    return data(jax.random.fold_in(key, number))


def test_the_nth_key_is_the_number_folded_in() -> None:
    with scope(KEY):
        assert [data(next_key()) for _ in range(3)] == [nth(0), nth(1), nth(2)]


def test_a_scope_starts_over() -> None:
    for _ in range(2):
        with scope(KEY):
            assert data(next_key()) == nth(0)


def test_scopes_nest_and_the_innermost_counts() -> None:
    inner = jax.random.key(1)
    with scope(KEY):
        assert data(next_key()) == nth(0)
        with scope(inner):
            assert data(next_key()) == nth(0, inner)
        assert data(next_key()) == nth(1)


def test_a_scope_ends_with_an_error() -> None:
    with scope(KEY):
        with pytest.raises(KeyError, match="stop"), scope(jax.random.key(1)):
            raise KeyError("stop")
        assert data(next_key()) == nth(0)
    set_seed(0)
    assert data(next_key()) == nth(0, jax.random.key(0))


def test_a_scope_takes_raw_keys() -> None:
    with scope(jax.random.PRNGKey(8)):
        raw = next_key()
    assert raw.dtype == np.uint32
    assert data(jax.random.wrap_key_data(raw)) == nth(0)


def two(key: jax.Array) -> tuple[jax.Array, jax.Array]:
    with scope(key):
        init = initializers.HeNormal()
        return init((2, 3)), init((2, 3))


def test_what_runs_in_a_scope_is_a_pure_function() -> None:
    keys = jax.random.split(KEY, 3)
    expected = np.stack([np.stack(two(key)) for key in keys], axis=1)
    assert not np.array_equal(expected[0], expected[1])
    jitted = np.stack([np.stack(jax.jit(two)(key)) for key in keys], axis=1)
    assert np.array_equal(jitted, expected)
    assert np.array_equal(np.stack(jax.vmap(two)(keys)), expected)
    assert np.array_equal(np.stack(jax.lax.map(two, keys)), expected)

    def step(carry: Any, key: jax.Array) -> tuple[Any, Any]:
        return carry, two(key)

    assert np.array_equal(np.stack(jax.lax.scan(step, 0, keys)[1]), expected)


def test_a_scope_inside_of_a_trace_may_hold_a_constant_key() -> None:
    def draw() -> jax.Array:
        with scope(KEY):
            return initializers.HeNormal()((2, 3))

    assert np.array_equal(jax.jit(draw)(), draw())


def test_a_scope_covers_the_traces_entered_inside_of_a_trace() -> None:
    def outer(key: jax.Array) -> jax.Array:
        with scope(key):
            return jax.vmap(lambda x: x + initializers.RandomNormal()((3,)))(jnp.zeros((2, 3)))

    assert jax.jit(outer)(KEY).shape == (2, 3)


def test_a_scope_belongs_to_its_thread() -> None:
    inside, checked = threading.Event(), threading.Event()
    seen: dict[str, Any] = {}

    def other() -> None:
        inside.wait(10)
        set_seed(5)
        seen["other"] = data(next_key())
        with scope(jax.random.key(1)):
            seen["other in scope"] = data(next_key())
        checked.set()

    thread = threading.Thread(target=other)
    thread.start()
    with scope(KEY):
        inside.set()
        assert checked.wait(10)
        seen["here"] = data(next_key())
    thread.join()
    assert seen == {
        "other": nth(0, jax.random.key(5)),
        "other in scope": nth(0, jax.random.key(1)),
        "here": nth(0),
    }


def test_a_scope_follows_a_copied_context() -> None:
    with scope(KEY):
        context = contextvars.copy_context()
    assert data(context.run(next_key)) == nth(0)


def test_set_seed_starts_the_default_generator_over() -> None:
    set_seed(11)
    first = [data(next_key()) for _ in range(3)]
    assert first == [nth(number, jax.random.key(11)) for number in range(3)]
    set_seed(11)
    assert [data(next_key()) for _ in range(3)] == first
    set_seed(12)
    assert data(next_key()) not in first


def test_the_default_generator_starts_from_entropy() -> None:
    from cthulhu.random._scope import _Generator

    assert len({_Generator().seed for _ in range(8)}) > 1


def test_no_key_is_given_to_two_threads() -> None:
    set_seed(0)
    count, threads = 250, 8
    barrier = threading.Barrier(threads)

    def draw(_: int) -> list[tuple[int, ...]]:
        barrier.wait(10)
        return [data(next_key()) for _ in range(count)]

    with ThreadPoolExecutor(threads) as pool:
        drawn = [key for keys in pool.map(draw, range(threads)) for key in keys]
    assert len(set(drawn)) == count * threads
    set_seed(0)
    assert set(drawn) == {data(next_key()) for _ in range(count * threads)}


def test_keys_are_the_same_under_x64() -> None:
    set_seed(3)
    with scope(KEY):
        expected = data(next_key())
    default = data(next_key())
    with jax.enable_x64(True):
        set_seed(3)
        with scope(KEY):
            assert data(next_key()) == expected
        assert data(next_key()) == default


def test_next_key_names_who_asks() -> None:
    with pytest.raises(RuntimeError, match=r"^mine: called without a key"):
        jax.jit(lambda: next_key("mine"))()


def test_the_module_is_reached_as_documented() -> None:
    assert random.scope is scope
    assert random.set_seed is set_seed


def drawn() -> jax.Array:
    return initializers.HeNormal()((2, 3))


def in_a_trace_inside() -> jax.Array:
    with scope(KEY):
        return jax.jit(drawn)()


REFUSED = (
    Refused(
        "a scope of an integer",
        lambda: scope(3).__enter__(),
        TypeError,
        r"^scope: key must be a PRNG key.*; got 3 of type int$",
    ),
    Refused(
        "set_seed of None",
        lambda: set_seed(None),  # type: ignore[arg-type]
        TypeError,
        r"^set_seed: seed must be an integer; got None",
    ),
    Refused(
        "a draw under vmap",
        lambda: jax.vmap(lambda x: x + drawn())(jnp.ones((2, 2, 3))),
        RuntimeError,
        r"^HeNormal: called without a key and without a seed while JAX traces a function",
    ),
    Refused(
        "a scope outside of the jit",
        in_a_trace_inside,
        RuntimeError,
        r"^HeNormal: .* \(the scope in use was entered outside of it\); .*inside the function",
    ),
)


@each(REFUSED)
def test_what_gives_no_key_is_refused(refused: Refused) -> None:
    refused.check()

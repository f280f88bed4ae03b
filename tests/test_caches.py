"""Caches are bounded, can be emptied at any time, and change no value."""

import threading

import jax
import numpy as np
import pytest

import cthulhu
from cthulhu import caches, functional, initializers
from cthulhu.caches import Recent, bounded
from cthulhu.initializers import _builtin
from cthulhu.programs import _build, _pool
from tests.cases import KEY, same_bits


def init(key: jax.Array) -> dict[str, jax.Array]:
    first, second = jax.random.split(key)
    return {
        "kernel": functional.he_normal(first, (8, 16)),
        "other": jax.random.normal(second, (4, 4)),
        "matrix": functional.orthogonal(first, (6, 6)),
    }


def test_all_caches_are_emptied_and_no_value_changes() -> None:
    tree = {"kernel": jax.ShapeDtypeStruct((5, 7), np.float32)}
    fast = cthulhu.fast_init(init)
    make = (
        lambda: initializers.TruncatedNormal(stddev=0.5)(KEY, (3, 9)),
        lambda: fast(KEY),
        lambda: cthulhu.init_params(KEY, tree, [(".*", "lecun_normal")]),
    )
    before = [one() for one in make]
    assert _builtin.remembered.cache_info().currsize  # type: ignore[attr-defined]
    assert len(_pool._programs)
    assert len(fast.traces.launches)  # type: ignore[attr-defined]
    cthulhu.clear_caches()
    assert not _builtin.remembered.cache_info().currsize  # type: ignore[attr-defined]
    assert not _build.program.cache_info().currsize  # type: ignore[attr-defined]
    assert not len(_pool._programs)
    assert not len(fast.traces.launches)  # type: ignore[attr-defined]
    jax.tree.map(same_bits, [one() for one in make], before)


def test_a_draw_is_recognized_after_the_caches_were_emptied() -> None:
    expected = jax.jit(init)(KEY)
    cthulhu.clear_caches()
    assert "HeNormal()" in str(cthulhu.plan(init, KEY))
    jax.tree.map(same_bits, cthulhu.fast_init(init)(KEY), expected)


def test_what_was_traced_before_still_runs() -> None:
    jitted = jax.jit(init)
    before = jitted(KEY)
    cthulhu.clear_caches()
    jax.tree.map(same_bits, jitted(KEY), before)


@pytest.mark.parametrize("size", [1, 5])
def test_a_cache_keeps_the_most_recent(size: int) -> None:
    made: list[int] = []
    recent: Recent[int] = Recent(size)
    for number in (*range(10), *range(10)[-size:]):
        recent.get(number, lambda number=number: made.append(number) or number)  # type: ignore[misc]
    assert made == list(range(10))
    assert len(recent) == size
    recent.get(10 - size, lambda: -1)  # Used again, it is the youngest now.
    recent.get(99, lambda: 99)
    assert (10 - size in recent) is (size > 1)


def test_a_value_is_forgotten_only_if_it_is_the_one() -> None:
    recent: Recent[str] = Recent(4)
    recent.get("key", lambda: "value")
    recent.forget("key", "another")
    assert recent.peek("key") == "value"
    recent.forget("key", "value")
    assert recent.peek("key") is None


def test_threads_make_a_value_once() -> None:
    recent: Recent[object] = Recent(4)
    together, made, found = threading.Barrier(8), [], []

    def make() -> object:
        made.append(object())
        return made[-1]

    def ask() -> None:
        together.wait()
        found.append(recent.get("key", make))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == made * 8


def test_a_cache_dies_with_its_owner() -> None:
    before = len(caches._recent)
    recent: Recent[int] | None = Recent(4)
    assert len(caches._recent) == before + 1
    del recent
    assert len(caches._recent) == before


def test_a_bounded_function_is_emptied() -> None:
    calls: list[int] = []

    @bounded(2)
    def double(number: int) -> int:
        calls.append(number)
        return 2 * number

    assert [double(1), double(1), double(2), double(3), double(1)] == [2, 2, 4, 6, 2]
    assert calls == [1, 2, 3, 1]
    cthulhu.clear_caches()
    double(1)
    assert calls == [1, 2, 3, 1, 1]

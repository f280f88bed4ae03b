"""Jobs that threads do together with the one that waits for them."""

import concurrent.futures
import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cthulhu.programs import _pool as pool


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Three threads, of which two are a pool's."""
    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        monkeypatch.setattr(pool, "workers", lambda: executor)
        monkeypatch.setattr(pool, "threads", lambda: 3)
        yield executor


def raising() -> int:
    raise OverflowError("too large")


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_results_are_in_order_whoever_makes_them(count: int, workers: Any) -> None:
    jobs = [functools.partial(int, at) for at in range(count)]
    assert list(pool.results(jobs)) == list(range(count))


def test_the_one_that_asks_works_too(workers: Any) -> None:
    """Three jobs that wait for each other need three threads."""
    met = threading.Barrier(3, timeout=60)
    assert sorted(pool.results([met.wait] * 3)) == [0, 1, 2]


def test_threads_that_are_busy_are_not_waited_for(workers: Any) -> None:
    go = threading.Event()
    busy = [workers.submit(go.wait, 60) for _ in range(2)]
    here = threading.get_ident()
    assert list(pool.results([threading.get_ident] * 5)) == [here] * 5
    go.set()
    assert all(one.result() for one in busy)


def test_threads_work_ahead(workers: Any) -> None:
    """What is not asked for yet is done meanwhile."""
    done = threading.Event()
    found = pool.results([lambda: 0, done.set])
    assert next(found) == 0
    assert done.wait(60)


def test_an_error_is_raised_where_its_result_is_asked_for(workers: Any) -> None:
    jobs: list[Callable[[], int]] = [lambda: 0, raising, lambda: 2]
    found = pool.results(jobs)
    assert next(found) == 0
    with pytest.raises(OverflowError, match="too large"):
        next(found)


def test_nothing_is_begun_that_nobody_asks_for_any_more(workers: Any) -> None:
    go = threading.Event()
    busy = [workers.submit(go.wait, 60) for _ in range(2)]
    later = []
    found = pool.results([lambda: 0, lambda: later.append(1), lambda: later.append(2)])
    assert next(found) == 0
    found.close()
    go.set()
    assert all(one.result() for one in busy)
    workers.shutdown(wait=True)
    assert later == []

"""Work in threads whose results come in order: the next item while this one is used, or several items at a time.

May import nothing of sondo.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_here = threading.local()


class _StoppedError(Exception):
    """What a thread was doing is no longer wanted."""


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items in the same order, each made by a thread while its predecessor is used; one is held.

    An error of `items` is raised where its item would have come. The thread ends with the last item, or when the
    generator is closed.
    """
    done = object()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="sondo-ahead") as thread:
        coming = thread.submit(next, items, done)
        while (item := coming.result()) is not done:
            coming = thread.submit(next, items, done)
            leave_if_stopped()
            yield item  # type: ignore[misc]


def leave_if_stopped() -> None:
    """End what this thread does for `in_order` where nobody wants it any longer; long work asks between its pieces."""
    stop: threading.Event | None = getattr(_here, "stop", None)
    if stop is not None and stop.is_set():
        raise _StoppedError


@contextmanager
def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], *, at_once: int
) -> Iterator[Iterator[Future[Result]]]:
    """What becomes of each item, in the order of the items, while the next ones are worked on.

    Where the block is left early, what nobody has begun is not done, and what goes through `ahead` or asks
    `leave_if_stopped` ends with the piece that it is at.

    Args:
        work: What is done with an item.
        items: They are taken by the caller's thread, at most twice `at_once` before their results.
        at_once: How many are worked on at a time; with one, no thread is started.

    Returns:
        Futures that are over: `result()` gives what `work` returned, or raises what it raised.

    Example:
        `with in_order(model.embed, paths, at_once=2) as vectors: first = next(vectors).result()`
    """
    if at_once == 1:
        yield (_done(work, item) for item in items)
        return
    stop, waiting = threading.Event(), deque[Future[Result]]()

    def outcomes() -> Iterator[Future[Result]]:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) == 2 * at_once:
                yield _over(waiting.popleft())
        while waiting:
            yield _over(waiting.popleft())

    with ThreadPoolExecutor(at_once, thread_name_prefix="sondo", initializer=_stop_at, initargs=(stop,)) as pool:
        try:
            yield outcomes()
        finally:
            stop.set()
            for future in waiting:
                future.cancel()


def _done(work: Callable[[Item], Result], item: Item) -> Future[Result]:
    future: Future[Result] = Future()
    try:
        future.set_result(work(item))
    except Exception as error:
        future.set_exception(error)
    return future


def _over(future: Future[Result]) -> Future[Result]:
    future.exception()
    return future


def _stop_at(stop: threading.Event) -> None:
    _here.stop = stop

"""The next item while this one is used: decoding on one core, the network on the other."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


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
            yield item  # type: ignore[misc]

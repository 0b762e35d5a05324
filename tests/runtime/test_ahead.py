import threading

import pytest

from sondo.runtime.ahead import ahead


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("sondo-ahead")]


def test_the_next_item_is_made_while_one_is_used():
    made = threading.Semaphore(0)

    def items():
        for number in range(3):
            yield number
            made.release()

    used = []
    for number in ahead(items()):
        assert made.acquire(timeout=10)  # never before the thread asks for the next: without it this waits in vain
        used.append(number)
    assert used == [0, 1, 2]
    assert threads() == []


def test_an_error_comes_where_its_item_would_have_come():
    def items():
        yield 1
        raise OSError("the disk is gone")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(found)
    assert threads() == []


def test_nothing_is_left_when_it_is_given_up():
    found = ahead(iter(range(100)))
    assert next(found) == 0
    found.close()
    assert threads() == []
    assert list(ahead(iter(()))) == []

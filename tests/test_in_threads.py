import threading
import time

import pytest

from sondo.in_threads import ahead, in_order


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("sondo")]


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


def test_several_are_worked_on_at_a_time_and_come_in_order():
    together = threading.Barrier(3)

    def work(item):
        together.wait(10)  # with fewer at a time it breaks
        return 10 * item

    with in_order(work, range(6), at_once=3) as outcomes:
        assert [outcome.result() for outcome in outcomes] == [0, 10, 20, 30, 40, 50]
    assert threads() == []


@pytest.mark.parametrize("at_once", [1, 2])
def test_what_fails_is_told_at_its_place_and_the_others_go_on(at_once):
    with in_order(lambda item: 6 // item, [3, 0, 2], at_once=at_once) as outcomes:
        assert next(outcomes).result() == 2
        with pytest.raises(ZeroDivisionError):
            next(outcomes).result()
        assert next(outcomes).result() == 3
        assert list(outcomes) == []


@pytest.mark.parametrize("at_once", [1, 2])
def test_items_are_taken_as_they_are_needed(at_once):
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    with in_order(str, items(), at_once=at_once) as outcomes:
        assert next(outcomes).result() == "0"
        assert len(taken) <= 2 * at_once


def test_what_is_left_early_stops_at_the_piece_that_it_is_at():
    """As a long file does whose windows come through `ahead`: Ctrl-C does not wait for its end."""
    used = []

    def work(item):
        for piece in ahead(iter(range(1000))):
            if item == 0 and piece == 3:
                raise OSError("the first fails while the others are at work")
            time.sleep(0.01)
            used.append((item, piece))

    with pytest.raises(OSError, match="the first"), in_order(work, range(8), at_once=2) as outcomes:
        next(outcomes).result()
    assert threads() == []
    assert len(used) < 100
    assert {item for item, _ in used} <= {0, 1, 2}

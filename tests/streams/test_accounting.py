"""What the box and the overlay keep count of over several batches: bytes, shares, and what a roll-back returns to."""

from __future__ import annotations

from streams.box import Box
from streams.overlay import Overlay
from streams.tables import Table
from tests.ledger.store import DictStore
from tests.streams.records import batch
from tests.streams.test_box import FEW, MUCH, offsets, opened


def test_bytes_are_counted_over_all_batches_that_wait() -> None:
    box = opened(max_bytes=10)
    box.offer(batch("first", 0, 2, 0, 1, value=b"12"))
    box.offer(batch("first", 2, 4, 2, 3, value=b"123"))
    assert box.is_full("first"), "4 bytes and 6"
    box.take(1, MUCH)
    assert not box.is_full("first")
    assert not box.has_room("first"), "8 of 10 bytes still wait"
    box.take(1, MUCH)
    assert not box.has_room("first"), "6 wait"
    box.take(1, MUCH)
    assert box.has_room("first"), "3 wait"
    box.take(1, MUCH)
    box.offer(batch("first", 4, 6, 4, 5, value=b"123"))
    box.take(2, MUCH)
    box.offer(batch("first", 6, 7, 6, value=b"x" * 9))
    assert not box.is_full("first"), "nothing is left of what was taken"


def test_there_is_room_at_exactly_half_of_the_bytes() -> None:
    box = opened(max_bytes=10)
    for number in range(4):
        box.offer(batch("first", number, number + 1, number, value=b"x" * (5 if number == 0 else 2)))
    box.take(3, MUCH)
    assert box.has_room("first")
    box = opened(max_bytes=10)
    box.offer(batch("first", 0, 1, 0, value=b"x" * 5))
    assert box.has_room("first")


def test_a_share_covers_several_batches() -> None:
    """Half of eight records go to each topic, in however small batches the first one came."""
    box = opened()
    for number in range(8):
        box.offer(batch("first", number, number + 1, number))
    box.offer(batch("second", 0, 8, *range(8)))
    assert offsets(box.take(8, MUCH)) == [("first", [0, 1, 2, 3]), ("second", [0, 1, 2, 3])]


def test_the_least_share_is_one_record() -> None:
    box = Box({"first": 0.1, "second": 0.9}, FEW, MUCH)
    box.open(1, {"first": 0, "second": 0})
    box.offer(batch("first", 0, 5, *range(5)))
    box.offer(batch("second", 0, 5, *range(5)))
    assert offsets(box.take(5, MUCH)) == [("first", [0]), ("second", [0, 1, 2, 3])]


def test_a_record_that_fits_exactly_is_taken() -> None:
    box = opened()
    box.offer(batch("first", 0, 3, 0, 1, 2, value=b"1234"))
    assert offsets(box.take(FEW, 8)) == [("first", [0, 1])]
    assert offsets(box.take(FEW, 3)) == [("first", [2])], "one record always fits"


def test_a_roll_back_returns_to_what_an_earlier_record_of_the_batch_put() -> None:
    plain = Table[int]("plain", lambda n: b"%d" % n, int)
    bucketed = Table[int]("bucketed", lambda n: b"%d" % n, int, bucket_ms=10, retained_ms=100)
    state = Overlay((plain, bucketed), DictStore())
    state.table(plain).put("k", 1)
    state.bucketed(bucketed).put("k", 1, 5)
    with state.careful():
        for number in (2, 3):
            state.table(plain).put("k", number)
            state.bucketed(bucketed).put("k", number, 25)
        state.table(plain).put("other", 4)
        state.bucketed(bucketed).put("other", 4, 25)
        state.roll_back()
    assert state.table(plain).changes == {"k": 1}
    assert state.bucketed(bucketed).changes == {0: {"k": b"1"}}
    assert state.bucketed(bucketed).get("k", 5) == 1

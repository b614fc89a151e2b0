"""The box: what is taken, what is dropped, and in which order it is handed out."""

from __future__ import annotations

from typing import Any

import pytest

from streams.box import Box, InputBatch, Offer, Taken
from streams.errors import Refused
from streams.seal import Span
from tests.streams.records import batch, record

FEW = 1_000
MUCH = 1 << 20


def opened(max_records: int = 100, max_bytes: int = MUCH, **positions: int) -> Box:
    """A box over `first` and `second`, open at positions (default 0)."""
    box = Box({"first": 0.5, "second": 0.5}, max_records, max_bytes)
    box.open(1, {"first": 0, "second": 0} | positions)
    return box


def offsets(taken: Taken) -> list[tuple[str, list[int]]]:
    return [(topic, [r.offset for r in records]) for topic, records in taken.records]


def test_batches_that_continue_each_other_are_taken() -> None:
    box = opened()
    assert box.offer(batch("first", 0, 2, 0, 1)) is Offer.TAKEN
    assert box.offer(batch("first", 2, 5, 3)) is Offer.TAKEN
    taken = box.take(FEW, MUCH)
    assert offsets(taken) == [("first", [0, 1, 3])]
    assert taken.count == 3
    assert taken.spans == {"first": Span(0, 5), "second": Span(0, 0)}
    assert box.take(FEW, MUCH).spans == {"first": Span(5, 5), "second": Span(0, 0)}


def test_a_new_box_takes_nothing_and_a_closed_one_neither() -> None:
    box = Box({"first": 1.0}, 10, 10)
    assert box.offer(batch("first", 0, 1, 0, incarnation=0)) is Offer.STALE
    assert box.offer(batch("first", 0, 1, 0)) is Offer.STALE
    box = opened()
    box.offer(batch("first", 0, 1, 0, timestamp=77))
    box.close()
    assert (box.waiting_records, box.newest_ms, box.has_moved, box.arrived.is_set()) == (0, 0, False, False)
    assert box.offer(batch("first", 1, 2, 1)) is Offer.STALE
    assert box.offer(batch("first", 1, 2, 1, incarnation=0)) is Offer.STALE


def test_a_batch_of_another_incarnation_is_stale() -> None:
    box = opened()
    assert box.offer(batch("first", 0, 1, 0, incarnation=2)) is Offer.STALE
    box.open(2, {"first": 0, "second": 0})
    assert box.offer(batch("first", 0, 1, 0, incarnation=1)) is Offer.STALE
    assert box.offer(batch("first", 0, 1, 0, incarnation=2)) is Offer.TAKEN


def test_opening_again_forgets_what_waited() -> None:
    box = opened()
    box.offer(batch("first", 0, 2, 0, 1))
    box.open(2, {"first": 7, "second": 0})
    assert box.waiting_records == 0
    assert box.offer(batch("first", 7, 8, 7, incarnation=2)) is Offer.TAKEN
    assert box.take(FEW, MUCH).spans["first"] == Span(7, 8)


def test_a_hole_is_not_taken_and_sought_under_a_new_number() -> None:
    box = opened()
    box.offer(batch("first", 0, 2, 0, 1))
    assert box.offer(batch("first", 3, 4, 3)) is Offer.HOLE
    assert box.seek_again("first", 9) == 2
    # What the old seek still brings is stale, even what would fit.
    assert box.offer(batch("first", 4, 5, 4)) is Offer.STALE
    assert box.offer(batch("first", 2, 3, 2)) is Offer.STALE
    assert box.offer(batch("second", 0, 1, 0)) is Offer.TAKEN
    assert box.offer(batch("first", 2, 4, 2, 3, incarnation=9)) is Offer.TAKEN
    assert offsets(box.take(FEW, MUCH)) == [("first", [0, 1, 2, 3]), ("second", [0])]


def test_a_hole_at_the_very_beginning_is_one_too() -> None:
    assert opened(first=5).offer(batch("first", 6, 7, 6)) is Offer.HOLE


def test_a_jump_back_is_refused() -> None:
    box = opened(first=5)
    with pytest.raises(Refused, match=r"jumped back from 5 to 3 on first/0 .* truncated or recreated"):
        box.offer(batch("first", 3, 6, 3, 4, 5))


def test_positions_pass_control_records_without_waking_anybody() -> None:
    box = opened()
    assert box.offer(InputBatch("first", 0, 0, 3, 1, [])) is Offer.TAKEN
    assert (box.has_moved, box.waiting_records, box.arrived.is_set()) == (True, 0, False)
    assert box.take(FEW, MUCH) == Taken([], {"first": Span(0, 3), "second": Span(0, 0)}, 0)
    assert not box.has_moved
    assert box.offer(InputBatch("first", 0, 3, 3, 1, [])) is Offer.TAKEN
    assert not box.has_moved


def test_control_records_behind_records_move_the_span_only_once_the_records_are_taken() -> None:
    box = opened()
    box.offer(batch("first", 0, 2, 0, 1))
    box.offer(InputBatch("first", 0, 2, 4, 1, []))
    assert box.take(1, MUCH).spans["first"] == Span(0, 1)
    assert box.take(1, MUCH).spans["first"] == Span(1, 4)


def test_records_wake_who_waits_until_all_are_taken() -> None:
    box = opened()
    box.offer(batch("first", 0, 2, 0, 1))
    assert box.arrived.is_set()
    box.take(1, MUCH)
    assert box.arrived.is_set()
    box.take(1, MUCH)
    assert not box.arrived.is_set()


def test_the_first_input_goes_first_but_each_has_its_share() -> None:
    box = opened()
    box.offer(batch("second", 0, 6, *range(6)))
    box.offer(batch("first", 0, 6, *range(6)))
    assert offsets(box.take(4, MUCH)) == [("first", [0, 1]), ("second", [0, 1])]
    assert offsets(box.take(6, MUCH)) == [("first", [2, 3, 4]), ("second", [2, 3, 4])]


def test_what_an_input_leaves_of_its_share_goes_to_the_others() -> None:
    box = opened()
    box.offer(batch("first", 0, 5, *range(5)))
    box.offer(batch("second", 0, 1, 0))
    assert offsets(box.take(5, MUCH)) == [("first", [0, 1, 2, 3]), ("second", [0])]


def test_each_input_has_its_share_of_the_bytes_too() -> None:
    """However large the records of the first input are, the others are not kept waiting until it has none."""
    box = opened()
    box.offer(batch("first", 0, 9, *range(9), value=b"x" * 10))
    box.offer(batch("second", 0, 3, *range(3), value=b"x" * 10))
    assert offsets(box.take(FEW, 60)) == [("first", [0, 1, 2]), ("second", [0, 1, 2])]
    box.offer(batch("second", 3, 4, 3, value=b"x" * 10))
    assert offsets(box.take(FEW, 60)) == [("first", [3, 4, 5, 6, 7]), ("second", [3])]
    assert (box._bytes, box.waiting_records) == ({"first": 10, "second": 0}, 1)


def test_a_record_that_is_larger_than_its_input_s_share_takes_its_turn() -> None:
    box = Box({"first": 0.4, "second": 0.2}, 100, MUCH)
    box.open(1, {"first": 0, "second": 0})
    box.offer(batch("first", 0, 9, *range(9), value=b"x" * 10))
    box.offer(batch("second", 0, 2, 0, 1, value=b"x" * 50))
    assert offsets(box.take(FEW, 100)) == [("first", [0, 1, 2, 3, 4]), ("second", [0])]


def test_a_small_batch_still_takes_a_record() -> None:
    box = Box({"first": 0.1, "second": 0.9}, 10, MUCH)
    box.open(1, {"first": 0, "second": 0})
    box.offer(batch("second", 0, 2, 0, 1))
    assert offsets(box.take(1, MUCH)) == [("second", [0])]
    box.offer(batch("first", 0, 1, 0))
    assert offsets(box.take(1, MUCH)) == [("first", [0])]


def test_a_take_is_bounded_in_bytes_but_takes_one_record_of_any_size() -> None:
    box = opened()
    box.offer(batch("first", 0, 3, 0, 1, 2, value=b"x" * 40))
    box.offer(batch("second", 0, 1, 0, value=b"x" * 15))
    assert offsets(box.take(FEW, 100)) == [("first", [0, 1]), ("second", [0])]
    box.offer(batch("second", 1, 2, 1, value=b"x" * 15))
    assert offsets(box.take(FEW, 10)) == [("first", [2])]
    assert offsets(box.take(FEW, 10)) == [("second", [1])]


def test_several_batches_are_drawn_in_one_take_and_a_part_stays() -> None:
    box = opened()
    box.offer(batch("first", 0, 2, 0, 1))
    box.offer(batch("first", 2, 6, 3, 4, 5))
    taken = box.take(3, MUCH)
    assert (offsets(taken), taken.spans["first"]) == ([("first", [0, 1, 3])], Span(0, 4))
    taken = box.take(3, MUCH)
    assert (offsets(taken), taken.spans["first"]) == ([("first", [4, 5])], Span(4, 6))


def test_a_box_is_full_by_records_or_bytes_and_has_room_at_half() -> None:
    box = opened(max_records=4, max_bytes=100)
    box.offer(batch("first", 0, 3, 0, 1, 2, value=b""))
    assert not box.is_full("first")
    assert not box.has_room("first")
    box.offer(batch("first", 3, 4, 3, value=b""))
    assert box.is_full("first")
    assert not box.is_full("second")
    assert box.has_room("second")
    box.take(2, MUCH)
    assert box.has_room("first")
    box.offer(batch("second", 0, 1, 0, value=b"x" * 100))
    assert box.is_full("second")
    assert not box.has_room("second")


def test_null_values_weigh_nothing() -> None:
    box = opened(max_bytes=1)
    box.offer(InputBatch("first", 0, 0, 1, 1, [record(0, None)]))
    assert not box.is_full("first")
    assert offsets(box.take(FEW, 0)) == [("first", [0])]


LARGE: dict[str, Any] = {
    "value": {"value": b"x" * 60},
    "key": {"value": None, "key": b"x" * 60},
    "header": {"value": None, "headers": [("h", b"x" * 30)]},
    "header's name": {"value": None, "headers": [("h" * 30, None)]},
    "headers of nothing": {"value": None, "headers": [("", None), ("", b"")]},
    "all three": {"value": b"x" * 10, "key": b"x" * 10, "headers": [("h", b"x" * 10)]},
}


@pytest.mark.parametrize("large", LARGE.values(), ids=LARGE)
def test_keys_values_and_headers_weigh_alike(large: Any) -> None:
    """Two such records are more than 100 bytes, one is less."""
    box = opened(max_bytes=100)
    box.offer(InputBatch("first", 0, 0, 1, 1, [record(0, **large)]))
    assert not box.is_full("first")
    box.offer(InputBatch("first", 0, 1, 3, 1, [record(1, **large), record(2, **large)]))
    assert box.is_full("first")
    assert [offsets(box.take(FEW, 100)) for _ in range(3)] == [[("first", [offset])] for offset in range(3)]
    assert box._bytes == {"first": 0, "second": 0}
    assert box.has_room("first")


def test_the_newest_append_time_that_waits_counts_wherever_it_stands_in_its_batch() -> None:
    box = opened()
    box.offer(
        InputBatch("first", 0, 0, 3, 1, [record(0, timestamp=10), record(1, timestamp=99), record(2, timestamp=11)])
    )
    assert box.newest_ms == 99
    box.offer(batch("second", 0, 1, 0, timestamp=50))
    assert box.newest_ms == 99
    box.take(2, MUCH)
    assert box.newest_ms == 99
    box.take(FEW, MUCH)
    assert box.newest_ms == 0


def test_the_oldest_that_waits_is_told_whichever_input_it_is_of() -> None:
    box = opened()
    assert box.oldest_ms is None
    box.offer(batch("second", 0, 1, 0, timestamp=50))
    box.offer(batch("first", 0, 1, 0, timestamp=70))
    box.offer(batch("first", 1, 5, timestamp=70))
    box.offer(batch("second", 1, 2, 1, timestamp=60))
    assert box.oldest_ms == 50
    box.take(2, MUCH)
    assert box.oldest_ms == 60
    box.take(FEW, MUCH)
    assert box.oldest_ms is None

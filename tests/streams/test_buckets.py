"""Tables in buckets: where a key is found, and when it is forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from streams.errors import StoreError
from tests.streams.rows import KEYS, Rows, overlay


def test_a_key_is_remembered_until_its_bucket_is_past_retention() -> None:
    rows = Rows(**{"keys@3": {"old": b"3"}, "keys@5": {"young": b"5"}})
    keys = overlay(rows).bucketed(KEYS)
    keys.buckets = [5, 3]
    assert (keys.get("old", 500), keys.get("young", 500), keys.get("none", 500)) == (3, 5, None)
    # Bucket 3 ends at 400 and is remembered for 250 ms more.
    assert keys.get("old", 649) == 3
    rows.reads.clear()
    assert keys.get("old", 650) is None
    assert rows.reads == [("keys@5", "old")]
    assert (KEYS.oldest_bucket(649), KEYS.oldest_bucket(650), KEYS.bucket_name(3)) == (3, 4, "keys@3")


def test_a_key_of_this_batch_goes_before_the_store_and_expires_alike() -> None:
    rows = Rows(**{"keys@5": {"k": b"1"}})
    keys = overlay(rows).bucketed(KEYS)
    keys.buckets = [5]
    keys.put("k", 2, 510)
    keys.put("gone", 3, 90)
    assert keys.get("k", 520) == 2
    assert rows.reads == []
    assert keys.get("gone", 349) == 3
    assert keys.get("gone", 350) is None


def test_a_key_that_is_put_again_later_is_found_in_the_newest_of_its_buckets() -> None:
    rows = Rows(**{"keys@5": {"k": b"1"}})
    state = overlay(rows)
    keys = state.bucketed(KEYS)
    keys.buckets = [5]
    keys.put("k", 2, 590)
    keys.put("k", 3, 610)
    assert keys.get("k", 610) == 3
    assert keys.changes == {5: {"k": b"2"}, 6: {"k": b"3"}}
    rows.tables.update({"keys@5": {"k": b"2"}, "keys@6": {"k": b"3"}})
    state.settle()
    assert keys.get("k", 610) == 3
    # Bucket 5 ends at 600 and is past its retention at 850, what has the value now is not.
    assert keys.get("k", 850) == 3


def test_settling_learns_new_buckets_newest_first() -> None:
    state = overlay(Rows())
    keys = state.bucketed(KEYS)
    keys.buckets = [4]
    keys.put("a", 1, 620)
    keys.put("b", 1, 450)
    state.settle()
    assert keys.buckets == [6, 4]
    assert not keys.changes
    state.settle()
    assert keys.buckets == [6, 4]
    keys.put("c", 1, 650)
    state.settle()
    assert keys.buckets == [6, 4]


def test_buckets_are_read_ahead_from_the_newest_on_and_none_that_is_past_retention() -> None:
    rows = Rows(**{"keys@2": {"k": b"2"}, "keys@3": {"old": b"3", "k": b"3"}, "keys@5": {"young": b"5", "k": b"5"}})
    keys = overlay(rows).bucketed(KEYS)
    keys.buckets = [5, 3, 2]
    keys.read_ahead(["k", "old", "young", "none", "k"], 649)
    read = [("keys@5", key) for key in ("k", "old", "young", "none")] + [("keys@3", "old"), ("keys@3", "none")]
    assert rows.reads == read
    assert [keys.get(key, 649) for key in ("k", "old", "young", "none")] == [5, 3, 5, None]
    # Bucket 3 is past its retention by the time that the key is asked for.
    assert keys.get("old", 650) is None
    assert rows.reads == read
    keys.put("old", 9, 650)
    assert keys.get("old", 650) == 9


@pytest.mark.parametrize("end", ["forget", "settle"])
def test_what_was_read_ahead_is_forgotten_with_the_batch(end: str) -> None:
    rows = Rows(**{"keys@5": {"k": b"1"}})
    state = overlay(rows)
    keys = state.bucketed(KEYS)
    keys.buckets = [5]
    keys.read_ahead(["k", "none"], 510)
    rows.tables["keys@5"] = {"k": b"2", "none": b"3"}
    assert (keys.get("k", 510), keys.get("none", 510)) == (1, None)
    keys.read_ahead(["k", "other"], 510)
    assert (keys.get("k", 510), keys.get("none", 510)) == (1, None)
    getattr(state, end)()
    assert (keys.get("k", 510), keys.get("none", 510)) == (2, 3)


def test_a_key_that_could_not_be_read_ahead_is_not_taken_for_absent() -> None:
    rows = Rows(**{"keys@3": {"k": b"1"}})
    view = overlay(rows).bucketed(KEYS)
    view.buckets = [5, 3]
    read = rows.get_many

    def failing(table: str, keys: Sequence[str]) -> Sequence[bytes | None]:
        if table == "keys@3":
            raise StoreError("cannot read")
        return read(table, keys)

    rows.get_many = failing  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        view.read_ahead(["k"], 510)
    assert view.get("k", 510) == 1

"""The overlay: what is read through its layers, savepoints, the cache."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.overlay import Overlay
from streams.table_views import OrderedView
from tests.streams.rows import KEYS, PLAIN, UNCACHED, WALKED, Rows, overlay


def test_the_store_is_read_once_and_changes_go_before_it() -> None:
    rows = Rows(plain={"a": b"1"})
    view = overlay(rows).table(PLAIN)
    assert (view.get("a"), view.get("a"), view.get("b")) == (1, 1, None)
    assert rows.reads == [("plain", "a"), ("plain", "b")]
    view.put("a", 2)
    assert view.get("a") == 2
    view.delete("a")
    assert view.get("a") is None
    assert view.changes == {"a": None}


def test_a_roll_back_returns_to_the_savepoint_and_no_further() -> None:
    state = overlay(Rows(plain={"stored": b"1"}))
    view, keys = state.table(PLAIN), state.bucketed(KEYS)
    view.put("before", 1)
    keys.put("k0", 1, 0)
    with state.careful():
        view.put("kept", 1)
        state.savepoint()
        view.put("before", 2)
        view.put("before", 3)
        view.put("new", 4)
        view.delete("stored")
        keys.put("k0", 5, 0)
        keys.put("k1", 5, 100)
        state.roll_back()
        assert view.changes == {"before": 1, "kept": 1}
        assert keys.changes == {0: {"k0": b"1"}}
        assert (view.get("stored"), view.get("new")) == (1, None)
        state.roll_back()
    assert view.changes == {"before": 1, "kept": 1}


def test_the_beginning_of_care_is_a_savepoint_and_without_care_there_is_none() -> None:
    state = overlay(Rows(plain={}))
    view = state.table(PLAIN)
    view.put("a", 1)
    _assert_no_savepoint(state)
    with state.careful():
        view.put("a", 2)
        state.roll_back()
    assert view.get("a") == 1
    _assert_no_savepoint(state)


def test_an_attempt_leaves_the_savepoint_that_there_was() -> None:
    state = overlay(Rows(plain={"a": b"1"}))
    view = state.table(PLAIN)
    with state.attempt():
        assert state.is_careful
        view.put("a", 5)
    assert (view.get("a"), state.is_careful) == (1, False)
    with state.careful():
        view.put("a", 2)
        with state.attempt():
            view.put("a", 3)
        assert (view.get("a"), state.is_careful) == (2, True)
        view.put("b", 4)
        state.roll_back()
    assert (view.get("a"), view.get("b")) == (1, None)


def _assert_no_savepoint(state: Overlay) -> None:
    for use in (state.savepoint, state.roll_back):
        with pytest.raises(AssertionError, match=r"^there .* careful$"):
            use()


def test_what_a_batch_has_changed_is_forgotten_as_a_whole() -> None:
    rows = Rows(plain={"stored": b"1"})
    state = overlay(rows)
    view, keys = state.table(PLAIN), state.bucketed(KEYS)
    assert (view.get("stored"), view.get("absent")) == (1, None)
    view.put("stored", 2)
    view.delete("absent")
    view.put("new", 3)
    keys.put("k", 1, 100)
    state.forget()
    assert not view.changes
    assert not keys.changes
    assert (view.get("stored"), view.get("absent"), view.get("new")) == (1, None, None)
    assert keys.get("k", 100) is None


def test_absent_values_are_remembered_and_crowd_out_no_more_than_others() -> None:
    rows = Rows(plain={})
    state = overlay(rows)
    view = state.table(PLAIN)
    for number in range(1_000):
        assert view.get(f"unknown-{number}") is None
    reads = len(rows.reads)
    assert view.get("unknown-7") is None
    assert len(rows.reads) == reads == 1_000
    state.settle()
    assert len(view._known) == 10


def test_settled_changes_are_cached_and_removed_ones_are_gone() -> None:
    rows = Rows(plain={"a": b"1", "b": b"2"})
    state = overlay(rows)
    view = state.table(PLAIN)
    assert view.get("b") == 2
    view.put("a", 5)
    view.delete("b")
    rows.tables["plain"] = {"a": b"5"}
    state.settle()
    rows.reads.clear()
    assert view.changes == {}
    assert view.get("a") == 5
    assert rows.reads == []
    assert view.get("b") is None
    state.forget()
    assert view.get("a") == 5


def test_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    rows = Rows(plain=dict.fromkeys("abcd", b"1"))
    state = overlay(rows, cache_entries=2)
    view = state.table(PLAIN)
    for key in "abc":
        view.get(key)
    view.put("d", 1)
    assert not view.has_forgotten
    state.settle()
    assert view.has_forgotten
    rows.reads.clear()
    for key in "dcba":
        assert view.get(key) == 1
    assert rows.reads == [("plain", "b"), ("plain", "a")]


def test_a_cache_has_ten_thousand_entries_unless_told_otherwise() -> None:
    rows = Rows()
    state = Overlay((PLAIN,), rows)
    view = state.table(PLAIN)
    for number in range(10_001):
        view.put(str(number), number)
    state.settle()
    assert (view.get("1"), view.get("0")) == (1, None)
    assert rows.reads == [("plain", "0")]


def test_an_uncached_table_is_read_again_after_each_batch() -> None:
    rows = Rows(uncached={"a": b"1"})
    state = overlay(rows)
    view = state.table(UNCACHED)
    assert view.get("a") == 1
    state.settle()
    rows.tables["uncached"] = {"a": b"2"}
    assert view.get("a") == 2


def test_a_scan_merges_store_and_changes_in_key_order() -> None:
    view = overlay(Rows(plain={"0": b"7", "b": b"2", "d": b"4", "e": b"5"})).table(PLAIN)
    view.put("c", 3)
    view.put("d", 40)
    view.delete("e")
    assert list(view.scan()) == [("0", 7), ("b", 2), ("c", 3), ("d", 40)]
    assert list(view.scan("c")) == [("c", 3), ("d", 40)]
    assert list(view.scan("b", "d")) == [("b", 2), ("c", 3)]
    assert list(view.scan("d0")) == []


@given(
    stored=st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 9)),
    puts=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.none() | st.integers(10, 99))),
    start=st.sampled_from(["", *"abcdefgh", "cc"]),
    end=st.sampled_from(["", *"abcdefgh", "dd"]),
)
def test_a_scan_is_what_sorting_all_pairs_gives(
    stored: dict[str, int], puts: list[tuple[str, int | None]], start: str, end: str
) -> None:
    view = overlay(Rows(plain={key: b"%d" % value for key, value in stored.items()})).table(PLAIN)
    expected: dict[str, int | None] = dict(stored)
    for key, value in puts:
        view.put(key, value)
        expected[key] = value
    within = {key: value for key, value in expected.items() if key >= start and (not end or key < end)}
    assert list(view.scan(start, end)) == sorted((k, v) for k, v in within.items() if v is not None)


@given(
    stored=st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 9)),
    kept=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.none() | st.integers(10, 99))),
    undone=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.none() | st.integers(10, 99))),
    start=st.sampled_from(["", *"abcdefgh", "cc"]),
    end=st.sampled_from(["", *"abcdefgh", "dd"]),
)
def test_a_table_that_is_kept_in_order_is_walked_alike_whatever_was_undone(
    stored: dict[str, int],
    kept: list[tuple[str, int | None]],
    undone: list[tuple[str, int | None]],
    start: str,
    end: str,
) -> None:
    rows = {key: b"%d" % value for key, value in stored.items()}
    state = Overlay((PLAIN, WALKED), Rows(**{PLAIN.name: rows, WALKED.name: rows}))
    plain, walked = state.table(PLAIN), state.table(WALKED)
    for changes, context in ((kept, nullcontext()), (undone, state.attempt()), (kept, nullcontext())):
        with context:
            for key, value in changes:
                plain.put(key, value)
                walked.put(key, value)
            assert list(walked.scan(start, end)) == list(plain.scan(start, end))
    state.forget()
    assert list(walked.scan(start, end)) == list(plain.scan(start, end))


def test_a_walk_looks_at_no_more_changes_than_it_yields() -> None:
    walked = Overlay((WALKED,), Rows()).table(WALKED)
    assert isinstance(walked, OrderedView)
    for number in range(1_000):
        walked.put(f"{number:03d}", number)
    assert walked._changed_within("500", "503") == ["500", "501", "502"]
    assert walked._order == sorted(walked._order)
    walked.settle()
    assert walked._order == []


def test_views_belong_to_their_kind_of_table() -> None:
    state = overlay(Rows())
    assert [view.table.name for view in state.views] == ["plain", "uncached", "keys"]
    assert state.typed is None
    with pytest.raises(AssertionError):
        state.table(KEYS)
    with pytest.raises(AssertionError):
        state.bucketed(PLAIN)


def test_what_is_read_ahead_is_read_once_and_changes_go_before_it() -> None:
    rows = Rows(plain={"a": b"1", "b": b"2"})
    state = overlay(rows)
    view = state.table(PLAIN)
    view.put("b", 5)
    assert view.get("c") is None
    rows.reads.clear()
    assert view.read_ahead(["a", "b", "c", "d", "a"]) == ["a", "d"]
    assert rows.reads == [("plain", "a"), ("plain", "d")]
    assert [view.get(key) for key in "abcd"] == [1, 5, None, None]
    assert view.read_ahead(["a", "b", "c", "d"]) == []
    assert len(rows.reads) == 2
    assert view.changes == {"b": 5}
    view.put("a", 7)
    assert view.get("a") == 7


def test_a_store_that_answers_for_fewer_keys_than_asked_is_not_taken_at_its_word() -> None:
    rows = Rows(plain={"a": b"1"}, **{"keys@5": {"a": b"1"}})
    state = overlay(rows)
    bucketed = state.bucketed(KEYS)
    bucketed.buckets = [5]
    rows.get_many = lambda table, keys: [rows.get(table, keys[0])]  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="shorter"):
        state.table(PLAIN).read_ahead(["a", "b"])
    with pytest.raises(ValueError, match="shorter"):
        bucketed.read_ahead(["a", "b"], 510)

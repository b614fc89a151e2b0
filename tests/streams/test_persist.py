"""What an overlay has to write, and which buckets a store may forget."""

from __future__ import annotations

from streams.overlay import Overlay
from streams.persist import changes_of, forget_old_buckets, load_buckets
from streams.ports import Mark
from tests.simulation.memory_store import Files, MemoryStore
from tests.streams.rows import KEYS, PLAIN, UNCACHED


class Strict(MemoryStore):
    """A store that drops only what it has."""

    def drop_table(self, table: str) -> None:
        assert table in self.tables()
        super().drop_table(table)


def a_store() -> MemoryStore:
    return Strict(Files(), lambda _what: None, lambda: False)


def test_all_changes_are_written_each_to_its_table() -> None:
    state = Overlay((PLAIN, UNCACHED, KEYS), a_store())
    state.table(PLAIN).put("a", 1)
    state.table(PLAIN).delete("b")
    state.table(UNCACHED).put("c", 3)
    state.bucketed(KEYS).put("k", 4, 520)
    state.bucketed(KEYS).put("l", 5, 610)
    assert changes_of(state) == {
        "plain": {"a": b"1", "b": None},
        "uncached": {"c": b"3"},
        "keys@5": {"k": b"4"},
        "keys@6": {"l": b"5"},
    }
    state.settle()
    assert changes_of(state) == {}


def test_a_table_whose_changes_were_rolled_back_is_not_written() -> None:
    """Else the store would make a family for a bucket that nothing is in."""
    state = Overlay((PLAIN, UNCACHED, KEYS), a_store())
    with state.careful():
        state.table(PLAIN).put("a", 1)
        state.bucketed(KEYS).put("k", 4, 520)
        state.roll_back()
    assert changes_of(state) == {}
    state.settle()
    assert state.bucketed(KEYS).buckets == []


def test_buckets_are_found_in_the_store_newest_first() -> None:
    store = a_store()
    store.write({table: {"a": b"1"} for table in ("keys@9", "keys@10", "plain", "keyses@3")}, Mark(0, b""))
    state = Overlay((PLAIN, KEYS), store)
    load_buckets(state, store)
    assert state.bucketed(KEYS).buckets == [10, 9]


def test_buckets_past_their_retention_are_dropped_whole() -> None:
    store = a_store()
    store.write({table: {"a": b"1"} for table in ("keys@3", "keys@4", "keys@5", "plain")}, Mark(0, b""))
    state = Overlay((PLAIN, KEYS), store)
    assert forget_old_buckets(state, store, 10_000) == 0
    load_buckets(state, store)
    assert forget_old_buckets(state, store, 649) == 0
    assert forget_old_buckets(state, store, 750) == 2
    assert store.tables() == ["keys@5", "plain"]
    assert state.bucketed(KEYS).buckets == [5]
    assert forget_old_buckets(state, store, 10_000) == 1
    assert state.bucketed(KEYS).buckets == []

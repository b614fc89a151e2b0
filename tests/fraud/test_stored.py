"""Histories as rows: beside a plain sorted list, whatever the order of arrival."""

from __future__ import annotations

import json
import random

import pytest

from agents.fraud import stored
from agents.fraud.apply import count
from agents.fraud.entries import Order
from agents.fraud.state import DAY_MS, GATES, PLAIN_TABLES, FraudState, StoredFire, alerts_table, history_name
from schemas.fraud_events import Fired
from schemas.fraud_facts import encode_fact
from streams.overlay import Overlay
from streams.persist import changes_of
from streams.ports import Mark
from tests.ledger.store import DictStore

ALERTS = alerts_table(DAY_MS)
FIRE = StoredFire(Fired(1, 1, None, 0, 1, ("t",)))


def new_state() -> tuple[FraudState, Overlay, DictStore]:
    store = DictStore()
    overlay = Overlay((*PLAIN_TABLES, GATES, ALERTS), store)
    return FraudState(overlay, ALERTS), overlay, store


def settle(overlay: Overlay, store: DictStore) -> None:
    store.write(changes_of(overlay), Mark(0, b""))
    overlay.settle()


def insert(state: FraudState, name: str, order: Order, kept_ms: int = DAY_MS) -> None:
    row = encode_fact({"amount_minor": order[0] % 1_000})
    stored.insert(state, [(name, order[3], kept_ms)], order, row)


@pytest.mark.parametrize("seed", range(30))
def test_entries_and_fires_are_where_a_sorted_list_has_them(seed: int) -> None:
    """Wherever batches end; an entry that comes again changes nothing."""
    rng = random.Random(seed)
    state, overlay, store = new_state()
    model, fires = set[Order](), dict[Order, StoredFire]()
    for _ in range(120):
        order: Order = (rng.randrange(-20, 40), rng.randrange(2), rng.choice((1, 9, 10, 1 << 40)), rng.randrange(2))
        if rng.random() < 0.2 and model:
            order = rng.choice(sorted(model))
            fire = FIRE if rng.random() < 0.7 else None
            stored.set_fire(state, "h", order, "r 1", fire)
            fires.pop(order, None)
            fires |= {} if fire is None else {order: fire}
        else:
            insert(state, "h", order)
            model.add(order)
        insert(state, "h 1", order)
        assert stored.fire_of(state, "h", order, "r 1") == fires.get(order)
        if rng.random() < 0.1:
            settle(overlay, store)
    since_ms = rng.randrange(-25, 45)
    found = [(order, fact["amount_minor"], held.get("r 1")) for order, fact, held in stored.read(state, "h", since_ms)]
    assert found == [(order, order[0] % 1_000, fires.get(order)) for order in sorted(model) if order[0] >= since_ms]


def test_what_is_rolled_back_was_never_there() -> None:
    state, overlay, _ = new_state()
    with overlay.careful():
        insert(state, "h", (1, 0, 0, 0))
        overlay.savepoint()
        insert(state, "h", (1, 0, 0, 0), 2 * DAY_MS)
        insert(state, "h", (2, 0, 0, 0))
        insert(state, "i", (2, 0, 0, 0))
        overlay.roll_back()
    assert [order for order, _, _ in stored.read(state, "h", 0)] == [(1, 0, 0, 0)]
    assert list(stored.read(state, "i", 0)) == []
    overlay.forget()
    assert list(stored.read(state, "h", 0)) == []


def test_a_history_that_is_not_there_has_nothing() -> None:
    state, _, _ = new_state()
    assert list(stored.read(state, "h", 0)) == []
    assert stored.fire_of(state, "h", (0, 0, 0, 0), "r 1") is None
    stored.set_fire(state, "h", (0, 0, 0, 0), "r 1", FIRE)
    assert not list(state.heads.changed_keys)


@pytest.mark.slow
def test_what_is_too_old_goes_as_a_history_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some at a time, with what rules said of it."""
    monkeypatch.setattr(stored, "FORGOTTEN_AT_ONCE", 2)
    state, overlay, store = new_state()
    kept_ms = 8 * DAY_MS
    for hour in range(1_000):
        t_ms = hour * 3_600_000
        state.clock.put("closed_before", t_ms)
        insert(state, "h", (t_ms, 0, hour, 0), kept_ms)
        stored.set_fire(state, "h", (t_ms, 0, hour, 0), "r 1", FIRE)
        if hour % 7 == 0:
            settle(overlay, store)
        held = [order[0] for order, _, _ in stored.read(state, "h", 0)]
        assert held[0] <= max(0, t_ms - kept_ms), "what may be asked for stays"
        assert len(held) <= 8 * 24 * 5 // 4
        assert all(fires for _, _, fires in stored.read(state, "h", 0))
    settle(overlay, store)
    sizes = {table: len(rows) for table, rows in store.rows.items()}
    assert sizes["history-entries-in-order"] == sizes["history-fires-in-order"] == len(held)


def test_a_history_goes_when_nobody_uses_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some at a time, but within the day: a long one would else be there for years."""
    monkeypatch.setattr(stored, "FORGOTTEN_AT_ONCE", 3)
    state, overlay, store = new_state()
    for number in range(8):
        insert(state, "h", (number, 0, number, 0), 30 * DAY_MS)
        for rule in range(1 + number % 3):
            stored.set_fire(state, "h", (number, 0, number, 0), f"r {rule}", FIRE)
    insert(state, "i", (0, 0, 99, 0), 30 * DAY_MS)
    before = list(stored.read(state, "h", 0))
    left = []
    for day in range(1, 40):
        state.clock.put("closed_before", day * DAY_MS)
        while not stored.sweep(state, day, 16):
            settle(overlay, store)
            left.append((len(store.rows["history-entries-in-order"]), len(store.rows["history-fires-in-order"])))
        state.clock.put("swept", day)
        settle(overlay, store)
        if day <= 30:
            assert not left
            assert list(stored.read(state, "h", 0)) == before
    assert left == [(6, 12), (3, 9), (1, 6), (1, 3), (1, 0)]
    assert not any(rows for table, rows in store.rows.items() if table != "clock")
    assert state.heads.get("h") is None


def test_a_long_history_goes_some_at_a_time_within_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once in a second of event time, however many facts come in it."""
    monkeypatch.setattr(stored, "FORGOTTEN_AT_ONCE", 10)
    state, overlay, store = new_state()
    for number in range(95):
        insert(state, "old", (number, 0, number, 0))
    state.clock.put("swept", 1)
    settle(overlay, store)
    left, begin_ms = [], 9 * DAY_MS
    for number in range(60):
        now_ms = begin_ms + number // 5 * 1_000
        count(state, (0, 1_000 + number), (now_ms, now_ms, now_ms), [("new", 0, DAY_MS)], b"{}")
        settle(overlay, store)
        left.append(sum(1 for _ in state.entries.scan("old", "")))
    assert left == [rest for rest in (85, 75, 65, 55, 45, 35, 25, 15, 5, 0, 0, 0) for _ in range(5)]
    assert state.heads.get("old") is None
    assert state.clock.get("swept") == 9


def test_many_histories_are_looked_at_some_at_a_time() -> None:
    state, _, _ = new_state()
    for number in range(10):
        insert(state, f"h{number}", (0, 0, 0, 0))
    state.clock.put("closed_before", 5 * DAY_MS)
    state.clock.put("swept", 1)
    assert [stored.sweep(state, 5, 4) for _ in range(3)] == [False, False, True]
    assert all(state.heads.get(f"h{number}") is None for number in range(10))


@pytest.mark.parametrize("value", ["w-1", 'w"1', "w\\1", "w\n1", "w\x7f1", "wé1", "w 1", "", 5, -1, 2.5, "w/1"])
def test_a_history_is_called_by_its_key_whatever_that_is(value: str | int | float) -> None:
    """In ASCII, and each by another name."""
    name = history_name(("wallet_id",), (value,))
    assert name.isascii()
    assert json.loads(name) == [["wallet_id"], [value]]
    assert json.loads(history_name(("wallet_id", "device"), (value, "d"))) == [["wallet_id", "device"], [value, "d"]]

"""Histories as rows: beside a plain sorted list, whatever the order of arrival."""

from __future__ import annotations

import random

import pytest

from agents.fraud import stored
from agents.fraud.entries import Order
from agents.fraud.state import DAY_MS, PLAIN_TABLES, FraudState, StoredEntry, StoredFire, alerts_table, encode_entry
from schemas.fraud_events import Fired
from streams.overlay import Overlay
from tests.ledger.store import DictStore

ALERTS = alerts_table(DAY_MS)
FIRE = StoredFire(Fired(1, 1, None, 0, 1, ("t",)))


def new_state() -> FraudState:
    return FraudState(Overlay((*PLAIN_TABLES, ALERTS), DictStore()), ALERTS)


def row(number: int) -> bytes:
    return encode_entry(StoredEntry({"amount_minor": number}))


@pytest.mark.parametrize("seed", range(30))
def test_entries_and_fires_are_where_a_sorted_list_has_them(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(stored, "CHUNK_ENTRIES", rng.choice((1, 2, 3, 8)))
    state, model, fires = new_state(), dict[Order, int](), dict[Order, StoredFire]()
    for number in range(120):
        order: Order = (rng.randrange(40), rng.randrange(2), rng.randrange(3), 0)
        if rng.random() < 0.2 and model:
            order = rng.choice([*model, order])
            fire = FIRE if rng.random() < 0.7 else None
            stored.set_fire(state, "h", order, "r 1", fire)
            if order in model:
                fires.pop(order, None)
                fires |= {} if fire is None else {order: fire}
        else:
            stored.insert(state, "h", order, row(number), DAY_MS)
            model.setdefault(order, number)
        assert stored.fire_of(state, "h", order, "r 1") == fires.get(order)
    since_ms = rng.randrange(45)
    found = {
        order: (entry.fact["amount_minor"], entry.fires.get("r 1"))
        for order, entry in stored.read(state, "h", since_ms)
    }
    wanted = {order: (number, fires.get(order)) for order, number in sorted(model.items()) if order[0] >= since_ms}
    assert list(found.items()) == list(wanted.items())
    head = state.heads.get("h")
    assert head is not None
    chunks = [state.chunks.get(f"h {number}") for number, _ in head.chunks]
    assert all(chunk is not None and 0 < len(chunk.orders) <= stored.CHUNK_ENTRIES for chunk in chunks)


def test_a_history_that_is_not_there_has_nothing() -> None:
    state = new_state()
    assert list(stored.read(state, "h", 0)) == []
    assert stored.fire_of(state, "h", (0, 0, 0, 0), "r 1") is None
    stored.set_fire(state, "h", (0, 0, 0, 0), "r 1", FIRE)
    assert not list(state.heads.changed_keys)


def test_what_is_too_old_goes_with_its_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "CHUNK_ENTRIES", 2)
    state = new_state()
    for day in range(10):
        state.clock.put("closed_before", day * DAY_MS)
        stored.insert(state, "h", (day * DAY_MS, 0, day, 0), row(day), 3 * DAY_MS)
        held = [order[0] // DAY_MS for order, _ in stored.read(state, "h", 0)]
        assert held == list(range(max(0, held[0]), day + 1))
        assert day - 5 <= held[0] <= max(0, day - 3)
    # Kept for longer from now on: nothing more goes.
    stored.insert(state, "h", (10 * DAY_MS, 0, 10, 0), row(10), 30 * DAY_MS)
    before = list(stored.read(state, "h", 0))
    assert stored.sweep(state, 12, 16)
    assert list(stored.read(state, "h", 0)) == before
    assert stored.sweep(state, 39, 16)
    assert list(stored.read(state, "h", 0)) == before
    assert stored.sweep(state, 41, 16)
    assert state.heads.get("h") is None
    assert all(value is None for value in state.chunks.changes.values())
    assert stored.sweep(state, 99, 16)
    assert not [name for name, value in state.expiry.changes.items() if value is not None]


def test_many_histories_are_looked_at_some_at_a_time() -> None:
    state = new_state()
    for number in range(10):
        stored.insert(state, f"h{number}", (0, 0, 0, 0), row(0), DAY_MS)
    state.clock.put("closed_before", 5 * DAY_MS)
    assert [stored.sweep(state, 5, 4) for _ in range(3)] == [False, False, True]
    assert all(state.heads.get(f"h{number}") is None for number in range(10))

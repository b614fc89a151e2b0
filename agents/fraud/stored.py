"""Histories as rows: entries in chunks of at most 32, by key and time. Pure.

The fold puts entries and fires here without asking a rule. What is too old goes when a chunk is begun, and of keys that
nobody uses any more once a day, some at a time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec

from agents.fraud.entries import Order
from agents.fraud.state import DAY_MS, Chunk, FraudState, Head, StoredEntry, StoredFire, decode_entry, encode_entry

#: Most entries of one row.
CHUNK_ENTRIES: Final = 32


def insert(state: FraudState, name: str, order: Order, row: bytes, kept_ms: int) -> None:
    """Put an encoded entry into a history, unless it is there; `kept_ms` is how far back the history has to reach."""
    head = state.heads.get(name)
    if head is None:
        state.heads.put(name, Head(kept_ms, 1, ((0, order),)))
        state.chunks.put(f"{name} 0", Chunk((order,), (row,)))
        state.expiry.put(_due(order[0] + kept_ms, name), 0)
        return
    if kept_ms != head.kept_ms:
        head = Head(kept_ms, head.next_number, head.chunks)
        state.heads.put(name, head)
    index = _index(head, order)
    number, first = head.chunks[index]
    chunk = _chunk(state, name, number)
    at = bisect_left(chunk.orders, order)
    if chunk.orders[at : at + 1] == (order,):
        return
    orders = (*chunk.orders[:at], order, *chunk.orders[at:])
    rows = (*chunk.rows[:at], row, *chunk.rows[at:])
    if len(orders) > CHUNK_ENTRIES:
        _split(state, name, head, index, Chunk(orders, rows))
        return
    state.chunks.put(f"{name} {number}", Chunk(orders, rows))
    if order < first:
        state.heads.put(name, _with_chunks(head, ((number, order), *head.chunks[1:])))


def set_fire(state: FraudState, name: str, order: Order, rule: str, fire: StoredFire | None) -> None:
    """Note what a rule says of an entry (None: nothing any more); nothing happens where the entry is forgotten."""
    place = _place(state, name, order)
    if place is None:
        return
    number, chunk, at = place
    entry = decode_entry(chunk.rows[at])
    fires = {name: held for name, held in entry.fires.items() if name != rule}
    if fire is not None:
        fires[rule] = fire
    row = encode_entry(StoredEntry(entry.fact, fires))
    rows = (*chunk.rows[:at], row, *chunk.rows[at + 1 :])
    state.chunks.put(f"{name} {number}", Chunk(chunk.orders, rows))


def fire_of(state: FraudState, name: str, order: Order, rule: str) -> StoredFire | None:
    """What a rule says of an entry; None where it says nothing or the entry is forgotten."""
    place = _place(state, name, order)
    return None if place is None else decode_entry(place[1].rows[place[2]]).fires.get(rule)


def read(state: FraudState, name: str, since_ms: int) -> Iterator[tuple[Order, StoredEntry]]:
    """Entries of a history in order, from `since_ms` on."""
    head = state.heads.get(name)
    if head is None:
        return
    first = max(0, bisect_left(head.chunks, since_ms, key=_begin_ms) - 1)
    for number, _ in head.chunks[first:]:
        chunk = _chunk(state, name, number)
        for order, row in zip(chunk.orders, chunk.rows, strict=True):
            if order[0] >= since_ms:
                yield order, decode_entry(row)


def sweep(state: FraudState, day: int, most: int) -> bool:
    """Look at histories that may be too old by `day`, at most so many; True once none is left."""
    due = [name for name, _ in islice(state.expiry.scan("", f"{day + 1:08d}"), most)]
    for row in due:
        state.expiry.delete(row)
        _expire(state, row[9:], day)
    return len(due) < most


def _expire(state: FraudState, name: str, day: int) -> None:
    head = state.heads.get(name)
    if head is None:
        return
    last_ms = _chunk(state, name, head.chunks[-1][0]).orders[-1][0]
    if (last_ms + head.kept_ms) // DAY_MS >= day:
        _drop_old(state, name, head)
        state.expiry.put(_due(last_ms + head.kept_ms, name), 0)
        return
    for number, _ in head.chunks:
        state.chunks.delete(f"{name} {number}")
    state.heads.delete(name)


def _due(until_ms: int, name: str) -> str:
    return f"{until_ms // DAY_MS + 1:08d} {name}"


def _begin_ms(chunk: tuple[int, Order]) -> int:
    return chunk[1][0]


def _begin(chunk: tuple[int, Order]) -> Order:
    return chunk[1]


def _index(head: Head, order: Order) -> int:
    """Which chunk an order belongs to."""
    chunks = head.chunks
    if order >= chunks[-1][1]:
        return len(chunks) - 1
    return max(0, bisect_right(chunks, order, key=_begin) - 1)


def _chunk(state: FraudState, name: str, number: int) -> Chunk:
    chunk = state.chunks.get(f"{name} {number}")
    assert chunk is not None, f"chunk {number} of {name} is missing"
    return chunk


def _place(state: FraudState, name: str, order: Order) -> tuple[int, Chunk, int] | None:
    head = state.heads.get(name)
    if head is None:
        return None
    number = head.chunks[_index(head, order)][0]
    chunk = _chunk(state, name, number)
    at = bisect_left(chunk.orders, order)
    return (number, chunk, at) if chunk.orders[at : at + 1] == (order,) else None


def _split(state: FraudState, name: str, head: Head, index: int, full: Chunk) -> None:
    """One chunk becomes two: in half, or behind its end where that is where entries are added."""
    is_last = index == len(head.chunks) - 1
    at = CHUNK_ENTRIES if is_last else (CHUNK_ENTRIES + 1) // 2
    number, behind = head.chunks[index][0], head.next_number
    state.chunks.put(f"{name} {number}", Chunk(full.orders[:at], full.rows[:at]))
    state.chunks.put(f"{name} {behind}", Chunk(full.orders[at:], full.rows[at:]))
    chunks = ((number, full.orders[0]), (behind, full.orders[at]))
    grown = Head(head.kept_ms, behind + 1, (*head.chunks[:index], *chunks, *head.chunks[index + 1 :]))
    state.heads.put(name, grown)
    _drop_old(state, name, grown)


def _drop_old(state: FraudState, name: str, head: Head) -> None:
    """Forget the chunks of which no entry is needed any more; the last one stays."""
    since_ms = state.closed_before_ms - head.kept_ms
    gone = max(0, bisect_left(head.chunks, since_ms, key=_begin_ms) - 1)
    if not gone:
        return
    for number, _ in head.chunks[:gone]:
        state.chunks.delete(f"{name} {number}")
    state.heads.put(name, _with_chunks(head, head.chunks[gone:]))


def _with_chunks(head: Head, chunks: tuple[tuple[int, Order], ...]) -> Head:
    return msgspec.structs.replace(head, chunks=chunks)

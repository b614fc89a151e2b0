"""Histories as rows: an entry each, by key and order; what rules say of entries beside them. Pure.

The fold puts entries and fires here without asking a rule, and reads nothing but the head of a history for it. What is
too old goes as a history grows, and of keys that nobody uses any more once a day, some at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Final

from agents.fraud.entries import Order
from agents.fraud.state import DAY_MS, FraudState, Head, StoredFire, decode_stored_fire, encode_stored_fire
from schemas.facts import FactValue
from schemas.fraud_facts import decode_fact

#: Most entries that are forgotten at a time.
FORGOTTEN_AT_ONCE: Final = 500
#: Of event time, between two looks at a long history that nobody uses any more.
_PAUSE_MS: Final = 1_000
#: A history is looked at for what is too old each time that it has grown by one in so many of the time it is kept.
_SHARES: Final = 8
#: Event times are above it when it is added to them, and of one length.
_ERA_MS: Final = 1 << 46

#: A history that a fact belongs to: its name, the fact's leg there, and how far back it has to reach, in ms.
HistoryOf = tuple[str, int, int]


def order_text(order: Order) -> str:
    """An order in the tables: texts stand in the order of what they say."""
    # Half of what an f-string takes.
    return "%012x%04x%012x%d" % (order[0] + _ERA_MS, order[1], order[2], order[3])  # noqa: UP031


@lru_cache(maxsize=256)
def _since_text(t_ms: int) -> str:
    return f"{t_ms + _ERA_MS:012x}"


def order_of_text(text: str) -> Order:
    """The inverse of `order_text`."""
    return int(text[:12], 16) - _ERA_MS, int(text[12:16], 16), int(text[16:28], 16), int(text[28:])


def insert(state: FraudState, names: Iterable[HistoryOf], order: Order, row: bytes) -> None:
    """Put an encoded fact into histories: its order in each is this one, but for the leg."""
    head_of, put, t_ms = state.heads.get, state.entries.put, order[0]
    text = order_text(order)
    for name, leg, kept_ms in names:
        head = head_of(name)
        if head is None or t_ms >= head.changes_at_ms or kept_ms != head.kept_ms:
            _grow(state, name, head, t_ms, kept_ms)
        put(name, f"{text[:-1]}{leg}" if leg else text, row)


def _grow(state: FraudState, name: str, head: Head | None, t_ms: int, kept_ms: int) -> None:
    if head is None:
        state.heads.put(name, _head(kept_ms, t_ms // DAY_MS, t_ms + kept_ms + kept_ms // _SHARES, False))
        state.expiry.put(_due(t_ms + kept_ms), name, b"")
        return
    trim_at_ms = head.trim_at_ms
    if t_ms >= trim_at_ms and _forget(state, name, state.closed_before_ms - kept_ms) is None:
        trim_at_ms = t_ms + kept_ms // _SHARES
    state.heads.put(name, _head(kept_ms, max(head.last_day, t_ms // DAY_MS), trim_at_ms, head.has_fires))


def _head(kept_ms: int, last_day: int, trim_at_ms: int, has_fires: bool) -> Head:
    return Head(kept_ms, min(trim_at_ms, (last_day + 1) * DAY_MS), last_day, trim_at_ms, has_fires)


def _forget(state: FraudState, name: str, before_ms: int, since: str = "") -> str | None:
    """Forget entries before a time, at most so many at once; from where on there may be more, None once none is left.

    Args:
        since: where one before has got to: what it has forgotten is not looked at again.
    """
    reached = None
    for table in (state.entries, state.fires):
        gone = [key for key, _ in islice(table.scan(name, since, _since_text(before_ms)), FORGOTTEN_AT_ONCE)]
        for key in gone:
            table.put(name, key, None)
        if len(gone) == FORGOTTEN_AT_ONCE:
            reached = gone[-1] if reached is None else min(reached, gone[-1])
    return reached


def set_fire(state: FraudState, name: str, order: Order, rule: str, fire: StoredFire | None) -> None:
    """Note what a rule says of an entry (None: nothing any more); nothing happens where the history is forgotten."""
    head = state.heads.get(name)
    if head is None:
        return
    if not head.has_fires:
        state.heads.put(name, _head(head.kept_ms, head.last_day, head.trim_at_ms, True))
    state.fires.put(name, f"{order_text(order)} {rule}", None if fire is None else encode_stored_fire(fire))


def fire_of(state: FraudState, name: str, order: Order, rule: str) -> StoredFire | None:
    """What a rule says of an entry; None where it says nothing or the entry is forgotten."""
    found = state.fires.get(name, f"{order_text(order)} {rule}")
    return None if found is None else decode_stored_fire(found)


def read(
    state: FraudState, name: str, since_ms: int
) -> Iterator[tuple[Order, dict[str, FactValue], dict[str, StoredFire]]]:
    """Entries of a history in order, from `since_ms` on: order, fact, and what rules say of it by `rule_text`."""
    head = state.heads.get(name)
    if head is None:
        return
    since = _since_text(since_ms)
    fires: dict[str, dict[str, StoredFire]] = {}
    for key, value in state.fires.scan(name, since) if head.has_fires else ():
        order, _, rule = key.partition(" ")
        fires.setdefault(order, {})[rule] = decode_stored_fire(value)
    for order, row in state.entries.scan(name, since):
        yield order_of_text(order), decode_fact(row), fires.get(order, {})


def sweep(state: FraudState, day: int, most: int) -> bool:
    """Look at histories that are due between the day that was swept last and `day`, at most so many.

    Returns True once none is left.
    """
    swept = state.clock.get("swept") or day - 1
    for due in range(swept + 1, day + 1):
        group = _day_text(due)
        names = list(islice(state.expiry.scan(group), most))
        for name, since in names:
            reached = _expire(state, name, day, since.decode())
            if reached is not None:
                # A long one. Not all of it within one batch.
                state.expiry.put(group, name, reached.encode())
                state.clock.put("sweep_from", state.closed_before_ms + _PAUSE_MS)
                return False
            state.expiry.put(group, name, None)
        most -= len(names)
        if most <= 0:
            return False
    return True


def _expire(state: FraudState, name: str, day: int, since: str) -> str | None:
    """Forget a history that nobody uses any more; see `_forget`."""
    head = state.heads.get(name)
    if head is None:
        return None
    # Its last entry came before the end of that day.
    until_ms = (head.last_day + 1) * DAY_MS - 1 + head.kept_ms
    if until_ms // DAY_MS >= day:
        _forget(state, name, state.closed_before_ms - head.kept_ms)
        state.expiry.put(_due(until_ms), name, b"")
        return None
    reached = _forget(state, name, (head.last_day + 1) * DAY_MS, since)
    if reached is None:
        state.heads.delete(name)
        if state.models.get(name) is not None:
            state.models.delete(name)
    return reached


def _due(until_ms: int) -> str:
    return _day_text(until_ms // DAY_MS + 1)


@lru_cache(maxsize=1_024)
def _day_text(day: int) -> str:
    return f"{day:08d}"

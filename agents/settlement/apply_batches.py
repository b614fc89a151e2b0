"""What an event of a batch does to the state: its members, its instructions, its position. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from agents.settlement.state import (
    DAY_MS,
    BatchRow,
    InstructionRow,
    PayoutRow,
    PositionRow,
    RailRow,
    SettlementState,
    due_key,
    leave_queue,
    member_key,
    queue_name,
)
from schemas import settlement_events as ev
from schemas.clock import unix_ms
from schemas.settlement_batches import InstructionResult
from schemas.settlement_events import SettlementEvent
from schemas.settlement_internal import Payout, encode_settlement_internal

_changed: Final = msgspec.structs.replace
#: Reasons for which a payout leaves its batch and comes back once the ledger answers.
COMES_BACK: Final = frozenset({"refused", "late"})


def _opened(state: SettlementState, event: SettlementEvent) -> None:
    batch_id, due_ms = batch_id_of(event), event.due_ms
    assert event.rail is not None
    assert event.asset is not None
    assert event.direction is not None
    assert due_ms is not None
    fee_minor = event.fee_minor or 0
    batch = BatchRow(
        event.rail,
        event.asset,
        event.direction,
        "open",
        event.recorded_at,
        netted=event.netted,
        closes_ms=due_ms,
    )
    state.batches.put(batch_id, batch)
    set_aside(state, batch_id, fee_minor)
    name = queue_name(event.rail, event.asset, event.direction)
    state.open.put(name, batch_id)
    queue = state.queue(name)
    state.queues.put(name, _changed(queue, next_batch=queue.next_batch + 1))
    state.due.put(due_key(due_ms, "close", batch_id), 1)


def _batched(state: SettlementState, event: SettlementEvent) -> None:
    payout, batch_id, number = event.payout, batch_id_of(event), event.number
    assert payout is not None
    assert number is not None
    before = state.payouts.get(payout.transaction_id)
    if before is not None and before.place == "queued":
        leave_queue(state, before)
    fee_minor, day = event.fee_minor or 0, unix_ms(event.recorded_at) // DAY_MS
    row = PayoutRow(payout, "batched", number, batch_id, fee_minor, event.is_submitted, event.is_released, day)
    state.payouts.put(payout.transaction_id, row)
    state.members.put(member_key(batch_id, number), payout.transaction_id)
    batch = state.batch(batch_id)
    state.batches.put(
        batch_id,
        _changed(
            batch,
            numbers=number + 1,
            transactions=batch.transactions + 1,
            amount_minor=batch.amount_minor + payout.amount_minor,
            size_bytes=batch.size_bytes + size_bytes(payout),
            submitted=batch.submitted + event.is_submitted,
        ),
    )
    set_aside(state, batch_id, payout.amount_minor + fee_minor)
    if batch.direction == "out":
        _count_of_day(state, batch, day, payout.amount_minor)


def size_bytes(payout: Payout) -> int:
    """What a payout adds to the records of its batch, at most about."""
    return len(encode_settlement_internal(payout))


def _closed(state: SettlementState, event: SettlementEvent) -> None:
    batch_id = batch_id_of(event)
    batch = state.batch(batch_id)
    state.batches.put(batch_id, _changed(batch, state="closed", closed_at=event.recorded_at))
    state.open.delete(queue_name(batch.rail, batch.asset, batch.direction))
    assert event.due_ms is not None
    state.due.put(due_key(event.due_ms, "answers", batch_id), 1)


def _confirmed(state: SettlementState, event: SettlementEvent) -> None:
    batch_id, row = batch_id_of(event), _row(state, event)
    state.payouts.put(row.payout.transaction_id, _changed(row, is_submitted=True))
    batch = state.batch(batch_id)
    state.batches.put(batch_id, _changed(batch, submitted=batch.submitted + 1))


def _left(state: SettlementState, event: SettlementEvent) -> None:
    batch_id, row = batch_id_of(event), _row(state, event)
    payout = row.payout
    if event.reason in COMES_BACK:
        state.payouts.put(payout.transaction_id, _changed(row, place="asked"))
    else:
        state.payouts.delete(payout.transaction_id)
    state.members.delete(member_key(batch_id, row.number))
    batch = state.batch(batch_id)
    state.batches.put(
        batch_id,
        _changed(
            batch,
            transactions=batch.transactions - 1,
            amount_minor=batch.amount_minor - payout.amount_minor,
            size_bytes=batch.size_bytes - size_bytes(payout),
            submitted=batch.submitted - row.is_submitted,
        ),
    )
    set_aside(state, batch_id, -payout.amount_minor - row.fee_minor)
    if batch.direction == "out" and row.day == unix_ms(event.recorded_at) // DAY_MS:
        _count_of_day(state, batch, row.day, -payout.amount_minor)


def _ready(state: SettlementState, event: SettlementEvent) -> None:
    batch_id = batch_id_of(event)
    for one in event.instructions:
        result = InstructionResult(one.end_to_end_id, "pending", one.amount_minor)
        state.instructions.put(one.end_to_end_id, InstructionRow(one, result))
    batch = _changed(
        state.batch(batch_id),
        state="ready",
        ready_at=event.recorded_at,
        execution_date=event.execution_date or "",
        instructions=len(event.instructions),
        pending=len(event.instructions),
    )
    state.batches.put(batch_id, batch)
    _attempt_at(state, batch_id, event.due_ms)


def _empty(state: SettlementState, event: SettlementEvent) -> None:
    batch_id = batch_id_of(event)
    batch = state.batch(batch_id)
    if batch.state == "open":
        state.open.delete(queue_name(batch.rail, batch.asset, batch.direction))
    set_aside(state, batch_id, -batch.committed_minor)
    message = "all its transactions had left it before it went out"
    batch = _changed(state.batch(batch_id), state="empty", finished_at=event.recorded_at, message=message)
    state.batches.put(batch_id, batch)
    forget_at(state, event)


def _attempt_due(state: SettlementState, event: SettlementEvent) -> None:
    batch_id, attempt = batch_id_of(event), event.attempt
    assert attempt is not None
    batch = state.batch(batch_id)
    batch = _changed(
        batch,
        attempt=attempt,
        is_in_attempt=True,
        attempt_due_ms=0,
        may_have_been_sent=batch.may_have_been_sent or event.may_have_been_sent,
    )
    state.batches.put(batch_id, batch)
    seen = state.rails_seen.get(batch.rail)
    if seen is not None and seen.open_until_ms:
        state.rails_seen.put(batch.rail, _changed(seen, probe=batch_id))


def _attempt_failed(state: SettlementState, event: SettlementEvent) -> None:
    batch_id = batch_id_of(event)
    batch = state.batch(batch_id)
    batch = _changed(
        batch,
        is_in_attempt=False,
        may_have_been_sent=batch.may_have_been_sent or event.may_have_been_sent,
        message=event.message or "",
    )
    state.batches.put(batch_id, batch)
    _attempt_at(state, batch_id, event.due_ms)
    seen = state.rails_seen.get(batch.rail) or RailRow()
    until_ms = seen.open_until_ms if event.breaker_until_ms is None else event.breaker_until_ms
    probe = "" if seen.probe == batch_id else seen.probe
    state.rails_seen.put(batch.rail, RailRow(seen.failures + 1, until_ms, probe))


def _attempt_put_off(state: SettlementState, event: SettlementEvent) -> None:
    _attempt_at(state, batch_id_of(event), event.due_ms)


def _attempt_at(state: SettlementState, batch_id: str, due_ms: int | None) -> None:
    if due_ms is not None:
        state.batches.put(batch_id, _changed(state.batch(batch_id), attempt_due_ms=due_ms))
        state.due.put(due_key(due_ms, "attempt", batch_id), 1)


def forget_at(state: SettlementState, event: SettlementEvent) -> None:
    """A batch that is over is forgotten at `due_ms`."""
    if event.due_ms is not None:
        state.due.put(due_key(event.due_ms, "forget", batch_id_of(event)), 1)


def set_aside(state: SettlementState, batch_id: str, minor: int) -> None:
    """Set aside more of the position for a batch, or less; of one that brings money in, expect it."""
    batch = state.batch(batch_id)
    state.batches.put(batch_id, _changed(batch, committed_minor=batch.committed_minor + minor))
    position = state.position(batch.rail, batch.asset)
    if batch.direction == "out":
        position = _changed(position, committed_minor=position.committed_minor + minor)
    else:
        position = _changed(position, incoming_minor=position.incoming_minor + minor)
    state.positions.put(f"{batch.rail} {batch.asset}", position)


def _count_of_day(state: SettlementState, batch: BatchRow, day: int, minor: int) -> None:
    """Count what goes into batches by the UTC day; what leaves them on a later day is not given back."""
    position: PositionRow = state.position(batch.rail, batch.asset)
    so_far_minor = position.day_minor if day == position.day else 0
    counted_minor = max(0, so_far_minor + minor)
    state.positions.put(f"{batch.rail} {batch.asset}", _changed(position, day=day, day_minor=counted_minor))


def batch_id_of(event: SettlementEvent) -> str:
    """Of an event of a batch."""
    assert event.batch_id is not None
    return event.batch_id


def _row(state: SettlementState, event: SettlementEvent) -> PayoutRow:
    row = state.payouts.get(event.transaction_id or "")
    assert row is not None, f"payout {event.transaction_id} is missing"
    return row


EFFECTS: Final[dict[str, Callable[[SettlementState, SettlementEvent], None]]] = {
    ev.BATCH_OPENED: _opened,
    ev.PAYOUT_BATCHED: _batched,
    ev.BATCH_CLOSED: _closed,
    ev.PAYOUT_CONFIRMED: _confirmed,
    ev.PAYOUT_LEFT: _left,
    ev.BATCH_READY: _ready,
    ev.BATCH_EMPTY: _empty,
    ev.ATTEMPT_DUE: _attempt_due,
    ev.ATTEMPT_FAILED: _attempt_failed,
    ev.ATTEMPT_PUT_OFF: _attempt_put_off,
}

"""What an answer does to the state: instructions, the sums of their batch, the position; and how a batch ends. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from agents.settlement.apply_batches import batch_id_of, forget_at, set_aside
from agents.settlement.state import InstructionRow, RailRow, SettlementState, member_key
from schemas import settlement_events as ev
from schemas.clock import unix_ms
from schemas.settlement_batches import InstructionResult
from schemas.settlement_events import SettlementEvent

_changed: Final = msgspec.structs.replace


def _answered(state: SettlementState, event: SettlementEvent) -> None:
    batch_id = batch_id_of(event)
    references = dict(event.other_references)
    batch = state.batch(batch_id)
    pending, settled, fee, failed, returned = batch.pending, 0, 0, 0, 0
    for result in event.results:
        row = state.instructions.get(result.end_to_end_id)
        assert row is not None
        before, added = row.result, references.pop(result.end_to_end_id, None)
        others = row.other_references if added is None else (*row.other_references, added)
        state.instructions.put(result.end_to_end_id, InstructionRow(row.instruction, result, others))
        pending += is_open(result) - is_open(before)
        settled += result.settled_minor - before.settled_minor
        fee += result.fee_minor - before.fee_minor
        failed += failed_minor(result) - failed_minor(before)
        returned += result.returned_minor - before.returned_minor
    set_aside(state, batch_id, -event.released_minor)
    assert event.state is not None
    batch = _changed(
        state.batch(batch_id),
        state=event.state,
        is_in_attempt=False,
        attempt_due_ms=0,
        pending=pending,
        settled_minor=batch.settled_minor + settled,
        fee_minor=batch.fee_minor + fee,
        failed_minor=batch.failed_minor + failed,
        returned_minor=batch.returned_minor + returned,
        contradictions=batch.contradictions + event.contradictions,
        message=event.message or "",
        submitted_at=batch.submitted_at or event.recorded_at,
        finished_at=batch.finished_at or ("" if pending else event.recorded_at),
    )
    state.batches.put(batch_id, batch)
    position = state.position(batch.rail, batch.asset)
    funded_minor = position.funded_minor + event.moved_minor
    state.positions.put(f"{batch.rail} {batch.asset}", _changed(position, funded_minor=funded_minor))
    state.rails_seen.put(batch.rail, RailRow())
    _taken(state, event)
    forget_at(state, event)


def is_open(result: InstructionResult) -> bool:
    """Whether the rail still has something to say of it."""
    return result.state in ("pending", "accepted")


def failed_minor(result: InstructionResult) -> int:
    """What of an instruction the rail has not moved and will not."""
    return 0 if is_open(result) else max(0, result.amount_minor - result.settled_minor)


def _taken(state: SettlementState, event: SettlementEvent) -> None:
    if event.answer_id is not None:
        state.taken.put(f"answer {event.rail} {event.answer_id}", 1, unix_ms(event.recorded_at))


def _abandoned(state: SettlementState, event: SettlementEvent) -> None:
    batch_id = batch_id_of(event)
    batch = state.batch(batch_id)
    for row in state.instructions_of(batch_id):
        result = _changed(row.result, state="rejected", code="abandoned")
        state.instructions.put(result.end_to_end_id, _changed(row, result=result))
    set_aside(state, batch_id, -batch.committed_minor)
    batch = _changed(
        state.batch(batch_id),
        state="failed",
        pending=0,
        attempt_due_ms=0,
        failed_minor=batch.amount_minor,
        message=f"given up by {event.by}: {event.reason}",
        finished_at=event.recorded_at,
    )
    state.batches.put(batch_id, batch)
    forget_at(state, event)


def _forgotten(state: SettlementState, event: SettlementEvent) -> None:
    batch_id = batch_id_of(event)
    for transaction_id, row in state.members_of(batch_id):
        state.members.delete(member_key(batch_id, row.number))
        state.payouts.delete(transaction_id)
    for one in state.instructions_of(batch_id):
        state.instructions.delete(one.instruction.end_to_end_id)
    state.batches.delete(batch_id)


EFFECTS: Final[dict[str, Callable[[SettlementState, SettlementEvent], None]]] = {
    ev.ANSWER_TAKEN: _answered,
    ev.ANSWER_UNKNOWN: _taken,
    ev.ANSWER_REPEATED: _taken,
    ev.BATCH_ABANDONED: _abandoned,
    ev.BATCH_FORGOTTEN: _forgotten,
}

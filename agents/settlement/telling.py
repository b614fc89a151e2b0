"""`settlement-batches`: batches and positions as they are after a batch of records. Pure."""

from __future__ import annotations

from typing import Final

from agents.settlement.state import DAY_MS, BatchRow, SettlementState
from agents.settlement.terms import reserve_minor
from agents.settlement.turn import Turn
from schemas.clock import rfc3339
from schemas.rail_batches import RailBatch
from schemas.settlement_batches import BatchRecord, PositionRecord, encode_settlement_record
from schemas.topics import SETTLEMENT_BATCHES
from streams.machine import Context, Output

#: Instructions of a batch whose results are told with each change, not only once it is over: of a rail that answers
#: them one by one the topic would grow with their square.
_MOST_RESULTS: Final = 100


def tell_changes(turn: Turn, context: Context, out: Output) -> None:
    """Every batch and position that has changed, as it is now."""
    state = turn.state
    for batch_id, batch in state.batches.changes.items():
        if batch is not None:
            record = batch_record(state, batch_id, batch, context.recorded_at)
            out.send(SETTLEMENT_BATCHES, context.partition, batch.rail.encode(), encode_settlement_record(record))
    queues = [name.rpartition(" ")[0] for name in state.queues.changed_keys if name.endswith(" out")]
    for name in dict.fromkeys([*state.positions.changed_keys, *queues]):
        told = position_record(turn, name, context.recorded_at)
        out.send(SETTLEMENT_BATCHES, context.partition, told.rail.encode(), encode_settlement_record(told))


def batch_record(state: SettlementState, batch_id: str, batch: BatchRow, recorded_at: str) -> BatchRecord:
    """A batch, with what the rail is to be given while an attempt is under way, and what it has said."""
    is_sent_now = batch.state == "ready" and batch.is_in_attempt
    has_results = batch.state != "ready" and bool(batch.finished_at or batch.instructions <= _MOST_RESULTS)
    rows = state.instructions_of(batch_id) if is_sent_now or has_results else []
    to_send = None
    if is_sent_now:
        to_send = RailBatch(
            batch_id=batch_id,
            rail=batch.rail,
            asset=batch.asset,
            direction=batch.direction,
            instructions=tuple(row.instruction for row in rows),
            execution_date=batch.execution_date,
            ready_at=batch.ready_at,
            attempt=batch.attempt,
        )
    return BatchRecord(
        batch_id=batch_id,
        rail=batch.rail,
        asset=batch.asset,
        direction=batch.direction,
        state=batch.state,
        is_final=bool(batch.finished_at),
        netted=batch.netted,
        attempt=batch.attempt,
        next_attempt_at=rfc3339(batch.attempt_due_ms) if batch.attempt_due_ms else None,
        closes_at=rfc3339(batch.closes_ms) if batch.state == "open" else None,
        execution_date=batch.execution_date or None,
        transactions=batch.transactions,
        amount_minor=batch.amount_minor,
        settled_minor=batch.settled_minor,
        fee_minor=batch.fee_minor,
        failed_minor=batch.failed_minor,
        returned_minor=batch.returned_minor,
        contradictions=batch.contradictions,
        to_send=to_send,
        results=tuple(row.result for row in rows) if has_results else (),
        message=batch.message or None,
        opened_at=batch.opened_at,
        closed_at=batch.closed_at or None,
        submitted_at=batch.submitted_at or None,
        finished_at=batch.finished_at or None,
        recorded_at=recorded_at,
    )


def position_record(turn: Turn, name: str, recorded_at: str) -> PositionRecord:
    """The position with a rail in an asset, and what waits for it."""
    rail_name, _, asset = name.partition(" ")
    position, queue = turn.state.position(rail_name, asset), turn.state.queue(f"{name} out")
    rail = turn.rails.get(rail_name)
    minimum_minor = reserve_minor(rail, asset)
    return PositionRecord(
        rail=rail_name,
        asset=asset,
        prefunded=rail is None or rail.prefunded,
        funded_minor=position.funded_minor,
        committed_minor=position.committed_minor,
        minimum_reserve_minor=minimum_minor,
        free_minor=position.funded_minor - position.committed_minor - minimum_minor,
        incoming_minor=position.incoming_minor,
        waiting=queue.waiting,
        waiting_minor=queue.waiting_minor,
        reason=queue.reason or None,
        day=rfc3339(position.day * DAY_MS)[:10] if position.day else None,
        day_minor=position.day_minor,
        recorded_at=recorded_at,
    )

"""In the rail's partition: what the ledger has made of a transaction that waits or is in a batch. Pure."""

from __future__ import annotations

from agents.settlement.batching import leave, ready_if_answered
from agents.settlement.queueing import advance, held_alert, line_up
from agents.settlement.state import PayoutRow
from agents.settlement.turn import Turn
from schemas import settlement_events as ev
from schemas.settlement_internal import LedgerSaid


def take_ledger_said(turn: Turn, said: LedgerSaid) -> None:
    """Confirm, leave out or forget a payout, as the ledger says; nothing happens to what has gone to the rail."""
    row = turn.state.payouts.get(said.transaction_id)
    if row is None:
        return
    if said.what == "submitted":
        _submitted(turn, row, said)
    elif said.what == "refused":
        if row.place == "batched" and _is_open(turn, row) and not row.is_submitted:
            _leave(turn, row, "refused", said.message)
    else:
        _ended(turn, row, said.what)


def _submitted(turn: Turn, row: PayoutRow, said: LedgerSaid) -> None:
    ours = said.batch_id is not None and said.batch_id == row.batch_id
    if row.place == "batched" and ours:
        if not row.is_submitted and _is_open(turn, row):
            event = turn.event(
                ev.PAYOUT_CONFIRMED,
                rail=row.payout.rail,
                batch_id=row.batch_id,
                transaction_id=row.payout.transaction_id,
            )
            turn.write(event)
            ready_if_answered(turn, row.batch_id)
    elif row.place == "asked" and ours:
        # Its batch has gone without it. The ledger has its answer: it needs no other one to go with the next.
        _drop(turn, row, "it goes with another batch")
        line_up(turn, row.payout, is_submitted=True, is_released=row.is_released)
    elif not row.is_submitted:
        _ended(turn, row, "elsewhere")


def _ended(turn: Turn, row: PayoutRow, what: str) -> None:
    """The transaction has ended, or somebody else hands it over."""
    payout = row.payout
    if row.place == "batched":
        if _is_open(turn, row):
            _leave(turn, row, what, None)
        return
    _drop(turn, row, what)
    if row.place == "held":
        turn.alert(held_alert(payout, "closed", f"the transaction is {what}"))
    elif row.place == "queued":
        advance(turn, payout.rail, payout.asset, payout.direction)


def _leave(turn: Turn, row: PayoutRow, reason: str, message: str | None) -> None:
    leave(turn, row, reason, message)
    ready_if_answered(turn, row.batch_id)
    payout = row.payout
    advance(turn, payout.rail, payout.asset, payout.direction)


def _drop(turn: Turn, row: PayoutRow, reason: str) -> None:
    payout = row.payout
    event = turn.event(ev.PAYOUT_DROPPED, rail=payout.rail, asset=payout.asset, transaction_id=payout.transaction_id)
    event.reason = reason
    turn.write(event)


def _is_open(turn: Turn, row: PayoutRow) -> bool:
    """Whether the batch has not gone yet."""
    batch = turn.state.batches.get(row.batch_id)
    return batch is not None and batch.state in ("open", "closed")

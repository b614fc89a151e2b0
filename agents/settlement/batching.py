"""Batches, from the first payout until they are ready for the rail. Pure.

open -> closed (the ledger is asked to submit each transaction) -> ready (all are answered). What the ledger has not
answered `submitted` does not go out: it leaves the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from agents.settlement.apply_batches import size_bytes
from agents.settlement.attempts import begin_attempt, first_attempt_ms
from agents.settlement.state import BatchRow, PayoutRow, queue_name
from agents.settlement.terms import (
    batch_fee_minor,
    closes_at_ms,
    execution_date,
    payout_fee_minor,
)
from agents.settlement.turn import Turn
from agents.settlement.updates import send_submit
from schemas import settlement_events as ev
from schemas.clock import unix_ms
from schemas.money import INT64_MAX
from schemas.rail_batches import RailInstruction
from schemas.rails import Rail
from schemas.settlement_internal import Payout

#: Most bytes of a batch's payouts: what is told of it has to fit into one record.
MOST_BYTES: Final = 700_000
#: What a beneficiary reads: as much as SEPA transmits.
_REMITTANCE_MAX: Final = 140


def batch_payout(turn: Turn, rail: Rail, row: PayoutRow) -> None:
    """Put a payout that may go into the open batch, or open one; a batch that is full is closed."""
    payout = row.payout
    name = queue_name(payout.rail, payout.asset, payout.direction)
    batch_id = turn.state.open.get(name)
    if batch_id is not None and not _has_room(rail, turn.state.batch(batch_id), payout):
        close_batch(turn, batch_id)
        batch_id = None
    if batch_id is None:
        batch_id = _open(turn, rail, payout)
    batch = turn.state.batch(batch_id)
    event = turn.event(
        ev.PAYOUT_BATCHED,
        rail=payout.rail,
        asset=payout.asset,
        direction=payout.direction,
        batch_id=batch_id,
        transaction_id=payout.transaction_id,
    )
    event.payout, event.number, event.fee_minor = payout, batch.numbers, payout_fee_minor(rail, payout)
    event.is_submitted, event.is_released = row.is_submitted, row.is_released
    turn.write(event)
    batch = turn.state.batch(batch_id)
    if batch.transactions >= rail.batches.max_transactions or batch.size_bytes >= MOST_BYTES:
        close_batch(turn, batch_id)


def opens_batch(turn: Turn, rail: Rail, payout: Payout) -> bool:
    """Whether a payout that goes now has to open a batch: none is open, or it is full for this one."""
    batch_id = turn.state.open.get(queue_name(payout.rail, payout.asset, payout.direction))
    return batch_id is None or not _has_room(rail, turn.state.batch(batch_id), payout)


def _has_room(rail: Rail, batch: BatchRow, payout: Payout) -> bool:
    if batch.size_bytes + size_bytes(payout) > MOST_BYTES:
        return False
    limits = None if payout.direction == "in" else rail.payout_limits.get(payout.asset)
    if limits is None or limits.batch_minor is None:
        return True
    return batch.amount_minor + payout.amount_minor <= limits.batch_minor


def _open(turn: Turn, rail: Rail, first: Payout) -> str:
    queue = turn.state.queue(queue_name(first.rail, first.asset, first.direction))
    # With the first transaction's id it is unique beyond this namespace: a rail may know others.
    named = (first.rail, first.asset, first.direction, str(queue.next_batch), first.transaction_id)
    batch_id = sha256("\0".join(named).encode()).hexdigest()[:24]
    event = turn.event(
        ev.BATCH_OPENED, rail=first.rail, asset=first.asset, direction=first.direction, batch_id=batch_id
    )
    event.due_ms, event.netted = closes_at_ms(rail, turn.now_ms), rail.netting == "beneficiary"
    event.fee_minor = batch_fee_minor(rail, first.asset, first.direction)
    turn.write(event)
    return batch_id


def close_due(turn: Turn, batch_id: str) -> None:
    """The batch is due to close; nothing happens where it is closed."""
    batch = turn.state.batches.get(batch_id)
    if batch is not None and batch.state == "open":
        close_batch(turn, batch_id)


def close_batch(turn: Turn, batch_id: str) -> None:
    """It takes no more; the ledger is asked for all that it has not been asked for before."""
    batch = turn.state.batch(batch_id)
    if not batch.transactions:
        _end_empty(turn, batch_id, batch)
        return
    event = turn.event(ev.BATCH_CLOSED, rail=batch.rail, asset=batch.asset, batch_id=batch_id)
    event.due_ms = turn.now_ms + turn.limits.answers_wait_ms
    turn.write(event)
    for _, row in turn.state.members_of(batch_id):
        if not row.is_submitted:
            send_submit(turn, row.payout, batch_id)
    ready_if_answered(turn, batch_id)


def give_up_waiting(turn: Turn, batch_id: str) -> None:
    """The ledger has had time enough: what it has not answered leaves the batch, and comes back once it does."""
    batch = turn.state.batches.get(batch_id)
    if batch is None or batch.state != "closed":
        return
    for _, row in turn.state.members_of(batch_id):
        if not row.is_submitted:
            leave(turn, row, "late", "the ledger has not answered in time")
    ready_if_answered(turn, batch_id)


def leave(turn: Turn, row: PayoutRow, reason: str, message: str | None) -> None:
    """A payout leaves its batch, which has not gone out."""
    payout = row.payout
    event = turn.event(
        ev.PAYOUT_LEFT,
        rail=payout.rail,
        asset=payout.asset,
        batch_id=row.batch_id,
        transaction_id=payout.transaction_id,
    )
    event.reason, event.message = reason, message
    turn.write(event)


def ready_if_answered(turn: Turn, batch_id: str) -> None:
    """Fix the instructions of a closed batch once the ledger has answered for all of it."""
    batch = turn.state.batch(batch_id)
    if batch.state != "closed" or batch.submitted < batch.transactions:
        return
    if not batch.transactions:
        _end_empty(turn, batch_id, batch)
        return
    payouts = [row.payout for _, row in turn.state.members_of(batch_id)]
    event = turn.event(ev.BATCH_READY, rail=batch.rail, asset=batch.asset, batch_id=batch_id)
    event.instructions = instructions_of(batch_id, payouts, batch.netted)
    event.execution_date = execution_date(turn.rails.get(batch.rail), unix_ms(batch.opened_at), turn.now_ms)
    event.due_ms = first_attempt_ms(turn, batch.rail)
    turn.write(event)
    if event.due_ms <= turn.now_ms:
        begin_attempt(turn, batch_id)


def instructions_of(batch_id: str, payouts: Sequence[Payout], netted: bool) -> tuple[RailInstruction, ...]:
    """One for each payout, or one for each beneficiary, in the order in which they came.

    The end-to-end id begins with the batch's id and has at most 35 characters, as ISO 20022 wants it.
    """
    groups = _by_beneficiary(payouts) if netted else [[payout] for payout in payouts]
    return tuple(
        RailInstruction(
            f"{batch_id}-{number:05d}",
            tuple(payout.transaction_id for payout in group),
            group[0].beneficiary,
            sum(payout.amount_minor for payout in group),
            (group[0].remittance or "")[:_REMITTANCE_MAX] if len(group) == 1 else f"{len(group)} payments",
        )
        for number, group in enumerate(groups)
    )


def _by_beneficiary(payouts: Sequence[Payout]) -> list[list[Payout]]:
    """Those of a beneficiary together; in several groups where they come to more than an amount may."""
    groups: list[list[Payout]] = []
    last: dict[str, tuple[list[Payout], int]] = {}
    for payout in payouts:
        group, so_far_minor = last.get(payout.beneficiary, ([], 0))
        if not group or so_far_minor + payout.amount_minor > INT64_MAX:
            group, so_far_minor = [], 0
            groups.append(group)
        group.append(payout)
        last[payout.beneficiary] = group, so_far_minor + payout.amount_minor
    return groups


def _end_empty(turn: Turn, batch_id: str, batch: BatchRow) -> None:
    event = turn.event(ev.BATCH_EMPTY, rail=batch.rail, asset=batch.asset, batch_id=batch_id)
    event.due_ms = turn.now_ms + turn.limits.retention_ms
    turn.write(event)

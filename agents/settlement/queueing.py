"""In the rail's partition: payouts wait in order and go into batches, as far as funds and limits allow. Pure.

What waits keeps its order: a smaller one does not overtake one that waits for funds. Only what is larger than the
rail's payout limits by itself is held aside, for it would never go.
"""

from __future__ import annotations

from typing import Final, Literal

from agents.settlement.batching import batch_payout, opens_batch
from agents.settlement.state import DAY_MS, PayoutRow, due_key, queue_name
from agents.settlement.terms import (
    batch_fee_minor,
    exceeded_limit_minor,
    is_settled_here,
    next_day_ms,
    payout_fee_minor,
    reserve_minor,
)
from agents.settlement.turn import Turn
from schemas import settlement_events as ev
from schemas.rail_batches import Direction
from schemas.rails import Rail
from schemas.settlement_batches import AlertRecord
from schemas.settlement_internal import Payout

#: Payouts that one record puts into batches; another one follows for the rest.
PORTION: Final = 2_000

#: Why the first of a queue waits: nobody settles the rail; too little lies with it; the day's limit; the rest follows.
Reason = Literal["no_adapter", "liquidity", "day_limit", "more"]


def take_payout(turn: Turn, payout: Payout) -> None:
    """A payout arrives; one that is known does nothing."""
    if turn.state.payouts.get(payout.transaction_id) is None:
        line_up(turn, payout)


def line_up(turn: Turn, payout: Payout, *, is_submitted: bool = False, is_released: bool = False) -> None:
    """Put a payout into a batch, or where something waits before it, or it cannot go, into the queue."""
    rail = turn.rails.get(payout.rail)
    limit_minor = None if is_released else exceeded_limit_minor(rail, payout)
    if limit_minor is not None:
        _hold(turn, payout, limit_minor, is_submitted)
        return
    name = queue_name(payout.rail, payout.asset, payout.direction)
    queue = turn.state.queue(name)
    if not queue.waiting and why_not(turn, rail, payout, is_released) is None:
        assert rail is not None
        batch_payout(turn, rail, PayoutRow(payout, "queued", 0, "", 0, is_submitted, is_released))
        return
    event = turn.event(
        ev.PAYOUT_QUEUED,
        rail=payout.rail,
        asset=payout.asset,
        direction=payout.direction,
        transaction_id=payout.transaction_id,
    )
    event.payout, event.number = payout, queue.next_number
    event.is_submitted, event.is_released = is_submitted, is_released
    turn.write(event)
    if not queue.waiting:
        advance(turn, payout.rail, payout.asset, payout.direction)


def advance(turn: Turn, rail_name: str, asset: str, direction: Direction) -> None:
    """Let what waits go into batches, the first ones first, as far as it can."""
    state, name, rail = turn.state, queue_name(rail_name, asset, direction), turn.rails.get(rail_name)
    for number in range(PORTION + 1):
        first = next(state.queued.scan(f"{name} ", f"{name}!"), None)
        if first is None:
            _goes(turn, rail_name, asset, direction)
            return
        row = state.payouts.get(first[1])
        assert row is not None
        limit_minor = None if row.is_released else exceeded_limit_minor(rail, row.payout)
        if limit_minor is not None:
            _hold(turn, row.payout, limit_minor, row.is_submitted)
            continue
        reason = why_not(turn, rail, row.payout, row.is_released) if number < PORTION else "more"
        if reason is not None:
            _waits(turn, row.payout, rail, reason)
            return
        _goes(turn, rail_name, asset, direction)
        assert rail is not None
        batch_payout(turn, rail, row)


def advance_all(turn: Turn) -> None:
    """Terms of rails have changed: look at all that waits."""
    for name in [name for name, queue in turn.state.queues.scan() if queue.waiting]:
        look_at_queue(turn, name)


def look_at_queue(turn: Turn, name: str) -> None:
    """It is time to look at a queue again."""
    rail, asset, direction = name.split(" ")
    advance(turn, rail, asset, "out" if direction == "out" else "in")


def why_not(turn: Turn, rail: Rail | None, payout: Payout, is_released: bool) -> Reason | None:
    """Why a payout cannot go into a batch now; None where it can."""
    if rail is None or not is_settled_here(rail):
        return "no_adapter"
    if payout.direction == "in":
        return None
    limits = rail.payout_limits.get(payout.asset)
    position = turn.state.position(payout.rail, payout.asset)
    if limits is not None and limits.day_minor is not None and not is_released:
        so_far_minor = position.day_minor if position.day == turn.now_ms // DAY_MS else 0
        if so_far_minor + payout.amount_minor > limits.day_minor:
            return "day_limit"
    if rail.prefunded and missing_minor(turn, rail, payout) > 0:
        return "liquidity"
    return None


def missing_minor(turn: Turn, rail: Rail, payout: Payout) -> int:
    """What is missing for a payout, with the fees expected: 0 or less where it can go."""
    position = turn.state.position(payout.rail, payout.asset)
    free_minor = position.funded_minor - position.committed_minor - reserve_minor(rail, payout.asset)
    fees_minor = payout_fee_minor(rail, payout)
    if opens_batch(turn, rail, payout):
        fees_minor += batch_fee_minor(rail, payout.asset, payout.direction)
    return payout.amount_minor + fees_minor - free_minor


def _hold(turn: Turn, payout: Payout, limit_minor: int, is_submitted: bool) -> None:
    event = turn.event(ev.PAYOUT_HELD, rail=payout.rail, asset=payout.asset, transaction_id=payout.transaction_id)
    event.payout, event.reason, event.is_submitted = payout, "payout_limit", is_submitted
    turn.write(event)
    message = (
        f"a payout of {payout.amount_minor} is above the limit of {limit_minor}: let it go with `walletstream "
        f"settlement release {payout.rail} {payout.transaction_id}`, or cancel it"
    )
    turn.alert(held_alert(payout, "open", message))


def held_alert(payout: Payout, state: Literal["open", "closed"], message: str) -> AlertRecord:
    """An alert on a payout that is larger than the limit."""
    return AlertRecord(
        alert_id=f"payout_limit {payout.transaction_id}",
        rail=payout.rail,
        asset=payout.asset,
        code="payout_limit",
        state=state,
        amount_minor=payout.amount_minor,
        transaction_id=payout.transaction_id,
        wallet_id=payout.wallet_id,
        message=message,
        recorded_at="",
    )


def _waits(turn: Turn, first: Payout, rail: Rail | None, reason: Reason) -> None:
    """Say why, unless that is known; a day's limit and a rest have a time at which it is looked at again."""
    name = queue_name(first.rail, first.asset, first.direction)
    before, missing_before_minor = turn.state.queue(name).reason, turn.state.queue(name).missing_minor
    missing = missing_minor(turn, rail, first) if reason == "liquidity" and rail is not None else 0
    if reason == "day_limit":
        missing = first.amount_minor
    due_ms = {"day_limit": next_day_ms(turn.now_ms), "more": turn.now_ms}.get(reason)
    # What is due then is still to be looked at, unless the tick that is decided now was for it.
    is_looked_at = due_ms is None or turn.state.due.get(due_key(due_ms, "queue", name)) is not None
    if reason == before and is_looked_at and missing == missing_before_minor:
        return
    if before and before != reason:
        _goes(turn, first.rail, first.asset, first.direction)
    event = turn.event(ev.QUEUE_WAITS, rail=first.rail, asset=first.asset, direction=first.direction)
    event.reason, event.due_ms, event.transaction_id = reason, due_ms, first.transaction_id
    event.amount_minor = missing or None
    turn.write(event)
    if reason == "liquidity":
        message = (
            f"{missing} minor units of {first.asset} are missing with rail {first.rail} for the next payout: put money "
            f"there, and say so with `walletstream settlement fund {first.rail} {first.asset} AMOUNT`"
        )
        turn.alert(_queue_alert(first.rail, first.asset, "liquidity", "open", message, missing))
    elif reason == "day_limit":
        message = (
            f"the payout limit of the day is reached for {first.asset} over rail {first.rail}; it goes on tomorrow"
        )
        turn.alert(_queue_alert(first.rail, first.asset, "day_limit", "open", message, first.amount_minor))


def _goes(turn: Turn, rail: str, asset: str, direction: Direction) -> None:
    """What kept a queue is over, if anything did."""
    reason = turn.state.queue(queue_name(rail, asset, direction)).reason
    if not reason:
        return
    event = turn.event(ev.QUEUE_GOES, rail=rail, asset=asset, direction=direction)
    event.reason = reason
    turn.write(event)
    if reason in ("liquidity", "day_limit"):
        code: Literal["liquidity", "day_limit"] = "liquidity" if reason == "liquidity" else "day_limit"
        turn.alert(_queue_alert(rail, asset, code, "closed", "it goes on", None))


def _queue_alert(
    rail: str,
    asset: str,
    code: Literal["liquidity", "day_limit"],
    state: Literal["open", "closed"],
    message: str,
    amount_minor: int | None,
) -> AlertRecord:
    return AlertRecord(
        alert_id=f"{code} {rail} {asset}",
        rail=rail,
        asset=asset,
        code=code,
        state=state,
        amount_minor=amount_minor,
        message=message,
        recorded_at="",
    )

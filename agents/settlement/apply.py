"""What an event does to the state of the settlement role. The only code that changes it; it asks no rail. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from agents.settlement import apply_answers, apply_batches
from agents.settlement.state import (
    Followed,
    MerchantAccount,
    PayoutRow,
    SettlementState,
    due_key,
    leave_queue,
    queue_name,
    queued_key,
)
from schemas import settlement_events as ev
from schemas.clock import unix_ms
from schemas.settlement_events import SettlementEvent
from schemas.settlement_internal import Payout

_changed: Final = msgspec.structs.replace
#: Days of which a merchant's inflow is remembered: no reserve lasts longer.
KEPT_DAYS: Final = 541


def apply(state: SettlementState, event: SettlementEvent) -> None:
    """Change the state as an event says."""
    effect = _EFFECTS.get(event.type)
    if effect is not None:
        effect(state, event)
    if event.command_id is not None and event.type != ev.COMMAND_REFUSED:
        state.taken.put(f"command {event.command_id}", 1, unix_ms(event.recorded_at))


# ---- in the wallet's partition --------------------------------------------------------------------


def _followed(state: SettlementState, event: SettlementEvent) -> None:
    assert event.transaction_id is not None
    assert event.rail is not None
    assert event.wallet_id is not None
    # A scheduled one says whom it is for when it is asked for, long before its payout is there.
    payout = event.payout
    followed = Followed(
        event.rail,
        event.wallet_id,
        beneficiary="" if payout is not None else event.message or "",
        is_scheduled=payout is None,
    )
    state.followed.put(event.transaction_id, followed)


def _kept_back(state: SettlementState, event: SettlementEvent) -> None:
    payout, account, number = _payout(event), event.account or "", event.number
    assert number is not None
    row = state.accounts.get(f"{account} {payout.asset}") or MerchantAccount()
    kept = queued_key(f"{account} {payout.asset}", number)
    state.kept.put(kept, payout)
    state.accounts.put(
        f"{account} {payout.asset}",
        _changed(row, kept_minor=row.kept_minor + payout.amount_minor, next_number=number + 1),
    )
    state.followed.put(payout.transaction_id, Followed(payout.rail, payout.wallet_id, kept))


def _merchant_waits(state: SettlementState, event: SettlementEvent) -> None:
    assert event.due_ms is not None
    state.due.put(due_key(event.due_ms, "merchant", f"{event.account} {event.asset}"), 1)


def _sent_on(state: SettlementState, event: SettlementEvent) -> None:
    payout = _payout(event)
    _no_longer_kept(state, payout.transaction_id)
    state.followed.put(payout.transaction_id, Followed(payout.rail, payout.wallet_id))


def _ended(state: SettlementState, event: SettlementEvent) -> None:
    assert event.transaction_id is not None
    _no_longer_kept(state, event.transaction_id)
    state.followed.delete(event.transaction_id)


def _no_longer_kept(state: SettlementState, transaction_id: str) -> None:
    followed = state.followed.get(transaction_id)
    if followed is None or not followed.kept_in:
        return
    payout, name = state.kept.get(followed.kept_in), followed.kept_in.rpartition(" ")[0]
    account = state.accounts.get(name)
    assert payout is not None
    assert account is not None
    state.kept.delete(followed.kept_in)
    state.accounts.put(name, _changed(account, kept_minor=account.kept_minor - payout.amount_minor))


def _merchant_opened(state: SettlementState, event: SettlementEvent) -> None:
    assert event.wallet_id is not None
    state.merchants.put(event.account or event.wallet_id, 1)


def _merchant_received(state: SettlementState, event: SettlementEvent) -> None:
    name, day = f"{event.account} {event.asset}", event.day
    assert day is not None
    row = state.accounts.get(name) or MerchantAccount()
    days = row.days
    if event.received_minor:
        received = dict(days)
        received[day] = received.get(day, 0) + event.received_minor
        days = tuple(sorted((at, minor) for at, minor in received.items() if at > day - KEPT_DAYS))
    available_minor = row.available_minor if event.available_minor is None else event.available_minor
    state.accounts.put(name, _changed(row, days=days, available_minor=available_minor))


# ---- in the rail's partition ----------------------------------------------------------------------


def _queued(state: SettlementState, event: SettlementEvent) -> None:
    payout, number = _payout(event), event.number
    assert number is not None
    name = queue_name(payout.rail, payout.asset, payout.direction)
    row = PayoutRow(payout, "queued", number, is_submitted=event.is_submitted, is_released=event.is_released)
    state.payouts.put(payout.transaction_id, row)
    state.queued.put(queued_key(name, number), payout.transaction_id)
    queue = state.queue(name)
    state.queues.put(
        name,
        _changed(
            queue,
            next_number=number + 1,
            waiting=queue.waiting + 1,
            waiting_minor=queue.waiting_minor + payout.amount_minor,
        ),
    )


def _held(state: SettlementState, event: SettlementEvent) -> None:
    payout = _payout(event)
    before = state.payouts.get(payout.transaction_id)
    if before is not None and before.place == "queued":
        leave_queue(state, before)
    is_submitted = event.is_submitted or (before is not None and before.is_submitted)
    state.payouts.put(payout.transaction_id, PayoutRow(payout, "held", 0, is_submitted=is_submitted))


def _dropped(state: SettlementState, event: SettlementEvent) -> None:
    assert event.transaction_id is not None
    row = state.payouts.get(event.transaction_id)
    assert row is not None
    if row.place == "queued":
        leave_queue(state, row)
    state.payouts.delete(event.transaction_id)


def _waits(state: SettlementState, event: SettlementEvent) -> None:
    name = _queue_of(event)
    queue = state.queue(name)
    state.queues.put(name, _changed(queue, reason=event.reason or "", missing_minor=event.amount_minor or 0))
    if event.due_ms is not None:
        state.due.put(due_key(event.due_ms, "queue", name), 1)


def _goes(state: SettlementState, event: SettlementEvent) -> None:
    name = _queue_of(event)
    state.queues.put(name, _changed(state.queue(name), reason="", missing_minor=0))


def _moved(state: SettlementState, event: SettlementEvent) -> None:
    assert event.rail is not None
    assert event.asset is not None
    position = state.position(event.rail, event.asset)
    state.positions.put(
        f"{event.rail} {event.asset}", _changed(position, funded_minor=position.funded_minor + event.moved_minor)
    )


def _ticked(state: SettlementState, event: SettlementEvent) -> None:
    """What is due by now is looked at with this tick: what is to be looked at again is put anew by what follows."""
    now_ms = unix_ms(event.recorded_at)
    for key in [key for key, _ in state.due.scan("", due_key(now_ms + 1, "", ""))]:
        state.due.delete(key)


def _due_failed(state: SettlementState, event: SettlementEvent) -> None:
    assert event.reason is not None
    state.due.delete(event.reason)


def _payout(event: SettlementEvent) -> Payout:
    assert event.payout is not None
    return event.payout


def _queue_of(event: SettlementEvent) -> str:
    return queue_name(event.rail or "", event.asset or "", event.direction or "")


_EFFECTS: Final[dict[str, Callable[[SettlementState, SettlementEvent], None]]] = {
    ev.PAYOUT_FOLLOWED: _followed,
    ev.PAYOUT_KEPT_BACK: _kept_back,
    ev.PAYOUT_SENT_ON: _sent_on,
    ev.PAYOUT_ENDED: _ended,
    ev.MERCHANT_OPENED: _merchant_opened,
    ev.MERCHANT_RECEIVED: _merchant_received,
    ev.MERCHANT_WAITS: _merchant_waits,
    ev.PAYOUT_QUEUED: _queued,
    ev.PAYOUT_HELD: _held,
    ev.PAYOUT_DROPPED: _dropped,
    ev.QUEUE_WAITS: _waits,
    ev.QUEUE_GOES: _goes,
    ev.POSITION_MOVED: _moved,
    ev.CLOCK_TICKED: _ticked,
    ev.DUE_FAILED: _due_failed,
    **apply_batches.EFFECTS,
    **apply_answers.EFFECTS,
}

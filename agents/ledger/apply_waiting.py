"""The part of `apply` that keeps transactions that wait, for their time or for a verdict, and what becomes of them."""

from __future__ import annotations

import msgspec.structs

from agents.ledger.accounts import available
from agents.ledger.apply_begin import begin_transaction
from agents.ledger.apply_lots import return_lots
from agents.ledger.apply_open import add_under_way, count_open, remove_due
from agents.ledger.apply_originals import found
from agents.ledger.apply_spending import uncount_spent
from agents.ledger.state import LedgerState
from agents.ledger.transaction import Transaction
from schemas.clock import unix_ms
from schemas.events import LedgerEvent


def execute_waiting(state: LedgerState, event: LedgerEvent, key: str, before: Transaction) -> None:
    """What was to be done at its time is done, or will not be."""
    if before.due_at_ms:
        remove_due(state, event, before.due_at_ms)
    state.scheduled.delete(key)
    count_open(state, event.wallet_id, -1)
    if event.to_state in ("failed", "canceled"):
        after = before if before.screening is None else _stop_waiting(state, event, before)
        after = msgspec.structs.replace(after, state=event.to_state, code=event.code, due_at_ms=0)
        state.keep(key, before, after, unix_ms(event.recorded_at))
    else:
        begin_transaction(state, event, before)


def screen_transaction(state: LedgerState, event: LedgerEvent) -> None:
    """The verdict on a payment that waits: what was held for it is available again, and is not counted for now."""
    assert event.transaction_id is not None
    now_ms = unix_ms(event.recorded_at)
    key, before = found(state, event.transaction_id, now_ms)
    state.keep(key, before, _stop_waiting(state, event, before), now_ms)


def leave_to_a_person(state: LedgerState, event: LedgerEvent) -> None:
    """No verdict came in time: the payment waits on, for as long as it takes."""
    assert event.transaction_id is not None
    now_ms = unix_ms(event.recorded_at)
    key, before = found(state, event.transaction_id, now_ms)
    remove_due(state, event, before.due_at_ms)
    state.keep(key, before, msgspec.structs.replace(before, due_at_ms=0), now_ms)


def _stop_waiting(state: LedgerState, event: LedgerEvent, before: Transaction) -> Transaction:
    held_minor = before.awaiting_minor
    add_under_way(state, available(before.wallet_id, before.sub_wallet), before.asset, -held_minor)
    if before.counted_at_ms:
        uncount_spent(state, event, before)
    after = msgspec.structs.replace(before, journal=(), counted_at_ms=0, screening=None)
    if not before.lots:
        return after
    after = return_lots(state, event, after, held_minor)
    return msgspec.structs.replace(after, lots=(), lots_back_minor=0)

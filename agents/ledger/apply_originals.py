"""The part of `apply` that keeps, on a transaction that others act on, what they have taken of it."""

from __future__ import annotations

from typing import Final

import msgspec.structs

from agents.ledger.accounts import available, held
from agents.ledger.apply_lots import return_lots
from agents.ledger.apply_open import add_under_way
from agents.ledger.apply_spending import sum_minor
from agents.ledger.keys import CREDIT_LEG, leg_key
from agents.ledger.state import Hold, LedgerState, Transaction
from schemas.clock import unix_ms
from schemas.events import LedgerEvent

#: Operations that take of another transaction, or give back of it.
ACTS_ON_PARENT: Final = frozenset({"capture", "refund", "dispute", "reverse"})
_COUNTED_AS: Final = {"refund": "refunded", "dispute": "disputed", "reverse": "reversed"}


def found(state: LedgerState, transaction_id: str, now_ms: int) -> tuple[str, Transaction]:
    """A transaction and its key: its own, or its payee's side where its payer is in another partition."""
    transaction = state.transactions.get(transaction_id, now_ms)
    if transaction is not None:
        return transaction_id, transaction
    key = leg_key(transaction_id, CREDIT_LEG)
    transaction = state.transactions.get(key, now_ms)
    assert transaction is not None
    return key, transaction


def count_on_parent(
    state: LedgerState, event: LedgerEvent, by_minor: int, fee_minor: int = 0, exchange_minor: int = 0
) -> None:
    """A capture, refund, dispute or reversal, or one less: its original counts it."""
    assert event.parent_transaction_id is not None
    key, parent = found(state, event.parent_transaction_id, unix_ms(event.recorded_at))
    if event.operation == "capture":
        _captured(state, event, key, parent, by_minor)
        return
    if parent.lots and by_minor > 0 and event.operation in ("refund", "reverse"):
        parent = return_lots(state, event, parent, by_minor)
    field = f"{_COUNTED_AS[event.operation or '']}_minor"
    counter = parent.counted
    counter = msgspec.structs.replace(
        counter,
        **{field: getattr(counter, field) + by_minor},
        fee_returned_minor=counter.fee_returned_minor + fee_minor,
        exchange_returned_minor=counter.exchange_returned_minor + exchange_minor,
    )
    state.transactions.put(key, msgspec.structs.replace(parent, counter=counter), parent.opened_at_ms)


def end_on_parent(state: LedgerState, event: LedgerEvent, before: Transaction) -> None:
    """What acted on another transaction is over: one that failed or was canceled never was."""
    if event.to_state in ("failed", "canceled"):
        exchange_minor = 0 if before.exchange is None else before.exchange.to_minor
        count_on_parent(state, event, -before.amount_minor, -before.fee_minor, -exchange_minor)
    elif before.operation == "refund":
        settled_minor = None if event.rail_facts is None else event.rail_facts.settled_minor
        if settled_minor is not None:
            count_on_parent(state, event, settled_minor - before.amount_minor)
    elif before.operation == "dispute":
        count_on_parent(state, event, -before.amount_minor)
        if event.to_state == "reversed":
            _charged_back(state, event, before.amount_minor)


def _charged_back(state: LedgerState, event: LedgerEvent, amount_minor: int) -> None:
    assert event.parent_transaction_id is not None
    key, parent = found(state, event.parent_transaction_id, unix_ms(event.recorded_at))
    counter = parent.counted
    counter = msgspec.structs.replace(counter, charged_back_minor=counter.charged_back_minor + amount_minor)
    state.transactions.put(key, msgspec.structs.replace(parent, counter=counter), parent.opened_at_ms)


def _captured(state: LedgerState, event: LedgerEvent, key: str, parent: Transaction, captured_minor: int) -> None:
    """The authorization, if it is still open, holds what the entries of its capture have left of it."""
    hold = parent.hold
    if hold is None:
        return
    change_minor = sum_minor(event.entries, held(parent.wallet_id, parent.sub_wallet))
    after = Hold(hold.remaining_minor + change_minor, hold.captured_minor + captured_minor)
    state.transactions.put(key, msgspec.structs.replace(parent, hold=after), parent.opened_at_ms)
    add_under_way(state, available(parent.wallet_id, parent.sub_wallet), parent.asset, change_minor)

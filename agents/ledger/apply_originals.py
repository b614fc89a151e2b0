"""The part of `apply` that keeps, on a transaction that others act on, what they have taken of it."""

from __future__ import annotations

from typing import Final

import msgspec.structs

from agents.ledger.accounts import available, held
from agents.ledger.apply_lots import return_spent
from agents.ledger.apply_open import add_under_way
from agents.ledger.apply_spending import sum_minor, uncount_captured
from agents.ledger.keys import CREDIT_LEG, leg_key
from agents.ledger.state import LedgerState
from agents.ledger.transaction import Hold, OnRail, Transaction
from schemas.clock import unix_ms
from schemas.events import LedgerEvent


class Forgotten(Exception):
    """An event acts on a transaction that the state has forgotten: its retention is shorter than it was."""

    def __init__(self, transaction_id: str):
        super().__init__(
            f"the event log acts on transaction {transaction_id}, which is past WALLETSTREAM_TRANSACTION_RETENTION_S: "
            "the log was written with a longer retention, set it back"
        )


#: Operations that take of another transaction, or give back of it.
ACTS_ON_PARENT: Final = frozenset({"capture", "refund", "dispute", "reverse"})
_COUNTED_AS: Final = {"refund": "refunded", "dispute": "disputed", "reverse": "reversed"}


def found(state: LedgerState, transaction_id: str, now_ms: int) -> tuple[str, Transaction]:
    """A transaction and its key: its own, or its payee's side where its payer is in another partition.

    Raises:
        Forgotten: neither is there.
    """
    transaction = state.transaction(transaction_id, now_ms)
    if transaction is not None:
        return transaction_id, transaction
    key = leg_key(transaction_id, CREDIT_LEG)
    transaction = state.transaction(key, now_ms)
    if transaction is None:
        raise Forgotten(transaction_id)
    return key, transaction


def count_on_parent(
    state: LedgerState,
    event: LedgerEvent,
    by_minor: int,
    fee_minor: int = 0,
    exchange_minor: int = 0,
    *,
    children: int = 0,
    charged_back_minor: int = 0,
    lots_back_minor: int = 0,
) -> None:
    """A capture, refund, dispute or reversal, or one less: its original counts it.

    `children` is 1 where something under way begins to act on it, -1 where that is over. `lots_back_minor` is what has
    come back of what the original has spent, in its asset, and its rewards with it: not before, for what a rail refuses
    or is on its way may never come. The original is put in any case, so that it is remembered as long as what acts on
    it.
    """
    assert event.parent_transaction_id is not None
    now_ms = unix_ms(event.recorded_at)
    key, before = found(state, event.parent_transaction_id, now_ms)
    parent = before
    if event.operation == "capture":
        parent = _captured(state, event, parent, by_minor)
    else:
        # What a fee took of rewards beyond a credit does not come back with the reversal of the credit.
        if lots_back_minor > 0 and parent.operation != "credit":
            parent = return_spent(state, event, parent, lots_back_minor)
        field = f"{_COUNTED_AS[event.operation or '']}_minor"
        counter = parent.counted
        counter = msgspec.structs.replace(
            counter,
            **{field: getattr(counter, field) + by_minor},
            charged_back_minor=counter.charged_back_minor + charged_back_minor,
            fee_returned_minor=counter.fee_returned_minor + fee_minor,
            exchange_returned_minor=counter.exchange_returned_minor + exchange_minor,
        )
        parent = msgspec.structs.replace(parent, counter=counter)
        if event.operation == "reverse" and event.rail_facts is not None:
            # The rail may say so itself yet: it is booked once.
            on_rail = (parent.on_rail or OnRail()).after(event.operation, event.rail_facts)
            parent = msgspec.structs.replace(parent, on_rail=on_rail)
    if children:
        parent = msgspec.structs.replace(parent, open_children=parent.open_children + children)
    state.keep(key, before, parent, now_ms)


def end_on_parent(state: LedgerState, event: LedgerEvent, before: Transaction) -> None:
    """What acted on another transaction is over: one that failed or was canceled never was."""
    by_minor, fee_minor, exchange_minor, charged_back_minor, lots_back_minor = 0, 0, 0, 0, 0
    if before.operation == "capture":
        assert event.parent_transaction_id is not None
        _, authorization = found(state, event.parent_transaction_id, unix_ms(event.recorded_at))
        uncount_captured(state, event, before, authorization)
    if event.to_state in ("failed", "canceled"):
        exchange_minor = 0 if before.exchange is None else -before.exchange.to_minor
        by_minor, fee_minor = -before.amount_minor, -before.fee_minor
    elif before.operation == "refund":
        settled_minor = None if event.rail_facts is None else event.rail_facts.settled_minor
        by_minor = 0 if settled_minor is None else settled_minor - before.amount_minor
        lots_back_minor = before.amount_minor + by_minor
    elif before.operation == "dispute":
        by_minor = -before.amount_minor
        charged_back_minor = before.amount_minor if event.to_state == "reversed" else 0
        lots_back_minor = charged_back_minor
    count_on_parent(
        state,
        event,
        by_minor,
        fee_minor,
        exchange_minor,
        children=-1,
        charged_back_minor=charged_back_minor,
        lots_back_minor=lots_back_minor,
    )


def _captured(state: LedgerState, event: LedgerEvent, parent: Transaction, captured_minor: int) -> Transaction:
    """The authorization, if it is still open, holds what the entries of its capture have left of it."""
    hold, counter = parent.hold, parent.counter
    if hold is None:
        if counter is None:
            return parent
        counter = msgspec.structs.replace(counter, settled_minor=counter.settled_minor + captured_minor)
        return msgspec.structs.replace(parent, counter=counter)
    change_minor = sum_minor(event.entries, held(parent.wallet_id, parent.sub_wallet), parent.asset)
    add_under_way(state, available(parent.wallet_id, parent.sub_wallet), parent.asset, change_minor)
    after = Hold(hold.remaining_minor + change_minor, hold.captured_minor + captured_minor)
    return msgspec.structs.replace(parent, hold=after)

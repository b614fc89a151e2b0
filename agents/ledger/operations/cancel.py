"""`cancel`: undoes what is not settled, and what no rail has been given yet."""

from __future__ import annotations

from agents.ledger.accounts import available
from agents.ledger.draft import Draft
from agents.ledger.guards import find_named
from agents.ledger.holds import close_hold, taken_back
from agents.ledger.limits import takes_below_credit
from agents.ledger.state import LedgerState, Wallet
from agents.ledger.transaction import Transaction
from schemas.codes import Code
from schemas.commands import Cancel
from schemas.events import LedgerEvent
from schemas.lifecycle import State, Verb
from schemas.reference import Reference


def decide_cancel(
    state: LedgerState, wallet: Wallet, command: Cancel, draft: Draft, _reference: Reference
) -> LedgerEvent:
    """Take back what the transaction has set aside, whatever the wallet's state."""
    named = find_named(draft, state, wallet, command, Verb.CANCEL)
    if isinstance(named, LedgerEvent):
        return named
    of = named.transaction
    why_not = _why_too_late(of)
    if why_not is not None:
        return draft.reject(Code.ILLEGAL_TRANSITION, f"cancel is not possible: {why_not}", "transaction_id")
    if of.hold is not None:
        _, journal = close_hold(state, of)
    else:
        journal = taken_back(state, of, draft.context.recorded_at_ms)
    event = draft.move(named, State.CANCELED.value, journal)
    if journal is not None:
        event.forced = takes_below_credit(state, wallet, journal, available(of.wallet_id, of.sub_wallet), of.asset)
    event.remaining_minor = 0
    return event


def _why_too_late(transaction: Transaction) -> str | None:
    if transaction.to_wallet_id is not None:
        return "the money is on its way to the payee's partition"
    if transaction.on_rail is not None and transaction.on_rail.batch_id is not None:
        return f"it was submitted to its rail in batch {transaction.on_rail.batch_id}"
    if transaction.hold is not None and transaction.hold.captured_minor:
        return "something of it was captured; release what is left"
    return None

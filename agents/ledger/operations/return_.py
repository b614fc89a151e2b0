"""`return`: the rail has taken a settled transaction back. Forced: the money is gone, whatever the wallet has.

Of a credit: available -> rail; of a debit or a capture: rail -> available, less what operators have reversed under
the rail's reference. What is more than is left of the transaction, which was refunded or charged back
meanwhile, or than the account can hold, is kept in suspense; and so is what comes back of one that has ended unsettled.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from agents.ledger.accounts import SUSPENSE, available, rail
from agents.ledger.draft import Draft, Named
from agents.ledger.guards import balance_overflow, find_named
from agents.ledger.journals import Journal, post_all, room_minor
from agents.ledger.limits import takes_below_credit
from agents.ledger.operations.settle import contradicted_by_rail, is_inflow
from agents.ledger.originals import state_of
from agents.ledger.state import LedgerState, Wallet
from agents.ledger.transaction import Transaction
from schemas.events import (
    TRANSACTION_CONFIRMED,
    TRANSACTION_CONTRADICTED,
    TRANSACTION_RETURNED,
    LedgerEvent,
    RailFacts,
)
from schemas.lifecycle import ENDED_UNSETTLED, Verb
from schemas.reference import Reference
from schemas.settlement_updates import Return

_SAID_BEFORE: Final = "the rail has returned it under this reference before"


def decide_return(
    state: LedgerState, wallet: Wallet, command: Return, draft: Draft, _reference: Reference
) -> LedgerEvent:
    """Book the return, once for each reference of the rail."""
    named = find_named(draft, state, wallet, command, Verb.RETURN)
    if isinstance(named, LedgerEvent):
        contradicted = contradicted_by_rail(state, command.transaction_id, draft, named)
        if contradicted is None or contradicted.transaction.state not in ENDED_UNSETTLED:
            return named
        return _contradicted(state, command, draft, contradicted)
    transaction = named.transaction
    if transaction.has_reference(Verb.RETURN, command.rail_reference):
        return draft.note(TRANSACTION_CONFIRMED, named, _SAID_BEFORE)
    amount_minor = command.amount_minor - _reversed_minor(transaction, command)
    if amount_minor <= 0:
        return draft.note(TRANSACTION_CONFIRMED, named, "it was reversed under this reference before")
    returned_minor = min(amount_minor, max(0, transaction.counted.remaining_minor))
    own = available(transaction.wallet_id, transaction.sub_wallet)
    if not is_inflow(transaction):
        returned_minor = min(returned_minor, room_minor(state, own, transaction.asset))
    journal = _journal(state, transaction, returned_minor, amount_minor - returned_minor)
    if journal is None:
        return balance_overflow(draft)
    counter = transaction.counted
    after = replace(transaction, counter=replace(counter, returned_minor=counter.returned_minor + returned_minor))
    event = draft.move(named, state_of(after).value, journal)
    event.type = TRANSACTION_RETURNED
    event.message = f"returned by the rail: {command.code}"
    event.rail_facts = RailFacts(
        rail_reference=command.rail_reference, returned_minor=returned_minor, code=command.code
    )
    event.remaining_minor = after.counted.remaining_minor
    event.forced = takes_below_credit(state, wallet, journal, own, transaction.asset)
    return event


def _contradicted(state: LedgerState, command: Return, draft: Draft, named: Named) -> LedgerEvent:
    """What comes back of a transaction that has ended here unsettled: it is kept between its rail and suspense."""
    transaction = named.transaction
    if transaction.has_reference(Verb.RETURN, command.rail_reference):
        return draft.note(TRANSACTION_CONFIRMED, named, _SAID_BEFORE)
    journal = _journal(state, transaction, 0, command.amount_minor)
    if journal is None:
        return balance_overflow(draft)
    message = f"returned by the rail, but {transaction.state} here: booked against suspense"
    event = draft.note(TRANSACTION_CONTRADICTED, named, message, journal)
    event.rail_facts = RailFacts(rail_reference=command.rail_reference, code=command.code)
    event.amount_minor = command.amount_minor
    return event


def _reversed_minor(transaction: Transaction, command: Return) -> int:
    """What operators have booked of this very return: they have reversed the transaction by it."""
    is_named = transaction.has_reference(Verb.REVERSE, command.rail_reference)
    return transaction.counted.reversed_minor if is_named else 0


def _journal(state: LedgerState, of: Transaction, returned_minor: int, excess_minor: int) -> Journal | None:
    sign = -1 if is_inflow(of) else 1
    moves = (
        (available(of.wallet_id, of.sub_wallet), sign * returned_minor),
        (SUSPENSE, sign * excess_minor),
        (rail(of.rail), -sign * (returned_minor + excess_minor)),
    )
    return post_all(state, of.asset, moves)

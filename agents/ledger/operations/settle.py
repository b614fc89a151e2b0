"""`settle`: the rail has moved the money, wholly or in part.

Of what comes in: rail -> rail-pending and incoming -> available; of what goes out: outgoing -> rail. What is not
settled goes back. The rail's fee is ours: fees -> rail.
"""

from __future__ import annotations

from typing import Any, Final

from agents.ledger.accounts import FEES, INCOMING, OUTGOING, SUSPENSE, available, bucket, rail, rail_pending
from agents.ledger.draft import Draft, Named
from agents.ledger.guards import balance_overflow, find_named
from agents.ledger.journals import Journal, post_all
from agents.ledger.state import LedgerState, Wallet
from agents.ledger.transaction import Transaction
from schemas.codes import Code
from schemas.events import TRANSACTION_CONFIRMED, TRANSACTION_CONTRADICTED, LedgerEvent, RailFacts
from schemas.lifecycle import State, Verb
from schemas.money import INT64_MAX
from schemas.reference import Reference
from schemas.settlement_updates import Settle

_SAID_BEFORE: Final = "the rail has said so under this reference before"


def decide_settle(
    state: LedgerState, wallet: Wallet, command: Settle, draft: Draft, _reference: Reference
) -> LedgerEvent:
    """Settle what is under way. What contradicts the ledger is booked against suspense, once for each reference."""
    named = find_named(draft, state, wallet, command, Verb.SETTLE)
    if isinstance(named, LedgerEvent):
        contradicted = _contradicted(state, command, draft, named)
        return named if contradicted is None else contradicted
    if named.transaction.has_reference(Verb.SETTLE, command.rail_reference):
        # It was said while the transaction waited, and was booked against suspense then.
        return draft.note(TRANSACTION_CONFIRMED, named, _SAID_BEFORE)
    amount_minor = named.transaction.amount_minor
    settled_minor = amount_minor if command.settled_minor is None else command.settled_minor
    if settled_minor > amount_minor:
        message = f"the transaction is {amount_minor}; settle that, and book the rest under one of its own"
        return draft.reject(Code.EXCEEDS_REMAINING, message, "settled_minor")
    journal = _journal(state, named.transaction, settled_minor, command.rail_fee_minor or 0)
    if journal is None:
        return balance_overflow(draft)
    event = draft.move(named, State.SETTLED.value, journal)
    if settled_minor < amount_minor:
        event.message = f"the rail has settled {settled_minor} of {amount_minor}"
    event.rail_facts = RailFacts(
        rail_reference=command.rail_reference,
        settled_minor=None if settled_minor == amount_minor else settled_minor,
        rail_fee_minor=command.rail_fee_minor,
        value_date=command.value_date,
    )
    return event


def refuse_settled_amounts(command: Any, draft: Draft) -> LedgerEvent | None:
    """A rejection where an amount of a settlement is out of range; asked before anything is looked at."""
    for field, least in (("settled_minor", 1), ("rail_fee_minor", 0)):
        minor = getattr(command, field)
        if minor is not None and not least <= minor <= INT64_MAX:
            return draft.reject(Code.AMOUNT_OUT_OF_RANGE, f"{field} is between {least} and 2^63 - 1", field)
    return None


def is_inflow(transaction: Transaction) -> bool:
    """True where a transaction over a rail brings money in: a credit, or the refund of a debit."""
    return transaction.operation in ("credit", "refund")


def _journal(state: LedgerState, of: Transaction, settled_minor: int, fee_minor: int) -> Journal | None:
    left_minor = of.amount_minor - settled_minor
    wallet_id, sub_wallet, own = of.wallet_id, of.sub_wallet, available(of.wallet_id, of.sub_wallet)
    if is_inflow(of):
        moves = [
            (bucket(wallet_id, sub_wallet, INCOMING), -of.amount_minor),
            (own, settled_minor),
            (rail_pending(of.rail), of.amount_minor),
            (rail(of.rail), fee_minor - settled_minor),
        ]
    else:
        moves = [
            (bucket(wallet_id, sub_wallet, OUTGOING), -of.amount_minor),
            (own, left_minor),
            (rail(of.rail), settled_minor + fee_minor),
        ]
    return post_all(state, of.asset, [*moves, (FEES, -fee_minor)])


def contradicted_by_rail(state: LedgerState, transaction_id: str, draft: Draft, rejection: LedgerEvent) -> Named | None:
    """The transaction over a rail that what the rail says is rejected for, by its state alone; None for all others."""
    if rejection.code != Code.ILLEGAL_TRANSITION:
        return None
    transaction = state.transaction(transaction_id, draft.context.recorded_at_ms)
    assert transaction is not None
    if transaction.operation not in ("credit", "debit", "capture", "refund") or transaction.to_wallet_id is not None:
        return None
    return Named(transaction_id, transaction)


def _contradicted(state: LedgerState, command: Settle, draft: Draft, rejection: LedgerEvent) -> LedgerEvent | None:
    """What a settlement of a transaction over a rail leads to that is in another state; None for all others."""
    named = contradicted_by_rail(state, command.transaction_id, draft, rejection)
    if named is None:
        return None
    transaction = named.transaction
    if transaction.has_reference(Verb.SETTLE, command.rail_reference):
        return draft.note(TRANSACTION_CONFIRMED, named, _SAID_BEFORE)
    minor = transaction.amount_minor if command.settled_minor is None else command.settled_minor
    over, fee_minor = rail(transaction.rail), command.rail_fee_minor or 0
    to, from_ = (SUSPENSE, over) if is_inflow(transaction) else (over, SUSPENSE)
    journal = post_all(state, transaction.asset, ((from_, -minor), (to, minor), (FEES, -fee_minor), (over, fee_minor)))
    if journal is None:
        return balance_overflow(draft)
    message = f"settled by the rail, but {transaction.state} here: booked against suspense"
    event = draft.note(TRANSACTION_CONTRADICTED, named, message, journal)
    event.rail_facts = RailFacts(rail_reference=command.rail_reference, rail_fee_minor=command.rail_fee_minor)
    event.amount_minor = minor
    return event

"""How an authorization ends, and how what is under way is taken back: to what is held, or available."""

from __future__ import annotations

from agents.ledger.accounts import available, held
from agents.ledger.draft import Named, move_of
from agents.ledger.journals import Journal, inverse, post, renamed
from agents.ledger.state import LedgerState
from agents.ledger.transaction import Transaction
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.events import Cause
from schemas.lifecycle import State, Verb


def close_hold(state: LedgerState, transaction: Transaction) -> tuple[str, Journal | None]:
    """The state that an authorization ends in, and the journal that gives back what is left of it."""
    hold = transaction.hold
    assert hold is not None
    to_state = State.SETTLED if hold.captured_minor else State.CANCELED
    if not hold.remaining_minor:
        return to_state.value, None
    wallet_id, sub_wallet = transaction.wallet_id, transaction.sub_wallet
    from_, to = held(wallet_id, sub_wallet), available(wallet_id, sub_wallet)
    journal = post(state, from_, to, transaction.asset, hold.remaining_minor)
    # Room was kept for it: see `leaves_room`.
    assert journal is not None
    return to_state.value, journal


def end_hold(turn: Turn, named: Named, cause: Cause, verb: Verb, code: str = Code.OK.value) -> None:
    """End an authorization without a command that names it, and tell who asked for it."""
    to_state, journal = close_hold(turn.state, named.transaction)
    event = move_of(named, to_state, journal, cause, turn.context.recorded_at, verb.value, code)
    event.remaining_minor = 0
    turn.write(event, named.transaction.wallet_id.encode())
    turn.tell_requester(event, named.transaction)


def taken_back(state: LedgerState, transaction: Transaction, now_ms: int) -> Journal:
    """The inverse of the journal of a transaction that is not settled.

    What was held is held again, and available where its authorization is over.
    """
    journal = transaction.journal
    parent_id = transaction.parent_transaction_id
    if parent_id is not None and transaction.operation == "capture":
        parent = state.transaction(parent_id, now_ms)
        if parent is None or parent.hold is None:
            wallet_id, sub_wallet = transaction.wallet_id, transaction.sub_wallet
            journal = renamed(journal, held(wallet_id, sub_wallet), available(wallet_id, sub_wallet))
    return inverse(state, journal)

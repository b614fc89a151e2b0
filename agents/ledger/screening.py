"""Payments that wait for screening: accepted, their money held, until the fraud role says that they may go.

A payment is decided as if it went now, so that whatever refuses it is answered at once. Then it waits, with all that it
takes from the wallet held. The verdict gives that back; what is allowed is executed in the same turn, what is denied
fails. Where no verdict comes by the deadline, its rail's policy says what becomes of it.
"""

from __future__ import annotations

from agents.ledger.accounts import available, held
from agents.ledger.apply_spending import sum_minor
from agents.ledger.draft import Draft, Named, Screening, move_of
from agents.ledger.guards import balance_overflow
from agents.ledger.journals import inverse, post
from agents.ledger.state import LedgerState
from agents.ledger.turn import Turn
from schemas.clock import rfc3339
from schemas.codes import Code
from schemas.events import TRANSACTION_INITIATED, TRANSACTION_OVERDUE, Cause, LedgerEvent
from schemas.lifecycle import SCHEDULED, State, Verb
from schemas.rails import Rail

#: What the message says of a payment that failed because nobody said in time that it may go.
_SILENCE = "no verdict of screening came in time"


def why_not_screened(draft: Draft, rail: Rail) -> LedgerEvent | None:
    """A rejection of what would leave over a screened rail without waiting for its verdict."""
    if not rail.screening or draft.screening is not Screening.BARRED:
        return None
    message = f"payments over the rail {rail.name} are screened when they are asked for: ask for it as a debit, at once"
    return draft.reject(Code.ILLEGAL_TRANSITION, message, "rail")


def wait_for_verdict(state: LedgerState, draft: Draft, event: LedgerEvent, rail: Rail) -> LedgerEvent:
    """In place of an event that accepts a payment: the one that holds what it takes, its fee too, until the verdict.

    Only its room is not asked for again: what it takes is there, and comes back at most.
    """
    command = draft.command
    account, asset = available(command.wallet_id, command.sub_wallet), event.asset or ""
    taken_minor = -sum_minor(event.entries, account, asset)
    journal = post(state, account, held(command.wallet_id, command.sub_wallet), asset, taken_minor)
    if journal is None:
        return balance_overflow(draft)
    due_at = rfc3339(draft.context.recorded_at_ms + 1000 * rail.screening_deadline_s)
    waiting = draft.event(TRANSACTION_INITIATED, path=SCHEDULED, journal=journal, rail=rail.name, due_at=due_at)
    waiting.remaining_minor, waiting.screening = taken_minor, rail.screening_silence
    return waiting


def end_silence(turn: Turn, named: Named, cause: Cause) -> None:
    """The deadline has passed without a verdict: the payment fails, or is left to a person."""
    transaction, recorded_at = named.transaction, turn.context.recorded_at
    key = transaction.wallet_id.encode()
    if transaction.screening == "review":
        event = move_of(named, transaction.state, None, cause, recorded_at, Verb.EXPIRE.value)
        event.type, event.from_state, event.path = TRANSACTION_OVERDUE, None, ()
        event.remaining_minor = transaction.awaiting_minor
        turn.write(event, key)
        return
    journal = inverse(turn.state, transaction.journal)
    code = Code.SCREENING_DENIED.value
    event = move_of(named, State.FAILED.value, journal, cause, recorded_at, Verb.EXPIRE.value, code)
    event.remaining_minor, event.message = 0, _SILENCE
    turn.write(event, key)
    turn.tell_requester(event, transaction)

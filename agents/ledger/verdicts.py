"""`screening_verdict`: a payment that waits may go, or may not. Held -> available, then it is executed or fails."""

from __future__ import annotations

from functools import partial
from typing import Final

from agents.ledger.draft import Draft
from agents.ledger.guards import find_named
from agents.ledger.journals import inverse
from agents.ledger.scheduled import execute_screened
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.events import TRANSACTION_SCREENED, Cause, LedgerEvent
from schemas.fraud_commands import ScreeningVerdict
from schemas.lifecycle import Verb

#: Of the rules that a verdict names, their ids may be long.
_MESSAGE_LENGTH: Final = 200


def decide_screening_verdict(
    state: LedgerState, wallet: Wallet, command: ScreeningVerdict, draft: Draft
) -> LedgerEvent:
    """End the waiting of a payment, whatever the wallet's state: what is allowed asks for that when it is executed."""
    named = find_named(draft, state, wallet, command, Verb.SCREEN)
    if isinstance(named, LedgerEvent):
        return named
    of = named.transaction
    if of.screening is None:
        message = f"{Verb.SCREEN.value} is not possible: the {of.operation} waits for its time, not for a verdict"
        return draft.reject(Code.ILLEGAL_TRANSITION, message, "transaction_id")
    is_allowed = command.verdict == "allow"
    rules = f" by {', '.join(command.rule_ids)}" if command.rule_ids else ""
    message = f"{'allowed' if is_allowed else 'denied'}{rules}"[:_MESSAGE_LENGTH]
    event = draft.note(TRANSACTION_SCREENED, named, message, inverse(state, of.journal))
    event.remaining_minor = 0
    cause = draft.cause
    follows = Cause(cause.topic, cause.partition, cause.offset, origin=cause.origin)
    draft.then = (partial(execute_screened, named=named, cause=follows, is_allowed=is_allowed, message=message),)
    return event

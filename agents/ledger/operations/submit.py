"""`submit`: the transaction goes to its rail. Only what is answered `ok` here may be sent."""

from __future__ import annotations

from agents.ledger.draft import Draft
from agents.ledger.guards import find_named
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.events import TRANSACTION_CONFIRMED, TRANSACTION_SUBMITTED, LedgerEvent, RailFacts
from schemas.lifecycle import State, Verb
from schemas.reference import Reference
from schemas.settlement_updates import Submit


def decide_submit(
    state: LedgerState, wallet: Wallet, command: Submit, draft: Draft, _reference: Reference
) -> LedgerEvent:
    """Mark the transaction; the same batch again changes nothing, another one is refused."""
    named = find_named(draft, state, wallet, command, Verb.SUBMIT)
    if isinstance(named, LedgerEvent):
        return named
    on_rail = named.transaction.on_rail
    if on_rail is not None and on_rail.batch_id is not None:
        if on_rail.batch_id == command.batch_id:
            return draft.note(TRANSACTION_CONFIRMED, named, "it was submitted in this batch before")
        message = f"it was submitted in batch {on_rail.batch_id} before"
        return draft.reject(Code.ILLEGAL_TRANSITION, message, "batch_id")
    event = draft.move(named, State.PROCESSED.value, None)
    event.type = TRANSACTION_SUBMITTED
    event.rail_facts = RailFacts(batch_id=command.batch_id)
    return event

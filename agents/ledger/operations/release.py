"""`release`: held -> available, of all that an authorization still holds."""

from __future__ import annotations

from agents.ledger.draft import Draft
from agents.ledger.guards import find_named
from agents.ledger.holds import close_hold
from agents.ledger.state import LedgerState, Wallet
from schemas.commands import Release
from schemas.events import LedgerEvent
from schemas.lifecycle import Verb
from schemas.reference import Reference


def decide_release(
    state: LedgerState, wallet: Wallet, command: Release, draft: Draft, _reference: Reference
) -> LedgerEvent:
    """Give back what is left, whatever the wallet's state: settled if anything was captured, else canceled."""
    named = find_named(draft, state, wallet, command, Verb.RELEASE)
    if isinstance(named, LedgerEvent):
        return named
    to_state, journal = close_hold(state, named.transaction)
    event = draft.move(named, to_state, journal)
    event.remaining_minor = 0
    return event

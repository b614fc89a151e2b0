"""`fail`: the rail has refused the transaction. Everything that it had set aside goes back."""

from __future__ import annotations

from agents.ledger.accounts import available
from agents.ledger.draft import Draft, Named
from agents.ledger.guards import find_named
from agents.ledger.holds import taken_back
from agents.ledger.limits import takes_below_credit
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.events import TRANSACTION_CONFIRMED, LedgerEvent, RailFacts
from schemas.lifecycle import State, Verb
from schemas.reference import Reference
from schemas.settlement_updates import Fail


def decide_fail(state: LedgerState, wallet: Wallet, command: Fail, draft: Draft, _reference: Reference) -> LedgerEvent:
    """Fail what is under way; what has failed before stays so."""
    named = find_named(draft, state, wallet, command, Verb.FAIL)
    if isinstance(named, LedgerEvent):
        return _failed_before(state, command, draft, named)
    of = named.transaction
    journal = taken_back(state, of, draft.context.recorded_at_ms)
    event = draft.move(named, State.FAILED.value, journal)
    event.forced = takes_below_credit(state, wallet, journal, available(of.wallet_id, of.sub_wallet), of.asset)
    event.message = f"refused by the rail: {command.code}"
    event.rail_facts = RailFacts(code=command.code)
    return event


def _failed_before(state: LedgerState, command: Fail, draft: Draft, rejection: LedgerEvent) -> LedgerEvent:
    transaction = state.transaction(command.transaction_id, draft.context.recorded_at_ms)
    is_repeated = rejection.code == Code.ILLEGAL_TRANSITION and transaction is not None
    if is_repeated and transaction is not None and transaction.rail and transaction.state == State.FAILED:
        return draft.note(TRANSACTION_CONFIRMED, Named(command.transaction_id, transaction), "it has failed before")
    return rejection

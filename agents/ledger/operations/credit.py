"""`credit`: money in over a rail. Instant: rail -> available, settled. Deferred: rail-pending -> incoming."""

from __future__ import annotations

from agents.ledger.accounts import INCOMING, available, bucket, rail, rail_pending
from agents.ledger.draft import Draft, has_room, leaves_room, post
from agents.ledger.guards import balance_overflow, is_deferred, refuse_account, refuse_rail
from agents.ledger.limits import refuse_cap
from agents.ledger.state import LedgerState, Wallet
from schemas.commands import Credit
from schemas.events import TRANSACTION_PROCESSED, TRANSACTION_SETTLED, LedgerEvent
from schemas.lifecycle import PROCESSED_AT_ONCE, SETTLED_AT_ONCE
from schemas.reference import Reference


def decide_credit(
    state: LedgerState, wallet: Wallet, command: Credit, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Credit the sub-wallet's available balance against the rail's settled position, or announce it."""
    refused = refuse_account(draft, wallet, command.asset, reference) or refuse_rail(draft, command.rail, reference)
    if refused is None and wallet.terms is not None:
        refused = refuse_cap(draft, state, wallet, reference, command.asset, command.amount_minor)
    if refused is not None:
        return refused
    account = available(command.wallet_id, command.sub_wallet)
    if is_deferred(reference, command.rail):
        return _announce(state, command, draft, account)
    journal = post(state, rail(command.rail), account, command.asset, command.amount_minor)
    if journal is None or (wallet.open_transactions and not leaves_room(state, journal.balances[1])):
        return balance_overflow(draft)
    return draft.event(TRANSACTION_SETTLED, path=SETTLED_AT_ONCE, journal=journal, rail=command.rail)


def _announce(state: LedgerState, command: Credit, draft: Draft, account: str) -> LedgerEvent:
    incoming = bucket(command.wallet_id, command.sub_wallet, INCOMING)
    journal = post(state, rail_pending(command.rail), incoming, command.asset, command.amount_minor)
    if journal is None or not has_room(state, account, command.asset, command.amount_minor):
        return balance_overflow(draft)
    return draft.event(TRANSACTION_PROCESSED, path=PROCESSED_AT_ONCE, journal=journal, rail=command.rail)

"""`credit`: money in over a rail. Instant rail: rail -> available, settled at once."""

from __future__ import annotations

from agents.ledger.accounts import RAIL_INSTANT, available
from agents.ledger.draft import Draft, leaves_room, post
from agents.ledger.guards import balance_overflow, refuse_account, refuse_rail
from agents.ledger.state import LedgerState, Wallet
from schemas.commands import Credit
from schemas.events import TRANSACTION_SETTLED, LedgerEvent
from schemas.lifecycle import SETTLED_AT_ONCE
from schemas.reference import Reference


def decide_credit(
    state: LedgerState, wallet: Wallet, command: Credit, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Credit the sub-wallet's available balance against the rail's settled position."""
    refused = refuse_account(draft, wallet, command.asset, reference) or refuse_rail(draft, command.rail)
    if refused is not None:
        return refused
    account = available(command.wallet_id, command.sub_wallet)
    journal = post(state, RAIL_INSTANT, account, command.asset, command.amount_minor)
    if journal is None or (wallet.open_transactions and not leaves_room(state, journal.balances[1])):
        return balance_overflow(draft)
    return draft.event(TRANSACTION_SETTLED, path=SETTLED_AT_ONCE, journal=journal, rail=command.rail)

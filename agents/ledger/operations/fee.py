"""`fee`: available -> fees, as a transaction of its own."""

from __future__ import annotations

from agents.ledger.accounts import FEES, available
from agents.ledger.draft import Draft
from agents.ledger.guards import balance_overflow, refuse_account, refuse_escrow, refuse_funds
from agents.ledger.journals import leaves_room, post
from agents.ledger.limits import spendable_minor
from agents.ledger.state import LedgerState, Wallet
from schemas.commands import TakeFee
from schemas.events import TRANSACTION_SETTLED, LedgerEvent
from schemas.lifecycle import SETTLED_AT_ONCE
from schemas.reference import Reference


def decide_fee(state: LedgerState, wallet: Wallet, command: TakeFee, draft: Draft, reference: Reference) -> LedgerEvent:
    """Take the fee, as far as what is available covers it."""
    account = available(command.wallet_id, command.sub_wallet)
    refused = (
        refuse_account(draft, wallet, command.asset, reference, leaving=True)
        or (command.sub_wallet != "main" and refuse_escrow(draft, wallet, None))
        or refuse_funds(draft, spendable_minor(state, wallet, account, command.asset), command.amount_minor)
    )
    if refused:
        return refused
    journal = post(state, account, FEES, command.asset, command.amount_minor)
    if journal is None or not leaves_room(state, journal.balances[1]):
        return balance_overflow(draft)
    return draft.event(TRANSACTION_SETTLED, path=SETTLED_AT_ONCE, journal=journal)

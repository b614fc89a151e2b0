"""`debit`: money out over a rail. Instant rail: available -> rail, settled at once."""

from __future__ import annotations

from agents.ledger.accounts import RAIL_INSTANT, available
from agents.ledger.draft import Draft, post
from agents.ledger.guards import (
    balance_overflow,
    refuse_account,
    refuse_escrow,
    refuse_funds,
    refuse_rail,
)
from agents.ledger.state import LedgerState, Wallet
from schemas.commands import Debit
from schemas.events import TRANSACTION_SETTLED, LedgerEvent
from schemas.lifecycle import SETTLED_AT_ONCE
from schemas.reference import Reference


def decide_debit(state: LedgerState, wallet: Wallet, command: Debit, draft: Draft, reference: Reference) -> LedgerEvent:
    """Debit the sub-wallet's available balance, as far as it is covered."""
    account = available(command.wallet_id, command.sub_wallet)
    refused = (
        refuse_account(draft, wallet, command.asset, reference, leaving=True)
        or refuse_rail(draft, command.rail)
        or (command.sub_wallet != "main" and refuse_escrow(draft, wallet, None))
        or refuse_funds(draft, state.balance_minor(account, command.asset), command.amount_minor)
    )
    if refused is not None:
        return refused
    journal = post(state, account, RAIL_INSTANT, command.asset, command.amount_minor)
    if journal is None:
        return balance_overflow(draft)
    return draft.event(TRANSACTION_SETTLED, path=SETTLED_AT_ONCE, journal=journal, rail=command.rail)

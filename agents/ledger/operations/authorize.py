"""`authorize`: available -> held, for captures until it expires."""

from __future__ import annotations

from agents.ledger.accounts import available, held
from agents.ledger.charges import charge, minor_of, post_charged
from agents.ledger.draft import Draft
from agents.ledger.guards import balance_overflow, refuse_account, refuse_escrow, refuse_funds
from agents.ledger.limits import refuse_limits, spendable_minor
from agents.ledger.state import LedgerState, Wallet
from schemas.clock import rfc3339
from schemas.commands import Authorize
from schemas.events import TRANSACTION_PROCESSED, LedgerEvent
from schemas.lifecycle import PROCESSED_AT_ONCE
from schemas.reference import Reference


def decide_authorize(
    state: LedgerState, wallet: Wallet, command: Authorize, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Hold the amount, as far as what is available covers it."""
    account = available(command.wallet_id, command.sub_wallet)
    fee = charge(wallet, command.sub_wallet, reference, "authorize", command.asset, command.amount_minor)
    needed_minor = command.amount_minor + minor_of(fee)
    refused = (
        refuse_account(draft, wallet, command.asset, reference, leaving=True)
        or (command.sub_wallet != "main" and refuse_escrow(draft, wallet, None))
        or (
            wallet.terms is not None
            and refuse_limits(draft, state, wallet, reference, command.asset, command.amount_minor)
        )
        or refuse_funds(draft, spendable_minor(state, wallet, account, command.asset), needed_minor)
    )
    if refused:
        return refused
    to = held(command.wallet_id, command.sub_wallet)
    journal = post_charged(state, account, to, command.asset, command.amount_minor, fee)
    if journal is None:
        return balance_overflow(draft)
    due_at_ms = draft.context.recorded_at_ms + command.expires_in_s * 1000
    event = draft.event(TRANSACTION_PROCESSED, path=PROCESSED_AT_ONCE, journal=journal, due_at=rfc3339(due_at_ms))
    event.remaining_minor = command.amount_minor
    event.fee = fee
    return event

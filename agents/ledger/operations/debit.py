"""`debit`: money out over a rail. Instant: available -> rail, settled. Deferred: available -> outgoing, processed.

Over a screened rail: available -> held, initiated, until the verdict.
"""

from __future__ import annotations

from typing import Final

from agents.ledger.accounts import OUTGOING, RAIL_INSTANT, available, bucket, rail
from agents.ledger.charges import charge, post_charged
from agents.ledger.draft import Draft, Screening
from agents.ledger.guards import (
    balance_overflow,
    is_deferred,
    over_rail,
    refuse_account,
    refuse_escrow,
    refuse_funds,
    refuse_rail,
)
from agents.ledger.limits import refuse_limits, spendable_minor
from agents.ledger.screening import wait_for_verdict, why_not_screened
from agents.ledger.state import LedgerState, Wallet
from schemas.commands import Debit
from schemas.events import LedgerEvent
from schemas.rails import INSTANT
from schemas.reference import Reference

_INSTANT: Final = over_rail(waits=False)


def decide_debit(state: LedgerState, wallet: Wallet, command: Debit, draft: Draft, reference: Reference) -> LedgerEvent:
    """Debit the sub-wallet's available balance, as far as it is covered."""
    account = available(command.wallet_id, command.sub_wallet)
    fee = charge(wallet, command.sub_wallet, reference, "debit", command.asset, command.amount_minor)
    needed_minor = command.amount_minor if fee is None else command.amount_minor + fee.amount_minor
    is_instant = command.rail == INSTANT.name
    terms = wallet.terms
    refused = (
        refuse_account(draft, wallet, command.asset, reference, leaving=True)
        or (not is_instant and _refuse_rail(draft, command.rail, reference))
        or (command.sub_wallet != "main" and refuse_escrow(draft, wallet, None))
        or (terms is not None and refuse_limits(draft, state, wallet, reference, command.asset, command.amount_minor))
        or refuse_funds(
            draft,
            state.balance_minor(account, command.asset)
            if terms is None
            else spendable_minor(state, wallet, account, command.asset),
            needed_minor,
        )
    )
    if refused:
        return refused
    if is_instant:
        to, (type_, path) = RAIL_INSTANT, _INSTANT
    else:
        waits = is_deferred(reference, command.rail)
        to = bucket(command.wallet_id, command.sub_wallet, OUTGOING) if waits else rail(command.rail)
        type_, path = over_rail(waits)
    journal = post_charged(state, account, to, command.asset, command.amount_minor, fee)
    if journal is None:
        return balance_overflow(draft)
    event = draft.event(type_, path=path, journal=journal, rail=command.rail, fee=fee)
    if not is_instant and draft.screening is Screening.ASKED and reference.rails[command.rail].screening:
        return wait_for_verdict(state, draft, event, reference.rails[command.rail])
    return event


def _refuse_rail(draft: Draft, rail: str, reference: Reference) -> LedgerEvent | None:
    """A rejection where the rail is not configured, or is screened, which what is due now cannot wait for."""
    return refuse_rail(draft, rail, reference) or why_not_screened(draft, reference.rails[rail])

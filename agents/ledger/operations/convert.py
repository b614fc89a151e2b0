"""`convert`: available(A) -> fx(A), fx(B) -> available(B), in one journal, at the rate that is valid."""

from __future__ import annotations

from agents.ledger.accounts import available
from agents.ledger.charges import charge, minor_of, paid
from agents.ledger.draft import Draft
from agents.ledger.exchanging import exchange_for, exchanged
from agents.ledger.guards import balance_overflow, refuse_account, refuse_asset, refuse_escrow, refuse_funds
from agents.ledger.journals import has_room_after, post_moves
from agents.ledger.limits import refuse_cap, spendable_minor
from agents.ledger.state import LedgerState, Wallet
from schemas.commands import Convert
from schemas.events import TRANSACTION_SETTLED, LedgerEvent
from schemas.lifecycle import SETTLED_AT_ONCE
from schemas.reference import Reference


def decide_convert(
    state: LedgerState, wallet: Wallet, command: Convert, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Exchange the amount. What it gives is floored, never in the customer's favour."""
    account = available(command.wallet_id, command.sub_wallet)
    fee = charge(wallet, reference, "convert", command.asset, command.amount_minor) if reference.fees else None
    needed_minor = command.amount_minor + minor_of(fee)
    refused = (
        refuse_account(draft, wallet, command.asset, reference, leaving=True)
        or refuse_asset(draft, wallet, command.to_asset, reference, "to_asset")
        or (command.sub_wallet != "main" and refuse_escrow(draft, wallet, None))
        or refuse_funds(draft, spendable_minor(state, wallet, account, command.asset), needed_minor)
    )
    if refused:
        return refused
    pair, least_minor = (command.asset, command.to_asset), command.min_to_amount_minor
    exchange = exchange_for(draft, reference, pair, command.amount_minor, command.rate_id, least_minor)
    if isinstance(exchange, LedgerEvent):
        return exchange
    capped = refuse_cap(draft, state, wallet, reference, exchange.to_asset, exchange.to_minor)
    if capped is not None:
        return capped
    moves = (
        (account, command.asset, -command.amount_minor),
        *exchanged(exchange),
        (account, exchange.to_asset, exchange.to_minor),
        *paid(fee, account),
    )
    journal = post_moves(state, moves)
    if journal is None or not has_room_after(state, journal, account, exchange.to_asset):
        return balance_overflow(draft)
    return draft.event(TRANSACTION_SETTLED, path=SETTLED_AT_ONCE, journal=journal, fee=fee, exchange=exchange)

"""`convert`: available(A) -> fx(A), fx(B) -> available(B), in one journal, at the rate that is valid."""

from __future__ import annotations

from agents.ledger.accounts import available
from agents.ledger.charges import charge, minor_of, paid
from agents.ledger.draft import Draft
from agents.ledger.exchanging import exchange_for, exchanged, refuse_moved
from agents.ledger.guards import balance_overflow, refuse_assets, refuse_escrow, refuse_funds, refuse_wallet
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
    fee = charge(wallet, command.sub_wallet, reference, "convert", command.asset, command.amount_minor)
    needed_minor = command.amount_minor + minor_of(fee)
    refused = (
        refuse_wallet(draft, wallet, leaving=True)
        or refuse_assets(draft, wallet, command.asset, command.to_asset, reference)
        or (command.sub_wallet != "main" and refuse_escrow(draft, wallet, None))
    )
    if refused:
        return refused
    exchange = exchange_for(draft, reference, (command.asset, command.to_asset), command.amount_minor, command.rate_id)
    covered_minor = spendable_minor(state, wallet, account, command.asset)
    if isinstance(exchange, LedgerEvent):
        return refuse_funds(draft, covered_minor, needed_minor) or exchange
    refused = (
        refuse_cap(draft, state, wallet, reference, exchange.to_asset, exchange.to_minor)
        or refuse_funds(draft, covered_minor, needed_minor)
        or refuse_moved(draft, exchange, command.min_to_amount_minor)
    )
    if refused is not None:
        return refused
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

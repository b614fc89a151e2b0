"""`credit`: money in over a rail. Instant: rail -> available, settled. Deferred: rail-pending -> incoming."""

from __future__ import annotations

from agents.ledger.accounts import INCOMING, RAIL_INSTANT, available, bucket, rail, rail_pending
from agents.ledger.charges import charge, paid
from agents.ledger.draft import Draft
from agents.ledger.guards import balance_overflow, is_deferred, refuse_account, refuse_funds, refuse_rail
from agents.ledger.journals import has_room, leaves_room, post, post_moves
from agents.ledger.limits import refuse_cap, spendable_minor
from agents.ledger.state import LedgerState, Wallet
from schemas.commands import Credit
from schemas.events import TRANSACTION_PROCESSED, TRANSACTION_SETTLED, Fee, LedgerEvent
from schemas.lifecycle import PROCESSED_AT_ONCE, SETTLED_AT_ONCE
from schemas.rails import INSTANT
from schemas.reference import Reference


def decide_credit(
    state: LedgerState, wallet: Wallet, command: Credit, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Credit the sub-wallet's available balance against the rail's settled position, or announce it, free of charge."""
    is_instant = command.rail == INSTANT.name
    refused = refuse_account(draft, wallet, command.asset, reference)
    if refused is None and not is_instant:
        refused = refuse_rail(draft, command.rail, reference)
    if refused is None and wallet.terms is not None:
        refused = refuse_cap(draft, state, wallet, reference, command.asset, command.amount_minor)
    if refused is not None:
        return refused
    account = available(command.wallet_id, command.sub_wallet)
    if not is_instant and is_deferred(reference, command.rail):
        return _announce(state, command, draft, account)
    fee = charge(wallet, command.sub_wallet, reference, "credit", command.asset, command.amount_minor)
    if fee is not None:
        return _charged(state, wallet, command, draft, fee)
    journal = post(
        state, RAIL_INSTANT if is_instant else rail(command.rail), account, command.asset, command.amount_minor
    )
    if journal is None or (wallet.open_transactions and not leaves_room(state, journal.balances[1])):
        return balance_overflow(draft)
    return draft.event(TRANSACTION_SETTLED, path=SETTLED_AT_ONCE, journal=journal, rail=command.rail)


def _charged(state: LedgerState, wallet: Wallet, command: Credit, draft: Draft, fee: Fee) -> LedgerEvent:
    """A credit that costs something: the fee is taken of what is available with it."""
    account = available(command.wallet_id, command.sub_wallet)
    covered_minor = spendable_minor(state, wallet, account, command.asset) + command.amount_minor
    refused = refuse_funds(draft, covered_minor, fee.amount_minor)
    if refused is not None:
        return refused
    asset, amount_minor = command.asset, command.amount_minor
    moves = ((rail(command.rail), asset, -amount_minor), (account, asset, amount_minor), *paid(fee, account))
    journal = post_moves(state, moves)
    if journal is None or not leaves_room(state, journal.balances[1]):
        return balance_overflow(draft)
    event = draft.event(TRANSACTION_SETTLED, path=SETTLED_AT_ONCE, journal=journal, rail=command.rail)
    event.fee = fee
    return event


def _announce(state: LedgerState, command: Credit, draft: Draft, account: str) -> LedgerEvent:
    incoming = bucket(command.wallet_id, command.sub_wallet, INCOMING)
    journal = post(state, rail_pending(command.rail), incoming, command.asset, command.amount_minor)
    if journal is None or not has_room(state, account, command.asset, command.amount_minor):
        return balance_overflow(draft)
    return draft.event(TRANSACTION_PROCESSED, path=PROCESSED_AT_ONCE, journal=journal, rail=command.rail)

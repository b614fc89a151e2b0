"""`refund`: gives back what a debit, a capture or a transfer has moved. A transaction of its own, many of one original.

Over a rail: rail -> available, or rail-pending -> incoming where the rail settles later. Of a transfer: the payee's
available -> the payer's, in one journal or as a saga.
"""

from __future__ import annotations

from typing import NamedTuple

from agents.ledger.accounts import INCOMING, TRANSIT, available, bucket, rail, rail_pending
from agents.ledger.draft import Draft, has_room, leaves_room, post
from agents.ledger.guards import balance_overflow, refuse_funds
from agents.ledger.limits import credit_limit_minor, spendable_minor
from agents.ledger.operations.transfer import refused_by_payee, send_leg, why_payee_refuses
from agents.ledger.originals import Original, find_original, refuse_remaining
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.commands import Refund
from schemas.events import (
    TRANSACTION_FAILED,
    TRANSACTION_PROCESSED,
    TRANSACTION_SETTLED,
    Counterparty,
    LedgerEvent,
)
from schemas.lifecycle import FAILED_AT_ONCE, PROCESSED_AT_ONCE, SETTLED_AT_ONCE, Verb
from schemas.partitioning import partition_of
from schemas.reference import Reference


class Payback(NamedTuple):
    """Money that goes back to the wallet that a transfer came from."""

    original: Original
    payer: Counterparty
    #: The account that it is taken from.
    account: str
    amount_minor: int


def decide_refund(
    state: LedgerState, wallet: Wallet, command: Refund, draft: Draft, _reference: Reference
) -> LedgerEvent:
    """Refund an amount, or all that is left: never more than was settled less what was taken back already."""
    original = find_original(draft, state, wallet, command, Verb.REFUND, leaving=True)
    if isinstance(original, LedgerEvent):
        return original
    transaction = original.named.transaction
    account = available(command.wallet_id, original.sub_wallet)
    if original.payer is not None and not (wallet.terms is not None and wallet.terms.refunds_below_zero):
        asked_minor = transaction.counted.remaining_minor if command.amount_minor is None else command.amount_minor
        refused = refuse_funds(draft, spendable_minor(state, wallet, account, transaction.asset), asked_minor)
        if refused is not None:
            return refused
    amount_minor = refuse_remaining(draft, transaction, command.amount_minor)
    if isinstance(amount_minor, LedgerEvent):
        return amount_minor
    if original.payer is None:
        return _over_rail(state, draft, original, account, amount_minor)
    return pay_back(state, draft, Payback(original, original.payer, account, amount_minor))


def _over_rail(state: LedgerState, draft: Draft, original: Original, account: str, amount_minor: int) -> LedgerEvent:
    of = original.named.transaction
    if of.rail is None:
        journal = post(state, rail(None), account, of.asset, amount_minor)
        if journal is None or not leaves_room(state, journal.balances[1]):
            return balance_overflow(draft)
        return draft.child(
            TRANSACTION_SETTLED, original.named, amount_minor, path=SETTLED_AT_ONCE, journal=journal, rail="instant"
        )
    incoming = bucket(of.wallet_id, of.sub_wallet, INCOMING)
    journal = post(state, rail_pending(of.rail), incoming, of.asset, amount_minor)
    if journal is None or not has_room(state, account, of.asset, amount_minor):
        return balance_overflow(draft)
    return draft.child(
        TRANSACTION_PROCESSED, original.named, amount_minor, path=PROCESSED_AT_ONCE, journal=journal, rail=of.rail
    )


def pay_back(state: LedgerState, draft: Draft, back: Payback, *, forced: bool = False) -> LedgerEvent:
    """From the payee's wallet to the payer's: at once where it lives here, else as a saga."""
    payer_wallet = state.wallets.get(back.payer.wallet_id)
    context = draft.context
    if payer_wallet is None:
        owner = partition_of(back.payer.wallet_id, context.partitions)
        if owner != context.partition:
            return _start_saga(state, draft, back, owner)
    asset = back.original.named.transaction.asset
    reason = None if forced else why_payee_refuses(payer_wallet, back.payer.sub_wallet, asset)
    if payer_wallet is None or reason is not None:
        return _fail(draft, back, reason or Code.WALLET_NOT_FOUND)
    if payer_wallet.quarantined and not forced:
        return _fail(draft, back, Code.WALLET_QUARANTINED)
    to = available(back.payer.wallet_id, back.payer.sub_wallet)
    journal = post(state, back.account, to, asset, back.amount_minor)
    if journal is None or not leaves_room(state, journal.balances[1]):
        return _fail(draft, back, Code.AMOUNT_OUT_OF_RANGE)
    event = draft.child(
        TRANSACTION_SETTLED,
        back.original.named,
        back.amount_minor,
        path=SETTLED_AT_ONCE,
        journal=journal,
        counterparty=back.payer,
        sub_wallet=back.original.sub_wallet,
    )
    return _marked(event, state, back)


def _marked(event: LedgerEvent, state: LedgerState, back: Payback) -> LedgerEvent:
    """The event, which says so where it has taken a balance below the wallet's credit."""
    wallet = state.wallets.get(event.wallet_id or "")
    assert wallet is not None
    asset = back.original.named.transaction.asset
    event.forced = event.balances[0].balance_minor < -credit_limit_minor(wallet, asset)
    return event


def _fail(draft: Draft, back: Payback, reason: Code) -> LedgerEvent:
    return draft.child(
        TRANSACTION_FAILED,
        back.original.named,
        back.amount_minor,
        path=FAILED_AT_ONCE,
        counterparty=back.payer,
        code=Code.PAYEE_REFUSED.value,
        message=refused_by_payee(reason.value),
        sub_wallet=back.original.sub_wallet,
    )


def _start_saga(state: LedgerState, draft: Draft, back: Payback, owner: int) -> LedgerEvent:
    journal = post(state, back.account, TRANSIT, back.original.named.transaction.asset, back.amount_minor)
    if journal is None:
        return balance_overflow(draft)
    event = draft.child(
        TRANSACTION_PROCESSED,
        back.original.named,
        back.amount_minor,
        path=PROCESSED_AT_ONCE,
        journal=journal,
        counterparty=back.payer,
        sub_wallet=back.original.sub_wallet,
    )
    send_leg(draft, event, owner)
    return _marked(event, state, back)

"""`refund`: gives back what a debit, a capture or a transfer has moved. A transaction of its own, many of one original.

Over a rail: rail -> available, or rail-pending -> incoming where the rail settles later. Of a transfer: the payee's
available -> the payer's, in one journal or as a saga.
"""

from __future__ import annotations

from typing import NamedTuple

from agents.ledger.accounts import FEES, INCOMING, TRANSIT, available, bucket, rail, rail_pending
from agents.ledger.charges import charge, minor_of, paid
from agents.ledger.draft import Draft
from agents.ledger.exchanging import exchanged, exchanged_back, fee_returned_minor
from agents.ledger.guards import balance_overflow, over_rail, refuse_funds
from agents.ledger.journals import Journal, Move, fits_in_transit, has_room, has_room_after, post_moves
from agents.ledger.limits import spendable_minor, takes_below_credit
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
    Exchange,
    Fee,
    LedgerEvent,
)
from schemas.lifecycle import FAILED_AT_ONCE, PROCESSED_AT_ONCE, SETTLED_AT_ONCE, Verb
from schemas.partitioning import partition_of
from schemas.rails import INSTANT
from schemas.reference import Reference


class Payback(NamedTuple):
    """Money that goes back to the wallet that a transfer came from."""

    original: Original
    payer: Counterparty
    #: The account that it is taken from.
    account: str
    amount_minor: int
    #: What the refund itself costs.
    fee: Fee | None
    #: Of what the original cost, and of what was exchanged for it.
    fee_returned_minor: int
    exchange: Exchange | None

    @property
    def asset(self) -> str:
        """The asset that the payee got."""
        return self.original.named.transaction.received_asset

    @property
    def payers(self) -> tuple[str, int]:
        """The asset that the payer gets, and how much."""
        if self.exchange is None:
            return self.asset, self.amount_minor
        return self.exchange.to_asset, self.exchange.to_minor

    def moves(self, payers_account: str) -> list[Move]:
        """The moves that bring it back to the payer's account in the same partition."""
        asset, minor = self.payers
        moves = [(self.account, self.asset, -self.amount_minor)]
        if self.exchange is not None:
            moves += exchanged(self.exchange)
        moves.append((payers_account, asset, minor))
        if self.fee_returned_minor:
            moves += [(FEES, asset, -self.fee_returned_minor), (payers_account, asset, self.fee_returned_minor)]
        return [*moves, *paid(self.fee, self.account)]


def payback_of(original: Original, payer: Counterparty, account: str, amount_minor: int, fee: Fee | None) -> Payback:
    """What goes back with an amount of the original."""
    of = original.named.transaction
    returned_minor = fee_returned_minor(of, amount_minor)
    return Payback(original, payer, account, amount_minor, fee, returned_minor, exchanged_back(of, amount_minor))


def decide_refund(
    state: LedgerState, wallet: Wallet, command: Refund, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Refund an amount, or all that is left: never more than was settled less what was taken back already."""
    original = find_original(draft, state, wallet, command, Verb.REFUND, leaving=True)
    if isinstance(original, LedgerEvent):
        return original
    transaction = original.named.transaction
    account = available(command.wallet_id, original.sub_wallet)
    asset, remaining_minor = transaction.received_asset, transaction.counted.remaining_minor
    asked_minor = remaining_minor if command.amount_minor is None else command.amount_minor
    fee = charge(wallet, original.sub_wallet, reference, "refund", asset, asked_minor) if asked_minor > 0 else None
    is_below_zero = wallet.terms is not None and wallet.terms.refunds_below_zero
    if not is_below_zero and (fee is not None or original.payer is not None):
        needed_minor = minor_of(fee) + (0 if original.payer is None else asked_minor)
        refused = refuse_funds(draft, spendable_minor(state, wallet, account, asset), needed_minor)
        # Nothing is left to refund: that the wallet owes more than nothing is not why.
        if refused is not None and needed_minor:
            return refused
    amount_minor = refuse_remaining(draft, transaction, command.amount_minor)
    if isinstance(amount_minor, LedgerEvent):
        return amount_minor
    if original.payer is None:
        return _over_rail(state, wallet, draft, original, account, amount_minor, fee, reference)
    back = payback_of(original, original.payer, account, amount_minor, fee)
    return pay_back(state, draft, back, reference)


def _over_rail(
    state: LedgerState,
    wallet: Wallet,
    draft: Draft,
    original: Original,
    account: str,
    amount_minor: int,
    fee: Fee | None,
    reference: Reference,
) -> LedgerEvent:
    of = original.named.transaction
    waits = _is_waited_for(of.rail, reference)
    from_, to = rail(of.rail), account
    if waits:
        from_, to = rail_pending(of.rail), bucket(of.wallet_id, of.sub_wallet, INCOMING)
    returned_minor = fee_returned_minor(of, amount_minor)
    moves = (
        *((from_, of.asset, -amount_minor), (to, of.asset, amount_minor)),
        *((FEES, of.asset, -returned_minor), (account, of.asset, returned_minor)),
        *paid(fee, account),
    )
    journal = post_moves(state, moves)
    if journal is None or not has_room(state, account, of.asset, amount_minor + returned_minor):
        return balance_overflow(draft)
    type_, path = over_rail(waits)
    event = draft.child(
        type_, original.named, amount_minor, path=path, journal=journal, rail=of.rail or "instant", fee=fee
    )
    event.fee_returned_minor = returned_minor or None
    event.forced = takes_below_credit(state, wallet, journal, account, of.asset)
    return event


def _is_waited_for(name: str | None, reference: Reference) -> bool:
    """True where the original's rail settles later, or is not configured any more: then only its word settles."""
    found = INSTANT if name is None else reference.rails.get(name)
    return found is None or found.settlement == "deferred"


def pay_back(
    state: LedgerState, draft: Draft, back: Payback, reference: Reference, *, forced: bool = False
) -> LedgerEvent:
    """From the payee's wallet to the payer's: at once where it lives here, else as a saga."""
    payer_wallet = state.wallets.get(back.payer.wallet_id)
    context = draft.context
    if payer_wallet is None:
        owner = partition_of(back.payer.wallet_id, context.partitions)
        if owner != context.partition:
            return _start_saga(state, draft, back, owner)
    asset, _ = back.payers
    reason = None if forced else why_payee_refuses(payer_wallet, back.payer.sub_wallet, asset, reference)
    if payer_wallet is None or reason is not None:
        return _fail(draft, back, reason or Code.WALLET_NOT_FOUND)
    if payer_wallet.quarantined and not forced:
        return _fail(draft, back, Code.WALLET_QUARANTINED)
    to = available(back.payer.wallet_id, back.payer.sub_wallet)
    journal = post_moves(state, back.moves(to))
    if journal is None or not has_room_after(state, journal, to, asset):
        return _fail(draft, back, Code.AMOUNT_OUT_OF_RANGE)
    return _child(state, draft, back, TRANSACTION_SETTLED, SETTLED_AT_ONCE, journal)


def _child(
    state: LedgerState, draft: Draft, back: Payback, type_: str, path: tuple[str, ...], journal: Journal
) -> LedgerEvent:
    """The event, which says so where it has taken a balance below the wallet's credit."""
    event = draft.child(
        type_,
        back.original.named,
        back.amount_minor,
        path=path,
        journal=journal,
        counterparty=back.payer,
        sub_wallet=back.original.sub_wallet,
        fee=back.fee,
        exchange=back.exchange,
    )
    event.fee_returned_minor = back.fee_returned_minor or None
    wallet = state.wallets.get(event.wallet_id or "")
    assert wallet is not None
    event.forced = takes_below_credit(state, wallet, journal, back.account, back.asset)
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
    moves = [(back.account, back.asset, -back.amount_minor), (TRANSIT, back.asset, back.amount_minor)]
    journal = post_moves(state, [*moves, *paid(back.fee, back.account)])
    if journal is None or not fits_in_transit(state, back.asset, back.amount_minor):
        return balance_overflow(draft)
    event = _child(state, draft, back, TRANSACTION_PROCESSED, PROCESSED_AT_ONCE, journal)
    send_leg(draft, event, owner)
    return event

"""`transfer`: between sub-wallets of one partition in one journal; to another partition as a saga.

The saga: here available -> transit, and a command to the payee's partition; there transit -> available, and an
answer back (`agents.ledger.legs`). Until the answer, only the answer moves the transfer.
"""

from __future__ import annotations

from typing import NamedTuple

from agents.ledger.accounts import TRANSIT, available
from agents.ledger.charges import charge, minor_of, paid
from agents.ledger.draft import Draft
from agents.ledger.exchanging import exchange_for, exchanged, refuse_moved
from agents.ledger.guards import balance_overflow, is_barred, refuse_account, refuse_escrow, refuse_funds
from agents.ledger.journals import Journal, Move, fits_in_transit, has_room, has_room_after, post, post_moves
from agents.ledger.limits import over_cap, refuse_limits, spendable_minor
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.commands import Transfer
from schemas.events import (
    TRANSACTION_FAILED,
    TRANSACTION_PROCESSED,
    TRANSACTION_SETTLED,
    Counterparty,
    Exchange,
    Fee,
    LedgerEvent,
)
from schemas.internal import TransferLeg, encode_internal
from schemas.lifecycle import FAILED_AT_ONCE, PROCESSED_AT_ONCE, SETTLED_AT_ONCE
from schemas.partitioning import partition_of
from schemas.reference import Reference
from schemas.topics import INTERNAL_COMMANDS
from streams.machine import Message


def why_payee_refuses(wallet: Wallet | None, sub_wallet: str, asset: str, reference: Reference) -> Code | None:
    """The reason why a wallet cannot take money, or None where it can. A quarantined one is asked elsewhere."""
    if wallet is None:
        return Code.WALLET_NOT_FOUND
    if sub_wallet not in wallet.sub_wallets:
        return Code.SUB_WALLET_NOT_FOUND
    if wallet.state == "closed":
        return Code.WALLET_CLOSED
    if wallet.state == "disabled":
        return Code.WALLET_DISABLED
    if asset not in wallet.assets or (sub_wallet != "main" and is_barred(wallet, sub_wallet, asset, reference)):
        return Code.ASSET_NOT_ENABLED
    return None


class _Sent(NamedTuple):
    """What leaves the payer's account, and what of it the payee is to get."""

    account: str
    fee: Fee | None
    exchange: Exchange | None
    asset: str
    amount_minor: int

    def moves(self, command: Transfer, to: str) -> list[Move]:
        """The moves that bring it to the account `to`."""
        moves = [(self.account, command.asset, -command.amount_minor)]
        if self.exchange is not None:
            moves += exchanged(self.exchange)
        return [*moves, (to, self.asset, self.amount_minor), *paid(self.fee, self.account)]


def decide_transfer(
    state: LedgerState, wallet: Wallet, command: Transfer, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Move the money at once where the payee lives here, else start the saga."""
    account = available(command.wallet_id, command.sub_wallet)
    fee = charge(wallet, command.sub_wallet, reference, "transfer", command.asset, command.amount_minor)
    needed_minor = command.amount_minor + minor_of(fee)
    refused = (
        (command.to_asset is not None and _refuse_unknown(draft, wallet, command, reference))
        or refuse_account(draft, wallet, command.asset, reference, leaving=True)
        or (command.sub_wallet != "main" and refuse_escrow(draft, wallet, command.to_wallet_id))
        or (
            wallet.terms is not None
            and command.to_wallet_id != command.wallet_id
            and refuse_limits(draft, state, wallet, reference, command.asset, command.amount_minor)
        )
        or refuse_funds(draft, spendable_minor(state, wallet, account, command.asset), needed_minor)
    )
    if refused:
        return refused
    sent = _sent(command, draft, reference, account, fee)
    if isinstance(sent, LedgerEvent):
        return sent
    context = draft.context
    owner = partition_of(command.to_wallet_id, context.partitions)
    if owner != context.partition:
        return _start_saga(state, command, draft, sent, owner)
    return _move_at_once(state, state.wallets.get(command.to_wallet_id), command, draft, sent, reference)


def _refuse_unknown(draft: Draft, wallet: Wallet, command: Transfer, reference: Reference) -> LedgerEvent | None:
    """A rejection where nobody can get what the payee is to get. Whether the payee's wallet holds it is asked there."""
    if reference.assets.get(command.to_asset or "") is not None:
        return None
    refused = refuse_account(draft, wallet, command.asset, reference, leaving=True)
    if refused is not None and refused.code != Code.ASSET_NOT_ENABLED:
        return refused
    return draft.reject(Code.ASSET_UNKNOWN, f"no asset {command.to_asset!r} is known", "to_asset")


def _sent(command: Transfer, draft: Draft, reference: Reference, account: str, fee: Fee | None) -> _Sent | LedgerEvent:
    """What is sent, exchanged where the payee is to get another asset; or the rejection where there is no rate."""
    if command.to_asset is None or command.to_asset == command.asset:
        return _Sent(account, fee, None, command.asset, command.amount_minor)
    pair = (command.asset, command.to_asset)
    exchange = exchange_for(draft, reference, pair, command.amount_minor, command.rate_id)
    if isinstance(exchange, LedgerEvent):
        return exchange
    moved = refuse_moved(draft, exchange, command.min_to_amount_minor)
    if moved is not None:
        return moved
    return _Sent(account, fee, exchange, exchange.to_asset, exchange.to_minor)


def _post(state: LedgerState, command: Transfer, sent: _Sent, to: str) -> Journal | None:
    if sent.exchange is None and sent.fee is None:
        return post(state, sent.account, to, command.asset, command.amount_minor)
    return post_moves(state, sent.moves(command, to))


def _move_at_once(
    state: LedgerState, payee: Wallet | None, command: Transfer, draft: Draft, sent: _Sent, reference: Reference
) -> LedgerEvent:
    counterparty = Counterparty(command.to_wallet_id, command.to_sub_wallet)
    reason = why_payee_refuses(payee, command.to_sub_wallet, sent.asset, reference)
    if payee is None or reason is not None:
        return _fail_at_once(draft, counterparty, reason or Code.WALLET_NOT_FOUND)
    if payee.quarantined:
        return _fail_at_once(draft, counterparty, Code.WALLET_QUARANTINED)
    if (
        payee.terms is not None
        and (command.to_wallet_id != command.wallet_id or sent.exchange is not None)
        and over_cap(state, payee, command.to_wallet_id, reference, sent.asset, sent.amount_minor) is not None
    ):
        return _fail_at_once(draft, counterparty, Code.LIMIT_EXCEEDED)
    to_account = available(command.to_wallet_id, command.to_sub_wallet)
    journal = _post(state, command, sent, to_account)
    if journal is None and has_room(state, to_account, sent.asset, sent.amount_minor):
        return balance_overflow(draft)
    if journal is None or (payee.open_transactions and not has_room_after(state, journal, to_account, sent.asset)):
        return _fail_at_once(draft, counterparty, Code.AMOUNT_OUT_OF_RANGE)
    return draft.event(
        TRANSACTION_SETTLED,
        path=SETTLED_AT_ONCE,
        journal=journal,
        counterparty=counterparty,
        fee=sent.fee,
        exchange=sent.exchange,
    )


def _fail_at_once(draft: Draft, counterparty: Counterparty, reason: Code) -> LedgerEvent:
    """The payee's wallet lives here and cannot take the money: nothing is posted only to be given back."""
    return draft.event(
        TRANSACTION_FAILED,
        path=FAILED_AT_ONCE,
        counterparty=counterparty,
        code=Code.PAYEE_REFUSED.value,
        message=refused_by_payee(reason.value),
    )


def _start_saga(state: LedgerState, command: Transfer, draft: Draft, sent: _Sent, owner: int) -> LedgerEvent:
    journal = _post(state, command, sent, TRANSIT)
    if journal is None or not fits_in_transit(state, sent.asset, sent.amount_minor):
        return balance_overflow(draft)
    event = draft.event(
        TRANSACTION_PROCESSED,
        path=PROCESSED_AT_ONCE,
        journal=journal,
        counterparty=Counterparty(command.to_wallet_id, command.to_sub_wallet),
        fee=sent.fee,
        exchange=sent.exchange,
    )
    send_leg(draft, event, owner)
    return event


def refused_by_payee(code: str | None) -> str:
    """The message of a transfer that its payee has refused with this code."""
    return f"the payee's wallet answered {code}"


def send_leg(draft: Draft, event: LedgerEvent, owner: int) -> None:
    """Tell the payee's partition to credit what `event` has put into transit."""
    payee = event.counterparty
    assert payee is not None
    command, exchange = draft.command, event.exchange
    is_exchanged = exchange is not None and command.operation == "transfer"
    leg = TransferLeg(
        transaction_id=draft.transaction_id,
        kind=command.operation,
        wallet_id=payee.wallet_id,
        sub_wallet=payee.sub_wallet,
        amount_minor=exchange.to_minor if exchange is not None and is_exchanged else event.amount_minor or 0,
        asset=exchange.to_asset if exchange is not None and is_exchanged else event.asset or "",
        payer=Counterparty(command.wallet_id, event.sub_wallet or "main"),
        exchange=exchange,
        fee=event.fee,
        fee_returned_minor=event.fee_returned_minor,
        parent_transaction_id=event.parent_transaction_id if command.operation in ("refund", "reverse") else None,
        occurred_at=command.occurred_at,
        references=event.references,
        metadata=command.metadata,
    )
    draft.messages += (Message(INTERNAL_COMMANDS, owner, payee.wallet_id.encode(), encode_internal(leg)),)

"""Checks that many operations share, in the order of precedence of the outcome codes."""

from __future__ import annotations

from typing import Any

from agents.ledger.draft import Draft, Named
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.contract import MAX_ACCOUNTS, OperatorCommand
from schemas.events import TRANSACTION_PROCESSED, TRANSACTION_SETTLED, LedgerEvent
from schemas.lifecycle import OVER_RAIL, PROCESSED_AT_ONCE, SETTLED_AT_ONCE, Verb, is_allowed
from schemas.people import same_person
from schemas.rails import INSTANT
from schemas.reference import Reference
from schemas.topics import TRANSACTION_REQUESTS


def refuse_account(
    draft: Draft, wallet: Wallet, asset: str, reference: Reference, leaving: bool = False
) -> LedgerEvent | None:
    """A rejection where the sub-wallet that is named, its wallet's state or the asset forbids a posting."""
    return refuse_wallet(draft, wallet, leaving) or refuse_asset(draft, wallet, asset, reference)


def refuse_wallet(draft: Draft, wallet: Wallet, leaving: bool = False) -> LedgerEvent | None:
    """A rejection where the sub-wallet is missing or the wallet's state forbids this, with money leaving or not."""
    command = draft.command
    if command.sub_wallet not in wallet.sub_wallets:
        return draft.reject(
            Code.SUB_WALLET_NOT_FOUND, f"the wallet has no sub-wallet {command.sub_wallet!r}", "sub_wallet"
        )
    if wallet.quarantined or wallet.state != "active":
        return refuse_state(draft, wallet, leaving)
    return None


def refuse_state(draft: Draft, wallet: Wallet, leaving: bool = False) -> LedgerEvent | None:
    """A rejection where the wallet's quarantine or state forbids this, whatever the sub-wallet."""
    if wallet.quarantined:
        return draft.reject(Code.WALLET_QUARANTINED, "the wallet is under quarantine until an operator releases it")
    if wallet.state == "closed":
        return draft.reject(Code.WALLET_CLOSED, "the wallet is closed")
    if wallet.state == "disabled":
        return draft.reject(Code.WALLET_DISABLED, "the wallet is disabled")
    if wallet.state == "locked" and leaving:
        return draft.reject(Code.WALLET_LOCKED, "the wallet is locked: money may come in, none may leave")
    return None


def refuse_accounts(draft: Draft, sub_wallets: int, assets: int, field: str) -> LedgerEvent | None:
    """A rejection where so many sub-wallets with so many assets are more accounts than a wallet may have."""
    if sub_wallets * assets <= MAX_ACCOUNTS:
        return None
    message = f"a wallet has at most {MAX_ACCOUNTS:,} accounts, its sub-wallets times its assets"
    return draft.reject(Code.LIMIT_EXCEEDED, message, field)


def refuse_asset(
    draft: Draft, wallet: Wallet, asset: str, reference: Reference, field: str = "asset"
) -> LedgerEvent | None:
    """A rejection where the asset is unknown, or the wallet does not hold it."""
    if asset in wallet.assets:
        name = draft.command.sub_wallet
        if name != "main" and is_barred(wallet, name, asset, reference):
            message = f"{name!r} is a loyalty sub-wallet: it holds points and vouchers, not money"
            return draft.reject(Code.ASSET_NOT_ENABLED, message, field)
        return None
    if reference.assets.get(asset) is None:
        return draft.reject(Code.ASSET_UNKNOWN, f"no asset {asset!r} is known", field)
    return draft.reject(Code.ASSET_NOT_ENABLED, f"the wallet does not hold {asset}", field)


def refuse_assets(draft: Draft, wallet: Wallet, asset: str, to_asset: str, reference: Reference) -> LedgerEvent | None:
    """A rejection where either asset of an exchange is unknown, or the wallet does not hold it."""
    refused = refuse_asset(draft, wallet, asset, reference)
    if refused is not None and refused.code == Code.ASSET_UNKNOWN:
        return refused
    to_refused = refuse_asset(draft, wallet, to_asset, reference, "to_asset")
    if to_refused is not None and to_refused.code == Code.ASSET_UNKNOWN:
        return to_refused
    return refused or to_refused


def is_barred(wallet: Wallet, sub_wallet: str, asset: str, reference: Reference) -> bool:
    """True where a sub-wallet's kind forbids an asset that its wallet holds: money in a loyalty sub-wallet."""
    known = reference.assets.get(asset)
    return wallet.sub_wallets[sub_wallet].kind == "loyalty" and known is not None and known.kind == "currency"


def refuse_rail(draft: Draft, rail: str, reference: Reference) -> LedgerEvent | None:
    """A rejection where the rail is not configured."""
    if rail in reference.rails:
        return None
    return draft.reject(Code.RAIL_UNKNOWN, f"no rail {rail!r} is configured", "rail")


def is_deferred(reference: Reference, rail: str) -> bool:
    """True where what goes over the rail settles only when the rail says so."""
    return rail != INSTANT.name and reference.rails[rail].settlement == "deferred"


def over_rail(waits: bool) -> tuple[str, tuple[str, ...]]:
    """Type and path of the event that opens a transaction over a rail, which may have to wait for it."""
    return (TRANSACTION_PROCESSED, PROCESSED_AT_ONCE) if waits else (TRANSACTION_SETTLED, SETTLED_AT_ONCE)


def refuse_escrow(draft: Draft, wallet: Wallet, to_wallet_id: str | None) -> LedgerEvent | None:
    """A rejection where money would leave an escrow for anybody but the wallet that it names; None is a rail.

    `main` is no escrow and need not be asked about.
    """
    name = draft.command.sub_wallet
    payee_wallet_id = wallet.sub_wallets[name].payee_wallet_id
    if payee_wallet_id is None or payee_wallet_id == to_wallet_id:
        return None
    message = f"{name!r} is an escrow: money leaves it only as a transfer to the wallet {payee_wallet_id!r}"
    return draft.reject(Code.ILLEGAL_TRANSITION, message, "sub_wallet" if to_wallet_id is None else "to_wallet_id")


def refuse_funds(draft: Draft, available_minor: int, amount_minor: int) -> LedgerEvent | None:
    """A rejection where what is available does not cover the amount."""
    if available_minor >= amount_minor:
        return None
    return draft.reject(Code.INSUFFICIENT_FUNDS, f"available {available_minor}, needed {amount_minor}", "amount_minor")


def refuse_four_eyes(command: OperatorCommand, draft: Draft) -> LedgerEvent | None:
    """A rejection where the same person asked and approved."""
    if not same_person(command.requested_by, command.approved_by):
        return None
    return draft.reject(Code.FOUR_EYES, "requested_by and approved_by are the same person", "approved_by")


def find_named(
    draft: Draft,
    state: LedgerState,
    wallet: Wallet,
    command: Any,
    verb: Verb,
    *,
    leaving: bool = False,
    rail: tuple[str, Reference] | None = None,
) -> Named | LedgerEvent:
    """The transaction that a command names and may do this to, or the rejection where it may not.

    With `leaving` money leaves the wallet by it; else nothing is asked of the wallet's state. `rail` is the one that it
    is to go over, and where rails are known.
    """
    transaction = state.transaction(command.transaction_id, draft.context.recorded_at_ms)
    if transaction is not None and transaction.wallet_id != command.wallet_id:
        transaction = None
    if transaction is not None and command.sub_wallet not in (None, transaction.sub_wallet):
        message = "the transaction is of another sub-wallet; leave sub_wallet out"
        return draft.reject(Code.MALFORMED, message, "sub_wallet")
    if leaving:
        refused = refuse_state(draft, wallet, leaving=True)
    elif wallet.quarantined and draft.topic == TRANSACTION_REQUESTS:
        refused = refuse_state(draft, wallet)
    else:
        refused = None
    if refused is None and rail is not None:
        refused = refuse_rail(draft, *rail)
    if refused is not None:
        return refused
    if transaction is None:
        message = "the wallet has no transaction of this id"
        return draft.reject(Code.TRANSACTION_NOT_FOUND, message, "transaction_id")
    if rail is not None and rail[1].rails[rail[0]].screening:
        message = f"payments over the rail {rail[0]} are screened: release what is held, and ask for a debit"
        return draft.reject(Code.ILLEGAL_TRANSITION, message, "rail")
    if not is_allowed(transaction.operation, transaction.state, verb) or (
        verb in OVER_RAIL and transaction.to_wallet_id is not None
    ):
        if verb is Verb.CAPTURE and transaction.code == Code.HOLD_EXPIRED:
            return draft.reject(Code.HOLD_EXPIRED, "the authorization has expired", "transaction_id")
        message = f"{verb.value} is not possible: {transaction.operation} is {transaction.state}"
        return draft.reject(Code.ILLEGAL_TRANSITION, message, "transaction_id")
    if verb is Verb.CAPTURE and transaction.due_at_ms <= draft.context.recorded_at_ms:
        return draft.reject(Code.HOLD_EXPIRED, "the authorization has expired", "transaction_id")
    return Named(command.transaction_id, transaction)


def balance_overflow(draft: Draft) -> LedgerEvent:
    """The rejection of a journal that no int64 balance could hold, together with what may come back to it."""
    return draft.reject(Code.AMOUNT_OUT_OF_RANGE, "a balance would leave int64", "amount_minor")

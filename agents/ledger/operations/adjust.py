"""`adjust`: operators move money between two accounts of the wallet's partition, to put right what nothing else can."""

from __future__ import annotations

import re
from typing import Final

from agents.ledger.accounts import AVAILABLE, is_system
from agents.ledger.draft import Draft
from agents.ledger.guards import balance_overflow, refuse_four_eyes, refuse_funds
from agents.ledger.journals import leaves_room, post
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.events import TRANSACTION_SETTLED, LedgerEvent
from schemas.lifecycle import SETTLED_AT_ONCE
from schemas.operator_commands import Adjust
from schemas.reference import Reference

#: System accounts that belong to no transaction under way, whose end would find them changed.
_ADJUSTABLE: Final = re.compile(
    r"system/(?:(?:rail|bank):[a-z0-9_-]+|fees|rewards|fx|chargebacks|adjustments|suspense|writeoffs)"
)


def decide_adjust(
    state: LedgerState, wallet: Wallet, command: Adjust, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Move the amount, as far as a wallet's account covers it."""
    refused = _refuse_accounts(state, wallet, command, draft, reference)
    if refused is None and not is_system(command.from_account):
        covered_minor = state.balance_minor(command.from_account, command.asset)
        refused = refuse_funds(draft, covered_minor, command.amount_minor)
    refused = refused or refuse_four_eyes(command, draft)
    if refused is not None:
        return refused
    journal = post(state, command.from_account, command.to_account, command.asset, command.amount_minor)
    if journal is None or not all(leaves_room(state, after) for after in journal.balances):
        return balance_overflow(draft)
    return draft.event(TRANSACTION_SETTLED, path=SETTLED_AT_ONCE, journal=journal)


def _refuse_accounts(
    state: LedgerState, wallet: Wallet, command: Adjust, draft: Draft, reference: Reference
) -> LedgerEvent | None:
    """A rejection where an account is none that operators may adjust, or cannot hold the asset."""
    refusals = [
        _refuse_account(state, wallet, command, draft, name, getattr(command, name))
        for name in ("from_account", "to_account")
    ]
    if reference.assets.get(command.asset) is None:
        refusals.append(draft.reject(Code.ASSET_UNKNOWN, f"no asset {command.asset!r} is known", "asset"))
    return min(filter(None, refusals), key=_precedence, default=None)


def _precedence(refusal: LedgerEvent) -> int:
    return list(Code).index(Code(refusal.code or "ok"))


def _refuse_account(
    state: LedgerState, wallet: Wallet, command: Adjust, draft: Draft, field: str, account: str
) -> LedgerEvent | None:
    if is_system(account):
        if _ADJUSTABLE.fullmatch(account):
            return None
        message = f"{account} is no account that is adjusted: its transactions would not come out even"
        return draft.reject(Code.ILLEGAL_TRANSITION, message, field)
    wallet_id, sub_wallet, bucket = account.split("/")
    of = wallet if wallet_id == command.wallet_id else state.wallets.get(wallet_id)
    if of is None:
        return draft.reject(Code.WALLET_NOT_FOUND, f"no wallet of this partition has the id {wallet_id!r}", field)
    if sub_wallet not in of.sub_wallets:
        return draft.reject(Code.SUB_WALLET_NOT_FOUND, f"the wallet has no sub-wallet {sub_wallet!r}", field)
    if command.asset not in of.assets:
        return draft.reject(Code.ASSET_NOT_ENABLED, f"the wallet does not hold {command.asset}", "asset")
    if bucket != AVAILABLE:
        message = f"{account} is not adjusted: what it holds belongs to transactions that are under way"
        return draft.reject(Code.ILLEGAL_TRANSITION, message, field)
    return None

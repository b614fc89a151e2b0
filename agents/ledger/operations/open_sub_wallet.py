"""`open_sub_wallet`: another purse of the same wallet; an escrow names the only wallet it may pay."""

from __future__ import annotations

from agents.ledger.draft import Draft
from agents.ledger.guards import refuse_accounts, refuse_state
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.commands import OpenSubWallet
from schemas.events import SUB_WALLET_OPENED, LedgerEvent, WalletFacts
from schemas.reference import Reference


def decide_open_sub_wallet(
    _state: LedgerState, wallet: Wallet, command: OpenSubWallet, draft: Draft, _reference: Reference
) -> LedgerEvent:
    """Open the sub-wallet, unless the wallet has one of this name, takes nothing new, or has too many."""
    if command.sub_wallet in wallet.sub_wallets:
        return draft.reject(Code.WALLET_EXISTS, f"the wallet has a sub-wallet {command.sub_wallet!r}", "sub_wallet")
    refused = refuse_state(draft, wallet)
    if refused is not None:
        return refused
    facts = WalletFacts(
        sub_wallet=command.sub_wallet, sub_wallet_kind=command.kind, payee_wallet_id=command.payee_wallet_id
    )
    refused = refuse_accounts(draft, len(wallet.sub_wallets) + 1, len(wallet.assets), "sub_wallet")
    return refused or draft.event(SUB_WALLET_OPENED, wallet=facts)

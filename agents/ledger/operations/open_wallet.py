"""`open_wallet`: a wallet with its sub-wallet `main` and its first assets."""

from __future__ import annotations

from agents.ledger.draft import Draft
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.commands import OpenWallet
from schemas.events import WALLET_OPENED, LedgerEvent, WalletFacts
from schemas.reference import Reference


def decide_open_wallet(
    _state: LedgerState, wallet: Wallet | None, command: OpenWallet, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Open the wallet, unless it exists or an asset is unknown."""
    if wallet is not None:
        return draft.reject(Code.WALLET_EXISTS, "a wallet of this id exists", "wallet_id")
    for code in command.assets:
        if reference.assets.get(code) is None:
            return draft.reject(Code.ASSET_UNKNOWN, f"no asset {code!r} is known", "assets")
    facts = WalletFacts(
        owner_ref=command.owner_ref, kind=command.kind, assets=tuple(dict.fromkeys(command.assets)), state="active"
    )
    return draft.event(WALLET_OPENED, wallet=facts)

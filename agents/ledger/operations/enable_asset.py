"""`enable_asset`: let a wallet hold one more asset. Enabling what is enabled changes nothing and is accepted."""

from __future__ import annotations

from agents.ledger.draft import Draft
from agents.ledger.guards import refuse_accounts, refuse_wallet
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.commands import EnableAsset
from schemas.events import ASSET_ENABLED, LedgerEvent, WalletFacts
from schemas.reference import Reference


def decide_enable_asset(
    _state: LedgerState, wallet: Wallet, command: EnableAsset, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Add the asset to those of the wallet; the event names all that it holds afterwards."""
    refused = refuse_wallet(draft, wallet)
    if refused is not None:
        return refused
    if reference.assets.get(command.asset) is None:
        return draft.reject(Code.ASSET_UNKNOWN, f"no asset {command.asset!r} is known", "asset")
    enabled = tuple(dict.fromkeys((*wallet.assets, command.asset)))
    return refuse_accounts(draft, len(wallet.sub_wallets), len(enabled), "asset") or draft.event(
        ASSET_ENABLED, wallet=WalletFacts(assets=enabled)
    )

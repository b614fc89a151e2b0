"""`set_limits`: operators agree limits and policies with a wallet, with four eyes."""

from __future__ import annotations

import msgspec

from agents.ledger.draft import Draft
from agents.ledger.guards import refuse_four_eyes
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.events import WALLET_LIMITS_SET, AssetTerms, LedgerEvent, WalletFacts
from schemas.operator_commands import SetLimits
from schemas.reference import Reference


def decide_set_limits(
    _state: LedgerState, wallet: Wallet, command: SetLimits, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Put the limits in place of those before. What has left the wallet already counts from when it had any."""
    if wallet.state == "closed":
        return draft.reject(Code.WALLET_CLOSED, "the wallet is closed")
    for asset in command.limits:
        if reference.assets.get(asset) is None:
            return draft.reject(Code.ASSET_UNKNOWN, f"no asset {asset!r} is known", "limits")
    refused = refuse_four_eyes(command, draft)
    if refused is not None:
        return refused
    limits = msgspec.convert(msgspec.to_builtins(command.limits), dict[str, AssetTerms])
    facts = WalletFacts(
        limits=limits, over_capture_bps=command.over_capture_bps, refunds_below_zero=command.refunds_below_zero
    )
    return draft.event(WALLET_LIMITS_SET, wallet=facts)

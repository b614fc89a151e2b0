"""`set_tier`: operators put a wallet into a tier, with four eyes."""

from __future__ import annotations

from agents.ledger.draft import Draft
from agents.ledger.guards import refuse_four_eyes
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.events import WALLET_TIER_SET, LedgerEvent, WalletFacts
from schemas.operator_commands import SetTier
from schemas.reference import Reference


def decide_set_tier(
    _state: LedgerState, wallet: Wallet, command: SetTier, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Put the wallet into the tier, which has to be configured."""
    if wallet.state == "closed":
        return draft.reject(Code.WALLET_CLOSED, "the wallet is closed")
    tier = reference.tiers.get(command.tier)
    if tier is None:
        message = f"no tier {command.tier!r} is configured; write it to the topic tiers first"
        return draft.reject(Code.ILLEGAL_TRANSITION, message, "tier")
    refused = refuse_four_eyes(command, draft)
    if refused is not None:
        return refused
    event = draft.event(WALLET_TIER_SET, wallet=WalletFacts(tier=tier.name))
    event.tier = f"{tier.name}@{tier.version}"
    return event

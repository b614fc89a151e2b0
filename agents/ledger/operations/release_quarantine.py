"""`release_quarantine`: operators let a wallet go on, by four eyes. `agents.ledger.quarantine` executes what waits."""

from __future__ import annotations

from agents.ledger.draft import Draft
from agents.ledger.guards import refuse_four_eyes
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.events import WALLET_RELEASED, WALLET_RELEASING, LedgerEvent, WalletFacts
from schemas.operator_commands import ReleaseQuarantine
from schemas.reference import Reference

#: Most parked records that one transaction executes: far from the commit deadline, whatever else is in the batch.
PORTION = 200


def decide_release_quarantine(
    _state: LedgerState, wallet: Wallet, command: ReleaseQuarantine, draft: Draft, _reference: Reference
) -> LedgerEvent:
    """Release the wallet, or begin to where more is parked than one portion.

    Ordered again meanwhile it does the next portion: no release can get stuck that operators could not set going.
    """
    if not wallet.quarantined:
        return draft.reject(Code.ILLEGAL_TRANSITION, "the wallet is not under quarantine", "wallet_id")
    refused = refuse_four_eyes(command, draft)
    if refused is not None:
        return refused
    type_, facts = next_portion(wallet)
    return draft.event(type_, wallet=facts)


def next_portion(wallet: Wallet) -> tuple[str, WalletFacts | None]:
    """Type and facts of the event that has the next parked records executed: the last portion ends the quarantine."""
    if wallet.parked > PORTION:
        return WALLET_RELEASING, WalletFacts(parked=wallet.parked - PORTION)
    return WALLET_RELEASED, None

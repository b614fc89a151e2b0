"""`lock`: the fraud role locks a wallet; only operators unlock it."""

from __future__ import annotations

from agents.ledger.draft import Draft
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.events import WALLET_STATE_CHANGED, LedgerEvent, WalletFacts
from schemas.fraud_commands import Lock
from schemas.reference import Reference


def decide_lock(
    _state: LedgerState, wallet: Wallet, _command: Lock, draft: Draft, _reference: Reference
) -> LedgerEvent:
    """Lock the wallet, under quarantine too. What is stricter than a lock stays as it is."""
    if wallet.state == "closed":
        return draft.reject(Code.WALLET_CLOSED, "the wallet is closed")
    if wallet.state == "disabled":
        return draft.reject(Code.WALLET_DISABLED, "the wallet is disabled, which is stricter than locked")
    return draft.event(WALLET_STATE_CHANGED, wallet=WalletFacts(state="locked"))

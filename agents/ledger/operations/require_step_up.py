"""`require_step_up`: the fraud role tells that a wallet's owner is to prove who they are. Nothing is refused for it."""

from __future__ import annotations

from agents.ledger.draft import Draft
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.events import WALLET_STEP_UP_REQUIRED, LedgerEvent
from schemas.fraud_commands import RequireStepUp
from schemas.reference import Reference


def decide_require_step_up(
    _state: LedgerState, wallet: Wallet, _command: RequireStepUp, draft: Draft, _reference: Reference
) -> LedgerEvent:
    """Record it, unless the wallet is closed. It changes nothing in the books, nor what may be asked for."""
    if wallet.state == "closed":
        return draft.reject(Code.WALLET_CLOSED, "the wallet is closed")
    return draft.event(WALLET_STEP_UP_REQUIRED)

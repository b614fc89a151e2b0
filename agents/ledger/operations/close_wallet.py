"""`close_wallet`: a wallet that is empty is closed for good. Operators do the same by `set_wallet_state`."""

from __future__ import annotations

from agents.ledger.draft import Draft
from agents.ledger.guards import refuse_state
from agents.ledger.operations.set_wallet_state import why_not_empty
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.commands import CloseWallet
from schemas.events import WALLET_STATE_CHANGED, LedgerEvent, WalletFacts
from schemas.reference import Reference


def decide_close_wallet(
    state: LedgerState, wallet: Wallet, command: CloseWallet, draft: Draft, _reference: Reference
) -> LedgerEvent:
    """Close the wallet if every balance is zero and nothing is under way."""
    refused = refuse_state(draft, wallet)
    if refused is not None:
        return refused
    why = why_not_empty(state, wallet, command.wallet_id)
    if why is not None:
        return draft.reject(Code.ILLEGAL_TRANSITION, why, "wallet_id")
    return draft.event(WALLET_STATE_CHANGED, wallet=WalletFacts(state="closed"))

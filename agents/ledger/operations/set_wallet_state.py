"""`set_wallet_state`: operators activate, lock, disable or close a wallet, with four eyes."""

from __future__ import annotations

from agents.ledger.draft import Draft
from agents.ledger.guards import refuse_four_eyes
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.events import WALLET_STATE_CHANGED, LedgerEvent, WalletFacts
from schemas.operator_commands import SetWalletState
from schemas.reference import Reference


def decide_set_wallet_state(
    state: LedgerState, wallet: Wallet, command: SetWalletState, draft: Draft, _reference: Reference
) -> LedgerEvent:
    """Change the state. A closed wallet stays closed; closing needs every balance zero and nothing under way."""
    if wallet.state == "closed":
        return draft.reject(Code.WALLET_CLOSED, "a closed wallet stays closed", "state")
    if command.state == "closed" and (why := why_not_empty(state, wallet, command.wallet_id)):
        return draft.reject(Code.ILLEGAL_TRANSITION, why, "state")
    refused = refuse_four_eyes(command, draft)
    if refused is not None:
        return refused
    return draft.event(WALLET_STATE_CHANGED, wallet=WalletFacts(state=command.state))


def why_not_empty(state: LedgerState, wallet: Wallet, wallet_id: str) -> str | None:
    """Why a wallet cannot be closed, or None where it can."""
    if wallet.open_transactions:
        return f"{wallet.open_transactions} transactions of the wallet are under way"
    if wallet.parked:
        return f"{wallet.parked} records wait for the end of its quarantine"
    for key in state.accounts.get(wallet_id) or ():
        balance_minor = state.balances.get(key)
        if balance_minor:
            return f"{key} holds {balance_minor}"
    return None

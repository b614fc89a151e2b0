"""`reward`: rewards -> available, as a lot that expires where it does."""

from __future__ import annotations

from agents.ledger.accounts import REWARDS, available
from agents.ledger.draft import Draft
from agents.ledger.guards import balance_overflow, refuse_account
from agents.ledger.journals import has_room, post
from agents.ledger.limits import refuse_cap
from agents.ledger.state import LedgerState, Wallet
from schemas.clock import rfc3339
from schemas.commands import Reward
from schemas.events import TRANSACTION_SETTLED, LedgerEvent
from schemas.lifecycle import SETTLED_AT_ONCE
from schemas.reference import Reference


def decide_reward(
    state: LedgerState, wallet: Wallet, command: Reward, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Give the reward."""
    refused = refuse_account(draft, wallet, command.asset, reference)
    if refused is None:
        refused = refuse_cap(draft, state, wallet, reference, command.asset, command.amount_minor)
    if refused is not None:
        return refused
    account = available(command.wallet_id, command.sub_wallet)
    journal = post(state, REWARDS, account, command.asset, command.amount_minor)
    if journal is None or not has_room(state, account, command.asset, command.amount_minor):
        return balance_overflow(draft)
    due_at = None
    if command.expires_in_s is not None:
        due_at = rfc3339(draft.context.recorded_at_ms + command.expires_in_s * 1000)
    return draft.event(TRANSACTION_SETTLED, path=SETTLED_AT_ONCE, journal=journal, due_at=due_at)

"""`resolve_dispute`: operators end a dispute, won or lost from the view of the wallet named.

Of a credit: won disputed -> available, lost disputed -> rail. Of a debit or a capture: won disputed -> available and
rail -> chargebacks, lost disputed -> chargebacks.
"""

from __future__ import annotations

from functools import partial

from agents.ledger.accounts import CHARGEBACKS, DISPUTED, available, bucket, rail
from agents.ledger.apply_originals import found
from agents.ledger.draft import Draft
from agents.ledger.guards import balance_overflow, find_named, refuse_four_eyes
from agents.ledger.journals import Journal, post_all
from agents.ledger.originals import move_original
from agents.ledger.state import LedgerState, Transaction, Wallet
from schemas.codes import Code
from schemas.events import LedgerEvent
from schemas.lifecycle import State, Verb
from schemas.operator_commands import ResolveDispute
from schemas.reference import Reference


def decide_resolve_dispute(
    state: LedgerState, wallet: Wallet, command: ResolveDispute, draft: Draft, _reference: Reference
) -> LedgerEvent:
    """Settle the dispute where the wallet had the money by right, else reverse what it is about."""
    named = find_named(draft, state, wallet, command, Verb.RESOLVE)
    if isinstance(named, LedgerEvent):
        return named
    dispute = named.transaction
    if dispute.operation != "dispute":
        message = "resolve_dispute names the dispute, not the transaction that it is about"
        return draft.reject(Code.ILLEGAL_TRANSITION, message, "transaction_id")
    assert dispute.parent_transaction_id is not None
    _, original = found(state, dispute.parent_transaction_id, draft.context.recorded_at_ms)
    refused = refuse_four_eyes(command, draft)
    if refused is not None:
        return refused
    is_inflow = original.operation == "credit"
    journal = _journal(state, dispute, original, won=command.won)
    if journal is None:
        return balance_overflow(draft)
    to_state = State.SETTLED if command.won is is_inflow else State.REVERSED
    event = draft.move(named, to_state.value, journal)
    event.remaining_minor = 0
    draft.then += (
        partial(move_original, original_id=dispute.parent_transaction_id, cause=draft.cause, verb=Verb.RESOLVE),
    )
    return event


def _journal(state: LedgerState, dispute: Transaction, original: Transaction, *, won: bool) -> Journal | None:
    amount_minor = dispute.amount_minor
    own = available(dispute.wallet_id, dispute.sub_wallet)
    disputed = bucket(dispute.wallet_id, dispute.sub_wallet, DISPUTED)
    if original.operation == "credit":
        moves = [(disputed, -amount_minor), (own if won else rail(original.rail), amount_minor)]
    elif won:
        moves = [(disputed, -amount_minor), (own, amount_minor)]
        moves += [(rail(original.rail), -amount_minor), (CHARGEBACKS, amount_minor)]
    else:
        moves = [(disputed, -amount_minor), (CHARGEBACKS, amount_minor)]
    return post_all(state, dispute.asset, moves)

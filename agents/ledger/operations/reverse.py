"""`reverse`: operators take back what is left of a settled transaction, forced where the wallet has not enough.

Of a credit: available -> adjustments; of a debit or a capture over a rail: adjustments -> available; in place of
adjustments the rail, where its reference proves the return. Of a transfer: as a refund that nothing refuses. Of a fee,
a reward or an exchange: the inverse, by what was recorded. A refundable fee comes back with each.
"""

from __future__ import annotations

from functools import partial

from agents.ledger.accounts import ADJUSTMENTS, FEES, REWARDS, available, rail
from agents.ledger.draft import Draft
from agents.ledger.exchanging import exchanged, exchanged_back, fee_returned_minor
from agents.ledger.guards import balance_overflow, refuse_four_eyes
from agents.ledger.journals import Move, has_room_after, post_moves
from agents.ledger.limits import takes_below_credit
from agents.ledger.operations.refund import pay_back, payback_of
from agents.ledger.originals import Original, find_original, move_original, refuse_remaining
from agents.ledger.state import LedgerState, Wallet
from schemas.codes import Code
from schemas.events import TRANSACTION_SETTLED, LedgerEvent, RailFacts
from schemas.lifecycle import SETTLED_AT_ONCE, State, Verb
from schemas.operator_commands import Reverse
from schemas.reference import Reference


def decide_reverse(
    state: LedgerState, wallet: Wallet, command: Reverse, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Reverse all that is left, whatever the wallet's state and whatever it has."""
    original = find_original(draft, state, wallet, command, Verb.REVERSE)
    if isinstance(original, LedgerEvent):
        return original
    transaction, proof = original.named.transaction, command.rail_reference
    if proof is not None and transaction.has_reference(Verb.RETURN, proof):
        message = "the rail's return under this reference is booked: it proves nothing of what is left"
        return draft.reject(Code.ILLEGAL_TRANSITION, message, "rail_reference")
    amount_minor = refuse_remaining(draft, transaction, None)
    if isinstance(amount_minor, LedgerEvent):
        return amount_minor
    refused = refuse_four_eyes(command, draft)
    if refused is not None:
        return refused
    if transaction.operation in ("convert", "fee", "reward"):
        event = _within(state, wallet, draft, original, amount_minor)
    elif original.payer is None:
        event = _over_rail(state, wallet, command, draft, original, amount_minor)
    else:
        account = available(command.wallet_id, original.sub_wallet)
        back = payback_of(original, original.payer, account, amount_minor, None)
        event = pay_back(state, draft, back, reference, forced=True)
    # One that is under way to the payer's partition is reversed once that has taken the money.
    if event.to_state == State.SETTLED:
        draft.then += (
            partial(move_original, original_id=command.transaction_id, cause=draft.cause, verb=Verb.REVERSE),
        )
    return event


def _within(state: LedgerState, wallet: Wallet, draft: Draft, original: Original, amount_minor: int) -> LedgerEvent:
    """Takes back a fee, a reward, or an exchange by what was given and got."""
    of = original.named.transaction
    own = available(of.wallet_id, of.sub_wallet)
    back = exchanged_back(of, amount_minor)
    if of.operation == "reward":
        moves: list[Move] = [(own, of.asset, -amount_minor), (REWARDS, of.asset, amount_minor)]
    elif back is None:
        moves = [(FEES, of.asset, -amount_minor), (own, of.asset, amount_minor)]
    else:
        moves = [(own, back.from_asset, -amount_minor), *exchanged(back), (own, back.to_asset, back.to_minor)]
    returned_minor = fee_returned_minor(of, amount_minor)
    moves += [(FEES, of.asset, -returned_minor), (own, of.asset, returned_minor)]
    journal = post_moves(state, moves)
    if journal is None or not has_room_after(state, journal, own, of.asset):
        return balance_overflow(draft)
    event = draft.child(
        TRANSACTION_SETTLED, original.named, amount_minor, path=SETTLED_AT_ONCE, journal=journal, exchange=back
    )
    event.fee_returned_minor = returned_minor or None
    event.forced = takes_below_credit(state, wallet, journal, own, of.received_asset)
    return event


def _over_rail(
    state: LedgerState, wallet: Wallet, command: Reverse, draft: Draft, original: Original, amount_minor: int
) -> LedgerEvent:
    of = original.named.transaction
    own = available(of.wallet_id, of.sub_wallet)
    against = ADJUSTMENTS if command.rail_reference is None else rail(of.rail)
    debit, credit = (own, against) if original.is_inflow else (against, own)
    returned_minor = fee_returned_minor(of, amount_minor)
    moves: list[Move] = [(debit, of.asset, -amount_minor), (credit, of.asset, amount_minor)]
    moves += [(FEES, of.asset, -returned_minor), (own, of.asset, returned_minor)]
    journal = post_moves(state, moves)
    # What takes back a credit needs room too, where it gives back more of a fee than it takes.
    if journal is None or not has_room_after(state, journal, own, of.asset):
        return balance_overflow(draft)
    event = draft.child(TRANSACTION_SETTLED, original.named, amount_minor, path=SETTLED_AT_ONCE, journal=journal)
    event.fee_returned_minor = returned_minor or None
    if command.rail_reference is not None:
        event.rail_facts = RailFacts(rail_reference=command.rail_reference)
    event.forced = takes_below_credit(state, wallet, journal, own, of.asset)
    return event

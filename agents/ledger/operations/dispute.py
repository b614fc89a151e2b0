"""`dispute`: sets aside what is contested. A transaction of its own; a settled one may have several, one after another.

Of a credit: available -> disputed, forced: the money may be spent; and its fee by a schedule, available -> fees, which
is kept however the dispute ends. Of a debit or a capture over a rail: chargebacks -> disputed, an advance until it is
decided.
"""

from __future__ import annotations

from functools import partial

from agents.ledger.accounts import CHARGEBACKS, DISPUTED, available, bucket
from agents.ledger.charges import charge, post_charged
from agents.ledger.draft import Draft
from agents.ledger.guards import balance_overflow
from agents.ledger.journals import has_room
from agents.ledger.limits import takes_below_credit
from agents.ledger.originals import find_original, move_original, refuse_remaining
from agents.ledger.state import LedgerState, Wallet
from schemas.commands import Dispute
from schemas.events import TRANSACTION_DISPUTED, LedgerEvent
from schemas.lifecycle import DISPUTED_AT_ONCE, Verb
from schemas.reference import Reference


def decide_dispute(
    state: LedgerState, wallet: Wallet, command: Dispute, draft: Draft, reference: Reference
) -> LedgerEvent:
    """Contest an amount, or all that is left, whatever the wallet's state."""
    original = find_original(draft, state, wallet, command, Verb.DISPUTE)
    if isinstance(original, LedgerEvent):
        return original
    transaction = original.named.transaction
    amount_minor = refuse_remaining(draft, transaction, command.amount_minor)
    if isinstance(amount_minor, LedgerEvent):
        return amount_minor
    own = available(transaction.wallet_id, transaction.sub_wallet)
    from_ = own if original.is_inflow else CHARGEBACKS
    to = bucket(transaction.wallet_id, transaction.sub_wallet, DISPUTED)
    fee = (
        charge(wallet, transaction.sub_wallet, reference, "dispute", transaction.asset, amount_minor)
        if original.is_inflow
        else None
    )
    journal = post_charged(state, from_, to, transaction.asset, amount_minor, fee)
    has_place = original.is_inflow or has_room(state, own, transaction.asset, amount_minor)
    if journal is None or not has_place:
        return balance_overflow(draft)
    event = draft.child(
        TRANSACTION_DISPUTED, original.named, amount_minor, path=DISPUTED_AT_ONCE, journal=journal, fee=fee
    )
    event.remaining_minor = amount_minor
    event.forced = takes_below_credit(state, wallet, journal, own, transaction.asset)
    draft.then += (partial(move_original, original_id=command.transaction_id, cause=draft.cause, verb=Verb.DISPUTE),)
    return event

"""Transactions that are taken back in part: who may ask for it, what is left of them, and what they become."""

from __future__ import annotations

from typing import Any, NamedTuple

from agents.ledger.apply_originals import found
from agents.ledger.draft import Draft, Named, move_of
from agents.ledger.guards import refuse_state
from agents.ledger.keys import CREDIT_LEG, leg_key
from agents.ledger.state import LedgerState, Wallet
from agents.ledger.transaction import Transaction
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.events import Cause, Counterparty, LedgerEvent
from schemas.lifecycle import OVER_RAIL, State, Verb, is_allowed
from schemas.topics import TRANSACTION_REQUESTS


class Original(NamedTuple):
    """A transaction as the wallet sees it that has the money to give back."""

    named: Named
    sub_wallet: str
    #: The wallet that the money came from; None where it went over a rail.
    payer: Counterparty | None

    @property
    def is_inflow(self) -> bool:
        """True where the wallet got the money over a rail."""
        return self.named.transaction.operation == "credit"


def find_original(
    draft: Draft, state: LedgerState, wallet: Wallet, command: Any, verb: Verb, *, leaving: bool = False
) -> Original | LedgerEvent:
    """The transaction that a command takes back of, or the rejection where it may not.

    `leaving` as in `find_named`; money leaves the wallet only where the original came from another one.
    """
    original = _original(state, command, draft.context.recorded_at_ms)
    if original is not None and command.sub_wallet not in (None, original.sub_wallet):
        message = "the transaction is of another sub-wallet; leave sub_wallet out"
        return draft.reject(Code.MALFORMED, message, "sub_wallet")
    if leaving:
        refused = refuse_state(draft, wallet, original is not None and original.payer is not None)
        if refused is not None:
            return refused
    elif wallet.quarantined and draft.topic == TRANSACTION_REQUESTS:
        refused = refuse_state(draft, wallet)
        assert refused is not None
        return refused
    if original is None:
        message = "the wallet has no transaction of this id; a transfer is taken back of under its payee's wallet"
        return draft.reject(Code.TRANSACTION_NOT_FOUND, message, "transaction_id")
    transaction = original.named.transaction
    if not is_allowed(transaction.operation, transaction.state, verb) or (verb in OVER_RAIL and original.payer):
        message = f"{verb.value} is not possible: {transaction.operation} is {transaction.state}"
        return draft.reject(Code.ILLEGAL_TRANSITION, message, "transaction_id")
    return original


def _original(state: LedgerState, command: Any, now_ms: int) -> Original | None:
    transaction_id, wallet_id = command.transaction_id, command.wallet_id
    own = state.transaction(transaction_id, now_ms)
    if own is not None:
        named = Named(transaction_id, own)
        if own.to_wallet_id is None:
            return Original(named, own.sub_wallet, None) if own.wallet_id == wallet_id else None
        if own.to_wallet_id != wallet_id:
            return None
        payer = Counterparty(own.wallet_id, own.sub_wallet)
        return Original(named, own.to_sub_wallet or "main", payer)
    received = state.transaction(leg_key(transaction_id, CREDIT_LEG), now_ms)
    if received is None or received.wallet_id != wallet_id:
        return None
    payer = Counterparty(received.to_wallet_id or "", received.to_sub_wallet or "main")
    return Original(Named(transaction_id, received), received.sub_wallet, payer)


def refuse_remaining(draft: Draft, transaction: Transaction, amount_minor: int | None) -> LedgerEvent | int:
    """The amount that may be taken back, or the rejection where less is left; None asks for all of that."""
    remaining_minor = transaction.counted.remaining_minor
    if remaining_minor < 1 or (amount_minor is not None and amount_minor > remaining_minor):
        message = f"of the transaction {remaining_minor} is left"
        return draft.reject(Code.EXCEEDS_REMAINING, message, "amount_minor")
    return remaining_minor if amount_minor is None else amount_minor


def state_of(transaction: Transaction) -> State:
    """The state of a settled transaction by what was taken back of it; what is reversed stays so.

    Something may be left of that again, where what was given back of it before has come back.
    """
    if transaction.state == State.REVERSED:
        return State.REVERSED
    counter = transaction.counted
    if counter.disputed_minor:
        return State.DISPUTED
    undone_minor = counter.charged_back_minor + counter.reversed_minor + counter.returned_minor
    is_undone = undone_minor == counter.settled_minor or (counter.reversed_minor and not counter.remaining_minor)
    return State.REVERSED if is_undone else State.SETTLED


def move_original(turn: Turn, original_id: str, cause: Cause, verb: Verb) -> None:
    """After what acted on it: bring the original into the state that follows, and tell who asked for it."""
    key, transaction = found(turn.state, original_id, turn.context.recorded_at_ms)
    to_state = state_of(transaction)
    if to_state == transaction.state:
        return
    follows = Cause(cause.topic, cause.partition, cause.offset, origin=cause.origin)
    named = Named(original_id, transaction)
    event = move_of(named, to_state.value, None, follows, turn.context.recorded_at, verb.value)
    event.remaining_minor = transaction.counted.remaining_minor
    if key != original_id:
        event.leg = CREDIT_LEG
    turn.write(event, transaction.wallet_id.encode())
    if event.leg is None:
        turn.tell_requester(event, transaction)

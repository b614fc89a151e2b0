"""Transactions that others act on: who may, how much is left of them, and the state that follows."""

from __future__ import annotations

from ops.verify.agreements import Agreements
from ops.verify.findings import Check
from ops.verify.journals import Case
from ops.verify.known import Known
from schemas.events import Exchange, LedgerEvent
from schemas.lifecycle import OVER_RAIL, State, Verb, is_allowed

#: What is wrong, by its code.
Wrong = tuple[Check, str]

_COUNTED_AS = {"refund": "refunded_minor", "dispute": "disputed_minor", "reverse": "reversed_minor"}


def wrongs_of_acting(case: Case, agreements: Agreements) -> list[Wrong]:
    """What is wrong with an event that opens a transaction acting on `case.original`."""
    event, original = case.event, case.original
    assert original is not None
    verb = Verb(event.operation or "")
    name = f"{original.operation} {original.transaction_id}"
    wrongs = []
    if not is_allowed(original.operation, original.state, verb) or (verb in OVER_RAIL and original.other is not None):
        wrongs.append((Check.ORIGINAL_WRONG, f"{verb.value} of {name}, which is {original.state}"))
    claimed, known = _claims(event), _terms(event, original)
    if claimed != known:
        wrongs.append((Check.ORIGINAL_WRONG, f"{verb.value} of {name} is of {claimed}, it must be of {known}"))
    if event.to_state == "failed":
        return wrongs
    over_minor, hold = 0, original.hold
    if hold is not None:
        most_minor = agreements.most_captured_minor(original.wallet_id, original.amount_minor)
        over_minor = max(0, most_minor - hold.captured_minor - hold.remaining_minor)
    return wrongs + _wrongs_of_amount(case, original, over_minor)


def _claims(event: LedgerEvent) -> tuple[object, ...]:
    other = None if event.counterparty is None else (event.counterparty.wallet_id, event.counterparty.sub_wallet)
    if event.operation == "capture":
        return event.wallet_id, event.sub_wallet, event.asset
    return event.wallet_id, event.sub_wallet, event.asset, event.rail, other


def _terms(event: LedgerEvent, original: Known) -> tuple[object, ...]:
    """What the original says of who gets or gives what is taken of it, and over which rail."""
    if event.operation == "capture":
        return original.wallet_id, original.sub_wallet, original.asset
    payer = original.payer
    rail = original.rail if event.operation == "refund" and payer is None else None
    return *original.receiver, original.received_asset, rail, payer


def _wrongs_of_amount(case: Case, original: Known, over_minor: int) -> list[Wrong]:
    """More than is left, or not all of it where that was asked for. So much more may be captured than is held."""
    event, hold = case.event, original.hold
    amount_minor = event.amount_minor or 0
    left_minor = original.left_minor if hold is None else hold.remaining_minor
    if amount_minor > left_minor + over_minor:
        sentence = f"{event.operation} of {amount_minor}, of {original.transaction_id} {left_minor} is left"
        return [(Check.EXCEEDS_ORIGINAL, sentence)]
    if amount_minor != left_minor and not isinstance(case.asked.amount_minor, int):
        return [(Check.NOT_AS_ASKED, f"all that is left was asked for, {left_minor}, but it is {amount_minor}")]
    return []


def count(event: LedgerEvent, original: Known, by_minor: int) -> None:
    """The original counts what acts on it, or takes it back."""
    if event.operation == "capture":
        hold = original.hold
        if hold is not None:
            hold.captured_minor += by_minor
            hold.remaining_minor = max(0, hold.remaining_minor - by_minor)
        return
    counter, name = original.counted(), _COUNTED_AS[event.operation or ""]
    setattr(counter, name, getattr(counter, name) + by_minor)


def count_within(original: Known, fee_minor: int, exchange: Exchange | None, sign: int) -> None:
    """What is given back of its fee and its exchange, or with a negative sign is not after all."""
    if fee_minor or exchange is not None:
        counter = original.counted()
        counter.fee_returned_minor += sign * fee_minor
        counter.exchange_returned_minor += sign * (0 if exchange is None else exchange.to_minor)


def count_end(event: LedgerEvent, known: Known) -> None:
    """What acted on another transaction is over: what failed never was, what settled counts as it settled."""
    original = known.original
    if original is None:
        return
    if event.to_state in ("failed", "canceled"):
        count(event, original, -known.amount_minor)
        count_within(original, known.fee_minor, known.exchange, -1)
    elif known.operation == "refund" and known.counter is not None:
        count(event, original, known.counter.settled_minor - known.amount_minor)
    elif known.operation == "dispute":
        count(event, original, -known.amount_minor)
        if event.to_state == "reversed":
            original.counted().charged_back_minor += known.amount_minor


def due_state(known: Known, state: str) -> str:
    """The state of a transaction that was in `state`, by what was taken back of it; what is reversed stays so."""
    if state == State.REVERSED:
        return State.REVERSED.value
    return "settled" if known.counter is None else known.counter.state

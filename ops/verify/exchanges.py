"""Exchanges and what goes with them: the rate's floor, and what is given back of an exchange and of a fee."""

from __future__ import annotations

from math import gcd

from msgspec import UNSET

from ops.verify.accounts import FX
from ops.verify.findings import Check
from ops.verify.journals import Case
from ops.verify.known import Known
from ops.verify.originals import Wrong
from schemas.events import Exchange, LedgerEvent

#: Operations that take back of another one, and with it of its exchange and its fee.
_TAKES_BACK = ("refund", "reverse")
#: Entries of `system/fx` in a journal that exchanges.
_SIDES = 2


def wrongs_within(case: Case) -> list[Wrong]:
    """What is wrong with the exchange, the fee and the returned fee of an event that opens a transaction or a leg."""
    event = case.event
    wrongs = [] if event.fee is None else _wrongs_of_fee(event)
    if sum(entry.account == FX for entry in event.entries) > _SIDES:
        wrongs.append((Check.EXCHANGE_WRONG, "its journal exchanges more than once"))
    if event.leg is not None:
        return wrongs + _wrongs_of_leg(event)
    if event.operation in _TAKES_BACK and case.original is not None:
        return wrongs + _wrongs_of_back(event, case.original)
    if event.fee_returned_minor is not None:
        wrongs.append((Check.FEE_WRONG, f"{event.operation} gives back a fee of nothing"))
    exchange = event.exchange
    if exchange is not None:
        terms = (event.asset, event.amount_minor)
        if event.operation not in ("transfer", "convert") or (exchange.from_asset, exchange.from_minor) != terms:
            wrongs.append((Check.EXCHANGE_WRONG, f"{event.operation} of {terms} exchanges {exchange}"))
        elif event.command is None and case.asked.to_asset is UNSET and event.request is not UNSET:
            wrongs.append((Check.EXCHANGE_WRONG, f"no other asset was asked for, exchanged was {exchange}"))
        wrongs += _wrongs_of_rate(exchange)
    elif event.operation == "convert" and event.to_state == "settled":
        wrongs.append((Check.EXCHANGE_WRONG, "it exchanges nothing"))
    return wrongs


def wrongs_of_moving(event: LedgerEvent) -> list[Wrong]:
    """What moves a transaction on exchanges nothing: that was done when it was opened."""
    if event.exchange is None:
        return []
    return [(Check.EXCHANGE_WRONG, f"{event.type} from {event.from_state} says that it exchanges {event.exchange}")]


def _wrongs_of_fee(event: LedgerEvent) -> list[Wrong]:
    fee = event.fee
    assert fee is not None
    asset = event.asset
    if event.leg is not None:
        # Its payer has paid it, in the asset that was given.
        return []
    if fee.amount_minor < 1 or fee.asset != asset:
        return [(Check.FEE_WRONG, f"a fee of {fee.amount_minor} {fee.asset} within {event.operation} of {asset}")]
    return []


def _wrongs_of_leg(event: LedgerEvent) -> list[Wrong]:
    """The exchange of a leg is its payer's; what has been sent is one side of it."""
    exchange = event.exchange
    if exchange is None:
        return []
    sent = (exchange.from_asset, exchange.from_minor)
    if event.operation not in _TAKES_BACK:
        sent = (exchange.to_asset, exchange.to_minor)
    if sent != (event.asset, event.amount_minor):
        return [(Check.EXCHANGE_WRONG, f"{event.amount_minor} {event.asset} arrives, exchanged was {exchange}")]
    return []


def _wrongs_of_rate(exchange: Exchange) -> list[Wrong]:
    numerator, denominator = exchange.numerator, exchange.denominator
    if numerator < 1 or denominator < 1 or gcd(numerator, denominator) != 1:
        return [(Check.EXCHANGE_WRONG, f"{numerator}/{denominator} is no rate in lowest terms")]
    due_minor = exchange.from_minor * numerator // denominator
    if exchange.to_minor == due_minor >= 1:
        return []
    sentence = f"{exchange.from_minor} at {numerator}/{denominator} gives {due_minor}, not {exchange.to_minor}"
    return [(Check.EXCHANGE_WRONG, sentence)]


def _wrongs_of_back(event: LedgerEvent, original: Known) -> list[Wrong]:
    if event.to_state == "failed":
        return []
    wrongs: list[Wrong] = []
    amount_minor, returned_minor = event.amount_minor or 0, event.fee_returned_minor or 0
    counter = original.counted()
    due_minor = share_minor(original, original.fee_minor, counter.fee_returned_minor, amount_minor)
    if returned_minor != due_minor:
        sentence = f"{returned_minor} of a fee of {original.fee_minor} is given back, it must be {due_minor}"
        wrongs.append((Check.FEE_WRONG, sentence))
    due = exchange_back(original, amount_minor)
    if event.exchange != due:
        wrongs.append((Check.EXCHANGE_WRONG, f"it is exchanged back as {event.exchange}, it must be {due}"))
    return wrongs


def exchange_back(original: Known, amount_minor: int) -> Exchange | None:
    """What must be given back of what was exchanged, by what was recorded; None where nothing was."""
    was = original.exchange
    if was is None:
        return None
    returned_minor = original.counted().exchange_returned_minor
    return Exchange(
        rate_id=was.rate_id,
        source=was.source,
        from_asset=was.to_asset,
        from_minor=amount_minor,
        to_asset=was.from_asset,
        to_minor=share_minor(original, was.from_minor, returned_minor, amount_minor),
        numerator=was.from_minor,
        denominator=was.to_minor,
    )


def share_minor(original: Known, whole_minor: int, returned_minor: int, amount_minor: int) -> int:
    """The part of a whole that goes with so much of what was received: pro rata and floored, never more than is left.

    What completes the original takes the remainder.
    """
    counter, left_minor = original.counted(), whole_minor - returned_minor
    if counter.refunded_minor + counter.reversed_minor + amount_minor == counter.settled_minor:
        return left_minor
    return min(left_minor, whole_minor * amount_minor // counter.settled_minor)

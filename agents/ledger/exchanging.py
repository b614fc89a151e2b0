"""Exchanges within an operation: which rate, what it gives, and what a refund gives back of it. Pure."""

from __future__ import annotations

from typing import Any

from agents.ledger.accounts import FX
from agents.ledger.draft import Draft
from agents.ledger.exchange import converted
from agents.ledger.journals import Move
from agents.ledger.transaction import Transaction
from schemas.codes import Code
from schemas.events import Exchange, LedgerEvent
from schemas.money import INT64_MAX
from schemas.reference import Reference


def refuse_least(command: Any, draft: Draft) -> LedgerEvent | None:
    """A rejection where the least that is to be got is beyond int64; asked before anything is looked at."""
    least_minor = command.min_to_amount_minor
    if least_minor is None or least_minor <= INT64_MAX:
        return None
    message = "min_to_amount_minor is between 1 and 2^63 - 1"
    return draft.reject(Code.AMOUNT_OUT_OF_RANGE, message, "min_to_amount_minor")


def exchange_for(
    draft: Draft,
    reference: Reference,
    assets: tuple[str, str],
    amount_minor: int,
    rate_id: str | None,
) -> Exchange | LedgerEvent:
    """The exchange of an amount of the first asset for the second, or the rejection where there is none.

    `rate_id` asks for one rate.
    """
    from_asset, to_asset = (reference.assets.get(code) for code in assets)
    rate = reference.rates.between(*assets, draft.context.recorded_at_ms, rate_id)
    if rate is None or from_asset is None or to_asset is None:
        which = f"the rate {rate_id!r}" if rate_id is not None else "a rate"
        message = f"{which} of {assets[0]} to {assets[1]} is not known, or not valid now"
        return draft.reject(Code.RATE_UNAVAILABLE, message, "rate_id" if rate_id is not None else "to_asset")
    exchange = converted(rate, from_asset, to_asset, amount_minor)
    if exchange is None:
        message = f"the amount gives nothing of {assets[1]}, or more than can be booked"
        return draft.reject(Code.AMOUNT_OUT_OF_RANGE, message, "amount_minor")
    return exchange


def refuse_moved(draft: Draft, exchange: Exchange, least_minor: int | None) -> LedgerEvent | None:
    """A rejection where an exchange gives less than the least that was asked for, in minor units."""
    if least_minor is None or exchange.to_minor >= least_minor:
        return None
    message = f"the amount gives {exchange.to_minor} {exchange.to_asset} now, asked for at least {least_minor}"
    return draft.reject(Code.RATE_MOVED, message, "min_to_amount_minor")


def exchanged(exchange: Exchange) -> tuple[Move, Move]:
    """The moves of the account that every exchange is against."""
    return (FX, exchange.from_asset, exchange.from_minor), (FX, exchange.to_asset, -exchange.to_minor)


def exchanged_back(original: Transaction, amount_minor: int) -> Exchange | None:
    """What a refund of so much of what was received gives back of what was given for it; None without an exchange.

    Pro rata and floored; the refund that completes the original takes what is left.
    """
    exchange = original.exchange
    if exchange is None:
        return None
    back_minor = share_of(original, exchange.from_minor, original.counted.exchange_returned_minor, amount_minor)
    return Exchange(
        rate_id=exchange.rate_id,
        source=exchange.source,
        from_asset=exchange.to_asset,
        from_minor=amount_minor,
        to_asset=exchange.from_asset,
        to_minor=back_minor,
        numerator=exchange.from_minor,
        denominator=exchange.to_minor,
    )


def fee_returned_minor(original: Transaction, amount_minor: int) -> int:
    """What a refund of so much of the original gives back of its fee."""
    return share_of(original, original.fee_minor, original.counted.fee_returned_minor, amount_minor)


def share_of(original: Transaction, whole_minor: int, returned_minor: int, amount_minor: int) -> int:
    """The part of `whole_minor` that goes with an amount of what was received, `returned_minor` of it being gone."""
    counter = original.counted
    if counter.refunded_minor + counter.reversed_minor + amount_minor == counter.settled_minor:
        return whole_minor - returned_minor
    # A refund that settled in part may have given back more than its part.
    return min(whole_minor * amount_minor // counter.settled_minor, whole_minor - returned_minor)

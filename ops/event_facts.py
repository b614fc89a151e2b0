"""What an event says beside its entries, in words: what moved it on, is due, was exchanged or charged. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ops.amounts import Amounts
from schemas.events import Exchange, Fee, LedgerEvent, LimitFacts, RailFacts


def facts_of(event: LedgerEvent, amounts: Amounts) -> Iterator[str]:
    """One fact after the other; nothing for what the event does not say."""
    if event.command is not None:
        yield f"by {event.command}"
    if event.due_at is not None:
        yield f"due at {event.due_at}"
    if event.remaining_minor is not None:
        yield f"remaining {amounts.amount(event.remaining_minor, event.asset)}"
    if event.exchange is not None:
        yield exchange_fact(event.exchange, amounts)
    if event.fee is not None:
        yield fee_fact(event.fee, amounts)
    if event.fee_returned_minor is not None:
        yield f"of the fee {amounts.amount(event.fee_returned_minor, _fee_asset(event))} is given back"
    if event.rail_facts is not None:
        yield from rail_facts(event.rail_facts, event.asset, amounts)
    if event.limit is not None:
        yield limit_fact(event.limit, event.asset, amounts)


def _fee_asset(event: LedgerEvent) -> str | None:
    """The asset of the fee that is given back: the payer's, which a refund is exchanged back to."""
    return event.asset if event.exchange is None else event.exchange.to_asset


def exchange_fact(exchange: Exchange, amounts: Amounts) -> str:
    """What was exchanged for what, by which rate, and the exact fraction."""
    got = amounts.amount(exchange.to_minor, exchange.to_asset)
    paid = amounts.amount(exchange.from_minor, exchange.from_asset)
    return f"{paid} for {got} at {exchange.rate_id}: {exchange.numerator}/{exchange.denominator} in minor units"


def fee_fact(fee: Fee, amounts: Amounts) -> str:
    """The fee, and the schedule and version that it was taken from."""
    back = ", given back with refunds" if fee.refundable else ""
    return f"fee {amounts.amount(fee.amount_minor, fee.asset)} by {fee.schedule}@{fee.version}{back}"


def limit_fact(limit: LimitFacts, asset: str | None, amounts: Amounts) -> str:
    """The limit, how much of it is used, and when that is over."""

    def text(value: int) -> str:
        return str(value) if limit.name.endswith("count") else amounts.amount(value, asset)

    tier = "" if limit.tier is None else f" by tier {limit.tier}"
    frees_up = "" if limit.frees_up_at is None else f"; it frees up at {limit.frees_up_at}"
    return f"{limit.name} is {text(limit.limit)}{tier}, used {text(limit.used)}{frees_up}"


def rail_facts(facts: RailFacts, asset: str | None, amounts: Amounts) -> Iterator[str]:
    """What a rail, or the batch that it is sent in, says."""
    texts = (
        ("in batch", facts.batch_id),
        ("rail reference", facts.rail_reference),
        ("value date", facts.value_date),
        ("the rail says", facts.code),
    )
    sums = (
        ("settled", facts.settled_minor),
        ("rail fee", facts.rail_fee_minor),
        ("returned", facts.returned_minor),
    )
    for name, said in texts:
        if said is not None:
            yield f"{name} {said}"
    for name, minor in sums:
        if minor is not None:
            yield f"{name} {amounts.amount(minor, asset)}"

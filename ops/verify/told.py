"""What an event must say of the command that it answers, field by field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import UNSET

from ops.verify.asked import Asked
from schemas import events as ev
from schemas.clock import rfc3339, unix_ms
from schemas.events import LedgerEvent, RailFacts

#: A field, what was asked for, what the event says.
Told = tuple[str, Any, Any]

_decode: Final = msgspec.json.Decoder().decode
_NO_FACTS: Final = RailFacts()
_NOT_DONE: Final = frozenset({"initiated", "failed"})


def told_of_new(event: LedgerEvent, asked: Asked) -> list[Told]:
    """A command that names no other transaction."""
    told: list[Told] = [
        ("operation", asked.operation, event.operation),
        ("sub_wallet", asked.sub_wallet, event.sub_wallet),
    ]
    if event.type == ev.REQUEST_REJECTED:
        return told
    return [
        *told,
        ("command", None, event.command),
        ("from_state", None, event.from_state),
        *told_of_terms(event, asked),
    ]


def told_of_terms(event: LedgerEvent, asked: Asked) -> list[Told]:
    """What a transaction is about, however it was opened; what waits for its time names neither rail nor payee."""
    payee, is_waiting = event.counterparty, event.to_state == "initiated" and event.screening is None
    rail, to_wallet_id, to_sub_wallet = (
        (None, None, None)
        if is_waiting
        else (asked.rail or None, asked.to_wallet_id or None, asked.to_sub_wallet or None)
    )
    return [
        ("amount_minor", asked.amount_minor or None, event.amount_minor),
        ("asset", asked.asset or None, event.asset),
        ("rail", rail, event.rail),
        ("to_wallet_id", to_wallet_id, None if payee is None else payee.wallet_id),
        ("to_sub_wallet", to_sub_wallet, None if payee is None else payee.sub_wallet),
        *_told_of_exchange(event, asked),
        ("due_at", due_at_of(event, asked) if event.screening is None else event.due_at, event.due_at),
    ]


def _told_of_exchange(event: LedgerEvent, asked: Asked) -> list[Told]:
    """The asset that is got, the rate and the least of it; nothing is exchanged yet of what waits, or of what fails."""
    exchange = event.exchange
    to_asset = None if asked.to_asset in (UNSET, asked.asset) or event.to_state in _NOT_DONE else asked.to_asset
    told: list[Told] = [("to_asset", to_asset, None if exchange is None else exchange.to_asset)]
    if exchange is None:
        return told
    if asked.rate_id is not UNSET:
        told.append(("rate_id", asked.rate_id, exchange.rate_id))
    if isinstance(asked.min_to_amount_minor, int):
        least_minor = max(asked.min_to_amount_minor, exchange.to_minor)
        told.append(("min_to_amount_minor", least_minor, exchange.to_minor))
    return told


def told_beside(event: LedgerEvent, asked: Asked) -> list[Told]:
    """What the requester has said beside the command: whose order it is, and which merchant's; a rejection has none."""
    if event.type == ev.REQUEST_REJECTED:
        references, metadata = None, None
    else:
        references, metadata = asked.references or None, asked.metadata or None
    said = None if event.references is UNSET else _decode(event.references)
    return [("references", references, said or None), ("metadata", metadata, event.metadata or None)]


def due_at_of(event: LedgerEvent, asked: Asked) -> str | None:
    """When what is asked for begins or ends; None where it does neither later."""
    if isinstance(asked.execute_at, str) and asked.execute_at > event.recorded_at:
        return asked.execute_at
    if not isinstance(asked.expires_in_s, int):
        return None
    return rfc3339(unix_ms(event.recorded_at) + 1000 * asked.expires_in_s)


def told_of_transaction(event: LedgerEvent, asked: Asked) -> list[Told]:
    """A command that names a transaction: it opens one that acts on it, moves it on, or is noted."""
    operation = asked.operation
    if event.type == ev.REQUEST_REJECTED:
        return [("operation", operation, event.operation), ("sub_wallet", asked.sub_wallet or None, event.sub_wallet)]
    told: list[Told] = []
    if asked.sub_wallet is not UNSET:
        told.append(("sub_wallet", asked.sub_wallet, event.sub_wallet))
    return told + ON_TRANSACTION[str(operation)](event, asked)


def _moves(event: LedgerEvent, asked: Asked) -> list[Told]:
    return [
        ("operation", asked.operation, event.command),
        ("transaction_id", asked.transaction_id, event.transaction_id),
    ]


def _acts(event: LedgerEvent, asked: Asked) -> list[Told]:
    told: list[Told] = [
        ("operation", asked.operation, event.operation),
        ("transaction_id", asked.transaction_id, event.parent_transaction_id),
        ("command", None, event.command),
        ("from_state", None, event.from_state),
    ]
    if isinstance(asked.amount_minor, int):
        told.append(("amount_minor", asked.amount_minor, event.amount_minor))
    return told


def _reverses(event: LedgerEvent, asked: Asked) -> list[Told]:
    told, facts = _acts(event, asked), event.rail_facts
    # Earlier versions did not say it.
    return told if facts is None else [*told, ("rail_reference", asked.rail_reference or None, facts.rail_reference)]


def _captures(event: LedgerEvent, asked: Asked) -> list[Told]:
    payee, is_over_rail = event.counterparty, asked.to_wallet_id is UNSET
    return [
        *_acts(event, asked),
        ("rail", (asked.rail or "instant") if is_over_rail else None, event.rail),
        ("to_wallet_id", asked.to_wallet_id or None, None if payee is None else payee.wallet_id),
        (
            "to_sub_wallet",
            None if is_over_rail else asked.to_sub_wallet or "main",
            None if payee is None else payee.sub_wallet,
        ),
    ]


def _submits(event: LedgerEvent, asked: Asked) -> list[Told]:
    facts = event.rail_facts or _NO_FACTS
    batch_id = None if event.type == ev.TRANSACTION_CONFIRMED else asked.batch_id
    return [*_moves(event, asked), ("batch_id", batch_id, facts.batch_id)]


def _settles(event: LedgerEvent, asked: Asked) -> list[Told]:
    facts, told = event.rail_facts or _NO_FACTS, _moves(event, asked)
    if event.type == ev.TRANSACTION_CONFIRMED:
        return [*told, ("rail_reference", None, facts.rail_reference)]
    told.append(("rail_reference", asked.rail_reference, facts.rail_reference))
    settled_minor = event.amount_minor if asked.settled_minor is UNSET else asked.settled_minor
    if event.type == ev.TRANSACTION_CONTRADICTED:
        return [*told, ("settled_minor", settled_minor, event.amount_minor)]
    return [
        *told,
        ("settled_minor", settled_minor, event.amount_minor if facts.settled_minor is None else facts.settled_minor),
        ("rail_fee_minor", None if asked.rail_fee_minor is UNSET else asked.rail_fee_minor, facts.rail_fee_minor),
        ("value_date", asked.value_date or None, facts.value_date),
    ]


def _fails(event: LedgerEvent, asked: Asked) -> list[Told]:
    facts = event.rail_facts or _NO_FACTS
    code = None if event.type == ev.TRANSACTION_CONFIRMED else asked.code
    return [*_moves(event, asked), ("code", code, facts.code)]


def _returns(event: LedgerEvent, asked: Asked) -> list[Told]:
    facts, is_noted = event.rail_facts or _NO_FACTS, event.type == ev.TRANSACTION_CONFIRMED
    is_contradicted = event.type == ev.TRANSACTION_CONTRADICTED
    return [
        *_moves(event, asked),
        ("amount_minor", asked.amount_minor, event.amount_minor if is_contradicted else asked.amount_minor),
        ("rail_reference", None if is_noted else asked.rail_reference, facts.rail_reference),
        ("code", None if is_noted else asked.code, facts.code),
    ]


#: Commands that name a transaction -> what the event must say of it.
ON_TRANSACTION: Final[dict[Any, Callable[[LedgerEvent, Asked], list[Told]]]] = {
    "capture": _captures,
    "refund": _acts,
    "dispute": _acts,
    "reverse": _reverses,
    "release": _moves,
    "cancel": _moves,
    "resolve_dispute": _moves,
    "submit": _submits,
    "settle": _settles,
    "fail": _fails,
    "return": _returns,
    "screening_verdict": _moves,
}

"""Whether an event says what its input record asked for, field by field, and keeps the very request."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import orjson
from msgspec import UNSET, Raw

from ops.verify.asked import Asked, read_by_contract, read_quickly, read_request
from ops.verify.told import ON_TRANSACTION, Told, due_at_of, told_beside, told_of_new, told_of_transaction
from schemas import events as ev
from schemas.events import LedgerEvent
from schemas.internal import (
    ForwardedRecord,
    InternalCommand,
    LegAnswer,
    ReleasePortion,
    Tick,
    TransferLeg,
    decode_internal,
)
from schemas.topics import INTERNAL_COMMANDS

#: Events that keep the request that they answer.
KEEPS_REQUEST: Final = frozenset(
    {
        ev.WALLET_OPENED,
        ev.SUB_WALLET_OPENED,
        ev.ASSET_ENABLED,
        ev.WALLET_STATE_CHANGED,
        ev.WALLET_LIMITS_SET,
        ev.WALLET_TIER_SET,
        ev.WALLET_STEP_UP_REQUIRED,
        ev.WALLET_RELEASING,
        ev.WALLET_RELEASED,
        ev.TRANSACTION_INITIATED,
        ev.TRANSACTION_PROCESSED,
        ev.TRANSACTION_SETTLED,
        ev.TRANSACTION_FAILED,
        ev.TRANSACTION_CANCELED,
        ev.TRANSACTION_DISPUTED,
        ev.TRANSACTION_REVERSED,
        ev.TRANSACTION_SUBMITTED,
        ev.TRANSACTION_RETURNED,
        ev.TRANSACTION_CONFIRMED,
        ev.TRANSACTION_CONTRADICTED,
        ev.TRANSACTION_SCREENED,
        ev.REQUEST_REJECTED,
    }
)
#: Events that name as much of the request as could be read.
_NAMES_REQUEST: Final = frozenset({ev.REQUEST_DEAD_LETTERED, ev.WALLET_QUARANTINED})
_LEGS: Final = frozenset({ev.TRANSFER_RECEIVED, ev.TRANSFER_REFUSED})
#: What becomes of a further portion of a release.
_PORTIONS: Final = frozenset({ev.WALLET_RELEASING, ev.WALLET_RELEASED, ev.REQUEST_REPLAYED})
#: Events that have anything to be compared with their input record.
SAYS_WHAT_WAS_ASKED: Final = (
    KEEPS_REQUEST
    | _NAMES_REQUEST
    | _LEGS
    | {ev.REQUEST_REPLAYED, ev.REQUEST_FORWARDED, ev.REQUEST_PARKED, ev.CLOCK_TICKED}
)


def why_not_asked(event: LedgerEvent, first: int | None, topic: str, value: bytes) -> str:
    """What is wrong with an event as the answer to an input record; empty where nothing is.

    `first` is what `Keys.event` says of a replay.
    """
    if topic == INTERNAL_COMMANDS:
        told = read_told(value)
        if not isinstance(told, ForwardedRecord):
            return _why_not_parked_leg(event, value) if event.parked is not None else _why_not_told(event, told)
        topic, value = told.source.topic, told.value.encode()
    request = event.request
    if event.leg is not None or (event.from_state is not None and event.command is None):
        return f"only what the ledger tells itself moves a transaction on, not a record of {topic}"
    if request is UNSET:
        return _why_not_without_request(event, first, topic, value)
    read = read_quickly(topic, value)
    if read is None or read[1] != bytes(request):
        read = read_by_contract(topic, value)
        if read is None:
            return f"the ledger took {event.operation!r}, but the record asks for nothing that can be read"
        if read[1] != bytes(request):
            return f"the record asks for {_text(read[1])}, the event keeps {_text(bytes(request))}"
    return "" if _is_said(event, read[0]) else _difference(event, read[0])


def _why_not_without_request(event: LedgerEvent, first: int | None, topic: str, value: bytes) -> str:
    if event.type in _NAMES_REQUEST:
        return _why_not_named(event, value)
    if event.type == ev.REQUEST_REPLAYED:
        return _why_not_replayed(event, first, topic, value)
    if event.type == ev.REQUEST_FORWARDED:
        return _why_not_forwarded(event, topic, value)
    if event.type == ev.REQUEST_PARKED:
        return _why_not_parked(event, topic, value)
    return f"{event.type} does not keep the request that it answers"


def why_not_request(event: LedgerEvent) -> str:
    """What differs between an event and the request that it keeps; empty where nothing does."""
    asked = read_request(event.request) if isinstance(event.request, Raw) else None
    if asked is None:
        # Of what a rejection refuses, no more than its bytes may be sound: an amount beyond int64 is text there.
        return "" if event.type == ev.REQUEST_REJECTED else "the request that the event keeps cannot be read"
    return "" if _is_said(event, asked) else _difference(event, asked)


def read_told(value: bytes) -> InternalCommand | None:
    """What one partition told another; None where it cannot be read."""
    try:
        told: InternalCommand = decode_internal(value)
    except (ValueError, RecursionError):
        return None
    return told


def _why_not_told(event: LedgerEvent, told: InternalCommand | None) -> str:
    """An event against what one partition told another: a leg executes, an answer ends, nothing else begins."""
    if event.type in _LEGS:
        is_told = isinstance(told, TransferLeg) and (
            told.transaction_id == event.transaction_id
            and told.kind == event.operation
            and told.wallet_id == event.wallet_id
            and told.sub_wallet == event.sub_wallet
            and told.amount_minor == event.amount_minor
            and told.asset == event.asset
            and told.payer == event.counterparty
            and told.exchange == event.exchange
            and told.fee == event.fee
            and told.fee_returned_minor == event.fee_returned_minor
            and told.parent_transaction_id == event.parent_transaction_id
            and told.occurred_at == event.occurred_at
            and told.references == event.references
            and told.metadata == event.metadata
        )
    elif isinstance(told, ReleasePortion):
        is_told = event.wallet_id == told.wallet_id and event.type in _PORTIONS and event.request is UNSET
    elif event.type in KEEPS_REQUEST:
        is_told = isinstance(told, LegAnswer) and (
            event.from_state is not None
            and event.command is None
            and told.transaction_id == event.transaction_id
            and told.wallet_id == event.wallet_id
            and event.to_state == ("settled" if told.accepted else "failed")
        )
    elif event.type == ev.CLOCK_TICKED:
        is_told = isinstance(told, Tick)
    else:
        is_told = event.request is UNSET
    if is_told:
        return ""
    return f"{event.type} of {event.wallet_id}, {event.amount_minor} {event.asset}, but it was told {told}"


def _is_said(event: LedgerEvent, asked: Asked) -> bool:
    cause = event.cause
    if asked.wallet_id != event.wallet_id or (cause is not None and asked.idempotency_key != cause.idempotency_key):
        return False
    says_beside = event.references is not UNSET or event.metadata or asked.references or asked.metadata
    if says_beside and any(wanted != said for _, wanted, said in told_beside(event, asked)):
        return False
    if asked.operation in ON_TRANSACTION:
        return all(wanted == said for _, wanted, said in told_of_transaction(event, asked))
    if asked.operation != event.operation or asked.sub_wallet != event.sub_wallet:
        return False
    if event.type == ev.REQUEST_REJECTED:
        return True
    payee = event.counterparty
    return (
        (asked.amount_minor or None) == event.amount_minor
        and (asked.asset or None) == event.asset
        and (asked.rail or None) == event.rail
        and event.command is None
        and event.from_state is None
        and asked.execute_at is UNSET
        and asked.to_asset is UNSET
        and (
            (asked.to_wallet_id is UNSET and payee is None)
            or (payee is not None and asked.to_wallet_id == payee.wallet_id and asked.to_sub_wallet == payee.sub_wallet)
        )
        and (event.due_at is None if asked.expires_in_s is UNSET else due_at_of(event, asked) == event.due_at)
    )


def _difference(event: LedgerEvent, asked: Asked) -> str:
    cause = event.cause
    told: list[Told] = [
        ("wallet_id", asked.wallet_id, event.wallet_id),
        ("idempotency_key", asked.idempotency_key, None if cause is None else cause.idempotency_key),
        *told_beside(event, asked),
    ]
    if asked.operation in ON_TRANSACTION:
        told += told_of_transaction(event, asked)
    else:
        told += told_of_new(event, asked)
    return "; ".join(f"{name} is {wanted!r}, the event says {said!r}" for name, wanted, said in told if said != wanted)


def _why_not_replayed(event: LedgerEvent, first: int | None, topic: str, value: bytes) -> str:
    if first is None:
        return ""
    read = read_quickly(topic, value)
    if read is None or hash(sha256(read[1]).hexdigest()) != first:
        read = read_by_contract(topic, value)
        if read is None or hash(sha256(read[1]).hexdigest()) != first:
            return "it is replayed, but what was answered first is another command"
    cause = event.cause
    asked = read[0]
    if cause is None or asked.idempotency_key != cause.idempotency_key or asked.wallet_id != event.wallet_id:
        return f"it is replayed for key {cause and cause.idempotency_key!r} of wallet {event.wallet_id}"
    return "" if asked.operation == event.operation else f"it is replayed as {event.operation}, not {asked.operation}"


def _why_not_forwarded(event: LedgerEvent, topic: str, value: bytes) -> str:
    read = read_quickly(topic, value) or read_by_contract(topic, value)
    cause = event.cause
    said = (event.wallet_id, event.operation, None if cause is None else cause.idempotency_key)
    if read is not None and said == (read[0].wallet_id, read[0].operation, read[0].idempotency_key):
        return ""
    return f"it is forwarded as {said}, the record asks for something else"


def _why_not_parked(event: LedgerEvent, topic: str, value: bytes) -> str:
    """A parked update is, but for its form, the record."""
    parked = event.parked
    kept = None if parked is None else read_by_contract(topic, parked.value.encode())
    read = read_by_contract(topic, value)
    if kept is None or read is None or kept[1] != read[1]:
        return "what is parked is not what the record asks for"
    return "" if event.wallet_id == kept[0].wallet_id else f"it is parked for {event.wallet_id}"


def _why_not_parked_leg(event: LedgerEvent, value: bytes) -> str:
    parked = event.parked
    return "" if parked is not None and parked.value.encode() == value else "what is parked is not the record"


def _why_not_named(event: LedgerEvent, value: bytes) -> str:
    """What an event names of a record that it does not take must stand there; its wallet may stand in its key alone."""
    cause = event.cause
    said = {
        "wallet_id": event.wallet_id,
        "operation": event.operation,
        "idempotency_key": None if cause is None else cause.idempotency_key,
    }
    try:
        fields = orjson.loads(value)
    except ValueError:
        fields = None
    held = fields if isinstance(fields, dict) else {}
    for name, text in said.items():
        if text is not None and held.get(name, text if name == "wallet_id" else None) != text:
            return f"the event names {name} {text!r}, the record does not"
    return ""


def _text(canonical: bytes) -> str:
    return canonical.decode(errors="replace")

"""A command's way: amount, key, partition, idempotency, wallet, operation. Exactly one event and one answer."""

from __future__ import annotations

from typing import Final, NamedTuple, cast

import msgspec
import orjson

from agents.ledger.answers import answer_again, answer_of
from agents.ledger.asked import Asked, read_asked
from agents.ledger.batches import decide_batch, refuse_amounts
from agents.ledger.decode import Malformed
from agents.ledger.draft import Draft
from agents.ledger.due import end_due_of_wallet
from agents.ledger.exchanging import refuse_least
from agents.ledger.operations import OPERATIONS
from agents.ledger.operations.settle import refuse_settled_amounts
from agents.ledger.quarantine import RELEASES, execute_parked, park_update, parked_records
from agents.ledger.scheduled import decide_schedule, is_scheduled
from agents.ledger.turn import Turn
from agents.ledger.unread import refuse_malformed, refuse_unfit
from agents.ledger.verdicts import decide_screening_verdict
from schemas.codes import Code
from schemas.events import (
    REQUEST_FORWARDED,
    REQUEST_REPLAYED,
    Cause,
    LedgerEvent,
    ParkedRecord,
    Source,
    decode_event,
)
from schemas.fraud_commands import ScreeningVerdict
from schemas.internal import ForwardedRecord, decode_internal, encode_internal
from schemas.money import is_amount
from schemas.partitioning import partition_of
from schemas.reading import ReadCommand
from schemas.topics import INTERNAL_COMMANDS, SETTLEMENT_UPDATES, TRANSACTION_OUTCOMES
from streams.dead_letters import FITS_BYTES, short_key
from streams.machine import Headers, InputRecord

_MALFORMED: Final = Code.MALFORMED.value
#: Operations that have amounts beside `amount_minor`, or others.
_AMOUNTS_WITHIN: Final = {
    "settle": refuse_settled_amounts,
    "batch": refuse_amounts,
    "transfer": refuse_least,
    "convert": refuse_least,
}


def take_request(
    turn: Turn,
    record: InputRecord,
    asked: Asked,
    key: bytes | None,
    origin: Source | None,
    *,
    was_parked: bool = False,
) -> None:
    """Decide one validated command; `origin` is where it first arrived if it was forwarded, or parked."""
    state, context, command = turn.state, turn.context, asked.command
    wallet_id = command.wallet_id
    wallet = state.wallets.get(wallet_id)
    matches = key is not None and key == wallet_id.encode()
    if wallet is None and matches and origin is None:
        owner = partition_of(wallet_id, context.partitions)
        if owner != context.partition:
            _forward(turn, record, command, owner)
            return
    topic = context.topic if origin is None else origin.topic
    first: LedgerEvent | None = None
    if matches:
        written = state.first_events.get(asked.scope, context.recorded_at_ms)
        first = None if written is None else decode_event(written)
        if first is not None and first.cause is not None and first.cause.fingerprint == asked.fingerprint:
            _replay(turn, record, command, first, origin)
            return
        if wallet is not None and wallet.quarantined and topic == SETTLEMENT_UPDATES and not was_parked:
            _park(turn, record, command, origin)
            return
    else:
        key = short_key(key)
    cause = Cause(
        context.topic,
        context.partition,
        record.offset,
        command.request_id,
        command.idempotency_key,
        # Without its fingerprint an event freezes nothing: the key's first answer stands, or the key is not ours.
        asked.fingerprint if matches and first is None else None,
        origin,
    )
    draft = Draft(command, context, cause, asked.begins(context.recorded_at_ms), asked.canonical)
    event = _refuse_before_wallet(draft, matches, first)
    if event is None:
        if wallet is None and command.operation != "open_wallet":
            event = draft.reject(Code.WALLET_NOT_FOUND, "no wallet has this id", "wallet_id")
        else:
            if wallet is not None and 0 < wallet.due_at_ms <= context.recorded_at_ms and not wallet.quarantined:
                end_due_of_wallet(turn, wallet_id, Cause(context.topic, context.partition, record.offset))
                wallet = state.wallets.get(wallet_id)
            execute_at, operation = command.execute_at, command.operation
            if wallet is not None and execute_at is not None and is_scheduled(execute_at, context.recorded_at_ms):
                event = decide_schedule(wallet, command, draft, turn.reference)
            elif wallet is not None and operation == "batch":
                event = decide_batch(turn, wallet, command, draft)
            elif wallet is not None and operation == "screening_verdict":
                event = decide_screening_verdict(state, wallet, cast(ScreeningVerdict, command), draft)
            else:
                event = OPERATIONS[operation](state, wallet, command, draft, turn.reference)
    if event.code == _MALFORMED:
        assert event.message is not None
        refused = _unfounded(command, event.message, event.field)
        refuse_malformed(turn, record, refused, origin, was_parked=was_parked)
        return
    parked = parked_records(turn, event) if event.type in RELEASES else ()
    turn.write(event, key)
    turn.out.send(TRANSACTION_OUTCOMES, context.partition, key, answer_of(event, cause))
    if draft.messages:
        turn.out.send_all(draft.messages)
    for follow in draft.then:
        follow(turn)
    if parked:
        execute_parked(turn, event, parked, take_update)


class _Parked(NamedTuple):
    """A parked record, at the place of what releases it."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


def take_update(turn: Turn, parked: ParkedRecord, cause: Cause) -> None:
    """Decide what a rail has said while the wallet was under quarantine."""
    now_ms = turn.context.recorded_at_ms
    record = _Parked(cause.offset, parked.timestamp_ms or now_ms, 1, None, parked.value.encode(), parked.headers)
    asked = read_asked(record, parked.source.topic, now_ms)
    # It was read before it was parked, and its key was that of its wallet.
    assert not isinstance(asked, Malformed)
    record = record._replace(key=asked.command.wallet_id.encode())
    take_request(turn, record, asked, record.key, parked.source, was_parked=True)


def _park(turn: Turn, record: InputRecord, command: ReadCommand, origin: Source | None) -> None:
    here = turn.here(record.offset)
    cause = Cause(here.topic, here.partition, here.offset, origin=origin)
    assert record.value is not None
    value, headers = record.value.decode(), tuple(record.headers)
    if origin is not None:
        # What was forwarded is kept as it first arrived.
        forwarded = decode_internal(record.value)
        assert isinstance(forwarded, ForwardedRecord)
        value, headers = forwarded.value, forwarded.headers
    parked = ParkedRecord(origin or here, value, headers, record.timestamp)
    park_update(turn, command.wallet_id, parked, cause)


def _refuse_before_wallet(draft: Draft, matches: bool, first: LedgerEvent | None) -> LedgerEvent | None:
    """What is answered without looking at any wallet, in order of precedence."""
    command = draft.command
    amount_minor = command.amount_minor
    if amount_minor is not None and not is_amount(amount_minor):
        return draft.reject(Code.AMOUNT_OUT_OF_RANGE, "an amount is between 1 and 2^63 - 1", "amount_minor")
    refuse = _AMOUNTS_WITHIN.get(command.operation)
    if refuse is not None and (refused := refuse(command, draft)) is not None:
        return refused
    if not matches:
        return draft.reject(Code.KEY_MISMATCH, "the record's key is not its wallet_id", "wallet_id")
    if first is not None:
        assert isinstance(first.request, msgspec.Raw)
        name = first_difference(bytes(first.request), draft.canonical)
        return draft.reject(Code.IDEMPOTENCY_MISMATCH, f"the key was used for another command; {name} differs", name)
    return None


def _unfounded(command: ReadCommand, message: str, field: str | None) -> Malformed:
    """A command that can be read, but not be meant: it contradicts what the ledger knows."""
    return Malformed(message, field, command.wallet_id, command.idempotency_key, command.request_id, command.operation)


def _replay(turn: Turn, record: InputRecord, command: ReadCommand, first: LedgerEvent, origin: Source | None) -> None:
    """The same command again: nothing moves, the first answer is given again."""
    context = turn.context
    here = turn.here(record.offset)
    now = None
    if first.transaction_id is not None:
        now = turn.state.transaction(first.transaction_id, context.recorded_at_ms)
    key = command.wallet_id.encode()
    event = LedgerEvent(
        type=REQUEST_REPLAYED,
        wallet_id=command.wallet_id,
        transaction_id=first.transaction_id,
        operation=command.operation,
        code=first.code,
        cause=Cause(here.topic, here.partition, here.offset, command.request_id, command.idempotency_key, None, origin),
        recorded_at=context.recorded_at,
    )
    turn.write(event, key)
    turn.send(TRANSACTION_OUTCOMES, context.partition, key, answer_again(first, now, command, origin or here))


def _forward(turn: Turn, record: InputRecord, command: ReadCommand, owner: int) -> None:
    """The wallet lives in another partition: hand the record over, unchanged, in the same transaction."""
    here = turn.here(record.offset)
    key = command.wallet_id.encode()
    value = record.value
    assert value is not None
    forwarded = encode_internal(
        ForwardedRecord(source=here, key=command.wallet_id, value=value.decode(), headers=tuple(record.headers))
    )
    if len(key) + len(forwarded) > FITS_BYTES:
        refuse_unfit(turn, record, value, None)
        return
    event = LedgerEvent(
        type=REQUEST_FORWARDED,
        wallet_id=command.wallet_id,
        operation=command.operation,
        forwarded_to=owner,
        cause=Cause(here.topic, here.partition, here.offset, command.request_id, command.idempotency_key),
        recorded_at=turn.context.recorded_at,
    )
    turn.write(event, key)
    turn.send(INTERNAL_COMMANDS, owner, key, forwarded)


def first_difference(before: bytes, after: bytes) -> str:
    """Name of the first field, in canonical order, in which two canonical commands differ."""
    a, b = orjson.loads(before), orjson.loads(after)
    return next((name for name in sorted({*a, *b}) if a.get(name) != b.get(name)), "idempotency_key")

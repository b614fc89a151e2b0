"""Records that are no command, or that the ledger failed on: an event, a dead letter, an answer where one is due."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from agents.ledger.answers import answer_unread
from agents.ledger.decode import Malformed, read_what_can_be
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.dead_letters import (
    OVERSIZED,
    REFERENCE_HEAD_BYTES,
    DeadLetterHeaders,
    OversizedReference,
    encode_reference,
)
from schemas.events import REQUEST_DEAD_LETTERED, WALLET_QUARANTINED, Cause, LedgerEvent, Source
from schemas.topics import DEAD_LETTERS, ENVELOPE_MAX_BYTES, INTERNAL_COMMANDS, TRANSACTION_OUTCOMES
from streams.machine import Headers, InputRecord

#: Version in the headers of dead letters; raised when their meaning changes.
APP_VERSION: Final = "0.1.0"

#: What `dead-letters` and `internal-commands` hold of one record's key, value and headers; the rest is for ours.
FITS_BYTES: Final = ENVELOPE_MAX_BYTES - (32 << 10)
KEY_MAX_BYTES: Final = 64 << 10


def refuse_malformed(turn: Turn, record: InputRecord, malformed: Malformed, origin: Source | None = None) -> None:
    """Not a command: dead-lettered untouched, and answered with what can be read."""
    turn.write(_event(turn, record, malformed, REQUEST_DEAD_LETTERED, Code.MALFORMED, origin), short_key(record.key))
    _dead_letter(turn, record, Code.MALFORMED.value, "decode")
    _answer(turn, record, malformed, Code.MALFORMED, origin)


def refuse_failed(turn: Turn, record: InputRecord, read: Malformed, origin: Source | None = None) -> None:
    """The ledger failed on a command: dead-lettered and answered; its wallet, if there is one here, is quarantined."""
    known = read.wallet_id is not None and turn.state.wallets.get(read.wallet_id) is not None
    type_ = WALLET_QUARANTINED if known else REQUEST_DEAD_LETTERED
    turn.write(_event(turn, record, read, type_, Code.INTERNAL_ERROR, origin), short_key(record.key))
    _dead_letter(turn, record, Code.INTERNAL_ERROR.value, "decide")
    _answer(turn, record, read, Code.INTERNAL_ERROR, origin)


def refuse_unfit(turn: Turn, record: InputRecord, command: bytes | None, origin: Source | None) -> None:
    """What `command` leads to is larger than the broker takes: dead-lettered as a reference to its record."""
    read = read_what_can_be(command, "the record, or what it leads to, is too large for the broker")
    turn.write(_event(turn, record, read, REQUEST_DEAD_LETTERED, Code.MALFORMED, origin), short_key(record.key))
    _dead_letter_reference(turn, record, "write")
    _answer(turn, record, read, Code.MALFORMED, origin)


def short_key(key: bytes | None) -> bytes | None:
    """The key of an event or answer about a record with this key: none where it is longer than any wallet's could be.

    With it they might not fit into their topics, and nothing else could be said about the record.
    """
    return key if key is None or len(key) <= KEY_MAX_BYTES else None


def _event(
    turn: Turn, record: InputRecord, read: Malformed, type_: str, code: Code, origin: Source | None
) -> LedgerEvent:
    here = turn.here(record.offset)
    return LedgerEvent(
        type=type_,
        wallet_id=read.wallet_id,
        operation=read.operation,
        code=code.value,
        field=read.field,
        message=read.message,
        cause=Cause(here.topic, here.partition, here.offset, read.request_id, read.idempotency_key, None, origin),
        recorded_at=turn.context.recorded_at,
    )


def _dead_letter(turn: Turn, record: InputRecord, reason: str, stage: str) -> None:
    """Keep the record untouched, or a reference where no topic takes it: it was compressed when it arrived."""
    if _size_bytes(record) > FITS_BYTES:
        _dead_letter_reference(turn, record, stage)
    else:
        _keep(turn, record, (reason, stage), record.key, record.value, record.headers)


def _dead_letter_reference(turn: Turn, record: InputRecord, stage: str) -> None:
    value, key, here = record.value or b"", record.key, turn.here(record.offset)
    kept = short_key(key)
    left_out = None if key is None or kept is not None else key
    reference = OversizedReference(
        topic=here.topic,
        partition=here.partition,
        offset=here.offset,
        size_bytes=len(value),
        sha256=sha256(value).hexdigest(),
        head=value[:REFERENCE_HEAD_BYTES],
        key_size_bytes=None if left_out is None else len(left_out),
        key_sha256=None if left_out is None else sha256(left_out).hexdigest(),
    )
    _keep(turn, record, (OVERSIZED, stage), kept, encode_reference(reference), ())


def _keep(
    turn: Turn, record: InputRecord, why: tuple[str, str], key: bytes | None, value: bytes | None, own: Headers
) -> None:
    here = turn.here(record.offset)
    headers = DeadLetterHeaders(
        reason=why[0],
        stage=why[1],
        original_topic=here.topic,
        original_partition=here.partition,
        original_offset=here.offset,
        original_timestamp=record.timestamp,
        app_version=APP_VERSION,
    )
    turn.out.dead_letter(DEAD_LETTERS, key, value, (*own, *headers.encode()), why)


def _size_bytes(record: InputRecord) -> int:
    """Bytes of key, value and headers in a record batch, but for a few."""
    headers = sum([len(name.encode()) + len(value or b"") + 2 for name, value in record.headers])
    return len(record.key or b"") + len(record.value or b"") + headers


def _answer(turn: Turn, record: InputRecord, read: Malformed, code: Code, origin: Source | None) -> None:
    """Commands are answered, also when they came forwarded; what the ledger tells itself is not."""
    if turn.context.topic != INTERNAL_COMMANDS or origin is not None:
        context = turn.context
        answer = answer_unread(read, code, origin or turn.here(record.offset), context.recorded_at)
        turn.send(TRANSACTION_OUTCOMES, context.partition, short_key(record.key), answer)

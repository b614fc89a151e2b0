"""Records that are no command, or that the ledger failed on: an event, a dead letter, an answer where one is due."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

from agents.ledger.answers import OUTCOMES, answer_unread
from agents.ledger.decode import Malformed
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.dead_letters import REFERENCE_HEAD_BYTES, DeadLetterHeaders, OversizedReference
from schemas.events import REQUEST_DEAD_LETTERED, WALLET_QUARANTINED, Cause, LedgerEvent, Source
from streams.machine import Headers, InputRecord

DEAD_LETTERS: Final = "dead-letters"
INTERNAL: Final = "internal-commands"

#: Version in the headers of dead letters; raised when their meaning changes.
APP_VERSION: Final = "0.1.0"


def refuse_malformed(turn: Turn, record: InputRecord, malformed: Malformed, origin: Source | None = None) -> None:
    """Not a command: dead-lettered untouched, and answered with what can be read."""
    turn.write(_event(turn, record, malformed, REQUEST_DEAD_LETTERED, Code.MALFORMED, origin), record.key)
    _dead_letter(turn, record, Code.MALFORMED.value, "decode", record.value, record.headers)
    _answer(turn, record, malformed, Code.MALFORMED, origin)


def refuse_failed(turn: Turn, record: InputRecord, read: Malformed, origin: Source | None = None) -> None:
    """The ledger failed on a command: dead-lettered and answered; its wallet, if there is one here, is quarantined."""
    known = read.wallet_id is not None and turn.state.wallets.get(read.wallet_id) is not None
    type_ = WALLET_QUARANTINED if known else REQUEST_DEAD_LETTERED
    turn.write(_event(turn, record, read, type_, Code.INTERNAL_ERROR, origin), record.key)
    _dead_letter(turn, record, Code.INTERNAL_ERROR.value, "decide", record.value, record.headers)
    _answer(turn, record, read, Code.INTERNAL_ERROR, origin)


def refuse_oversized(turn: Turn, record: InputRecord, read: Malformed, origin: Source | None) -> None:
    """What the record leads to is larger than the broker takes: dead-lettered as a reference."""
    value = record.value or b""
    here = turn.here(record.offset)
    reference = OversizedReference(
        topic=here.topic,
        partition=here.partition,
        offset=here.offset,
        size_bytes=len(value),
        sha256=sha256(value).hexdigest(),
        head=value[:REFERENCE_HEAD_BYTES],
    )
    turn.write(_event(turn, record, read, REQUEST_DEAD_LETTERED, Code.MALFORMED, origin), record.key)
    _dead_letter(turn, record, "oversized", "write", msgspec.json.encode(reference), ())
    _answer(turn, record, read, Code.MALFORMED, origin)


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


def _dead_letter(
    turn: Turn, record: InputRecord, reason: str, stage: str, value: bytes | None, original_headers: Headers
) -> None:
    here = turn.here(record.offset)
    headers = DeadLetterHeaders(
        reason=reason,
        stage=stage,
        original_topic=here.topic,
        original_partition=here.partition,
        original_offset=here.offset,
        original_timestamp=record.timestamp,
        app_version=APP_VERSION,
    )
    everything = (*original_headers, *headers.encode())
    turn.out.send(DEAD_LETTERS, here.partition, record.key, value, everything)


def _answer(turn: Turn, record: InputRecord, read: Malformed, code: Code, origin: Source | None) -> None:
    """Commands are answered, also when they came forwarded; what the ledger tells itself is not."""
    if turn.context.topic != INTERNAL or origin is not None:
        context = turn.context
        answer = answer_unread(read, code, origin or turn.here(record.offset), context.recorded_at)
        turn.send(OUTCOMES, context.partition, record.key, answer)

"""Records that are no command, or that the ledger failed on: an event, a dead letter, an answer where one is due."""

from __future__ import annotations

from agents.ledger.answers import answer_unread
from agents.ledger.decode import Malformed, read_what_can_be
from agents.ledger.turn import Turn
from schemas.codes import Code
from schemas.events import REQUEST_DEAD_LETTERED, WALLET_QUARANTINED, Cause, LedgerEvent, Source
from schemas.topics import INTERNAL_COMMANDS, TRANSACTION_OUTCOMES
from streams.dead_letters import keep_dead_letter, keep_reference, short_key
from streams.machine import InputRecord


def refuse_malformed(
    turn: Turn, record: InputRecord, malformed: Malformed, origin: Source | None = None, *, was_parked: bool = False
) -> None:
    """Not a command: dead-lettered untouched, and answered with what can be read. What was parked is at `origin`."""
    turn.write(_event(turn, record, malformed, REQUEST_DEAD_LETTERED, Code.MALFORMED, origin), short_key(record.key))
    place = origin if was_parked else None
    keep_dead_letter(turn.context, turn.out, record, Code.MALFORMED.value, "decode", place)
    _answer(turn, record, malformed, Code.MALFORMED, origin)


def refuse_failed(turn: Turn, record: InputRecord, read: Malformed, origin: Source | None = None) -> None:
    """The ledger failed on a command: dead-lettered and answered; its wallet, if there is one here, is quarantined."""
    known = read.wallet_id is not None and turn.state.wallets.get(read.wallet_id) is not None
    type_ = WALLET_QUARANTINED if known else REQUEST_DEAD_LETTERED
    turn.write(_event(turn, record, read, type_, Code.INTERNAL_ERROR, origin), short_key(record.key))
    keep_dead_letter(turn.context, turn.out, record, Code.INTERNAL_ERROR.value, "decide")
    _answer(turn, record, read, Code.INTERNAL_ERROR, origin)


def refuse_unfit(turn: Turn, record: InputRecord, command: bytes | None, origin: Source | None) -> None:
    """What `command` leads to is larger than the broker takes: dead-lettered as a reference to its record."""
    read = read_what_can_be(command, "the record, or what it leads to, is too large for the broker")
    turn.write(_event(turn, record, read, REQUEST_DEAD_LETTERED, Code.MALFORMED, origin), short_key(record.key))
    keep_reference(turn.context, turn.out, record, "write")
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


def _answer(turn: Turn, record: InputRecord, read: Malformed, code: Code, origin: Source | None) -> None:
    """Commands are answered, also when they came forwarded; what the ledger tells itself is not."""
    if turn.context.topic != INTERNAL_COMMANDS or origin is not None:
        context = turn.context
        answer = answer_unread(read, code, origin or turn.here(record.offset), context.recorded_at)
        turn.send(TRANSACTION_OUTCOMES, context.partition, short_key(record.key), answer)

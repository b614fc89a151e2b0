"""The reconciliation role as a machine of the runtime: from events, statements and decisions to matches. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.reconciliation.answering import take_answer
from agents.reconciliation.apply import apply
from agents.reconciliation.arriving import take_ledger_event, take_lines
from agents.reconciliation.deciding import refuse_too_large, take_decision
from agents.reconciliation.followed import Followed
from agents.reconciliation.state import DECISIONS, PLAIN_TABLES, TRACES, ReconciliationState, ended_table
from agents.reconciliation.statements import decode_forwarded, take_at_home, take_external
from agents.reconciliation.ticking import fail_tick, put_off, take_tick
from agents.reconciliation.turn import Limits, Turn
from schemas.reconciliation_events import RECONCILIATION_EVENT_TYPES, RECORD_FAILED, decode_reconciliation_event
from schemas.reconciliation_exceptions import ReconciliationException, encode_exception
from schemas.reconciliation_internal import (
    ForwardedDecision,
    ForwardedStatement,
    PostingAnswer,
    RoutedLines,
    Tick,
    decode_reconciliation_internal,
    encode_reconciliation_internal,
)
from schemas.topics import (
    EXTERNAL_STATEMENTS,
    RECONCILIATION_DECISIONS,
    RECONCILIATION_EXCEPTIONS,
    RECONCILIATION_INTERNAL,
)
from streams.dead_letters import keep_dead_letter, keep_reference
from streams.errors import require_known
from streams.machine import Context, InputRecord, Message, Output
from streams.overlay import Overlay
from streams.tables import Table


class ReconciliationMachine:
    """Decides the reconciliation role's inputs."""

    def __init__(self, limits: Limits | None = None):
        self.limits = limits or Limits()
        self._followed = Followed()
        self._ended = ended_table(self.limits.retention_ms)
        self.tables: tuple[Table[Any], ...] = (*PLAIN_TABLES, DECISIONS, TRACES, self._ended)

    def refer(self, topic: str, key: str, value: bytes | None) -> None:
        """Take one record of books, rails or assets into what is decided by from now on.

        Raises:
            ValueError: the record is bad; the message says why.
        """
        self._followed.take(topic, key, value)

    def look_ahead(self, state: Overlay, records: Sequence[InputRecord], context: Context) -> None:
        """Each record is looked up by itself."""

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        """Decide one record."""
        turn = self._turn(state)
        turn.begin(record, context, out)
        value = record.value or b""
        if context.topic == RECONCILIATION_INTERNAL:
            self._internal(turn, value)
        elif context.topic == RECONCILIATION_DECISIONS:
            take_decision(turn, value)
        elif context.topic == EXTERNAL_STATEMENTS:
            take_external(turn, value)
        else:
            take_ledger_event(turn)

    def _internal(self, turn: Turn, value: bytes) -> None:
        told = decode_reconciliation_internal(value)
        if isinstance(told, RoutedLines):
            take_lines(turn, told.book, told.lines)
        elif isinstance(told, PostingAnswer):
            take_answer(turn, told)
        elif isinstance(told, ForwardedStatement):
            take_at_home(turn, told.book, decode_forwarded(told.value))
        elif isinstance(told, ForwardedDecision):
            take_decision(turn, told.value.encode())
        else:
            take_tick(turn)

    def failed(self, state: Overlay, record: InputRecord, context: Context, error: Exception, out: Output) -> None:
        """`step` raised: the record is kept as a dead letter, and the others go on."""
        turn = self._turn(state)
        turn.begin(record, context, out)
        why = f"the reconciliation role failed on this record ({type(error).__name__}: {error})"
        turn.write(turn.event(RECORD_FAILED, message=why[:500]))
        keep_dead_letter(context, out, record, "internal_error", "decide")
        if _is_tick(record, context):
            fail_tick(turn)

    def oversized(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        """What the record leads to does not fit through the broker."""
        turn = self._turn(state)
        turn.begin(record, context, out)
        turn.write(turn.event(RECORD_FAILED, message="what the record leads to is too large for the broker"))
        keep_reference(context, out, record, "write")
        if _is_tick(record, context):
            put_off(turn)
        elif (decision := _decision_of(record, context)) is not None:
            refuse_too_large(turn, decision)

    def fold(self, state: Overlay, value: bytes) -> None:
        """Apply one event of the log.

        Raises:
            Refused: it is of a type that a newer version writes.
        """
        event = decode_reconciliation_event(value)
        require_known(event.type, RECONCILIATION_EVENT_TYPES)
        apply(self._turn(state).state, event)

    def complete(self, state: Overlay, context: Context, out: Output) -> None:
        """Each record has its events already."""

    def finish(self, state: Overlay, context: Context, last_sequence: int, out: Output) -> None:
        """`reconciliation-exceptions`: every exception that the batch has touched, as it is now."""
        del last_sequence
        tables = self._turn(state).state
        told: dict[str, ReconciliationException] = {}
        for rows in tables.ended.changes.values():
            told |= {name: self._ended.decode(value) for name, value in rows.items()}
        told |= {name: one for name, one in tables.open.changes.items() if one is not None}
        for exception in told.values():
            out.send(RECONCILIATION_EXCEPTIONS, context.partition, exception.book.encode(), encode_exception(exception))

    def due_at_ms(self, state: Overlay) -> int | None:
        """When the first book is to be matched again."""
        return self._turn(state).state.next_due_ms()

    def tick(self, due_at_ms: int, partition: int) -> Message:
        """Lets time pass up to `due_at_ms`."""
        tick = encode_reconciliation_internal(Tick(due_at_ms=due_at_ms))
        return Message(RECONCILIATION_INTERNAL, partition, None, tick)

    def _turn(self, state: Overlay) -> Turn:
        turn: Turn | None = state.typed
        if turn is None:
            turn = state.typed = Turn(ReconciliationState(state, self._ended), self.limits, self._followed)
        return turn


def _decision_of(record: InputRecord, context: Context) -> bytes | None:
    """What somebody has decided, as it came or was sent on; None where the record is none."""
    if context.topic == RECONCILIATION_DECISIONS:
        return record.value or b""
    if context.topic != RECONCILIATION_INTERNAL:
        return None
    told = decode_reconciliation_internal(record.value or b"")
    return told.value.encode() if isinstance(told, ForwardedDecision) else None


def _is_tick(record: InputRecord, context: Context) -> bool:
    """Ticks are the only internal records without a key."""
    return context.topic == RECONCILIATION_INTERNAL and record.key is None

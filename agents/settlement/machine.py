"""The settlement role as a machine of the runtime: what waits becomes batches, answers become updates. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.settlement.answers import take_answer
from agents.settlement.apply import apply
from agents.settlement.attempts import take_failed_attempt
from agents.settlement.commanding import release_kept_back, take_command
from agents.settlement.following import take_ledger_event
from agents.settlement.hearing import take_ledger_said
from agents.settlement.queueing import take_payout
from agents.settlement.state import DAY_MS, PLAIN_TABLES, SettlementState, read_due_key, taken_table
from agents.settlement.telling import tell_changes
from agents.settlement.ticking import NEWS_MS, fail_tick, take_tick
from agents.settlement.turn import Limits, Turn
from schemas import settlement_events as ev
from schemas.rails import Rail
from schemas.reference import Reference
from schemas.settlement_events import SETTLEMENT_EVENT_TYPES, decode_settlement_event
from schemas.settlement_internal import (
    ForwardedCommand,
    LedgerSaid,
    Payout,
    RailAnswered,
    ReleaseKept,
    SubmissionFailed,
    Tick,
    decode_settlement_internal,
    encode_settlement_internal,
)
from schemas.topics import RAILS, SETTLEMENT_COMMANDS, SETTLEMENT_INTERNAL
from streams.dead_letters import keep_dead_letter, keep_reference
from streams.errors import require_known
from streams.machine import Context, InputRecord, Message, Output
from streams.overlay import Overlay
from streams.tables import Table

#: Answers and commands of these ids are known so long after they were taken: longer than any input is kept.
_TAKEN_KEPT_MS = 180 * DAY_MS


class SettlementMachine:
    """Decides the settlement role's inputs."""

    def __init__(self, limits: Limits | None = None):
        self.limits = limits or Limits()
        self._reference = Reference()
        #: Terms of rails have changed since this machine has looked at what waits.
        self._is_news = True
        self._taken = taken_table(_TAKEN_KEPT_MS)
        self.tables: tuple[Table[Any], ...] = (*PLAIN_TABLES, self._taken)

    def refer(self, topic: str, key: str, value: bytes | None) -> None:
        """Take one record of rails into what is decided by from now on.

        Raises:
            ValueError: the record is bad; the message says why.
        """
        if topic == RAILS:
            self._reference = self._reference.with_record(topic, key, value)
            self._is_news = True

    @property
    def rails(self) -> dict[str, Rail]:
        """The rails that there are, by name."""
        return dict(self._reference.rails)

    def look_ahead(self, state: Overlay, records: Sequence[InputRecord], context: Context) -> None:
        """Each record is looked up by itself."""

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        """Decide one record."""
        turn = self._turn(state)
        turn.begin(context, out, record, self._reference.rails)
        value = record.value or b""
        if context.topic == SETTLEMENT_INTERNAL:
            self._internal(turn, record, value)
        elif context.topic == SETTLEMENT_COMMANDS:
            take_command(turn, record, value)
        else:
            take_ledger_event(turn, value)

    def _internal(self, turn: Turn, record: InputRecord, value: bytes) -> None:
        match decode_settlement_internal(value):
            case Payout() as payout:
                take_payout(turn, payout)
            case LedgerSaid() as said:
                take_ledger_said(turn, said)
            case RailAnswered(answer=answer):
                take_answer(turn, answer)
            case SubmissionFailed() as failed:
                take_failed_attempt(turn, failed)
            case ForwardedCommand(value=forwarded):
                take_command(turn, record, forwarded.encode())
            case ReleaseKept(transaction_id=transaction_id, by=by):
                release_kept_back(turn, transaction_id, by)
            case Tick(due_at_ms=due_at_ms):
                take_tick(turn, due_at_ms)
                self._is_news = self._is_news and due_at_ms != NEWS_MS

    def failed(self, state: Overlay, record: InputRecord, context: Context, error: Exception, out: Output) -> None:
        """`step` raised: the record is kept as a dead letter, and the others go on."""
        self._fail(state, record, context, out, f"the settlement role failed on this record ({type(error).__name__})")
        keep_dead_letter(context, out, record, "internal_error", "decide")
        if context.topic == SETTLEMENT_INTERNAL and b'"kind":"tick"' in (record.value or b""):
            fail_tick(self._turn(state))

    def oversized(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        """What the record leads to does not fit through the broker."""
        self._fail(state, record, context, out, "what the record leads to is too large for the broker")
        keep_reference(context, out, record, "write")

    def _fail(self, state: Overlay, record: InputRecord, context: Context, out: Output, message: str) -> None:
        turn = self._turn(state)
        turn.begin(context, out, record, self._reference.rails)
        event = turn.event(ev.RECORD_FAILED)
        event.message = message
        turn.write(event)

    def fold(self, state: Overlay, value: bytes) -> None:
        """Apply one event of the log.

        Raises:
            Refused: it is of a type that a newer version writes.
        """
        event = decode_settlement_event(value)
        require_known(event.type, SETTLEMENT_EVENT_TYPES)
        apply(self._turn(state).state, event)

    def complete(self, state: Overlay, context: Context, out: Output) -> None:
        """Each record has its events already."""

    def finish(self, state: Overlay, context: Context, last_sequence: int, out: Output) -> None:
        """`settlement-batches`: every batch and position that the batch of records has changed."""
        del last_sequence
        turn = self._turn(state)
        turn.rails = self._reference.rails
        tell_changes(turn, context, out)

    def due_at_ms(self, state: Overlay) -> int | None:
        """When something is due first; at once where terms have changed and something waits."""
        settlement = self._turn(state).state
        if self._is_news:
            kept = next(settlement.kept.scan(), None)
            if kept is not None or any(queue.waiting for _, queue in settlement.queues.scan()):
                return NEWS_MS
            self._is_news = False
        first = next(settlement.due.scan(), None)
        return None if first is None else read_due_key(first[0])[0]

    def tick(self, due_at_ms: int, partition: int) -> Message:
        """The record that lets time pass up to `due_at_ms`."""
        return Message(SETTLEMENT_INTERNAL, partition, None, encode_settlement_internal(Tick(due_at_ms=due_at_ms)))

    def _turn(self, state: Overlay) -> Turn:
        turn: Turn | None = state.typed
        if turn is None:
            turn = state.typed = Turn(SettlementState(state, self._taken), self.limits)
        return turn

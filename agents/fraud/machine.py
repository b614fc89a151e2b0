"""The fraud role as a machine of the runtime: from ledger events to facts, alerts and commands. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from agents.fraud.apply import apply
from agents.fraud.arriving import take_ledger_event
from agents.fraud.feedback import take_feedback
from agents.fraud.followed import Followed
from agents.fraud.state import PLAIN_TABLES, FraudState, alerts_table
from agents.fraud.taking import ArrivedFact, take_fact, take_pause
from agents.fraud.turn import Limits, Turn
from schemas.fraud_alerts import decode_alert
from schemas.fraud_events import FACT_FAILED, FraudEvent, decode_fraud_event
from schemas.fraud_internal import ForwardedFeedback, PauseRule, decode_fraud_internal
from schemas.topics import FRAUD_ALERTS, FRAUD_FEEDBACK, FRAUD_INTERNAL
from streams.dead_letters import keep_dead_letter, keep_reference
from streams.machine import Context, InputRecord, Message, Output
from streams.overlay import Overlay
from streams.tables import Table


@dataclass(slots=True)
class Tally:
    """What machines of a worker have done, for its metrics; batches that are decided again count again."""

    #: Entries that were shown to rules.
    shown: int = 0
    #: Partition -> when the ledger recorded the oldest fact of the batch, in ms.
    oldest_ms: dict[int, int] = field(default_factory=dict)


class FraudMachine:
    """Decides the fraud role's inputs."""

    def __init__(self, limits: Limits | None = None, tally: Tally | None = None):
        self.limits = limits or Limits()
        self._tally = tally or Tally()
        self._followed = Followed(self.limits.retention_ms // 1000)
        self._alerts = alerts_table(self.limits.retention_ms)
        self.tables: tuple[Table[Any], ...] = (*PLAIN_TABLES, self._alerts)

    def refer(self, topic: str, key: str, value: bytes | None) -> None:
        """Take one record of rules, lists, assets or rates into what is decided by from now on.

        Raises:
            ValueError: the record is bad; the message says why.
        """
        self._followed.take(topic, key, value)

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        """Decide one record: what is a fact, or feedback, leaves one event."""
        turn = self._turn(state)
        turn.begin(context, out)
        shown = turn.judge.shown
        if context.topic == FRAUD_INTERNAL:
            self._internal(turn, record)
        elif context.topic == FRAUD_FEEDBACK:
            take_feedback(turn, record, record.value)
        else:
            take_ledger_event(turn, record)
        self._tally.shown += turn.judge.shown - shown
        if turn.ledger_ms is not None:
            oldest_ms = self._tally.oldest_ms.get(context.partition, turn.ledger_ms)
            self._tally.oldest_ms[context.partition] = min(oldest_ms, turn.ledger_ms)
        turn.end()

    def _internal(self, turn: Turn, record: InputRecord) -> None:
        told = decode_fraud_internal(record.value or b"")
        if isinstance(told, PauseRule):
            take_pause(turn, record, told)
        elif isinstance(told, ForwardedFeedback):
            take_feedback(turn, record, told.value.encode())
        else:
            arrived = ArrivedFact(told.source, told.event_time_ms, told.ledger_time_ms, told.fact, told.keys)
            take_fact(turn, record, arrived)

    def failed(self, state: Overlay, record: InputRecord, context: Context, error: Exception, out: Output) -> None:
        """`step` raised: the record is kept as a dead letter, and the others go on."""
        turn = self._turn(state)
        turn.begin(context, out)
        self._fail(turn, record, f"the fraud role failed on this record ({type(error).__name__})")
        keep_dead_letter(context, out, record, "internal_error", "decide")
        turn.end()

    def oversized(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        """What the record leads to does not fit through the broker."""
        turn = self._turn(state)
        turn.begin(context, out)
        self._fail(turn, record, "what the record leads to is too large for the broker")
        keep_reference(context, out, record, "write")
        turn.end()

    def _fail(self, turn: Turn, record: InputRecord, message: str) -> None:
        recorded_at = turn.context.recorded_at
        event = FraudEvent(type=FACT_FAILED, cause=turn.cause(record), message=message, recorded_at=recorded_at)
        turn.write(event, None)

    def fold(self, state: Overlay, value: bytes) -> None:
        """Apply one event of the log."""
        apply(self._turn(state).state, decode_fraud_event(value))

    def finish(self, state: Overlay, context: Context, last_sequence: int, out: Output) -> None:
        """`fraud-alerts`: every alert that the batch has touched, as it is now."""
        turn = self._turn(state)
        turn.judge.trim(turn.state.closed_before_ms)
        for rows in turn.state.alerts.changes.values():
            for value in rows.values():
                out.send(FRAUD_ALERTS, context.partition, decode_alert(value).subject.encode(), value)
        turn.sealed(last_sequence)

    def due_at_ms(self, state: Overlay) -> int | None:
        """Never: what is too old goes by the time of events."""
        del state
        return None

    def tick(self, due_at_ms: int, partition: int) -> Message:
        """Not asked for, since nothing is ever due."""
        raise NotImplementedError(f"a tick for {due_at_ms} in partition {partition}")

    def _turn(self, state: Overlay) -> Turn:
        turn: Turn | None = state.typed
        if turn is None:
            turn = state.typed = Turn(FraudState(state, self._alerts), self.limits, self._followed)
        return turn

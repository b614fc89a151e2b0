"""The fraud role as a machine of the runtime: from ledger events to facts, alerts and commands. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from agents.fraud.apply import apply
from agents.fraud.arriving import take_ledger_event
from agents.fraud.entries import key_under, seen_from
from agents.fraud.feedback import take_feedback
from agents.fraud.followed import Followed
from agents.fraud.looking_again import look_again, take_pause
from agents.fraud.screening import Asked, screen, take_answer
from agents.fraud.shared_facts import SharedFacts
from agents.fraud.state import GATES, PLAIN_TABLES, FraudState, alerts_table
from agents.fraud.taking import ArrivedFact, FoundKey, take_fact
from agents.fraud.turn import Limits, Turn
from schemas.fraud_alerts import decode_alert
from schemas.fraud_events import FACT_FAILED, FACTS_SPLIT, FRAUD_EVENT_TYPES, FraudEvent, decode_fraud_event
from schemas.fraud_internal import (
    ForwardedFeedback,
    PauseRule,
    RoutedFacts,
    ScreenedFact,
    decode_fraud_internal,
    encode_fraud_internal,
)
from schemas.topics import FRAUD_ALERTS, FRAUD_FEEDBACK, FRAUD_INTERNAL
from streams.dead_letters import keep_dead_letter, keep_reference
from streams.errors import require_known
from streams.machine import Context, InputRecord, Message, Output
from streams.overlay import Overlay
from streams.tables import Table

#: With more events than that the rest of a record of several facts is put off.
_MOST_EVENT_BYTES: Final = 8 << 20


@dataclass(slots=True)
class Tally:
    """What machines of a worker have done, for its metrics; batches that are decided again count again."""

    #: Entries that were shown to rules.
    shown: int = 0
    #: Partition -> when the ledger recorded the oldest fact of the batch, in ms.
    oldest_ms: dict[int, int] = field(default_factory=dict)


class FraudMachine:
    """Decides the fraud role's inputs."""

    def __init__(self, limits: Limits | None = None, tally: Tally | None = None, facts: SharedFacts | None = None):
        """`tally` and `facts` are those of all machines of a worker."""
        self.limits = limits or Limits()
        self._facts = facts or SharedFacts()
        self._tally = tally or Tally()
        self._followed = Followed(self.limits.retention_ms // 1000)
        self._alerts = alerts_table(self.limits.retention_ms)
        self.tables: tuple[Table[Any], ...] = (*PLAIN_TABLES, GATES, self._alerts)

    def refer(self, topic: str, key: str, value: bytes | None) -> None:
        """Take one record of rules, lists, assets or rates into what is decided by from now on.

        Raises:
            ValueError: the record is bad; the message says why.
        """
        self._followed.take(topic, key, value)

    def look_ahead(self, state: Overlay, records: Sequence[InputRecord], context: Context) -> None:
        """Each record is looked up by itself."""

    def step(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        """Decide one record: each fact, and feedback, leaves one event."""
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
        # Where another one may be rolled back each sees to what is late by itself.
        if state.is_careful or turn.judge.is_short_of_room:
            look_again(turn)
        turn.end()

    def _internal(self, turn: Turn, record: InputRecord) -> None:
        told = decode_fraud_internal(record.value or b"")
        if isinstance(told, PauseRule):
            take_pause(turn, turn.cause(record), told)
        elif isinstance(told, ForwardedFeedback):
            take_feedback(turn, record, told.value.encode())
        elif isinstance(told, ScreenedFact):
            take_answer(turn, record, told)
        else:
            self._routed(turn, record, told)

    def _routed(self, turn: Turn, record: InputRecord, told: RoutedFacts) -> None:
        uses = [(turn.number_of(use), use) for use in told.uses]
        out, facts = turn.out, told.facts
        most = out.event_bytes + _MOST_EVENT_BYTES
        for done, each in enumerate(facts):
            if turn.judge.is_short_of_room:
                look_again(turn)
            if out.event_bytes > most:
                # Late ones may lead to a lot each. The others are decided when they come again, in whatever batch.
                rest = RoutedFacts(uses=told.uses, facts=facts[done:])
                out.send(FRAUD_INTERNAL, turn.context.partition, None, encode_fraud_internal(rest))
                return
            row = bytes(each.fact)
            fact = self._facts.of(row)
            keys: list[FoundKey] = []
            for at in each.uses:
                number, use = uses[at]
                kind, leg = use.kind, use.leg
                keys.append((number, use, key_under(kind, leg, fact), seen_from(kind, leg, fact)))
            arrived = ArrivedFact(each.partition, each.offset, each.event_time_ms, each.ledger_time_ms, fact, row, keys)
            changes = take_fact(turn, record, arrived)
            if each.is_gated:
                screen(turn, Asked(turn.cause(record), arrived, changes, None))

    def failed(self, state: Overlay, record: InputRecord, context: Context, error: Exception, out: Output) -> None:
        """`step` raised: the record is kept as a dead letter, and the others go on."""
        turn = self._turn(state)
        turn.failed()
        turn.begin(context, out)
        if self._split(turn, record):
            return
        self._fail(turn, record, f"the fraud role failed on this record ({type(error).__name__})")
        keep_dead_letter(context, out, record, "internal_error", "decide")
        turn.end()

    def oversized(self, state: Overlay, record: InputRecord, context: Context, out: Output) -> None:
        """What the record leads to does not fit through the broker."""
        turn = self._turn(state)
        turn.begin(context, out)
        if self._split(turn, record):
            return
        self._fail(turn, record, "what the record leads to is too large for the broker")
        keep_reference(context, out, record, "write")
        turn.end()

    def _split(self, turn: Turn, record: InputRecord) -> bool:
        """Of several facts in one record each is tried again alone: one that is bad takes no other with it."""
        told = _several(record) if turn.context.topic == FRAUD_INTERNAL else None
        if told is None:
            return False
        event = FraudEvent(type=FACTS_SPLIT, cause=turn.cause(record), recorded_at=turn.context.recorded_at)
        turn.write(event, None)
        for fact in told.facts:
            value = encode_fraud_internal(RoutedFacts(uses=told.uses, facts=(fact,)))
            turn.out.send(FRAUD_INTERNAL, turn.context.partition, None, value)
        turn.end()
        return True

    def _fail(self, turn: Turn, record: InputRecord, message: str) -> None:
        recorded_at = turn.context.recorded_at
        event = FraudEvent(type=FACT_FAILED, cause=turn.cause(record), message=message, recorded_at=recorded_at)
        turn.write(event, None)

    def fold(self, state: Overlay, value: bytes) -> None:
        """Apply one event of the log.

        Raises:
            Refused: it is of a type that a newer version writes.
        """
        event = decode_fraud_event(value)
        require_known(event.type, FRAUD_EVENT_TYPES)
        apply(self._turn(state).state, event)

    def complete(self, state: Overlay, context: Context, out: Output) -> None:
        """Look again where something came late; tell what was counted and nobody had anything to say of."""
        del context, out
        turn = self._turn(state)
        if turn.judge.has_late:
            turn.go_on()
            look_again(turn)
            turn.end()
        turn.complete()

    def finish(self, state: Overlay, context: Context, last_sequence: int, out: Output) -> None:
        """`fraud-alerts`: every alert that the batch has touched, as it is now."""
        turn = self._turn(state)
        turn.send_routed(out)
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
            turn = state.typed = Turn(FraudState(state, self._alerts), self.limits, self._followed, self._facts)
        return turn


def _several(record: InputRecord) -> RoutedFacts | None:
    try:
        told = decode_fraud_internal(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return told if isinstance(told, RoutedFacts) and len(told.facts) > 1 else None

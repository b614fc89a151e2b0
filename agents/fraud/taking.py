"""A fact is counted under the keys that live here, and shown to their rules; what comes of it. Pure."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from agents.fraud.apply import count
from agents.fraud.changed import Alerted, opened_by, told_portions
from agents.fraud.engine import Change
from agents.fraud.entries import Key, entry_of
from agents.fraud.followed import LATER
from agents.fraud.looking_again import watch
from agents.fraud.state import history_name, model_name, rule_text
from agents.fraud.turn import Turn
from schemas.events import WALLET_OPENED
from schemas.facts import Fact, FactValue
from schemas.fraud_events import FACT_EVALUATED, FACT_LATE, FIRES_CHANGED, CountedFact, FraudEvent
from schemas.fraud_internal import FactKey, FactSource, KeyUse
from schemas.topics import LEDGER_EVENTS
from streams.machine import InputRecord

#: A key that lives here: number and use that it is counted under, the key, and the fact as it is seen from there.
FoundKey = tuple[int, KeyUse, Key, Fact]


class ArrivedFact(NamedTuple):
    """A fact, also as it is encoded, and the keys that live here."""

    #: Where in `ledger-events` the event is that it was made of.
    partition: int
    offset: int
    t_ms: int
    ledger_ms: int
    fact: dict[str, FactValue]
    row: bytes
    keys: list[FoundKey]
    #: The model of the wallet learns from it.
    learned: bool = False

    @property
    def place(self) -> tuple[int, int, int]:
        """Where it stands in each of its histories: its order without the leg."""
        return self.t_ms, self.partition, self.offset


def take_fact(turn: Turn, record: InputRecord, arrived: ArrivedFact) -> list[Change] | None:
    """The fact, what rules say of it and no longer say, and the alerts that change by it: one event, or, where no rule
    says anything, a part of one; where it changes very many, several.

    A fact that is later than is allowed is counted apart, and nobody sees it. One that is late, and what comes after it
    in its history, rules are shown at the end of the batch (`look_again`). Returns what rules say anew; None where none
    sees it.
    """
    ledger_ms = arrived.ledger_ms
    turn.ledger_ms = ledger_ms if turn.ledger_ms is None else min(turn.ledger_ms, ledger_ms)
    closed_before_ms = _closed_before_ms(turn, arrived)
    if arrived.t_ms < closed_before_ms:
        turn.write(_event(turn, record, arrived, FACT_LATE, closed_before_ms), _wallet(arrived))
        return None
    changes, alerts = _shown(turn, arrived)
    if turn.judge.has_late:
        turn.late_cause = turn.cause(record)
    opens = arrived.fact["type"] == WALLET_OPENED and turn.context.topic == LEDGER_EVENTS
    if not changes and not opens:
        _count(turn, record, arrived, closed_before_ms)
        return changes
    event = _event(turn, record, arrived, FACT_EVALUATED, closed_before_ms)
    event.learned = arrived.learned
    (event.fires, event.alerts), *more = told_portions(turn, changes, alerts)
    touched = {rule_text(change.rule.ref): change.rule for change in changes}
    turn.write(event, _wallet(arrived))
    for fires, told_of in more:
        changed = FraudEvent(type=FIRES_CHANGED, cause=event.cause, recorded_at=event.recorded_at)
        changed.fires, changed.alerts = fires, told_of
        turn.write(changed, _wallet(arrived))
    watch(turn, event.cause, touched)
    return changes


def _count(turn: Turn, record: InputRecord, arrived: ArrivedFact, closed_before_ms: int) -> None:
    partition, offset, t_ms, ledger_ms, fact, row, keys, learned = arrived
    state = turn.state
    if learned:
        state.models.put(model_name(fact), state.learn(fact, t_ms).model)
    names = [(history_name(use.kind, key), use.leg, use.kept_s * 1000) for _, use, key, _ in keys]
    count(state, (partition, offset), (t_ms, ledger_ms, closed_before_ms), names, row)
    uses = tuple([number for number, _, _, _ in keys])
    raw, at = msgspec.Raw(row), record.offset
    turn.count(CountedFact(at, partition, offset, t_ms, ledger_ms, closed_before_ms, uses, raw, learned), len(row))


def _event(turn: Turn, record: InputRecord, arrived: ArrivedFact, type_: str, closed_before_ms: int) -> FraudEvent:
    return FraudEvent(
        type=type_,
        cause=turn.cause(record),
        source=FactSource(arrived.partition, arrived.offset),
        event_time_ms=arrived.t_ms,
        ledger_time_ms=arrived.ledger_ms,
        closed_before_ms=closed_before_ms,
        fact=arrived.fact,
        keys=tuple([FactKey(use.kind, key, use.kept_s, use.leg) for _, use, key, _ in arrived.keys]),
        recorded_at=turn.context.recorded_at,
    )


def _wallet(arrived: ArrivedFact) -> bytes:
    return str(arrived.fact["wallet_id"]).encode()


def _closed_before_ms(turn: Turn, arrived: ArrivedFact) -> int:
    """Nothing that occurred before this is taken any more.

    All partitions of the ledger have come at least so far, less the allowed lateness; but none that stands still, or is
    far behind, keeps histories open for longer than the setting says.
    """
    closed_before_ms = turn.state.closed_before_ms
    times, source, ledger_ms = turn.ledger_times_ms or turn.begin_times(), arrived.partition, arrived.ledger_ms
    if ledger_ms <= times[source]:
        # As far as partitions have come they had come before.
        return closed_before_ms
    times[source] = ledger_ms
    watermark_ms = max(min(times), max(times) - turn.limits.partition_lag_ms)
    return max(closed_before_ms, watermark_ms - turn.limits.lateness_ms)


def _shown(turn: Turn, arrived: ArrivedFact) -> tuple[list[Change], Alerted]:
    """What changes, and the facts that opened the alerts, looked up while their histories are in memory."""
    changes: list[Change] = []
    alerts: Alerted = []
    fact, state, show = arrived.fact, turn.state, turn.judge.show
    # Of all keys but `party_id`, which adds to the fact: the engine lets histories share entries.
    order = (arrived.t_ms, arrived.partition, arrived.offset, 0)
    shared = entry_of(order, fact)
    # What was on its way while the rule went that had asked for it is kept, and no other rule's.
    kinds = turn.followed.kinds if LATER in fact else None
    for _, use, key, seen in arrived.keys:
        if kinds is not None and not (use.kind in kinds and kinds[use.kind].sees_all):
            continue
        entry = shared if seen is fact else entry_of((*order[:3], use.leg), seen)
        found, told_of = show(state, use.kind, key, entry)
        if not found:
            continue
        changes += found
        alerts += opened_by(turn, use.kind, key, told_of)
    return changes, alerts

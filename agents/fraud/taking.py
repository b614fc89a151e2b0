"""A fact is counted under the keys that live here, and shown to their rules; what comes of it. Pure."""

from __future__ import annotations

from typing import NamedTuple

from agents.fraud.acting import act
from agents.fraud.alerts import AlertChange
from agents.fraud.apply import HOUR_MS, counts_in
from agents.fraud.breaker import Tally, tallied
from agents.fraud.compile import CompiledRule
from agents.fraud.engine import Change
from agents.fraud.entries import Entry, seen_from
from agents.fraud.judge import write_fire
from agents.fraud.state import RuleCounts, rule_text, subject_of
from agents.fraud.told import Surroundings, told, told_pause
from agents.fraud.turn import Turn
from schemas.facts import Fact, FactValue
from schemas.fraud_alerts import encode_alert
from schemas.fraud_events import (
    FACT_EVALUATED,
    FACT_LATE,
    RULE_PAUSED,
    AlertChanged,
    FireChange,
    FraudEvent,
)
from schemas.fraud_internal import FactKey, FactSource, PauseRule, encode_fraud_internal
from schemas.topics import FRAUD_ALERTS, FRAUD_INTERNAL
from streams.machine import InputRecord


class ArrivedFact(NamedTuple):
    """A fact, and the keys that live here."""

    source: FactSource
    t_ms: int
    ledger_ms: int
    fact: dict[str, FactValue]
    keys: tuple[FactKey, ...]


def take_fact(turn: Turn, record: InputRecord, arrived: ArrivedFact) -> None:
    """One event: the fact, what rules say of it and no longer say, and the alerts that change by it.

    A fact that is later than is allowed is counted apart, and nobody sees it.
    """
    turn.ledger_ms = arrived.ledger_ms
    closed_before_ms = _closed_before_ms(turn, arrived)
    event = FraudEvent(
        type=FACT_LATE if arrived.t_ms < closed_before_ms else FACT_EVALUATED,
        cause=turn.cause(record),
        source=arrived.source,
        event_time_ms=arrived.t_ms,
        ledger_time_ms=arrived.ledger_ms,
        closed_before_ms=closed_before_ms,
        fact=arrived.fact,
        keys=arrived.keys,
        recorded_at=turn.context.recorded_at,
    )
    wallet = str(arrived.fact["wallet_id"]).encode()
    touched: dict[str, CompiledRule] = {}
    if event.type == FACT_EVALUATED:
        changes, alerts = _shown(turn, arrived)
        if changes:
            event.fires = tuple(_fire_change(change) for change in changes)
            event.alerts = tuple(_told(turn, *opened) for opened in alerts)
            touched = {rule_text(change.rule.ref): change.rule for change in changes}
    turn.write(event, wallet)
    for rule in touched.values():
        _watch(turn, record, rule)


def _closed_before_ms(turn: Turn, arrived: ArrivedFact) -> int:
    """Nothing that occurred before this is taken any more.

    All partitions of the ledger have come at least so far, less the allowed lateness; but none that stands still, or is
    far behind, keeps histories open for longer than the setting says.
    """
    state, limits, source = turn.state, turn.limits, arrived.source.partition
    times = [state.sources.get(str(partition)) or 0 for partition in range(turn.context.partitions)]
    times[source] = max(times[source], arrived.ledger_ms)
    watermark_ms = max(min(times), max(times) - limits.partition_lag_ms)
    return max(state.closed_before_ms, watermark_ms - limits.lateness_ms)


def _shown(turn: Turn, arrived: ArrivedFact) -> tuple[list[Change], list[tuple[AlertChange, Fact | None]]]:
    """What changes, and the facts that opened the alerts, looked up while their histories are in memory."""
    changes: list[Change] = []
    alerts: list[tuple[AlertChange, Fact | None]] = []
    source = arrived.source
    for key in arrived.keys:
        order = (arrived.t_ms, source.partition, source.offset, key.leg)
        entry = Entry(order, seen_from(key.kind, key.leg, arrived.fact))
        found, told_of = turn.judge.show(turn.state, key.kind, key.key, entry)
        changes += found
        for change in told_of:
            opened_by = turn.judge.entry(key.kind, key.key, change.alert.order)
            alerts.append((change, None if opened_by is None else opened_by.fact))
    return changes, alerts


def _fire_change(change: Change) -> FireChange:
    rule_id, version = change.rule.ref
    fired = None if change.fire is None else write_fire(change.fire)
    return FireChange(rule_id, version, change.rule.kind, change.key, change.entry.order, fired)


def _told(turn: Turn, change: AlertChange, opened_by: Fact | None) -> AlertChanged:
    alert, state = change.alert, turn.state
    subject = subject_of(alert.key)
    until_ms = state.snoozes.get(f"{alert.rule_id} {subject}")
    members = {rule_id: rule for rule_id, _ in alert.contributions if (rule := turn.judge.rule(rule_id)) is not None}
    around = Surroundings(
        opened_by=opened_by,
        before=state.alerts.get(alert.alert_id, turn.context.recorded_at_ms),
        members=members,
        is_snoozed=until_ms is not None and alert.last_seen_ms < until_ms,
        recorded_at=turn.context.recorded_at,
    )
    record = told(change, around)
    if change.what == "opened" and record.action_result is None:
        record = act(turn, change.rule, record)
    return AlertChanged(change.what, alert.kind, alert.key, alert.order, record)


def _watch(turn: Turn, record: InputRecord, rule: CompiledRule) -> None:
    """Pause a rule that says too much: here at once, and in all other partitions."""
    counts = turn.state.rules.get(rule_text(rule.ref)) or RuleCounts()
    now_ms = turn.context.recorded_at_ms
    counts = counts_in(counts, now_ms // HOUR_MS)
    tally = Tally(counts.facts, counts.fired, counts.hour, counts.alerts)
    _, tripped = tallied(rule.rule, tally, now_ms)
    if tripped is None or counts.paused:
        return
    context = turn.context
    pause = PauseRule(rule_id=rule.ref[0], version=rule.ref[1], reason=tripped.reason, partition=context.partition)
    take_pause(turn, record, pause)
    alert = told_pause(rule, tripped.reason, context.partition, now_ms)
    turn.out.send(FRAUD_ALERTS, context.partition, alert.subject.encode(), encode_alert(alert))
    for partition in range(context.partitions):
        if partition != context.partition:
            turn.out.send(FRAUD_INTERNAL, partition, None, encode_fraud_internal(pause))


def take_pause(turn: Turn, record: InputRecord, pause: PauseRule) -> None:
    """A version of a rule is paused; nothing happens where it is already."""
    counts = turn.state.rules.get(rule_text((pause.rule_id, pause.version)))
    if counts is not None and counts.paused:
        return
    event = FraudEvent(
        type=RULE_PAUSED,
        cause=turn.cause(record),
        rule_id=pause.rule_id,
        version=pause.version,
        reason=f"{pause.reason} (partition {pause.partition})",
        recorded_at=turn.context.recorded_at,
    )
    turn.write(event, None)
    turn.begin_anew()

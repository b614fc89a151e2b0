"""A fact is counted under the keys that live here, and shown to their rules; what comes of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from agents.fraud.acting import act
from agents.fraud.alerts import AlertChange
from agents.fraud.apply import HOUR_MS, count, counts_in
from agents.fraud.breaker import Tally, tallied
from agents.fraud.compile import CompiledRule
from agents.fraud.engine import Change
from agents.fraud.entries import Entry, Key, RuleRef
from agents.fraud.followed import LATER
from agents.fraud.judge import write_fire
from agents.fraud.portions import portions
from agents.fraud.state import RuleCounts, history_name, model_name, rule_text, subject_of
from agents.fraud.told import Surroundings, in_place_of, stands_in_for, told, told_pause
from agents.fraud.turn import Turn
from schemas.events import WALLET_OPENED
from schemas.facts import Fact, FactValue
from schemas.fraud_alerts import Alert, encode_alert
from schemas.fraud_events import (
    FACT_EVALUATED,
    FACT_LATE,
    FIRES_CHANGED,
    RULE_PAUSED,
    AlertChanged,
    CountedFact,
    FireChange,
    FraudEvent,
)
from schemas.fraud_internal import FactKey, FactSource, KeyUse, PauseRule, encode_fraud_internal
from schemas.topics import FRAUD_ALERTS, FRAUD_INTERNAL, LEDGER_EVENTS
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


def take_fact(turn: Turn, record: InputRecord, arrived: ArrivedFact) -> list[Change] | None:
    """The fact, what rules say of it and no longer say, and the alerts that change by it: one event, or, where no rule
    says anything, a part of one; where it changes very many, several.

    A fact that is later than is allowed is counted apart, and nobody sees it. Returns what rules say anew; None where
    none has seen it.
    """
    ledger_ms = arrived.ledger_ms
    turn.ledger_ms = ledger_ms if turn.ledger_ms is None else min(turn.ledger_ms, ledger_ms)
    closed_before_ms = _closed_before_ms(turn, arrived)
    if arrived.t_ms < closed_before_ms:
        turn.write(_event(turn, record, arrived, FACT_LATE, closed_before_ms), _wallet(arrived))
        return None
    turn.acted.clear()
    changes, alerts = _shown(turn, arrived)
    opens = arrived.fact["type"] == WALLET_OPENED and turn.context.topic == LEDGER_EVENTS
    if not changes and not opens:
        _count(turn, record, arrived, closed_before_ms)
        return changes
    event = _event(turn, record, arrived, FACT_EVALUATED, closed_before_ms)
    event.learned = arrived.learned
    (event.fires, event.alerts), *more = portions(tuple(map(_fire_change, changes)), _told_all(turn, alerts))
    touched = {rule_text(change.rule.ref): change.rule for change in changes}
    turn.write(event, _wallet(arrived))
    for fires, told_of in more:
        changed = FraudEvent(type=FIRES_CHANGED, cause=event.cause, recorded_at=event.recorded_at)
        changed.fires, changed.alerts = fires, told_of
        turn.write(changed, _wallet(arrived))
    for rule in touched.values():
        _watch(turn, record, rule)
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


def _shown(turn: Turn, arrived: ArrivedFact) -> tuple[list[Change], list[tuple[AlertChange, Fact | None]]]:
    """What changes, and the facts that opened the alerts, looked up while their histories are in memory."""
    changes: list[Change] = []
    alerts: list[tuple[AlertChange, Fact | None]] = []
    fact, state, show = arrived.fact, turn.state, turn.judge.show
    # Of all keys but `party_id`, which adds to the fact: the engine lets histories share entries.
    order = (arrived.t_ms, arrived.partition, arrived.offset, 0)
    shared = Entry(order, fact)
    # What was on its way while the rule went that had asked for it is kept, and no other rule's.
    kinds = turn.followed.kinds if LATER in fact else None
    for _, use, key, seen in arrived.keys:
        if kinds is not None and not (use.kind in kinds and kinds[use.kind].sees_all):
            continue
        entry = shared if seen is fact else Entry((*order[:3], use.leg), seen)
        found, told_of = show(state, use.kind, key, entry)
        if not found:
            continue
        changes += found
        for change in told_of:
            opened_by = turn.judge.entry(use.kind, key, change.alert.order)
            alerts.append((change, None if opened_by is None else opened_by.fact))
    return changes, alerts


def _fire_change(change: Change) -> FireChange:
    rule_id, version = change.rule.ref
    fired = None if change.fire is None else write_fire(change.fire)
    return FireChange(rule_id, version, change.rule.kind, change.key, change.entry.order, fired)


def _told_all(turn: Turn, alerts: list[tuple[AlertChange, Fact | None]]) -> tuple[AlertChanged, ...]:
    """What is told of alerts that a fact changes; of a rule and subject those come first that it takes back."""
    taken_back: dict[tuple[RuleRef, Key], list[Alert]] = {}
    found: list[AlertChanged] = []
    for change, opened_by in alerts:
        name = change.rule.ref, change.alert.key
        changed = _told(turn, change, opened_by, taken_back.get(name, ()))
        if changed.what == "withdrawn":
            taken_back.setdefault(name, []).append(changed.alert)
        found.append(changed)
    return tuple(found)


def _told(turn: Turn, change: AlertChange, opened_by: Fact | None, taken_back: Iterable[Alert]) -> AlertChanged:
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
    is_new = change.what == "opened" and record.action_result is None
    # Who was silent while it opened, and is so no more when it goes on, may not be let off for the whole cooldown.
    was_silent, is_silent = record.action_result in ("snoozed", "shadow"), record.shadow or record.state != "open"
    acted = next((each for each in taken_back if stands_in_for(record, each)), None) if is_new else None
    if acted is not None:
        record = in_place_of(record, acted)
    elif is_new or (was_silent and not is_silent):
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

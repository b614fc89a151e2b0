"""What an event does to the state of the fraud role. The only code that changes it; it asks no rule. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from agents.fraud import stored
from agents.fraud.breaker import MOST_FACTS
from agents.fraud.entries import Order
from agents.fraud.state import (
    ALL_RULES,
    DAY_MS,
    FraudState,
    RuleCounts,
    StoredEntry,
    StoredFire,
    encode_entry,
    history_name,
    kind_text,
    rule_text,
)
from schemas.clock import unix_ms
from schemas.events import WALLET_OPENED
from schemas.fraud_events import (
    FACT_LATE,
    AlertChanged,
    FireChange,
    FraudEvent,
)
from schemas.topics import LEDGER_EVENTS

HOUR_MS: Final = 3_600_000
_changed: Final = msgspec.structs.replace
#: Histories that one event looks at for what is too old.
_SWEPT_AT_ONCE: Final = 16


def apply(state: FraudState, event: FraudEvent) -> None:
    """Change the state as an event says."""
    match event.type:
        case "fact.evaluated" | "fact.late":
            _fact(state, event)
        case "alert.labelled":
            _alerts(state, event)
        case "subject.snoozed":
            state.snoozes.put(f"{event.rule_id} {event.subject}", event.until_ms or None)
        case "rule.paused":
            assert event.rule_id is not None
            assert event.version is not None
            name = rule_text((event.rule_id, event.version))
            counts = state.rules.get(name) or RuleCounts()
            state.rules.put(name, _changed(counts, paused=event.reason or "paused"))


def _fact(state: FraudState, event: FraudEvent) -> None:
    fact, source = event.fact, event.source
    t_ms, ledger_ms, closed_before_ms = event.event_time_ms, event.ledger_time_ms, event.closed_before_ms
    assert fact is not None
    assert source is not None
    assert t_ms is not None
    assert ledger_ms is not None
    assert closed_before_ms is not None
    partition = str(source.partition)
    if ledger_ms > (state.sources.get(partition) or 0):
        state.sources.put(partition, ledger_ms)
    if closed_before_ms > state.closed_before_ms:
        state.clock.put("closed_before", closed_before_ms)
    if event.type == FACT_LATE:
        return
    if fact.get("type") == WALLET_OPENED and event.cause.topic == LEDGER_EVENTS:
        state.wallets.put(str(fact["wallet_id"]), ledger_ms)
    if event.keys:
        row = encode_entry(StoredEntry(fact))
        for key in event.keys:
            order = (t_ms, source.partition, source.offset, key.leg)
            stored.insert(state, history_name(key.kind, key.key), order, row, key.kept_s * 1000)
            kind = kind_text(key.kind)
            state.kinds.put(kind, (state.kinds.get(kind) or 0) + 1)
    if event.fires:
        _fires(state, event.fires)
    if event.alerts:
        _alerts(state, event)
    _sweep(state)


def _fires(state: FraudState, changes: tuple[FireChange, ...]) -> None:
    for change in changes:
        name, rule = history_name(change.kind, change.key), rule_text((change.rule_id, change.version))
        if change.fired is None:
            stored.set_fire(state, name, change.order, rule, None)
            continue
        before = stored.fire_of(state, name, change.order, rule)
        opens = before is not None and before.opens
        stored.set_fire(state, name, change.order, rule, StoredFire(change.fired, opens))
        if before is None:
            entries = state.kinds.get(kind_text(change.kind)) or 1
            # The first one counts from here on: a rule that is new has not seen what was before it.
            counts = state.rules.get(rule) or RuleCounts(entries=entries - 1)
            facts, fired = counts.facts + entries - counts.entries, counts.fired + 1
            if facts > MOST_FACTS:
                facts, fired = facts // 2, fired // 2
            state.rules.put(rule, _changed(counts, facts=facts, fired=fired, entries=entries))


def _alerts(state: FraudState, event: FraudEvent) -> None:
    for changed in event.alerts:
        alert = changed.alert
        state.alerts.put(alert.alert_id, alert, unix_ms(alert.first_seen))
        if changed.what == "updated":
            continue
        rule = rule_text((alert.rule_id, alert.version))
        name = history_name(changed.kind, changed.key)
        _mark(state, name, changed.order, rule, changed.what == "opened")
        if changed.what == "opened":
            _count(state, rule, changed, unix_ms(event.recorded_at) // HOUR_MS)


def _mark(state: FraudState, name: str, order: Order, rule: str, opens: bool) -> None:
    """Note at an entry's fire whether an alert opens with it."""
    fire = stored.fire_of(state, name, order, rule)
    if fire is not None and fire.opens is not opens:
        stored.set_fire(state, name, order, rule, StoredFire(fire.fired, opens))


def _count(state: FraudState, rule: str, changed: AlertChanged, hour: int) -> None:
    acted = changed.alert.action_result == "sent"
    for name in (rule, ALL_RULES) if acted else (rule,):
        counts = counts_in(state.rules.get(name) or RuleCounts(), hour)
        state.rules.put(name, _changed(counts, alerts=counts.alerts + 1, actions=counts.actions + acted))


def counts_in(counts: RuleCounts, hour: int) -> RuleCounts:
    """The counts of a rule in an hour: what is counted by the hour begins anew with each."""
    return counts if counts.hour == hour else _changed(counts, hour=hour, alerts=0, actions=0)


def _sweep(state: FraudState) -> None:
    """Once a day of event time: forget what is too old, some of it with each event until it is done."""
    day = state.closed_before_ms // DAY_MS
    if day <= (state.clock.get("swept") or 0) or not stored.sweep(state, day, _SWEPT_AT_ONCE):
        return
    state.clock.put("swept", day)
    for name, until_ms in list(state.snoozes.scan()):
        if until_ms <= state.closed_before_ms:
            state.snoozes.delete(name)

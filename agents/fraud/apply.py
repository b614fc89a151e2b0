"""What an event does to the state of the fraud role. The only code that changes it; it asks no rule. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain
from typing import Final

import msgspec

from agents.fraud import stored
from agents.fraud.breaker import MOST_FACTS
from agents.fraud.entries import Kind, Order, key_under
from agents.fraud.state import (
    ALL_RULES,
    DAY_MS,
    FraudState,
    RuleCounts,
    StoredFire,
    history_name,
    kind_text,
    model_name,
    rule_text,
)
from schemas.clock import unix_ms
from schemas.events import WALLET_OPENED
from schemas.facts import FactValue
from schemas.fraud_alerts import SENT
from schemas.fraud_events import (
    FACT_LATE,
    FireChange,
    FraudEvent,
)
from schemas.fraud_facts import decode_fact, encode_fact
from schemas.topics import LEDGER_EVENTS

HOUR_MS: Final = 3_600_000
_changed: Final = msgspec.structs.replace
#: Histories that one event looks at for what is too old.
_SWEPT_AT_ONCE: Final = 16
#: The kind of key under which each fact is counted, whoever looks at it.
_BY_WALLET: Final = kind_text(("wallet_id",))


def apply(state: FraudState, event: FraudEvent) -> None:
    """Change the state as an event says."""
    match event.type:
        case "fact.evaluated" | "fact.late":
            _fact(state, event)
        case "fires.changed":
            _changes(state, event)
        case "facts.counted":
            _facts(state, event)
        case "alert.labelled":
            _alerts(state, event)
        case "subject.snoozed":
            state.snoozes.put(f"{event.rule_id} {event.subject}", event.until_ms or None)
        case "payment.asked" | "payment.answered" | "payment.judged":
            if event.gate is not None:
                state.gates.put(event.gate.transaction_id, event.gate, unix_ms(event.recorded_at))
            for name in map(rule_text, event.denied_by):
                counts = counts_in(state.rules.get(name) or RuleCounts(), unix_ms(event.recorded_at) // HOUR_MS)
                state.rules.put(name, _changed(counts, denials=counts.denials + 1))
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
    # Also one that is late: all that comes of the wallet yet has its age.
    if fact.get("type") == WALLET_OPENED and event.cause.topic == LEDGER_EVENTS:
        state.wallets.put(str(fact["wallet_id"]), ledger_ms)
    if event.type == FACT_LATE:
        _pass_time(state, source.partition, ledger_ms, closed_before_ms)
        return
    if event.learned:
        _learn(state, fact, t_ms)
    names = [(history_name(key.kind, key.key), key.leg, key.kept_s * 1000) for key in event.keys]
    times_ms = (t_ms, ledger_ms, closed_before_ms)
    count(state, (source.partition, source.offset), times_ms, names, encode_fact(fact))
    for key in event.keys:
        _note_kind(state, key.kind, 1)
    _changes(state, event)


def _changes(state: FraudState, event: FraudEvent) -> None:
    if event.fires:
        _fires(state, event.fires)
    if event.alerts:
        _alerts(state, event)


def _facts(state: FraudState, event: FraudEvent) -> None:
    uses = event.uses
    for each in event.facts:
        fact = decode_fact(each.fact)
        if each.learned:
            _learn(state, fact, each.event_time_ms)
        names = []
        for number in each.uses:
            use = uses[number]
            names.append((history_name(use.kind, key_under(use.kind, use.leg, fact)), use.leg, use.kept_s * 1000))
        times_ms = (each.event_time_ms, each.ledger_time_ms, each.closed_before_ms)
        count(state, (each.partition, each.offset), times_ms, names, bytes(each.fact))
    note_kinds(state, event)


def count(
    state: FraudState,
    source: tuple[int, int],
    times_ms: tuple[int, int, int],
    names: Iterable[stored.HistoryOf],
    row: bytes,
) -> None:
    """Put a fact into the histories that live here.

    Args:
        source: partition and offset of the ledger event that it was made of.
        times_ms: when it occurred, when the ledger recorded it, and before which nothing is taken any more.
        names: the histories.
        row: the fact, encoded.
    """
    t_ms, ledger_ms, closed_before_ms = times_ms
    _pass_time(state, source[0], ledger_ms, closed_before_ms)
    stored.insert(state, names, (t_ms, *source, 0), row)
    _sweep(state)


def _pass_time(state: FraudState, partition: int, ledger_ms: int, closed_before_ms: int) -> None:
    name = partition_names(partition + 1)[partition]
    if ledger_ms > (state.sources.get(name) or 0):
        state.sources.put(name, ledger_ms)
    if closed_before_ms > state.closed_before_ms:
        state.clock.put("closed_before", closed_before_ms)


@lru_cache(maxsize=64)
def partition_names(count: int) -> tuple[str, ...]:
    """So many partitions of the ledger, as they are called in the tables."""
    return tuple(map(str, range(count)))


def _learn(state: FraudState, fact: dict[str, FactValue], t_ms: int) -> None:
    state.models.put(model_name(fact), state.learn(fact, t_ms).model)


def note_kinds(state: FraudState, event: FraudEvent) -> None:
    """Note how many entries facts of which no rule said anything have brought, by kind of key."""
    counted = Counter(chain.from_iterable(each.uses for each in event.facts))
    for number, entries in counted.items():
        _note_kind(state, event.uses[number].kind, entries)


def _note_kind(state: FraudState, kind: Kind, entries: int) -> None:
    name = kind_text(kind)
    state.kinds.put(name, (state.kinds.get(name) or 0) + entries)


def _entries(state: FraudState, kind: Kind) -> int:
    """Facts of this partition that a rule of some key had before it.

    Under other keys than the wallet a fact is counted where it concerns a rule only, and these may be the very ones at
    which it fires: what wallets have done here stands for all that could have come.
    """
    return max(state.kinds.get(kind_text(kind)) or 1, state.kinds.get(_BY_WALLET) or 0)


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
            entries = _entries(state, change.kind)
            # The first one counts from here on: a rule that is new has not seen what was before it.
            counts = state.rules.get(rule) or RuleCounts(entries=entries - 1)
            facts, fired = counts.facts + entries - counts.entries, counts.fired + 1
            if facts > MOST_FACTS:
                facts, fired = facts // 2, fired // 2
            state.rules.put(rule, _changed(counts, facts=facts, fired=fired, entries=entries))


def _alerts(state: FraudState, event: FraudEvent) -> None:
    hour = unix_ms(event.recorded_at) // HOUR_MS
    for changed in event.alerts:
        alert = changed.alert
        acted = False
        if alert.action_result == SENT:
            # One that was withdrawn and is true again acted the first time, one that goes on after a snooze acts then.
            before = state.alerts.get(alert.alert_id, unix_ms(event.recorded_at))
            acted = before is None or before.action_result != SENT
        state.alerts.put(alert.alert_id, alert, unix_ms(alert.first_seen))
        rule = rule_text((alert.rule_id, alert.version))
        opens = changed.what == "opened"
        # One that is taken back was none: whoever sends facts late could have a rule paused by one alert that begins
        # earlier each time.
        more = opens - (changed.what == "withdrawn")
        if more or acted:
            _count(state, rule, more, acted, hour)
        if changed.what != "updated":
            _mark(state, history_name(changed.kind, changed.key), changed.order, rule, opens)


def _mark(state: FraudState, name: str, order: Order, rule: str, opens: bool) -> None:
    """Note at an entry's fire whether an alert opens with it."""
    fire = stored.fire_of(state, name, order, rule)
    if fire is not None and fire.opens is not opens:
        stored.set_fire(state, name, order, rule, StoredFire(fire.fired, opens))


def _count(state: FraudState, rule: str, more: int, acted: bool, hour: int) -> None:
    for name in (rule, ALL_RULES) if acted else (rule,):
        counts = counts_in(state.rules.get(name) or RuleCounts(), hour)
        # What is taken back may have opened in the hour before.
        alerts = max(0, counts.alerts + more)
        state.rules.put(name, _changed(counts, alerts=alerts, actions=counts.actions + acted))


def counts_in(counts: RuleCounts, hour: int) -> RuleCounts:
    """The counts of a rule in an hour: what is counted by the hour begins anew with each."""
    return counts if counts.hour == hour else _changed(counts, hour=hour, alerts=0, actions=0, denials=0)


def _sweep(state: FraudState) -> None:
    """Once a day of event time: forget what is too old, some of it with each event until it is done."""
    closed_before_ms, clock = state.closed_before_ms, state.clock
    day = closed_before_ms // DAY_MS
    if day <= (clock.get("swept") or 0) or closed_before_ms < (clock.get("sweep_from") or 0):
        return
    if not stored.sweep(state, day, _SWEPT_AT_ONCE):
        return
    state.clock.put("swept", day)
    for name, until_ms in list(state.snoozes.scan()):
        if until_ms <= state.closed_before_ms:
            state.snoozes.delete(name)

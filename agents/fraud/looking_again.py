"""What came late in a batch is shown to rules at its end, and again what came after it: each history once. Pure.

Whoever sends facts chooses when they occurred. Were what comes after each late one looked at again at once, a thousand
of them on a key with ten thousand facts would cost ten million looks, and a worker would stand still for minutes.
"""

from __future__ import annotations

from agents.fraud.apply import HOUR_MS, counts_in
from agents.fraud.breaker import Tally, tallied
from agents.fraud.changed import opened_by, told_portions
from agents.fraud.compile import CompiledRule
from agents.fraud.engine import Change
from agents.fraud.entries import Key, Kind, Order
from agents.fraud.screening import say
from agents.fraud.state import RuleCounts, rule_text, subject_of
from agents.fraud.told import told_pause
from agents.fraud.turn import Turn
from schemas.fraud_alerts import encode_alert
from schemas.fraud_events import FIRES_CHANGED, RULE_PAUSED, FraudCause, FraudEvent
from schemas.fraud_internal import PauseRule, encode_fraud_internal
from schemas.topics import FRAUD_ALERTS, FRAUD_INTERNAL


def look_again(turn: Turn) -> None:
    """Show rules what came late since this was called last; what they say of it is told, and said of payments that
    wait for it."""
    late, asked = turn.judge.take_late(), turn.take_asked()
    if not late:
        return
    cause = turn.late_cause
    #: What rules say of payments that wait, by the fact's place.
    said: dict[tuple[int, int, int], list[Change]] = {each.arrived.place: [] for each in asked}
    touched: dict[str, CompiledRule] = {}
    for (kind, key), orders in late.items():
        for change in _look(turn, cause, kind, key, orders):
            touched[rule_text(change.rule.ref)] = change.rule
            of_payment = said.get(change.entry.order[:3])
            if of_payment is not None:
                of_payment.append(change)
    for each in asked:
        say(turn, each, [*(each.changes or ()), *said[each.arrived.place]])
    watch(turn, cause, touched)


def _look(turn: Turn, cause: FraudCause, kind: Kind, key: Key, orders: list[Order]) -> list[Change]:
    changes, alerts = turn.judge.look_again(kind, key, orders)
    if changes:
        for fires, told_of in told_portions(turn, changes, opened_by(turn, kind, key, alerts)):
            event = FraudEvent(type=FIRES_CHANGED, cause=cause, recorded_at=turn.context.recorded_at)
            event.fires, event.alerts = fires, told_of
            turn.write(event, subject_of(key).encode())
    return changes


def watch(turn: Turn, cause: FraudCause, rules: dict[str, CompiledRule]) -> None:
    """Pause those of these rules that say too much: here at once, and in all other partitions."""
    for rule in rules.values():
        _watch(turn, cause, rule)


def _watch(turn: Turn, cause: FraudCause, rule: CompiledRule) -> None:
    counts = turn.state.rules.get(rule_text(rule.ref)) or RuleCounts()
    now_ms = turn.context.recorded_at_ms
    counts = counts_in(counts, now_ms // HOUR_MS)
    tally = Tally(counts.facts, counts.fired, counts.hour, counts.alerts)
    _, tripped = tallied(rule.rule, tally, now_ms)
    if tripped is None or counts.paused:
        return
    context = turn.context
    pause = PauseRule(rule_id=rule.ref[0], version=rule.ref[1], reason=tripped.reason, partition=context.partition)
    if not take_pause(turn, cause, pause):
        return
    alert = told_pause(rule, tripped.reason, context.partition, now_ms)
    turn.out.send(FRAUD_ALERTS, context.partition, alert.subject.encode(), encode_alert(alert))
    for partition in range(context.partitions):
        if partition != context.partition:
            turn.out.send(FRAUD_INTERNAL, partition, None, encode_fraud_internal(pause))


def take_pause(turn: Turn, cause: FraudCause, pause: PauseRule) -> bool:
    """A version of a rule is paused; nothing happens, and False is returned, where it is already."""
    # What came before is seen by the rule, and what is put off belongs to rules as they are.
    look_again(turn)
    counts = turn.state.rules.get(rule_text((pause.rule_id, pause.version)))
    if counts is not None and counts.paused:
        return False
    event = FraudEvent(
        type=RULE_PAUSED,
        cause=cause,
        rule_id=pause.rule_id,
        version=pause.version,
        reason=f"{pause.reason} (partition {pause.partition})",
        recorded_at=turn.context.recorded_at,
    )
    turn.write(event, None)
    turn.begin_anew()
    return True

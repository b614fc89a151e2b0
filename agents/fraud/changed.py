"""What rules say anew, as events tell it: fires, and the alerts as they are from now on. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from agents.fraud.acting import act
from agents.fraud.alerts import AlertChange
from agents.fraud.engine import Change
from agents.fraud.entries import Key, RuleRef
from agents.fraud.judge import write_fire
from agents.fraud.portions import Portion, portions
from agents.fraud.state import subject_of
from agents.fraud.told import Surroundings, in_place_of, stands_in_for, told
from agents.fraud.turn import Turn
from schemas.facts import Fact
from schemas.fraud_alerts import Alert
from schemas.fraud_events import AlertChanged, FireChange

#: Alerts that change, each with the fact that opened it; None where that is forgotten.
Alerted = list[tuple[AlertChange, Fact | None]]


def opened_by(turn: Turn, kind: tuple[str, ...], key: Key, changes: Iterable[AlertChange]) -> Alerted:
    """With the facts that opened the alerts: to be called while the history of the key is in memory."""
    found: Alerted = []
    for change in changes:
        entry = turn.judge.entry(kind, key, change.alert.order)
        found.append((change, None if entry is None else entry.fact))
    return found


def told_portions(turn: Turn, changes: Iterable[Change], alerts: Alerted) -> list[Portion]:
    """What is told of changes, in as many portions as they need. Alerts that open act."""
    turn.acted.clear()
    return portions(tuple(map(_fire_change, changes)), _told_all(turn, alerts))


def _fire_change(change: Change) -> FireChange:
    rule_id, version = change.rule.ref
    fired = None if change.fire is None else write_fire(change.fire)
    return FireChange(rule_id, version, change.rule.kind, change.key, change.entry.order, fired)


def _told_all(turn: Turn, alerts: Alerted) -> tuple[AlertChanged, ...]:
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

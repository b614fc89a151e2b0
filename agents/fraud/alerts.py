"""Alerts: the fires of a rule and key, grouped by the rule's cooldown. Pure.

Grouping is greedy in the order of the fires: an alert opens at one and takes in those within `cooldown_s` of it; the
next one opens another. So it depends on nothing but the fires that stand. One that comes late, or is taken back,
groups anew from there on: alerts change, new ones open, those no longer true are withdrawn. With a cooldown of 0 each
fire is an alert.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Literal, NamedTuple

from agents.fraud.compile import CompiledRule
from agents.fraud.entries import Exact, Fire, Key, Kind, Order, RuleRef
from agents.fraud.evaluating import MAX_EVIDENCE
from agents.fraud.history import Change
from schemas.facts import FactValue


class Alert(NamedTuple):
    """What an analyst looks at. Numbers are ints, or Fractions where they are none.

    `alert_id` is the same for whoever computes it; `order` that of the first fire; the subject is `kind` (names) and
    `key` (values). Window, `observed`, `limit`, `normal`, `events`, `contributions` and `asset` are those of the last
    fire; `evidence` ids of transactions, oldest first: those of the first fire, then one for each that followed; the
    newest of them where they are many.
    """

    alert_id: str
    rule_id: str
    version: int
    kind: Kind
    key: Key
    order: Order
    first_seen_ms: int
    last_seen_ms: int
    occurrences: int
    window_start_ms: int
    window_end_ms: int
    observed: Exact | None
    limit: Exact | None
    normal: Exact | None
    events: int
    asset: FactValue | None
    evidence: tuple[str, ...]
    contributions: tuple[tuple[str, int], ...]


class AlertChange(NamedTuple):
    """An alert is `opened`, says more than before (`updated`), or is no longer true (`withdrawn`: as it was)."""

    what: Literal["opened", "updated", "withdrawn"]
    rule: CompiledRule
    alert: Alert


class _Fired(NamedTuple):
    """A fire, and where it stands."""

    order: Order
    asset: FactValue | None
    fire: Fire


class _Group:
    """One alert and the fires that it is made of; those before what can still change are in `settled` already."""

    __slots__ = ("alert", "fires", "settled")

    def __init__(self, alert: Alert, fires: list[_Fired], settled: Alert | None = None):
        self.alert = alert
        self.fires = fires
        self.settled = settled


class _Line:
    """All alerts of a rule and key, in order."""

    __slots__ = ("groups", "key", "rule")

    def __init__(self, rule: CompiledRule, key: Key):
        self.rule = rule
        self.key = key
        self.groups: list[_Group] = []


def alert_id(ref: RuleRef, kind: Kind, key: Key, order: Order) -> str:
    """Id of the alert that opens at the fire of this order: 128 bits of SHA-256, in hex."""
    name = json.dumps([*ref, kind, key, order], separators=(",", ":"))
    return hashlib.sha256(name.encode()).hexdigest()[:32]


class Alerts:
    """The alerts that stand, of all rules and keys."""

    def __init__(self) -> None:
        self._lines: dict[tuple[RuleRef, Key], _Line] = {}
        self._sweep: Iterator[tuple[RuleRef, Key]] = iter(())

    def apply(self, changes: Iterable[Change]) -> list[AlertChange]:
        """Take in what the engine says, in its order. What comes of one entry is given in one call."""
        by_line: dict[tuple[RuleRef, Key], list[Change]] = {}
        for change in changes:
            by_line.setdefault((change.rule.ref, change.key), []).append(change)
        found: list[AlertChange] = []
        for name, of_line in by_line.items():
            line = self._lines.get(name)
            if line is None:
                line = self._lines[name] = _Line(of_line[0].rule, name[1])
            line.rule = of_line[0].rule
            found += _append(line, of_line[0]) if _is_next(line, of_line) else _regroup(line, of_line)
            if not line.groups:
                del self._lines[name]
        return found

    def standing(self) -> Iterator[tuple[CompiledRule, Alert]]:
        """All alerts that stand and are not forgotten, each with its rule."""
        for line in self._lines.values():
            for group in line.groups:
                yield line.rule, group.alert

    def of(self, ref: RuleRef, key: Key) -> list[Alert]:
        """The alerts of a rule and key that stand, in order."""
        line = self._lines.get((ref, key))
        return [] if line is None else [group.alert for group in line.groups]

    def load(self, rule: CompiledRule, key: Key, fires: Iterable[Change]) -> None:
        """Put the alerts of a rule and key there as they come of these fires, in order."""
        line = _Line(rule, key)
        for change in fires:
            _append(line, change)
        if line.groups:
            self._lines[rule.ref, key] = line

    def forget(self, ref: RuleRef, key: Key) -> None:
        """Drop the alerts of a rule and key from memory; `load` brings them back."""
        self._lines.pop((ref, key), None)

    def trim(self, before_ms: int, lines: int | None = None) -> None:
        """Be told that no fire before `before_ms` comes or goes any more.

        Alerts that none can join are forgotten; of the others only the sum of such fires is held.

        Args:
            lines: of how many rules and keys; each call goes on where the one before ended. All where None.
        """
        if lines is None:
            self._sweep = iter(list(self._lines))
        looked_at = 0
        for name in islice(self._sweep, lines):
            looked_at += 1
            line = self._lines.get(name)
            if line is not None:
                _trim(line, before_ms)
                if not line.groups:
                    del self._lines[name]
        if lines is None or looked_at < lines:
            self._sweep = iter(list(self._lines))


def _is_next(line: _Line, changes: list[Change]) -> bool:
    """One fire after all that are there: the usual case."""
    change = changes[0]
    if len(changes) > 1 or change.fire is None:
        return False
    if not line.groups:
        return True
    last = line.groups[-1]
    return (last.fires[-1].order if last.fires else last.alert.order) < change.entry.order


def _append(line: _Line, change: Change) -> list[AlertChange]:
    assert change.fire is not None
    fired = _Fired(change.entry.order, change.entry.asset, change.fire)
    last = line.groups[-1] if line.groups else None
    if last is not None and _takes_in(line.rule, last.alert, fired):
        last.fires.append(fired)
        last.alert = _grown(last.alert, fired)
        return [AlertChange("updated", line.rule, last.alert)]
    group = _Group(_opened(line, fired), [fired])
    line.groups.append(group)
    return [AlertChange("opened", line.rule, group.alert)]


def _takes_in(rule: CompiledRule, alert: Alert, fired: _Fired) -> bool:
    return fired.order[0] < alert.first_seen_ms + rule.rule.cooldown_s * 1000


def _first_order(group: _Group) -> Order:
    return group.alert.order


def _regroup(line: _Line, changes: list[Change]) -> list[AlertChange]:
    """Group anew what changes touch, and on until an alert opens where one opened before."""
    orders = [change.entry.order for change in changes]
    first = max(0, bisect_right(line.groups, min(orders), key=_first_order) - 1)
    after = max(first, bisect_right(line.groups, max(orders), key=_first_order))
    fires = {fired.order: fired for group in line.groups[first:after] for fired in group.fires}
    for change in changes:
        if change.fire is None:
            fires.pop(change.entry.order, None)
        else:
            fires[change.entry.order] = _Fired(change.entry.order, change.entry.asset, change.fire)
    settled = line.groups[first].settled if first < after else None
    groups = [] if settled is None else [_Group(settled, [], settled)]
    _group(line, groups, [fires[order] for order in sorted(fires)])
    while after < len(line.groups) and groups and _takes_in(line.rule, groups[-1].alert, line.groups[after].fires[0]):
        _group(line, groups, line.groups[after].fires)
        after += 1
    before = {group.alert.alert_id: group.alert for group in line.groups[first:after]}
    line.groups[first:after] = groups
    return _differences(line.rule, before, {group.alert.alert_id: group.alert for group in groups})


def _group(line: _Line, groups: list[_Group], fires: list[_Fired]) -> None:
    """Add fires to groups, in order."""
    for fired in fires:
        if groups and _takes_in(line.rule, groups[-1].alert, fired):
            groups[-1].fires.append(fired)
            groups[-1].alert = _grown(groups[-1].alert, fired)
        else:
            groups.append(_Group(_opened(line, fired), [fired]))


def _differences(rule: CompiledRule, before: dict[str, Alert], now: dict[str, Alert]) -> list[AlertChange]:
    found = [AlertChange("withdrawn", rule, alert) for name, alert in before.items() if name not in now]
    for name, alert in now.items():
        if name not in before:
            found.append(AlertChange("opened", rule, alert))
        elif alert != before[name]:
            found.append(AlertChange("updated", rule, alert))
    return found


def _opened(line: _Line, fired: _Fired) -> Alert:
    """The alert of one fire."""
    rule, fire, t_ms = line.rule, fired.fire, fired.order[0]
    return Alert(
        alert_id=alert_id(rule.ref, rule.kind, line.key, fired.order),
        rule_id=rule.ref[0],
        version=rule.ref[1],
        kind=rule.kind,
        key=line.key,
        order=fired.order,
        first_seen_ms=t_ms,
        last_seen_ms=t_ms,
        occurrences=1,
        window_start_ms=fire.window_start_ms,
        window_end_ms=t_ms,
        observed=fire.observed,
        limit=fire.limit,
        normal=fire.normal,
        events=fire.events,
        asset=fired.asset,
        evidence=fire.evidence,
        contributions=fire.contributions,
    )


def _grown(alert: Alert, fired: _Fired) -> Alert:
    """The alert with one fire more."""
    fire, evidence = fired.fire, alert.evidence
    if fire.evidence[-1] not in evidence:
        # The newest, for the last fire is what the alert says.
        evidence = (*evidence, fire.evidence[-1])[-MAX_EVIDENCE:]
    # By position: twice as fast, and this is what a burst costs.
    return Alert(
        *alert[:7],
        fired.order[0],
        alert.occurrences + 1,
        fire.window_start_ms,
        fired.order[0],
        fire.observed,
        fire.limit,
        fire.normal,
        fire.events,
        fired.asset,
        evidence,
        fire.contributions,
    )


def _trim(line: _Line, before_ms: int) -> None:
    cooldown_ms = max(1, line.rule.rule.cooldown_s * 1000)
    gone = bisect_left(line.groups, before_ms, key=lambda group: group.alert.first_seen_ms + cooldown_ms)
    del line.groups[:gone]
    if line.groups and line.groups[0].alert.first_seen_ms < before_ms:
        group = line.groups[0]
        settled = bisect_left(group.fires, before_ms, key=lambda fired: fired.order[0])
        for fired in group.fires[:settled]:
            group.settled = _opened(line, fired) if group.settled is None else _grown(group.settled, fired)
        del group.fires[:settled]

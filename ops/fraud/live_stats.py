"""How rules have done on the stream, read off the alerts and their labels. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from schemas.clock import unix_ms
from schemas.fraud_alerts import PAUSE, SENT, SENT_BEFORE, Alert

_DAY_MS: Final = 86_400_000
#: Other rules that are named beside one.
_MOST_OVERLAPS: Final = 5
#: Of what alerts that act have come to: their action was sent, by them or by one in whose place they stand.
_ACTED: Final = (SENT, SENT_BEFORE)


@dataclass(slots=True)
class RuleStats:
    """One version of a rule.

    `precision` is that of its labels, None without any; `repeat_ratio` the share of alerts whose subject had one
    before; `overlaps` the share of its alerts whose evidence is also in an alert of another rule, the largest ones;
    `stopped_minor` by asset what confirmed alerts were about whose action was sent; a duplicate counts for nobody.
    """

    rule_id: str
    version: int
    alerts: int = 0
    shadow: int = 0
    withdrawn: int = 0
    snoozed: int = 0
    occurrences: int = 0
    actions: int = 0
    confirmed: int = 0
    false_positives: int = 0
    duplicates: int = 0
    precision: float | None = None
    subjects: int = 0
    repeat_ratio: float = 0.0
    alerts_per_day: float = 0.0
    overlaps: dict[str, float] = field(default_factory=dict)
    stopped_minor: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return asdict(self)


def stats_of(alerts: Iterable[Alert]) -> list[RuleStats]:
    """Of each rule and version that has alerts, by id; pauses are none."""
    by_rule: dict[tuple[str, int], list[Alert]] = {}
    for alert in alerts:
        if alert.action != PAUSE:
            by_rule.setdefault((alert.rule_id, alert.version), []).append(alert)
    raised_by: dict[str, set[str]] = {}
    for (rule_id, _), of_rule in by_rule.items():
        for alert in of_rule:
            for transaction_id in alert.evidence if alert.state != "withdrawn" else ():
                raised_by.setdefault(transaction_id, set()).add(rule_id)
    return [_stats(*name, by_rule[name], raised_by) for name in sorted(by_rule)]


def _stats(rule_id: str, version: int, alerts: list[Alert], raised_by: dict[str, set[str]]) -> RuleStats:
    standing = [alert for alert in alerts if alert.state != "withdrawn" and alert.label != "duplicate"]
    labels = Counter(alert.label for alert in alerts)
    subjects = {alert.subject for alert in standing}
    found = RuleStats(
        rule_id,
        version,
        alerts=len(standing),
        shadow=sum(alert.shadow for alert in standing),
        withdrawn=sum(alert.state == "withdrawn" for alert in alerts),
        snoozed=sum(alert.state == "snoozed" for alert in standing),
        occurrences=sum(alert.occurrences for alert in standing),
        actions=sum(alert.action_result in _ACTED for alert in standing),
        confirmed=labels["confirmed"],
        false_positives=labels["false_positive"],
        duplicates=labels["duplicate"],
        subjects=len(subjects),
    )
    judged = found.confirmed + found.false_positives
    found.precision = found.confirmed / judged if judged else None
    if standing:
        found.repeat_ratio = 1 - len(subjects) / len(standing)
        times_ms = [unix_ms(alert.first_seen) for alert in standing]
        found.alerts_per_day = len(standing) / max(1.0, (max(times_ms) - min(times_ms)) / _DAY_MS)
        others = Counter(
            other
            for alert in standing
            for other in {each for name in alert.evidence for each in raised_by.get(name, ())} - {rule_id}
        )
        # Of rules with as many the first by id: the order of a set is another in each process.
        largest = sorted(others.items(), key=lambda each: (-each[1], each[0]))[:_MOST_OVERLAPS]
        found.overlaps = {other: count / len(standing) for other, count in largest}
    for alert in standing:
        if alert.label == "confirmed" and alert.action_result in _ACTED and alert.asset is not None:
            amount = found.stopped_minor.get(alert.asset, 0) + (alert.amount_minor or 0)
            found.stopped_minor[alert.asset] = amount
    return found

"""What a backtest says of each rule: alerts, precision, recall, subjects, overlap. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from agents.fraud.state import subject_of
from ops.fraud.backtest import Outcome, Seen
from ops.fraud.watching import Found
from schemas.clock import rfc3339
from schemas.fraud_rules import Rule

#: Alerts of one rule whose rows are named in a report.
MOST_ROWS: Final = 100_000
#: Bad rows that are named in a report.
MOST_BAD: Final = 20
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True)
class RuleReport:
    """What one rule said.

    Attributes:
        alerts: by its cooldown; each fire is one where that is 0.
        fires: rows at which it fired, for both wallets where its key is `party_id`.
        labelled_fires: those of them that are labelled; None without labels.
        rows_fired, labelled_rows_fired: the same, each row once.
        top: subject, its key and its alerts: most first.
        overlap: other rule -> rows at which both fired.
        by_day: day in UTC -> alerts that opened on it.
        alert_rows: rows at which alerts opened, in ascending order.
    """

    rule: Rule
    alerts: int
    fires: int
    labelled_fires: int | None
    rows_fired: int
    labelled_rows_fired: int | None
    labelled: int | None
    days: int
    subjects: int
    top: Sequence[tuple[str, Mapping[str, Any], int]]
    overlap: Mapping[str, int]
    by_day: Mapping[str, int]
    alert_rows: Sequence[int]

    @property
    def precision(self) -> float | None:
        """Labelled fires of all fires; None without labels or fires."""
        return None if self.labelled_fires is None or not self.fires else self.labelled_fires / self.fires

    @property
    def recall(self) -> float | None:
        """Labelled rows at which it fired of all labelled rows; None where there are none."""
        return (
            None if self.labelled_rows_fired is None or not self.labelled else self.labelled_rows_fired / self.labelled
        )

    @property
    def alerts_per_day(self) -> float | None:
        """Alerts for each day in UTC from the first row to the last, both days counted; None without rows."""
        return self.alerts / self.days if self.days else None

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "rule_id": self.rule.rule_id,
            "version": self.rule.version,
            "state": self.rule.state,
            "alerts": self.alerts,
            "precision": self.precision,
            "recall": self.recall,
            "fires": self.fires,
            "labelled_fires": self.labelled_fires,
            "rows_fired": self.rows_fired,
            "labelled_rows_fired": self.labelled_rows_fired,
            "alerts_per_day": None if self.alerts_per_day is None else round(self.alerts_per_day, 4),
            "alerts_by_day": dict(self.by_day),
            "subjects": self.subjects,
            "top_subjects": [
                {"subject": subject, "key": dict(key), "alerts": alerts} for subject, key, alerts in self.top
            ],
            "overlap": [{"rule_id": rule_id, "rows": rows} for rule_id, rows in self.overlap.items()],
            "alert_rows": list(self.alert_rows) if len(self.alert_rows) <= MOST_ROWS else None,
        }


@dataclass(frozen=True)
class Report:
    """What a backtest has found.

    Attributes:
        skipped: rules that were left out -> the fields that they look at and the mapping lacks.
    """

    seen: Seen
    rules: Sequence[RuleReport]
    has_labels: bool
    skipped: Mapping[str, Sequence[str]]

    @property
    def labelled(self) -> int | None:
        """Rows that are labelled; None without labels."""
        return self.seen.labelled.bit_count() if self.has_labels else None

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        seen = self.seen
        return {
            "events": seen.events,
            "rules": [rule.as_json() for rule in self.rules],
            "rows": seen.rows,
            "bad_rows": seen.bad,
            "first_bad_rows": [{"line": line, "reason": reason} for line, reason in seen.reasons[:MOST_BAD]],
            "out_of_order": seen.late,
            "too_late": seen.too_late,
            "repeated": seen.repeated,
            "from": None if seen.from_ms is None else shown_time(seen.from_ms),
            "to": None if seen.to_ms is None else shown_time(seen.to_ms),
            "days": days_between(seen.from_ms, seen.to_ms),
            "labelled": self.labelled,
            "skipped_rules": [
                {"rule_id": rule_id, "unmapped": list(fields)} for rule_id, fields in self.skipped.items()
            ],
        }


def report_of(
    rules: Sequence[Rule],
    outcome: Outcome,
    *,
    has_labels: bool,
    top: int = 10,
    skipped: Mapping[str, Sequence[str]] | None = None,
) -> Report:
    """The report of the first set of rules.

    Args:
        top: most subjects that are named of each rule.
    """
    found = outcome.found[0]
    fired = {rule_id: each.fired[0] | each.fired[1] for rule_id, each in found.items()}
    return Report(
        outcome.seen,
        [_of_rule(rule, found[rule.rule_id], outcome.seen, fired, has_labels, top) for rule in rules],
        has_labels,
        skipped or {},
    )


def _of_rule(rule: Rule, found: Found, seen: Seen, fired: Mapping[str, int], has_labels: bool, top: int) -> RuleReport:
    mine, labelled = fired[rule.rule_id], seen.labelled
    subjects = Counter(alert.key for alert in found.alerts)
    first = sorted(subjects.items(), key=lambda each: (-each[1], subject_of(each[0])))[:top]
    days = Counter(alert.first_seen_ms // _DAY_MS for alert in found.alerts)
    overlap = {rule_id: (mine & its).bit_count() for rule_id, its in fired.items() if rule_id != rule.rule_id}
    return RuleReport(
        rule=rule,
        alerts=len(found.alerts),
        fires=sum(leg.bit_count() for leg in found.fired),
        labelled_fires=sum((leg & labelled).bit_count() for leg in found.fired) if has_labels else None,
        rows_fired=mine.bit_count(),
        labelled_rows_fired=(mine & labelled).bit_count() if has_labels else None,
        labelled=labelled.bit_count() if has_labels else None,
        days=days_between(seen.from_ms, seen.to_ms),
        subjects=len(subjects),
        top=[(subject_of(key), dict(zip(rule.key, key, strict=True)), alerts) for key, alerts in first],
        overlap={rule_id: rows for rule_id, rows in overlap.items() if rows},
        by_day={shown_time(day * _DAY_MS)[:10]: days[day] for day in sorted(days)},
        alert_rows=sorted(each.row for each in found.opened),
    )


def days_between(from_ms: int | None, to_ms: int | None) -> int:
    """Days in UTC from one time to the other, both counted; 0 where there are none."""
    return 0 if from_ms is None or to_ms is None else to_ms // _DAY_MS - from_ms // _DAY_MS + 1


def shown_time(t_ms: int) -> str:
    """As RFC 3339; a time that no calendar has as milliseconds since 1970."""
    try:
        return rfc3339(t_ms).rjust(24, "0")
    except OverflowError:
        return f"{t_ms} ms"

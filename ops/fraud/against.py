"""What changes between older rules and those of now: alerts that come and alerts that go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agents.fraud.state import subject_of
from ops.errors import OperationError
from ops.fraud.documents import read_documents
from ops.fraud.report import Report, shown_time
from ops.fraud.rules_file import rules_of
from ops.fraud.watching import Found
from schemas.fraud_rules import Rule

#: Alerts that are named of each rule, of those that come and of those that go.
_MOST_NAMED: Final = 10


class _OldRule(BaseModel):
    """A rule of an older report."""

    model_config = ConfigDict(strict=True)

    rule_id: str
    version: int = Field(ge=1)
    alerts: int = Field(ge=0)
    alert_rows: list[int] | None = None


class OldReport(BaseModel):
    """An older report, as `--json` wrote it."""

    model_config = ConfigDict(strict=True, populate_by_name=True)

    events: int = Field(ge=0)
    rows: int | None = None
    from_: str | None = Field(default=None, alias="from")
    to: str | None = None
    rules: list[_OldRule]


class Before(NamedTuple):
    """What a rule said before; `rows` at which its alerts opened, None where the report did not say."""

    version: int
    alerts: int
    rows: Sequence[int] | None


@dataclass(frozen=True)
class Difference:
    """How one rule's alerts have changed. An alert is told by the row at which it opened.

    Attributes:
        before, now: its version and number of alerts; None where it was or is not there.
        added, removed: rows at which alerts open now and did not, and the other way round; None where the older report
            does not say.
        subjects: row -> whom the alert is about that opened there, and when, where that is known.
    """

    rule_id: str
    before: tuple[int, int] | None
    now: tuple[int, int] | None
    added: Sequence[int] | None
    removed: Sequence[int] | None
    subjects: Mapping[int, Mapping[str, str]]

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "rule_id": self.rule_id,
            "version_before": None if self.before is None else self.before[0],
            "version": None if self.now is None else self.now[0],
            "alerts_before": 0 if self.before is None else self.before[1],
            "alerts": 0 if self.now is None else self.now[1],
            "added": None if self.added is None else len(self.added),
            "removed": None if self.removed is None else len(self.removed),
            "first_added": self.named(self.added),
            "first_removed": self.named(self.removed),
        }

    def named(self, rows: Sequence[int] | None) -> list[dict[str, Any]]:
        """The first of these rows, with subject and time where they are known."""
        return [{"row": row, **self.subjects.get(row, {})} for row in (rows or ())[:_MOST_NAMED]]


def read_against(path: Path) -> list[Rule] | OldReport:
    """Older rules, or an older report.

    Raises:
        OperationError: it is neither.
    """
    documents = read_documents(path, "rules")
    if not isinstance(documents.whole, dict) or "events" not in documents.whole:
        return rules_of(documents)
    try:
        return OldReport.model_validate(documents.whole)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise OperationError(
            f"{path} is neither rules nor a report that `fraud backtest --json` wrote: {where}: {first['msg']}"
        ) from None


def check_same_table(path: Path, old: OldReport, report: Report) -> None:
    """Refuse to compare reports of different tables.

    Raises:
        OperationError: the older report is of another table.
    """
    now = report.as_json()
    for name, then in (("events", old.events), ("rows", old.rows), ("from", old.from_), ("to", old.to)):
        if then is not None and then != now[name]:
            raise OperationError(
                f"{path} is of another table: {name} was {then}, now it is {now[name]}; what changes can only be told "
                "of the same rows. Give the older rules instead"
            )


def before_by_report(old: OldReport) -> dict[str, Before]:
    """What an older report says, by `rule_id`."""
    return {each.rule_id: Before(each.version, each.alerts, each.alert_rows) for each in old.rules}


def before_by_rules(rules: Sequence[Rule], found: Mapping[str, Found]) -> dict[str, Before]:
    """What older rules say of the same table, by `rule_id`."""
    return {
        rule.rule_id: Before(
            rule.version,
            len(found[rule.rule_id].alerts),
            [each.row for each in found[rule.rule_id].opened],
        )
        for rule in rules
    }


def differences(
    before: Mapping[str, Before],
    now: Sequence[Rule],
    found: Mapping[str, Found],
    found_before: Mapping[str, Found] | None = None,
) -> list[Difference]:
    """What changes, rule by rule; those that are gone come last."""
    result = [_difference(rule, before.get(rule.rule_id), found, found_before or {}) for rule in now]
    known = {rule.rule_id for rule in now}
    for rule_id, was in before.items():
        if rule_id not in known:
            subjects = _subjects(rule_id, found_before or {})
            result.append(Difference(rule_id, (was.version, was.alerts), None, [], _sorted(was.rows), subjects))
    return result


def _difference(
    rule: Rule, was: Before | None, found: Mapping[str, Found], found_before: Mapping[str, Found]
) -> Difference:
    alerts = found[rule.rule_id].opened
    rows = Counter(each.row for each in alerts)
    subjects = {**_subjects(rule.rule_id, found_before), **_subjects(rule.rule_id, found)}
    now = rule.version, len(alerts)
    if was is None:
        return Difference(rule.rule_id, None, now, sorted(rows.elements()), [], subjects)
    if was.rows is None:
        return Difference(rule.rule_id, (was.version, was.alerts), now, None, None, subjects)
    then = Counter(was.rows)
    return Difference(
        rule.rule_id,
        (was.version, was.alerts),
        now,
        sorted((rows - then).elements()),
        sorted((then - rows).elements()),
        subjects,
    )


def _sorted(rows: Sequence[int] | None) -> list[int] | None:
    return None if rows is None else sorted(rows)


def _subjects(rule_id: str, found: Mapping[str, Found]) -> dict[int, Mapping[str, str]]:
    """Row -> whom the alert is about that opened there, and when."""
    each = found.get(rule_id)
    return {
        row: {"subject": subject_of(alert.key), "at": shown_time(alert.first_seen_ms)}
        for alert, row, _ in (each.opened if each is not None else ())
    }

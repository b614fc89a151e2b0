"""Writes the alerts of a backtest: as the stream would have them on `fraud-alerts`, and as a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from agents.fraud import alerts as pure
from agents.fraud.sentences import sentence
from agents.fraud.state import subject_of
from agents.fraud.told import exact_text
from ops.errors import OperationError
from ops.fraud.backtest import Outcome
from ops.fraud.report import shown_time
from ops.fraud.watching import Found
from schemas.fraud_alerts import Alert, Contribution
from schemas.fraud_rules import Rule

_COLUMNS: Final = (
    "row",
    "rule_id",
    "version",
    "subject",
    "first_seen",
    "last_seen",
    "occurrences",
    "labelled",
    "observed",
    "limit",
    "normal",
    "window_from",
    "window_to",
    "severity",
    "score",
    "sentence",
    "evidence",
    "alert_id",
)
#: What a spreadsheet would take for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def alert_lines(rules: Sequence[Rule], outcome: Outcome, has_labels: bool) -> Iterator[dict[str, Any]]:
    """All alerts, rule by rule, each as on `fraud-alerts`; with the `row` at which it opened, and its label if any."""
    by_id = {rule.rule_id: rule for rule in rules}
    for rule in rules:
        found: Found = outcome.found[0][rule.rule_id]
        for alert in found.alerts:
            line = {"row": alert.order[2], **msgspec.to_builtins(_as_published(rule, alert, by_id))}
            if has_labels:
                line["labelled"] = bool(outcome.seen.labelled >> alert.order[2] & 1)
            yield line


def write_json(path: Path, lines: Iterator[dict[str, Any]]) -> None:
    """A JSON array with one alert in each line.

    Raises:
        OperationError: it cannot be written.
    """
    with _written(path) as file:
        file.write("[")
        for number, line in enumerate(lines):
            file.write((",\n" if number else "\n") + json.dumps(line, separators=(", ", ": ")))
        file.write("\n]\n")


def write_csv(path: Path, lines: Iterator[dict[str, Any]]) -> None:
    """A table. Text that a spreadsheet would take for a formula has an apostrophe before it.

    Raises:
        OperationError: it cannot be written.
    """
    with _written(path) as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for line in lines:
            cells = {**line, "evidence": " ".join(line.get("evidence", ())), "occurrences": line.get("occurrences", 1)}
            if "labelled" in cells:
                cells["labelled"] = int(cells["labelled"])
            for name in ("subject", "sentence", "evidence"):
                if cells[name].startswith(_FORMULA):
                    cells[name] = "'" + cells[name]
            writer.writerow([cells.get(name, "") for name in _COLUMNS])


def check_writable(path: Path, inputs: Sequence[Path | None]) -> None:
    """Refuse a file that cannot be written, before anything else is done.

    Raises:
        OperationError: its folder is not there, or it is one of the files that are read.
    """
    if any(each is not None and each.exists() and path.exists() and path.samefile(each) for each in inputs):
        raise OperationError(f"{path} is read: write the alerts to another file")
    if path.is_dir() or not path.parent.is_dir():
        raise OperationError(
            f"{path} cannot be written: {path if path.is_dir() else path.parent} is no "
            + ("file" if path.is_dir() else "folder")
        )


@contextmanager
def _written(path: Path) -> Iterator[IO[str]]:
    """A file that is there once it is whole."""
    partial = path.with_name(path.name + ".part")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise OperationError(f"{path} cannot be written: {error.strerror}") from None


def _as_published(rule: Rule, alert: pure.Alert, by_id: Mapping[str, Rule]) -> Alert:
    last_seen = shown_time(alert.last_seen_ms)
    contributions = alert.contributions or ((rule.rule_id, rule.score),)
    return Alert(
        alert_id=alert.alert_id,
        rule_id=rule.rule_id,
        version=rule.version,
        state="open",
        shadow=rule.state == "shadow",
        severity=rule.severity,
        score=rule.score,
        action=rule.action,
        subject=subject_of(alert.key),
        key={name: str(value) for name, value in zip(alert.kind, alert.key, strict=True)},
        observed=exact_text(alert.observed),
        limit=exact_text(alert.limit),
        normal=exact_text(alert.normal),
        window_from=shown_time(alert.window_start_ms),
        window_to=shown_time(alert.window_end_ms),
        first_seen=shown_time(alert.first_seen_ms),
        last_seen=last_seen,
        occurrences=alert.occurrences,
        evidence=tuple(_transaction(each) for each in alert.evidence),
        contributions=tuple(
            Contribution(rule_id, by_id[rule_id].version if rule_id in by_id else 1, score)
            for rule_id, score in contributions
        ),
        sentence=sentence(rule, alert),
        recorded_at=last_seen,
    )


def _transaction(evidence_id: str) -> str:
    """Id of a transaction; of one without the row, which the engine knows as partition 0 and that offset."""
    return f"row {evidence_id[2:]}" if evidence_id.startswith("0:") and evidence_id[2:].isdecimal() else evidence_id

"""Writes the alerts of a backtest: as the stream would have them on `fraud-alerts`, and as a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from agents.fraud.alerts import AlertChange
from agents.fraud.compile import CompiledRule, compile_rule
from agents.fraud.told import Surroundings, told
from ops.errors import OperationError
from ops.fraud.backtest import Outcome
from ops.fraud.report import shown_time
from ops.fraud.watching import Found, FoundAlert
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
    by_id = {rule.rule_id: compile_rule(rule) for rule in rules}
    for rule_id, rule in by_id.items():
        found: Found = outcome.found[0][rule_id]
        for each in found.opened:
            line = {"row": each.row, **_as_published(rule, each, by_id, outcome.names_source)}
            if has_labels:
                line["labelled"] = bool(outcome.seen.labelled >> each.row & 1)
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
    """A file that is there once it is whole. What is no plain file, a device, a pipe or a link, stays what it is."""
    partial = path.with_name(path.name + ".part") if _is_plain(path) else None
    try:
        with (partial or path).open("w", encoding="utf-8", newline="") as file:
            yield file
        if partial is not None:
            partial.replace(path)
    except OSError as error:
        raise OperationError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def _is_plain(path: Path) -> bool:
    """Whether a file may be put in its place."""
    return not path.is_symlink() and (path.is_file() or not path.exists())


def _as_published(
    rule: CompiledRule, found: FoundAlert, members: dict[str, CompiledRule], names_source: bool
) -> dict[str, Any]:
    """By the stream's own function; what only the stream can say is left out."""
    around = Surroundings(
        opened_by=found.opened_by,
        before=None,
        members=members,
        is_snoozed=False,
        recorded_at=shown_time(found.alert.last_seen_ms),
        time_text=shown_time,
        transaction_text=str if names_source else _transaction,
    )
    line: dict[str, Any] = msgspec.to_builtins(told(AlertChange("opened", rule, found.alert), around))
    # Nothing on the stream has this name, unless the table comes from there.
    del line["links"]
    return line


def _transaction(evidence_id: str) -> str:
    """Id of a transaction; of one without the row, which the engine knows as partition 0 and that offset."""
    return f"row {evidence_id[2:]}" if evidence_id.startswith("0:") and evidence_id[2:].isdecimal() else evidence_id

"""The report as files: a page, a JSON document, and tables, all of the same figures."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from ops.amounts import Amounts
from ops.reconcile.out_files import folder, removed, write_csv, write_json, written
from ops.reconcile.report_html import page
from ops.reconcile.report_model import (
    Case,
    CaseLine,
    Group,
    Imported,
    Rate,
    Refused,
    Report,
    Section,
    age_bucket,
    age_days,
    at_risk,
    by_age,
    by_reason,
    rates,
    section,
    sum_matched,
    total_rate,
)
from schemas.reconciliation_proofs import Proof

FORMATS: Final = ("html", "csv", "json")
_LINES: Final = (
    "section",
    "case_id",
    "book",
    "reason",
    "state",
    "severity",
    "where",
    "line_id",
    "date",
    "age_days",
    "age",
    "amount_minor",
    "asset",
    "references",
    "candidates",
    "due",
    "overdue",
    "assignee",
    "text",
)
#: Tables that not every report has.
_SOMETIMES: Final = ("statements", "refused-files")
_GROUPS: Final = ("name", "asset", "cases", "at_risk_minor")
_RATES: Final = (
    "asset",
    "rate_bp",
    "matched",
    "expected",
    "not_matched",
    "matched_minor",
    "expected_minor",
    "not_matched_minor",
)
_PASSES: Final = (
    "book",
    "pass",
    "asset",
    "matches",
    "left_lines",
    "right_lines",
    "amount_minor",
    "difference_minor",
    "lowest_confidence",
)


def write_report(
    out: Path, report: Report, amounts: Amounts, proofs: Sequence[Proof], formats: Collection[str]
) -> list[Path]:
    """Write the report into a folder; returns the files.

    Raises:
        OperationError: one cannot be written.
    """
    folder(out)
    files = []
    if "html" in formats:
        files.append(out / "report.html")
        with written(files[-1]) as file:
            file.write(page(report, amounts, proofs))
    if "json" in formats:
        files.append(out / "report.json")
        write_json(files[-1], as_json(report, proofs))
    if "csv" in formats:
        for name, columns, rows in tables(report):
            files.append(out / f"{name}.csv")
            write_csv(files[-1], columns, rows)
        for name in _SOMETIMES:
            if out / f"{name}.csv" not in files:
                # Of a report before this one: nobody should take it for a part of this.
                removed(out / f"{name}.csv")
    return files


def tables(report: Report) -> Iterator[tuple[str, Sequence[str], list[Sequence[Any]]]]:
    """Name, columns and rows of each table."""
    yield "match-rate", _RATES, [_rate(one) for one in rates(report)]
    yield "passes", _PASSES, list(sum_matched(report.matched))
    yield "breaks-by-reason", _GROUPS, list(by_reason(report))
    yield "breaks-by-age", _GROUPS, list(by_age(report))
    yield "cash-at-risk", _GROUPS[1:], [one[1:] for one in at_risk(report)]
    yield "in-file-not-with-us", _LINES, [_line(report, "in_file", *pair) for pair in section(report, "in_file")]
    yield "with-us-not-in-file", _LINES, [_line(report, "with_us", *pair) for pair in section(report, "with_us")]

    if report.imported or report.refused:
        yield "statements", Imported._fields, list(report.imported)
        yield "refused-files", Refused._fields, list(report.refused)


def _rate(one: Rate) -> tuple[Any, ...]:
    counts = (one.matched, one.expected, one.broken)
    return one.asset, one.rate_bp, *counts, one.matched_minor, one.expected_minor, one.broken_minor


def _line(report: Report, which: Section, case: Case, line: CaseLine) -> tuple[Any, ...]:
    return (
        which,
        case.case_id,
        case.book,
        case.reason,
        case.state,
        case.severity,
        line.where,
        line.line_id,
        line.day,
        age_days(case, report.as_of),
        age_bucket(case, report.as_of),
        line.amount_minor,
        line.asset,
        ";".join(f"{name}={value}" for name, value in line.references.items()),
        ";".join(case.candidates),
        case.due,
        int(case.overdue),
        case.assignee,
        line.text or case.sentence,
    )


def as_json(report: Report, proofs: Sequence[Proof]) -> dict[str, Any]:
    """The report as JSON values."""
    found = rates(report)
    return {
        "title": report.title,
        "from": None if report.period is None else report.period[0],
        "to": None if report.period is None else report.period[1],
        "as_of": report.as_of,
        "notes": list(report.notes),
        "match_rate": {
            "rate_bp": total_rate(found).rate_bp,
            "assets": [dict(zip(_RATES, _rate(one), strict=True)) for one in found],
            "passes": [dict(zip(_PASSES, one, strict=True)) for one in sum_matched(report.matched)],
        },
        "breaks": {
            "cases": len(report.cases),
            "by_reason": _groups(by_reason(report)),
            "by_age": _groups(by_age(report)),
            "cash_at_risk": _groups(at_risk(report)),
        },
        "done": dict(report.done),
        "in_file_not_with_us": _lines(report, "in_file"),
        "with_us_not_in_file": _lines(report, "with_us"),
        "statements": [one._asdict() for one in report.imported],
        "refused_files": [one._asdict() for one in report.refused],
        "proofs": [msgspec.to_builtins(one) for one in proofs],
    }


def _groups(groups: Sequence[Group]) -> list[dict[str, Any]]:
    return [dict(zip(_GROUPS, group, strict=True)) for group in groups]


def _lines(report: Report, which: Section) -> list[dict[str, Any]]:
    return [
        {
            **dict(zip(_LINES, _line(report, which, case, line), strict=True)),
            "references": dict(line.references),
            "candidates": list(case.candidates),
            "overdue": case.overdue,
        }
        for case, line in section(report, which)
    ]

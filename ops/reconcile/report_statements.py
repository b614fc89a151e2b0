"""Statements that were imported, and files that were refused: from `external-statements` to sections of the page."""

from __future__ import annotations

from collections.abc import Iterator

from ops.reconcile.days import Period
from ops.reconcile.markup import Markup, join, tag
from ops.reconcile.report_amounts import PageAmounts
from ops.reconcile.report_model import Imported, Refused, Report
from ops.reconcile.report_table import table
from schemas.external_statements import REFUSALS, ExternalRecord, ExternalStatement, RefusedFile


class Imports:
    """Folds `external-statements`. Pure; lines are passed over.

    A statement counts by its closing day, a refused file by the day on which that was said.
    """

    def __init__(self, period: Period | None):
        self._first, self._last = ("", "~") if period is None else period
        self._imported: dict[str, Imported] = {}
        self._refused: list[Refused] = []

    def take(self, record: ExternalRecord, day: str) -> None:
        """The next record of a partition, and the day on which it was written."""
        if isinstance(record, ExternalStatement):
            if self._first <= (record.closing_date or day) <= self._last:
                self._imported.setdefault(record.statement_id, _imported(record))
        elif isinstance(record, RefusedFile) and self._first <= day <= self._last:
            source = record.source
            self._refused.append(Refused(day, record.account, record.reason, record.detail, source.file, source.sha256))

    def imported(self) -> list[Imported]:
        """By account, side and day."""
        return sorted(
            self._imported.values(), key=lambda one: (one.account, one.side, one.closing_day or "", one.asset, one.file)
        )

    def refused(self) -> list[Refused]:
        """By day."""
        return sorted(self._refused)


def _imported(one: ExternalStatement) -> Imported:
    balances = (one.opening_minor, one.closing_minor)
    return Imported(
        one.account,
        one.side,
        one.asset,
        one.closing_date,
        one.basis,
        one.line_count,
        *balances,
        one.proof,
        one.source.file,
    )


def statement_sections(report: Report, amounts: PageAmounts) -> Iterator[Markup]:
    """What was imported, and what was not; nothing where there is none of it."""
    if report.imported:
        heads = ("Account", "Side", "Day", "Asset", "Kind", "Proven by", "File", "Lines", "Opening", "Closing")
        yield tag(
            "section",
            tag("h2", f"Statements ({len(report.imported):,})"),
            table(
                "Statements that were imported, by their closing day.",
                heads,
                [_row(one, amounts) for one in report.imported],
                7,
            ),
        )
    if report.refused:
        rows = [
            [
                one.day,
                one.account,
                _reason(one.reason),
                one.detail,
                join(tag("bdi", one.file), tag("div", tag("code", one.sha256), class_="quiet")),
            ]
            for one in report.refused
        ]
        yield tag(
            "section",
            tag("h2", f"Files refused ({len(report.refused):,})"),
            table(
                "Nothing of these files was imported.", ("Day", "Account", "Reason", "What is wrong", "File"), rows, 5
            ),
        )


def _row(one: Imported, amounts: PageAmounts) -> list[object]:
    balances = (
        "-" if minor is None else amounts.number(minor, one.asset) for minor in (one.opening_minor, one.closing_minor)
    )
    return [
        one.account,
        one.side,
        one.closing_day or "-",
        one.asset,
        one.basis,
        one.proof,
        tag("bdi", one.file),
        f"{one.lines:,}",
        *balances,
    ]


def _reason(name: str) -> Markup:
    meaning = next((meaning for reason, meaning in REFUSALS.items() if reason == name), None)
    return tag("span", name.replace("_", " "), title=meaning)

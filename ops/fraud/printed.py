"""A backtest's report as people read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ops.fraud.against import Difference
from ops.fraud.report import Report, shown_time

#: Most pairs of rules that are shown with their overlap.
_MOST_PAIRS: Final = 20


def heading(report: Report) -> str:
    """What was read, in one sentence."""
    seen = report.seen
    said = f"{seen.events:,} events"
    if seen.from_ms is not None and seen.to_ms is not None:
        said += f" from {shown_time(seen.from_ms)} to {shown_time(seen.to_ms)}"
    if report.labelled is not None:
        said += f", {report.labelled:,} labelled"
    if seen.late:
        said += f"; {seen.late:,} rows older than one before them"
    return said


def tables(report: Report, differences: Sequence[Difference] | None, subjects: int) -> Iterator[Table]:
    """The report's tables; those that would be empty are left out."""
    yield _rules(report)
    for table in (
        _subjects(report, subjects),
        _overlap(report),
        None if differences is None else _changes(differences),
    ):
        if table is not None and table.row_count:
            yield table
    if differences is not None:
        named = _named(differences)
        if named.row_count:
            yield named


def _rules(report: Report) -> Table:
    table = _table("rule", "version", "alerts", "fires", "subjects", "a day", title="Rules", text=1)
    if report.has_labels:
        table.add_column("precision", justify="right")
        table.add_column("recall", justify="right")
    for each in report.rules:
        per_day = "-" if each.alerts_per_day is None else f"{each.alerts_per_day:,.2f}"
        cells = [
            each.rule.rule_id,
            str(each.rule.version),
            f"{each.alerts:,}",
            f"{each.fires:,}",
            f"{each.subjects:,}",
            per_day,
        ]
        if report.has_labels:
            cells += [_share(each.precision), _share(each.recall)]
        table.add_row(*cells)
    return table


def _subjects(report: Report, most: int) -> Table:
    table = _table("rule", "subjects and their alerts", title="Top subjects", text=2)
    for each in report.rules:
        named = [f"{_printable(subject)} ({alerts:,})" for subject, _, alerts in each.top[:most]]
        if named:
            table.add_row(each.rule.rule_id, escape(", ".join(named)))
    return table


def _overlap(report: Report) -> Table:
    """Pairs of rules that fired at the same rows, those with most of them."""
    order = {each.rule.rule_id: number for number, each in enumerate(report.rules)}
    pairs = [
        (rows, each, rule_id)
        for each in report.rules
        for rule_id, rows in each.overlap.items()
        if order[rule_id] > order[each.rule.rule_id]
    ]
    pairs.sort(key=lambda pair: -pair[0])
    more = f", {_MOST_PAIRS} of {len(pairs):,} pairs" if len(pairs) > _MOST_PAIRS else ""
    table = _table("rule", "and", "both fired at", "of its rows", title=f"Overlap{more}", text=2)
    for rows, each, rule_id in pairs[:_MOST_PAIRS]:
        table.add_row(each.rule.rule_id, rule_id, f"{rows:,}", f"{rows / each.rows_fired:.1%}")
    return table


def _changes(differences: Sequence[Difference]) -> Table:
    table = _table("rule", "version", "alerts before", "alerts", "added", "removed", title="What changes", text=2)
    for each in differences:
        before, now = each.before, each.now
        versions = " -> ".join(str(found[0]) if found else "none" for found in (before, now))
        table.add_row(
            each.rule_id,
            versions,
            f"{before[1]:,}" if before else "none",
            f"{now[1]:,}" if now else "none",
            "?" if each.added is None else f"{len(each.added):,}",
            "?" if each.removed is None else f"{len(each.removed):,}",
        )
    return table


def _named(differences: Sequence[Difference]) -> Table:
    table = _table("rule", "", "row", "subject", "at", title="First alerts that change", text=2)
    for each in differences:
        for what, rows in (("added", each.added), ("removed", each.removed)):
            for named in each.named(rows):
                subject = escape(_printable(named.get("subject", "")))
                table.add_row(each.rule_id, what, f"{named['row']:,}", subject, named.get("at", ""))
    return table


def _table(*columns: str, title: str, text: int) -> Table:
    """A table whose first columns hold text, the others numbers."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    for number, name in enumerate(columns):
        is_text = number < text or name in ("subject", "at")
        table.add_column(name, justify="left" if is_text else "right", overflow="fold")
    return table


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _printable(text: str) -> str:
    """Without what moves a terminal's cursor, and not too long."""
    shown = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return shown if len(shown) <= 60 else shown[:60] + ".."

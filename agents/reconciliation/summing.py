"""Where a book stands: lines and amounts by relation, side and asset, and open exceptions by reason. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from agents.reconciliation.finding import is_before
from agents.reconciliation.turn import Turn, date_of
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_lines import Relation, sides_of
from schemas.reconciliation_results import BookSummary, OpenExceptions, RelationTotals


def summary_of(
    turn: Turn, name: str, used: Iterable[str], waiting: tuple[str, ...], partial: bool
) -> tuple[BookSummary, bool]:
    """The summary of a book, and whether nothing is open in it that time alone would change."""
    counts: dict[tuple[str, str, str], list[int]] = {}
    relations = sorted({*used, *waiting})
    sided = [(relation, set(sides_of(relation))) for relation in relations]
    book = turn.followed.book(name)
    for held in turn.state.lines_of(name):
        line = held.line
        for relation, sides in sided:
            # What was there before the book begins is waited for by nobody.
            if line.side in sides and not (relation not in held.fates and is_before(book, line)):
                of = counts.setdefault((relation, line.side, line.asset), [0] * 6)
                fate = held.fates.get(relation)
                at = 2 if fate is None else 0 if fate[0] == "M" else 4
                of[at] += 1
                of[at + 1] += abs(line.amount_minor)
    totals = tuple(_totals(where, of) for where, of in sorted(counts.items()))
    exceptions = grouped(turn.state.exceptions_of(name))
    state = turn.state.books.get(name)
    summary = BookSummary(
        book=name,
        as_of=date_of(turn.today),
        rules_version=book.version,
        totals=totals,
        exceptions=exceptions,
        statements={} if state is None else state.statements,
        waiting=waiting,
        partial=partial,
        recorded_at=turn.context.recorded_at,
    )
    used_now = {relation for relation in used if relation != "statement"}
    expects = any(each.expected or each.matched for each in totals if each.relation in used_now)
    return summary, not expects and not exceptions


def grouped(exceptions: Iterable[ReconciliationException]) -> tuple[OpenExceptions, ...]:
    """Open exceptions by relation, reason, severity and asset."""
    found: dict[tuple[str, str, str, str], tuple[int, int, str]] = {}
    for each in exceptions:
        where = (each.relation, each.reason, each.severity, each.asset)
        count, minor, oldest = found.get(where, (0, 0, each.opened_at))
        found[where] = (count + 1, minor + each.amount_minor, min(oldest, each.opened_at))
    return tuple(
        OpenExceptions(_relation(relation), reason, severity, asset, count, minor, oldest)
        for (relation, reason, severity, asset), (count, minor, oldest) in sorted(found.items())
    )


def _totals(where: tuple[str, str, str], of: list[int]) -> RelationTotals:
    relation, side, asset = where
    return RelationTotals(_relation(relation), side, asset, *of)


def _relation(name: str) -> Relation:
    relation: Relation = name  # type: ignore[assignment]
    return relation

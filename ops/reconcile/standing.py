"""Where a book stands: its last summary, and its open exceptions by reason and severity. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ops.reconcile.live_exceptions import Standing
from schemas.reconciliation_exceptions import OPEN_STATES, SEVERITIES, ReconciliationException
from schemas.reconciliation_results import BookSummary


@dataclass(slots=True)
class OpenCount:
    """Open exceptions with one reason, severity and asset."""

    reason: str
    severity: str
    asset: str
    count: int = 0
    overdue: int = 0
    amount_minor: int = 0


@dataclass(slots=True)
class BookStanding:
    """One book. Without a summary nothing was matched yet, or no result of it was told."""

    book: str
    summary: BookSummary | None = None
    open: list[OpenCount] = field(default_factory=list)

    @property
    def at_risk_minor(self) -> dict[str, int]:
        """Asset -> sum of what open exceptions put at risk."""
        found: dict[str, int] = {}
        for one in self.open:
            found[one.asset] = found.get(one.asset, 0) + one.amount_minor
        return found

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "book": self.book,
            "summary": None if self.summary is None else msgspec.to_builtins(self.summary),
            "open": [msgspec.to_builtins(one) for one in self.open],
            "at_risk_minor": self.at_risk_minor,
        }


def standing_of(standing: Standing, exceptions: Iterable[ReconciliationException]) -> list[BookStanding]:
    """Every book of which something is known, by name; of its open exceptions the most severe first."""
    books = {name: BookStanding(name, summary) for name, summary in standing.summaries.items()}
    counts: dict[tuple[str, str, str, str], OpenCount] = {}
    for one in exceptions:
        book = books.setdefault(one.book, BookStanding(one.book))
        if one.state not in OPEN_STATES:
            continue
        key = (one.book, one.reason, one.severity, one.asset)
        if key not in counts:
            counts[key] = OpenCount(one.reason, one.severity, one.asset)
            book.open.append(counts[key])
        counts[key].count += 1
        counts[key].overdue += one.overdue
        counts[key].amount_minor += one.amount_minor
    for book in books.values():
        book.open.sort(key=lambda each: (-SEVERITIES.index(each.severity), each.reason, each.asset))
    return [book for _, book in sorted(books.items())]

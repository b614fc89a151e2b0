"""Matching rules tried on lines, with the very matcher of the role, and nothing written. Pure but for reading files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from agents.reconciliation.followed import Followed
from agents.reconciliation.matches import matcher_line
from agents.reconciliation.matching.lines import Exception_, Line, Match
from agents.reconciliation.matching.match import match
from ops.errors import OperationError
from ops.fraud.documents import read_documents
from schemas.reconciliation_books import Book
from schemas.reconciliation_exceptions import OPEN_STATES, ReconciliationException
from schemas.reconciliation_lines import RELATION_SIDES, BookLine

#: Holidays are asked for this many days before the first line and after the last day.
_AROUND_DAYS: Final = 366


class Tried(NamedTuple):
    """What a relation's rules would make of lines."""

    relation: str
    left: int
    right: int
    matches: tuple[Match, ...]
    exceptions: tuple[Exception_, ...]
    expected: int

    def by_pass(self) -> dict[str, int]:
        """Pass -> how many matches."""
        return dict(Counter(one.pass_name for one in self.matches).most_common())

    def by_reason(self) -> dict[str, int]:
        """Reason -> how many lines."""
        return dict(Counter(one.reason for one in self.exceptions).most_common())

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "relation": self.relation,
            "left_lines": self.left,
            "right_lines": self.right,
            "expected": self.expected,
            "by_pass": self.by_pass(),
            "by_reason": self.by_reason(),
            "matches": msgspec.to_builtins([_named(one) for one in self.matches]),
            "exceptions": msgspec.to_builtins([_named(one) for one in self.exceptions]),
        }


def _named(one: Match | Exception_) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def open_lines(exceptions: Iterable[ReconciliationException], book: str) -> dict[str, list[BookLine]]:
    """Relation -> lines of the book's open exceptions, less those that people keep the matcher away from."""
    found: dict[str, list[BookLine]] = {}
    for one in exceptions:
        if one.book == book and one.state in OPEN_STATES and one.state != "approved" and not one.pinned:
            found.setdefault(one.relation, []).extend(one.lines)
    return found


def read_line_file(path: Path) -> list[BookLine]:
    """Lines of a file: objects of lines, or exceptions with their `lines`, as `reconcile exceptions --json` has them.

    Raises:
        OperationError: it cannot be read, or something in it is no line.
    """
    found: list[BookLine] = []
    for number, each in enumerate(read_documents(path, "lines").found, start=1):
        try:
            within = each["lines"] if isinstance(each, dict) and "lines" in each else [each]
            lines = msgspec.convert(within, list[BookLine])
            for line in lines:
                date.fromisoformat(line.date)
        except (msgspec.ValidationError, ValueError) as error:
            raise OperationError(f"{path}: {number} is no line of a book: {error}") from error
        found += lines
    return found


def try_rules(book: Book, by_relation: dict[str, list[BookLine]], today: int, followed: Followed) -> list[Tried]:
    """Match the lines of each relation of a book.

    Args:
        book: the rules.
        by_relation: lines; those that are there twice count once.
        today: day on which it is asked what is late, as `date.toordinal` has it.
        followed: what else is known: the calendar of the book's rail.
    """
    with_it = followed.calendar_of(book.name) if book.calendar is None else book.calendar
    found = []
    for each in book.relations:
        left, right = (_of(by_relation.get(each.relation, ()), side) for side in RELATION_SIDES[each.relation])
        days = [line.day for line in (*left, *right)]
        holidays = _holidays(with_it, min(days, default=today) - _AROUND_DAYS, today + _AROUND_DAYS)
        done = match(each.rules, left, right, today, holidays=holidays)
        found.append(Tried(each.relation, len(left), len(right), done.matches, done.exceptions, len(done.expected)))
    return found


def _holidays(calendar: str | None, first: int, last: int) -> frozenset[int]:
    if calendar is None:
        return frozenset()
    from schemas.business_days import is_business_day

    return frozenset(day for day in range(first, last) if not is_business_day(calendar, day))


def _of(lines: Sequence[BookLine], side: str) -> list[Line]:
    """Lines of a side as the matcher has them, in the role's own way."""
    by_id = {line.line_id: line for line in lines if line.side == side}
    return [matcher_line(line) for line in by_id.values()]

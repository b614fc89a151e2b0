"""Where every line of a day has ended: in a match of the rules, in one exception, or among what is expected. Pure.

Lines are counted by who has written them, the ledger and the importer; matches and exceptions by what the role tells.
So a line that the role has lost, or has twice, is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_lines import RELATION_SIDES
from schemas.reconciliation_results import BookSummary, MatchRecord

Place = Literal["matched", "exception", "expected"]
PLACES: Final[tuple[Place, ...]] = ("matched", "exception", "expected")


class Line(NamedTuple):
    """A movement as one side says it; of the ledger's own with its transaction."""

    line_id: str
    side: str
    amount_minor: int
    transaction_id: str | None = None


class Placed(NamedTuple):
    """A line of a book in one of its relations, and where it is; `by` is the pass, or the exception's id."""

    book: str
    relation: str
    line: Line
    place: Place
    by: str | None


@dataclass(frozen=True, slots=True)
class Placing:
    """All lines, and what is wrong."""

    placed: tuple[Placed, ...]
    problems: tuple[str, ...]

    def counts(self) -> dict[tuple[str, str, str], dict[Place, int]]:
        """(book, relation, side) -> lines by place."""
        found: dict[tuple[str, str, str], dict[Place, int]] = {}
        for one in self.placed:
            of = found.setdefault((one.book, one.relation, one.line.side), dict.fromkeys(PLACES, 0))
            of[one.place] += 1
        return found

    def of_transaction(self, transaction_id: str) -> list[Placed]:
        """The ledger's own lines of a transaction, in whatever relations they are compared."""
        return [one for one in self.placed if one.line.side == "ledger" and one.line.transaction_id == transaction_id]


def placing(
    lines: Mapping[str, Sequence[Line]],
    matches: Iterable[MatchRecord],
    exceptions: Iterable[ReconciliationException],
    summaries: Mapping[str, BookSummary],
) -> Placing:
    """Find the place of every line.

    Args:
        lines: book -> the lines of all its sides.
        matches: those that count.
        exceptions: each as it was told last.
        summaries: book -> its last summary.
    """
    where = _places(matches, exceptions)
    placed: list[Placed] = []
    problems: list[str] = []
    for book, of_book in sorted(lines.items()):
        summary = summaries.get(book)
        if summary is None:
            problems.append(f"{book}: nothing was told of this book")
            continue
        for relation, side in _compared(summary):
            mine = [line for line in of_book if line.side == side]
            found = [_placed(book, relation, line, where.get((book, relation, line.line_id), {})) for line in mine]
            placed += [one for one, _ in found]
            problems += [problem for _, problem in found if problem]
            problems += _against(summary, relation, side, [one for one, _ in found])
    return Placing(tuple(placed), tuple(problems))


def _compared(summary: BookSummary) -> Iterator[tuple[str, str]]:
    """Relations of two sides that do not wait for a statement, each with its sides."""
    for relation in dict.fromkeys(each.relation for each in summary.totals):
        if relation not in summary.waiting:
            for side in RELATION_SIDES.get(relation, ()):
                yield relation, side


def _places(
    matches: Iterable[MatchRecord], exceptions: Iterable[ReconciliationException]
) -> dict[tuple[str, str, str], dict[str, Place]]:
    """(book, relation, line id) -> where it is. What people have matched belongs to the exception they resolved."""
    found: dict[tuple[str, str, str], dict[str, Place]] = {}
    for match in matches:
        place: Place = "matched" if match.exception_id is None else "exception"
        name = f"{match.pass_name} {match.match_id}" if match.exception_id is None else match.exception_id
        for line_id in (*match.left_ids, *match.right_ids):
            found.setdefault((match.book, match.relation, line_id), {})[name] = place
    for one in exceptions:
        if one.state != "closed":
            for line in one.lines:
                found.setdefault((one.book, one.relation, line.line_id), {})[one.exception_id] = "exception"
    return found


def _placed(book: str, relation: str, line: Line, where: Mapping[str, Place]) -> tuple[Placed, str | None]:
    if not where:
        return Placed(book, relation, line, "expected", None), None
    (name, place), *others = where.items()
    by = name if place == "exception" else name.rpartition(" ")[0]
    wrong = f"{book}, {relation}: line {line.line_id} is in {len(where)} places" if others else None
    return Placed(book, relation, line, place, by), wrong


def _against(summary: BookSummary, relation: str, side: str, placed: Sequence[Placed]) -> Iterator[str]:
    """The role's own figures: what it says is expected must be what is left, by count and by amount."""
    said = [each for each in summary.totals if (each.relation, each.side) == (relation, side)]
    left = [abs(one.line.amount_minor) for one in placed if one.place == "expected"]
    expected = (sum(each.expected for each in said), sum(each.expected_minor for each in said))
    if expected != (len(left), sum(left)):
        yield f"{summary.book}, {relation}, {side}: {len(left)} lines are left, but {expected[0]} are expected"
    count = sum(each.matched + each.expected + each.exceptions for each in said)
    if count != len(placed):
        yield f"{summary.book}, {relation}, {side}: there are {len(placed)} lines, but the role has {count}"

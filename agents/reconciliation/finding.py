"""What a book comes to now: the matches and the cases of each relation. It writes nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from agents.reconciliation.cases import Case, Unmatched, cases_of
from agents.reconciliation.matches import hash_of, matcher_line
from agents.reconciliation.matching.match import match
from agents.reconciliation.state import HeldLine
from agents.reconciliation.turn import Turn, date_of, day_of
from schemas.reconciliation_books import Book
from schemas.reconciliation_lines import BookLine, Relation, sides_of
from schemas.reconciliation_results import MatchRecord


class Found(NamedTuple):
    """What a relation comes to: matches by id, and cases."""

    matches: Mapping[str, MatchRecord]
    cases: Sequence[Case]


def is_before(book: Book, line: BookLine) -> bool:
    """Whether a line is older than the day from which its book is reconciled."""
    return book.from_date is not None and line.date < book.from_date


class Finding:
    """What the matcher makes of the lines that are open."""

    def __init__(self, turn: Turn, name: str, book: Book, lines: Sequence[HeldLine]):
        self._turn, self._name, self._book, self._lines = turn, name, book, lines
        days = [day_of(held.line.date) for held in lines]
        self._holidays = turn.followed.holidays_of(name, min(days), turn.today) if days else frozenset()

    def find(self, relation: Relation, free: set[str]) -> Found:
        """Match a relation; `free` are the ids of exceptions whose lines may be matched."""
        left, right = sides_of(relation)
        if left == right:
            return Found({}, self._overdue(relation, free))
        lines = {side: self._open_lines(relation, side, free) for side in (left, right)}
        matching = match(
            self._book.rules_of(relation),
            [matcher_line(line) for line in lines[left].values()],
            [matcher_line(line) for line in lines[right].values()],
            self._turn.today,
            holidays=self._holidays,
        )
        matches = {}
        for each in matching.matches:
            ids = (*each.left_ids, "", *each.right_ids)
            match_id = hash_of(self._name, relation, each.pass_name, *ids)
            of = lines[left][each.left_ids[0]]
            matches[match_id] = MatchRecord(
                match_id=match_id,
                book=self._name,
                relation=relation,
                pass_name=each.pass_name,
                left_ids=each.left_ids,
                right_ids=each.right_ids,
                asset=of.asset,
                amount_minor=sum(lines[left][line_id].amount_minor for line_id in each.left_ids),
                difference_minor=each.difference_minor,
                fee_minor=each.fee_minor,
                confidence=each.confidence,
                rules_version=self._book.version,
                date=date_of(self._turn.today),
                recorded_at=self._turn.context.recorded_at,
            )
        side_of = {"left": left, "right": right}
        unmatched = [
            Unmatched(lines[side_of[each.side]][each.line_id], each.reason, each.candidates)
            for each in matching.exceptions
        ]
        return Found(matches, [case for case in cases_of(relation, unmatched) if not self._is_before(case)])

    def _is_before(self, case: Case) -> bool:
        """All of it was there before the book begins: it may belong to something later, and is nobody's case."""
        return all(is_before(self._book, line) for line in case.lines)

    def _overdue(self, relation: Relation, free: set[str]) -> list[Case]:
        """Of a relation with one side, what has been there for too long."""
        cases = []
        for line in self._open_lines(relation, relation, free).values():
            if relation == "pending":
                until = self._turn.followed.business_day_after(
                    self._name, day_of(line.date), self._book.pending_lag_business_days
                )
                if self._turn.today > until:
                    cases.append(Case((line,), "missing_right"))
            else:
                cases.append(Case((line,), line.reason or "reference"))
        return cases

    def _open_lines(self, relation: str, side: str, free: set[str]) -> dict[str, BookLine]:
        """Lines of a side that the matcher may have."""
        return {
            held.line.line_id: held.line
            for held in self._lines
            if held.line.side == side and self._is_open(held.fates.get(relation), free)
        }

    def _is_open(self, fate: str | None, free: set[str]) -> bool:
        if fate is None:
            return True
        if fate[0] == "E":
            return fate[1:] in free
        return not self.is_kept(fate[1:])

    def is_kept(self, match_id: str) -> bool:
        """Whether a match stays as it is: people have made it, or it is old."""
        held = self._held(match_id)
        return held is None or held.exception_id is not None or self._is_past(held)

    def is_old(self, match_id: str) -> bool:
        """Whether a match was made longer ago than the book keeps what is matched."""
        held = self._held(match_id)
        return held is None or self._is_past(held)

    def is_passed_over(self, line: BookLine) -> bool:
        """Whether a line that is in nothing is not waited for any more, as it was there before the book begins."""
        return is_before(self._book, line) and self._is_over(day_of(line.date))

    def _held(self, match_id: str) -> MatchRecord | None:
        return self._turn.state.matches.get(f"{self._name} {match_id}")

    def _is_past(self, held: MatchRecord) -> bool:
        return self._is_over(day_of(held.date))

    def _is_over(self, day: int) -> bool:
        """Whether it is longer ago than the book keeps what is matched."""
        until = self._turn.followed.business_day_after(self._name, day, self._book.matched_kept_business_days)
        return self._turn.today > until

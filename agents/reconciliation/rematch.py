"""A book is matched: all relations over all lines that are open, and what differs from before is written. Pure.

What comes out is a function of the lines, the rules and the day, whatever the order in which they came. Only what
people have decided, and matches older than the book keeps them, stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from agents.reconciliation.aside import forget, is_awaited, recall, set_aside, tell_lines
from agents.reconciliation.cases import (
    Case,
    aged,
    changed,
    closed,
    noted,
    opened,
    tell,
    with_case,
)
from agents.reconciliation.finding import Finding, Found
from agents.reconciliation.matches import hash_of, is_frozen, reopened, seniority, undo, withdrawn
from agents.reconciliation.state import HeldLine
from agents.reconciliation.summing import summary_of
from agents.reconciliation.turn import Turn, ms_of_day
from schemas.reconciliation_books import Book
from schemas.reconciliation_events import BOOK_MATCHED, LINES_ARCHIVED, MATCH_MADE
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_lines import Relation, sides_of
from schemas.reconciliation_results import MatchRecord, encode_result
from schemas.topics import RECONCILIATION_RESULTS

_ONE_SIDED: Final[tuple[Relation, ...]] = ("pending", "suspense")


class _Full(Exception):
    """There is more to tell than one record may lead to."""


def rematch(turn: Turn, name: str) -> None:
    """Match a book, and write what has changed by it, with the time at which it is to be matched next."""
    if recall(turn, name):
        Rematching(turn, name).run()


class Rematching:
    """One matching of a book."""

    def __init__(self, turn: Turn, name: str):
        self._turn, self._name = turn, name
        self._book: Book = turn.followed.book(name)
        self._lines = self._lines_now()
        self._finding = Finding(turn, name, self._book, self._lines)
        self._left = turn.limits.changes_at_once

    def run(self) -> None:
        """Match all relations, forget what was matched long ago, and tell where the book stands."""
        turn, partial = self._turn, False
        used, waiting = self._relations()
        try:
            for relation in ("ledger-partner", "partner-bank", "ledger-bank", *_ONE_SIDED, "statement"):
                self._relation(relation, relation in used)
        except _Full:
            partial = True
        if not partial:
            self._archive(used, waiting)
            forget(turn, self._name)
        summary, is_quiet = summary_of(turn, self._name, used, waiting, partial)
        due_at_ms = 0 if is_quiet else ms_of_day(turn.today + 1)
        if partial:
            due_at_ms = turn.context.recorded_at_ms
        turn.write(turn.event(BOOK_MATCHED, book=self._name, due_at_ms=due_at_ms))
        self._send(summary)

    def _relations(self) -> tuple[set[str], tuple[str, ...]]:
        """Relations that count, and those that wait for their first statement."""
        state = self._turn.state.books.get(self._name)
        has = {} if state is None else state.statements
        named = [each.relation for each in self._book.relations]
        used: set[str] = set(_ONE_SIDED)
        waiting = []
        for relation in named:
            if relation == "ledger-bank" and "ledger-partner" in named and "partner" in has:
                continue
            if all(side in has for side in sides_of(relation) if side != "ledger"):
                used.add(relation)
            elif relation != "ledger-bank":
                waiting.append(relation)
        return used, tuple(waiting)

    def _relation(self, relation: Relation, is_used: bool) -> None:
        before = self._turn.state
        exceptions = [each for each in before.exceptions_of(self._name) if each.relation == relation]
        free = [each for each in exceptions if not is_frozen(each)]
        if relation != "statement":
            found = self._finding.find(relation, {each.exception_id for each in free}) if is_used else Found({}, ())
            self._tell_matches(relation, found)
            self._tell_cases(relation, found, free)
        for each in exceptions:
            now = before.open.get(f"{self._name} {each.exception_id}")
            if now is not None:
                self._age(now)

    def _tell_matches(self, relation: Relation, found: Found) -> None:
        left, right = sides_of(relation)
        if left == right:
            return
        held: dict[str, None] = {}
        for line in self._lines:
            fate = line.fates.get(relation)
            if fate is not None and fate[0] == "M" and not self._finding.is_kept(fate[1:]):
                held[fate[1:]] = None
        gone = [match_id for match_id in sorted(held) if match_id not in found.matches]
        for match_id in gone:
            self._spend()
            undo(self._turn, self._name, match_id, "lines or rules that came later lead to something else", None)
        for match_id in sorted(found.matches):
            if match_id not in held:
                self._spend()
                self._make(found.matches[match_id])

    def _make(self, record: MatchRecord) -> None:
        turn = self._turn
        turn.write(turn.event(MATCH_MADE, book=self._name, relation=record.relation, match=record))
        self._send(record)

    def _tell_cases(self, relation: Relation, found: Found, free: Sequence[ReconciliationException]) -> None:
        """Cases that are there already go on as the exceptions they are; others are opened, what is left is closed."""
        unclaimed = {each.exception_id: each for each in free}
        by_line = {(line.side, line.line_id): each.exception_id for each in free for line in each.lines}
        kept_as: dict[str, str] = {}
        for case in found.cases:
            owners = dict.fromkeys(
                by_line[name] for line in case.lines if (name := (line.side, line.line_id)) in by_line
            )
            mine = [unclaimed[owner] for owner in owners if owner in unclaimed]
            keeper = min(mine, key=seniority, default=None)
            if keeper is None:
                self._open(relation, case)
                continue
            del unclaimed[keeper.exception_id]
            for owner in owners:
                kept_as.setdefault(owner, keeper.exception_id)
            self._update(keeper, case)
        for each in unclaimed.values():
            self._close(each, kept_as.get(each.exception_id))

    def _open(self, relation: Relation, case: Case) -> None:
        turn = self._turn
        fresh = opened(turn, self._name, relation, case)
        exception_id, number = fresh.exception_id, 0
        while (before := self._told(exception_id)) is not None and before.state != "closed":
            # Resolved, or open with other lines than those it was opened with: the next id is taken.
            number += 1
            exception_id = hash_of(fresh.exception_id, str(number))
        # The same lines once more: what was closed goes on with its history.
        fresh = changed(fresh, exception_id=exception_id) if before is None else with_case(turn, reopened(before), case)
        self._spend()
        what = "opened" if before is None else "reopened"
        tell(turn, noted(fresh, turn.context.recorded_at, what, text=fresh.sentence), what)

    def _told(self, exception_id: str) -> ReconciliationException | None:
        return self._turn.state.exception(self._name, exception_id, self._turn.context.recorded_at_ms)

    def _update(self, exception: ReconciliationException, case: Case) -> None:
        if case.lines == exception.lines and self._is_forgotten(exception, case):
            case = case._replace(reason=exception.reason, candidates=exception.candidates)
        now = with_case(self._turn, exception, case)
        if now == exception:
            return
        self._spend()
        at = self._turn.context.recorded_at
        if now.lines != exception.lines or now.reason != exception.reason:
            if exception.state == "proposed":
                now = withdrawn(now, at, "what was proposed is void: the lines have changed")
            now = noted(now, at, "updated", text=now.sentence)
        tell(self._turn, now, "updated")

    def _is_forgotten(self, exception: ReconciliationException, case: Case) -> bool:
        """Whether the matcher knows less of the same lines than before, as it does not see any more what they were told
        by: what a reversal takes back, or what their twin was matched with.
        """
        before = exception.reason
        if case.reason.startswith("unlinked") and before.startswith("missing"):
            return True
        if not case.reason.startswith(("missing", "unlinked")) or before not in ("duplicate", case.reason):
            return False
        return not all(self._is_seen(exception.relation, line_id) for line_id in exception.candidates)

    def _is_seen(self, relation: Relation, line_id: str) -> bool:
        held = self._turn.state.find_line(self._name, line_id)
        fate = None if held is None else held.fates.get(relation, "")
        return fate is not None and not (fate[:1] == "M" and self._finding.is_kept(fate[1:]))

    def _close(self, exception: ReconciliationException, merged_into: str | None) -> None:
        self._spend()
        at = self._turn.context.recorded_at
        why = "its lines match, or are expected again" if merged_into is None else f"it is part of {merged_into}"
        done = closed(exception, at, why)
        if merged_into is not None:
            done = changed(done, merged_into=merged_into)
        tell(self._turn, done, "closed")

    def _age(self, exception: ReconciliationException) -> None:
        """It is overdue from today, or not any more."""
        now = aged(self._turn, exception)
        if now != exception:
            self._spend()
            what = "overdue" if now.overdue and not exception.overdue else "updated"
            tell(self._turn, noted(now, self._turn.context.recorded_at, what), what)

    def _archive(self, used: Iterable[str], waiting: tuple[str, ...]) -> None:
        """Lines of which all relations were settled long ago are not kept any more, or set aside for one that waits."""
        names: list[str] = []
        awaited: list[str] = []
        for held in self._lines_now():
            relations = [each for each in used if held.line.side in sides_of(each)]
            fates = [held.fates.get(each) for each in relations]
            # People may be at it in a relation that does not count any more.
            is_excepted = any(fate[0] == "E" for fate in held.fates.values())
            if fates and not is_excepted and all(self._is_settled(held, fate) for fate in fates):
                (awaited if is_awaited(held.line, waiting) else names).append(f"{held.line.side} {held.line.line_id}")
        set_aside(self._turn, self._name, awaited)
        tell_lines(self._turn, LINES_ARCHIVED, self._name, names)

    def _is_settled(self, held: HeldLine, fate: str | None) -> bool:
        if fate is None:
            return self._finding.is_passed_over(held.line)
        return fate[0] == "M" and self._finding.is_old(fate[1:])

    def _lines_now(self) -> list[HeldLine]:
        return list(self._turn.state.lines_of(self._name))

    def _spend(self) -> None:
        if self._left <= 0:
            raise _Full
        self._left -= 1

    def _send(self, record: MatchRecord | object) -> None:
        turn = self._turn
        turn.out.send(RECONCILIATION_RESULTS, turn.context.partition, self._name.encode(), encode_result(record))

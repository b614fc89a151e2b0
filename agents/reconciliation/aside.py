"""Lines that were matched long ago, set aside for a side that has stated nothing yet. Pure.

A bank's first statement may come weeks after the partner's report that it pays for. Until then the report's lines are
matched with the ledger, and out of the way; once the side states something, those that it may concern are back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from agents.reconciliation.turn import Turn, date_of, day_of
from schemas.reconciliation_events import BOOK_MATCHED, LINES_FORGOTTEN, LINES_RECALLED, LINES_SET_ASIDE
from schemas.reconciliation_lines import SIDES, BookLine, other_side, sides_of

#: How long before the first day of a statement lines may be that it concerns, in days.
_REACH_DAYS: Final = 7
#: For how many days, by their own date, lines are set aside.
KEPT_DAYS: Final = 60
#: Most names of one event.
_AT_ONCE: Final = 1_000


def is_awaited(line: BookLine, waiting: Iterable[str]) -> bool:
    """Whether a relation of the line waits for the first statement of its other side."""
    return any(line.side in sides_of(relation) for relation in waiting)


def set_aside(turn: Turn, book: str, names: list[str]) -> None:
    """Lines by side and id."""
    tell_lines(turn, LINES_SET_ASIDE, book, names)


def recall(turn: Turn, book: str) -> bool:
    """Bring back what statements that came since may concern; False where more follows with the next tick."""
    state = turn.state.books.get(book)
    left = turn.limits.changes_at_once
    for side, first in sorted({} if state is None else state.recall.items()):
        names = list(_concerned(turn, book, side, date_of(day_of(first) - _REACH_DAYS), left))
        tell_lines(turn, LINES_RECALLED, book, names)
        left -= len(names)
        if left <= 0:
            turn.write(turn.event(BOOK_MATCHED, book=book, due_at_ms=turn.context.recorded_at_ms))
            return False
        turn.write(turn.event(LINES_RECALLED, book=book, what=side))
    return True


def _concerned(turn: Turn, book: str, side: str, from_date: str, most: int) -> Iterator[str]:
    for relation in (each.relation for each in turn.followed.book(book).relations):
        sides = sides_of(relation)
        if side not in sides:
            continue
        other = other_side(relation, side)
        for name, held in turn.state.aside.scan(f"{book} {other} {from_date}", f"{book} {other}!"):
            if relation not in held.fates:
                if most <= 0:
                    return
                most -= 1
                yield name.partition(" ")[2]


def forget(turn: Turn, book: str) -> None:
    """Drop what has been set aside for too long, so many lines at once as one record may change."""
    until = date_of(turn.today - KEPT_DAYS)
    names: list[str] = []
    for side in SIDES:
        for name, _ in turn.state.aside.scan(f"{book} {side} ", f"{book} {side} {until}"):
            if len(names) == turn.limits.changes_at_once:
                break
            names.append(name.partition(" ")[2])
    tell_lines(turn, LINES_FORGOTTEN, book, names)


def tell_lines(turn: Turn, type_: str, book: str, names: list[str]) -> None:
    """Events that say the same of lines, of so many each as one may name."""
    for start in range(0, len(names), _AT_ONCE):
        turn.write(turn.event(type_, book=book, line_ids=tuple(names[start : start + _AT_ONCE])))

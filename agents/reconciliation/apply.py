"""What an event does to the state of the reconciliation role. The only code that changes it; it asks no rule. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from agents.reconciliation.state import (
    Begun,
    BookState,
    Decided,
    HeldLine,
    ReconciliationState,
    begun_key,
    content_key,
    line_key,
    staged_key,
)
from schemas.clock import unix_ms
from schemas.reconciliation_events import ReconciliationEvent, Trace
from schemas.reconciliation_exceptions import OPEN_STATES, ReconciliationException
from schemas.reconciliation_lines import BookLine, sides_of
from schemas.reconciliation_results import MatchRecord

_changed: Final = msgspec.structs.replace


def apply(state: ReconciliationState, event: ReconciliationEvent) -> None:
    """Change the state as an event says."""
    match event.type:
        case "lines.taken" | "posting.unexpected":
            for line in event.lines:
                _take_line(state, _book(event), line)
        case "line.staged":
            (line,) = event.lines
            state.staged.put(staged_key(line.statement_id or "", line.number or 0), line)
        case "statement.begun":
            assert event.statement is not None
            facts = event.statement
            state.begun.put(begun_key(facts.account, facts.side), Begun(facts.statement_id, event.book))
        case "statement.taken" | "statement.repeated" | "statement.refused" | "statement.noted":
            _statement(state, event)
        case "transaction.traced":
            assert event.transaction_id is not None
            state.traces.put(event.transaction_id, event.trace or Trace(), unix_ms(event.recorded_at))
        case "match.made":
            assert event.match is not None
            _match(state, event.match)
        case "match.undone":
            _unmatch(state, _book(event), event.match_id or "")
        case "exception.changed":
            assert event.exception is not None
            _exception(state, event.exception, unix_ms(event.recorded_at))
        case "lines.archived" | "lines.set_aside":
            _archive(state, _book(event), event.line_ids, is_kept=event.type == "lines.set_aside")
        case "lines.recalled":
            _recall(state, _book(event), event.line_ids, event.what)
        case "lines.forgotten":
            _forget(state, _book(event), event.line_ids)
        case "decision.taken" | "decision.refused":
            _decision(state, event)
    if event.due_at_ms is not None and event.book is not None:
        _due(state, event.book, event.due_at_ms)


def _book(event: ReconciliationEvent) -> str:
    assert event.book is not None
    return event.book


def _take_line(state: ReconciliationState, book: str, line: BookLine) -> None:
    """Of what is on its way only what is left is kept: what went out and came back is nothing."""
    name = line_key(book, line)
    held = state.lines.get(name)
    if line.side != "pending" or held is None:
        if held is None and (line.side != "pending" or line.amount_minor):
            state.lines.put(name, HeldLine(line))
        return
    left_minor = held.line.amount_minor + line.amount_minor
    if left_minor:
        state.lines.put(name, HeldLine(_changed(held.line, amount_minor=left_minor), held.fates))
    else:
        state.lines.delete(name)


def _statement(state: ReconciliationState, event: ReconciliationEvent) -> None:
    """The lines that wait for it count from now on, or are dropped: they stand on `external-statements` for ever."""
    facts = event.statement
    if facts is None:
        return
    waiting = list(state.staged.scan(f"{facts.statement_id} ", f"{facts.statement_id}!"))
    for name, line in waiting:
        state.staged.delete(name)
        if event.type == "statement.taken":
            _take_line(state, _book(event), line)
    if event.type != "statement.taken":
        return
    state.statements.put(facts.statement_id, facts)
    state.statements.put(content_key(facts), facts)
    book = state.books.get(_book(event)) or BookState()
    closing = max(facts.closing_date or "", book.statements.get(facts.side, ""))
    book = _changed(book, statements={**book.statements, facts.side: closing})
    # One line that is valued long before its statement does not make the statement one of that time.
    days = (*(line.date for _, line in waiting), facts.closing_date or event.recorded_at[:10])
    first, before = facts.opening_date or min(days), book.since.get(facts.side)
    if before is None or first < before:
        book = _changed(book, since={**book.since, facts.side: first}, recall={**book.recall, facts.side: first})
    state.books.put(_book(event), book)


def _match(state: ReconciliationState, match: MatchRecord) -> None:
    state.matches.put(f"{match.book} {match.match_id}", match)
    for name in names_of(match):
        _set_fate(state, name, match.relation, f"M{match.match_id}")


def _unmatch(state: ReconciliationState, book: str, match_id: str) -> None:
    match = state.matches.get(f"{book} {match_id}")
    if match is None:
        return
    state.matches.delete(f"{book} {match_id}")
    for name in names_of(match):
        _clear_fate(state, name, match.relation, f"M{match_id}")


def _exception(state: ReconciliationState, exception: ReconciliationException, at_ms: int) -> None:
    name = f"{exception.book} {exception.exception_id}"
    fate = f"E{exception.exception_id}"
    before = state.open.get(name)
    if before is not None:
        for line in before.lines:
            _clear_fate(state, line_key(exception.book, line), exception.relation, fate)
    if exception.state in OPEN_STATES:
        state.open.put(name, exception)
        for line in exception.lines:
            _set_fate(state, line_key(exception.book, line), exception.relation, fate)
        return
    state.open.delete(name)
    state.ended.put(name, exception, at_ms)


def names_of(match: MatchRecord) -> list[str]:
    """Where the lines of a match stand in `LINES`."""
    left, right = sides_of(match.relation)
    return [
        *(f"{match.book} {left} {line_id}" for line_id in match.left_ids),
        *(f"{match.book} {right} {line_id}" for line_id in match.right_ids),
    ]


def _set_fate(state: ReconciliationState, name: str, relation: str, fate: str) -> None:
    held = state.lines.get(name)
    if held is not None:
        state.lines.put(name, HeldLine(held.line, {**held.fates, relation: fate}))


def _clear_fate(state: ReconciliationState, name: str, relation: str, fate: str) -> None:
    held = state.lines.get(name)
    if held is not None and held.fates.get(relation) == fate:
        fates = {other: one for other, one in held.fates.items() if other != relation}
        state.lines.put(name, HeldLine(held.line, fates))


def _archive(state: ReconciliationState, book: str, names: tuple[str, ...], *, is_kept: bool) -> None:
    """`names` are sides and ids of lines; `is_kept`: for a side that has stated nothing yet."""
    for name in names:
        held = state.lines.get(f"{book} {name}")
        if held is None:
            continue
        state.lines.delete(f"{book} {name}")
        if is_kept:
            state.aside.put(f"{book} {held.line.side} {held.line.date} {held.line.line_id}", held)
        for fate in held.fates.values():
            if fate[0] == "M" and state.matches.get(f"{book} {fate[1:]}") is not None:
                state.matches.delete(f"{book} {fate[1:]}")


def _recall(state: ReconciliationState, book: str, names: tuple[str, ...], side: str | None) -> None:
    """`names` are sides, dates and ids of lines; `side` is one of which all are back."""
    for name in names:
        held = state.aside.get(f"{book} {name}")
        if held is not None:
            state.aside.delete(f"{book} {name}")
            state.lines.put(line_key(book, held.line), held)
    if side is not None:
        stands = state.books.get(book) or BookState()
        left = {other: first for other, first in stands.recall.items() if other != side}
        state.books.put(book, _changed(stands, recall=left))


def _forget(state: ReconciliationState, book: str, names: tuple[str, ...]) -> None:
    stands = state.books.get(book) or BookState()
    forgotten = dict(stands.forgotten)
    for name in names:
        state.aside.delete(f"{book} {name}")
        side, date, _ = name.split(" ", 2)
        forgotten[side] = max(date, forgotten.get(side, ""))
    state.books.put(book, _changed(stands, forgotten=forgotten))


def _decision(state: ReconciliationState, event: ReconciliationEvent) -> None:
    decision = event.decision
    if decision is None:
        return
    refused = event.message or "" if event.type == "decision.refused" else ""
    name = f"{_book(event)} {decision.decision_id}"
    state.decisions.put(name, Decided(decision.digest, refused), unix_ms(event.recorded_at))


def _due(state: ReconciliationState, name: str, due_at_ms: int) -> None:
    book = state.books.get(name) or BookState()
    if book.due_ms == due_at_ms:
        return
    if book.due_ms:
        state.due.delete(f"{book.due_ms:015d} {name}")
    if due_at_ms:
        state.due.put(f"{due_at_ms:015d} {name}", 0)
    state.books.put(name, _changed(book, due_ms=due_at_ms))

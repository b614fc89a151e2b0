"""Cases: lines that do not match, put together where they concern each other, and what is said of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from agents.reconciliation.turn import Turn, date_of, day_of
from schemas.reconciliation_events import EXCEPTION_CHANGED
from schemas.reconciliation_exceptions import (
    SEVERITIES,
    HistoryEntry,
    ReconciliationException,
    Severity,
)
from schemas.reconciliation_lines import BookLine, Relation, other_side, sides_of
from schemas.reconciliation_reasons import MEANINGS

#: Newest entries of the history that a record of an exception carries; `reconciliation-events` has all.
HISTORY: Final = 50
#: A case of more lines than this is one for each line: nobody could look at it.
MOST_LINES: Final = 100

#: Reasons of a case whose lines concern each other, what says most first.
_TOGETHER: Final = (
    "ambiguous",
    "split_incomplete",
    "currency",
    "amount_over",
    "amount_under",
    "fee_variance",
    "date",
    "reference",
)


class Case(NamedTuple):
    """Lines without a match, and why."""

    lines: tuple[BookLine, ...]
    reason: str
    candidates: tuple[str, ...] = ()


class Unmatched(NamedTuple):
    """A line without a match, as the matcher says it; candidates are of the other side."""

    line: BookLine
    reason: str
    candidates: tuple[str, ...]


def cases_of(relation: str, unmatched: Sequence[Unmatched]) -> list[Case]:
    """Each line in exactly one case; those that name each other in the same."""
    left, right = sides_of(relation)
    by_name: dict[tuple[str, str], Unmatched] = {(one.line.side, one.line.line_id): one for one in unmatched}
    leader = {name: name for name in by_name}

    def find(name: tuple[str, str]) -> tuple[str, str]:
        while leader[name] != name:
            leader[name] = leader[leader[name]]
            name = leader[name]
        return name

    for name, one in by_name.items():
        if one.reason not in _TOGETHER:
            continue
        other_side = right if one.line.side == left else left
        for candidate in one.candidates:
            other = (other_side, candidate)
            if other in by_name and by_name[other].reason in _TOGETHER:
                a, b = find(name), find(other)
                leader[max(a, b)] = min(a, b)
    groups: dict[tuple[str, str], list[Unmatched]] = {}
    for name in sorted(by_name):
        groups.setdefault(find(name), []).append(by_name[name])
    found: list[Case] = []
    for group in groups.values():
        if len(group) > MOST_LINES:
            found += [_case([one]) for one in group]
        else:
            found.append(_case(group))
    return found


def _case(group: Sequence[Unmatched]) -> Case:
    reasons = {one.reason for one in group}
    reason = next((each for each in _TOGETHER if each in reasons), min(reasons))
    own = {one.line.line_id for one in group}
    candidates = dict.fromkeys(each for one in group for each in one.candidates if each not in own)
    return Case(tuple(one.line for one in group), reason, tuple(candidates)[:10])


def difference_minor(relation: str, lines: Iterable[BookLine]) -> dict[str, int]:
    """By asset: right side less left; of a relation with one side, what is there too much."""
    if relation == "statement":
        return {}
    left, right = sides_of(relation)
    found: dict[str, int] = {}
    for line in lines:
        sign = 1 if left == right or line.side == right else -1
        found[line.asset] = found.get(line.asset, 0) + sign * line.amount_minor
    return found


def at_risk(relation: str, lines: Sequence[BookLine]) -> tuple[str, int, int]:
    """Asset, difference, and what is at risk: where both sides come to the same, the largest line counts."""
    differences = difference_minor(relation, lines)
    if not differences:
        return "", 0, 0
    asset = max(differences, key=lambda name: (abs(differences[name]), name))
    difference = differences[asset]
    at_risk_minor = abs(difference) or max(abs(line.amount_minor) for line in lines if line.asset == asset)
    return asset, difference, at_risk_minor


def case_id(book: str, relation: str, names: Iterable[str]) -> str:
    """Id of a case that is opened with these lines: the same wherever it is computed."""
    return sha256("\n".join((book, relation, *sorted(names))).encode()).hexdigest()[:32]


def opened(turn: Turn, book: str, relation: Relation, case: Case, sentence: str = "") -> ReconciliationException:
    """A case as an exception, opened now."""
    names = [f"{line.side} {line.line_id}" for line in case.lines]
    exception = ReconciliationException(
        exception_id=case_id(book, relation, names),
        book=book,
        relation=relation,
        reason=case.reason,
        state="open",
        severity="low",
        amount_minor=0,
        asset="",
        difference_minor=0,
        sentence=sentence,
        due_date=date_of(turn.today),
        rules_version=turn.followed.book(book).version,
        opened_at=turn.context.recorded_at,
        recorded_at=turn.context.recorded_at,
    )
    return with_case(turn, exception, case)


def with_case(turn: Turn, exception: ReconciliationException, case: Case) -> ReconciliationException:
    """An exception with the lines and the reason of a case."""
    asset, difference, at_risk_minor = at_risk(exception.relation, case.lines)
    exception = changed(
        exception,
        lines=case.lines,
        reason=case.reason,
        candidates=case.candidates,
        asset=asset or exception.asset,
        difference_minor=difference,
        amount_minor=at_risk_minor,
        sentence=_sentence(turn, exception, case) if case.lines else exception.sentence,
    )
    return aged(turn, exception)


def aged(turn: Turn, exception: ReconciliationException) -> ReconciliationException:
    """Severity and due date by amount, and one step more severe once it is overdue."""
    book = turn.followed.book(exception.book)
    step = [each for each in book.severities if exception.amount_minor >= each.from_minor][-1]
    due_day = turn.followed.business_day_after(exception.book, day_of(exception.opened_at), step.due_in_business_days)
    if exception.held_until is not None:
        due_day = max(due_day, day_of(exception.held_until))
    overdue = turn.today > due_day
    rank = min(SEVERITIES.index(step.severity) + overdue, len(SEVERITIES) - 1)
    severity: Severity = SEVERITIES[rank]
    return changed(exception, severity=severity, due_date=date_of(due_day), overdue=overdue)


def _sentence(turn: Turn, exception: ReconciliationException, case: Case) -> str:
    """With what the book has forgotten that a line may belong to."""
    said = sentence_of(exception.relation, case)
    stands = turn.state.books.get(exception.book)
    if stands is None or not stands.forgotten or not case.reason.startswith("missing"):
        return said
    line = case.lines[0]
    if line.side == "ledger" or exception.relation == "ledger-bank":
        # What is forgotten was waiting for another relation, and matched in this one.
        return said
    other = other_side(exception.relation, line.side)
    until = stands.forgotten.get(other, "")
    if line.date > until:
        return said
    return (
        f"{said} Lines of the {_SIDE_NAMES[other]} up to {until} are not kept any more: it may belong to one of them."
    )


def sentence_of(relation: str, case: Case) -> str:
    """One sentence for people."""
    left, right = sides_of(relation)
    meaning = MEANINGS[case.reason]
    if relation == "suspense":
        return f"In suspense: {case.lines[0].message or meaning}"
    if relation == "pending":
        return "Money is on its way over the rail for longer than it may be: it has neither settled nor failed."
    sides = [(side, [line for line in case.lines if line.side == side]) for side in dict.fromkeys((left, right))]
    counted = " and ".join(f"{len(lines)} of the {_SIDE_NAMES[side]}" for side, lines in sides if lines)
    return f"{counted}: {meaning}"


_SIDE_NAMES: Final[Mapping[str, str]] = {
    "ledger": "ledger",
    "partner": "partner's report",
    "bank": "bank's statement",
    "pending": "pending",
    "suspense": "suspense",
}


def changed(exception: ReconciliationException, **fields: Any) -> ReconciliationException:
    """The exception with some fields replaced."""
    return msgspec.structs.replace(exception, **fields)


def noted(
    exception: ReconciliationException,
    at: str,
    what: str,
    by: str | None = None,
    text: str | None = None,
    evidence_ref: str | None = None,
) -> ReconciliationException:
    """The exception with one more entry in its history."""
    entry = HistoryEntry(at=at, what=what, by=by, text=text, evidence_ref=evidence_ref)
    return changed(exception, history=(*exception.history, entry)[-HISTORY:])


def tell(turn: Turn, exception: ReconciliationException, what: str, due_at_ms: int | None = None) -> None:
    """Write that an exception is from now on like this."""
    told = changed(exception, recorded_at=turn.context.recorded_at)
    turn.write(turn.event(EXCEPTION_CHANGED, book=told.book, exception=told, what=what, due_at_ms=due_at_ms))


def closed(exception: ReconciliationException, at: str, why: str) -> ReconciliationException:
    """An exception that nobody needs to resolve any more; what was proposed is void."""
    done = noted(changed(exception, state="closed", pinned=False), at, "closed", text=why)
    return changed(done, sentence=why)


def open_refused(turn: Turn, book: str, statement_id: str, sentence: str, asset: str) -> None:
    """A statement that does not add up becomes an exception without lines, once."""
    exception = opened(turn, book, "statement", Case((), "statement_unbalanced"), sentence)
    exception = changed(exception, exception_id=case_id(book, "statement", [statement_id]), asset=asset)
    if turn.state.exception(book, exception.exception_id, turn.context.recorded_at_ms) is None:
        note = noted(exception, turn.context.recorded_at, "opened", text=sentence)
        tell(turn, note, "opened", turn.due_by(book, turn.context.recorded_at_ms + turn.limits.rematch_interval_ms))


def close_case(turn: Turn, book: str, statement_id: str, why: str) -> None:
    """The statement that did not add up does now."""
    exception = turn.state.open.get(f"{book} {case_id(book, 'statement', [statement_id])}")
    if exception is not None and exception.state != "approved":
        tell(turn, closed(exception, turn.context.recorded_at, why), "closed")

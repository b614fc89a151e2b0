"""The report of what the reconciliation role has said on its topics, as it stood at the end of a day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from ops.amounts import Amounts
from ops.consuming import misplaced
from ops.reading import TopicReader
from ops.reconcile.days import Period
from ops.reconcile.publishing import read_published
from ops.reconcile.report_model import Case, CaseLine, ExpectedLines, MatchedLines, Report, Section, sum_matched
from ops.reconcile.report_statements import Imports
from ops.reference_records import read_amounts
from schemas.clock import rfc3339
from schemas.external_statements import decode_external
from schemas.reconciliation_exceptions import OPEN_STATES, ReconciliationException, decode_exception
from schemas.reconciliation_lines import RELATION_SIDES, BookLine
from schemas.reconciliation_proofs import Proof
from schemas.reconciliation_results import BookSummary, MatchRecord, ReconciliationResult, UnmatchRecord, decode_result
from schemas.topics import EXTERNAL_STATEMENTS, RECONCILIATION_EXCEPTIONS, RECONCILIATION_RESULTS

#: Later than every day.
_END_OF_TIME = "~"


def section_of(relation: str, side: str) -> Section:
    """Which section a line of a relation belongs to: its left side is ours, its right side the file's."""
    sides = RELATION_SIDES.get(relation)
    if sides is None:
        return "in_file" if side in ("partner", "bank") else "with_us"
    return "with_us" if side == sides[0] else "in_file"


class Results:
    """Folds `reconciliation-results` up to the end of a day. Pure; holds the matches of the period, not their lines."""

    def __init__(self, period: Period | None):
        self._first, self._last = ("", _END_OF_TIME) if period is None else period
        self._matched: dict[str, MatchedLines] = {}
        self._summaries: dict[str, BookSummary] = {}

    def take(self, result: ReconciliationResult) -> None:
        """The next record of a partition."""
        day = result.recorded_at[:10]
        if day > self._last:
            return
        if isinstance(result, BookSummary):
            self._summaries[result.book] = result
        elif isinstance(result, UnmatchRecord):
            self._matched.pop(result.match_id, None)
        elif day >= self._first:
            self._matched[result.match_id] = _matched(result)

    def matched(self) -> list[MatchedLines]:
        """Matches that were made in the period and still stood at its end."""
        return sum_matched(self._matched.values())

    def expected(self) -> list[ExpectedLines]:
        """What was expected at the end, as each book's latest summary says."""
        return [
            ExpectedLines(book, section_of(of.relation, of.side), of.asset, of.expected, of.expected_minor)
            for book, summary in sorted(self._summaries.items())
            for of in summary.totals
            if of.expected
        ]

    def notes(self) -> Iterator[str]:
        """What these figures do not hold yet."""
        for book, summary in sorted(self._summaries.items()):
            if summary.waiting:
                yield f"{book}: {', '.join(summary.waiting)} waits for a first statement."
            if summary.partial:
                yield f"{book}: there was more to match than fits at once when it was last looked at; the rest follows."


def _matched(one: MatchRecord) -> MatchedLines:
    return MatchedLines(
        f"{one.book} {one.relation}",
        one.pass_name,
        one.asset,
        1,
        len(one.left_ids),
        len(one.right_ids),
        abs(one.amount_minor),
        one.difference_minor,
        one.confidence,
    )


class Exceptions:
    """Folds `reconciliation-exceptions` up to the end of a day. Pure; of those that are done it holds only ids."""

    def __init__(self, period: Period | None):
        self._first, self._last = ("", _END_OF_TIME) if period is None else period
        self._open: dict[str, ReconciliationException] = {}
        #: Id -> state and day in which it was reached.
        self._done: dict[str, tuple[str, str]] = {}

    def take(self, one: ReconciliationException) -> None:
        """The next record of a partition."""
        day = one.recorded_at[:10]
        if day > self._last:
            return
        if one.state in OPEN_STATES:
            self._done.pop(one.exception_id, None)
            self._open[one.exception_id] = one
        else:
            self._open.pop(one.exception_id, None)
            # A comment tells it once more; done it was before.
            if self._done.get(one.exception_id, ("", ""))[0] != one.state:
                self._done[one.exception_id] = (one.state, day)

    def cases(self) -> list[Case]:
        """What stood open at the end."""
        return [_case(self._open[exception_id]) for exception_id in sorted(self._open)]

    def done(self) -> dict[str, int]:
        """What was resolved or closed within the period, by state."""
        return dict(sorted(Counter(state for state, day in self._done.values() if day >= self._first).items()))


def _case(one: ReconciliationException) -> Case:
    return Case(
        one.exception_id,
        f"{one.book} {one.relation}",
        one.reason,
        one.state,
        one.severity,
        one.asset,
        one.amount_minor,
        tuple(_line(one.relation, line) for line in one.lines),
        one.candidates,
        one.sentence,
        one.due_date,
        one.overdue,
        one.assignee,
    )


def _line(relation: str, line: BookLine) -> CaseLine:
    references = dict(line.references)
    if line.transaction_id is not None:
        references.setdefault("transaction_id", line.transaction_id)
    text = " ".join(part for part in (line.counterparty, line.remittance) if part)
    section = section_of(relation, line.side)
    return CaseLine(section, line.side, line.line_id, line.amount_minor, line.asset, line.date, references, text)


class Read(NamedTuple):
    """A report, how its amounts are written, and the proofs of its days."""

    report: Report
    amounts: Amounts
    proofs: tuple[Proof, ...]


async def read_report(reader: TopicReader, period: Period | None, today: str) -> Read:
    """The report of a period, or of everything until now.

    Raises:
        OperationError: a topic is missing, cannot be read, or holds what it should not.
    """
    results, exceptions = Results(period), Exceptions(period)
    async for records in reader.read(RECONCILIATION_RESULTS):
        for record in records:
            try:
                results.take(decode_result(record.value or b""))
            except msgspec.MsgspecError as error:
                raise misplaced(record, error) from error
    async for records in reader.read(RECONCILIATION_EXCEPTIONS):
        for record in records:
            try:
                exceptions.take(decode_exception(record.value or b""))
            except msgspec.MsgspecError as error:
                raise misplaced(record, error) from error
    imports = Imports(period)
    async for records in reader.read(EXTERNAL_STATEMENTS):
        for record in records:
            # Lines are most of it.
            if b'"kind":"line"' in (record.value or b"")[:32]:
                continue
            try:
                imports.take(decode_external(record.value or b""), rfc3339(record.timestamp)[:10])
            except msgspec.MsgspecError as error:
                raise misplaced(record, error) from error
    report = Report(
        "Reconciliation",
        None if period is None else (period.first, period.last),
        today if period is None else period.last,
        tuple(results.matched()),
        tuple(results.expected()),
        tuple(exceptions.cases()),
        exceptions.done(),
        tuple(results.notes()),
        tuple(imports.imported()),
        tuple(imports.refused()),
    )
    return Read(report, await read_amounts(reader), proofs_of(list((await read_published(reader)).values()), period))


def proofs_of(proofs: list[Proof], period: Period | None) -> tuple[Proof, ...]:
    """Proofs of the days of a period; without one those of the latest day that there are any of. Pure."""
    latest = max((one.day for one in proofs), default="")
    first, last = (latest, latest) if period is None else period
    found = [one for one in proofs if first <= one.day <= last]
    return tuple(sorted(found, key=lambda one: (one.day, one.proof_id)))

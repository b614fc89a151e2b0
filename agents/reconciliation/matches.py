"""What a matching does to single matches, and to exceptions whose lines it gets or gives back. Pure."""

from __future__ import annotations

from hashlib import sha256

from agents.reconciliation.cases import changed, noted
from agents.reconciliation.matching.lines import Line
from agents.reconciliation.turn import Turn, day_of
from schemas.reconciliation_events import MATCH_UNDONE
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_lines import BookLine
from schemas.reconciliation_results import UnmatchRecord, encode_result
from schemas.topics import RECONCILIATION_RESULTS


def undo(turn: Turn, book: str, match_id: str, why: str, by: str | None) -> None:
    """A match does not count any more; told with who says so and why."""
    held = turn.state.matches.get(f"{book} {match_id}")
    if held is None:
        return
    turn.write(turn.event(MATCH_UNDONE, book=book, relation=held.relation, match_id=match_id, message=why, by=by))
    record = UnmatchRecord(
        match_id=match_id,
        book=book,
        relation=held.relation,
        why=why,
        by=by,
        recorded_at=turn.context.recorded_at,
    )
    turn.out.send(RECONCILIATION_RESULTS, turn.context.partition, book.encode(), encode_result(record))


def is_frozen(exception: ReconciliationException) -> bool:
    """Whether the matcher is kept away from its lines: people have taken it in hand."""
    return exception.pinned or exception.state == "approved"


def matcher_line(line: BookLine) -> Line:
    """A line as the matcher takes it.

    What the ledger says moved on a rail is less the rail's fee already, whatever a pass takes off lines of that side.
    """
    return Line(
        line_id=line.line_id,
        amount_minor=line.amount_minor,
        asset=line.asset,
        day=day_of(line.date),
        references=line.references,
        fee_minor=0 if line.side == "ledger" else line.fee_minor,
        kind="reversal" if line.reversal else "payment",
    )


def hash_of(*parts: str) -> str:
    """An id that follows from its parts."""
    return sha256("\n".join(parts).encode()).hexdigest()[:32]


def seniority(exception: ReconciliationException) -> tuple[bool, str, str]:
    """Which exception a case goes on as: one that people are at, then the oldest."""
    return exception.state == "open" and not exception.history[1:], exception.opened_at, exception.exception_id


def reopened(exception: ReconciliationException) -> ReconciliationException:
    """A closed exception whose lines are open once more."""
    state = "open" if exception.assignee is None else "assigned"
    return changed(exception, state=state, proposal=None, merged_into=None)


def withdrawn(exception: ReconciliationException, at: str, why: str) -> ReconciliationException:
    """The exception without its proposal, which is void."""
    state = "open" if exception.assignee is None else "assigned"
    return noted(changed(exception, state=state, proposal=None), at, "withdrawn", text=why)

"""The ledger answers the posting of a resolution: it is resolved, or open again with the ledger's code. Pure."""

from __future__ import annotations

import msgspec

from agents.reconciliation.cases import changed, noted, tell
from agents.reconciliation.resolving import resolve
from agents.reconciliation.turn import Turn
from schemas.reconciliation_events import LINES_TAKEN, POSTING_UNEXPECTED
from schemas.reconciliation_exceptions import Posting, ReconciliationException
from schemas.reconciliation_internal import PostingAnswer


def take_answer(turn: Turn, answer: PostingAnswer) -> None:
    """End what an approval has begun. An answer that nobody waits for is noted, and its lines count as all others."""
    exception = turn.state.open.get(f"{answer.book} {answer.exception_id}")
    at_ms = turn.context.recorded_at_ms + turn.limits.rematch_interval_ms
    due_at_ms = turn.due_by(answer.book, at_ms)
    if exception is None or not _waits_for(exception, answer):
        message = f"no exception {answer.exception_id} waits for proposal {answer.number}: {answer.code}"
        turn.write(
            turn.event(
                POSTING_UNEXPECTED,
                book=answer.book,
                lines=answer.lines,
                code=answer.code,
                message=message,
                due_at_ms=due_at_ms,
            )
        )
        return
    if answer.code != "ok":
        _reopen(turn, exception, answer)
        return
    if answer.lines:
        turn.write(turn.event(LINES_TAKEN, book=answer.book, lines=answer.lines, due_at_ms=due_at_ms))
    posted = _with_posting(exception, answer, "posted")
    resolve(turn, noted(posted, turn.context.recorded_at, "posted", text=answer.transaction_id), answer.lines)


def _waits_for(exception: ReconciliationException, answer: PostingAnswer) -> bool:
    proposal = exception.proposal
    return exception.state == "approved" and proposal is not None and proposal.number == answer.number


def _reopen(turn: Turn, exception: ReconciliationException, answer: PostingAnswer) -> None:
    rejected = _with_posting(exception, answer, "rejected")
    state = "open" if exception.assignee is None else "assigned"
    text = f"the ledger has rejected its posting: {answer.code}, {answer.message or 'no message'}"
    done = noted(changed(rejected, state=state), turn.context.recorded_at, "reopened", text=text)
    tell(turn, done, "reopened", turn.due_by(exception.book, turn.context.recorded_at_ms))


def _with_posting(exception: ReconciliationException, answer: PostingAnswer, state: str) -> ReconciliationException:
    proposal = exception.proposal
    assert proposal is not None
    assert proposal.posting is not None
    posting: Posting = msgspec.structs.replace(
        proposal.posting,
        state=state,
        code=answer.code,
        message=answer.message,
        transaction_id=answer.transaction_id,
    )
    return changed(exception, proposal=msgspec.structs.replace(proposal, posting=posting))

"""The workflow of an exception, as a pure state machine: who may do what in which state.

open -> assigned -> proposed -> approved (a posting is under way) -> resolved; rejected is proposed anew. Whoever has
proposed something never approves it, whatever the spelling of their name.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from agents.reconciliation.cases import changed, noted
from schemas.people import same_person
from schemas.reconciliation_decisions import Approve, Assign, CommentOn, Hold, OnException, Propose, Reject
from schemas.reconciliation_exceptions import OPEN_STATES, Proposal, ReconciliationException

#: Longest time that an exception is held, in days.
MOST_HELD_DAYS: Final = 366

#: Code of a refusal -> what it says.
REFUSALS: Final[dict[str, str]] = {
    "malformed": "the decision does not fit its contract",
    "not_found": "there is no such exception or match in the book, or it ended too long ago",
    "wrong_state": "the exception is in a state in which this is not done",
    "being_matched": "its book is being matched, and its lines have gone elsewhere: a moment later it says what it is",
    "stale_proposal": "another proposal than the one named is there",
    "four_eyes": "who has proposed it cannot approve it",
    "decision_id_used": "another decision had this id",
    "unbalanced": "the two sides do not come to the same amount",
    "needs_evidence": "what posts nothing needs evidence",
    "needs_wallet": "no wallet is known in whose partition it could be booked",
    "nothing_to_post": "there is no difference that could be posted",
    "line_unknown": "the book has no such line in this relation",
    "line_taken": "a line belongs to another exception or match that people have decided",
    "wrong_kind": "this kind of resolution does not fit the exception",
    "too_large": "what it leads to is too large for the broker",
    "bad_date": "there is no such day, or it is too far away",
}


class Refused(Exception):
    """A decision is not done. `code` is one of `REFUSALS`."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


def check_state(exception: ReconciliationException, decision: OnException) -> None:
    """
    Raises:
        Refused: the exception is in no state in which this is decided.
    """
    state = exception.state
    if isinstance(decision, CommentOn):
        return
    if state not in OPEN_STATES:
        raise Refused("wrong_state", f"it is {state}: only comments are added")
    if isinstance(decision, Approve | Reject):
        _check_proposal(exception, decision)
    elif state == "approved":
        raise Refused("wrong_state", "it is approved, and the ledger has not answered its posting yet")
    elif isinstance(decision, Propose) and state == "proposed":
        raise Refused("wrong_state", f"proposal {exception.proposals} waits to be approved or rejected first")


def _check_proposal(exception: ReconciliationException, decision: Approve | Reject) -> None:
    proposal = exception.proposal
    if exception.state != "proposed" or proposal is None:
        raise Refused("wrong_state", f"it is {exception.state}: nothing waits to be approved or rejected")
    if decision.number != proposal.number:
        raise Refused("stale_proposal", f"proposal {proposal.number} waits, not {decision.number}: look at that one")
    if isinstance(decision, Approve) and same_person(decision.by, proposal.proposed_by):
        raise Refused("four_eyes", f"{proposal.proposed_by} has proposed it: somebody else approves it")


def decided(
    exception: ReconciliationException, decision: Assign | CommentOn | Hold | Reject, at: str, today: int
) -> ReconciliationException:
    """The exception after a decision that moves no line and no money; its state was checked.

    Args:
        exception: as it is.
        decision: what was decided.
        at: when, RFC 3339.
        today: day of that time, as `date.toordinal` has it.

    Raises:
        Refused: it is not done.
    """
    if isinstance(decision, Assign):
        state = "assigned" if exception.state in ("open", "rejected") else exception.state
        done = changed(exception, state=state, assignee=decision.to)
        return noted(done, at, "assigned", decision.by, f"to {decision.to}")
    if isinstance(decision, CommentOn):
        return noted(exception, at, "commented", decision.by, decision.text, decision.evidence_ref)
    if isinstance(decision, Hold):
        return _held(exception, decision, at, today)
    assert exception.proposal is not None
    proposal = changed_proposal(exception.proposal, decision.by, at)
    done = changed(exception, state="rejected", proposal=proposal)
    return noted(done, at, "rejected", decision.by, decision.reason)


def _held(exception: ReconciliationException, decision: Hold, at: str, today: int) -> ReconciliationException:
    try:
        until = date.fromisoformat(decision.until).toordinal()
    except ValueError:
        raise Refused("bad_date", f"there is no day {decision.until}") from None
    if until > today + MOST_HELD_DAYS:
        raise Refused("bad_date", f"{decision.until} is more than {MOST_HELD_DAYS} days away")
    held_until = decision.until if until > today else None
    what = "held" if held_until is not None else "hold_ended"
    return noted(changed(exception, held_until=held_until), at, what, decision.by, decision.reason)


def proposed(exception: ReconciliationException, proposal: Proposal, at: str) -> ReconciliationException:
    """The exception with a proposal that another person approves or rejects."""
    done = changed(exception, state="proposed", proposal=proposal, proposals=proposal.number)
    text = proposal.reason_code if proposal.comment is None else f"{proposal.reason_code}: {proposal.comment}"
    what = f"proposed {proposal.number}: {proposal.kind}"
    return noted(done, at, what, proposal.proposed_by, text, proposal.evidence_ref)


def changed_proposal(proposal: Proposal, by: str, at: str) -> Proposal:
    """The proposal, decided by somebody."""
    return msgspec.structs.replace(proposal, decided_by=by, decided_at=at)

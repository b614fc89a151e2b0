"""What people decide: taken once, refused with the reason, or dead-lettered where it cannot be read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from agents.reconciliation.cases import Case, aged, case_id, changed, noted, opened, tell
from agents.reconciliation.matches import undo
from agents.reconciliation.resolving import check, proposal_of, resolve
from agents.reconciliation.state import line_key
from agents.reconciliation.turn import Turn
from agents.reconciliation.workflow import Refused, changed_proposal, check_state, decided, proposed
from schemas.partitioning import partition_of
from schemas.reconciliation_decisions import Approve, OnException, Propose, Unmatch, read_decision
from schemas.reconciliation_events import (
    DECISION_REFUSED,
    DECISION_REPEATED,
    DECISION_TAKEN,
    DecisionFacts,
)
from schemas.reconciliation_exceptions import OPEN_STATES, Posting, ReconciliationException
from schemas.reconciliation_internal import ForwardedDecision, encode_reconciliation_internal
from schemas.reconciliation_lines import BookLine, Relation, sides_of
from schemas.topics import OPERATOR_COMMANDS, RECONCILIATION_INTERNAL
from streams.dead_letters import keep_dead_letter

_encode: Final = msgspec.json.Encoder().encode
_NAMES: Final = {"comment": "commented", "assign": "assigned", "hold": "held", "reject": "rejected"}


def take_decision(turn: Turn, value: bytes) -> None:
    """One event on the decision, beside what it leads to; what came to a wrong partition is sent on."""
    try:
        decision = read_decision(value)
    except ValidationError as error:
        first: dict[str, Any] = dict(error.errors(include_url=False, include_input=False)[0])
        message = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
        _malformed(turn, message)
        return
    home = partition_of(decision.book, turn.context.partitions)
    if home != turn.context.partition:
        forwarded = ForwardedDecision(value=value.decode())
        key = decision.book.encode()
        turn.out.send(RECONCILIATION_INTERNAL, home, key, encode_reconciliation_internal(forwarded))
        return
    _take(turn, decision, _facts(decision))


def refuse_too_large(turn: Turn, value: bytes) -> None:
    """What the decision leads to does not fit through the broker: whoever waits for it hears so."""
    try:
        decision = read_decision(value)
    except ValidationError:
        return
    message = "what it leads to is too large for the broker: it is about too many lines; nothing is done"
    _refuse(turn, decision, _facts(decision), Refused("too_large", message))


def _facts(decision: OnException | Unmatch) -> DecisionFacts:
    return DecisionFacts(
        decision_id=decision.decision_id,
        kind=decision.kind,
        by=decision.by,
        digest=sha256(decision.model_dump_json().encode()).hexdigest(),
        exception_id=None if isinstance(decision, Unmatch) else decision.exception_id,
    )


def _take(turn: Turn, decision: OnException | Unmatch, facts: DecisionFacts) -> None:
    book = decision.book
    held = turn.state.decisions.get(f"{book} {facts.decision_id}", turn.context.recorded_at_ms)
    if held is not None and held.digest == facts.digest:
        message = f"it was refused: {held.refused}" if held.refused else "it was taken"
        turn.write(turn.event(DECISION_REPEATED, book=book, decision=facts, message=f"{message}; nothing is done"))
        return
    if held is not None:
        # Not remembered under its id: that stays the first one's.
        message = "another decision had this decision_id: give each its own"
        told = msgspec.structs.replace(facts, decision_id=f"{facts.decision_id}#{facts.digest[:16]}")
        turn.write(turn.event(DECISION_REFUSED, book=book, decision=told, code="decision_id_used", message=message))
        return
    try:
        if isinstance(decision, Unmatch):
            _unmatch(turn, decision)
        else:
            _on_exception(turn, decision)
    except Refused as refusal:
        _refuse(turn, decision, facts, refusal)
        return
    turn.write(turn.event(DECISION_TAKEN, book=book, decision=facts, by=decision.by))


def _refuse(turn: Turn, decision: OnException | Unmatch, facts: DecisionFacts, refusal: Refused) -> None:
    """Recorded in the log; an approval by who has proposed it in the history of the exception as well."""
    event = turn.event(DECISION_REFUSED, book=decision.book, decision=facts, by=decision.by, message=str(refusal))
    event.code = refusal.code
    turn.write(event)
    if refusal.code == "four_eyes" and not isinstance(decision, Unmatch):
        exception = turn.state.open.get(f"{decision.book} {decision.exception_id}")
        if exception is not None:
            at = turn.context.recorded_at
            tell(turn, noted(exception, at, "approval_refused", decision.by, str(refusal)), "approval_refused")


def _malformed(turn: Turn, message: str) -> None:
    turn.write(turn.event(DECISION_REFUSED, code="malformed", message=message[:500]))
    keep_dead_letter(turn.context, turn.out, turn.record, "malformed", "decode")


def _on_exception(turn: Turn, decision: OnException) -> None:
    at, at_ms = turn.context.recorded_at, turn.context.recorded_at_ms
    exception = turn.state.exception(decision.book, decision.exception_id, at_ms)
    if exception is None:
        raise Refused(
            "not_found",
            f"{decision.book} has no exception {decision.exception_id}, or it ended long ago: "
            "`walletstream reconcile exceptions` lists them",
        )
    check_state(exception, decision)
    _check_lines(turn, exception)
    if isinstance(decision, Propose):
        proposal = proposal_of(turn, exception, decision)
        tell(turn, proposed(exception, proposal, at), "proposed")
    elif isinstance(decision, Approve):
        _approve(turn, exception, decision)
    else:
        now = decided(exception, decision, at, turn.today)
        if now.state in OPEN_STATES:
            now = aged(turn, now)
        tell(turn, now, _NAMES[decision.kind])


def _check_lines(turn: Turn, exception: ReconciliationException) -> None:
    """Whether its lines are in it still: a matching that takes several ticks has taken some, and not told it yet."""
    if exception.state not in OPEN_STATES:
        return
    for line in exception.lines:
        held = turn.state.lines.get(line_key(exception.book, line))
        if held is not None and held.fates.get(exception.relation) != f"E{exception.exception_id}":
            raise Refused(
                "being_matched", "its book is being matched anew and its lines have changed: look at it again"
            )


def _approve(turn: Turn, exception: ReconciliationException, decision: Approve) -> None:
    proposal = exception.proposal
    assert proposal is not None
    check(turn, exception, proposal)
    at = turn.context.recorded_at
    proposal = changed_proposal(proposal, decision.by, at)
    if proposal.posting is None:
        approved = noted(changed(exception, proposal=proposal), at, "approved", decision.by)
        resolve(turn, approved)
        return
    posting = msgspec.structs.replace(proposal.posting, state="sent")
    proposal = msgspec.structs.replace(proposal, posting=posting)
    tell(turn, noted(changed(exception, state="approved", proposal=proposal), at, "approved", decision.by), "approved")
    _order(turn, exception, posting)


def _order(turn: Turn, exception: ReconciliationException, posting: Posting) -> None:
    """The `adjust`, in the transaction that approves it: exactly once, and its key is the proposal's for ever."""
    approved = turn.state.open.get(f"{exception.book} {exception.exception_id}")
    assert approved is not None
    proposal = approved.proposal
    assert proposal is not None
    command = {
        "operation": "adjust",
        "idempotency_key": posting.idempotency_key,
        "wallet_id": posting.wallet_id,
        "from_account": posting.from_account,
        "to_account": posting.to_account,
        "amount_minor": posting.amount_minor,
        "asset": posting.asset,
        "exception_id": exception.exception_id,
        "requested_by": proposal.proposed_by,
        "approved_by": proposal.decided_by,
        "reason_code": proposal.reason_code,
    }
    if proposal.evidence_ref is not None:
        command["evidence_ref"] = proposal.evidence_ref
    partition = partition_of(posting.wallet_id, turn.context.partitions)
    turn.out.send(OPERATOR_COMMANDS, partition, posting.wallet_id.encode(), _encode(command))


def _unmatch(turn: Turn, decision: Unmatch) -> None:
    match = turn.state.matches.get(f"{decision.book} {decision.match_id}")
    if match is None:
        raise Refused(
            "not_found", f"{decision.book} has no match {decision.match_id} that is kept; the results topic lists them"
        )
    lines = [
        held.line
        for line_id in (*match.left_ids, *match.right_ids)
        if (held := turn.state.find_line(decision.book, line_id)) is not None
    ]
    undo(turn, decision.book, decision.match_id, decision.reason, decision.by)
    fresh = opened(turn, decision.book, match.relation, Case(tuple(lines), _reason_of(match.relation, lines)))
    fresh = changed(
        fresh,
        exception_id=case_id(decision.book, decision.match_id, [decision.decision_id]),
        pinned=True,
        sentence=f"Taken apart by {decision.by}: {decision.reason}",
    )
    text = decision.reason if match.exception_id is None else f"{decision.reason} (of exception {match.exception_id})"
    noted_ = noted(fresh, turn.context.recorded_at, "opened", decision.by, text)
    tell(turn, noted_, "opened", turn.due_by(decision.book, turn.context.recorded_at_ms))


def _reason_of(relation: Relation, lines: Sequence[BookLine]) -> str:
    """What differs between lines that people have taken apart; perhaps nothing but that they say so."""
    left, right = sides_of(relation)
    if left == right:
        return next((line.reason for line in lines if line.reason), "reference")
    sides = {line.side for line in lines}
    if sides == {left} or sides == {right}:
        return "missing_right" if left in sides else "missing_left"
    if len({line.asset for line in lines}) > 1:
        return "currency"
    lefts, rights = (sum(line.amount_minor for line in lines if line.side == side) for side in (left, right))
    if lefts == rights:
        return "reference"
    # Of two outflows the larger one is more.
    is_more = rights < lefts if lefts < 0 and rights < 0 else rights > lefts
    return "amount_over" if is_more else "amount_under"

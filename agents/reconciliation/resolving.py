"""How an exception can be resolved: what a proposal may say, what it posts, and what becomes of the lines. Pure.

Whatever is posted makes the ledger say what the other side says: a posting that would leave a difference is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from agents.reconciliation.cases import Case, case_id, changed, difference_minor, noted, opened, tell
from agents.reconciliation.matches import is_frozen, undo
from agents.reconciliation.postings import check_posting, posting_of
from agents.reconciliation.state import HeldLine
from agents.reconciliation.turn import Turn, date_of
from agents.reconciliation.workflow import Refused
from schemas.reconciliation_decisions import Correct, Propose, WriteOff
from schemas.reconciliation_events import MATCH_MADE
from schemas.reconciliation_exceptions import Proposal, ReconciliationException
from schemas.reconciliation_lines import BookLine, Relation, sides_of
from schemas.reconciliation_results import MatchRecord, encode_result
from schemas.topics import RECONCILIATION_RESULTS

#: Name of the pass of what people have decided.
RESOLUTION: Final = "resolution"


def proposal_of(turn: Turn, exception: ReconciliationException, decision: Propose) -> Proposal:
    """What somebody proposes, checked, with the posting that it leads to.

    Raises:
        Refused: it would not resolve the exception.
    """
    resolution = decision.resolution
    proposal = Proposal(
        number=exception.proposals + 1,
        kind=resolution.kind,
        reason_code=decision.reason_code,
        comment=decision.comment,
        evidence_ref=decision.evidence_ref,
        line_ids=resolution.line_ids if resolution.kind == "match" else (),
        groups=resolution.groups if resolution.kind == "split" else (),
        proposed_by=decision.by,
        proposed_at=turn.context.recorded_at,
    )
    if isinstance(resolution, WriteOff | Correct):
        proposal = msgspec.structs.replace(proposal, posting=posting_of(turn, exception, resolution, proposal.number))
    check(turn, exception, proposal)
    return proposal


def check(turn: Turn, exception: ReconciliationException, proposal: Proposal) -> None:
    """Whether the proposal resolves the exception as it is now; asked when it is proposed and when it is approved.

    Raises:
        Refused: it does not.
    """
    match proposal.kind:
        case "match" | "split" if exception.relation == "statement":
            raise Refused("wrong_kind", "it is about a statement, and has no lines")
        case "match":
            lines = (*exception.lines, *_others(turn, exception, proposal.line_ids))
            _check_balanced(exception.relation, lines)
        case "split":
            _check_groups(exception, proposal.groups)
        case "no_posting":
            if proposal.evidence_ref is None:
                raise Refused("needs_evidence", "nothing is posted: name the evidence that explains it")
        case "rematch":
            if not exception.pinned:
                raise Refused("wrong_kind", "the matcher has its lines anyway")
        case _:
            assert proposal.posting is not None
            check_posting(turn, exception, proposal.posting)


# ---- lines ------------------------------------------------------------------------------------


def _others(turn: Turn, exception: ReconciliationException, line_ids: Iterable[str]) -> list[BookLine]:
    """Further lines that belong to it: of this relation, and in nobody else's hands."""
    sides = sides_of(exception.relation)
    own = {line.line_id for line in exception.lines}
    found = []
    for line_id in dict.fromkeys(line_ids):
        if line_id in own:
            continue
        held = turn.state.find_line(exception.book, line_id)
        if held is None or held.line.side not in sides:
            raise Refused("line_unknown", f"{exception.relation} of {exception.book} has no line {line_id}")
        _check_free(turn, exception, held)
        found.append(held.line)
    return found


def _check_free(turn: Turn, exception: ReconciliationException, held: HeldLine) -> None:
    fate = held.fates.get(exception.relation)
    if fate is None or fate == f"E{exception.exception_id}":
        return
    line_id = held.line.line_id
    if fate[0] == "E":
        other = turn.state.open.get(f"{exception.book} {fate[1:]}")
        if other is not None and (is_frozen(other) or other.state == "proposed"):
            raise Refused("line_taken", f"line {line_id} is in exception {fate[1:]}, which is {other.state}")
        return
    match = turn.state.matches.get(f"{exception.book} {fate[1:]}")
    if match is None or match.exception_id is not None:
        raise Refused("line_taken", f"line {line_id} is in match {fate[1:]}, which people have decided: unmatch that")


def _check_balanced(relation: Relation, lines: Sequence[BookLine]) -> None:
    left, right = sides_of(relation)
    if left == right:
        raise Refused("wrong_kind", f"{relation} has one side: there is nothing to match it with")
    sides = {line.side for line in lines}
    if not {left, right} <= sides:
        raise Refused("unbalanced", f"all lines are of one side: name lines of the {right if left in sides else left}")
    wrong = {asset: minor for asset, minor in difference_minor(relation, lines).items() if minor}
    if wrong:
        told = ", ".join(f"{minor} {asset}" for asset, minor in sorted(wrong.items()))
        raise Refused("unbalanced", f"the sides differ by {told} (minor units): write it off, or correct it")


def _check_groups(exception: ReconciliationException, groups: Sequence[Sequence[str]]) -> None:
    named = [line_id for group in groups for line_id in group]
    own = {line.line_id: line for line in exception.lines}
    if len(named) != len(set(named)) or set(named) != own.keys():
        raise Refused("line_unknown", "every line of the exception stands in exactly one group, and no other does")
    left, right = sides_of(exception.relation)
    for group in groups:
        lines = [own[line_id] for line_id in group]
        if left != right and len({line.side for line in lines}) == 2:
            _check_balanced(exception.relation, lines)


# ---- doing it ---------------------------------------------------------------------------------


def resolve(turn: Turn, exception: ReconciliationException, posted: tuple[BookLine, ...] = ()) -> None:
    """What was approved is done: the lines belong together from now on, and the exception is resolved.

    `posted` are own lines of its posting; they are in the book already.

    Raises:
        Refused: the lines are not as they were when it was proposed.
    """
    proposal = exception.proposal
    assert proposal is not None
    others = _others(turn, exception, proposal.line_ids) if proposal.kind == "match" else []
    at, by = turn.context.recorded_at, proposal.decided_by
    done = noted(changed(exception, state="resolved", pinned=False), at, "resolved", by, proposal.kind)
    tell(turn, done, "resolved", turn.due_by(exception.book, turn.context.recorded_at_ms))
    if proposal.kind == "rematch":
        return
    if proposal.kind == "split":
        _split(turn, exception, proposal)
        return
    _free(turn, exception, others)
    lines = [line for line in (*exception.lines, *others) if turn.state.find_line(exception.book, line.line_id)]
    own = [line for line in posted if line.side in _sides(exception.relation)]
    _make(turn, exception, proposal, exception.relation, [*lines, *own], "")
    for line in posted:
        if line not in own:
            _settle_elsewhere(turn, exception, proposal, line)


def _sides(relation: Relation) -> tuple[str, ...]:
    return () if relation == "statement" else sides_of(relation)


def _settle_elsewhere(turn: Turn, exception: ReconciliationException, proposal: Proposal, line: BookLine) -> None:
    """A line of the posting on a side that the exception's relation has not: it is explained in all its relations."""
    relations = (
        ["suspense"]
        if line.side == "suspense"
        else [
            each.relation
            for each in turn.followed.book(exception.book).relations
            if line.side in sides_of(each.relation)
        ]
    )
    for relation in relations:
        _make(turn, exception, proposal, relation, [line], relation)  # type: ignore[arg-type]


def _free(turn: Turn, exception: ReconciliationException, others: Iterable[BookLine]) -> None:
    """Take lines out of the matches of the matcher that they are in."""
    for line in others:
        held = turn.state.find_line(exception.book, line.line_id)
        fate = None if held is None else held.fates.get(exception.relation)
        if fate is not None and fate[0] == "M":
            undo(turn, exception.book, fate[1:], f"a line of it belongs to exception {exception.exception_id}", None)


def _split(turn: Turn, exception: ReconciliationException, proposal: Proposal) -> None:
    own = {line.line_id: line for line in exception.lines}
    left, right = sides_of(exception.relation)
    for number, group in enumerate(proposal.groups):
        lines = [own[line_id] for line_id in group if turn.state.find_line(exception.book, line_id)]
        if left != right and len({line.side for line in lines}) == 2:
            _make(turn, exception, proposal, exception.relation, lines, str(number))
        elif lines:
            reason = "missing_right" if lines[0].side == left else "missing_left"
            fresh = opened(turn, exception.book, exception.relation, Case(tuple(lines), reason))
            seed = case_id(exception.book, exception.exception_id, [str(number)])
            fresh = changed(fresh, pinned=True, exception_id=seed)
            tell(turn, noted(fresh, turn.context.recorded_at, "opened", text=f"of {exception.exception_id}"), "opened")


def _make(
    turn: Turn,
    exception: ReconciliationException,
    proposal: Proposal,
    relation: Relation,
    lines: Sequence[BookLine],
    seed: str,
) -> None:
    if not lines:
        return
    left, right = sides_of(relation)
    lefts = [line for line in lines if line.side == left]
    rights = [line for line in lines if line.side == right and left != right]
    differences = difference_minor(relation, lines)
    asset = max(differences, key=lambda name: (abs(differences[name]), name))
    match = MatchRecord(
        match_id=case_id(exception.book, exception.exception_id, [str(proposal.number), seed]),
        book=exception.book,
        relation=relation,
        pass_name=RESOLUTION,
        left_ids=tuple(line.line_id for line in lefts),
        right_ids=tuple(line.line_id for line in rights),
        asset=asset,
        amount_minor=sum(line.amount_minor for line in lefts if line.asset == asset),
        difference_minor=differences[asset],
        confidence=100,
        exception_id=exception.exception_id,
        proposed_by=proposal.proposed_by,
        approved_by=proposal.decided_by,
        rules_version=turn.followed.book(exception.book).version,
        date=date_of(turn.today),
        recorded_at=turn.context.recorded_at,
    )
    turn.write(turn.event(MATCH_MADE, book=exception.book, relation=relation, match=match))
    turn.out.send(RECONCILIATION_RESULTS, turn.context.partition, exception.book.encode(), encode_result(match))

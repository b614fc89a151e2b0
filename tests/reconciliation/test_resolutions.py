"""What people do with exceptions: match, split, correct, hold, take apart."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from agents.reconciliation.turn import Limits
from schemas.reconciliation_events import decode_reconciliation_event
from schemas.topics import RECONCILIATION_DECISIONS
from streams.machine import Context, Output
from tests.reconciliation.resolving import (
    EVIDENCE,
    by_reason,
    check_fates,
    missing_on_both_sides,
    propose,
    refusals,
    resolve,
    restart_all,
)
from tests.reconciliation.test_role import short_paid
from tests.reconciliation.world import World

Json = dict[str, Any]


def test_lines_of_several_exceptions_are_matched_by_people_and_all_of_them_end() -> None:
    world = missing_on_both_sides()
    (theirs,) = by_reason(world)["missing_left"]
    ours = by_reason(world)["missing_right"]
    propose(world, theirs, kind="match", line_ids=[ours[0].lines[0].line_id])
    assert refusals(world) == ["unbalanced"]
    resolve(world, theirs, kind="match", line_ids=[each.lines[0].line_id for each in ours])
    world.run()
    assert world.open() == []
    states = {each.state for each in world.exceptions().values()}
    assert states == {"resolved", "closed"}
    check_fates(world)
    # What people have decided stays, whatever is imported again later.
    world.statement((15_000, "X"))
    world.later(days=9)
    assert [each.reason for each in world.open()] != []
    assert world.exceptions()[theirs.exception_id].state == "resolved"
    restart_all(world)


def test_a_split_leaves_the_rest_as_an_exception_that_the_matcher_is_kept_away_from() -> None:
    world = short_paid()
    (short,) = world.open()
    ours, theirs = (next(line for line in short.lines if line.side == side) for side in ("ledger", "partner"))
    propose(world, short, kind="split", groups=[[ours.line_id], ["nobody"]])
    assert refusals(world) == ["line_unknown"]
    resolve(world, short, kind="split", groups=[[ours.line_id], [theirs.line_id]])
    assert sorted((each.reason, each.pinned) for each in world.open()) == [
        ("missing_left", True),
        ("missing_right", True),
    ]
    world.later(days=9)
    assert len(world.open()) == 2
    (missing,) = by_reason(world)["missing_right"]
    resolve(world, missing, kind="rematch")
    world.later(seconds=61)
    assert world.exceptions()[missing.exception_id].state == "resolved"
    check_fates(world)
    restart_all(world)


def test_a_correction_mends_the_whole_difference_or_is_refused() -> None:
    world = short_paid()
    (short,) = world.open()
    accounts = {"kind": "correct", "from_account": "system/fees", "to_account": "system/rail:sepa", "asset": "EUR"}
    propose(world, short, **accounts, amount_minor=19_999)
    propose(world, short, **accounts | {"asset": "USD"}, amount_minor=20_000)
    propose(
        world,
        short,
        **accounts | {"from_account": "system/rail:sepa", "to_account": "w2/main/available"},
        amount_minor=20_000,
    )
    assert refusals(world) == ["unbalanced"] * 3
    resolve(world, short, **accounts, amount_minor=20_000)
    world.answer()
    world.later(days=9)
    assert world.open() == []
    (match,) = [e.match for e in world.events("match.made") if e.match is not None and e.match.exception_id]
    assert (match.difference_minor, match.proposed_by, match.approved_by) == (0, "op:ines", "op:omar")
    assert len(world.commands()) == 1
    check_fates(world)
    restart_all(world)


def test_nothing_is_posted_only_with_evidence_and_no_proposal_waits_beside_another() -> None:
    world = short_paid()
    (short,) = world.open()
    world.decide("propose", "op:ines", short, reason_code="known", resolution={"kind": "no_posting"})
    assert refusals(world) == ["needs_evidence"]
    propose(world, short, kind="no_posting")
    propose(world, short, kind="write_off")
    assert refusals(world)[1:] == ["wrong_state"]
    world.decide("reject", "op:omar", short, number=1, reason="look again")
    assert world.open()[0].state == "rejected"
    propose(world, short, kind="no_posting")
    world.decide("approve", "op:omar", short, number=1)
    assert refusals(world)[2:] == ["stale_proposal"]
    world.decide("approve", "op:omar", short, number=2)
    assert world.open() == []
    assert world.commands() == []


def test_a_held_exception_is_not_overdue_before_its_day() -> None:
    world = short_paid()
    (short,) = world.open()
    world.decide("hold", "op:ines", short, until="2026-12-31", reason="the partner looks")
    world.decide("hold", "op:ines", short, until="2026-02-31", reason="no day")
    world.decide("hold", "op:ines", short, until="2036-12-31", reason="too far")
    assert refusals(world) == ["bad_date", "bad_date"]
    world.later(days=20)
    (held,) = world.open()
    assert (held.held_until, held.due_date, held.overdue) == ("2026-12-31", "2026-12-31", False)
    world.later(days=20)
    (late,) = world.open()
    assert late.overdue
    assert late.severity == "high", "one step more than medium"
    restart_all(world)


def test_a_match_that_people_take_apart_stays_apart_until_they_let_the_matcher_have_it() -> None:
    world = short_paid()
    (match,) = [event.match for event in world.events("match.made") if event.match is not None]
    world.decide("unmatch", "op:ines", match_id=match.match_id, reason="another customer's")
    world.later(days=1)
    (apart,) = [each for each in world.open() if each.pinned]
    assert {line.line_id for line in apart.lines} == {*match.left_ids, *match.right_ids}
    assert apart.reason == "reference", "nothing else differs"
    assert [event.by for event in world.events("match.undone")] == ["op:ines"]
    world.decide("unmatch", "op:ines", match_id=match.match_id, reason="once more")
    assert refusals(world) == ["not_found"]
    resolve(world, apart, kind="rematch")
    world.run()
    assert len([e for e in world.events("match.made") if e.match and e.match.match_id == match.match_id]) == 2
    check_fates(world)
    restart_all(world)


def test_a_match_that_is_taken_apart_says_what_differs() -> None:
    world = short_paid()
    (short,) = world.open()
    assert (short.reason, short.difference_minor) == ("amount_under", -20_000)
    resolve(world, short, kind="no_posting")
    world.run()
    (decided,) = [event.match for event in world.events("match.made") if event.match and event.match.exception_id]
    world.decide("unmatch", "op:ines", match_id=decided.match_id, reason="the partner pays after all")
    (apart,) = world.open()
    assert (apart.reason, apart.difference_minor) == ("amount_under", -20_000)
    restart_all(world)


def test_a_resolution_that_does_not_fit_a_statement_is_refused_not_a_failure() -> None:
    world = World()
    world.statement((5, "X"), line_count=2)
    world.run()
    (unbalanced,) = world.open()
    propose(world, unbalanced, kind="match", line_ids=["x"])
    propose(world, unbalanced, kind="split", groups=[["x"], ["y"]])
    propose(world, unbalanced, kind="write_off", wallet_id="w1")
    accounts = {"from_account": "system/rail:sepa", "to_account": "system/fees", "amount_minor": 1, "asset": "EUR"}
    propose(world, unbalanced, kind="correct", wallet_id="w1", **accounts)
    propose(world, unbalanced, kind="rematch")
    assert refusals(world) == ["wrong_kind", "wrong_kind", "nothing_to_post", "nothing_to_post", "wrong_kind"]
    resolve(world, unbalanced, kind="no_posting")
    assert world.open() == []


@pytest.mark.parametrize("kind", ["comment", "assign", "hold", "propose", "approve"])
def test_nothing_is_decided_on_lines_that_a_matching_of_many_ticks_has_taken(kind: str) -> None:
    """The match is told in one tick and the end of the exception in the next: a decision comes in between."""
    world = World(partitions=1, limits=Limits(changes_at_once=1))
    (partition,) = world.all
    world.settled("w1", 10_000, "R1", rail_facts={"rail_reference": "R1", "value_date": "2026-11-02"})
    world.statement((5_000, "R9"))
    world.run()
    (missing,) = by_reason(world)["missing_right"]
    if kind == "approve":
        propose(world, missing, kind="write_off")
    world.statement((10_000, "R1"))
    partition.run(100)
    assert partition.tick()
    facts: dict[str, Json] = {
        "comment": {"text": "?"},
        "assign": {"to": "op:ines"},
        "hold": {"until": "2026-12-01", "reason": "?"},
        "propose": {"resolution": {"kind": "write_off"}, **EVIDENCE},
        "approve": {"number": 1},
    }
    decision = {"kind": kind, "book": "sepa", "decision_id": "x", "by": "op:omar", **facts[kind]}
    decision["exception_id"] = missing.exception_id
    world.send(RECONCILIATION_DECISIONS, 0, b"sepa", orjson.dumps(decision))
    partition.run(100)
    assert refusals(world) == ["being_matched"]
    world.run()
    assert world.exceptions()[missing.exception_id].state == "closed"
    (match,) = [event.match for event in world.events("match.made") if event.match is not None]
    state = partition.machine._turn(partition.overlay).state
    for line_id in (*match.left_ids, *match.right_ids):
        held = state.find_line("sepa", line_id)
        assert held is not None
        assert held.fates["ledger-partner"] == f"M{match.match_id}"
    assert world.commands() == []
    check_fates(world)
    restart_all(world)


def test_what_a_correction_posts_on_the_rail_of_another_book_is_a_line_of_that_book() -> None:
    """Booked over the wrong rail: it goes from one to the other, and the other's statement has it."""
    world = World()
    world.settled("w1", 10_000, "R1")
    world.settled("w2", 700, "R2")
    world.run()
    world.statement((700, "R2"))
    world.statement((10_000, "R1"), account="cards")
    world.later(days=9)
    (wrong,) = by_reason(world)["missing_right"]
    accounts = {"from_account": "system/rail:cards", "to_account": "system/rail:sepa", "asset": "EUR"}
    resolve(world, wrong, kind="correct", amount_minor=10_000, **accounts)
    world.answer()
    assert world.exceptions()[wrong.exception_id].state == "resolved"
    taken = {
        (event.book, line.account, line.amount_minor)
        for event in world.events("lines.taken")
        for line in event.lines
        if line.operation == "adjust"
    }
    assert taken == {("sepa", "system/rail:sepa", -10_000), ("cards", "system/rail:cards", 10_000)}
    made = [event.match for event in world.events("match.made") if event.match is not None]
    assert [each.difference_minor for each in made if each.exception_id is not None] == [0]
    (theirs,) = world.open()
    (ours,) = (line.line_id for event in world.events("lines.taken") for line in event.lines if event.book == "cards")
    assert (theirs.book, theirs.reason) == ("cards", "missing_left")
    proposal = {"kind": "match", "line_ids": [ours]}
    world.decide("propose", "op:ines", theirs, book="cards", resolution=proposal, **EVIDENCE)
    world.decide("approve", "op:omar", theirs, book="cards", number=1)
    assert (world.open(), refusals(world)) == ([], [])
    check_fates(world)
    restart_all(world)


def test_a_decision_that_leads_to_more_than_the_broker_takes_is_refused() -> None:
    """A match of thousands of lines that is taken apart would be one exception with all of them."""
    world = World(partitions=1)
    world.settled("w1", 10_000, "R1")
    world.run()
    world.statement((10_000, "R1"))
    world.run()
    (match,) = [event.match for event in world.events("match.made") if event.match is not None]
    value = {"kind": "unmatch", "book": "sepa", "decision_id": "d9", "by": "op:ines", "match_id": match.match_id}
    world.send(RECONCILIATION_DECISIONS, 0, b"sepa", orjson.dumps({**value, "reason": "not ours"}))
    (partition,) = world.all
    (record,) = world.topics[RECONCILIATION_DECISIONS, 0]
    out = Output("reconciliation-events", 0, partition.progress.sequence)
    context = Context(RECONCILIATION_DECISIONS, 0, 1, world.now_ms, "2026-11-23T04:51:01.000Z")
    partition.machine.oversized(partition.overlay, record, context, out)
    refused = [decode_reconciliation_event(value or b"") for _, value, _ in out.events][-1]
    assert refused.decision is not None
    assert (refused.type, refused.code, refused.decision.decision_id) == ("decision.refused", "too_large", "d9")

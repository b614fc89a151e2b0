"""What people do with exceptions: match, split, correct, hold, take apart; and what time and size do to a book."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest

from agents.reconciliation.rematch import rematch
from agents.reconciliation.turn import Limits, Turn
from schemas.reconciliation_books import DEFAULT_BOOK
from schemas.reconciliation_events import ReconciliationEvent
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.reconciliation_results import BookSummary, decode_result
from schemas.topics import MATCHING_RULES, RECONCILIATION_DECISIONS, RECONCILIATION_RESULTS
from tests.reconciliation.fates import wrong_fates
from tests.reconciliation.test_role import short_paid
from tests.reconciliation.world import World

Json = dict[str, Any]
EVIDENCE = {"reason_code": "known", "evidence_ref": "mail-7"}


def refusals(world: World) -> list[str | None]:
    return [event.code for event in world.events("decision.refused")]


def propose(world: World, exception: ReconciliationException, **resolution: Any) -> None:
    world.decide("propose", "op:ines", exception, resolution=resolution, **EVIDENCE)


def resolve(world: World, exception: ReconciliationException, **resolution: Any) -> None:
    """One person proposes, another approves; nobody refuses."""
    before = refusals(world)
    propose(world, exception, **resolution)
    number = world.exceptions()[exception.exception_id].proposals
    world.decide("approve", "op:omar", exception, number=number)
    assert refusals(world) == before


def restart_all(world: World) -> None:
    """Every partition's state is the fold of its log."""
    for partition in world.all:
        partition.restart()


def check_fates(world: World) -> None:
    """Every line is in at most one of match and exception of each relation, and those name it."""
    for partition in world.all:
        assert list(wrong_fates(partition.machine._turn(partition.overlay).state)) == []


def summary(world: World) -> BookSummary:
    told = [decode_result(value) for value in world.records(RECONCILIATION_RESULTS)]
    return [each for each in told if isinstance(each, BookSummary) and each.book == "sepa"][-1]


def missing_on_both_sides() -> World:
    """A line of the ledger and one of the partner that share nothing but the amount in sum: both are exceptions."""
    world = World()
    world.settled("w1", 10_000, "R1")
    world.settled("w2", 5_000, "R2")
    world.run()
    world.statement((15_000, "X"))
    world.run()
    world.later(days=9)
    return world


def by_reason(world: World) -> dict[str, list[ReconciliationException]]:
    found: dict[str, list[ReconciliationException]] = {}
    for each in world.open():
        found.setdefault(each.reason, []).append(each)
    return found


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


def test_late_truth_undoes_a_match_of_the_rules_and_says_so() -> None:
    world = World()
    world.settled("w1", 10_000, "ABC-1234567")
    world.run()
    # Alike in its reference: a match, until the line comes that it belongs to.
    world.statement((10_000, "ABC-1234568"))
    world.run()
    (first,) = [event.match for event in world.events("match.made") if event.match is not None]
    assert first.pass_name == "alike"
    world.settled("w2", 10_000, "ABC-1234568")
    world.later(seconds=61)
    (undone,) = world.events("match.undone")
    assert undone.match_id == first.match_id
    assert undone.by is None
    second = [event.match for event in world.events("match.made") if event.match is not None][-1]
    assert (second.pass_name, second.right_ids) == ("provider_reference", first.right_ids)
    check_fates(world)
    restart_all(world)


def test_lines_matched_long_ago_are_not_kept_and_their_statement_stays_known() -> None:
    world = World()
    world.settled("w1", 10_000, "R1")
    world.run()
    world.statement((10_000, "R1"))
    world.later(days=1)
    assert summary(world).totals[0].matched == 1
    for _ in range(12):
        world.later(days=1)
    assert len(world.events("lines.archived")) == 1
    assert summary(world).totals == ()
    for records in [world.topics["external-statements", partition] for partition in range(world.partitions)]:
        for record in list(records):
            world.send("external-statements", record_partition(world), record.key, record.value)
    world.later(days=9)
    assert len(world.events("statement.repeated")) == 1
    assert world.open() == []
    restart_all(world)


def record_partition(world: World) -> int:
    """Where the account's records stand."""
    return next(number for number in range(world.partitions) if world.topics["external-statements", number])


@pytest.mark.parametrize("changes_at_once", [1, 3, 1_000])
def test_more_changes_than_fit_at_once_follow_with_ticks_and_come_to_the_same(changes_at_once: int) -> None:
    world = World(limits=Limits(changes_at_once=changes_at_once))
    for number in range(10):
        world.settled(f"w{number}", 1_000 + number, f"R{number}")
    world.run()
    world.statement(*[(1_000 + number - 500 * (number == 3), f"R{number}") for number in range(9)], (7, "Z"), (7, "Z"))
    world.run()
    world.later(days=9)
    assert not summary(world).partial
    assert sorted(each.reason for each in world.open()) == [
        "amount_under",
        "missing_left",
        "missing_left",
        "missing_right",
    ]
    assert len(world.events("match.made")) == 8
    check_fates(world)
    restart_all(world)


def test_money_on_its_way_for_too_long_is_an_exception_until_it_settles() -> None:
    world = World()
    pending = {"account": "system/rail-pending:sepa", "asset": "EUR"}
    wallet = {"account": "w1/main/incoming", "asset": "EUR"}
    common = {"transaction_id": "5" * 32, "operation": "credit", "rail": "sepa"}
    entries = [{**pending, "debit_minor": 900}, {**wallet, "credit_minor": 900}]
    world.ledger_event("w1", type="transaction.processed", to_state="processed", entries=entries, **common)
    world.later(days=3)
    assert world.open() == []
    for _ in range(6):
        world.later(days=1)
    (late,) = world.open()
    assert (late.relation, late.amount_minor) == ("pending", 900)
    accounts = {"from_account": "system/fees", "to_account": "system/rail:sepa", "amount_minor": 900, "asset": "EUR"}
    propose(world, late, kind="correct", **accounts)
    propose(world, late, kind="write_off")
    assert refusals(world) == ["wrong_kind", "wrong_kind"]
    back = [{**pending, "credit_minor": 900}, {"account": "system/rail:sepa", "asset": "EUR", "debit_minor": 900}]
    world.ledger_event("w1", entries=back, command="settle", **common)
    world.run()
    world.later(seconds=61)
    assert world.exceptions()[late.exception_id].state == "closed"
    restart_all(world)


def test_what_was_on_its_way_before_the_first_day_leaves_nothing_behind() -> None:
    book = DEFAULT_BOOK.model_copy(update={"name": "sepa", "from_date": "2026-11-24"}).model_dump(mode="json")
    world = World(reference=[(MATCHING_RULES, book)])
    pending = {"account": "system/rail-pending:sepa", "asset": "EUR"}
    wallet = {"account": "w1/main/incoming", "asset": "EUR"}
    common = {"transaction_id": "5" * 32, "operation": "credit", "rail": "sepa"}
    entries = [{**pending, "debit_minor": 900}, {**wallet, "credit_minor": 900}]
    world.ledger_event("w1", type="transaction.processed", to_state="processed", entries=entries, **common)
    world.later(days=2)
    back = [{**pending, "credit_minor": 900}, {"account": "system/rail:sepa", "asset": "EUR", "debit_minor": 900}]
    world.ledger_event("w1", entries=back, command="settle", **common)
    for _ in range(12):
        world.later(days=1)
    assert [each for each in world.open() if each.relation == "pending"] == []


def test_a_resolution_that_does_not_fit_a_statement_is_refused_not_a_failure() -> None:
    world = World()
    world.statement((5, "X"), line_count=2)
    world.run()
    (unbalanced,) = world.open()
    propose(world, unbalanced, kind="match", line_ids=["x"])
    propose(world, unbalanced, kind="split", groups=[["x"], ["y"]])
    propose(world, unbalanced, kind="write_off")
    propose(world, unbalanced, kind="rematch")
    assert refusals(world) == ["wrong_kind", "wrong_kind", "nothing_to_post", "wrong_kind"]
    resolve(world, unbalanced, kind="no_posting")
    assert world.open() == []


def test_a_book_that_cannot_be_matched_neither_loops_nor_stops_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(partitions=1)

    def broken(turn: Turn, book: str) -> None:
        if book == "ach":
            raise ZeroDivisionError
        rematch(turn, book)

    monkeypatch.setattr("agents.reconciliation.ticking.rematch", broken)
    world.settled("w1", 10_000, "R1", rail="ach")
    world.settled("w2", 10_000, "R2", rail="sepa")
    world.run()
    world.now_ms += 61_000
    for _ in range(10):
        for partition in world.all:
            if partition.waiting():
                partition.run(100)
            partition.tick()
    assert [type(bug) for bug in world.bugs] == [ZeroDivisionError]
    assert len(world.records("dead-letters")) == 1
    failed: list[ReconciliationEvent] = world.events("record.failed")
    assert [event.book for event in failed] == [None, "ach"]
    assert [event.book for event in world.events("book.matched")] == ["sepa"]
    # What others say of it is taken all the same, and matched once it can be.
    world.statement((10_000, "R1"), account="ach")
    world.all[0].run(100)
    assert [event.book for event in world.events("statement.taken")] == ["ach"]
    monkeypatch.undo()
    world.bugs.clear()
    world.later(seconds=601)
    assert [event.book for event in world.events("match.made")] == ["ach"]
    assert len(world.records("dead-letters")) == 1
    restart_all(world)


def test_several_statements_of_one_file_are_matched_once() -> None:
    world = World()
    for number in range(5):
        world.settled(f"w{number}", 100, f"R{number}")
    world.run()
    for number in range(5):
        world.statement((100, f"R{number}"))
    world.run()
    assert len(world.events("statement.taken")) == 5
    assert len(world.events("book.matched")) == 1
    assert len(world.events("match.made")) == 5


@pytest.mark.parametrize("seed", range(8))
def test_every_line_is_matched_expected_or_in_one_exception_however_batches_fall(seed: int) -> None:
    rng = random.Random(seed)
    world = World(limits=Limits(changes_at_once=rng.choice([2, 5_000])))
    taken = 0
    for number in range(30):
        kind = rng.random()
        amount_minor = rng.choice([100, 200, 300]) * rng.choice([1, -1])
        if kind < 0.6:
            world.settled(f"w{number}", amount_minor, f"R{rng.randrange(12)}")
        elif kind < 0.9:
            side = rng.choice(["partner", "bank"])
            lines = [(rng.choice([100, 200, -300]), f"R{rng.randrange(12)}") for _ in range(rng.randint(1, 4))]
            world.statement(*lines, side=side)
            taken += len(lines)
        else:
            world.now_ms += rng.choice([1_000, 61_000, 86_400_000])
        world.run(rng)
        check_fates(world)
        if world.open() and rng.random() < 0.3:
            exception = rng.choice(sorted(world.open(), key=lambda each: each.exception_id))
            propose(world, exception, kind=rng.choice(["no_posting", "write_off", "match"]))
            world.decide("approve", "op:omar", exception, number=exception.proposals + 1)
            if world.commands() and rng.random() < 0.8:
                world.answer(rng.choice(["ok", "insufficient_funds"]))
    world.later(seconds=61)
    check_fates(world)
    for total in summary(world).totals:
        held = [
            held.line
            for partition in world.all
            for held in partition.machine._turn(partition.overlay).state.lines_of("sepa")
            if held.line.side == total.side and held.line.asset == total.asset
        ]
        assert total.matched + total.expected + total.exceptions == len(held)
        parts = total.matched_minor + total.expected_minor + total.exceptions_minor
        assert parts == sum(abs(line.amount_minor) for line in held)
    restart_all(world)


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

"""What time, size and late truth do to a book."""

from __future__ import annotations

import random

import orjson
import pytest

from agents.reconciliation.rematch import rematch
from agents.reconciliation.turn import Limits, Turn
from schemas.reconciliation_books import DEFAULT_BOOK
from schemas.reconciliation_events import ReconciliationEvent
from schemas.topics import MATCHING_RULES
from tests.reconciliation.resolving import (
    check_fates,
    propose,
    refusals,
    resolve,
    restart_all,
    summary,
)
from tests.reconciliation.world import World


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


def test_an_exception_after_one_that_was_resolved_is_opened_again_with_its_history() -> None:
    world = World()
    world.settled("w1", 10_000, "ABC-1234567")
    world.run()
    world.statement((5, "Z"))
    world.later(days=9)
    (first,) = [each for each in world.open() if each.reason == "missing_right"]
    resolve(world, first, kind="no_posting")
    (match,) = [event.match for event in world.events("match.made") if event.match is not None]
    world.decide("unmatch", "op:ines", match_id=match.match_id, reason="it came after all")
    (pinned,) = [each for each in world.open() if each.pinned]
    resolve(world, pinned, kind="rematch")
    world.later(seconds=61)
    (second,) = [each for each in world.open() if each.reason == "missing_right"]
    world.decide("assign", "op:ines", second, to="op:omar")
    world.statement((10_000, "ABC-1234568"), day="2026-11-23")
    world.run()
    assert world.exceptions()[second.exception_id].state == "closed"
    world.settled("w2", 10_000, "ABC-1234568")
    world.later(seconds=61)
    (again,) = [each for each in world.open() if each.reason == "missing_right"]
    assert (again.exception_id, again.state, again.assignee) == (second.exception_id, "assigned", "op:omar")
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


def test_lines_of_statements_before_the_first_day_are_matched_or_passed_over() -> None:
    book = DEFAULT_BOOK.model_copy(update={"name": "sepa", "from_date": "2026-11-23"}).model_dump(mode="json")
    world = World(reference=[(MATCHING_RULES, book)])
    world.settled("w1", 10_000, "R1")
    world.settled("w2", 500, "R2")
    world.run()
    # Valued before the first day, and recorded on it; nobody's; and one that differs from a line that counts.
    world.statement((10_000, "R1"), (700, "OLD"), (499, "R2"), day="2026-11-20")
    world.run()
    (ours,) = world.events("match.made")
    assert ours.match is not None
    assert ours.match.amount_minor == 10_000
    assert [(each.reason, len(each.lines)) for each in world.open()] == [("fee_variance", 2)]
    assert [(each.side, each.matched, each.expected, each.exceptions) for each in summary(world).totals] == [
        ("ledger", 1, 0, 1),
        ("partner", 1, 0, 1),
    ]
    for _ in range(12):
        world.later(days=1)
    assert [each.reason for each in world.open()] == ["fee_variance"]
    gone = [line_id for event in world.events("lines.archived", "lines.set_aside") for line_id in event.line_ids]
    assert len(gone) == len(set(gone)) == 3
    check_fates(world)
    restart_all(world)


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


def test_a_rail_that_goes_to_another_book_leaves_nothing_on_its_way_there() -> None:
    """What was announced before stays in the book that it counted in; here it would have the other sign."""
    world = World(partitions=1)
    pending = {"account": "system/rail-pending:sepa", "asset": "EUR"}
    wallet = {"account": "w1/main/incoming", "asset": "EUR"}
    entries = [{**pending, "debit_minor": 900}, {**wallet, "credit_minor": 900}]
    world.ledger_event("w1", type="transaction.processed", transaction_id="t1", entries=entries)
    world.run()
    book = {**DEFAULT_BOOK.model_dump(mode="json"), "name": "all", "version": 1, "rails": ["sepa"]}
    world.reference.append((MATCHING_RULES, "all", orjson.dumps(book)))
    for partition in world.all:
        partition.machine.refer(*world.reference[-1])
    back = [{**pending, "credit_minor": 900}, {**wallet, "debit_minor": 900}]
    world.ledger_event("w1", type="transaction.failed", to_state="failed", transaction_id="t1", entries=back)
    world.later(seconds=61)
    for _ in range(9):
        world.later(days=1)
    assert [(each.book, each.relation, each.amount_minor) for each in world.open()] == [("sepa", "pending", 900)]


def test_lines_that_people_are_at_are_kept_however_long_ago_the_rules_have_matched_them() -> None:
    """Taken apart while only the bank had stated something; then the partner reports, and its report is matched."""
    world = World()
    world.settled("w1", 10_000, "R1")
    world.run()
    world.statement((10_000, "R1"), side="bank")
    world.run()
    (match,) = [event.match for event in world.events("match.made") if event.match is not None]
    world.decide("unmatch", "op:ines", match_id=match.match_id, reason="another customer's")
    (apart,) = world.open()
    assert (apart.relation, apart.pinned) == ("ledger-bank", True)
    world.statement((10_000, "R1"))
    world.run()
    for _ in range(14):
        world.later(days=1)
    assert world.events("lines.archived"), "the report's line is not kept any more"
    resolve(world, apart, kind="match")
    decided = [event.match for event in world.events("match.made") if event.match and event.match.exception_id]
    assert [(one.left_ids, one.right_ids) for one in decided] == [(match.left_ids, match.right_ids)]
    restart_all(world)

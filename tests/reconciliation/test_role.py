"""The role from end to end: lines, statements, exceptions, two people, the ledger's answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from schemas.reconciliation_books import DEFAULT_BOOK
from schemas.reconciliation_exceptions import ReconciliationException
from schemas.topics import MATCHING_RULES, OPERATOR_COMMANDS
from tests.reconciliation.records import posted_event, statement_records
from tests.reconciliation.world import World


def short_paid() -> World:
    """The partner reports 10.00 less than the ledger has, and one line matches."""
    world = World()
    world.settled("w1", 10_000, "R1")
    world.settled("w2", 50_000, "R2")
    world.run()
    world.statement((10_000, "R1"), (30_000, "R2"))
    world.run()
    return world


def test_what_agrees_is_matched_and_what_differs_is_one_exception() -> None:
    world = short_paid()
    (match,) = [event.match for event in world.events("match.made") if event.match is not None]
    assert (match.pass_name, match.amount_minor, match.relation) == ("provider_reference", 10_000, "ledger-partner")
    (exception,) = world.open()
    assert (exception.reason, exception.difference_minor, exception.amount_minor) == ("amount_under", -20_000, 20_000)
    assert {line.side for line in exception.lines} == {"ledger", "partner"}
    for partition in world.all:
        partition.restart()


@pytest.mark.parametrize("fees", ["left", "none"])
def test_a_fee_that_the_rail_has_kept_is_not_taken_off_the_ledgers_line_once_more(fees: str) -> None:
    """Of a book without a word on fees, too: what moved on the rail is what was left of the payment."""
    by_reference = {"name": "reference", "keys": ["provider_reference"], "fees": fees}
    relation = {"relation": "ledger-partner", "rules": {"passes": [by_reference]}}
    world = World(reference=[(MATCHING_RULES, {"name": "sepa", "version": 1, "relations": [relation]})])
    world.settled("w1", 9_800, "R1", rail_facts={"rail_reference": "R1", "rail_fee_minor": 200})
    world.run()
    world.statement((9_800, "R1"))
    world.run()
    assert world.open() == []
    (match,) = [event.match for event in world.events("match.made") if event.match is not None]
    assert (match.amount_minor, match.difference_minor) == (9_800, 0)


@pytest.mark.parametrize("value_date", ["2026-02-31", "2026-11-31", "0001-01-01", "9999-12-31", "0000-10-10"])
def test_a_value_date_that_is_no_day_does_not_stop_the_book(value_date: str) -> None:
    """The ledger takes what is written like a day: the line is of the day on which it was recorded."""
    world = World()
    world.settled("w1", 10_000, "R1", rail_facts={"rail_reference": "R1", "value_date": value_date})
    world.settled("w2", 500, "R2")
    world.run()
    world.statement((10_000, "R1"), (500, "R2"))
    world.later(days=9)
    assert len(world.events("match.made")) == 2
    assert {line.date for event in world.events("lines.taken") for line in event.lines} == {"2026-11-23"}


@pytest.mark.parametrize("minor", [4 * 10**18, -4 * 10**18])
def test_sums_of_more_than_64_bits_are_kept_as_all_others(minor: int) -> None:
    """Ten of an asset with 18 decimals are: what a partition cannot store it would read again for ever."""
    world = World()
    for number in range(6):
        world.settled(f"w{number}", minor, "", rail_facts={"rail_reference": f"R{number}", "batch_id": "B"})
    world.run()
    payout = statement_records(99, ((minor // 2, ""),), "partner", "sepa", "2026-11-23")
    payout[0]["references"] = {"batch_id": "B"}
    for record in payout:
        world.external(record)
    world.later(days=9)
    (exception,) = world.open()
    assert (len(exception.lines), exception.difference_minor) == (7, minor // 2 - 6 * minor)
    assert exception.amount_minor == 22 * 10**18
    world.decide("propose", "op:ines", exception, reason_code="all", resolution={"kind": "write_off"})
    assert [event.code for event in world.events("decision.refused")] == ["unbalanced"]
    for each in (*[minor] * 5, minor // 2):
        world.statement((each, "X"))
    world.later(days=9)
    lines = [
        line.line_id for each in world.open() for line in each.lines if each.exception_id != exception.exception_id
    ]
    match = {"kind": "match", "line_ids": lines}
    world.decide("propose", "op:ines", exception, reason_code="all", resolution=match)
    world.decide("approve", "op:omar", exception, number=1)
    (made,) = [event.match for event in world.events("match.made") if event.match is not None]
    assert (made.amount_minor, made.difference_minor) == (6 * minor, 0)
    assert not world.open()
    for partition in world.all:
        partition.restart()


def test_two_people_write_it_off_and_the_ledger_says_when_it_is_resolved() -> None:
    world = short_paid()
    (exception,) = world.open()
    world.decide("propose", "op:ines", exception, reason_code="short", resolution={"kind": "write_off"})
    world.decide("approve", " OP:Ines ", exception, number=1)
    world.decide("approve", "op:in\u200bes", exception, number=1)
    assert [event.code for event in world.events("decision.refused")] == ["four_eyes", "four_eyes"]
    assert not world.commands()
    world.decide("approve", "op:omar", exception, number=1)
    world.decide("approve", "op:omar", exception, number=1)
    (command,) = world.commands()
    assert (command["from_account"], command["to_account"]) == ("system/writeoffs", "system/rail:sepa")
    assert (command["requested_by"], command["approved_by"], command["amount_minor"]) == ("op:ines", "op:omar", 20_000)
    assert command["exception_id"] == exception.exception_id
    assert world.open()[0].state == "approved"
    world.answer()
    assert world.exceptions()[exception.exception_id].state == "resolved"
    assert not world.open()
    # Importing the same lines again, and every tick to come, opens nothing anew.
    world.later(days=20)
    assert not world.open()
    assert len(world.records(OPERATOR_COMMANDS)) == 1
    for partition in world.all:
        partition.restart()


@pytest.mark.parametrize(
    "key", ["reconciliation/sepa/7/²", "reconciliation/2026-11-23/sepa/1", "reconciliation/a b/0/1"]
)
def test_a_key_that_only_looks_like_that_of_a_posting_makes_it_none(key: str) -> None:
    """Operators may give an `adjust` whatever key they like: what it moves on a rail is a line as all others."""
    world = World()
    cause = {"topic": OPERATOR_COMMANDS, "partition": 0, "offset": 0, "idempotency_key": key}
    command = {"wallet_id": "w1", "amount_minor": 500, "asset": "EUR"}
    for accounts in (("system/rail:sepa", "system/adjustments"), ("system/suspense", "w1/main/available")):
        adjust = {**command, "from_account": accounts[0], "to_account": accounts[1]}
        event = posted_event(adjust, cause, len(accounts[0]), "2026-11-23T04:50:00.000Z")
        world.ledger_event(**{name: value for name, value in event.items() if name not in ("sequence", "recorded_at")})
    world.run()
    assert [(event.type, event.book, len(event.lines)) for event in world.events() if event.lines] == [
        ("lines.taken", "sepa", 1)
    ]


def test_a_rejected_posting_opens_it_again_with_the_code() -> None:
    world = short_paid()
    (exception,) = world.open()
    world.decide("propose", "op:ines", exception, reason_code="short", resolution={"kind": "write_off"})
    world.decide("approve", "op:omar", exception, number=1)
    world.answer("wallet_not_found")
    (again,) = world.open()
    assert again.state == "open"
    assert again.proposal is not None
    assert again.proposal.posting is not None
    assert (again.proposal.posting.state, again.proposal.posting.code) == ("rejected", "wallet_not_found")
    world.decide("propose", "op:ines", exception, reason_code="short", resolution={"kind": "write_off"})
    world.decide("approve", "op:omar", exception, number=2)
    first, second = world.commands()
    assert first["idempotency_key"] != second["idempotency_key"]


def test_what_is_late_is_an_exception_only_after_its_lag_and_late_truth_closes_it() -> None:
    world = World()
    world.statement((1, "other"))
    world.settled("w1", 10_000, "R1")
    world.run()
    world.later(seconds=120)
    assert not [each for each in world.open() if each.reason == "missing_right"]
    world.later(days=7)
    (missing,) = [each for each in world.open() if each.reason == "missing_right"]
    world.statement((10_000, "R1"))
    world.run()
    assert world.exceptions()[missing.exception_id].state == "closed"


def test_a_settlement_that_contradicts_is_an_exception_at_once() -> None:
    world = World()
    world.ledger_event(
        "w1",
        type="transaction.contradicted",
        transaction_id="7" * 32,
        message="settled by the rail, but failed here: booked against suspense",
        to_state="failed",
        entries=[
            {"account": "system/rail:sepa", "asset": "EUR", "debit_minor": 500},
            {"account": "system/suspense", "asset": "EUR", "credit_minor": 500},
        ],
        rail_facts={"rail_reference": "R9"},
    )
    world.run()
    world.later(seconds=61)
    (exception,) = world.open()
    assert (exception.relation, exception.amount_minor) == ("suspense", 500)


def test_a_statement_again_changes_nothing_and_one_that_lacks_lines_is_refused_whole() -> None:
    world = short_paid()
    before = [event.type for event in world.events() if event.type != "book.matched"]
    for record in list(world.topics["external-statements", 0]) + list(world.topics["external-statements", 1]):
        world.external(orjson.loads(record.value or b""))
    world.run()
    after = [event.type for event in world.events() if event.type != "book.matched"]
    assert sorted(after) == sorted([*before, "statement.repeated"])
    world.statement((5, "X"), line_count=2)
    world.run()
    assert "statement_unbalanced" in {each.reason for each in world.open()}


def book(name: str, version: int, **said: Any) -> dict[str, Any]:
    return DEFAULT_BOOK.model_dump(mode="json", exclude_defaults=True) | {"name": name, "version": version, **said}


@pytest.mark.parametrize(("old", "new"), [("sepa", "cards"), ("cards", "sepa")])
@pytest.mark.parametrize("before", [1, 2, 3])
def test_a_statement_goes_whole_to_the_book_that_its_first_line_went_to(old: str, new: str, before: int) -> None:
    """Rules may move its account between two of its records: half of it would be in each of two partitions."""
    world = World()
    world.refer(MATCHING_RULES, book(old, 1, accounts=["nostro"]))
    records = statement_records(99, ((5, "A"), (6, "B"), (7, "C")), "bank", "nostro", "2026-11-23")
    for record in records[:before]:
        world.external(record)
    world.run()
    world.refer(MATCHING_RULES, book(old, 2))
    world.refer(MATCHING_RULES, book(new, 1, accounts=["nostro"]))
    for record in records[before:]:
        world.external(record)
    world.run()
    world.statement((8, "D"), side="bank", account="nostro")
    world.run()
    assert [event.message for event in world.events("statement.refused")] == []
    held = {
        (name.split()[0], one.line.amount_minor)
        for partition in world.all
        for name, one in partition.machine._turn(partition.overlay).state.lines.scan()
    }
    assert held == {(old, 5), (old, 6), (old, 7), (new, 8)}
    for partition in world.all:
        partition.restart()


def test_a_statement_of_which_lines_were_passed_over_is_passed_over() -> None:
    """Its account was not reconciled when the first of them came."""
    world = World()
    world.refer(MATCHING_RULES, book("cards", 1, accounts=["nostro"], state="off"))
    records = statement_records(99, ((5, "A"), (6, "B")), "bank", "nostro", "2026-11-23")
    world.external(records[0])
    world.run()
    world.refer(MATCHING_RULES, book("cards", 2, accounts=["nostro"]))
    for record in records[1:]:
        world.external(record)
    world.run()
    assert world.events("statement.refused", "statement.taken") == []
    world.statement((8, "D"), side="bank", account="nostro")
    world.run()
    assert len(world.events("statement.taken")) == 1


def _told(exception: ReconciliationException) -> Any:
    named = [(line.side, line.amount_minor, line.references.get("provider_reference", "")) for line in exception.lines]
    return exception.reason, sorted(named)


@pytest.mark.parametrize("seed", range(10))
def test_the_result_does_not_depend_on_the_order_of_arrival(seed: int) -> None:
    rng = random.Random(seed)

    def settle(number: int) -> Callable[[World], object]:
        return lambda world: world.settled(f"w{number}", 100 + number % 3, f"R{number}")

    steps = [settle(number) for number in range(12)]
    steps += [lambda world: world.statement(*[(100 + n % 3, f"R{n}") for n in range(1, 12)], (7, "Z"))]
    steps += [lambda world: world.statement((101, "R1"), (55, "R0"))]
    found = []
    for order in (steps, rng.sample(steps, len(steps))):
        world = World()
        for step in order:
            step(world)
            world.run(rng)
        world.later(days=9)
        found.append(sorted(map(_told, world.open())))
    assert found[0] == found[1]


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"kind":"approve"}', b'{"kind":"propose","book":"sepa"}'])
def test_a_bad_decision_is_refused_and_dead_lettered(value: bytes) -> None:
    world = World()
    world.send("reconciliation-decisions", 0, b"sepa", value)
    world.run()
    (refused,) = world.events("decision.refused")
    assert refused.code == "malformed"
    assert len(world.records("dead-letters")) == 1

"""What rails answer: new, repeated, late, in part, of the whole batch, of no batch, and what contradicts."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from agents.settlement.allocating import allocate, allocate_return
from schemas.rail_batches import InstructionAnswer, RailBatch
from schemas.settlement_batches import BatchRecord
from tests.settlement.world import SEPA, World, rejected, returned, settled


def sent(*amounts_minor: int, **terms: Any) -> tuple[World, RailBatch]:
    """A batch of these payouts, each of a wallet of its own, that the rail has been given."""
    world = World({**SEPA, "batches": {"max_transactions": len(amounts_minor)}, "cut_offs": NOON, **terms})
    for number, minor in enumerate(amounts_minor):
        world.open_wallet(f"w{number}", minor)
    world.fund(10_000)
    world.run()
    for number, minor in enumerate(amounts_minor):
        world.payout(f"w{number}", minor, instrument_ref="iban")
        world.run()
    (batch,) = world.to_send()
    return world, batch


NOON = {"times": ["12:00"]}


def told(world: World, batch: RailBatch, state: str, *parts: InstructionAnswer, **fields: Any) -> BatchRecord:
    """The batch after the rail has said so."""
    world.answer(batch, state, *parts, **fields)
    world.run()
    assert world.bugs == []
    return world.batches()[batch.batch_id]


def states(world: World) -> list[str | None]:
    return list(world.transactions().values())


def test_the_life_of_a_batch() -> None:
    world, batch = sent(60, 40)
    assert batch.execution_date == "2026-11-23"
    assert [one.end_to_end_id for one in batch.instructions] == [f"{batch.batch_id}-00000", f"{batch.batch_id}-00001"]
    assert told(world, batch, "received").state == "submitted"
    assert told(world, batch, "accepted").state == "acknowledged"
    record = told(world, batch, "partially_settled", settled(batch, 0, fee_minor=3, value_date="2026-11-24"))
    assert (record.state, record.is_final, record.settled_minor, record.fee_minor) == ("acknowledged", False, 60, 3)
    record = told(world, batch, "settled")
    assert (record.state, record.is_final, record.settled_minor) == ("settled", True, 100)
    assert states(world) == ["settled", "settled"]
    assert world.position().funded_minor == 10_000 - 103
    first, second = world.updates("settle")
    assert (first["rail_reference"], first["rail_fee_minor"], first["value_date"]) == ("R0", 3, "2026-11-24")
    assert "settled_minor" not in first
    assert second["rail_reference"] == f"{batch.batch_id}-00001"
    assert world.balance_minor("system/rail:sepa") == 103


@pytest.mark.parametrize("state", ["rejected", "failed"])
def test_a_batch_refused_as_a_whole_gives_everything_back(state: str) -> None:
    world, batch = sent(60, 40)
    record = told(world, batch, state, code="AM05")
    assert (record.state, record.failed_minor, record.is_final) == ("failed", 100, True)
    assert {update["code"] for update in world.updates("fail")} == {"AM05"}
    assert states(world) == ["failed", "failed"]
    assert (world.position().free_minor, world.position().committed_minor) == (10_000, 0)


@pytest.mark.parametrize("state", ["rejected", "failed"])
def test_a_payment_that_a_rail_names_as_settled_is_not_given_back_with_the_others(state: str) -> None:
    world, batch = sent(60, 40, 30)
    accepted = InstructionAnswer(batch.instructions[2].end_to_end_id, "accepted")
    record = told(world, batch, state, settled(batch), accepted, code="AM05")
    assert (record.state, record.settled_minor, record.failed_minor) == ("acknowledged", 60, 40)
    assert (sorted(map(str, states(world))), record.contradictions) == (["failed", "processed", "settled"], 0)
    assert {update["code"] for update in world.updates("fail")} == {"AM05"}
    assert world.position().funded_minor == 10_000 - 60
    record = told(world, batch, "partially_settled", settled(batch, 2))
    assert (record.state, record.settled_minor, record.contradictions) == ("partially_settled", 90, 0)


def test_what_was_settled_in_part_of_one_gives_the_rest_back() -> None:
    world, batch = sent(60)
    record = told(world, batch, "settled", settled(batch, settled_minor=45))
    assert (record.state, record.settled_minor, record.failed_minor) == ("partially_settled", 45, 15)
    assert world.balance_minor("w0/main/available") == 15


def test_of_a_large_batch_what_became_of_it_is_told_once_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.settlement.telling._MOST_RESULTS", 1)
    world, batch = sent(60, 40)
    record = told(world, batch, "partially_settled", settled(batch, 0))
    assert (record.state, record.settled_minor, record.results) == ("acknowledged", 60, ())
    assert len(told(world, batch, "settled").results) == 2


def test_a_netted_instruction_is_shared_in_order_of_arrival() -> None:
    world, batch = sent(60, 40, 30, netting="beneficiary")
    (instruction,) = batch.instructions
    assert (instruction.amount_minor, len(instruction.transaction_ids)) == (130, 3)
    record = told(world, batch, "settled", settled(batch, settled_minor=70, fee_minor=2))
    assert (record.state, record.settled_minor, record.failed_minor) == ("partially_settled", 70, 60)
    assert [world.balance_minor(f"w{number}/main/available") for number in range(3)] == [0, 30, 30]
    assert [update.get("rail_fee_minor") for update in world.updates("settle")].count(2) == 1
    assert [update["code"] for update in world.updates("fail")] == ["partially_settled"]
    # 25 come back: the last one of those that were settled first.
    record = told(world, batch, "partially_settled", returned(batch, settled_minor=25))
    assert (record.returned_minor, record.contradictions) == (25, 0)
    assert [world.balance_minor(f"w{number}/main/available") for number in range(3)] == [15, 40, 30]
    record = told(world, batch, "partially_settled", returned(batch, rail_reference="B2"))
    assert record.returned_minor == 70
    assert [world.balance_minor(f"w{number}/main/available") for number in range(3)] == [60, 40, 30]
    assert world.position().funded_minor == 10_000 - 2


def test_what_an_answer_says_of_an_instruction_several_times_is_taken_in_order() -> None:
    world, batch = sent(60, 40)
    back = [returned(batch, rail_reference=f"B{minor}", settled_minor=minor) for minor in (10, 15)]
    record = told(world, batch, "partially_settled", settled(batch, 0), back[0], settled(batch, 1), back[1])
    assert (record.state, record.settled_minor, record.returned_minor) == ("settled", 100, 25)
    assert (record.is_final, record.contradictions) == (True, 0)
    assert [update["amount_minor"] for update in world.updates("return")] == [10, 15]
    assert [world.balance_minor(f"w{number}/main/available") for number in range(2)] == [25, 0]
    assert (world.position().funded_minor, world.position().committed_minor) == (10_000 - 75, 0)
    # All of it again, in another file.
    again = told(world, batch, "partially_settled", settled(batch, 0), *back, settled(batch, 1))
    assert (again.returned_minor, again.contradictions, len(world.updates("settle", "return"))) == (25, 0, 4)


def test_what_is_said_of_the_batch_counts_behind_all_that_is_said_of_its_instructions() -> None:
    world, batch = sent(60, 40, 30)
    parts = [settled(batch, 0), rejected(batch, 1), returned(batch, 0, settled_minor=20)]
    record = told(world, batch, "settled", *parts)
    assert (record.state, record.settled_minor, record.failed_minor) == ("partially_settled", 90, 40)
    assert (record.returned_minor, record.contradictions) == (20, 0)
    assert [world.balance_minor(f"w{number}/main/available") for number in range(3)] == [20, 40, 0]


@pytest.mark.parametrize("late", [False, True])
def test_of_a_part_that_came_back_before_it_was_settled_only_that_part_goes_back(late: bool) -> None:
    world, batch = sent(60)
    record = told(world, batch, "partially_settled", returned(batch, settled_minor=25))
    assert (record.state, record.settled_minor, record.returned_minor) == ("settled", 60, 25)
    assert world.balance_minor("w0/main/available") == 25
    assert world.position().funded_minor == 10_000 - 35
    if late:
        record = told(world, batch, "partially_settled", settled(batch, rail_reference=""))
        assert (record.settled_minor, record.contradictions) == (60, 0)
    assert world.balance_minor("system/rail:sepa") == 35


def test_a_return_of_what_was_not_known_to_be_settled_is_taken_once_for_each_reference() -> None:
    world, batch = sent(60)
    back = returned(batch, rail_reference="B", settled_minor=60)
    for answer_id in ("first", "other"):
        record = told(world, batch, "partially_settled", back, answer_id=answer_id)
        assert (record.state, record.contradictions) == ("failed", 0)
        assert (len(world.updates()), world.position().funded_minor) == (2, 10_000)
    assert states(world) == ["failed"]
    assert told(world, batch, "partially_settled", returned(batch, rail_reference="C", settled_minor=60)).contradictions


def test_why_a_rail_does_not_know_stands_on_the_batch_that_it_has() -> None:
    world, batch = sent(60, 40)
    told(world, batch, "accepted")
    for answer_id in ("first", "other"):
        record = told(world, batch, "unknown", message="booked as one sum of 99", answer_id=answer_id)
        assert (record.state, record.message, record.is_final) == ("acknowledged", "booked as one sum of 99", False)
    assert len(world.events("answer.repeated")) == 1
    assert world.updates("settle", "fail") == []
    assert told(world, batch, "settled").message is None


def test_why_a_rail_does_not_know_stands_on_a_batch_that_is_over_too() -> None:
    world, batch = sent(60, 40)
    told(world, batch, "settled")
    position = world.position()
    record = told(world, batch, "unknown", message="50 came back as one sum")
    assert (record.state, record.is_final, record.message) == ("settled", True, "50 came back as one sum")
    assert (record.settled_minor, record.contradictions) == (100, 0)
    assert (len(world.updates("settle")), world.position().funded_minor) == (2, position.funded_minor)
    for partition in world.settlement:
        partition.restart()


@pytest.mark.parametrize("parts", [(settled,), (rejected,), ()])
def test_what_a_return_costs_is_gone_from_the_position(parts: tuple[Any, ...]) -> None:
    world, batch = sent(60)
    for make in parts:
        told(world, batch, "partially_settled", make(batch))
    funded_minor = world.position().funded_minor
    record = told(world, batch, "partially_settled", returned(batch, settled_minor=60, fee_minor=2))
    came_back_minor = 60 if parts else 0  # else it had not gone
    assert world.position().funded_minor == funded_minor + came_back_minor - 2
    assert record.fee_minor == (0 if rejected in parts else 2), "of a contradiction nothing is known for sure"


def test_allocation_adds_up() -> None:
    assert allocate([60, 40, 30], 70) == [60, 10, 0]
    assert allocate([60, 40], 1_000) == [60, 40]
    assert allocate_return([60, 10, 0], 0, 25) == [15, 10, 0]
    assert allocate_return([60, 10, 0], 25, 45) == [45, 0, 0]
    assert allocate_return([60, 10], 0, 100) == [90, 10]


REPEATED: dict[str, tuple[str, tuple[Any, ...]]] = {
    "received": ("received", ()),
    "accepted": ("accepted", ()),
    "settled": ("partially_settled", (settled,)),
    "rejected": ("partially_settled", (rejected,)),
}


@pytest.mark.parametrize("name", REPEATED)
def test_the_same_again_changes_nothing(name: str) -> None:
    """Under the same answer id, and under another one."""
    state, parts = REPEATED[name]
    world, batch = sent(60, 40)
    made = [make(batch) for make in parts]
    record = told(world, batch, state, *made, answer_id="first")
    updates, position = len(world.updates()), world.position()
    for answer_id in ("first", "other"):
        again = told(world, batch, state, *made, answer_id=answer_id)
        assert (again.state, again.results, again.contradictions) == (record.state, record.results, 0)
    assert len(world.updates()) == updates
    assert world.position().funded_minor == position.funded_minor
    assert len(world.events("answer.repeated")) == 1


def test_what_comes_late_takes_nothing_back() -> None:
    world, batch = sent(60, 40)
    told(world, batch, "settled")
    for state in ("received", "accepted"):
        record = told(world, batch, state)
        assert (record.state, record.settled_minor) == ("settled", 100)


def test_an_answer_of_no_batch_is_told_apart_and_harms_nothing() -> None:
    world, batch = sent(60)
    world.answer("f" * 24, "settled")
    world.answer("", "settled", InstructionAnswer("elsewhere-1", "settled"))
    world.answer(batch, "settled", rail="other")
    world.run()
    assert len(world.events("answer.unknown")) == 3
    assert states(world) == ["processed"]


def test_a_batch_that_the_rail_did_not_name_is_found_by_its_instructions() -> None:
    world, batch = sent(60)
    world.answer("", "partially_settled", settled(batch))
    world.run()
    assert states(world) == ["settled"]


def test_an_answer_before_the_batch_was_given_to_the_rail_is_of_no_batch() -> None:
    world = World()
    world.open_wallet("w1", 100)
    world.payout("w1", 60)
    world.fund(100)
    world.run()
    (record,) = world.batches().values()
    world.answer(record.batch_id, "settled")
    world.run()
    assert len(world.events("answer.unknown")) == 1
    assert states(world) == ["processed"]


def test_instructions_that_are_not_of_the_batch_are_counted() -> None:
    world, batch = sent(60)
    record = told(world, batch, "partially_settled", settled(batch), InstructionAnswer("x-1", "settled"))
    assert (record.state, record.contradictions) == ("settled", 1)
    assert record.message is not None
    assert "not of this batch, such as x-1" in record.message


# ---- contradictions: told to the ledger, which books suspense where money has moved --------------------


def test_settled_after_all_that_was_refused() -> None:
    world, batch = sent(60)
    told(world, batch, "rejected")
    record = told(world, batch, "partially_settled", settled(batch))
    assert (record.state, record.contradictions) == ("failed", 1)
    assert world.balance_minor("system/suspense") == -60
    assert world.position().funded_minor == 10_000 - 60
    # Under the same reference again: nothing more.
    assert told(world, batch, "partially_settled", settled(batch)).contradictions == 1
    assert world.balance_minor("system/suspense") == -60


def test_a_batch_settled_as_a_whole_that_was_refused_as_a_whole() -> None:
    world, batch = sent(60, 40)
    told(world, batch, "rejected")
    assert told(world, batch, "settled").contradictions == 2
    assert world.balance_minor("system/suspense") == -100


def test_a_batch_settled_as_a_whole_but_for_what_was_refused_before() -> None:
    world, batch = sent(60, 40)
    told(world, batch, "partially_settled", rejected(batch, 0))
    record = told(world, batch, "settled")
    assert (record.state, record.settled_minor, record.contradictions) == ("partially_settled", 40, 0)
    assert states(world) == ["failed", "settled"]


def test_settled_twice_under_two_references() -> None:
    world, batch = sent(60)
    told(world, batch, "settled", settled(batch))
    record = told(world, batch, "settled", settled(batch, rail_reference="another"))
    assert record.contradictions == 1
    assert world.balance_minor("system/suspense") == -60
    assert [event.type for event in world.ledger_events("transaction.contradicted")] == ["transaction.contradicted"]


def test_the_same_reference_with_another_amount_is_counted_once_and_books_nothing() -> None:
    world, batch = sent(60)
    told(world, batch, "settled", settled(batch))
    for _ in range(2):
        record = told(world, batch, "settled", settled(batch, settled_minor=50))
        assert (record.contradictions, record.settled_minor) == (1, 60)
    assert world.balance_minor("system/suspense") == 0
    assert world.position().funded_minor == 10_000 - 60


def test_refused_after_it_was_settled() -> None:
    world, batch = sent(60)
    told(world, batch, "settled")
    record = told(world, batch, "rejected", code="LATE")
    assert (record.state, record.contradictions) == ("settled", 1)
    assert states(world) == ["settled"]
    assert len(world.updates("fail")) == 1
    assert told(world, batch, "rejected", code="LATE").contradictions == 1


def test_more_than_was_asked_for() -> None:
    world, batch = sent(60)
    record = told(world, batch, "settled", settled(batch, settled_minor=61))
    assert (record.contradictions, record.state) == (1, "settled")
    assert world.updates("settle")[0].get("settled_minor") is None
    assert world.position().funded_minor == 10_000 - 61


def test_more_comes_back_than_was_left() -> None:
    world, batch = sent(60)
    told(world, batch, "settled")
    record = told(world, batch, "partially_settled", returned(batch, settled_minor=70))
    assert (record.contradictions, record.returned_minor) == (1, 70)
    assert world.balance_minor("w0/main/available") == 60
    assert world.balance_minor("system/suspense") == 10


def test_what_came_back_before_it_was_settled_has_failed() -> None:
    world, batch = sent(60)
    record = told(world, batch, "partially_settled", returned(batch, code="AC01"))
    assert (record.state, record.contradictions) == ("failed", 0)
    assert states(world) == ["failed"]


@pytest.mark.parametrize("fields", [{"fee_minor": 2**63}, {"settled_minor": 2**70}])
def test_amounts_out_of_range_are_counted_and_change_nothing(fields: dict[str, int]) -> None:
    world, batch = sent(60)
    for _ in range(2):
        record = told(world, batch, "settled", settled(batch, **fields))
        assert (record.is_final, record.contradictions) == (False, 1)
    assert states(world) == ["processed"]
    assert told(world, batch, "settled", settled(batch)).state == "settled"
    assert states(world) == ["settled"]


@pytest.mark.parametrize("minor", [0, -5])
def test_settled_with_nothing_is_refused(minor: int) -> None:
    world, batch = sent(60)
    assert told(world, batch, "settled", settled(batch, settled_minor=minor)).state == "failed"


def test_whatever_text_a_rail_sends_the_ledger_takes_it() -> None:
    world, batch = sent(60, 40)
    parts = (settled(batch, 0, rail_reference="x" * 500, value_date="soon"), rejected(batch, 1, "  " * 300))
    told(world, batch, "partially_settled", *parts)
    assert states(world) == ["settled", "failed"]
    assert not world.ledger_events("request.dead_lettered")


def test_each_update_has_a_key_of_its_own() -> None:
    world, batch = sent(60, 40)
    told(world, batch, "settled", settled(batch, 0), settled(batch, 1))
    told(world, batch, "partially_settled", returned(batch, 0, settled_minor=5), returned(batch, 1))
    told(world, batch, "partially_settled", returned(batch, 0, settled_minor=5, rail_reference="later"))
    keys = Counter(update["idempotency_key"] for update in world.updates())
    assert max(keys.values()) == 1
    assert world.balance_minor("w0/main/available") == 10


def test_a_batch_is_forgotten_when_its_time_is_over() -> None:
    world, batch = sent(60)
    told(world, batch, "settled")
    world.later(181 * 86_400)
    assert world.events("batch.forgotten")
    for partition in world.settlement:
        rows = partition.rows()
        for table in ("batches", "payouts", "members-in-order", "instructions-in-order", "followed", "due-in-order"):
            assert not rows.get(table), table
    world.answer(batch, "partially_settled", returned(batch))
    world.run()
    assert world.events("answer.unknown")

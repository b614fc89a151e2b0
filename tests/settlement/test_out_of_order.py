"""What a rail tells in another order than it did it: files overtake each other, and list what came in first."""

from __future__ import annotations

import pytest

from schemas.rail_batches import InstructionAnswer, RailBatch
from tests.settlement.test_beyond import FUNDED_MINOR, sent
from tests.settlement.world import World, returned, settled


def tell(world: World, batch: RailBatch, *parts: InstructionAnswer, at_once: bool) -> None:
    """All in one file, or each in one of its own."""
    for some in [parts] if at_once else [(part,) for part in parts]:
        world.answer(batch, "partially_settled", *some)
        world.run()
    assert world.bugs == []


def with_the_rail(world: World) -> tuple[int, int, int]:
    """What its answers have moved of the position, what the ledger has with it, and what is in suspense."""
    moved_minor = world.position().funded_minor - FUNDED_MINOR
    return moved_minor, -world.balance_minor("system/rail:sepa"), world.balance_minor("system/suspense")


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("operation", ["debit", "credit"])
def test_a_payment_that_is_told_after_its_return(operation: str, at_once: bool) -> None:
    world, batch = sent(60, operation=operation)
    parts = returned(batch, settled_minor=60, code="AC04"), settled(batch, settled_minor=60)
    for _ in range(2):
        tell(world, batch, *parts, at_once=at_once)
        assert with_the_rail(world) == (0, 0, 0)
    assert set(world.transactions().values()) == {"failed"}
    (record,) = world.batches().values()
    assert (record.state, record.contradictions) == ("failed", 0)
    # Once more under another reference it is another payment.
    tell(world, batch, settled(batch, rail_reference="another"), at_once=True)
    assert abs(with_the_rail(world)[2]) == 60
    for partition in world.settlement:
        partition.restart()


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("operation", ["debit", "credit"])
def test_a_payment_that_is_told_after_the_return_of_a_part(operation: str, at_once: bool) -> None:
    world, batch = sent(60, operation=operation)
    parts = returned(batch, settled_minor=20), settled(batch, settled_minor=60)
    sign = -1 if operation == "debit" else 1
    for _ in range(2):
        tell(world, batch, *parts, at_once=at_once)
        assert with_the_rail(world) == (sign * 40, sign * 40, 0)
    (record,) = world.batches().values()
    assert (record.state, record.returned_minor, record.contradictions) == ("settled", 20, 0)
    (result,) = record.results
    assert result.rail_reference == "R0"
    tell(world, batch, settled(batch, rail_reference="another"), at_once=True)
    assert abs(with_the_rail(world)[2]) == 60


def test_what_the_payment_itself_has_cost_is_gone_from_the_position() -> None:
    world, batch = sent(60)
    tell(world, batch, returned(batch), settled(batch, fee_minor=2), at_once=False)
    assert with_the_rail(world) == (-2, 0, 0)


def test_a_bank_may_give_a_payment_and_its_return_one_reference() -> None:
    world, batch = sent(60)
    for _ in range(2):
        tell(world, batch, returned(batch, rail_reference="R0"), settled(batch), at_once=False)
        assert with_the_rail(world) == (0, 0, 0)
    (record,) = world.batches().values()
    assert record.contradictions == 0


@pytest.mark.parametrize("minor", [59, 61])
def test_another_sum_than_came_back_is_a_contradiction(minor: int) -> None:
    world, batch = sent(60)
    tell(world, batch, returned(batch), settled(batch, settled_minor=minor), at_once=False)
    assert with_the_rail(world) == (-minor, -minor, -minor)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("operation", ["debit", "credit"])
@pytest.mark.parametrize(("minor", "back_minor"), [(45, 45), (45, 20), (59, 1)])
def test_a_payment_in_part_that_is_told_after_its_return(
    operation: str, at_once: bool, minor: int, back_minor: int
) -> None:
    """That it had gone in full was concluded of the return; what has never gone is the wallet's."""
    world, batch = sent(60, operation=operation)
    parts = returned(batch, settled_minor=back_minor), settled(batch, settled_minor=minor, fee_minor=2)
    sign = -1 if operation == "debit" else 1
    for _ in range(2):
        tell(world, batch, *parts, at_once=at_once)
        left_minor = sign * (minor - back_minor)
        assert with_the_rail(world) == (left_minor - 2, left_minor, 0)
    (record,) = world.batches().values()
    assert (record.settled_minor, record.returned_minor, record.failed_minor) == (minor, back_minor, 60 - minor)
    assert (record.state, record.contradictions) == ("partially_settled", 0)
    assert world.balance_minor("w0/main/outgoing") == world.balance_minor("w0/main/incoming") == 0
    tell(world, batch, settled(batch, rail_reference="another"), at_once=True)
    assert abs(with_the_rail(world)[2]) == 60
    for partition in world.settlement:
        partition.restart()


def test_a_payment_of_more_that_is_told_after_the_return_of_a_part() -> None:
    world, batch = sent(60)
    tell(world, batch, returned(batch, settled_minor=20), settled(batch, settled_minor=75), at_once=False)
    assert with_the_rail(world) == (-55, -55, -15)
    (record,) = world.batches().values()
    assert (record.settled_minor, record.contradictions) == (75, 1)


def test_a_payment_of_less_than_has_come_back_is_a_contradiction() -> None:
    world, batch = sent(60)
    tell(world, batch, returned(batch, settled_minor=40), settled(batch, settled_minor=10), at_once=False)
    assert with_the_rail(world) == (30, 30, 30)
    (record,) = world.batches().values()
    assert (record.settled_minor, record.returned_minor, record.contradictions) == (10, 40, 1)


@pytest.mark.parametrize("at_once", [True, False])
def test_parts_that_come_back_without_a_reference_are_told_apart(at_once: bool) -> None:
    """A bank may give its bookings none: another amount, or another day, is another return."""
    world, batch = sent(60)
    parts = [
        returned(batch, rail_reference="", settled_minor=minor, value_date=day)
        for minor, day in ((20, "2026-11-24"), (25, "2026-11-24"), (20, "2026-11-25"))
    ]
    for back_minor, some in ((20, parts[:1]), (45, parts[:2]), (60 + 5, parts)):
        tell(world, batch, settled(batch), *some, at_once=at_once)
        (record,) = world.batches().values()
        assert record.returned_minor == back_minor
    assert with_the_rail(world) == (5, 5, 5), "one more than had gone is a contradiction"


def test_a_return_of_all_without_a_reference_is_one_whatever_it_says_of_the_amount() -> None:
    world, batch = sent(60)
    for more in ({}, {"settled_minor": 60}, {"settled_minor": 60, "value_date": "2026-11-24"}):
        tell(world, batch, settled(batch), returned(batch, rail_reference="", **more), at_once=True)
        assert with_the_rail(world) == (0, 0, 0)

"""What does not fit waits in order, is told, and goes when it can: funds, limits, adapters, merchants' reserves."""

from __future__ import annotations

from typing import Any

import pytest

from agents.settlement.turn import Limits
from tests.settlement.world import SEPA, World, settled

DAY_S = 86_400


def world_with(*payouts_minor: int, **terms: Any) -> World:
    """One wallet that pays all of it out over `sepa`."""
    world = World({**SEPA, **terms})
    world.open_wallet("w1", sum(payouts_minor))
    world.run()
    for minor in payouts_minor:
        world.payout("w1", minor)
        world.run()
    return world


def batched(world: World) -> list[int]:
    """Amounts in the order in which they went into batches."""
    return [event.payout.amount_minor for event in world.events("payout.batched") if event.payout is not None]


def test_a_small_payout_does_not_overtake_one_that_waits_for_funds() -> None:
    world = world_with(300, 10, minimum_reserve_minor={"EUR": 50})
    world.fund(349)
    world.run()
    assert batched(world) == []
    (alert,) = world.alerts().values()
    assert (alert.code, alert.amount_minor) == ("liquidity", 1)
    assert "walletstream settlement fund sepa EUR" in alert.message
    position = world.position()
    assert (position.waiting, position.waiting_minor, position.reason) == (2, 310, "liquidity")
    world.fund(1)
    world.run()
    assert batched(world) == [300]
    assert world.alerts()["liquidity sepa EUR"].amount_minor == 10
    world.fund(10)
    world.run()
    assert batched(world) == [300, 10]
    assert world.alerts() == {}
    position = world.position()
    assert (position.funded_minor, position.committed_minor, position.free_minor) == (360, 310, 0)


def test_what_comes_in_lets_what_waits_go() -> None:
    world = world_with(100)
    world.payout("w1", 100, operation="credit")
    world.run()
    world.later(61)
    (batch,) = world.to_send()
    assert (batch.direction, world.position().incoming_minor) == ("in", 100)
    world.answer(batch, "settled")
    world.run()
    assert batched(world) == [100, 100]
    assert world.position().free_minor == 0


def test_what_a_late_payout_had_set_aside_lets_what_waits_go() -> None:
    world = World({**SEPA, "batches": {"max_transactions": 1, "max_age_s": 60}}, limits=Limits(answers_wait_ms=5_000))
    world.open_wallet("w1", 130)
    world.fund(100)
    world.run()
    world.payout("w1", 60)
    world.payout("w1", 40)
    world.payout("w1", 30)
    for partition in world.ledger:
        partition.run(100)
    # From here on the ledger does not answer.
    world.run(roles="settlement")
    assert batched(world) == [60, 40]
    world.now_ms += 5_000
    world.run(roles="settlement")
    assert batched(world) == [60, 40, 30]
    assert world.alerts() == {}


def test_what_is_submitted_and_held_afterwards_goes_once_it_is_released() -> None:
    world = World({**SEPA, "prefunded": False}, limits=Limits(answers_wait_ms=5_000))
    world.open_wallet("w1", 60)
    world.payout("w1", 60)
    world.run()
    # The batch closes, and the ledger is too late with its answer.
    world.now_ms += 61_000
    world.run(roles="settlement")
    world.now_ms += 5_000
    world.run(roles="settlement")
    world.change_rail({**SEPA, "prefunded": False, "payout_limits": {"EUR": {"transaction_minor": 59}}})
    world.run()
    (alert,) = world.alerts().values()
    assert (alert.code, batched(world)) == ("payout_limit", [60])
    for partition in world.settlement:
        partition.restart()
    world.order(kind="release", transaction_id=alert.transaction_id)
    world.run()
    world.later(61)
    (batch,) = world.to_send()
    world.answer(batch, "settled")
    world.run()
    assert set(world.transactions().values()) == {"settled"}
    assert len(world.updates("submit")) == 1, "the ledger has answered that it is submitted"


def test_what_an_empty_batch_was_to_cost_lets_what_waits_go() -> None:
    world = world_with(50, fees={"EUR": {"batch_minor": 10}})
    world.open_wallet("w2", 100)
    world.fund(110)
    world.payout("w2", 100)
    world.run()
    world.now_ms += 61_000
    world.run(roles="settlement")
    assert batched(world) == [50], "the batch is closed, and still to be paid for"
    # The ledger does not answer in time: nothing is left of it.
    world.now_ms += 60_000
    world.run(roles="settlement")
    assert batched(world) == [50, 100]


def test_what_goes_into_a_batch_that_is_open_does_not_pay_for_another_one() -> None:
    world = world_with(50, fees={"EUR": {"batch_minor": 10}})
    (first,) = world.transactions()
    world.open_wallet("w2", 100)
    world.fund(110)
    world.payout("w2", 100)
    world.run()
    assert batched(world) == [50]
    world.cancel("w1", first)
    world.run()
    assert batched(world) == [50, 100]
    assert (world.position().free_minor, world.alerts()) == (0, {})


def test_what_a_batch_that_is_open_has_no_room_for_pays_for_another_one() -> None:
    terms = {"fees": {"EUR": {"batch_minor": 10}}, "payout_limits": {"EUR": {"batch_minor": 100}}}
    world = world_with(50, 51, **terms)
    world.fund(120)
    world.run()
    assert batched(world) == [50]
    world.fund(1)
    world.run()
    assert batched(world) == [50, 51]
    assert world.position().free_minor == 0


def test_a_rail_that_is_not_prefunded_pays_first() -> None:
    world = world_with(100, prefunded=False)
    assert batched(world) == [100]
    assert world.position().free_minor == -100


def test_more_than_the_limit_of_a_transaction_is_held_and_the_others_go_on() -> None:
    world = world_with(300, 10, payout_limits={"EUR": {"transaction_minor": 299}}, prefunded=False)
    assert batched(world) == [10]
    (alert,) = world.alerts().values()
    assert (alert.code, alert.amount_minor, alert.wallet_id) == ("payout_limit", 300, "w1")
    world.order(kind="release", transaction_id=alert.transaction_id)
    world.run()
    assert batched(world) == [10, 300]
    assert world.alerts() == {}


def test_a_held_payout_that_is_canceled_is_no_longer_told() -> None:
    world = world_with(300, payout_limits={"EUR": {"transaction_minor": 299}})
    (alert,) = world.alerts().values()
    world.cancel("w1", alert.transaction_id or "")
    world.run()
    assert world.alerts() == {}
    world.order(kind="release", transaction_id=alert.transaction_id)
    world.run()
    assert batched(world) == []


def test_a_batch_takes_no_more_than_its_limit() -> None:
    world = world_with(60, 60, 60, 60, payout_limits={"EUR": {"batch_minor": 130}}, prefunded=False)
    assert [(record.amount_minor, record.state) for record in world.batches().values()] == [
        (120, "ready"),
        (120, "open"),
    ]


def test_beyond_the_limit_of_the_day_it_goes_on_the_next() -> None:
    world = world_with(60, 60, 5, payout_limits={"EUR": {"day_minor": 100}}, prefunded=False)
    assert batched(world) == [60]
    assert world.alerts()["day_limit sepa EUR"].state == "open"
    assert (world.position().reason, world.position().day_minor) == ("day_limit", 60)
    world.later(19 * 3_600)
    assert batched(world) == [60]
    world.later(3_600)
    assert batched(world) == [60, 60, 5]
    assert world.alerts() == {}
    assert world.position().day == "2026-11-24"


def test_what_leaves_a_batch_gives_back_of_the_limit_of_the_day_on_which_it_was_counted() -> None:
    world = world_with(80, payout_limits={"EUR": {"day_minor": 100}}, prefunded=False, batches={"max_age_s": 2 * DAY_S})
    (yesterdays,) = world.transactions()
    world.later(DAY_S)
    world.open_wallet("w2", 300)
    world.payout("w2", 100)
    world.run()
    todays = next(one for one in world.transactions() if one != yesterdays)
    world.cancel("w1", yesterdays)
    world.run()
    assert world.position().day_minor == 100
    world.payout("w2", 1)
    world.run()
    assert batched(world) == [80, 100]
    world.cancel("w2", todays)
    world.run()
    assert batched(world) == [80, 100, 1]
    assert world.position().day_minor == 1


def test_without_an_adapter_all_waits_and_goes_once_there_is_one() -> None:
    bare = {"name": "sepa", "settlement": "deferred"}
    world = World(bare)
    world.open_wallet("w1", 100)
    world.payout("w1", 40)
    world.payout("w1", 60)
    world.run()
    world.later(DAY_S)
    assert (world.batches(), world.alerts(), world.position().waiting) == ({}, {}, 2)
    # Somebody else settles one of them, as without this role.
    processed = list(world.transactions())
    world.request(
        "w1",
        "settlement-updates",
        operation="settle",
        transaction_id=processed[0],
        rail_reference="by hand",
    )
    world.run()
    assert world.position().waiting == 1
    world.change_rail({**SEPA, "prefunded": False})
    world.run()
    (record,) = world.batches().values()
    assert record.transactions == 1


def test_a_rail_that_nobody_knows_any_more_keeps_its_batches() -> None:
    world = world_with(60, prefunded=False)
    for partition in world.settlement:
        partition.machine.refer("rails", "sepa", None)
    world.later(120)
    (batch,) = world.to_send()
    assert batch.execution_date == "2026-11-23"
    world.answer(batch, "settled")
    world.run()
    assert set(world.transactions().values()) == {"settled"}


def test_terms_that_change_are_gone_by_at_once() -> None:
    world = world_with(300, minimum_reserve_minor={"EUR": 100})
    world.fund(300)
    world.run()
    assert batched(world) == []
    world.change_rail(SEPA)
    world.run()
    assert batched(world) == [300]


def test_more_than_a_portion_goes_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.settlement.queueing.PORTION", 2)
    world = world_with(*[10] * 7)
    world.fund(1_000)
    world.run()
    assert batched(world) == [10] * 7
    assert world.position().waiting == 0


def test_that_a_days_limit_is_reached_is_told_once_a_day() -> None:
    """Not with everything that the rail answers meanwhile."""
    world = world_with(60, 40, 30, payout_limits={"EUR": {"day_minor": 100}}, prefunded=False)
    world.later(61)
    (batch,) = world.to_send()
    for number in range(2):
        world.answer(batch, "partially_settled", settled(batch, number))
        world.run()
    assert [(event.reason, event.amount_minor) for event in world.events("queue.waits")] == [("day_limit", 30)]
    # Another one is the first now.
    world.open_wallet("w2", 20)
    world.payout("w2", 20)
    world.run()
    first = [event.transaction_id for event in world.ledger_events("transaction.processed") if event.amount_minor == 30]
    world.cancel("w1", first[0] or "")
    world.run()
    assert [alert.amount_minor for alert in world.alerts().values()] == [20]
    world.later(86_400)
    assert batched(world) == [60, 40, 20]
    assert world.alerts() == {}

"""What does not fit waits in order, is told, and goes when it can: funds, limits, adapters, merchants' reserves."""

from __future__ import annotations

from typing import Any

import pytest

from agents.settlement.turn import Limits
from tests.settlement.world import SEPA, Json, World

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
    (first,) = world.transactions()
    world.open_wallet("w2", 100)
    world.fund(110)
    world.payout("w2", 100)
    world.run()
    assert batched(world) == [50]
    world.cancel("w1", first)
    world.run()
    assert batched(world) == [50], "the open batch is still to be paid for"
    world.later(61)
    assert batched(world) == [50, 100]


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


# ---- merchants --------------------------------------------------------------------------------------

RESERVE = {"merchant_reserve": {"basis_points": 1_000, "days": 2}, "prefunded": False}


def shop(**terms: Any) -> World:
    """A merchant that has sold for 1,000, of which 100 have to stay for two days."""
    world = World({**SEPA, **RESERVE, **terms})
    world.open_wallet("buyer", 5_000)
    world.open_wallet("shop", 0, kind="merchant")
    world.request("buyer", operation="transfer", amount_minor=1_000, asset="EUR", to_wallet_id="shop")
    world.run()
    return world


def test_a_merchant_is_paid_out_as_far_as_the_reserve_stays() -> None:
    world = shop()
    world.payout("shop", 900)
    world.run()
    assert batched(world) == [900]
    assert world.alerts() == {}


def test_beyond_it_a_payout_is_kept_back_until_the_days_are_over() -> None:
    world = shop()
    world.payout("shop", 901)
    world.payout("shop", 50)
    world.run()
    assert batched(world) == []
    assert {alert.code for alert in world.alerts().values()} == {"kept_back"}
    assert "reserve of merchant shop is 100" in next(iter(world.alerts().values())).message
    world.later(DAY_S)
    assert batched(world) == []
    world.later(DAY_S)
    assert batched(world) == [901, 50]
    assert world.alerts() == {}


def test_more_turnover_lets_what_is_kept_back_go_in_order() -> None:
    world = shop()
    world.payout("shop", 950)
    world.payout("shop", 45)
    world.run()
    # 5 are available and 995 wait; of 1,100 sold 110 have to stay, and 100 more come.
    world.request("buyer", operation="transfer", amount_minor=100, asset="EUR", to_wallet_id="shop")
    world.run()
    assert batched(world) == [950]
    assert len(world.alerts()) == 1


@pytest.mark.parametrize("reserve", [None, {"basis_points": 500, "days": 2}])
def test_a_reserve_that_is_lowered_or_ends_lets_what_is_kept_back_go_at_once(reserve: Any) -> None:
    world = shop()
    world.payout("shop", 950)
    world.run()
    assert batched(world) == []
    world.change_rail({**SEPA, **RESERVE, "merchant_reserve": reserve})
    world.run()
    assert batched(world) == [950]
    assert world.alerts() == {}


def test_what_a_rail_without_a_reserve_kept_back_goes_though_the_merchant_owes() -> None:
    world = shop()
    world.request("shop", operation="credit", amount_minor=10, asset="EUR")
    world.run()
    sold = next(one for one in world.ledger_events("transaction.settled") if one.amount_minor == 10)
    world.payout("shop", 1_010)
    world.run()
    back: Json = {"transaction_id": sold.transaction_id, "amount_minor": 10, "rail_reference": "r", "code": "MD06"}
    world.request("shop", "settlement-updates", operation="return", **back)
    world.run()
    assert (world.balance_minor("shop/main/available"), batched(world)) == (-10, [])
    world.change_rail({**SEPA, "prefunded": False})
    world.run()
    assert batched(world) == [1_010]


def test_an_operator_lets_go_what_is_kept_back_once() -> None:
    world = shop()
    world.payout("shop", 1_000)
    world.run()
    (alert,) = world.alerts().values()
    for _ in range(2):
        world.order(kind="release", transaction_id=alert.transaction_id)
        world.run()
    assert batched(world) == [1_000]
    assert world.alerts() == {}


def test_a_kept_back_payout_that_is_canceled_is_forgotten() -> None:
    world = shop()
    world.payout("shop", 1_000)
    world.run()
    (alert,) = world.alerts().values()
    world.cancel("shop", alert.transaction_id or "")
    world.run()
    assert world.alerts() == {}
    world.later(3 * DAY_S)
    assert batched(world) == []
    # What came back of it is no turnover: 900 may still go.
    world.payout("shop", 900)
    world.run()
    assert batched(world) == [900]


def test_customers_and_rails_without_a_reserve_are_not_kept_back() -> None:
    world = shop()
    world.payout("buyer", 4_000)
    world.run()
    assert batched(world) == [4_000]
    other = shop(merchant_reserve=None)
    other.payout("shop", 1_000)
    other.run()
    assert batched(other) == [1_000]


def test_a_restart_keeps_all_that_waits() -> None:
    world = shop()
    world.payout("shop", 1_000)
    world.payout("buyer", 10)
    world.run()
    for partition in world.settlement:
        partition.restart()
    world.later(2 * DAY_S)
    assert sorted(batched(world)) == [10, 1_000]

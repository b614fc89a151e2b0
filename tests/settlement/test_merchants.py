"""The merchants' reserve: payouts of a merchant wait as long as too little of its money would be left."""

from __future__ import annotations

from typing import Any

import pytest

from tests.settlement.world import SEPA, Json, World, settled

DAY_S = 86_400
RESERVE = {"merchant_reserve": {"basis_points": 1_000, "days": 2}, "prefunded": False}


def batched(world: World) -> list[int]:
    """Amounts in the order in which they went into batches."""
    return [event.payout.amount_minor for event in world.events("payout.batched") if event.payout is not None]


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


def test_a_merchants_sub_wallet_is_one_whatever_its_wallet() -> None:
    world = shop()
    world.open_wallet("maker", 0)
    world.request("maker", operation="open_sub_wallet", sub_wallet="shop", kind="merchant")
    world.run()
    sold: Json = {"operation": "transfer", "amount_minor": 1_000, "asset": "EUR", "to_wallet_id": "maker"}
    for where in ("main", "shop"):
        world.request("buyer", **sold, to_sub_wallet=where)
    world.run()
    world.payout("maker", 1_000)
    world.payout("maker", 901, sub_wallet="shop")
    world.run()
    assert batched(world) == [1_000]
    assert [alert.code for alert in world.alerts().values()] == ["kept_back"]
    world.later(2 * DAY_S)
    assert batched(world) == [1_000, 901]


def captured(world: World, minor: int, authorized_minor: int) -> None:
    """The merchant takes its own money out by a hold over the rail."""
    hold = world.request("shop", operation="authorize", amount_minor=authorized_minor, asset="EUR", expires_in_s=9_999)
    world.run()
    (event,) = [
        one
        for one in world.ledger_events("transaction.processed")
        if one.cause is not None and one.cause.idempotency_key == hold
    ]
    world.request("shop", operation="capture", transaction_id=event.transaction_id, amount_minor=minor, rail="sepa")
    world.run()


def test_what_a_merchant_captures_over_a_rail_is_kept_back_as_its_debits_are() -> None:
    world = shop()
    captured(world, 901, 901)
    assert batched(world) == []
    assert [alert.code for alert in world.alerts().values()] == ["kept_back"]
    world.later(2 * DAY_S)
    assert batched(world) == [901]


def test_what_a_rail_does_not_settle_of_a_merchants_own_capture_is_no_turnover() -> None:
    world = shop()
    captured(world, 800, 800)
    world.later(61)
    (batch,) = world.to_send()
    world.answer(batch, "partially_settled", settled(batch, 0, settled_minor=1))
    world.run()
    assert world.balance_minor("shop/main/available") == 999
    # Of 1,000 sold 100 have to stay.
    world.payout("shop", 899)
    world.run()
    assert batched(world) == [800, 899]

"""Rewards that are spent and come back: whole or in parts, no more and no less of each."""

from __future__ import annotations

from collections import Counter

import pytest

from agents.ledger.lots import coming_back, take, with_lots
from agents.ledger.state import DAY_MS
from agents.ledger.transaction import Lot

SOON, LATER = Lot("soon", 1_000, 30), Lot("later", 2_000, 20)


def minor_by_reward(lots: tuple[Lot, ...]) -> dict[str, int]:
    return {lot.transaction_id: lot.remaining_minor for lot in lots}


@pytest.mark.parametrize(
    ("minor", "left", "taken"),
    [
        (0, {"soon": 30, "later": 20}, {}),
        (29, {"soon": 1, "later": 20}, {"soon": 29}),
        (30, {"later": 20}, {"soon": 30}),
        (31, {"later": 19}, {"soon": 30, "later": 1}),
        (50, {}, {"soon": 30, "later": 20}),
        (99, {}, {"soon": 30, "later": 20}),
    ],
)
def test_nothing_is_kept_of_a_reward_that_is_spent(minor: int, left: dict[str, int], taken: dict[str, int]) -> None:
    assert tuple(map(minor_by_reward, take((SOON, LATER), minor))) == (left, taken)


@pytest.mark.parametrize("parts", [(65,), (15, 20, 30), (10, 10, 20, 25), (1,) * 65, (60, 30)])
def test_what_comes_back_in_parts_is_what_was_spent_the_latest_reward_first(parts: tuple[int, ...]) -> None:
    """Of 65 that were spent 15 were no rewards: these come back before them."""
    back, before_minor = Counter[str](), 0
    for minor in parts:
        back.update(minor_by_reward(coming_back((SOON, LATER), 65, before_minor, minor, now_ms=0)))
        before_minor += minor
        rewards_minor = min(50, max(0, before_minor - 15))
        assert back == Counter({"later": min(20, rewards_minor), "soon": max(0, rewards_minor - 20)})


@pytest.mark.parametrize(
    ("now_ms", "expires_at_ms"), [(0, 8 * DAY_MS), (DAY_MS, 8 * DAY_MS), (DAY_MS + 1, 8 * DAY_MS + 1)]
)
def test_what_comes_back_can_be_spent_for_seven_days_at_least(now_ms: int, expires_at_ms: int) -> None:
    spent = (Lot("r", 8 * DAY_MS, 10),)
    assert coming_back(spent, 10, 0, 4, now_ms) == (Lot("r", expires_at_ms, 4),)


def test_of_one_reward_there_is_one_lot_with_the_later_time_and_the_soonest_goes_first() -> None:
    more = (Lot("later", 500, 1), Lot("soon", 3_000, 2), Lot("also", 2_000, 3))
    assert with_lots((SOON, LATER), more) == (Lot("also", 2_000, 3), Lot("later", 2_000, 21), Lot("soon", 3_000, 32))

"""The circuit breaker: which rules it pauses, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from agents.fraud.breaker import LEAST_FACTS, MOST_FACTS, HourlyBudget, Tally, tallied
from schemas.fraud_rules import Rule
from tests.fraud.written import rule

HOUR_MS = 3_600_000


def shadow(**parts: Any) -> Rule:
    return rule("r", **({"state": "shadow", "shadow_max_bps": 500} | parts))


def test_a_rule_in_shadow_that_fires_at_too_many_facts_is_paused_and_says_so() -> None:
    tally, tripped = tallied(shadow(), Tally(), 0, facts=1_000, fired=50)
    assert tripped is None, "5 % are allowed"
    tally, tripped = tallied(shadow(), tally, 0, facts=1, fired=1)
    assert str(tripped) == (
        "rule r version 1 is paused: it fired at 51 of 1,001 facts, 5.1 %, its shadow_max_bps allows 5 %; narrow its "
        "filter or raise its limit, and publish that as a new version"
    )


def test_it_is_not_judged_by_the_first_facts() -> None:
    tally, tripped = tallied(shadow(), Tally(), 0, facts=LEAST_FACTS - 1, fired=LEAST_FACTS - 1)
    assert tripped is None
    assert tallied(shadow(), tally, 0, facts=1)[1] is not None


@pytest.mark.parametrize("state", ["draft", "paused"])
def test_a_rule_that_is_not_in_effect_is_not_paused_again(state: str) -> None:
    paused = shadow(state=state, alerts_per_hour=1)
    assert tallied(paused, Tally(), 0, facts=2_000, fired=2_000, alerts=50)[1] is None


def test_an_active_rule_may_fire_often_but_not_open_too_many_alerts() -> None:
    active = rule("r", alerts_per_hour=10)
    tally, tripped = tallied(active, Tally(), 5, facts=5_000, fired=5_000, alerts=10)
    assert tripped is None
    tally, tripped = tallied(active, tally, HOUR_MS - 1, alerts=1)
    assert tripped is not None
    assert "11 alerts in an hour, its alerts_per_hour is 10" in tripped.reason
    assert (tripped.rule_id, tripped.version) == ("r", 1)


def test_a_new_hour_begins_anew_and_time_that_goes_back_does_not() -> None:
    active = rule("r", alerts_per_hour=10)
    tally, _ = tallied(active, Tally(), 3 * HOUR_MS - 1, alerts=10)
    later, tripped = tallied(active, tally, 3 * HOUR_MS, alerts=10)
    assert tripped is None
    assert tallied(active, later, 2 * HOUR_MS, alerts=1)[1] is not None


def test_what_was_long_ago_fades() -> None:
    tally = Tally()
    for _ in range(MOST_FACTS // 1_000):
        tally, tripped = tallied(shadow(), tally, 0, facts=1_000, fired=0)
        assert tripped is None
    batches = 0
    while tripped is None:
        batches += 1
        tally, tripped = tallied(shadow(), tally, 0, facts=1_000, fired=1_000)
    assert batches < 6, "5 % of what is remembered"
    assert tally.facts <= MOST_FACTS


@pytest.mark.parametrize("sizes", [[1] * 3_000, [3_000], [999, 1, 2_000]])
def test_it_comes_to_the_same_in_whatever_portions(sizes: list[int]) -> None:
    tally = Tally()
    for size in sizes:
        tally, tripped = tallied(shadow(shadow_max_bps=5_000), tally, 0, facts=size, fired=size)
    assert tally == Tally(3_000, 3_000, 0, 0)
    assert tripped is not None


def test_a_budget_is_of_an_hour_and_what_is_refused_is_not_counted() -> None:
    budget, allowed = HourlyBudget(), []
    for now_ms in (0, 1, 2, 3, HOUR_MS, HOUR_MS - 1, HOUR_MS, HOUR_MS):
        budget, within = budget.spend(now_ms, 2)
        allowed.append(within)
    assert allowed == [True, True, False, False, True, True, False, False]
    assert budget == HourlyBudget(1, 2)
    assert HourlyBudget().spend(0, 0) == (HourlyBudget(0, 0), False)

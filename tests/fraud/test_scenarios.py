"""Each shipped rule fires where it must and not where it must not: tables in `scenarios/`."""

from __future__ import annotations

from pathlib import Path

import pytest

from agents.fraud.facts import DAY_MS
from ops.fraud.library.shipped import library
from tests.fraud.playing import Play, sentences
from tests.scenarios.table import read_scenarios

FOLDER = Path(__file__).parent / "scenarios"
PLAYS = [Play(scenario) for path in sorted(FOLDER.glob("*.scenario")) for scenario in read_scenarios(path)]
NEAR_MISSES = [play for play in PLAYS if play.is_near_miss]
#: How late facts arrive where they do, in ms.
LATENESS_MS = (60_000, DAY_MS, 500 * DAY_MS)


@pytest.mark.parametrize("play", PLAYS, ids=str)
def test_what_fires(play: Play) -> None:
    played = play.in_order()
    for shown in play.facts:
        fires = played.fires.get(shown.order, frozenset())
        assert fires == shown.fires, f"{shown.where}: {', '.join(sorted(fires)) or 'nothing'} fires"
    if play.says:
        assert sentences(play.compiled(), played) == set(play.says)


@pytest.mark.parametrize("play", PLAYS, ids=str)
def test_whatever_arrives_late_or_twice(play: Play) -> None:
    expected = play.in_order()
    for lateness_ms in LATENESS_MS:
        for seed in range(4):
            assert play.late(seed, lateness_ms) == expected


@pytest.mark.parametrize("play", NEAR_MISSES, ids=str)
def test_a_near_miss_is_near(play: Play) -> None:
    assert play.would_fire is not None, "say how near it is: `would fire with name=value`"
    assert not play.fires
    changed = play.in_order(*play.would_fire)
    assert any(play.about in fires for fires in changed.fires.values())


def test_each_rule_has_a_scenario_that_fires_and_a_near_miss() -> None:
    assert {play.about for play in PLAYS if play.fires} == library().keys()
    assert {play.about for play in NEAR_MISSES} == library().keys()


def test_each_scenario_that_fires_says_what_people_read() -> None:
    assert [play.name for play in PLAYS if play.fires and not play.says] == []

"""The verdict: what makes a demo fail."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import pytest

from ops.demo.balances import BalanceCheck, compare
from ops.demo.day.told import DayTold
from ops.demo.result import Result, report
from ops.demo.story.books import TrialBalance, TrialLine
from ops.demo.story.told import Told
from ops.demo.timeline import Timeline
from ops.latencies import percentiles


def _result() -> Result:
    timeline = Timeline()
    timeline.sample(5.0, 50, percentiles([0.02]), 900)
    timeline.mark(5.0, "phase", "transfers", "transfers")
    timeline.sample(6.0, 60, percentiles([0.02]), 8)
    timeline.mark(6.5, "kill", "kill -9", "kill -9")
    for at_s, waiting in ((7.0, 5), (8.0, 400), (9.0, 100), (10.0, 8), (11.0, 0)):
        timeline.sample(at_s, 70, percentiles([]), waiting)
    return Result(
        data="generated",
        requests=100,
        answered=100,
        doubled=0,
        unsettled=0,
        codes=Counter(ok=98, malformed=2),
        replayed=3,
        codes_due=Counter(ok=98, malformed=2),
        replays_due=3,
        balances=BalanceCheck(10, 0, ()),
        verify_line="verify: OK 300 events",
        verify_holds=True,
        undisturbed=percentiles([0.02, 0.03]),
        disturbed=percentiles([0.5, 3.0]),
        timeline=timeline,
        seconds=60.0,
    )


def test_it_holds_only_if_everything_does() -> None:
    assert _result().holds


@pytest.mark.parametrize(
    "change",
    [
        {"answered": 99},
        {"doubled": 1},
        {"unsettled": 1},
        {"verify_holds": False},
        {"balances": BalanceCheck(10, 1, (("w", 1, 2),))},
        {"codes": Counter(ok=97, malformed=3)},
        {"replayed": 2},
        {"story": Told(verify_holds=False, verify_line="verify: 1 finding")},
        {"day": DayTold(day="2026-11-29")},
        {"story": Told(trials=[TrialBalance("EUR", (TrialLine("alice/main/available", 1, 0),))])},
    ],
    ids=str,
)
def test_each_fault_alone_is_enough_and_is_said(change: dict[str, object]) -> None:
    result = dataclasses.replace(_result(), **change)  # type: ignore[arg-type]
    assert not result.holds
    assert result.as_json()["ok"] is False
    lines = "\n".join(report(result))
    assert "DOES NOT HOLD" in lines
    assert lines != "\n".join(report(_result()))


def test_caught_up_is_when_no_more_wait_than_before_the_kill_in_its_phase() -> None:
    assert _result().caught_up_s == pytest.approx(3.5)


def test_without_a_kill_nothing_is_caught_up() -> None:
    result = _result()
    result.timeline.marks.clear()
    assert result.caught_up_s is None
    never = _result()
    never.timeline.sample(12.0, 70, percentiles([]), 999)
    assert never.caught_up_s is None


def test_the_report_says_what_matters() -> None:
    text = "\n".join(report(_result()))
    assert "100, each exactly once" in text
    assert "10 wallets, each opening + in - out to the cent" in text
    assert "verify: OK 300 events" in text
    assert "p50 500 ms, p99 3,000 ms from the kill on; caught up 3.5 s after it" in text
    assert json.loads(json.dumps(_result().as_json()))["latency"]["p50_ms"] == 20.0


def test_the_story_is_told_of_first() -> None:
    trials = [TrialBalance("EUR", (TrialLine("alice/main/available", 0, 5), TrialLine("system/rail:instant", 5, 0)))]
    result = dataclasses.replace(_result(), story=Told(trials=trials, verify_holds=True, verify_line="verify: OK"))
    assert result.holds
    assert next(report(result)) == "story       0 steps, 0 outcomes as written; sums to zero in EUR; verify: OK"
    assert result.as_json()["story"]["verify"] == {"holds": True, "line": "verify: OK"}


def test_what_is_wrong_with_the_day_is_said() -> None:
    day = DayTold(day="2026-11-29", verify_line="verify: 1 finding")
    text = "\n".join(report(dataclasses.replace(_result(), day=day)))
    assert (
        "day         0 payouts: ; 0 of 0 exceptions resolved by two people; nothing proven; verify: 1 finding" in text
    )
    assert all(f"            WRONG: {problem}" in text for problem in day.problems)


def test_balances_are_compared_wallet_by_wallet() -> None:
    checked = compare({"a": 5, "b": 7, "stranger": 1}, {"a": 5, "b": 8, "never-paid": 0})
    assert checked == BalanceCheck(3, 1, (("b", 7, 8),))

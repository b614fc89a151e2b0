"""Windows of event time: that they look back from each event, cost the same however full, and forget."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from typing import Any

import pytest

from agents.fraud.alerts import Alerts
from agents.fraud.compile import compile_rules
from agents.fraud.engine import Engine
from schemas.fraud_rules import Rule
from tests.fraud.written import aggregate_rule, rule

MINUTE_MS = 60_000
EVERY_FUNCTION: tuple[dict[str, Any], ...] = (
    {"function": "count"},
    {"function": "sum", "field": "amount_minor"},
    {"function": "avg", "field": "amount_minor"},
    {"function": "min", "field": "amount_minor"},
    {"function": "max", "field": "amount_minor"},
    {"function": "stddev", "field": "amount_minor"},
    {"function": "count_distinct", "field": "to_wallet_id"},
    {"function": "time_since_last"},
    {"function": "ratio", "numerator": {"field": "direction", "op": "eq", "value": "in"}, "field": "amount_minor"},
    {"function": "share", "field": "to_wallet_id"},
    {"function": "speed_kmh"},
)


def fact(number: int) -> dict[str, Any]:
    """A transaction of wallet w; numbers that look random, the same each time."""
    return {
        "wallet_id": "w",
        "to_wallet_id": f"payee-{number * 7919 % 50}",
        "direction": "in" if number % 3 else "out",
        "amount_minor": 100 + number * 104_729 % 10_007,
        "asset": "EUR",
        "latitude": number % 50,
        "longitude": number % 70,
    }


def all_rules(window_s: int) -> list[Rule]:
    """One of each function, a sequence and a combination. They fire at some facts."""
    found = [
        aggregate_rule(f"r{index}", {**part, "window_s": window_s}, {"op": "gt", "value": 5_000}, cooldown_s=60)
        for index, part in enumerate(EVERY_FUNCTION)
    ]
    steps = [{"field": "amount_minor", "op": "lt", "value": 500}, {"field": "amount_minor", "op": "gt", "value": 9_500}]
    found.append(rule("sequence", sequence={"steps": steps, "within_s": window_s}))
    rules = ["sequence", "r5"]
    found.append(rule("both", combination={"rules": rules, "within_s": window_s, "threshold": 100}))
    return found


@pytest.mark.parametrize("late", [False, True])
def test_payments_in_other_assets_crowd_no_evidence_out(late: bool) -> None:
    total = {"function": "sum", "field": "amount_minor", "window_s": 3_600, "include_current": True}
    engine = Engine(compile_rules([aggregate_rule("euros", total, {"op": "ge", "value": 300})]))
    facts: list[tuple[tuple[int, int, int], dict[str, Any]]] = [
        ((number * 1_000, 0, number), {"wallet_id": "w", "amount_minor": 100, "asset": asset})
        for number, asset in enumerate([*["EUR"] * 2, *["PTS"] * 30, "EUR"])
    ]
    if late:
        facts.insert(0, facts.pop())
    changes = [change for order, each in facts for change in engine.insert_fact(order, each)]
    fires = {change.entry.order[2]: change.fire for change in changes}
    assert fires[32] is not None
    assert (fires[32].observed, fires[32].evidence) == (300, ("0:0", "0:1", "0:32"))


@pytest.mark.parametrize("edge_s", range(0, 60, 7))
def test_a_burst_across_a_tumbling_windows_edge_fires(edge_s: int) -> None:
    """Five in ten seconds, whatever the second of the minute: a counter for each minute would see it in some."""
    burst = aggregate_rule(
        "burst", {"function": "count", "window_s": 60, "include_current": True}, {"op": "ge", "value": 5}
    )
    engine = Engine(compile_rules([burst]))
    times_ms = [MINUTE_MS * 10 + edge_s * 1000 + passed_ms for passed_ms in (-4_500, -2_000, -1, 0, 5_499)]
    fired = [
        [change.entry.t_ms for change in engine.insert_fact((t_ms, 0, at), fact(at))]
        for at, t_ms in enumerate(times_ms)
    ]
    assert fired == [[], [], [], [], [times_ms[-1]]]
    if edge_s == 0:
        tumbling = [sum(t_ms // MINUTE_MS == minute for t_ms in times_ms) for minute in (9, 10)]
        assert tumbling == [3, 2], "a tumbling window of a minute sees no burst here"


def test_a_window_begins_after_its_length_and_not_at_it() -> None:
    two = aggregate_rule("two", {"function": "count", "window_s": 60}, {"op": "ge", "value": 1})
    engine = Engine(compile_rules([two]))
    assert not engine.insert_fact((0, 0, 0), fact(0))
    assert not engine.insert_fact((MINUTE_MS, 0, 1), fact(1)), "a minute ago is no longer in a window of a minute"
    assert engine.insert_fact((2 * MINUTE_MS - 1, 0, 2), fact(2))


def test_ties_are_ordered_by_source_partition_and_offset() -> None:
    """Of facts at one time the later ones have the earlier ones before them, whichever came first."""
    since = aggregate_rule("since", {"function": "count", "window_s": 60}, {"op": "ge", "value": 0})
    engine = Engine(compile_rules([since]))
    for partition, offset in ((1, 0), (0, 8), (0, 7)):
        engine.insert_fact((MINUTE_MS, partition, offset), fact(0))
    observed = {each.order[1:3]: fire.observed for _, _, each, _, fire in engine.standing()}
    assert observed == {(0, 7): 0, (0, 8): 1, (1, 0): 2}


def test_late_facts_that_no_rule_looked_at_count_for_the_next_that_one_looks_at() -> None:
    """The window's beginning has moved past them when they come: it has to come back."""
    small = {"field": "amount_minor", "op": "ge", "value": 2}
    count = {"function": "count", "window_s": 1, "filter": {"all": []}}
    engine = Engine(compile_rules([aggregate_rule("r", count, {"op": "ge", "value": 0}, filter=small)]))
    for at, (t_ms, amount_minor) in enumerate([(500, 1), (499, 1), (0, 1), (1_000, 2)]):
        engine.insert_fact((t_ms, 0, at), {"wallet_id": "w", "amount_minor": amount_minor})
    assert [fire.observed for *_, fire in engine.standing()] == [2]


def calls(action: Callable[[], object]) -> int:
    """How many functions are called, ours and Python's own: the same in every run, as time is not."""
    count = 0

    def called(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(called)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


def cost_of_one(engine: Engine, events: int) -> float:
    """Calls for one event, once so many are in its window: the mean of a hundred."""
    for at in range(2 * events):
        engine.insert_fact((at * 1000, 0, at), fact(at))

    def hundred() -> None:
        for at in range(2 * events, 2 * events + 100):
            engine.insert_fact((at * 1000, 0, at), fact(at))

    return calls(hundred) / 100


@pytest.mark.slow
def test_an_event_costs_the_same_with_ten_and_with_ten_thousand_in_its_window() -> None:
    few = cost_of_one(Engine(compile_rules(all_rules(30))), 30)
    many = cost_of_one(Engine(compile_rules(all_rules(10_000))), 10_000)
    assert few > 50
    assert many <= 1.5 * few


@pytest.mark.slow
def test_a_late_event_costs_what_it_changes_and_not_what_is_in_its_window() -> None:
    engine = Engine(compile_rules(all_rules(10_000)))
    for at in range(20_000):
        engine.insert_fact((at * 1000, 0, at), fact(at))
    in_order = calls(lambda: engine.insert_fact((20_000_000, 0, 20_000), fact(1)))
    late = calls(lambda: engine.insert_fact((19_990_500, 0, 20_001), fact(2)))
    assert late < 15 * 3 * in_order, "it and ten others are looked at again"


def objects() -> int:
    """How many objects are there that hold others."""
    gc.collect()
    return len(gc.get_objects())


@pytest.mark.slow
def test_what_is_held_is_bounded() -> None:
    """Of an endless stream the windows and the lateness are held, of keys that have gone silent nothing."""
    engine, alerts = Engine(compile_rules(all_rules(200)), 20_000), Alerts()
    held, before, fires = [], objects(), 0
    for at in range(8_000):
        t_ms = at * 1000 - (at % 7 == 0) * at * 31 % 20_000
        changes = engine.insert_fact((max(0, t_ms), 0, at), {**fact(at), "wallet_id": f"w{at // 1_000}-{at % 5}"})
        fires += len(changes)
        alerts.apply(changes)
        if at % 100 == 99:
            engine.trim(at * 1000)
            alerts.trim((at - 20) * 1000)
        if at % 2_000 == 1_999:
            held.append(objects() - before)
    assert engine.too_late == 0
    assert fires > 1_000
    assert max(held[1:]) < 1.2 * held[0], "it holds no more in the end than in the beginning"
    keys = engine.keys(("wallet_id",))
    assert {str(key[0]).split("-")[0] for key in keys} == {"w7"}
    # A window, the lateness, and as much again that waits for its history to be trimmed.
    assert sum(len(engine.entries(("wallet_id",), key)) for key in keys) <= 2 * (200 + 20) + 100
    engine.trim(8_000_000 + 20_000 + 200_000)
    assert not engine.keys(("wallet_id",))
    assert not list(engine.standing())
    alerts.trim(8_000_000 + 60_000)
    assert not list(alerts.standing())
    assert objects() - before < held[0] / 50


def test_alerts_are_trimmed_in_portions_too() -> None:
    """So many rules and keys with each call, in turn: in the end all that none can join are gone."""
    each_fact = rule("each", cooldown_s=10)
    engine, alerts = Engine(compile_rules([each_fact])), Alerts()
    for at in range(10):
        alerts.apply(engine.insert_fact((at * 1000, 0, at), {"wallet_id": f"w{at}"}))
    alerts.trim(15_000, lines=4)
    assert len(list(alerts.standing())) == 10, "it has only looked how many there are"
    alerts.trim(15_000, lines=4)
    assert {alert.key[0] for _, alert in alerts.standing()} == {f"w{at}" for at in range(4, 10)}
    alerts.trim(15_000, lines=4)
    assert {alert.key[0] for _, alert in alerts.standing()} == {f"w{at}" for at in range(5, 10)}
    alerts.trim(100_000)
    assert not list(alerts.standing())


def test_what_is_available_is_counted_in_each_asset_apart() -> None:
    part = {"function": "max", "field": "available_minor", "window_s": 60, "include_current": True}
    engine = Engine(compile_rules([aggregate_rule("r", part, {"op": "gt", "value": 1_000})]))
    shown = [("JPY", 100_000), ("EUR", 5), ("EUR", 1_001)]
    fires = [
        bool(engine.insert_fact((at, 0, at), {"wallet_id": "w", "asset": asset, "available_minor": available}))
        for at, (asset, available) in enumerate(shown)
    ]
    assert fires == [True, False, True]

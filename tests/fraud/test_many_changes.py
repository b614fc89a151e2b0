"""A late fact changes what rules say of all that come after it: more than one event holds."""

from __future__ import annotations

from typing import Any

import pytest

from agents.fraud import machine, portions
from agents.fraud.turn import Limits
from schemas.clock import rfc3339
from schemas.partitioning import partition_of
from schemas.topics import ENVELOPE_MAX_BYTES, FRAUD_ALERTS, FRAUD_INTERNAL
from tests.fraud.role import RoleWorld, counted, payment, rule

#: As long as ids are.
_FIRST = 1 << 124


def shared(world: RoleWorld, number: int, seconds_ago: int = 0) -> None:
    occurred_at = rfc3339(world.now_ms - 1_000 * seconds_ago)
    device = {"fingerprint": "d"}
    payment(world, _FIRST + number, f"w{number % 50}", 0, device=device, occurred_at=occurred_at)


def test_a_late_fact_that_changes_thousands_of_fires_is_seen() -> None:
    burst = counted("burst", ["device"], 20, window_s=3_600, cooldown_s=3_600, action="lock")
    world = RoleWorld([burst], partitions=1)
    for number in range(2_600):
        world.now_ms += 500
        shared(world, number)
    world.run()
    shared(world, 2_600, seconds_ago=1_290)
    world.run()
    assert world.events("fact.failed") == []
    assert max(map(len, world.all[0].log)) < ENVELOPE_MAX_BYTES
    assert [alert.occurrences for alert in world.alerts().values() if alert.state == "open"] == [2_600 + 1 - 19]
    assert len(world.events("fires.changed")) >= 2
    assert [each["operation"] for each in world.commands()] == ["lock"]
    world.all[0].restart()


@pytest.mark.parametrize("least", [1, 1_000, 1 << 20])
def test_alerts_that_change_by_the_hundred_are_told_and_counted_once(
    monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    monkeypatch.setattr(portions, "MOST_TOLD", 4)
    monkeypatch.setattr(portions, "MOST_TOLD_BYTES", least)
    each = counted("each", ["device"], 1, window_s=3_600, action="step_up")
    score = rule("score", ["device"], combination={"rules": ["each"], "within_s": 60, "threshold": 1}, cooldown_s=10)
    world = RoleWorld([each, score], partitions=1)
    for number in range(30):
        world.now_ms += 1_000
        shared(world, number)
    world.run()
    for number in (30, 31):
        shared(world, number, seconds_ago=40)
        world.run()
    world.all[0].restart()
    alerts = world.alerts()
    assert sum(alert.rule_id == "each" for alert in alerts.values()) == 32
    told = len(world.records(FRAUD_ALERTS))
    assert {alert.observed for alert in alerts.values() if alert.rule_id == "each"} == set(map(str, range(1, 33)))
    assert len(world.commands()) == 20, "the budget of the hour"
    world.now_ms += 1
    shared(world, 32)
    world.run()
    world.all[0].restart()
    assert len(world.records(FRAUD_ALERTS)) == told + 2


def test_facts_that_came_in_one_record_and_change_much_are_decided_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All that a record leads to is in one transaction, and it may hold 128 facts."""
    monkeypatch.setattr(machine, "_MOST_EVENT_BYTES", 50_000)
    home = partition_of("d", 2)
    by_order = counted("each", ["order"], 1, window_s=3_600, cooldown_s=3_600)
    # Such as memory holds of histories that something came into late.
    world = RoleWorld([by_order], partitions=2, limits=Limits(cached_entries=100))
    orders = [name for name in map(str, range(99)) if partition_of(name, 2) == home][:10]
    wallets = {partition: f"w{partition}" for partition in range(2)}
    number = 0
    for partition, count in ((home, 400), (1 - home, 20)):
        for _ in range(count):
            world.now_ms += 100
            number += 1
            occurred_at = None if partition == home else rfc3339(world.now_ms - 600_000)
            fields: dict[str, Any] = {"references": {"order": orders[number % 10]}}
            fields |= {} if occurred_at is None else {"occurred_at": occurred_at}
            payment(world, _FIRST + number, wallets[partition], partition, **fields)
        world.all[partition].run(1_000)
    assert len(world.topics[FRAUD_INTERNAL, home]) == 1
    begin = len(world.all[home].log)
    sizes = []
    while world.all[home].waiting():
        world.all[home].run(1_000)
        sizes.append(sum(map(len, world.all[home].log[begin:])))
        begin = len(world.all[home].log)
    assert len(sizes) > 3
    assert max(sizes) < 3 * 50_000
    assert [alert.occurrences for alert in world.alerts().values() if alert.state == "open"] == [42] * 10
    assert world.bugs == []
    world.all[home].restart()

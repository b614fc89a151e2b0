"""Labels and snoozes: what analysts say of alerts."""

from __future__ import annotations

from typing import Any

import pytest

from agents.fraud.machine import Tally
from agents.fraud.observing import FraudMetrics
from schemas.clock import rfc3339
from schemas.partitioning import partition_of
from streams.metrics import REGISTRY
from tests.fraud.role import EACH, START_MS, Json, RoleWorld, one, payment, rule


def say(world: RoleWorld, kind: str, **fields: Any) -> None:
    subject = fields.setdefault("subject", "w1")
    world.feedback(partition_of(subject, world.partitions), kind=kind, by="a", **fields)
    world.run()


def with_alert(partitions: int = 2) -> RoleWorld:
    world = RoleWorld([EACH | {"cooldown_s": 600, "action": "lock"}], partitions=partitions)
    payment(world, 1, "w1", partition_of("w1", partitions))
    world.run()
    return world


def test_a_label_is_on_the_alert_and_the_last_one_counts() -> None:
    world = with_alert()
    alert_id = one(world).alert_id
    say(world, "label", alert_id=alert_id, verdict="false_positive", reason="salary")
    assert one(world).label == "false_positive"
    say(world, "label", alert_id=alert_id, verdict="confirmed", decided_at="2026-11-01T00:00:00.000Z")
    payment(world, 2, "w1", partition_of("w1", 2))
    world.run()
    assert (one(world).label, one(world).occurrences) == ("confirmed", 2)
    labelled = world.events("alert.labelled")
    assert [event.verdict for event in labelled] == ["false_positive", "confirmed"]
    assert [event.decided_at for event in labelled] == [None, "2026-11-01T00:00:00.000Z"]
    for partition in world.all:
        partition.restart()


def over_budget() -> float:
    return REGISTRY.get_sample_value("walletstream_fraud_over_budget_total", {"rule": "each"}) or 0


def test_a_label_on_an_alert_over_budget_pages_nobody() -> None:
    """Whoever worked through the alerts of yesterday's attack called somebody out of bed for each."""
    world = RoleWorld([EACH | {"action": "lock", "actions_per_hour": 0}], partitions=1)
    world.observers.append(FraudMetrics(Tally()))
    before = over_budget()
    payment(world, 1, "w1", 0)
    world.run()
    assert (one(world).action_result, over_budget()) == ("budget", before + 1)
    say(world, "label", alert_id=one(world).alert_id, verdict="confirmed")
    assert (one(world).label, over_budget()) == ("confirmed", before + 1)


def test_the_longest_subject_can_be_labelled() -> None:
    """Of the most fields that a key has, each as long as a request may have it."""
    long = rule("long", ["device", "merchant", "order", "user"])
    world = RoleWorld([long], partitions=2)
    named = {name: name[0] * 200 for name in ("merchant", "order", "user")}
    payment(world, 1, "w1", 0, device={"fingerprint": "d" * 200}, references=named)
    world.run()
    alert = one(world)
    said = {"kind": "label", "by": "a", "subject": alert.subject, "alert_id": alert.alert_id, "verdict": "confirmed"}
    world.feedback(partition_of(alert.subject, 2), **said)
    world.run()
    assert (len(alert.subject), one(world).label) == (803, "confirmed")


def test_a_snooze_silences_a_rule_for_a_subject_until_it_ends() -> None:
    world = with_alert()
    say(world, "snooze", rule_id="each", expires_in_s=3_600, reason="moves house")
    world.now_ms += 700_000
    payment(world, 2, "w1", partition_of("w1", 2))
    payment(world, 3, "w2", partition_of("w2", 2))
    world.run()
    later = [alert for alert in world.alerts().values() if alert.first_seen > rfc3339(START_MS)]
    states = {alert.subject: (alert.state, alert.action_result) for alert in later}
    assert states == {"w1": ("snoozed", "snoozed"), "w2": ("open", "sent")}
    say(world, "snooze", rule_id="each", expires_in_s=0, reason="has moved")
    world.now_ms += 700_000
    payment(world, 4, "w1", partition_of("w1", 2))
    world.run()
    assert [alert.state for alert in world.alerts().values()].count("open") == 3


def test_an_alert_that_goes_on_after_its_snooze_acts_once() -> None:
    world = RoleWorld([EACH | {"cooldown_s": 600, "action": "lock"}], partitions=2)
    home = partition_of("w1", 2)
    say(world, "snooze", rule_id="each", expires_in_s=60, reason="moves house")
    seen = []
    for number in range(4):
        payment(world, number, "w1", home)
        world.run()
        alert = one(world)
        seen.append((alert.occurrences, alert.state, alert.action_result, len(world.commands())))
        world.now_ms += 40_000
    assert seen == [
        (1, "snoozed", "snoozed", 0),
        (2, "snoozed", "snoozed", 0),
        (3, "open", "sent", 1),
        (4, "open", "sent", 1),
    ]
    assert world.commands()[0]["idempotency_key"] == alert.alert_id
    for partition in world.all:
        partition.restart()


def test_actions_of_alerts_that_go_on_after_their_snooze_are_within_the_budget() -> None:
    wallet_ids = [f"w{number}" for number in range(4)]
    world = RoleWorld([EACH | {"cooldown_s": 600, "action": "lock", "actions_per_hour": 2}], partitions=1)
    for wallet_id in wallet_ids:
        world.feedback(0, kind="snooze", subject=wallet_id, by="a", rule_id="each", expires_in_s=60, reason="a test")
    for number in range(8):
        payment(world, number, wallet_ids[number % 4], 0)
        world.run()
        world.now_ms += 100_000 if number == 3 else 0
    told = [alert.action_result for alert in world.alerts().values()]
    assert sorted(map(str, told)) == ["budget", "budget", "sent", "sent"]
    assert len(world.commands()) == 2
    world.all[0].restart()


@pytest.mark.parametrize(
    ("feedback", "message"),
    [
        ({"kind": "label", "alert_id": "0" * 32, "verdict": "confirmed"}, "there is no alert 0000"),
        ({"kind": "label", "alert_id": "0" * 32, "verdict": "false_positive"}, "reason: a false positive needs one"),
        ({"kind": "label", "alert_id": "0" * 32, "verdict": "perhaps"}, "verdict"),
        ({"kind": "snooze", "rule_id": "each", "expires_in_s": -1, "reason": "r"}, "expires_in_s"),
        ({"kind": "shrug"}, "shrug"),
    ],
)
def test_bad_feedback_is_refused_with_the_reason(feedback: Json, message: str) -> None:
    world = with_alert(partitions=1)
    world.feedback(0, subject="w1", by="a", **feedback)
    world.run()
    (refused,) = world.events("feedback.refused")
    assert message in (refused.message or "")
    assert one(world).label is None
    assert bool(world.records("dead-letters")) == ("no alert" not in message)


def test_feedback_that_came_to_a_wrong_partition_is_sent_on() -> None:
    world = with_alert()
    wrong = 1 - partition_of("w1", 2)
    world.feedback(wrong, kind="label", subject="w1", alert_id=one(world).alert_id, verdict="confirmed", by="a")
    world.run()
    assert one(world).label == "confirmed"

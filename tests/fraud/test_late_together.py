"""Facts that come late are looked at once for each batch and history, and all is said that was to be said."""

from __future__ import annotations

from typing import Any

import pytest

from agents.fraud.evaluating import AggregateEvaluation
from agents.fraud.machine import FraudMachine
from agents.fraud.sequences import SequenceEvaluation
from schemas.clock import rfc3339
from schemas.topics import FRAUD_COMMANDS
from tests.fraud.role import Json, RoleWorld, counted, payment, rule
from tests.fraud.test_role_screening import verdicts, waits

SEQUENCE = rule(
    "small-large",
    ["wallet_id"],
    sequence={
        "steps": [
            {"field": "amount_minor", "op": "le", "value": 100},
            {"field": "amount_minor", "op": "gt", "value": 100},
        ],
        "within_s": 3_600,
    },
)


def pay(world: RoleWorld, number: int, seconds_ago: int = 0, wallet_id: str = "w", **fields: Any) -> None:
    payment(world, number, wallet_id, 0, occurred_at=rfc3339(world.now_ms - 1_000 * seconds_ago), **fields)


def on_time(world: RoleWorld, count: int) -> None:
    for number in range(count):
        world.now_ms += 1_000
        pay(world, number)
    world.run()


@pytest.mark.parametrize("most", [1, 5, 1_000])
def test_many_late_facts_cost_what_one_does(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = {"aggregate": 0, "sequence": 0}
    look, judge = AggregateEvaluation._look, SequenceEvaluation._judge

    def counted_look(self: Any, entry: Any, settle: Any) -> None:
        looks["aggregate"] += 1
        look(self, entry, settle)

    def counted_judge(self: Any, at: int) -> Any:
        looks["sequence"] += 1
        return judge(self, at)

    world = RoleWorld([counted("burst", ["wallet_id"], 20, window_s=3_600), SEQUENCE], partitions=1)
    on_time(world, 200)
    monkeypatch.setattr(AggregateEvaluation, "_look", counted_look)
    monkeypatch.setattr(SequenceEvaluation, "_judge", counted_judge)
    for number in range(200, 250):
        world.now_ms += 1
        pay(world, number, seconds_ago=190 - number % 7)
    world.run(most=most)
    # Each history once for each batch; from late ones on there are some 190 to 240 entries.
    batches = -(-50 // most)
    assert 150 * batches < looks["aggregate"] <= 250 * batches
    assert 150 * batches < looks["sequence"] <= 250 * batches
    world.all[0].restart()


@pytest.mark.parametrize("most", [1, 3, 100])
def test_what_is_said_hangs_on_no_batch(most: int) -> None:
    """Late facts and those on time by turns, in histories of several kinds."""
    rules = [
        counted("burst", ["wallet_id"], 3, window_s=20, cooldown_s=30),
        counted("device", ["device"], 4, window_s=30),
        SEQUENCE,
        rule("score", ["wallet_id"], combination={"rules": ["burst", "small-large"], "within_s": 60, "threshold": 100}),
    ]
    world = RoleWorld(rules, partitions=1)
    for number in range(60):
        world.now_ms += 3_000
        amount = 500 if number % 9 == 0 else 100
        ago = (0, 0, 40, 7)[number % 4]
        pay(world, number, ago, f"w{number % 2}", amount_minor=amount, device={"fingerprint": "d"})
    world.run(most=most)
    open_now = sorted((each.rule_id, each.subject, each.first_seen, each.occurrences, each.observed, each.evidence)
                      for each in world.alerts().values() if each.state == "open")  # fmt: skip
    assert open_now == _said_one_by_one(rules)
    assert {each[0] for each in open_now} == {"burst", "device", "small-large", "score"}
    world.all[0].restart()


def _said_one_by_one(rules: list[Json]) -> list[tuple[Any, ...]]:
    """The same facts in order of time, each in a batch of its own: none is late."""
    world = RoleWorld(rules, partitions=1)
    facts = []
    for number in range(60):
        world.now_ms += 3_000
        ago = (0, 0, 40, 7)[number % 4]
        facts.append((world.now_ms - 1_000 * ago, number))
    for t_ms, number in sorted(facts):
        amount = 500 if number % 9 == 0 else 100
        pay(
            world,
            number,
            (world.now_ms - t_ms) // 1_000,
            f"w{number % 2}",
            amount_minor=amount,
            device={"fingerprint": "d"},
        )
    world.run(most=1)
    return sorted((each.rule_id, each.subject, each.first_seen, each.occurrences, each.observed, each.evidence)
                  for each in world.alerts().values() if each.state == "open")  # fmt: skip


def test_a_late_payment_that_waits_gets_its_verdict_once_rules_have_looked() -> None:
    """By what came late after it in the same batch too: it is in the window."""
    world = RoleWorld([counted("burst", ["wallet_id"], 3, action="lock")], partitions=1)
    world.now_ms += 600_000
    pay(world, 1, wallet_id="w1")
    early = rfc3339(world.now_ms - 300_000)
    for number in (2, 3):
        payment(world, number, "w1", 0, occurred_at=early)
    late = waits(world, 4, "w1", occurred_at=early)
    on_time_now = waits(world, 5, "w1")
    other = waits(world, 6, "w2")
    world.run()
    assert {name: verdict for name, (verdict, _) in verdicts(world).items()} == {
        late: "deny",
        on_time_now: "allow",
        other: "allow",
    }
    assert len(world.topics[FRAUD_COMMANDS, 0]) == 4, "three verdicts and a lock"
    assert world.bugs == []
    world.all[0].restart()


def test_a_rule_that_is_paused_meanwhile_takes_no_late_fact_with_it() -> None:
    """The circuit breaker of one rule trips after late facts of another history, which no rule has looked at yet."""
    storm = counted("storm", ["device"], 1, alerts_per_hour=2)
    world = RoleWorld([storm, counted("burst", ["wallet_id"], 3, window_s=100)], partitions=1)
    world.now_ms += 600_000
    pay(world, 1)
    world.run()
    for number in (2, 3, 4):
        pay(world, number, seconds_ago=300)
    for number in (5, 6, 7):
        pay(world, number, wallet_id="other", device={"fingerprint": "d"})
    pay(world, 8, seconds_ago=290)
    world.run()
    assert [event.rule_id for event in world.events("rule.paused")] == ["storm"]
    burst = [alert for alert in world.alerts().values() if alert.rule_id == "burst" and alert.state == "open"]
    assert sorted(alert.observed or "" for alert in burst) == ["3", "3", "4"]
    world.all[0].restart()


def test_one_alert_that_begins_earlier_each_time_does_not_pause_its_rule() -> None:
    """Each late fact takes the alert back and opens another one: there is one all the time."""
    burst = counted("burst", ["wallet_id"], 3, window_s=3_600, cooldown_s=3_600, alerts_per_hour=5)
    world = RoleWorld([burst], partitions=1)
    world.now_ms += 3_600_000 - world.now_ms % 3_600_000
    for number in range(20):
        world.now_ms += 1_000
        pay(world, number, seconds_ago=15 * number)
        world.run()
    assert [alert.state for alert in world.alerts().values()].count("withdrawn") > 5
    assert world.events("rule.paused") == []
    for number in range(20, 24):
        pay(world, number, wallet_id="w2", seconds_ago=0)
        world.run()
        world.all[0].restart()
    # Those that stand count, of whatever wallet.
    for number in range(24, 44):
        pay(world, number, wallet_id=f"w{number // 3}")
        world.run()
    (event,) = world.events("rule.paused")
    assert "6 alerts in an hour" in (event.reason or "")


@pytest.mark.parametrize("broken", [1, 3])
def test_late_facts_of_a_batch_in_which_a_record_fails_are_looked_at(broken: int) -> None:
    world = RoleWorld([counted("burst", ["wallet_id"], 3, window_s=100)], partitions=1)
    world.now_ms += 600_000
    pay(world, 0)
    world.run()
    for number in range(1, 5):
        if number == broken:
            world.send("ledger-events", 0, b"k", b"{")
        pay(world, number, seconds_ago=300)
    world.run()
    assert len(world.events("fact.failed")) == 1
    assert sorted(each.observed or "" for each in world.alerts().values()) == ["3", "4"]
    world.all[0].restart()


def test_what_a_batch_that_failed_has_put_anywhere_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """No event of it was written that would tell: late facts are told at the end."""
    world = RoleWorld([counted("burst", ["wallet_id"], 3, window_s=100)], partitions=1)
    world.now_ms += 600_000
    pay(world, 0)
    world.run()
    real = FraudMachine.step

    def fragile(self: Any, state: Any, record: Any, context: Any, out: Any) -> None:
        real(self, state, record, context, out)
        if b'"boom"' in record.value:
            raise ZeroDivisionError

    monkeypatch.setattr(FraudMachine, "step", fragile)
    pay(world, 1, seconds_ago=300)
    pay(world, 2, seconds_ago=300)
    pay(world, 3, seconds_ago=310, references={"merchant": "boom"})
    world.run()
    assert [type(bug) for bug in world.bugs] == [ZeroDivisionError]
    assert world.alerts() == {}
    world.all[0].restart()

"""What alerts lead to, within budgets; and rules that say too much."""

from __future__ import annotations

import pytest

from agents.fraud import breaker
from agents.fraud.turn import Limits
from schemas.clock import rfc3339
from schemas.commands import CONTRACTS
from schemas.events import LedgerEvent
from schemas.partitioning import partition_of
from schemas.topics import FRAUD_COMMANDS
from tests.fraud.role import EACH, RoleWorld, one, payment, rule
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import credit, debit, open_wallet, set_state
from tests.ledger.world import Position, World


def test_an_action_is_sent_once_and_within_its_budget() -> None:
    world = RoleWorld([EACH | {"action": "lock", "actions_per_hour": 2}], partitions=4)
    for number in range(4):
        wallet_id = f"w{number}"
        payment(world, number, wallet_id, 0)
    world.run()
    by_wallet = {str(alert.wallet_id): alert for alert in world.alerts().values()}
    # Each in the partition of its subject: a budget is of one.
    allowed: dict[int, int] = {}
    for wallet_id, alert in sorted(by_wallet.items()):
        home = partition_of(wallet_id, 4)
        allowed[home] = allowed.get(home, 0) + 1
        assert alert.action_result == ("sent" if allowed[home] <= 2 else "budget")
    sent = {alert.alert_id: wallet_id for wallet_id, alert in by_wallet.items() if alert.action_result == "sent"}
    commands = world.commands()
    assert {command["idempotency_key"]: command["wallet_id"] for command in commands} == sent
    assert len(commands) == len(sent)
    assert {(command["operation"], tuple(command["rule_ids"])) for command in commands} == {("lock", ("each",))}
    for command in commands:
        read = CONTRACTS[FRAUD_COMMANDS].validate_python(command)
        assert (read.alert_id, read.reason) == (read.idempotency_key, world.alerts()[read.alert_id].sentence[:200])
    for partition in range(4):
        for record in world.topics[FRAUD_COMMANDS, partition]:
            assert record.key is not None
            assert partition_of(record.key.decode(), 4) == partition


def test_a_party_that_is_found_in_what_it_is_paid_is_locked_itself() -> None:
    """Not the payer, who may be a victim."""
    paid = {"field": "direction", "op": "eq", "value": "in"}
    fan_in = rule(
        "fan-in",
        ["party_id"],
        filter=paid,
        aggregate={"function": "count_distinct", "field": "wallet_id", "window_s": 600, "include_current": True},
        condition={"op": "ge", "value": 3},
        action="lock",
    )
    mule = {"wallet_id": "mule", "sub_wallet": "main"}
    world = RoleWorld([fan_in], partitions=2)
    for number in range(3):
        wallet_id = f"w{number}"
        payment(world, number, wallet_id, partition_of(wallet_id, 2), operation="transfer", counterparty=mule)
    world.run()
    assert (one(world).subject, one(world).wallet_id, one(world).action_result) == ("mule", "mule", "sent")
    assert [command["wallet_id"] for command in world.commands()] == ["mule"]
    (record,) = world.topics[FRAUD_COMMANDS, partition_of("mule", 2)]
    assert record.key == b"mule"


def test_what_moves_within_a_wallet_stands_in_its_history_once() -> None:
    """Both parties are one: what the first leg had opened the second would write over."""
    each = EACH | {"key": ["party_id"], "cooldown_s": 600, "action": "lock"}
    world = RoleWorld([each], partitions=1)
    payment(world, 1, "w1", 0, operation="transfer", counterparty={"wallet_id": "w1", "sub_wallet": "savings"})
    world.run()
    assert (one(world).occurrences, one(world).action_result, len(world.commands())) == (1, "sent", 1)
    world.all[0].restart()


def test_the_ledger_does_what_is_ordered() -> None:
    """From a fact to a wallet from which nothing leaves: what the role writes is what the ledger takes."""
    rules = [EACH | {"action": "lock"}, EACH | {"rule_id": "other", "action": "step_up"}]
    role, ledger = RoleWorld(rules, partitions=2), World(2)
    wallet_ids = ["w1", "w2", "w3"]
    for wallet_id in wallet_ids:
        assert ledger.submit(open_wallet(wallet_id))["code"] == "ok"
        assert ledger.submit(credit(wallet_id, 10))["code"] == "ok"
    for number, wallet_id in enumerate(wallet_ids[:2]):
        payment(role, number, wallet_id, partition_of(wallet_id, 2))
    role.run()
    ordered = [
        ledger.append(FRAUD_COMMANDS, record.value, key=record.key, partition=partition)
        for partition in range(2)
        for record in role.topics[FRAUD_COMMANDS, partition]
    ]
    ledger.settle()
    assert [ledger.answer(at)["code"] for at in ordered] == ["ok"] * 4
    types = sorted(event["type"] for at in ordered for event in ledger.events_of(at))
    assert types == ["wallet.state_changed"] * 2 + ["wallet.step_up_required"] * 2
    assert [ledger.submit(debit(wallet_id, 1))["code"] for wallet_id in wallet_ids] == ["wallet_locked"] * 2 + ["ok"]
    audit(ledger)
    audit_fold(ledger)


def test_a_rule_does_not_go_on_from_the_refusal_of_its_own_lock() -> None:
    refused = EACH | {"action": "lock", "filter": {"field": "type", "op": "eq", "value": "request.rejected"}}
    role, ledger = RoleWorld([refused], partitions=1), World(1)
    for asked in (open_wallet("w1"), set_state("w1", "closed"), credit("w1", 10)):
        ledger.submit(asked)
    told, ordered = 0, list[Position]()
    for _ in range(5):
        for event in ledger.events[told:]:
            role.ledger_event(0, **{name: event[name] for name in LedgerEvent.__struct_fields__ if name in event})
        told = len(ledger.events)
        role.run()
        for record in role.topics[FRAUD_COMMANDS, 0][len(ordered) :]:
            ordered.append(ledger.append(FRAUD_COMMANDS, record.value, key=record.key, partition=0))
        ledger.settle()
    assert [ledger.answer(at)["code"] for at in ordered] == ["wallet_closed"]


def late(world: RoleWorld, number: int, wallet_id: str, seconds: int, **fields: object) -> None:
    """A payment that comes now and occurred so many seconds ago."""
    payment(world, number, wallet_id, 0, occurred_at=rfc3339(world.now_ms - 1_000 * seconds), **fields)
    world.run()


def test_an_alert_that_a_late_fact_lets_begin_earlier_does_not_lock_again() -> None:
    world = RoleWorld([EACH | {"action": "lock", "cooldown_s": 600}], partitions=1)
    payment(world, 1, "w1", 0)
    world.run()
    first = one(world)
    world.now_ms += 60_000
    late(world, 2, "w1", 90)
    late(world, 3, "w1", 120)
    third = next(alert for alert in world.alerts().values() if alert.state == "open")
    assert world.alerts()[first.alert_id].state == "withdrawn"
    assert (third.occurrences, third.action_result) == (3, "sent before")
    assert third.links["in_place_of"].split()[-1] in world.alerts()
    assert [command["idempotency_key"] for command in world.commands()] == [first.alert_id]
    assert world.all[0].machine.limits.actions_per_hour
    payment(world, 4, "w1", 0)
    world.run()
    assert world.alerts()[third.alert_id].links == third.links, "as long as it goes on"
    assert len(world.commands()) == 1
    world.now_ms += 600_000
    payment(world, 5, "w1", 0)
    world.run()
    assert len(world.commands()) == 2, "another alert"


def test_an_alert_that_begins_earlier_with_another_wallet_locks_that() -> None:
    world = RoleWorld([rule("device", ["device"], action="lock", cooldown_s=600)], partitions=1)
    payment(world, 1, "w1", 0, device={"fingerprint": "d"})
    world.run()
    world.now_ms += 60_000
    late(world, 2, "w2", 90, device={"fingerprint": "d"})
    assert [command["wallet_id"] for command in world.commands()] == ["w1", "w2"]


def test_an_alert_that_takes_no_other_ones_place_locks() -> None:
    """What a late fact takes back, and what it says itself, have nothing in common but the rule."""
    above = rule(
        "above",
        ["wallet_id"],
        aggregate={"function": "avg", "field": "amount_minor", "window_s": 600},
        condition={"left": "amount_minor", "op": "gt", "factor": 2},
        action="lock",
        cooldown_s=10,
    )
    world = RoleWorld([above], partitions=1)
    for number, amount_minor in enumerate((10, 50)):
        payment(world, number, "w1", 0, amount_minor=amount_minor)
        world.run()
        world.now_ms += 100_000
    assert len(world.commands()) == 1
    late(world, 2, "w1", 150, amount_minor=90)
    assert sorted(alert.state for alert in world.alerts().values()) == ["open", "withdrawn"]
    assert len(world.commands()) == 2


def test_all_rules_share_a_budget_too() -> None:
    rules = [EACH | {"action": "lock"}, EACH | {"rule_id": "other", "action": "step_up"}]
    world = RoleWorld(rules, partitions=1, limits=Limits(actions_per_hour=3))
    for number in range(4):
        payment(world, number, "w1", 0)
    world.run()
    assert len(world.commands()) == 3
    assert [alert.action_result for alert in world.alerts().values()].count("budget") == 5
    world.all[0].restart()
    world.now_ms += 3_600_000
    payment(world, 9, "w1", 0)
    world.run()
    assert len(world.commands()) == 5


def test_an_alert_that_is_true_again_uses_the_budget_once() -> None:
    """Its command was sent the first time; what is left of the budget is for others."""
    average = {"function": "avg", "field": "amount_minor", "window_s": 600, "include_current": True}
    usual = rule("usual", ["wallet_id"], aggregate=average, condition={"op": "ge", "value": 100}, action="lock")
    world = RoleWorld([usual | {"actions_per_hour": 4}], partitions=1)
    # Each comes late, and before the others: the first alert is taken back by the second, and told again by the third.
    for number, amount in enumerate((100, 1, 100_000, 1_000_000, 1)):
        occurred_at = rfc3339(world.now_ms - number * 1_000)
        payment(world, number, "w1", 0, amount_minor=amount, occurred_at=occurred_at)
        world.run()
    told = [alert.action_result for alert in world.alerts().values()]
    assert told == ["sent"] * len(told)
    assert len(world.commands()) == len(told)
    world.all[0].restart()


def test_the_budget_is_of_an_hour() -> None:
    world = RoleWorld([EACH | {"action": "step_up", "actions_per_hour": 1}], partitions=1)
    for number in range(3):
        payment(world, number, "w1", 0)
        world.run()
        world.now_ms += 3_600_000 if number else 0
    assert sorted(str(alert.action_result) for alert in world.alerts().values()) == ["budget", "sent", "sent"]
    assert {command["operation"] for command in world.commands()} == {"require_step_up"}


def test_a_rule_that_says_too_much_is_paused_everywhere() -> None:
    world = RoleWorld([EACH | {"alerts_per_hour": 2}], partitions=3)
    for number in range(5):
        payment(world, number, "w1", partition_of("w1", 3))
    world.run()
    told = list(world.alerts().values())
    assert [alert.action for alert in told].count("pause") == 1
    assert next(alert for alert in told if alert.action == "pause").sentence.startswith("Rule each version 1 is paused")
    assert len(told) == 4, "the one too many is told too"
    paused = world.events("rule.paused")
    assert len(paused) == 3, "one in each partition"
    assert all("alerts in an hour" in (event.reason or "") for event in paused)
    other = next(f"w{n}" for n in range(9) if partition_of(f"w{n}", 3) != partition_of("w1", 3))
    payment(world, 9, other, partition_of(other, 3))
    for partition in world.all:
        partition.restart()
    world.run()
    assert len(world.alerts()) == 4
    # Whoever mends it publishes another version.
    world.publish(EACH | {"version": 2})
    payment(world, 10, other, partition_of(other, 3))
    world.run()
    assert len(world.alerts()) == 5


def test_a_rule_in_shadow_that_fires_too_often_is_paused() -> None:
    world = RoleWorld([EACH | {"state": "shadow", "shadow_max_bps": 5_000, "alerts_per_hour": 9_999}], partitions=1)
    for number in range(1_100):
        payment(world, number, "w1", 0, amount_minor=100 if number % 3 else 99)
    world.run()
    (event,) = world.events("rule.paused")
    assert "667 of 1,000 facts" in (event.reason or "")


def test_an_alert_that_opened_in_shadow_acts_when_it_goes_on_under_the_active_rule() -> None:
    """A cooldown may be a year: whoever was seen in shadow may not be let off for the rest of it."""
    lock = EACH | {"cooldown_s": 600, "action": "lock"}
    world = RoleWorld([lock | {"state": "shadow"}], partitions=1)
    seen = []
    for number in range(4):
        if number == 2:
            world.publish(lock)
        payment(world, number, "w1", 0)
        world.run()
        seen.append((one(world).occurrences, one(world).shadow, one(world).action_result, len(world.commands())))
    assert seen == [
        (1, True, "shadow", 0),
        (2, True, "shadow", 0),
        (3, False, "sent", 1),
        (4, False, "sent", 1),
    ]
    world.all[0].restart()


@pytest.mark.parametrize("key", [["device"], ["party_id"], ["wallet_id"]])
def test_in_shadow_a_rule_is_judged_by_all_facts(monkeypatch: pytest.MonkeyPatch, key: list[str]) -> None:
    """Under some keys facts are kept only where they concern a rule, which are perhaps those at which it fires."""
    monkeypatch.setattr(breaker, "LEAST_FACTS", 10)
    at_most = {"state": "shadow", "shadow_max_bps": 2_000}
    world = RoleWorld([EACH | at_most | {"key": key}, EACH | at_most | {"key": key, "rule_id": "other"}], partitions=1)
    for number in range(400):
        # A tenth of them at first, then a third.
        fires = number % 10 == 0 if number < 200 else number % 3 == 0
        payment(world, number, "w1", 0, amount_minor=100 if fires else 99, device={"fingerprint": "d1"})
        if number == 199:
            world.run()
            assert not world.events("rule.paused")
    world.run()
    paused = world.events("rule.paused")
    assert sorted(str(event.rule_id) for event in paused) == ["each", "other"]
    assert all(" facts, 20." in (event.reason or "") for event in paused)
    world.all[0].restart()

"""Payments that wait for screening: what rules of all partitions say becomes one verdict, which the ledger obeys."""

from __future__ import annotations

import random
from typing import Any

import pytest

from agents.fraud.machine import Tally
from agents.fraud.observing import FraudMetrics
from schemas.commands import CONTRACTS
from schemas.events import LedgerEvent
from schemas.fraud_internal import MOST_FACTS
from schemas.partitioning import partition_of
from schemas.rails import INSTANT, Rail
from schemas.reference import Reference
from schemas.topics import FRAUD_COMMANDS, FRAUD_INTERNAL
from streams.metrics import REGISTRY
from tests.fraud.role import EACH, Json, RoleWorld, counted, payment, rule
from tests.ledger.audit import audit, audit_fold
from tests.ledger.commands import command, credit, open_wallet
from tests.ledger.world import World

WAITS: Json = {"type": "transaction.initiated", "to_state": "initiated", "screening": "review", "rail": "wire"}
#: Fires at each payment from this device, wherever that lives.
DEVICE = rule("device", ["device"], filter={"field": "device", "op": "eq", "value": "d-bad"}, action="lock")


def waits(world: RoleWorld, number: int, wallet_id: str, **fields: Any) -> str:
    """A payment that waits; its transaction."""
    payment(world, number, wallet_id, partition_of(wallet_id, world.partitions), **WAITS, **fields)
    return f"{number:032x}"


def verdicts(world: RoleWorld) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Transaction -> verdict and rules; every command is one that the ledger takes, and lies where it reads it."""
    found = {}
    for partition in range(world.partitions):
        for record in world.topics[FRAUD_COMMANDS, partition]:
            read = CONTRACTS[FRAUD_COMMANDS].validate_json(record.value or b"")
            if read.operation == "screening_verdict":
                assert record.key == read.wallet_id.encode()
                assert partition_of(read.wallet_id, world.partitions) == partition
                assert read.transaction_id not in found, "one verdict for each"
                found[read.transaction_id] = (read.verdict, tuple(read.rule_ids))
    return found


def test_without_any_rule_a_payment_may_go() -> None:
    world = RoleWorld([], partitions=2)
    paid = waits(world, 1, "w1")
    world.run()
    assert verdicts(world) == {paid: ("allow", ())}
    assert [event.verdict for event in world.events("payment.judged")] == ["allow"]


@pytest.mark.parametrize(
    ("action", "state", "verdict"),
    [
        ("lock", "active", ("deny", ("each",))),
        ("review", "active", None),
        ("step_up", "active", None),
        ("alert", "active", ("allow", ())),
        ("lock", "shadow", ("allow", ())),
    ],
)
def test_what_the_rules_of_the_wallet_say(action: str, state: str, verdict: tuple[str, tuple[str, ...]] | None) -> None:
    world = RoleWorld([EACH | {"action": action, "state": state}], partitions=2)
    paid = waits(world, 1, "w1")
    world.run()
    assert verdicts(world).get(paid) == verdict
    (judged,) = world.events("payment.judged")
    assert judged.verdict == (verdict[0] if verdict else "review")


def test_a_rule_speaks_of_the_payment_on_which_it_fires_and_within_its_cooldown_too() -> None:
    world = RoleWorld([counted("burst", ["wallet_id"], 2, action="lock", cooldown_s=600)], partitions=1)
    paid = [waits(world, number, "w1") for number in range(4)]
    world.run()
    assert [verdicts(world)[each][0] for each in paid] == ["allow", "deny", "deny", "deny"]
    assert len(world.alerts()) == 1


def test_a_rule_that_is_snoozed_for_its_subject_does_not_speak() -> None:
    world = RoleWorld([EACH | {"action": "lock"}], partitions=1)
    world.feedback(0, kind="snooze", by="a", subject="w1", rule_id="each", expires_in_s=3_600, reason="moves house")
    world.run()
    paid = waits(world, 1, "w1"), waits(world, 2, "w2")
    world.run()
    assert [verdicts(world)[each][0] for each in paid] == ["allow", "deny"]


@pytest.mark.parametrize("seed", range(12))
def test_rules_of_other_partitions_are_asked_in_whatever_order_they_answer(seed: int) -> None:
    rng, world = random.Random(seed), RoleWorld([DEVICE, EACH | {"action": "review"}], partitions=4)
    expected: dict[str, tuple[str, tuple[str, ...]]] = {}
    for number in range(3 * MOST_FACTS // 4):
        bad, small = rng.random() < 0.3, rng.random() < 0.5
        fields: Json = {"device": {"fingerprint": "d-bad" if bad else f"d-{rng.randrange(9)}"}}
        paid = waits(world, number, f"w{rng.randrange(9)}", amount_minor=1 if small else 100, **fields)
        if bad:
            expected[paid] = "deny", ("device",)
        elif small:
            expected[paid] = "allow", ()
        if rng.random() < 0.05:
            world.run(rng)
    world.run(rng)
    assert not world.bugs
    assert verdicts(world) == expected
    for partition in world.all:
        partition.restart()


def test_an_answer_that_comes_again_changes_nothing() -> None:
    world = RoleWorld([DEVICE], partitions=4)
    for number in range(8):
        waits(world, number, f"w{number}", device={"fingerprint": "d-bad"})
    world.run()
    before = verdicts(world)
    assert {verdict for verdict, _ in before.values()} == {"deny"}
    for partition in range(4):
        for record in list(world.topics[FRAUD_INTERNAL, partition]):
            if b'"screened"' in (record.value or b""):
                world.send(FRAUD_INTERNAL, partition, record.key, record.value)
    world.run()
    assert verdicts(world) == before


def test_a_payment_that_no_rule_has_seen_is_left_to_an_analyst() -> None:
    """It came later than is allowed: silence is not consent."""
    world = RoleWorld([EACH | {"action": "lock"}], partitions=1)
    payment(world, 1, "w2", 0)
    world.run()
    world.now_ms -= 2 * 86_400_000
    paid = waits(world, 2, "w1")
    world.run()
    assert [event.verdict for event in world.events("payment.judged")] == ["review"]
    assert paid not in verdicts(world)
    world.feedback(0, kind="payment", by="a", subject="w1", transaction_id=paid, reason="not they", verdict="deny")
    world.run()
    assert verdicts(world)[paid] == ("deny", ()), "no rule has spoken against it"


def test_an_analyst_has_the_last_word_and_the_ledger_the_first() -> None:
    world = RoleWorld([EACH | {"action": "review"}], partitions=2)
    paid = waits(world, 1, "w1")
    world.run()
    assert verdicts(world) == {}
    home = partition_of("w1", 2)
    said: Json = {"kind": "payment", "by": "a", "subject": "w1", "transaction_id": paid, "reason": "called the owner"}
    # Said in another partition it is sent on.
    world.feedback(1 - home, **said, verdict="allow")
    world.run()
    assert verdicts(world) == {paid: ("allow", ())}, "no rule asks for what is allowed in spite of it"
    judged = world.events("payment.judged")[-1]
    assert (judged.verdict, judged.by, judged.reason) == ("allow", "a", "called the owner")
    world.feedback(home, **said, verdict="deny")
    world.run()
    commands = [each for each in world.commands() if each["operation"] == "screening_verdict"]
    assert len({each["idempotency_key"] for each in commands}) == 2, "a second word is another command"
    assert commands[-1]["rule_ids"] == ["each"]
    for partition in world.all:
        partition.restart()


def over_budget() -> float:
    return REGISTRY.get_sample_value("walletstream_fraud_over_budget_total", {"rule": "device"}) or 0


def reviews() -> float:
    return REGISTRY.get_sample_value("walletstream_fraud_payments_total", {"verdict": "review"}) or 0


def test_a_rule_denies_no_more_in_an_hour_than_it_may_open_alerts() -> None:
    """Cooldowns silence alerts, not screening: one that is wrong denied everybody, and the breaker saw one alert."""
    world = RoleWorld([DEVICE | {"cooldown_s": 86_400, "alerts_per_hour": 3, "actions_per_hour": 0}], partitions=1)
    world.observers.append(FraudMetrics(Tally()))
    shown_before = over_budget(), reviews()

    def asked(first: int, count: int, **fields: Any) -> list[str]:
        numbers = range(first, first + count)
        paid = [waits(world, number, f"w{number}", device={"fingerprint": "d-bad"}, **fields) for number in numbers]
        world.run()
        return [verdicts(world).get(each, ("", ()))[0] for each in paid]

    assert asked(0, 5) == ["deny", "deny", "deny", "", ""]
    # For its alert, too, which may not lock.
    assert (over_budget(), reviews()) == (shown_before[0] + 3, shown_before[1] + 2), "somebody is paged"
    assert len(world.alerts()) == 1
    judged = world.events("payment.judged")
    assert [event.verdict for event in judged] == ["deny"] * 3 + ["review"] * 2
    assert (judged[3].rule_id, judged[3].version, judged[2].rule_id) == ("device", 1, None)
    assert "3 in an hour" in str(judged[3].reason)
    assert judged[3].gate is not None
    assert judged[3].gate.deny == ("device",)
    assert {each["operation"] for each in world.commands()} == {"screening_verdict"}, "it may not lock"
    world.all[0].restart()
    assert asked(5, 1) == [""]
    world.now_ms += 3_600_000
    assert asked(6, 1) == ["deny"]


@pytest.mark.parametrize("partitions", [1, 2])
def test_a_payment_at_which_the_circuit_breaker_pauses_a_rule_is_not_one_too_many(partitions: int) -> None:
    """The rule is gone when the payment is judged, and so was its bound: that payment was denied too."""
    world = RoleWorld([DEVICE | {"alerts_per_hour": 3}], partitions=partitions)
    # With two it is another one than that of the device.
    payer = next(each for each in ("w0", "w1", "w2", "w3") if partition_of(each, 2) != partition_of("d-bad", 2))
    paid = [waits(world, number, payer, device={"fingerprint": "d-bad"}) for number in range(5)]
    world.run()
    assert world.events("rule.paused")
    assert [verdicts(world).get(each, ("", ()))[0] for each in paid] == ["deny", "deny", "deny", "", "allow"]
    judged = [event for event in world.events("payment.judged") if event.verdict == "review"]
    assert [(event.rule_id, event.version) for event in judged] == [("device", 1)]
    world.all[0].restart()


def test_one_rule_that_may_deny_is_enough() -> None:
    few = DEVICE | {"rule_id": "few", "alerts_per_hour": 1, "cooldown_s": 600}
    world = RoleWorld([DEVICE | {"alerts_per_hour": 3, "cooldown_s": 600}, few], partitions=1)
    paid = [waits(world, number, "w1", device={"fingerprint": "d-bad"}) for number in range(4)]
    world.run()
    assert [verdicts(world).get(each, ("", ()))[0] for each in paid] == ["deny", "deny", "deny", ""]
    assert verdicts(world)[paid[2]] == ("deny", ("device", "few")), "all that speak against it are named"


def test_a_word_on_the_payment_of_another_wallet_is_refused_and_rules_go_on() -> None:
    world = RoleWorld([DEVICE], partitions=2)
    wallets = [f"w{number}" for number in range(20)]
    home = partition_of("d-bad", 2)
    payer, other = [each for each in wallets if partition_of(each, 2) != home][:2]
    paid = waits(world, 1, payer, device={"fingerprint": "d-bad"})
    world.all[1 - home].run(100)
    # Before the device's partition has answered.
    said = {"kind": "payment", "by": "a", "transaction_id": paid, "reason": "mistyped", "verdict": "allow"}
    world.feedback(1 - home, subject=other, **said)
    world.all[1 - home].run(100)
    (refused,) = world.events("feedback.refused")
    assert refused.message == f"payment {paid} is not of {other}"
    assert world.commands() == []
    world.run()
    assert verdicts(world)[paid] == ("deny", ("device",))


def test_notes_on_a_transaction_are_not_its_first_decision() -> None:
    world = RoleWorld([EACH], partitions=1)
    for type_ in ("transaction.screened", "transaction.overdue", "transaction.confirmed", "transaction.contradicted"):
        payment(world, 1, "w1", 0, type=type_, to_state="initiated")
    world.run()
    assert world.alerts() == {}


def test_the_ledger_does_what_the_role_says() -> None:
    """From a request over a screened rail to money that has left, or is back."""
    rails = {rail.name: rail for rail in (INSTANT, Rail(name="wire", settlement="deferred", screening=True))}
    role, ledger = RoleWorld([DEVICE], partitions=2), World(2, reference=Reference(rails=rails))
    ends = {}
    for wallet_id in ("w1", "w2", "w3"):
        ledger.submit(open_wallet(wallet_id))
        ledger.submit(credit(wallet_id, 100))
        for device, end in (("d-good", "ok"), ("d-bad", "screening_denied")):
            asked = command("debit", wallet_id, amount_minor=10, asset="EUR", rail="wire")
            answer = ledger.submit(asked | {"device": {"fingerprint": device}})
            assert (answer["code"], answer["state"]) == ("ok", "initiated")
            ends[answer["transaction_id"]] = end
        assert ledger.balance(f"{wallet_id}/main/held", "EUR") == 20
    _exchange(role, ledger)
    updates = {each["transaction_id"]: each["code"] for each in ledger.outcomes if each["kind"] == "update"}
    assert updates == ends
    for wallet_id in ("w1", "w2", "w3"):
        buckets = {
            name: ledger.balance(f"{wallet_id}/main/{name}", "EUR") for name in ("available", "held", "outgoing")
        }
        assert buckets == {"available": 90, "held": 0, "outgoing": 10}
    audit(ledger)
    audit_fold(ledger)


def _exchange(role: RoleWorld, ledger: World) -> None:
    """What the ledger records goes to the role, and what that orders back, until nothing is new."""
    told, taken = 0, dict.fromkeys(range(2), 0)
    while told < len(ledger.events):
        events, told = ledger.events[told:], len(ledger.events)
        for event in events:
            fields = {name: event[name] for name in LedgerEvent.__struct_fields__ if name in event}
            role.ledger_event(event["_partition"], **fields)
        role.run()
        for partition in range(2):
            for record in role.topics[FRAUD_COMMANDS, partition][taken[partition] :]:
                ledger.append(FRAUD_COMMANDS, record.value, key=record.key, partition=partition)
                taken[partition] += 1
        ledger.settle()

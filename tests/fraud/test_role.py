"""What the role does with facts, rules, feedback and bad input, one thing at a time."""

from __future__ import annotations

import json

import orjson
import pytest

from agents.fraud.turn import Limits
from schemas.clock import rfc3339
from schemas.fraud_alerts import decode_alert
from schemas.fraud_events import decode_fraud_event, encode_fraud_event
from schemas.partitioning import partition_of
from schemas.topics import FRAUD_INTERNAL
from tests.fraud.role import EACH, START_MS, RoleWorld, counted, one, payment, rule

# ---- what a rule sees -----------------------------------------------------------------------------------------------


def test_an_alert_says_why() -> None:
    world = RoleWorld([counted("burst", ["wallet_id"], 2, cooldown_s=60, action="review")], partitions=1)
    for number in range(3):
        payment(world, number, "w1", 0, device={"fingerprint": "d1"})
        world.now_ms += 1_000
    world.run()
    alert = one(world)
    assert (alert.rule_id, alert.version, alert.state, alert.shadow) == ("burst", 1, "open", False)
    assert (alert.severity, alert.score, alert.action, alert.action_result) == ("high", 50, "review", None)
    assert (alert.subject, alert.key, alert.wallet_id) == ("w1", {"wallet_id": "w1"}, "w1")
    assert (alert.amount_minor, alert.asset) == (100, "EUR")
    assert (alert.observed, alert.limit, alert.occurrences) == ("3", "2", 2)
    assert alert.evidence == tuple(f"{number:032x}" for number in (2, 1, 0))
    assert (alert.first_seen, alert.last_seen) == (rfc3339(START_MS + 1_000), rfc3339(START_MS + 2_000))
    assert alert.sentence == "Wallet w1: number of transactions within 1 minute 3 is at or above 2. Seen 2 times."
    assert alert.links == {"explain": f"walletstream fraud explain {alert.alert_id}"}
    assert not world.commands()
    # Once for each batch, however often it changed.
    assert len(world.records("fraud-alerts")) == 1


def test_a_rule_sees_the_first_fact_of_a_transaction_unless_it_names_a_type() -> None:
    failed = rule("failed", ["wallet_id"], filter={"field": "type", "op": "eq", "value": "transaction.failed"})
    world = RoleWorld([EACH, failed], partitions=1)
    payment(world, 1, "w1", 0, type="transaction.processed", to_state="processed")
    payment(world, 1, "w1", 0, type="transaction.failed", from_state="processed", to_state="failed")
    world.run()
    assert sorted(alert.rule_id for alert in world.alerts().values()) == ["each", "failed"]
    world.refer("fraud-rules", "failed", None)
    payment(world, 2, "w1", 0, type="transaction.failed", from_state="processed", to_state="failed")
    world.run()
    assert len(world.alerts()) == 2
    assert len(world.events()) == 2, "what no rule asks for is not kept"


def test_windows_of_rules_that_name_no_type_hold_first_facts_only() -> None:
    """Beside a rule of the same key for which all facts are kept."""
    debits = {"field": "operation", "op": "eq", "value": "debit"}
    usual = {"function": "count", "window_s": 600, "filter": debits}
    ratio = rule(
        "ratio",
        ["wallet_id"],
        aggregate={"function": "count", "window_s": 600, "include_current": True, "filter": debits},
        condition={"op": "eq", "factor": 2, "against": usual},
    )
    failed = rule("failed", ["wallet_id"], filter={"field": "type", "op": "eq", "value": "transaction.failed"})
    world = RoleWorld([ratio, failed], partitions=1)
    payment(world, 1, "w1", 0, type="transaction.processed", to_state="processed")
    payment(world, 1, "w1", 0, type="transaction.failed", from_state="processed", to_state="failed")
    payment(world, 2, "w1", 0)
    world.run()
    found = {alert.rule_id: alert for alert in world.alerts().values()}
    assert (found["ratio"].observed, found["ratio"].normal) == ("2", "1")
    assert found["ratio"].evidence[0] == f"{2:032x}"


def test_the_age_of_a_wallet_and_what_lists_and_rates_say_is_in_the_fact() -> None:
    new = rule("new", ["wallet_id"], filter={"field": "wallet_age_s", "op": "lt", "value": 60})
    listed = rule("listed", ["device"], filter={"field": "device", "op": "in_list", "value": "blocked"})
    named = rule("named", ["user"], filter={"field": "user", "op": "resembles", "value": "sanctions"})
    dollars = rule(
        "dollars",
        ["wallet_id"],
        aggregate={
            "function": "sum",
            "field": "amount_minor",
            "window_s": 60,
            "include_current": True,
            "in_asset": "USD",
        },
        condition={"op": "eq", "value": 108},
    )
    world = RoleWorld([new, listed, named, dollars], partitions=1)
    world.refer("lists", "blocked", {"name": "blocked", "version": 3, "purpose": "block", "entries": ["d1"]})
    world.refer(
        "lists", "sanctions", {"name": "sanctions", "version": 7, "purpose": "watch", "entries": ["Smith John"]}
    )
    rate = {"rate_id": "r", "base": "EUR", "quote": "USD", "bid": "1.08", "ask": "1.09", "source": "s"}
    rate |= {"valid_from": "2026-01-01T00:00:00.000Z", "valid_until": "2027-01-01T00:00:00.000Z"}
    world.refer("fx-rates", "r", rate)
    world.ledger_event(0, type="wallet.opened", wallet_id="w1", operation="open_wallet")
    world.now_ms += 59_999
    payment(world, 1, "w1", 0, device={"fingerprint": "d1"}, references={"user": "john  SMITH"})
    world.run()
    found = {alert.rule_id: alert for alert in world.alerts().values()}
    assert found.keys() == {"new", "listed", "named", "dollars"}
    (match,) = found["listed"].matches
    assert (match.field, match.name, match.version, match.entry, match.likeness) == ("device", "blocked", 3, "d1", 100)
    (match,) = found["named"].matches
    assert (match.name, match.version, match.entry, match.likeness) == ("sanctions", 7, "smith john", 100)
    world.refer("lists", "blocked", None)
    world.now_ms += 60_000
    payment(world, 2, "w1", 0, device={"fingerprint": "d1"})
    world.run()
    assert [alert.rule_id for alert in world.alerts().values()].count("listed") == 1


def test_keys_live_where_their_subject_does() -> None:
    world = RoleWorld([counted("device", ["device"], 1), counted("both", ["party_id"], 1)], partitions=8)
    payment(world, 1, "w1", 3, device={"fingerprint": "d1"}, counterparty={"wallet_id": "w2", "sub_wallet": "main"})
    world.run()
    at = {
        decode_alert(record.value or b"").subject: partition
        for partition in range(8)
        for record in world.topics["fraud-alerts", partition]
    }
    assert at == {subject: partition_of(subject, 8) for subject in ("d1", "w1", "w2")}
    sent = [record.value or b"" for partition in range(8) for record in world.topics[FRAUD_INTERNAL, partition]]
    told = [json.loads(value) for value in sent]
    kinds = [each["uses"][number][0] for each in told for fact in each["facts"] for number in fact[4]]
    assert {kind for (kind,) in kinds} <= {"device", "party_id", "wallet_id"}
    assert len(kinds) == sum(partition != 3 for partition in at.values()) + (partition_of("w1", 8) != 3)


def test_a_fact_that_concerns_no_rule_is_kept_under_its_wallet_only() -> None:
    rejected = {"field": "status", "op": "eq", "value": "rejected"}
    world = RoleWorld([counted("device", ["device"], 1, filter=rejected)], partitions=1)
    payment(world, 1, "w1", 0, device={"fingerprint": "d1"})
    payment(world, 2, "w1", 0, device={"fingerprint": "d1"}, type="request.rejected", code="insufficient_funds")
    world.run()
    kinds = [[key.kind for key in event.keys] for event in world.events()]
    assert kinds == [[("wallet_id",)], [("wallet_id",), ("device",)]]
    assert one(world).observed == "1"


def test_what_comes_too_late_is_counted_apart() -> None:
    limits = Limits(lateness_ms=1_000, partition_lag_ms=60_000)
    world = RoleWorld([counted("device", ["device"], 2, window_s=1_000)], partitions=2, limits=limits)
    home = partition_of("d1", 2)
    payment(world, 1, "w1", 1 - home, device={"fingerprint": "d1"})
    world.now_ms += 61_001 + 1_000
    payment(world, 2, "w2", home, device={"fingerprint": "d1"})
    world.all[home].run(10)
    assert not world.events("fact.late")
    world.run()
    (late,) = world.events("fact.late")
    assert late.fact is not None
    assert late.fact["wallet_id"] == "w1"
    assert not world.alerts()
    world.all[home].restart()


def test_a_wallet_whose_opening_comes_too_late_has_an_age() -> None:
    limits = Limits(lateness_ms=1_000, partition_lag_ms=60_000)
    world = RoleWorld([counted("device", ["device"], 2, window_s=1_000)], partitions=2, limits=limits)
    home = partition_of("d1", 2)
    world.ledger_event(home, type="wallet.opened", wallet_id="w1", operation="open_wallet")
    opened_ms = world.now_ms
    world.now_ms += 61_001 + 1_000
    payment(world, 1, "w2", 1 - home, device={"fingerprint": "d1"})
    world.all[1 - home].run(10)
    world.run()
    (late,) = world.events("fact.late")
    assert late.fact is not None
    assert late.fact["type"] == "wallet.opened"
    payment(world, 2, "w1", home)
    world.run()
    ages = [
        event.fact.get("wallet_age_s") for event in world.events() if event.fact and event.fact["wallet_id"] == "w1"
    ]
    assert ages[-1] == (world.now_ms - opened_ms) // 1000
    world.all[home].restart()


# ---- rules ----------------------------------------------------------------------------------------------------------


def test_rules_are_followed_while_facts_come() -> None:
    world = RoleWorld(partitions=1)
    payment(world, 1, "w1", 0)
    world.run()
    # A history is there before the rule: three transactions in all.
    world.publish(counted("burst", ["wallet_id"], 3, state="draft", action="lock"))
    payment(world, 2, "w1", 0)
    world.run()
    assert not world.alerts()
    world.publish(counted("burst", ["wallet_id"], 3, state="shadow", action="lock"))
    payment(world, 3, "w1", 0)
    world.run()
    assert (one(world).shadow, one(world).action_result) == (True, "shadow")
    world.publish(counted("burst", ["wallet_id"], 3, state="paused", action="lock", version=2))
    payment(world, 4, "w1", 0)
    world.run()
    assert len(world.alerts()) == 1
    world.publish(counted("burst", ["wallet_id"], 3, state="active", action="lock", version=2))
    payment(world, 5, "w1", 0)
    world.run()
    assert [alert.version for alert in world.alerts().values()] == [1, 2]
    world.refer("fraud-rules", "burst", None)
    payment(world, 6, "w1", 0)
    world.run()
    assert len(world.alerts()) == 2


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"{", "JSON"),
        (orjson.dumps(EACH | {"key": []}), "key"),
        (orjson.dumps(EACH | {"version": 2, "filter": {"field": "nothing", "op": "present"}}), "nothing"),
        (orjson.dumps(EACH | {"version": 2, "filter": {"field": "hour", "op": "gt", "value": 99}}), "hour"),
        (orjson.dumps(counted("each", ["wallet_id"], 1, window_s=181 * 86_400, version=2)), "window"),
        (orjson.dumps(EACH | {"severity": "low"}), "version"),
    ],
)
def test_a_bad_rule_is_refused_with_the_reason_and_harms_nothing(value: bytes, message: str) -> None:
    world = RoleWorld([EACH], partitions=1)
    with pytest.raises(ValueError, match=message):
        world.all[0].machine.refer("fraud-rules", "each", value)
    payment(world, 1, "w1", 0)
    world.run()
    assert one(world).rule_id == "each"


def test_a_rule_that_comes_back_after_its_removal_is_what_it_says_then() -> None:
    """Though it has the version that it had, and nothing was decided in between."""
    world = RoleWorld([EACH], partitions=1)
    payment(world, 1, "w1", 0)
    world.run()
    world.refer("fraud-rules", "each", None)
    world.publish(EACH | {"filter": {"field": "amount_minor", "op": "ge", "value": 1_000}})
    payment(world, 2, "w2", 0)
    payment(world, 3, "w3", 0, amount_minor=1_000)
    world.run()
    assert {alert.subject for alert in world.alerts().values()} == {"w1", "w3"}


def test_a_combination_may_come_before_its_rules() -> None:
    """As on a compacted topic, where a rule of it was published again."""
    both = rule("both", ["wallet_id"], combination={"rules": ["each"], "within_s": 60, "threshold": 50})
    world = RoleWorld([both, EACH], partitions=1)
    payment(world, 1, "w1", 0)
    world.run()
    assert {alert.rule_id for alert in world.alerts().values()} == {"each", "both"}
    alert = next(alert for alert in world.alerts().values() if alert.rule_id == "both")
    assert [(part.rule_id, part.version, part.score) for part in alert.contributions] == [("each", 1, 50)]


def test_combinations_of_combinations_may_come_before_their_rules() -> None:
    parts = {"within_s": 60, "threshold": 50}
    two = rule("two", ["wallet_id"], combination={"rules": ["one"], **parts})
    one_ = rule("one", ["wallet_id"], combination={"rules": ["each"], **parts})
    world = RoleWorld([two, one_, EACH], partitions=1)
    payment(world, 1, "w1", 0)
    world.run()
    assert {alert.rule_id for alert in world.alerts().values()} == {"each", "one", "two"}


def test_combinations_that_wait_are_bounded() -> None:
    """No more wait than rules are kept, and rules that none of them adds up are not held up by them."""
    world = RoleWorld([EACH], partitions=1)
    refused = []
    for number in range(1_010):
        parts = {"rules": [f"missing-{number}"], "within_s": 60, "threshold": 1}
        try:
            world.publish(rule(f"waits-{number}", ["wallet_id"], combination=parts))
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) == 10
    assert all("there is no rule missing-" in message for message in refused)
    payment(world, 1, "w1", 0)
    world.run()
    assert one(world).rule_id == "each"


# ---- what is written ------------------------------------------------------------------------------------------------


def test_facts_of_which_no_rule_says_anything_share_an_event() -> None:
    """In their order with those of which one does, and no more of them than an event holds."""
    world = RoleWorld([rule("large", ["wallet_id"], filter={"field": "amount_minor", "op": "ge", "value": 500})])
    at = partition_of("w1", 2)
    for number in range(300):
        payment(world, number, "w1", at, amount_minor=500 if number == 10 else 100)
    world.run(most=1_000)
    told = [decode_fraud_event(value) for value in world.all[at].log[:-1]]
    assert [(event.type, len(event.facts)) for event in told] == [
        ("facts.counted", 10),
        ("fact.evaluated", 0),
        ("facts.counted", 128),
        ("facts.counted", 128),
        ("facts.counted", 33),
    ]
    assert [event.sequence for event in told] == list(range(5))
    assert [event.cause.offset for event in world.events()] == list(range(300))
    # A batch tells all that it has counted.
    payment(world, 300, "w1", at)
    world.run()
    assert len(world.events()) == 301
    world.all[at].restart()


def test_each_record_tells_its_own_facts_where_one_has_failed() -> None:
    world = RoleWorld([counted("burst", ["wallet_id"], 9)], partitions=1)
    for number in range(3):
        payment(world, number, "w1", 0)
    world.send("ledger-events", 0, b"", b"{")
    payment(world, 4, "w1", 0)
    world.run()
    types = [decode_fraud_event(value).type for value in world.all[0].log[:-1]]
    assert types == [*["facts.counted"] * 3, "fact.failed", "facts.counted"]
    world.all[0].restart()


def test_a_log_in_which_each_fact_is_an_event_is_folded_to_the_same_state() -> None:
    """As logs are that were written before facts shared events."""
    world = RoleWorld([counted("burst", ["wallet_id"], 3), counted("both", ["party_id"], 9)], partitions=1)
    for number in range(20):
        payment(world, number, f"w{number % 4}", 0, counterparty={"wallet_id": "w9", "sub_wallet": "main"})
        world.now_ms += 5_000
    world.run()
    (partition,) = world.all
    assert {"facts.counted", "fact.evaluated"} <= {
        decode_fraud_event(value).type for value in partition.log if b"batch.sealed" not in value[:64]
    }
    partition.log = [encode_fraud_event(event) for event in partition.events()]
    partition.restart()

"""`worker ledger` and `worker fraud` on a real broker: rules are followed, kills change nothing."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from ops.processes import wait_until_ready
from schemas.clock import unix_ms
from schemas.fraud_events import FIRES_CHANGED, decode_fraud_event
from schemas.fraud_internal import FactSource, RoutedFact, RoutedFacts, decode_fraud_internal
from schemas.topics import (
    FRAUD_COMMANDS,
    FRAUD_EVENTS,
    FRAUD_INTERNAL,
    FRAUD_RULES,
    LEDGER_EVENTS,
    RAILS,
    TRANSACTION_OUTCOMES,
    TRANSACTION_REQUESTS,
)
from streams.seal import chain_hash, decode_seal, is_seal, unhashed_bytes
from tests.broker import Kafka
from tests.fraud.cluster import Cluster, running
from tests.fraud.expected import expected_alerts, what_is_told
from tests.fraud.role import Json, apart, counted, rule

pytestmark = pytest.mark.kafka

WIRE: Json = {"name": "wire", "settlement": "deferred", "screening": True, "screening_deadline_s": 600}
#: Who is paid in the traffic during which the worker is killed.
KILLED = {"field": "merchant", "op": "eq", "value": "killed"}
RULES = [
    counted("burst", ["wallet_id"], 3, window_s=600, cooldown_s=600, filter=KILLED),
    counted("device", ["device"], 4, window_s=600, filter=KILLED, alerts_per_hour=1_000_000),
    rule(
        "fan-in",
        ["party_id"],
        filter={"all": [KILLED, {"field": "direction", "op": "eq", "value": "in"}]},
        aggregate={"function": "count_distinct", "field": "wallet_id", "window_s": 600, "include_current": True},
        condition={"op": "ge", "value": 2},
        cooldown_s=60,
        action="lock",
    ),
]

RULE_IDS = {each["rule_id"] for each in RULES}


@pytest.fixture(scope="module")
def cluster(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(kafka, "fraudrole.", tmp_path_factory.mktemp("fraud")) as cluster:
        yield cluster


def test_a_rule_takes_effect_within_two_seconds_and_a_bad_one_harms_nothing(cluster: Cluster) -> None:
    debits = {"field": "operation", "op": "eq", "value": "debit"}
    amounts = {"field": "amount_minor", "op": "ge", "value": 700}
    large = rule("large", ["wallet_id"], filter={"all": [debits, amounts]})
    bad = rule("bad", ["wallet_id"], filter={"field": "amount", "op": "ge", "value": 700})

    async def publish_and_pay() -> dict[str, float]:
        await cluster.send(FRAUD_RULES, ("bad", bad), ("worse", b"{"), ("large", large))
        published, sent = time.monotonic(), {}
        for _ in range(20):
            wallet_id, payment = cluster.request("w0", amount_minor=700)
            await cluster.send(TRANSACTION_REQUESTS, (wallet_id, payment))
            sent[payment["idempotency_key"]] = time.monotonic() - published
            await asyncio.sleep(0.05)
        return sent

    sent = cluster.run(publish_and_pay())
    cluster.until(lambda: "large" in {alert.rule_id for alert in cluster.alerts().values()})
    keys = {}
    for value in cluster.values(LEDGER_EVENTS):
        event = json.loads(value)
        if not is_seal(value) and event.get("transaction_id"):
            keys[event["transaction_id"]] = event["cause"]["idempotency_key"]
    seen = [sent[keys[name]] for alert in cluster.alerts().values() for name in alert.evidence]
    assert min(seen) < 2.0
    log = cluster.workers["fraud"].log_path.read_text()
    assert "a record of reference data is passed over: filter: " in log
    assert "amount" in log
    text = cluster.metrics()
    assert 'walletstream_reference_records_total{result="skipped",topic="fraud-rules"} 2.0' in text
    assert 'walletstream_fraud_alerts_total{rule="large",severity="high",state="open"}' in text
    assert "walletstream_fraud_lag_seconds_count" in text


def test_what_analysts_do_at_the_command_line(cluster: Cluster, tmp_path: Path) -> None:
    once = rule("cli", ["wallet_id"], filter={"field": "merchant", "op": "eq", "value": "cli"}, action="review")
    path = tmp_path / "rules.json"
    path.write_bytes(orjson.dumps([once, once | {"rule_id": "odd", "filter": {"field": "odd", "op": "present"}}]))
    refused = cluster.cli("publish", str(path))
    assert refused.exit_code == 1
    assert "rule odd: filter" in refused.output
    assert "nothing was published" in refused.output
    path.write_bytes(orjson.dumps(once))
    assert cluster.cli("publish", str(path)).output == "published cli version 1, active\n"
    listed = {one["rule_id"]: one for one in json.loads(cluster.cli("rules", "--json").stdout)}
    assert listed["cli"]["rule"] == once
    assert "amount" in listed["bad"]["problem"]
    assert "workers pass it over" in cluster.cli("rules").output
    cluster.until(lambda: cluster.applied(FRAUD_RULES) >= 2)
    paid = cluster.request("w0", references={"merchant": "cli"})
    cluster.run(cluster.send(TRANSACTION_REQUESTS, paid))
    cluster.until(lambda: "cli" in {alert.rule_id for alert in cluster.alerts().values()})
    (alert,) = json.loads(cluster.cli("alerts", "--rule", "cli", "--json").stdout)
    assert (alert["subject"], alert["amount_minor"]) == ("w0", 10)
    explained = cluster.cli("explain", alert["alert_id"][:8]).output
    assert explained.startswith(alert["sentence"])
    assert f"walletstream tx show {alert['evidence'][0]}" in explained
    assert "needs a --reason" in cluster.cli("label", alert["alert_id"], "false_positive").output
    assert "is false_positive" in cluster.cli("label", alert["alert_id"], "false_positive", "--reason", "r").output
    (found,) = json.loads(cluster.cli("stats", "--rule", "cli", "--json").stdout)
    assert (found["alerts"], found["false_positives"], found["precision"]) == (1, 1, 0.0)
    assert "cli version 1: 1 alerts" in cluster.cli("stats").output
    assert cluster.cli("snooze", "cli", "w0", "--reason", "r").output == "cli is silent on w0 for 86400 s\n"
    assert cluster.cli("pause", "cli").output == "cli version 1 is paused\n"
    assert cluster.cli("remove", "bad").output == "bad is removed\n"
    assert "no rule 'bad'" in cluster.cli("pause", "bad").output
    assert "no alert whose id begins with 'ff00'" in cluster.cli("explain", "ff00").output


def test_alerts_are_those_of_the_engine_however_often_the_worker_is_killed(cluster: Cluster) -> None:
    before = cluster.applied(FRAUD_RULES)
    cluster.run(cluster.send(FRAUD_RULES, *[(each["rule_id"], each) for each in RULES]))
    cluster.until(lambda: cluster.applied(FRAUD_RULES) == before + 3)
    fraud = cluster.workers["fraud"]
    for part in range(3):
        cluster.run(cluster.send(TRANSACTION_REQUESTS, *_traffic(cluster, part)))
        if part < 2:
            time.sleep(0.15)
            fraud.kill()
            cluster.run(cluster.send(TRANSACTION_REQUESTS, *_traffic(cluster, part + 10)))
            fraud.start()
    wait_until_ready([fraud])

    def told() -> dict[str, Any]:
        return what_is_told(alert for alert in cluster.alerts().values() if alert.rule_id in RULE_IDS)

    def wanted() -> dict[str, Any]:
        facts = cluster.run(cluster.read(LEDGER_EVENTS))
        return expected_alerts(RULES, facts, lateness_ms=3_600_000)

    cluster.until(lambda: len(cluster.paid()) == cluster.sent)
    cluster.until(lambda: told() == wanted())
    assert {alert[0] for alert in wanted().values()} == {"burst", "device", "fan-in"}
    _check_logs(cluster)
    _check_commands(cluster)


def _traffic(cluster: Cluster, part: int) -> list[tuple[str, Json]]:
    found = []
    for number in range(100):
        fields: Json = {"references": {"merchant": "killed"}, "device": {"fingerprint": f"d{(number + part) % 3}"}}
        if number % 3 == 0:
            fields |= {"operation": "transfer", "to_wallet_id": f"w{(number + part) % 5}"}
        if number % 4 == 0:
            fields["occurred_at"] = "2020-01-01T00:00:00Z"
        found.append(cluster.request(f"w{number % 5 + 1}", **fields))
    return found


def _check_logs(cluster: Cluster) -> None:
    """The log of each partition is gapless and chained; each fact that went out has left one event where it arrived."""
    routed = cluster.run(cluster.read(FRAUD_INTERNAL))
    assert any(routed.values())
    for partition, records in cluster.run(cluster.read(FRAUD_EVENTS)).items():
        values = [value for _, value in records]
        assert [json.loads(value)["sequence"] for value in values] == list(range(len(values))), partition
        causes: Counter[Any] = Counter()
        pending: list[bytes] = []
        digest = "0" * 64
        for value in values:
            if is_seal(value):
                assert decode_seal(value).hash == chain_hash(digest, pending, unhashed_bytes(value))
                digest, pending = decode_seal(value).hash, []
            else:
                pending.append(value)
                for event in apart(decode_fraud_event(value)):
                    # What rules say of late facts is told beside their own events.
                    causes[event.cause, event.source] += event.type != FIRES_CHANGED
        causes = +causes
        assert set(causes.values()) == {1}
        counted = [source for (cause, source) in causes if cause.topic == FRAUD_INTERNAL and source is not None]
        sent = [_facts_of(value) for _, value in routed.get(partition, [])]
        assert Counter(counted) == Counter(
            FactSource(fact.partition, fact.offset) for facts in sent for fact in facts
        ), partition
        assert set(Counter(counted).values()) == {1}


def _facts_of(value: bytes) -> tuple[RoutedFact, ...]:
    told = decode_fraud_internal(value)
    return told.facts if isinstance(told, RoutedFacts) else ()


def _check_commands(cluster: Cluster) -> None:
    """One for each alert that asks for it, within the budget."""
    commands = [json.loads(value) for value in cluster.values(FRAUD_COMMANDS)]
    sent = [alert for alert in cluster.alerts().values() if alert.action_result == "sent"]
    assert Counter(command["idempotency_key"] for command in commands) == Counter(alert.alert_id for alert in sent)
    assert commands
    assert all(unix_ms(alert.recorded_at) for alert in sent)


def test_a_payment_waits_for_the_verdict_of_all_partitions(cluster: Cluster) -> None:
    """Over a screened rail: what no rule stops has left, what one stops is back, what one doubts waits for a person."""
    wallets = [f"screened{number}" for number in range(3)]
    opened = [cluster.request(wallet_id, operation="open_wallet") for wallet_id in wallets]
    funded = [cluster.request(wallet_id, operation="credit", amount_minor=1_000) for wallet_id in wallets]
    cluster.run(cluster.send(TRANSACTION_REQUESTS, *opened, *funded))
    cluster.run(cluster.send(RAILS, ("wire", WIRE)))
    bad = {"field": "device", "op": "eq", "value": "d-bad"}
    doubtful = {"field": "amount_minor", "op": "eq", "value": 777}
    rules = [
        rule("stolen", ["device"], filter=bad, action="lock", actions_per_hour=0),
        rule("odd", ["wallet_id"], filter=doubtful, action="review"),
    ]
    cluster.run(cluster.send(FRAUD_RULES, *((each["rule_id"], each) for each in rules)))
    time.sleep(2)
    asked: dict[str, str] = {}
    for wallet_id in wallets:
        for end, fields in (
            ("processed ok", {"amount_minor": 11, "device": {"fingerprint": "d-good"}}),
            ("failed screening_denied", {"amount_minor": 12, "device": {"fingerprint": "d-bad"}}),
            ("", {"amount_minor": 777}),
        ):
            request = cluster.request(wallet_id, rail="wire", **fields)
            asked[request[1]["idempotency_key"]] = end
            cluster.run(cluster.send(TRANSACTION_REQUESTS, request))

    def ends() -> dict[str, str]:
        found = dict.fromkeys(asked, "")
        for value in cluster.values(TRANSACTION_OUTCOMES):
            outcome = json.loads(value)
            if outcome["idempotency_key"] in asked and outcome["kind"] == "update":
                found[outcome["idempotency_key"]] = f"{outcome['state']} {outcome['code']}"
        return found

    def waiting() -> list[tuple[str, str]]:
        judged = [decode_fraud_event(value) for value in cluster.values(FRAUD_EVENTS) if not is_seal(value)]
        gates = [event.gate for event in judged if event.type == "payment.judged" and event.verdict == "review"]
        return [(gate.wallet_id, gate.transaction_id) for gate in gates if gate is not None]

    cluster.until(lambda: ends() == asked and len(waiting()) == 3)
    wallet_id, transaction_id = waiting()[0]
    said = cluster.cli("verdict", transaction_id, "allow", "--wallet", wallet_id, "--reason", "called the owner")
    assert said.exit_code == 0, said.output
    cluster.until(lambda: list(ends().values()).count("processed ok") == 4)
    for wallet in (wallet_id, "w0"):
        late = cluster.cli("verdict", transaction_id, "deny", "--wallet", wallet, "--reason", "too late")
        assert late.exit_code == 1
        assert "the ledger refuses it" in late.output
    assert 'walletstream_fraud_payments_total{verdict="review"} 3.0' in cluster.metrics()

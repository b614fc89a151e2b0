"""`worker ledger` and `worker fraud` on a real broker: rules are followed, kills change nothing."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from ops.cli import main
from ops.processes import WorkerProcess, stop_all, wait_until_ready
from ops.reading import open_reader
from schemas.clock import unix_ms
from schemas.fraud_alerts import Alert, decode_alert
from schemas.fraud_events import decode_fraud_event
from schemas.topics import (
    FRAUD_ALERTS,
    FRAUD_COMMANDS,
    FRAUD_EVENTS,
    FRAUD_INTERNAL,
    FRAUD_RULES,
    LEDGER_EVENTS,
    TRANSACTION_REQUESTS,
    full_name,
)
from streams.seal import chain_hash, decode_seal, is_seal, unhashed_bytes
from tests.broker import Kafka
from tests.fraud.expected import expected_alerts, what_is_told
from tests.fraud.role import Json, counted, rule
from tests.ops.verify.on_kafka import create_topics

pytestmark = pytest.mark.kafka

PARTITIONS = 2
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


class Cluster:
    """Topics, a ledger worker and one of the fraud role."""

    def __init__(self, kafka: Kafka, namespace: str, folder: Path):
        self.bootstrap_servers, self.namespace = kafka.bootstrap_servers, namespace
        environ = {
            "WALLETSTREAM_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "WALLETSTREAM_NAMESPACE": namespace,
            "WALLETSTREAM_PARTITIONS": str(PARTITIONS),
            "WALLETSTREAM_DATA_DIR": str(folder / "data"),
            "WALLETSTREAM_SESSION_TIMEOUT_S": "3",
        }
        # Both under one id: each has a folder of its own there.
        self.workers = {role: WorkerProcess("one", environ, folder / f"{role}.log", role=role) for role in ROLES}
        self.sent = 0

    def cli(self, *arguments: str) -> Result:
        """`walletstream fraud` with these arguments."""
        environ = {
            "WALLETSTREAM_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "WALLETSTREAM_NAMESPACE": self.namespace,
        }
        return CliRunner().invoke(main, ["fraud", *arguments], env=environ)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(work)

    async def send(self, topic: str, *records: tuple[str, Json | bytes | None]) -> None:
        """Records by key."""
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers)
        await producer.start()
        try:
            for key, value in records:
                raw = orjson.dumps(value) if isinstance(value, dict) else value
                await producer.send(full_name(self.namespace, topic), raw, key=key.encode())
        finally:
            await producer.stop()

    def request(self, wallet_id: str, **fields: Any) -> tuple[str, Json]:
        self.sent += 1
        request = {"operation": "debit", "amount_minor": 10, "asset": "EUR", **fields}
        if request["operation"] == "open_wallet":
            request = {"operation": "open_wallet", "owner_ref": "o", "assets": ["EUR"]}
        return wallet_id, {**request, "idempotency_key": f"k{self.sent}", "wallet_id": wallet_id}

    async def read(self, topic: str) -> dict[int, list[tuple[int, bytes]]]:
        """Partition -> offsets and values, committed ones."""
        found: dict[int, list[tuple[int, bytes]]] = {partition: [] for partition in range(PARTITIONS)}
        async with open_reader(self.bootstrap_servers, self.namespace) as reader:
            async for records in reader.read(topic):
                for record in records:
                    found[record.partition].append((record.offset, record.value or b""))
        return found

    def values(self, topic: str) -> list[bytes]:
        return [value for records in self.run(self.read(topic)).values() for _, value in records]

    def alerts(self) -> dict[str, Alert]:
        told = [decode_alert(value) for value in self.values(FRAUD_ALERTS)]
        return {alert.alert_id: alert for alert in told}

    def metrics(self) -> str:
        address = f"http://127.0.0.1:{self.workers['fraud'].web_port}/metrics"
        return str(urllib.request.urlopen(address).read().decode())

    def until(self, holds: Callable[[], bool], timeout_s: float = 40.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            for worker in self.workers.values():
                assert worker.running, worker.failure()
            assert time.monotonic() < deadline, self.workers["fraud"].last_lines()
            time.sleep(0.1)


ROLES = ("ledger", "fraud")


@pytest.fixture(scope="module")
def cluster(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(kafka, "fraudrole.", tmp_path_factory.mktemp("fraud"))
    asyncio.run(create_topics(cluster.bootstrap_servers, cluster.namespace, PARTITIONS))
    try:
        for worker in cluster.workers.values():
            worker.start()
        wait_until_ready(cluster.workers.values())
        wallets = [f"w{number}" for number in range(6)]
        opened = [cluster.request(wallet_id, operation="open_wallet") for wallet_id in wallets]
        funded = [cluster.request(wallet_id, operation="credit", amount_minor=1_000_000) for wallet_id in wallets]
        cluster.run(cluster.send(TRANSACTION_REQUESTS, *opened, *funded))
        yield cluster
    finally:
        stop_all(list(cluster.workers.values()))


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
    cluster.until(lambda: _applied(cluster) >= 2)
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
    before = _applied(cluster)
    cluster.run(cluster.send(FRAUD_RULES, *[(each["rule_id"], each) for each in RULES]))
    cluster.until(lambda: _applied(cluster) == before + 3)
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

    cluster.until(lambda: len(_paid(cluster)) == cluster.sent)
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


def _applied(cluster: Cluster) -> float:
    """Records of rules that the worker has taken."""
    name = 'walletstream_reference_records_total{result="applied",topic="fraud-rules"} '
    lines = [line for line in cluster.metrics().splitlines() if line.startswith(name)]
    return float(lines[0].removeprefix(name)) if lines else 0


def _paid(cluster: Cluster) -> set[str]:
    """Keys of all requests that were decided."""
    causes = [json.loads(value)["cause"] for value in cluster.values(LEDGER_EVENTS) if not is_seal(value)]
    # The ledger decides what the role orders too, under keys of its own.
    return {cause["idempotency_key"] for cause in causes if cause["topic"] == TRANSACTION_REQUESTS}


def _check_logs(cluster: Cluster) -> None:
    """The log of each partition is gapless and chained; each record has left one event, each fact went out once."""
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
                causes[decode_fraud_event(value).cause] += 1
        assert set(causes.values()) == {1}
    routed = Counter(cluster.values(FRAUD_INTERNAL))
    assert set(routed.values()) == {1}


def _check_commands(cluster: Cluster) -> None:
    """One for each alert that asks for it, within the budget."""
    commands = [json.loads(value) for value in cluster.values(FRAUD_COMMANDS)]
    sent = [alert for alert in cluster.alerts().values() if alert.action_result == "sent"]
    assert Counter(command["idempotency_key"] for command in commands) == Counter(alert.alert_id for alert in sent)
    assert commands
    assert all(unix_ms(alert.recorded_at) for alert in sent)

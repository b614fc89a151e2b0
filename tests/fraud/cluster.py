"""A ledger worker and one of the fraud role on a real broker."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from ops.cli import main
from ops.processes import WorkerProcess, stop_all, wait_until_ready
from ops.reading import open_reader
from schemas.fraud_alerts import Alert, decode_alert
from schemas.topics import FRAUD_ALERTS, LEDGER_EVENTS, TRANSACTION_REQUESTS, full_name
from streams.seal import is_seal
from tests.broker import Kafka
from tests.fraud.role import Json
from tests.ops.verify.on_kafka import create_topics

PARTITIONS = 2
ROLES = ("ledger", "fraud")


class Cluster:
    """Topics, a ledger worker and one of the fraud role.

    Attributes:
        sent: how many requests were made.
    """

    def __init__(self, kafka: Kafka, namespace: str, folder: Path, environ: Mapping[str, str] | None = None):
        self.bootstrap_servers, self.namespace = kafka.bootstrap_servers, namespace
        given = {
            "WALLETSTREAM_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "WALLETSTREAM_NAMESPACE": namespace,
            "WALLETSTREAM_PARTITIONS": str(PARTITIONS),
            "WALLETSTREAM_DATA_DIR": str(folder / "data"),
            "WALLETSTREAM_SESSION_TIMEOUT_S": "3",
            **(environ or {}),
        }
        # Both under one id: each has a folder of its own there.
        self.workers = {role: WorkerProcess("one", given, folder / f"{role}.log", role=role) for role in ROLES}
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

    def applied(self, topic: str) -> float:
        """Records of reference data that the worker has taken."""
        name = f'walletstream_reference_records_total{{result="applied",topic="{topic}"}} '
        lines = [line for line in self.metrics().splitlines() if line.startswith(name)]
        return float(lines[0].removeprefix(name)) if lines else 0

    def paid(self) -> set[str]:
        """Keys of all requests that were decided."""
        causes = [json.loads(value)["cause"] for value in self.values(LEDGER_EVENTS) if not is_seal(value)]
        # The ledger decides what the role orders too, under keys of its own.
        return {cause["idempotency_key"] for cause in causes if cause["topic"] == TRANSACTION_REQUESTS}


@contextmanager
def running(
    kafka: Kafka,
    namespace: str,
    folder: Path,
    environ: Mapping[str, str] | None = None,
    reference: Mapping[str, Sequence[tuple[str, Json]]] | None = None,
) -> Iterator[Cluster]:
    """A cluster whose workers are ready, with six wallets that have money; `reference` was there before all else."""
    cluster = Cluster(kafka, namespace, folder, environ)
    asyncio.run(create_topics(cluster.bootstrap_servers, cluster.namespace, PARTITIONS))
    for topic, records in (reference or {}).items():
        cluster.run(cluster.send(topic, *records))
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

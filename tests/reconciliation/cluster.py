"""Workers of some roles on a real broker, and what people and tests do with them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from ops.cli import main
from ops.processes import WorkerProcess, wait_until_ready
from ops.reading import open_reader
from schemas.topics import full_name
from streams.seal import is_seal
from tests.broker import Kafka
from tests.ops.verify.on_kafka import create_topics

Json = dict[str, Any]
PARTITIONS = 2


class Cluster:
    """A namespace, one worker of each role in it, one data directory."""

    def __init__(self, kafka: Kafka, namespace: str, folder: Path, roles: Sequence[str], **environ: str):
        self.bootstrap_servers, self.namespace, self.folder = kafka.bootstrap_servers, namespace, folder
        self.environ = {
            "WALLETSTREAM_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "WALLETSTREAM_NAMESPACE": namespace,
            "WALLETSTREAM_PARTITIONS": str(PARTITIONS),
            "WALLETSTREAM_DATA_DIR": str(folder / "data"),
            "WALLETSTREAM_RECONCILIATION_REMATCH_INTERVAL_S": "1",
            **environ,
        }
        self.workers = {role: WorkerProcess("one", self.environ, folder / f"{role}.log", role=role) for role in roles}

    def start(self, *records: tuple[str, tuple[str, Json]]) -> None:
        """Make the topics, write these records by topic, and start all workers."""
        asyncio.run(create_topics(self.bootstrap_servers, self.namespace, PARTITIONS))
        for topic, record in records:
            self.send(topic, record)
        for worker in self.workers.values():
            worker.start()
        wait_until_ready(self.workers.values())

    def try_cli(self, *arguments: str) -> Result:
        """`walletstream` with these arguments."""
        return CliRunner().invoke(main, list(arguments), env=self.environ)

    def cli(self, *arguments: str) -> str:
        """The same, which has to succeed."""
        result = self.try_cli(*arguments)
        assert result.exit_code == 0, f"{arguments}: {result.output}"
        return result.output

    def shown(self, *arguments: str) -> list[Json]:
        """What `walletstream reconcile` shows for scripts."""
        found: list[Json] = json.loads(self.cli("reconcile", *arguments, "--json"))
        return found

    def send(self, topic: str, *records: tuple[str, Json]) -> None:
        """Write records by key."""
        asyncio.run(self._send(topic, records))

    async def _send(self, topic: str, records: Sequence[tuple[str, Json]]) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap_servers)
        await producer.start()
        try:
            for key, value in records:
                await producer.send(full_name(self.namespace, topic), orjson.dumps(value), key=key.encode())
        finally:
            await producer.stop()

    def values(self, topic: str) -> list[Json]:
        """Committed records of a topic, seals left out."""
        return asyncio.run(self._read(topic))

    async def _read(self, topic: str) -> list[Json]:
        found = []
        async with open_reader(self.bootstrap_servers, self.namespace) as reader:
            async for records in reader.read(topic):
                found += [orjson.loads(record.value or b"") for record in records if not is_seal(record.value or b"")]
        return found

    def until(self, holds: Callable[[], bool], timeout_s: float) -> None:
        """Wait until it holds; a worker that ends meanwhile is an error."""
        deadline = time.monotonic() + timeout_s
        while not holds():
            for worker in self.workers.values():
                assert worker.running, worker.failure()
            assert time.monotonic() < deadline, self.workers["reconciliation"].last_lines()
            time.sleep(0.3)

    def write(self, name: str, data: bytes | str) -> str:
        """A file in the folder; its path."""
        path = self.folder / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)


def major(minor: int) -> str:
    """Cents as euros, such as `12.05` or `-0.35`."""
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02d}"

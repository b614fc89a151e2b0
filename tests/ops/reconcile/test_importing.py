"""Files of statements on a real broker: once, whole or not at all, whoever is killed when."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner, Result

from agents.statements.reading import Reading
from agents.statements.records import lines_hash_of
from ops.alone import alone
from ops.cli import main as walletstream
from ops.errors import OperationError
from ops.reading import open_reader
from ops.reconcile import importing
from ops.reconcile.importing import Imported, import_files
from ops.reconcile.statement_files import kept_path
from schemas.external_statements import (
    ExternalLine,
    ExternalRecord,
    ExternalStatement,
    RefusedFile,
    decode_external,
    encode_external,
)
from schemas.partitioning import partition_of
from schemas.topics import EXTERNAL_STATEMENTS, full_name
from tests.broker import Kafka
from tests.ops.verify.on_kafka import create_topics
from tests.statements.files import camt, entry, whole

PARTITIONS = 4
ACCOUNT = "acquirer"
SEVEN = camt(whole(entry("10.00"), entry("10.00"), closing="120.00"))
EIGHT = camt(whole(entry("5.00"), opening="120.00", closing="125.00", number="8", name="S-8"))

pytestmark = pytest.mark.kafka


class Bench:
    """A namespace, a data directory and files in it."""

    def __init__(self, kafka: Kafka, namespace: str, folder: Path):
        self.servers, self.namespace, self.folder = kafka.bootstrap_servers, namespace, folder
        self.data_dir = folder / "data"
        asyncio.run(create_topics(self.servers, namespace, PARTITIONS))

    def file(self, data: bytes, name: str = "statement.xml") -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    async def _import(self, *paths: Path, **reading: Any) -> list[Imported]:
        async with open_reader(self.servers, self.namespace) as reader:
            using = Reading(ACCOUNT, **reading)
            return [one async for one in import_files(reader, paths, using, self.data_dir)]

    def take(self, *paths: Path, **reading: Any) -> list[str]:
        return [one.decision.outcome for one in asyncio.run(self._import(*paths, **reading))]

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "WALLETSTREAM_BOOTSTRAP_SERVERS": self.servers,
            "WALLETSTREAM_NAMESPACE": self.namespace,
            "WALLETSTREAM_DATA_DIR": str(self.data_dir),
        }

    def run(self, *arguments: str | Path) -> Result:
        words = ["reconcile", "import", "--account", ACCOUNT, *map(str, arguments)]
        return CliRunner().invoke(walletstream, words, env=self.environment())

    def records(self, on_held_up: Callable[[str], None] | None = None) -> list[ExternalRecord]:
        """What a reader of committed records sees."""

        async def read() -> list[ExternalRecord]:
            async with open_reader(self.servers, self.namespace, on_held_up) as reader:
                found = []
                async for records in reader.read(EXTERNAL_STATEMENTS):
                    for record in records:
                        assert record.key == ACCOUNT.encode()
                        assert record.partition == partition_of(ACCOUNT, PARTITIONS)
                        found.append(decode_external(record.value or b""))
                return found

        return asyncio.run(read())


@pytest.fixture
def bench(kafka: Kafka, namespace: str, tmp_path: Path) -> Bench:
    return Bench(kafka, namespace, tmp_path)


def test_a_file_is_written_once(bench: Bench) -> None:
    path = bench.file(SEVEN)
    assert bench.take(path, path) == ["imported", "seen"]
    assert bench.take(bench.file(SEVEN, "other-name.xml")) == ["seen"]
    *lines, statement = bench.records()
    assert isinstance(statement, ExternalStatement)
    assert [line.amount_minor for line in lines if isinstance(line, ExternalLine)] == [1000, 1000]
    assert statement.line_count == len(lines)
    assert statement.lines_hash == lines_hash_of(line for line in lines if isinstance(line, ExternalLine))
    assert kept_path(bench.data_dir, statement.source.sha256).read_bytes() == SEVEN


def test_a_refused_file_is_kept_and_told_once_and_nothing_of_it_is_imported(bench: Bench) -> None:
    bad = camt(whole(entry("1.00"), closing="101.00"), whole(entry("1.00"), closing="103.00", number="8", name="S-8"))
    path = bench.file(bad)
    assert bench.take(path, path) == ["refused", "refused"]
    (record,) = bench.records()
    assert isinstance(record, RefusedFile)
    assert (record.reason, record.statement_index, record.kept) == ("unbalanced", 1, True)
    assert kept_path(bench.data_dir, record.source.sha256).read_bytes() == bad


def test_what_was_imported_before_is_known_to_the_next(bench: Bench) -> None:
    nine = camt(whole(entry("5.00"), opening="125.00", closing="130.00", number="9", name="S-9"))
    paths = bench.file(SEVEN, "7"), bench.file(nine, "9"), bench.file(EIGHT, "8")
    assert [bench.take(path) for path in paths] == [["imported"], ["refused"], ["imported"]]
    assert bench.take(paths[1]) == ["imported"]


def test_a_file_that_is_too_large_is_told_with_its_hash(bench: Bench) -> None:
    path = bench.folder / "large"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    started = time.perf_counter()
    assert bench.take(path) == ["refused"]
    assert time.perf_counter() - started < 60
    (record,) = bench.records()
    assert isinstance(record, RefusedFile)
    assert (record.reason, record.kept, record.source.size_bytes) == ("too_large", False, 1 << 30)
    assert not (bench.data_dir / "statements").exists()


def test_an_import_that_dies_within_its_transaction_leaves_nothing(bench: Bench) -> None:
    path = bench.file(SEVEN)
    # The other process writes its records, says so, and never commits.
    code = f"""
import asyncio, sys
from pathlib import Path
from agents.statements.reading import Reading
from ops.reading import open_reader
from ops.reconcile import importing

async def hang(reader, producer, partition, records):
    await producer.begin_transaction()
    for record in records:
        topic = importing.full_name(reader.namespace, importing.EXTERNAL_STATEMENTS)
        await producer.send_and_wait(topic, importing.encode_external(record), key=b"{ACCOUNT}", partition=partition)
    print("written", flush=True)
    await asyncio.sleep(600)

async def go():
    importing._write = hang
    async with open_reader({bench.servers!r}, {bench.namespace!r}) as reader:
        paths, data_dir = [Path({str(path)!r})], Path({str(bench.data_dir)!r})
        async for _ in importing.import_files(reader, paths, Reading("{ACCOUNT}"), data_dir):
            pass

asyncio.run(go())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        told: list[str] = []
        assert bench.records(told.append) == []
        assert ["open on " in one for one in told] == [True]
        process.send_signal(signal.SIGKILL)
        process.wait()
    started = time.perf_counter()
    assert bench.take(path) == ["imported"]
    assert time.perf_counter() - started < 30, "the next import ends the old transaction at once"
    assert len(bench.records()) == 3


def test_an_import_that_dies_after_its_commit_has_done_everything(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: Any) -> None:
        raise OperationError("killed")

    path = bench.file(SEVEN)
    monkeypatch.setattr(importing, "until_visible", die)
    with pytest.raises(OperationError, match="killed"):
        bench.take(path)
    monkeypatch.undo()
    assert bench.take(path) == ["seen"]
    assert len(bench.records()) == 3


def test_of_two_at_once_one_imports(bench: Bench) -> None:
    path = bench.file(SEVEN)

    async def both() -> list[object]:
        jobs: list[Coroutine[Any, Any, list[Imported]]] = [bench._import(path) for _ in range(4)]
        return list(await asyncio.gather(*jobs, return_exceptions=True))

    found = asyncio.run(both())
    assert all(isinstance(one, list | OperationError) for one in found), found
    assert bench.take(path) in (["seen"], ["imported"])
    records = bench.records()
    assert len(records) == 3
    assert len({encode_external(record) for record in records}) == 3


def test_an_earlier_import_is_fenced(bench: Bench) -> None:
    async def fenced() -> None:
        async with open_reader(bench.servers, bench.namespace) as reader:
            topic = full_name(bench.namespace, EXTERNAL_STATEMENTS)
            async with alone(reader, f"statements.{ACCOUNT}", "x") as old:
                assert isinstance(old, AIOKafkaProducer)
                await bench._import(bench.file(SEVEN))
                async with old.transaction():
                    await old.send_and_wait(topic, b"{}", key=b"x", partition=0)

    with pytest.raises(OperationError, match="the broker did not take it"):
        asyncio.run(fenced())
    assert len(bench.records()) == 3


def test_the_command(bench: Bench) -> None:
    good, bad = bench.file(SEVEN, "good.xml"), bench.file(SEVEN.replace(b"120.00", b"121.00"), "bad.xml")
    dry = bench.run("--dry-run", good)
    assert (dry.exit_code, bench.records()) == (0, [])
    assert "to import" in dry.output
    assert "from 100.00 EUR to 120.00 EUR; balances agree" in dry.output
    first = bench.run(good)
    assert first.exit_code == 0
    assert first.output.startswith("imported ")
    second = bench.run(good, bad)
    assert second.exit_code == 3
    assert second.output.startswith("seen ")
    assert "unbalanced: opening 100.00 EUR + lines 20.00 EUR = 120.00 EUR" in second.output
    told = json.loads(bench.run("--json", good).output)
    assert [(one["outcome"], one["statements"][0]["line_count"]) for one in told] == [("seen", 2)]


def test_foreign_records_on_the_topic_are_named(bench: Bench) -> None:
    async def spoil() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=bench.servers)
        async with producer:
            topic = full_name(bench.namespace, EXTERNAL_STATEMENTS)
            await producer.send_and_wait(topic, b"?", partition=partition_of(ACCOUNT, PARTITIONS))

    asyncio.run(spoil())
    found = bench.run(bench.file(SEVEN))
    assert found.exit_code == 1
    assert "is no record of the topic" in found.output

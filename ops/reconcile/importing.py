"""Imports files of statements: read, proven, kept, and written to `external-statements`, each in one transaction.

Killed before the commit, nothing is imported: the next import, or the broker after five minutes, ends it.
After it, all is, and the same command says so. Of two that import for one account at once the later fences the earlier.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from agents.statements.known import Decision, Known
from agents.statements.reading import ReadFile, Reading
from ops.alone import alone, until_visible
from ops.errors import OperationError
from ops.reading import TopicReader
from ops.reconcile.statement_files import keep, read_file
from ops.reference_records import read_contents
from schemas.external_statements import ExternalRecord, RefusedFile, decode_external, encode_external
from schemas.partitioning import partition_of
from schemas.topics import ASSETS, EXTERNAL_STATEMENTS, full_name

#: Lines are most of the topic, and nobody asks them whether a file has been seen.
_LINE: Final = b'{"kind":"line"'
#: Batches that wait for the broker at once.
_WINDOW: Final = 64
#: Time limit of a transaction: for as many lines as a file may have, on a slow disk.
_TRANSACTION_TIMEOUT_MS: Final = 300_000


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file."""

    path: Path
    read: ReadFile | RefusedFile
    decision: Decision
    #: Where its bytes are kept; None with a dry run, and where it was too large.
    kept: Path | None


def read_offline(paths: Sequence[Path], reading: Reading) -> Iterator[Imported]:
    """Read and prove files without a broker: as the first ones of their account, in this order.

    Raises:
        OperationError: a file cannot be read.
    """
    known = Known(reading.account, reading.side)
    for path in paths:
        read, _ = read_file(path, reading)
        yield _decided(path, read, known, reading, None)


async def import_files(
    reader: TopicReader, paths: Sequence[Path], reading: Reading, data_dir: Path, *, dry_run: bool = False
) -> AsyncIterator[Imported]:
    """Import files one after the other; with `dry_run` nothing is kept or written.

    Raises:
        OperationError: a file cannot be read or kept, or the broker refused; what was yielded before is done.
    """
    reading = replace(reading, assets=(await read_contents(reader, ASSETS)).reference.assets)
    partition = partition_of(reading.account, await reader.partition_count(EXTERNAL_STATEMENTS))
    async with _writer(reader, reading.account, dry_run) as producer:
        known = await _read_known(reader, partition, reading)
        for path in paths:
            read, data = read_file(path, reading)
            kept = None if dry_run or data is None else keep(data_dir, read.source.sha256, data)
            imported = _decided(path, read, known, reading, kept)
            if producer is not None and imported.decision.records:
                await _write(reader, producer, partition, imported.decision.records)
            yield imported


def _decided(path: Path, read: ReadFile | RefusedFile, known: Known, reading: Reading, kept: Path | None) -> Imported:
    decision = known.decide(read, reading)
    for record in decision.records:
        known.take(record)
    return Imported(path, read, decision, kept)


@asynccontextmanager
async def _writer(reader: TopicReader, account: str, dry_run: bool) -> AsyncIterator[AIOKafkaProducer | None]:
    if dry_run:
        yield None
        return
    # Fenced before the topic is read: what another import has committed is seen, what it has not is no more.
    look_at = "walletstream reconcile import --dry-run"
    async with alone(reader, f"statements.{account}", look_at, _TRANSACTION_TIMEOUT_MS) as producer:
        yield producer


async def _read_known(reader: TopicReader, partition: int, reading: Reading) -> Known:
    known = Known(reading.account, reading.side)
    async for records in reader.read(EXTERNAL_STATEMENTS, [partition]):
        for record in records:
            if record.value is None or record.value.startswith(_LINE):
                continue
            try:
                known.take(decode_external(record.value))
            except ValueError as error:
                raise OperationError(
                    f"{EXTERNAL_STATEMENTS}, partition {partition}, offset {record.offset} is no record of the topic "
                    f"({error}): who writes there besides this command?"
                ) from error
    return known


async def _write(
    reader: TopicReader, producer: AIOKafkaProducer, partition: int, records: Sequence[ExternalRecord]
) -> None:
    """Write records of one account, in order, in one transaction, and wait until readers see them."""
    topic = full_name(reader.namespace, EXTERNAL_STATEMENTS)
    key = records[0].account.encode()
    last: RecordMetadata | None = None
    async with producer.transaction():
        waiting: deque[asyncio.Future[RecordMetadata]] = deque()
        try:
            for batch in _batches(producer, key, records):
                waiting.append(await producer.send_batch(batch, topic, partition=partition))
                if len(waiting) >= _WINDOW:
                    last = await waiting.popleft()
            while waiting:
                last = await waiting.popleft()
        except BaseException:
            # Of several that fail, as where another import takes over, one is told.
            for one in waiting:
                one.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise
    if last is not None:
        await until_visible(reader, EXTERNAL_STATEMENTS, [last])


def _batches(producer: AIOKafkaProducer, key: bytes, records: Sequence[ExternalRecord]) -> Iterator[Any]:
    """Batches as large as the producer makes them. The broker stamps the records."""
    batch = producer.create_batch()
    for record in records:
        value = encode_external(record)
        if batch.append(key=key, value=value, timestamp=None) is None:
            yield batch
            batch = producer.create_batch()
            # The first record of a batch fits, whatever its size.
            batch.append(key=key, value=value, timestamp=None)
    yield batch

"""Produces to and reads from the toy's topics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer

from schemas.topics import full_name
from streams.kafka_reader import KafkaReader
from streams.settings import Settings


class Put(NamedTuple):
    """A record to produce."""

    topic: str
    partition: int
    value: bytes
    key: bytes = b"k"


@asynccontextmanager
async def producing(settings: Settings, transactional_id: str | None = None) -> AsyncIterator[Any]:
    """A producer, started."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers, transactional_id=transactional_id)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def send(producer: Any, settings: Settings, puts: Sequence[Put]) -> None:
    """Send records and wait until they are in the log."""
    futures = [
        await producer.send(full_name(settings.namespace, put.topic), put.value, put.key, put.partition) for put in puts
    ]
    for future in futures:
        await future


async def produce(settings: Settings, puts: Sequence[Put]) -> None:
    """Produce records outside of transactions."""
    async with producing(settings) as producer:
        await send(producer, settings, puts)


async def produce_transaction(settings: Settings, puts: Sequence[Put], *, commit: bool) -> None:
    """Produce records in a transaction that is committed or aborted."""
    async with producing(settings, f"{settings.namespace}test") as producer:
        await producer.begin_transaction()
        await send(producer, settings, puts)
        await (producer.commit_transaction() if commit else producer.abort_transaction())


async def committed_values(
    settings: Settings, topic: str, partition: int, since: int | None = None
) -> list[tuple[int, bytes]]:
    """The committed records of a partition, all or those since an offset, as (offset, value)."""
    reader = KafkaReader(settings, full_name(settings.namespace, topic), partition)
    try:
        start, end = await reader.bounds()
        return [one async for chunk in reader.read(max(start, since or 0), end) for one in chunk]
    finally:
        await reader.close()

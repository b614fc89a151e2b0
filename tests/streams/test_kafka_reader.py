from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from schemas.topics import full_name
from streams import kafka_reader
from streams.kafka_reader import KafkaReader
from streams.settings import Settings
from tests.streams.toy import EVENTS, create_topics
from tests.streams.traffic import Put, committed_values, produce, produce_transaction, producing, send

pytestmark = pytest.mark.kafka


def reading(settings: Settings, use: Callable[[KafkaReader], Coroutine[Any, Any, None]]) -> Coroutine[Any, Any, None]:
    async def run() -> None:
        reader = KafkaReader(settings, full_name(settings.namespace, EVENTS), 0)
        try:
            await use(reader)
        finally:
            await reader.close()

    return run()


def puts(*values: str) -> list[Put]:
    return [Put(EVENTS, 0, value.encode()) for value in values]


async def mixed_log(settings: Settings) -> None:
    """Offsets: 0 and 1 plain; 2 and 3 aborted, 4 the marker; 5 committed, 6 the marker."""
    await create_topics(settings)
    await produce(settings, puts("a", "b"))
    await produce_transaction(settings, puts("never", "ever"), commit=False)
    await produce_transaction(settings, puts("c"), commit=True)


def test_positions_pass_aborted_records_and_markers(toy_settings: Settings) -> None:
    async def check(reader: KafkaReader) -> None:
        await mixed_log(toy_settings)
        assert await reader.bounds() == (0, 7)
        chunks = [chunk async for chunk in reader.read(0, 7)]
        assert [one for chunk in chunks for one in chunk] == [(0, b"a"), (1, b"b"), (5, b"c")]
        assert [one async for chunk in reader.read(1, 2) for one in chunk] == [(1, b"b")]
        assert [one async for chunk in reader.read(6, 7) for one in chunk] == []
        assert [chunk async for chunk in reader.read(7, 7)] == []

    asyncio.run(reading(toy_settings, check))


def test_the_high_watermark_tells_what_an_open_transaction_hides(toy_settings: Settings) -> None:
    async def check(reader: KafkaReader) -> None:
        await mixed_log(toy_settings)
        assert await reader.high_watermark() == 7
        async with producing(toy_settings, f"{toy_settings.namespace}open") as producer:
            await producer.begin_transaction()
            await send(producer, toy_settings, puts("never"))
            await produce(toy_settings, puts("d"))
            assert (await reader.bounds(), await reader.high_watermark()) == ((0, 7), 9)
            assert [one async for chunk in reader.read(6, 7) for one in chunk] == []
            await producer.abort_transaction()
        assert (await reader.bounds(), await reader.high_watermark()) == ((0, 10), 10)
        assert [one async for chunk in reader.read(6, 10) for one in chunk] == [(8, b"d")]

    asyncio.run(reading(toy_settings, check))


def test_record_at_takes_only_the_record_of_that_offset(toy_settings: Settings) -> None:
    async def check(reader: KafkaReader) -> None:
        await mixed_log(toy_settings)
        found = {offset: await reader.record_at(offset) for offset in (-1, 0, 1, 2, 4, 5, 6, 7, 100)}
        expected = dict.fromkeys(found) | {0: b"a", 1: b"b", 5: b"c"}
        assert found == expected

    asyncio.run(reading(toy_settings, check))


def test_a_running_transaction_is_not_read(toy_settings: Settings) -> None:
    async def check(reader: KafkaReader) -> None:
        await create_topics(toy_settings)
        await produce(toy_settings, puts("a"))
        async with producing(toy_settings, f"{toy_settings.namespace}open") as producer:
            await producer.begin_transaction()
            await send(producer, toy_settings, puts("open"))
            assert await reader.bounds() == (0, 1)
            await producer.commit_transaction()
        assert await committed_values(toy_settings, EVENTS, 0) == [(0, b"a"), (1, b"open")]

    asyncio.run(reading(toy_settings, check))


def test_a_log_that_does_not_go_on_is_an_error(toy_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_reader, "_READ_STALLED_S", 1.0)

    async def check(reader: KafkaReader) -> None:
        await create_topics(toy_settings)
        await produce(toy_settings, puts("a"))
        started = time.monotonic()
        with pytest.raises(TimeoutError, match="stood still at 1 of 5"):
            [chunk async for chunk in reader.read(0, 5)]
        assert time.monotonic() - started < 5
        with pytest.raises(OffsetOutOfRangeError):
            [chunk async for chunk in reader.read(3, 5)]

    asyncio.run(reading(toy_settings, check))


def test_reading_costs_little_more_than_a_plain_consumer(toy_settings: Settings) -> None:
    """A restore is no faster than its reading. Measured beside aiokafka's own `getmany`, for machines differ."""

    async def check(reader: KafkaReader) -> None:
        await create_topics(toy_settings)
        await produce(toy_settings, [Put(EVENTS, 0, b"x" * 300)] * 60_000)
        ours: list[float] = []
        plain: list[float] = []
        # What earlier tests have left is looked through with every full collection, and a worker has none of it.
        gc.collect()
        gc.freeze()
        for _ in range(3):
            ours.append(await _processor_s(_read_all(reader)))
            plain.append(await _processor_s(_get_all(toy_settings)))
        gc.unfreeze()
        assert min(ours) < 4 * min(plain)

    asyncio.run(reading(toy_settings, check))


async def _processor_s(work: Coroutine[Any, Any, int]) -> float:
    started = time.process_time()
    assert await work == 60_000
    return time.process_time() - started


async def _read_all(reader: KafkaReader) -> int:
    _, end = await reader.bounds()
    return sum([len(chunk) async for chunk in reader.read(0, end)])


async def _get_all(settings: Settings) -> int:
    partition, count = TopicPartition(full_name(settings.namespace, EVENTS), 0), 0
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap_servers, isolation_level="read_committed")
    async with consumer:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        consumer.seek(partition, 0)
        while await consumer.position(partition) < end:
            count += len((await consumer.getmany(partition, timeout_ms=1_000)).get(partition, ()))
    return count

"""A Kafka broker, with the product's own adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

from schemas.topics import full_name
from streams.box import InputBatch
from streams.kafka_log import KafkaLogs
from streams.kafka_writer import KafkaWriter
from streams.machine import Message
from streams.ports import Bounds, LogWriter
from streams.settings import Settings
from tests.streams.harness import InProcess, recording, until
from tests.streams.toy import EVENTS
from tests.streams.traffic import Put, committed_values, produce, produce_transaction


class KafkaCluster:
    """A `Cluster` on Kafka; the toy's topics exist."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self.logs = KafkaLogs(settings, "toy", EVENTS, lambda short: full_name(settings.namespace, short))

    async def produce(self, topic: str, partition: int, *values: bytes) -> None:
        await produce(self._settings, [Put(topic, partition, value) for value in values])

    async def produce_transaction(self, topic: str, partition: int, *values: bytes, commit: bool) -> None:
        await produce_transaction(self._settings, [Put(topic, partition, value) for value in values], commit=commit)

    async def leave_open(self, writer: LogWriter, messages: Sequence[Message]) -> None:
        producer = cast(KafkaWriter, writer)._producer
        await producer.begin_transaction()
        await cast(KafkaWriter, writer)._write(producer, messages)

    async def committed(self, topic: str, partition: int) -> list[tuple[int, bytes]]:
        return await committed_values(self._settings, topic, partition)

    @asynccontextmanager
    async def member(self) -> AsyncIterator[KafkaMember]:
        async with recording(self._settings) as running:
            yield KafkaMember(running)


class KafkaMember:
    """A `Member`: the app of a worker, whose processors only record."""

    def __init__(self, running: InProcess):
        self._running = running
        self._recorder = running.recorders[0]
        self.group = self._recorder.group

    async def bounds(self) -> Mapping[str, Bounds]:
        return await self._recorder.inputs.bounds(0)

    async def fetch_until(self, topic: str, start: int, end: int) -> list[InputBatch]:
        await self._recorder.seek(**{topic.replace("-", "_"): start})
        await until(lambda: self._recorder.end(topic) >= end)
        return self._recorder.batches

    def grow_stale(self) -> None:
        self._running.thread.consumer_in_thread._coordinator.generation -= 1

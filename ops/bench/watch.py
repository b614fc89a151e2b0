"""How fast an output topic grows, told by its committed end offsets: costs a pipeline under test next to nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ops.admin import topic_partitions
from ops.errors import OperationError
from streams.connection import Brokers, client_arguments

_EVERY_S: Final = 0.05


class Sample(NamedTuple):
    """Sum of a topic's committed end offsets at a time in seconds."""

    at_s: float
    offsets: int


class Growth(NamedTuple):
    """From the first sample in which anything had come to the last in which anything came."""

    seconds: float
    #: Share of all records that came in that time.
    share: float


def growth(samples: Sequence[Sample]) -> Growth:
    """How long the topic grew, leaving out the start-up before the first record; (0, 0) where it did not.

    What the first sample found is left out of the share: nobody knows when it began. Control records of
    transactions have offsets too; they are taken to be spread evenly.
    """
    if not samples:
        return Growth(0.0, 0.0)
    start, end = samples[0].offsets, samples[-1].offsets
    first = next((s for s in samples if s.offsets > start), None)
    if first is None or first.offsets == end:
        return Growth(0.0, 0.0)
    last = next(s for s in samples if s.offsets == end)
    return Growth(last.at_s - first.at_s, (end - first.offsets) / (end - start))


class Watch:
    """Watches one topic; made by `open_watch`."""

    def __init__(self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]):
        self._consumer = consumer
        self._partitions = partitions

    async def offsets(self) -> int:
        """Sum of the committed end offsets."""
        return sum((await self._consumer.end_offsets(self._partitions)).values())

    async def until_idle(
        self,
        expected: int,
        *,
        idle_s: float,
        limit_s: float,
        alive: Callable[[], None],
        on_progress: Callable[[float], None] | None = None,
    ) -> list[Sample]:
        """Samples until `expected` records have come and no more do, or nothing has come for long.

        Args:
            expected: records; control records come on top.
            idle_s: seconds without growth that mean the end.
            limit_s: seconds from the first growth after which it ends in any case.
            alive: raises where the pipeline is dead.
            on_progress: told the share that has come, 0 to 1.

        Raises:
            OperationError: nothing came within 120 s, or what `alive` raises.
        """
        began = time.perf_counter()
        samples = [Sample(began, await self.offsets())]
        start, changed_at, first_at = samples[0].offsets, began, 0.0
        while True:
            await asyncio.sleep(_EVERY_S)
            alive()
            now, offsets = time.perf_counter(), await self.offsets()
            if offsets != samples[-1].offsets:
                changed_at = now
                first_at = first_at or now
            samples.append(Sample(now, offsets))
            if on_progress is not None:
                on_progress(min(1.0, (offsets - start) / expected))
            if not first_at:
                if now - began > 120:
                    raise OperationError("the pipeline wrote nothing within 120 s")
                continue
            is_complete = offsets - start >= expected
            if now - first_at > limit_s or now - changed_at > (idle_s if is_complete else max(10.0, idle_s)):
                return samples


@asynccontextmanager
async def open_watch(brokers: Brokers, topic: str) -> AsyncIterator[Watch]:
    """Watch a topic that exists.

    Raises:
        OperationError: it does not, or no broker answers.
    """
    count = (await topic_partitions(brokers, [topic]))[topic]
    partitions = [TopicPartition(topic, index) for index in range(count)]
    consumer = AIOKafkaConsumer(**client_arguments(brokers), isolation_level="read_committed", enable_auto_commit=False)
    try:
        await consumer.start()
        consumer.assign(partitions)
        consumer.pause(*partitions)
        yield Watch(consumer, partitions)
    except KafkaError as error:
        raise OperationError(f"watching {topic} failed: {error!r}") from error
    finally:
        await consumer.stop()


async def count_committed(brokers: Brokers, topic: str, decode: Callable[[bytes], bool] | None = None) -> int:
    """How many committed records a topic has; only those that `decode` takes, where it is given."""
    consumer = AIOKafkaConsumer(
        topic,
        **client_arguments(brokers),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    try:
        partitions = consumer.assignment()
        ends = await consumer.end_offsets(partitions)
        count = 0
        while True:
            positions = [(await consumer.position(partition), end) for partition, end in ends.items()]
            if all(position >= end for position, end in positions):
                return count
            for records in (await consumer.getmany(timeout_ms=500, max_records=20_000)).values():
                count += len(records) if decode is None else sum(1 for r in records if decode(r.value))
    finally:
        await consumer.stop()

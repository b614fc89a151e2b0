"""A worker's Faust app in this process, with processors that only record what they are given."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from streams.app import RoleApp, create_app
from streams.box import InputBatch
from streams.commit import Phase
from streams.consumer_thread import BatchThread
from streams.kafka_group import KafkaGroup, KafkaInputs
from streams.processor import PartitionProcessor
from streams.settings import Settings
from tests.streams.toy import ROLE

_incarnations = itertools.count(1)


class Recorder:
    """Stands for a processor: seeks when it is told and keeps every batch."""

    def __init__(self, partition: int, thread: BatchThread, settings: Settings):
        names = ROLE.input_names(settings)
        self.partition = partition
        self.phase = Phase.RUNNING
        self.inputs = KafkaInputs(thread, partition, names)
        self.group = KafkaGroup(thread, names)
        self.batches: list[InputBatch] = []
        self.closed = asyncio.Event()

    async def run(self) -> None:
        await self.closed.wait()

    def close(self) -> None:
        self.closed.set()

    def offer(self, batch: InputBatch) -> None:
        self.batches.append(batch)

    async def seek(self, **positions: int) -> int:
        """Seek topics (with `_` for `-`) and return the incarnation."""
        incarnation = next(_incarnations)
        targets = {topic.replace("_", "-"): position for topic, position in positions.items()}
        await self.inputs.seek(self.partition, targets, incarnation)
        return incarnation

    def values(self, topic: str) -> list[bytes]:
        return [record.value or b"" for batch in self.batches if batch.topic == topic for record in batch.records]

    def end(self, topic: str) -> int:
        """Position behind the last batch of a topic; -1 where there is none."""
        return max((batch.end for batch in self.batches if batch.topic == topic), default=-1)


class InProcess:
    """An app and its recorders by partition."""

    def __init__(self, app: RoleApp):
        self.app = app

    @property
    def recorders(self) -> dict[int, Recorder]:
        return {partition: cast(Recorder, run.processor) for partition, run in self.app.processors.runs.items()}

    @property
    def thread(self) -> BatchThread:
        return cast(Any, self.app.consumer).thread  # type: ignore[no-any-return]


@asynccontextmanager
async def recording(settings: Settings, partitions: set[int] | None = None) -> AsyncIterator[InProcess]:
    """A running app, once it owns `partitions` (default: all)."""
    app = create_app(settings, ROLE)
    running = InProcess(app)
    app.processors._make = lambda partition: cast(PartitionProcessor, Recorder(partition, running.thread, settings))
    app.processors.start()
    await app.start()
    try:
        wanted = set(range(settings.partitions)) if partitions is None else partitions
        await until(lambda: app.processors.is_assigned and set(running.recorders) >= wanted, 20)
        yield running
    finally:
        await app.processors.stop()
        await app.stop()


async def until(holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait until `holds()`, or fail."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

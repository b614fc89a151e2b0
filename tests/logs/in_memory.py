"""The simulation's cluster, without faults."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

from streams.box import InputBatch
from streams.machine import Message
from streams.ports import Bounds, LogWriter
from tests.logs.cluster import PARTITIONS
from tests.simulation.faults import Fault, Point
from tests.simulation.loop import SimulatedLoop
from tests.simulation.memory_broker import Broker
from tests.simulation.memory_group import Assignment, GroupCoordinator
from tests.simulation.memory_inputs import MemoryInputs
from tests.simulation.memory_ports import Link, MemoryGroup, MemoryLogs, MemoryWriter
from tests.streams.toy import COMMANDS, EVENTS, OUTCOMES, REQUESTS


class _Edge:
    """What the ports use; nothing goes wrong here."""

    def __init__(self, loop: SimulatedLoop):
        self.rng = random.Random(7)
        self.link = Link(loop, self.rng)
        self.broker = Broker(lambda: int(loop.time() * 1000), loop.outside, lambda: self.rng.random() * 0.05)
        self.group = GroupCoordinator(PARTITIONS, loop.outside, session_timeout_s=1e9)
        self.event_log = EVENTS
        self.generation = 0
        for topic in (COMMANDS, REQUESTS, EVENTS, OUTCOMES):
            self.broker.create(topic, PARTITIONS)

    def member(self) -> tuple[str, int]:
        return "w1", self.generation

    async def reach(self, point: Point, partition: int) -> Fault | None:
        return None

    def violated(self, what: str) -> None:
        """Here writers need no member."""


class MemoryCluster:
    """A `Cluster` in memory."""

    def __init__(self, loop: SimulatedLoop):
        self._loop = loop
        self._edge = _Edge(loop)
        self.logs = MemoryLogs(self._edge)

    async def produce(self, topic: str, partition: int, *values: bytes) -> None:
        for value in values:
            self._edge.broker.produce(topic, partition, b"k", value)

    async def produce_transaction(self, topic: str, partition: int, *values: bytes, commit: bool) -> None:
        broker = self._edge.broker
        identity = broker.init_producer("other")
        broker.produce_in(identity, topic, partition, [(b"k", value, ()) for value in values])
        broker.end(identity, commit)
        await asyncio.sleep(0.1)

    async def leave_open(self, writer: LogWriter, messages: Sequence[Message]) -> None:
        memory = cast(MemoryWriter, writer)
        await memory._write(memory._producer, messages)

    async def committed(self, topic: str, partition: int) -> list[tuple[int, bytes]]:
        await asyncio.sleep(0.1)
        return [(r.offset, r.value or b"") for r in self._edge.broker.partition(topic, partition).committed()]

    @asynccontextmanager
    async def member(self) -> AsyncIterator[MemoryMember]:
        joined: asyncio.Future[Assignment] = self._loop.create_future()
        self._edge.group.join("w1", joined.set_result)
        self._edge.generation = (await joined).generation
        member = MemoryMember(self._edge)
        fetching = self._loop.create_task(member.inputs.run())
        try:
            yield member
        finally:
            fetching.cancel()


class MemoryMember:
    """A `Member` in memory."""

    def __init__(self, edge: _Edge):
        self._edge = edge
        self._batches: list[InputBatch] = []
        self.group = MemoryGroup(edge)
        self.inputs = MemoryInputs(edge, (COMMANDS, REQUESTS), self._batches.append, most=2)
        edge.broker.on_readable = lambda _partition: self.inputs.wake()

    async def bounds(self) -> Mapping[str, Bounds]:
        return await self.inputs.bounds(0)

    async def fetch_until(self, topic: str, start: int, end: int) -> list[InputBatch]:
        await self.inputs.seek(0, {topic: start}, 1)
        async with asyncio.timeout(10):
            while not any(batch.end >= end for batch in self._batches):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return self._batches

    def grow_stale(self) -> None:
        self._edge.group.generation += 1

"""The edges of a processor over the in-memory Kafka: what `streams.ports` asks for, with latency and faults."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from aiokafka.errors import ConcurrentTransactions

from streams.errors import NotOwner
from streams.kafka_writer import KafkaWriter
from streams.machine import Message
from streams.ports import Bounds
from streams.settings import Settings
from tests.simulation.faults import Fault, Kind, Point
from tests.simulation.loop import SimulatedLoop
from tests.simulation.memory_broker import Broker
from tests.simulation.memory_group import GroupCoordinator, StaleGeneration
from tests.simulation.memory_producer import RETRY_S, MemoryProducer, Metadata, Target, seen

T = TypeVar("T")
_SETTINGS: Final = Settings()


class ConnectionLost(Exception):
    """A request or its answer went missing."""


class Link:
    """A process's connection to the cluster: requests take time there and time back, and outlive their sender."""

    def __init__(self, loop: SimulatedLoop, rng: random.Random):
        self._loop = loop
        self._rng = rng
        #: Set when the run is over: nothing is sent any more.
        self.down = False

    def send(self, request: Callable[[], T], delay_s: float | None = None) -> asyncio.Future[T]:
        """Have the cluster do `request`; the future gets its answer."""
        if self.down:
            raise ConnectionLost("the run is over")
        answer: asyncio.Future[T] = self._loop.create_future()
        self._loop.outside(self.latency_s() if delay_s is None else delay_s, self._arrive, request, answer)
        return answer

    def fail(self, error: Callable[[], BaseException]) -> asyncio.Future[Metadata]:
        """A future that fails after the time of an answer; cancelled where the error is a cancellation."""
        answer: asyncio.Future[Metadata] = self._loop.create_future()
        self._loop.outside(self.latency_s() + self.latency_s(), _fail, answer, error)
        return answer

    def latency_s(self) -> float:
        """One way, seconds."""
        return self._rng.random() * (0.05 if self._rng.random() < 0.05 else 0.004)

    def _arrive(self, request: Callable[[], T], answer: asyncio.Future[T]) -> None:
        try:
            result = request()
        except Exception as error:
            self._loop.outside(self.latency_s(), _answer, answer, None, error)
        else:
            self._loop.outside(self.latency_s(), _answer, answer, result, None)


def _answer(future: asyncio.Future[T], result: T, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
        seen(future)


def _fail(future: asyncio.Future[Any], error: Callable[[], BaseException]) -> None:
    if future.done():
        return
    raised = error()
    if isinstance(raised, asyncio.CancelledError):
        future.cancel()
    else:
        future.set_exception(raised)
        seen(future)


class Edge(Protocol):
    """What the ports ask the world for."""

    link: Link
    broker: Broker
    group: GroupCoordinator
    event_log: str
    rng: random.Random

    async def reach(self, point: Point, partition: int) -> Fault | None:
        """A point of the protocol is reached; strikes, or returns what the caller has to do."""

    def member(self) -> tuple[str, int]:
        """Member id and the generation that the worker knows."""

    def violated(self, what: str) -> None:
        """Something that must never be."""


class MemoryWriter(KafkaWriter):
    """The real writer, but for its fence, over a producer in memory: errors are mapped as on Kafka."""

    def __init__(self, edge: Edge, partition: int):
        super().__init__(_SETTINGS, (edge.event_log, partition), f"ledger-{partition}", lambda short: short)
        self._edge = edge
        self._partition = partition

    def arm(self, fault: Fault) -> None:
        """Have the next transaction suffer."""
        self._producer.fault = fault

    async def fence(self) -> None:
        await self._edge.reach(Point.FENCE, self._partition)
        broker, id_ = self._edge.broker, self.transactional_id
        while True:
            try:
                identity = await self._edge.link.send(lambda: broker.init_producer(id_))
            except ConcurrentTransactions:
                await asyncio.sleep(RETRY_S)
            else:
                is_stranger = not self._edge.group.knows(*self._edge.member())
                self._producer = MemoryProducer(self._edge, self._partition, identity, is_stranger=is_stranger)
                return

    @staticmethod
    def _pack(producer: Any, messages: Iterable[Message]) -> dict[Target, list[Any]]:
        packed = KafkaWriter._pack(producer, messages)
        producer.aim(list(packed), messages)
        return packed


class MemoryReader:
    """A `streams.ports.LogReader` with `read_committed`."""

    def __init__(self, edge: Edge, partition: int, most: int = 7):
        self._edge = edge
        self._number = partition
        self._partition = edge.broker.partition(edge.event_log, partition)
        self._most = most

    async def bounds(self) -> Bounds:
        partition = self._partition
        return await self._edge.link.send(lambda: Bounds(partition.start, partition.last_stable))

    async def high_watermark(self) -> int:
        return await self._edge.link.send(lambda: self._partition.end)

    async def record_at(self, offset: int) -> bytes | None:
        await self._edge.reach(Point.COMPARE, self._number)
        partition = self._partition
        records, _ = await self._edge.link.send(lambda: partition.fetch(offset, 1))
        return records[0].value if records and records[0].offset == offset else None

    async def read(self, start: int, end: int) -> AsyncIterator[list[tuple[int, bytes]]]:
        position = start
        while position < end:
            await self._edge.reach(Point.READ, self._number)
            records, position = await self._edge.link.send(partial(self._partition.fetch, position, self._most))
            yield [(r.offset, r.value or b"") for r in records if r.offset < end]

    async def close(self) -> None:
        """Closing takes its time, and may be cancelled meanwhile."""
        fault = await self._edge.reach(Point.CLOSE, self._number)
        is_slow = fault is not None and fault.kind is Kind.CLOSE_SLOW
        await asyncio.sleep(self._edge.rng.uniform(0.2, 4.0) if is_slow else self._edge.link.latency_s())


class MemoryLogs:
    """A `streams.ports.Logs`."""

    def __init__(self, edge: Edge):
        self._edge = edge
        #: The newest writer of each partition.
        self.writers: dict[int, MemoryWriter] = {}

    def writer(self, partition: int) -> MemoryWriter:
        writer = self.writers[partition] = MemoryWriter(self._edge, partition)
        return writer

    def reader(self, partition: int) -> MemoryReader:
        return MemoryReader(self._edge, partition)


class MemoryGroup:
    """A `streams.ports.Group`: the member's commits."""

    def __init__(self, edge: Edge):
        self._edge = edge
        #: What the next acknowledgement suffers.
        self.fault: Fault | None = None

    async def prove_ownership(self, partition: int) -> None:
        await self._edge.reach(Point.PROVE, partition)
        await self._commit({})

    async def acknowledge(self, partition: int, positions: Mapping[str, int]) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault.exception()
        await self._commit({(topic, partition): position for topic, position in positions.items()})

    async def _commit(self, positions: Mapping[tuple[str, int], int]) -> None:
        member, generation = self._edge.member()
        group = self._edge.group
        try:
            await self._edge.link.send(lambda: group.commit(member, generation, positions))
        except StaleGeneration as error:
            raise NotOwner(str(error)) from error

"""The edges of a processor over the in-memory Kafka: what `streams.ports` asks for, with latency and faults."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

from streams.errors import Fenced, MessageTooLarge, NotOwner
from streams.machine import Message
from streams.ports import Bounds, LogPosition
from tests.simulation.faults import Kind, Point
from tests.simulation.loop import SimulatedLoop
from tests.simulation.memory_group import GroupCoordinator, StaleGeneration
from tests.simulation.memory_log import Broker, ConcurrentTransactions, Identity, ProducerFenced, RecordTooLarge

T = TypeVar("T")
_RETRY_S = 0.02


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
        _seen(future)


class Edge(Protocol):
    """What the ports ask the world for."""

    link: Link
    broker: Broker
    group: GroupCoordinator
    event_log: str
    rng: random.Random

    async def reach(self, point: Point, partition: int) -> Kind | None:
        """A point of the protocol is reached; strikes, or returns what the caller has to do."""

    def member(self) -> tuple[str, int]:
        """Member id and the generation that the worker knows."""

    def violated(self, what: str) -> None:
        """Something that must never be."""


class MemoryWriter:
    """A `streams.ports.LogWriter`: one transactional producer."""

    def __init__(self, edge: Edge, partition: int):
        self._edge = edge
        self._partition = partition
        self._identity: Identity | None = None
        #: What the next transaction suffers.
        self.fault: Kind | None = None
        self._was_stranger = False

    @property
    def transactional_id(self) -> str:
        return f"ledger-{self._partition}"

    async def fence(self) -> None:
        await self._edge.reach(Point.FENCE, self._partition)
        broker, id_ = self._edge.broker, self.transactional_id
        while True:
            try:
                self._identity = await self._edge.link.send(lambda: broker.init_producer(id_))
                member, generation = self._edge.member()
                self._was_stranger = not self._edge.group.knows(member, generation)
                return
            except ConcurrentTransactions:
                await asyncio.sleep(_RETRY_S)

    async def transact(
        self, messages: Sequence[Message], before_commit: Callable[[], object] | None = None
    ) -> LogPosition:
        fault, self.fault = self.fault, None
        try:
            offset = await self._produce(messages, fault)
            await self._commit(await self._edge.reach(Point.COMMIT, self._partition))
        except ProducerFenced as error:
            raise Fenced(str(error)) from error
        except RecordTooLarge as error:
            raise MessageTooLarge(str(error)) from error
        return LogPosition(offset, offset + 1)

    async def _produce(self, messages: Sequence[Message], fault: Kind | None) -> int:
        """Send all; the seal's offset once every answer is there without error."""
        if fault is Kind.PRODUCE_REFUSED:
            raise ConnectionLost("not sent")
        if fault is Kind.FENCED:
            await self._edge.link.send(lambda: self._edge.broker.init_producer(self.transactional_id))
        parts: dict[tuple[str, int], list[Message]] = {}
        for message in messages:
            parts.setdefault((message.topic, message.partition), []).append(message)
        targets = list(parts)
        hit = self._edge.rng.choice(targets)
        requests = []
        for target in targets:
            if fault is Kind.PRODUCE_PARTIAL and target == hit:
                break
            requests.append(self._send(target, parts[target], fault if target == hit else None))
        answers = await self.answers(requests)
        if fault is Kind.PRODUCE_PARTIAL:
            raise ConnectionLost("the rest was not sent")
        log = (self._edge.event_log, self._partition)
        offsets = answers[targets.index(log)] if log in parts else [-1]
        return offsets[-1]

    async def answers(self, requests: list[asyncio.Future[list[int]]]) -> list[list[int]]:
        """All answers; raises the first error, once every request is answered."""
        answers = await asyncio.gather(*requests, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [answer for answer in answers if not isinstance(answer, BaseException)]

    def _send(self, target: tuple[str, int], messages: list[Message], fault: Kind | None) -> asyncio.Future[list[int]]:
        link, broker, identity = self._edge.link, self._edge.broker, self._identity
        assert identity is not None
        records = [(m.key, m.value, m.headers) for m in messages]
        produce = partial(broker.produce_in, identity, *target, records)
        if fault is Kind.PRODUCE_LOST:
            return asyncio.get_running_loop().create_future()
        if fault is Kind.PRODUCE_FAILED:
            return link.send(_refuse)
        if fault is Kind.PRODUCE_LATE:
            link.send(produce, delay_s=self._late_s())
            return link.send(_refuse)
        sent = asyncio.ensure_future(self._retried(produce))
        sent.add_done_callback(_seen)
        return sent

    async def _retried(self, request: Callable[[], T]) -> T:
        while True:
            try:
                return await self._edge.link.send(request)
            except ConcurrentTransactions:
                await asyncio.sleep(_RETRY_S)

    async def _commit(self, fault: Kind | None) -> None:
        link, broker, identity = self._edge.link, self._edge.broker, self._identity
        assert identity is not None
        if self._was_stranger:
            self._edge.violated(f"partition {self._partition} was taken by a worker that the group does not know")
        if fault is Kind.COMMIT_REFUSED:
            raise ConnectionLost("commit not sent")
        if fault is Kind.COMMIT_LOST:
            await asyncio.get_running_loop().create_future()
        if fault is Kind.COMMIT_LATE:
            link.send(lambda: broker.end(identity, commit=True), delay_s=self._late_s())
            raise ConnectionLost("commit on its way")
        await link.send(lambda: broker.end(identity, commit=True))
        if fault is Kind.REPLY_ERROR:
            raise ConnectionLost("committed, the answer is lost")
        if fault is Kind.REPLY_LOST:
            await asyncio.get_running_loop().create_future()

    def _late_s(self) -> float:
        return self._edge.rng.uniform(0.01, self._edge.rng.choice((0.1, 4.0)))

    async def close(self) -> None:
        """Nothing has to be stopped: the broker aborts what is open when it is fenced or timed out."""


def _seen(future: asyncio.Future[T]) -> None:
    """Nobody may be left to ask for the error."""
    if not future.cancelled():
        future.exception()


def _refuse() -> list[int]:
    raise ConnectionLost("not appended")


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
        """Nothing to close."""


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

    async def prove_ownership(self, partition: int) -> None:
        await self._edge.reach(Point.PROVE, partition)
        await self._commit({})

    async def acknowledge(self, partition: int, positions: Mapping[str, int]) -> None:
        await self._commit({(topic, partition): position for topic, position in positions.items()})

    async def _commit(self, positions: Mapping[tuple[str, int], int]) -> None:
        member, generation = self._edge.member()
        group = self._edge.group
        try:
            await self._edge.link.send(lambda: group.commit(member, generation, positions))
        except StaleGeneration as error:
            raise NotOwner(str(error)) from error

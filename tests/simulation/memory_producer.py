"""A transactional producer over the in-memory Kafka: what `KafkaWriter` uses of aiokafka's, with faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from aiokafka.errors import ConcurrentTransactions

from streams.machine import Message
from tests.simulation.error_classes import TOO_LARGE
from tests.simulation.faults import Fault, Kind, Point
from tests.simulation.memory_broker import Identity
from tests.simulation.memory_log import Headers

if TYPE_CHECKING:
    from tests.simulation.memory_ports import Edge

T = TypeVar("T")
RETRY_S: Final = 0.02
Target = tuple[str, int]


class Metadata(NamedTuple):
    """What the broker says of a batch: the offset of its first record; -1 where it does not say."""

    offset: int


class MemoryBatch:
    """A record batch; takes any number of records."""

    def __init__(self) -> None:
        self.records: list[tuple[bytes | None, bytes | None, Headers]] = []
        # The writer goes past aiokafka's `BatchBuilder` to what it wraps.
        self._builder = self

    def append(
        self, _offset: int, _timestamp: int, key: bytes | None, value: bytes | None, headers: Headers
    ) -> MemoryBatch:
        """Add a record."""
        self.records.append((key, value, headers))
        return self

    def record_count(self) -> int:
        """Records in the batch."""
        return len(self.records)

    def close(self) -> None:
        """The batch is full."""


class MemoryProducer:
    """The producer of one writer: one identity, one transaction after the other, then it is stopped."""

    def __init__(self, edge: Edge, partition: int, identity: Identity, *, is_stranger: bool):
        """`is_stranger`: when it fenced, the group did not know the worker; it must not come to commit."""
        self._edge = edge
        self._partition = partition
        self._identity = identity
        self._is_stranger = is_stranger
        #: What the next transaction suffers.
        self.fault: Fault | None = None
        self._fault: Fault | None = None
        self._hit: Target | None = None
        self._pending: set[asyncio.Future[Metadata]] = set()
        # What the writer looks at when it drops a producer: none of it is there.
        self._sender = SimpleNamespace(sender_task=None)
        self._txn_manager = SimpleNamespace(_transaction_waiter=None)
        self.client = SimpleNamespace(close=partial(asyncio.sleep, 0))

    async def begin_transaction(self) -> None:
        """Nothing is sent; but somebody else may fence this producer right now."""
        if self.fault is not None and self.fault.kind is Kind.FENCED:
            await self._edge.link.send(lambda: self._edge.broker.init_producer(self._identity.transactional_id))

    def create_batch(self) -> Any:
        """An empty batch."""
        return MemoryBatch()

    def aim(self, targets: list[Target], messages: Iterable[Message]) -> None:
        """Choose which batch of a transaction the fault hits."""
        fault = self.fault
        events = sum(message.topic == self._edge.event_log for message in messages)
        if fault is not None and fault.error in TOO_LARGE and events < 3:
            # An event and its seal: a single record that is too large would be a dead letter. It waits for more.
            self._fault = None
            return
        self._fault, self.fault = fault, None
        self._hit = self._edge.rng.choice(targets)

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Metadata]:
        """Send a batch; the future says where it went."""
        fault, target = self._fault, (topic, partition)
        if fault is not None and (
            fault.kind is Kind.PRODUCE_REFUSED or (fault.kind is Kind.PRODUCE_PARTIAL and target == self._hit)
        ):
            raise fault.exception()
        sent = self._send(target, batch.records, fault if target == self._hit else None)
        self._pending.add(sent)
        sent.add_done_callback(self._pending.discard)
        sent.add_done_callback(seen)
        return sent

    def _send(
        self, target: Target, records: list[tuple[bytes | None, bytes | None, Headers]], fault: Fault | None
    ) -> asyncio.Future[Metadata]:
        link, broker = self._edge.link, self._edge.broker
        produce = partial(broker.produce_in, self._identity, *target, records)
        kind = None if fault is None else fault.kind
        if kind is Kind.PRODUCE_LOST:
            return asyncio.get_running_loop().create_future()
        if kind is Kind.PRODUCE_LATE:
            link.send(produce, delay_s=self._late_s())
        if fault is not None and kind in (Kind.PRODUCE_FAILED, Kind.PRODUCE_LATE):
            return link.fail(fault.exception)
        return asyncio.ensure_future(self._produced(produce, is_said=kind is not Kind.PRODUCE_NOWHERE))

    async def _produced(self, produce: Callable[[], list[int]], *, is_said: bool) -> Metadata:
        while True:
            try:
                offsets = await self._edge.link.send(produce)
            except ConcurrentTransactions:
                await asyncio.sleep(RETRY_S)
            else:
                return Metadata(offsets[0] if is_said else -1)

    async def commit_transaction(self) -> None:
        """Step 4."""
        fault = await self._edge.reach(Point.COMMIT, self._partition)
        kind = None if fault is None else fault.kind
        link, broker, identity = self._edge.link, self._edge.broker, self._identity
        if self._is_stranger:
            self._edge.violated(f"partition {self._partition} was taken by a worker that the group does not know")
        if fault is not None and kind is Kind.COMMIT_REFUSED:
            raise fault.exception()
        if kind is Kind.COMMIT_LOST:
            await asyncio.get_running_loop().create_future()
        if fault is not None and kind is Kind.COMMIT_LATE:
            link.send(lambda: broker.end(identity, commit=True), delay_s=self._late_s())
            raise fault.exception()
        await link.send(lambda: broker.end(identity, commit=True))
        if fault is not None and kind is Kind.REPLY_ERROR:
            raise fault.exception()
        if kind is Kind.REPLY_LOST:
            await asyncio.get_running_loop().create_future()

    async def stop(self) -> None:
        """Wait for what is under way, as aiokafka does; for a request that is lost, for ever."""
        fault = await self._edge.reach(Point.STOP, self._partition)
        if fault is not None and fault.kind is Kind.STOP_HANGS:
            await asyncio.get_running_loop().create_future()
        if self._pending:
            await asyncio.wait(self._pending)

    def _late_s(self) -> float:
        return self._edge.rng.uniform(0.01, self._edge.rng.choice((0.1, 4.0)))


def seen(future: asyncio.Future[Any]) -> None:
    """Nobody may be left to ask for the error."""
    if not future.cancelled():
        future.exception()

"""The consumer of a worker over the in-memory Kafka: fetches, delivers, seeks, pauses; loses and doubles on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from streams.box import InputBatch
from streams.ports import Bounds
from tests.simulation.faults import Fault, Kind, Point
from tests.simulation.memory_ports import Edge


@dataclass(slots=True)
class _Cursor:
    position: int
    number: int
    paused: bool = False


class MemoryInputs:
    """A `streams.ports.Inputs` for all partitions of one process; `deliver` gets what was fetched."""

    def __init__(
        self,
        edge: Edge,
        topics: Sequence[str],
        deliver: Callable[[InputBatch], None],
        most: int,
        fail: Callable[[int, Fault], None] = lambda _partition, _fault: None,
    ):
        """
        Args:
            edge: the process.
            topics: the inputs.
            deliver: gets what was fetched.
            most: records in one fetch.
            fail: has a partition's processor fail at its next step.
        """
        self._edge = edge
        self._topics = topics
        self._deliver = deliver
        self._most = most
        self._fail = fail
        self._cursors: dict[tuple[int, str], _Cursor] = {}
        self._wake = asyncio.Event()
        #: Partitions whose next `bounds` or `seek` is to be overtaken by a restore.
        self._overtaken: dict[int, Fault] = {}

    async def bounds(self, partition: int) -> Mapping[str, Bounds]:
        broker = self._edge.broker

        def ask() -> dict[str, Bounds]:
            found = {topic: broker.partition(topic, partition) for topic in self._topics}
            return {topic: Bounds(p.start, p.last_stable) for topic, p in found.items()}

        if self._edge.rng.random() < 0.5:
            await self._be_overtaken(partition)
        return await self._edge.link.send(ask)

    async def seek(self, partition: int, positions: Mapping[str, int], incarnation: int) -> None:
        fault = await self._edge.reach(Point.SEEK, partition)
        is_slow = fault is not None and fault.kind is Kind.SEEK_SLOW
        await asyncio.sleep(self._edge.rng.uniform(0.5, 6.0) if is_slow else self._edge.link.latency_s())
        await self._be_overtaken(partition)
        for topic, position in positions.items():
            known = self._cursors.get((partition, topic))
            self._cursors[partition, topic] = _Cursor(position, incarnation, known is not None and known.paused)
        self.wake()

    async def _be_overtaken(self, partition: int) -> None:
        """After `SEEK_STALE`: the processor fails and restores while this seek waits, then it arrives."""
        fault = self._overtaken.pop(partition, None)
        if fault is not None:
            self._fail(partition, fault)
            await asyncio.sleep(self._edge.rng.uniform(1.0, 6.0))

    def pause(self, partition: int, topic: str) -> None:
        if (cursor := self._cursors.get((partition, topic))) is not None:
            cursor.paused = True

    def resume(self, partition: int, topic: str) -> None:
        if (cursor := self._cursors.get((partition, topic))) is not None:
            cursor.paused = False
            self.wake()

    def drop(self, partition: int) -> None:
        """The partition is revoked."""
        for topic in self._topics:
            self._cursors.pop((partition, topic), None)

    def wake(self) -> None:
        """There may be something to fetch."""
        self._wake.set()

    async def run(self) -> None:
        """Fetch for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while await self._fetch_each():
                pass

    async def _fetch_each(self) -> bool:
        fetched = False
        for (index, topic), cursor in list(self._cursors.items()):
            if cursor.paused or self._cursors.get((index, topic)) is not cursor:
                continue
            partition = self._edge.broker.partition(topic, index)
            if partition.last_stable <= cursor.position:
                continue
            fetch = partial(partition.fetch, cursor.position, self._edge.rng.randint(1, self._most))
            records, end = await self._edge.link.send(fetch)
            if self._cursors.get((index, topic)) is not cursor:
                # A seek came between: what was fetched before it may arrive after it all the same.
                if self._edge.rng.random() < 0.5:
                    continue
            elif end == cursor.position:
                continue
            if records and self._edge.rng.random() < 0.5:
                # Consumers pass control records behind the last record sooner or later.
                end = records[-1].offset + 1
            batch = InputBatch(topic, index, cursor.position, end, cursor.number, records)
            cursor.position = end
            fetched = True
            await self._hand_over(batch)
        return fetched

    async def _hand_over(self, batch: InputBatch) -> None:
        fault = await self._edge.reach(Point.DELIVER, batch.partition) if batch.records else None
        kind = None if fault is None else fault.kind
        if fault is not None and kind is Kind.SEEK_STALE:
            self._overtaken[batch.partition] = fault
        if kind in (Kind.HOLE, Kind.SEEK_STALE):
            # The consumer goes on behind it, be there records or not.
            empty = InputBatch(batch.topic, batch.partition, batch.end, batch.end, batch.incarnation, [])
            asyncio.get_running_loop().call_later(self._edge.rng.random() * 2, self._deliver, empty)
        else:
            self._deliver(batch)
        if kind is Kind.DUPLICATE:
            await asyncio.sleep(self._edge.rng.choice((0.0, 0.0, 0.01, 1.0, 8.0)))
            self._deliver(batch)

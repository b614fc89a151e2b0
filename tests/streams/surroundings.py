"""One partition processor of the simulation's toy machine, in virtual time, over an in-memory Kafka."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from streams.batch import Batch
from streams.box import Box
from streams.commit import Limits
from streams.errors import StoreError
from streams.observer import Observer
from streams.ports import Ports
from streams.processor import PartitionProcessor
from tests.simulation import toy
from tests.simulation.faults import Fault, Kind, Point
from tests.simulation.loop import SimulatedLoop
from tests.simulation.memory_broker import Broker
from tests.simulation.memory_group import Assignment, GroupCoordinator
from tests.simulation.memory_inputs import MemoryInputs
from tests.simulation.memory_ports import Link, MemoryGroup, MemoryLogs, MemoryReader
from tests.simulation.memory_store import Files, MemoryStores
from tests.simulation.toy import Request, ToyMachine, encode_request

EPOCH_MS = 1_800_000_000_000


class Notes(Observer):
    """Remembers what a processor told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.errors: list[BaseException] = []
        self.batches: list[Batch] = []

    def restoring(self, partition: int, incarnation: int) -> None:
        self.said.append("restoring")

    def restored(self, partition: int, sequence: int) -> None:
        self.said.append(f"restored {sequence}")

    def rebuilt(self, partition: int) -> None:
        self.said.append("rebuilt")

    def committed(self, partition: int, batch: Batch) -> None:
        self.said.append(f"committed {batch.after.sequence}")
        self.batches.append(batch)

    def failed(self, partition: int, error: BaseException, failures: int) -> None:
        self.said.append(f"failed {failures} {type(error).__name__}")
        self.errors.append(error)

    def closed(self, partition: int, reason: str) -> None:
        self.said.append(f"closed {reason}")

    def hole(self, partition: int, topic: str) -> None:
        self.said.append(f"hole {topic}")


class Surroundings:
    """The edge that the in-memory ports use; `faults` strike at a point, one after the other."""

    def __init__(self, loop: SimulatedLoop, **limits: Any):
        self.loop = loop
        self.rng = random.Random(1)
        self.link = Link(loop, self.rng)
        self.clock_offset_ms = 0
        self.broker_offset_ms = 0
        self.broker = Broker(lambda: self.now_ms() - self.clock_offset_ms + self.broker_offset_ms, loop.outside)
        for topic in (toy.INTERNAL, toy.REQUESTS, toy.EVENTS, toy.OUTCOMES, toy.TOTALS):
            self.broker.create(topic, 1, max_bytes=toy.LARGE_BYTES - 1 if topic == toy.TOTALS else 1 << 20)
        self.group = GroupCoordinator(1, loop.outside, session_timeout_s=1e9)
        self.event_log = toy.EVENTS
        self.faults: dict[Point, list[Kind | Exception | None]] = {}
        self.store_faults: list[str] = []
        self.files: dict[int, Files] = {}
        self.notes = Notes()
        self.limits = Limits(**limits)
        self.stores = MemoryStores(self.files, self, self._store_fault)
        self.logs = MemoryLogs(self)
        self.inputs = MemoryInputs(
            self, (toy.INTERNAL, toy.REQUESTS), lambda batch: self.processor.offer(batch), most=100
        )
        self.broker.on_readable = lambda _partition: self.inputs.wake()
        self.machine = ToyMachine()
        self.processor = self.make()

    def make(self, box_records: int = 100, topics: Sequence[str] = (toy.INTERNAL, toy.REQUESTS)) -> PartitionProcessor:
        """A processor, as it is made for each assignment."""
        self.processor = PartitionProcessor(
            0,
            1,
            self.machine,
            toy.EVENTS,
            Box(dict.fromkeys(topics, 1 / len(topics)), box_records, 1 << 20),
            Ports(self.stores, self.logs, MemoryGroup(self), self.inputs, self),
            self.limits,
            self.notes,
            jitter=lambda: 1.0,
        )
        return self.processor

    def now_ms(self) -> int:
        return EPOCH_MS + int(self.loop.time() * 1000) + self.clock_offset_ms

    def member(self) -> tuple[str, int]:
        return "w1", self.group.generation

    def violated(self, what: str) -> None:
        raise AssertionError(what)

    async def reach(self, point: Point, partition: int) -> Fault | None:
        fault = next(iter(self.faults.get(point, [])), None)
        if self.faults.get(point):
            self.faults[point].pop(0)
        if isinstance(fault, Exception):
            raise fault
        return None if fault is None else Fault(point, fault)

    def _store_fault(self, what: str) -> None:
        if what in self.store_faults:
            self.store_faults.remove(what)
            raise StoreError(f"{what} fails")

    # ---- what tests do -----------------------------------------------------------------------------

    async def start(self) -> asyncio.Task[None]:
        """Join the group and run the processor."""
        joined: asyncio.Future[Assignment] = self.loop.create_future()
        self.group.join("w1", joined.set_result)
        await joined
        self.loop.create_task(self.inputs.run())
        return self.loop.create_task(self.processor.run())

    def request(self, id_: str, amount: int = 1, operation: str = "add", **fields: Any) -> None:
        """Produce a request."""
        request = Request(id_, operation, "a", amount, **fields)
        self.broker.produce(toy.REQUESTS, 0, None, encode_request(request))

    @property
    def total(self) -> int:
        """The stored balance of account `a`."""
        row = self.files[0].tables.get("counters", {}).get("a", b"\0")
        return toy.COUNTERS.decode(row)

    def events(self) -> list[toy.Event]:
        """What the event log holds, seals left out."""
        values = [record.value or b"" for record in self.broker.partition(toy.EVENTS, 0).committed()]
        return [toy.decode_event(value) for value in values if b"batch.sealed" not in value]

    def reader(self) -> MemoryReader:
        """Reads the event log."""
        return MemoryReader(self, 0)


def in_virtual_time(test: Callable[[Surroundings], Coroutine[Any, Any, None]], **limits: Any) -> None:
    """Run a test, and end what it leaves."""
    loop = SimulatedLoop()

    async def run() -> None:
        surroundings = Surroundings(loop, **limits)
        try:
            await test(surroundings)
        finally:
            surroundings.processor.close()
            surroundings.processor.at_step = None
            left = asyncio.all_tasks() - {asyncio.current_task()}
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)

    try:
        loop.run_until_complete(run())
    finally:
        loop.close()

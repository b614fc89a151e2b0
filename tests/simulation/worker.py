"""A worker of the simulation: a process that joins the group and runs a processor for each partition it owns."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faust.types import TP

from streams.batch import Batch
from streams.box import Box, InputBatch
from streams.commit import CommitStep
from streams.machine import Context, InputRecord
from streams.observer import Observer
from streams.ports import Ports
from streams.processor import PartitionProcessor
from streams.supervisor import Run, Supervisor
from tests.simulation.faults import Fault, Kind, Point
from tests.simulation.loop import Process
from tests.simulation.memory_group import Assignment, Heartbeat
from tests.simulation.memory_inputs import MemoryInputs
from tests.simulation.memory_ports import Link, MemoryGroup, MemoryLogs
from tests.simulation.memory_store import Files, MemoryStores
from tests.simulation.strikes import strike

if TYPE_CHECKING:
    from tests.simulation.world import World

_POINTS = {
    CommitStep.TAKE: Point.TAKE,
    CommitStep.DECIDE: Point.DECIDE,
    CommitStep.WRITE: Point.WRITE,
    CommitStep.PERSIST: Point.PERSIST,
    CommitStep.ACKNOWLEDGE: Point.ACKNOWLEDGE,
}


@dataclass
class Worker:
    """A machine that outlives its processes: its name, disk and clock."""

    name: str
    files: dict[int, Files] = field(default_factory=dict)
    clock_offset_ms: int = 0
    starts: int = 0


class WorkerProcess(Observer):
    """All that one operating system process of a worker holds in memory; also the edge that its ports use."""

    def __init__(self, world: World, worker: Worker):
        worker.starts += 1
        self.world = world
        self.worker = worker
        self.name = f"{worker.name}.{worker.starts}"
        self.process = Process(self.name)
        self.link = Link(world.loop, world.rng)
        self.broker, self.group = world.broker, world.group
        self.event_log = world.domain.event_log
        self.rng: random.Random = world.rng
        self._supervisor: Supervisor | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.generation = -1
        self.deaf_until_s = 0.0
        self._armed: dict[str, Fault] = {}
        #: Partitions whose processors fail at their next step.
        self._failing: dict[int, Fault] = {}
        self._stores: list[MemoryStores] = []
        self._logs = MemoryLogs(self)
        self._inputs: MemoryInputs | None = None

    def start(self) -> None:
        """Run the process."""
        self.world.note(f"{self.name} starts")
        self._tasks = [self.process.spawn(self.world.loop, self._main())]

    def shut_down(self) -> None:
        """SIGTERM: end the processors in order, leave the group, end."""
        self._tasks.append(self.process.spawn(self.world.loop, self._shut_down()))

    async def _shut_down(self) -> None:
        if len(self._tasks) == 2 and self._supervisor is not None:
            self._tasks[0].cancel()
            await self._supervisor.stop()
            await self.link.send(lambda: self.group.leave(self.name))
            self.world.supervisor.kill(self)

    def member(self) -> tuple[str, int]:
        return self.name, self.generation

    def held_files(self) -> list[Files]:
        """What the process has open."""
        return [files for stores in self._stores for files in stores.opened if files.held_by is self]

    def wake_inputs(self) -> None:
        """The broker has something new."""
        if self._inputs is not None:
            self._inputs.wake()

    @property
    def runs(self) -> Mapping[int, Run]:
        """The processors at work."""
        return {} if self._supervisor is None else self._supervisor.runs

    def cancel(self, partition: int) -> None:
        """Cancel the partition's task."""
        if (run := self.runs.get(partition)) is not None:
            run.task.cancel()

    def violated(self, what: str) -> None:
        self.world.violated(what)

    def now_ms(self) -> int:
        """The worker's clock."""
        now_ms = self.world.true_ms() + self.worker.clock_offset_ms
        self.world.latest_clock_ms = max(self.world.latest_clock_ms, now_ms)
        return now_ms

    # ---- group membership ------------------------------------------------------------------------

    async def _main(self) -> None:
        inputs = self.world.domain.inputs
        self._inputs = MemoryInputs(self, inputs, self._deliver, self.world.fetch_most, self._failing.__setitem__)
        supervisor = self._supervisor = Supervisor(
            self._make,
            {topic: topic for topic in inputs},
            inputs[-1],
            revoke_grace_s=self.world.limits.revoke_grace_s,
            orphan_grace_s=25.0,
        )
        supervisor.failure.add_done_callback(self._failed)
        supervisor.start()
        asyncio.get_running_loop().create_task(self._inputs.run())
        while True:
            assignment = await self._join()
            self.generation = assignment.generation
            supervisor.assigned([TP(topic, partition) for topic in inputs for partition in assignment.partitions])
            while await self._is_stable():
                pass
            supervisor.revoked()
            for partition in assignment.partitions:
                self._inputs.drop(partition)

    async def _join(self) -> Assignment:
        loop = self.world.loop
        joined: asyncio.Future[Assignment] = loop.create_future()

        def answer(assignment: Assignment) -> None:
            loop.outside(self.link.latency_s(), joined.set_result, assignment)

        await self.link.send(lambda: self.group.join(self.name, answer))
        return await joined

    async def _is_stable(self) -> bool:
        await asyncio.sleep(3.0 if self.world.loop.time() < self.deaf_until_s else 1.0)
        if self.world.loop.time() < self.deaf_until_s:
            return True
        answer = await self.link.send(lambda: self.group.heartbeat(self.name, self.generation))
        return answer is Heartbeat.STABLE

    # ---- processors ------------------------------------------------------------------------------

    def _make(self, partition: int) -> PartitionProcessor:
        world, domain = self.world, self.world.domain
        assert self._inputs is not None
        stores = MemoryStores(self.worker.files, self, self._store_fault, self._flushes, world.violated)
        self._stores.append(stores)
        group = MemoryGroup(self)
        processor = PartitionProcessor(
            partition,
            world.partitions,
            domain.machine(),
            domain.event_log,
            Box(dict.fromkeys(domain.inputs, 1 / len(domain.inputs)), world.box_records, 1 << 20),
            Ports(stores, self._logs, group, self._inputs, self),
            world.limits,
            self,
            self.rng.random,
        )

        async def at_step(step: CommitStep) -> None:
            # The producer itself reaches step 4, of ticks too.
            if step is not CommitStep.COMMIT:
                await self._at_step(_POINTS[step], partition, group)

        processor.at_step = at_step
        return processor

    async def _at_step(self, point: Point, partition: int, group: MemoryGroup) -> None:
        if (failing := self._failing.pop(partition, None)) is not None:
            raise failing.exception()
        fault = await self.reach(point, partition)
        if fault is None:
            return
        if point is Point.WRITE:
            self._logs.writers[partition].arm(fault)
        elif fault.kind is Kind.STORE_READ:
            self._armed["store.read"] = fault
        elif fault.kind is Kind.STORE_WRITE:
            self._armed["store.write"] = fault
        elif fault.kind is Kind.STORE_LOST:
            self.worker.files[partition].wipe()
        elif fault.kind is Kind.GROUP_COMMIT:
            group.fault = fault

    async def reach(self, point: Point, partition: int) -> Fault | None:
        return await strike(self.world, self, partition, self.world.injector.reach(point))

    def _store_fault(self, what: str) -> None:
        fault = self.world.injector.reach(Point.OPEN) if what == "store.open" else self._armed.pop(what, None)
        if fault is not None:
            self.world.note(f"{self.name} {what} fails")
            raise fault.exception()

    def _flushes(self) -> bool:
        return self.rng.random() < self.world.flush_chance

    def _deliver(self, batch: InputBatch) -> None:
        assert self._supervisor is not None
        self._supervisor.deliver(batch)
        run = self.runs.get(batch.partition)
        most = self.world.box_records + self.world.fetch_most
        if run is not None and run.processor.box._records[batch.topic] >= most:
            self.violated(f"the box of partition {batch.partition} overflows")

    def _failed(self, failure: asyncio.Future[None]) -> None:
        """The process has to end."""
        error = failure.exception()
        if error is not None and not self.world.over:
            self.world.supervisor.exit(self, error)

    # ---- what processors tell ----------------------------------------------------------------------

    def restoring(self, partition: int, incarnation: int) -> None:
        self.world.note(f"{self.name} p{partition} restores")

    def restored(self, partition: int, sequence: int) -> None:
        self.world.note(f"{self.name} p{partition} restored at {sequence}")

    def rebuilt(self, partition: int) -> None:
        self.world.note(f"{self.name} p{partition} rebuilt")

    def committed(self, partition: int, batch: Batch) -> None:
        self.world.note(f"{self.name} p{partition} committed {batch.after.sequence}")
        self.world.check_clock(partition, batch.after.time_ms)

    def failed(self, partition: int, error: BaseException, failures: int) -> None:
        self.world.note(f"{self.name} p{partition} failed {failures}: {error!r}")

    def closed(self, partition: int, reason: str) -> None:
        self.world.note(f"{self.name} p{partition} closed: {reason}")

    def hole(self, partition: int, topic: str) -> None:
        self.world.note(f"{self.name} p{partition} hole in {topic}")

    def bug(self, record: InputRecord, context: Context, error: Exception) -> None:
        self.world.note(f"{self.name} p{context.partition} bug at {record.offset}: {error!r}")
        if not isinstance(error, self.world.domain.raised):
            self.world.violated(f"the machine raised {error!r} on {context.topic}/{context.partition}:{record.offset}")

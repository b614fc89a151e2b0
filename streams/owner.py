"""Who owns a partition's state: an incarnation is made by a restore and thrown away by any failure.

Nothing of an incarnation outlives it: overlay, box, producer, the store's handle and seeks under way go together. The
cycles that use it are in `streams.processor`.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field

from schemas.clock import rfc3339, unix_ms
from streams.batch import BatchDecider, Progress
from streams.bounds import check_bounds
from streams.box import Box, InputBatch, Offer
from streams.commit import CommitStep, Limits, Phase
from streams.errors import Refused
from streams.machine import Machine
from streams.observer import Observer
from streams.overlay import Overlay
from streams.ports import LogReader, LogWriter, Ports, Store
from streams.restore import Restored, Restorer
from streams.seal import Span

#: One counter for the whole process: a partition that comes back to it must not mistake old batches for new ones.
_incarnations = itertools.count(1)


@dataclass(slots=True)
class Incarnation:
    """All that one restore makes and one failure throws away."""

    number: int
    store: Store
    state: Overlay
    progress: Progress
    writer: LogWriter
    #: Positions of inputs that the last seal names and this version does not take: a later one goes on from there.
    untaken: dict[str, Span] = field(default_factory=dict)
    written: int = 0
    tick_sent_for_ms: int | None = None
    #: These by the loop's clock: the worker's own may leap, forward and back.
    tick_sent_at: float = 0.0
    tick_again_s: float = 0.0
    due_looked_at: float = 0.0
    sealed_at: float | None = None


@dataclass
class PartitionOwner:
    """Owns the state of one partition index; callbacks from outside only post to the box."""

    partition: int
    partitions: int
    machine: Machine
    event_log: str
    box: Box
    ports: Ports
    limits: Limits = field(default_factory=Limits)
    observer: Observer = field(default_factory=Observer)
    #: Jitter of the backoff; the simulation gives a seeded one.
    jitter: Callable[[], float] = random.random
    #: Told before each step: to measure it, in tests to crash there.
    at_step: Callable[[CommitStep], Awaitable[None]] | None = None
    #: Inputs that are logs of other roles, see `streams.role`.
    logs: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.phase = Phase.RECOVERING
        self._current: Incarnation | None = None
        self._closing = False
        self._record_limit = self.limits.batch_max_records
        self._failure: Exception | None = None
        self._paused: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._seeks: set[asyncio.Task[None]] = set()
        self._acknowledged: dict[str, int] = {}
        self._acknowledged_at = 0.0
        #: Tells the group; one at a time, for an older one that is tried again could overtake a newer one.
        self._acknowledging: asyncio.Task[None] | None = None
        self._decider = BatchDecider(
            self.machine,
            self.event_log,
            self.partition,
            self.partitions,
            rfc3339,
            self.logs,
            on_bug=self.observer.bug,
        )

    # ---- from outside: post a message and return -------------------------------------------------

    def offer(self, batch: InputBatch) -> None:
        """Put a fetched batch into the box; pause its input where the box is full, seek back after a hole."""
        topic = batch.topic
        try:
            result = self.box.offer(batch)
        except Refused as refusal:
            self._fail(refusal)
            return
        if result is Offer.HOLE:
            self.observer.hole(self.partition, topic)
            number = next(_incarnations)
            self._seeks.add(self._spawn(self._seek_back(topic, self.box.seek_again(topic, number), number)))
        elif result is Offer.TAKEN and topic not in self._paused and self.box.is_full(topic):
            self._paused.add(topic)
            self.ports.inputs.pause(self.partition, topic)

    def _fail(self, error: Exception) -> None:
        """Remember what went wrong outside of the task, and take nothing more; the task raises it."""
        self._failure = error
        self.box.close()
        self.box.arrived.set()

    def close(self) -> None:
        """Ask the processor to end; the cycle under way may finish. `run` returns when it has."""
        self._closing = True
        self.box.close()
        self.box.arrived.set()

    @property
    def progress(self) -> Progress | None:
        """How far the fold has come; None while recovering."""
        return self._current.progress if self._current else None

    # ---- an incarnation ------------------------------------------------------------------------

    async def _discard(self) -> None:
        """Throw away overlay, box and producer, and close the store's handle."""
        self.box.close()
        self._paused.clear()
        for seek in self._seeks:
            seek.cancel()
        current, self._current = self._current, None
        if current is not None:
            try:
                await self._close(current.writer)
            finally:
                current.store.close()

    async def _close(self, end: LogWriter | LogReader) -> None:
        """Close an end of the log. An error there is told, and hides neither what came before nor what has to come."""
        try:
            await end.close()
        except Exception as error:
            self.observer.failed(self.partition, error, 0)

    async def _restore(self) -> None:
        """Fence, prove ownership, open, compare, fold, seek: see `docs/concepts/commit-protocol.md`."""
        self.phase = Phase.RECOVERING
        number = next(_incarnations)
        self.observer.restoring(self.partition, number)
        writer = self.ports.logs.writer(self.partition)
        try:
            await writer.fence()
            await self.ports.group.prove_ownership(self.partition)
            store, state, progress, rebuilt = await self._open()
        except BaseException:
            await self._close(writer)
            raise
        if rebuilt:
            self.observer.rebuilt(self.partition)
        self._current = current = Incarnation(number, store, state, progress, writer)
        await self._seek_inputs(current)
        self.phase = Phase.RUNNING
        self.observer.restored(self.partition, progress.sequence)
        self.observer.loaded(self.partition, store)

    async def _open(self) -> Restored:
        restorer = Restorer(
            self.machine,
            self.partition,
            self.partitions,
            unix_ms,
            self.limits.cache_entries,
            lambda done, of: self.observer.restore_progress(self.partition, done, of),
        )
        reader = self.ports.logs.reader(self.partition)
        try:
            restored = await restorer.restore(self.ports.stores, reader)
        except BaseException:
            await self._close(reader)
            raise
        try:
            await reader.close()
        except BaseException:
            restored.store.close()
            raise
        return restored

    async def _seek_inputs(self, current: Incarnation) -> None:
        """Position every input at the seal; an input that the seal does not name starts at 0."""
        bounds = await self.ports.inputs.bounds(self.partition)
        positions = {topic: current.progress.positions.get(topic, 0) for topic in bounds}
        for topic, position in positions.items():
            check_bounds(f"{topic}/{self.partition}", position, bounds[topic])
        before = current.progress.positions
        current.untaken = {topic: Span(at, at) for topic, at in before.items() if topic not in positions}
        current.progress.positions = before | positions
        self._acknowledged = {}
        self.box.open(current.number, positions)
        await self.ports.inputs.seek(self.partition, positions, current.number)
        for topic in positions:
            self.ports.inputs.resume(self.partition, topic)

    # ---- inputs, and tasks beside the cycle ----------------------------------------------------

    def _resume(self) -> None:
        for topic in [topic for topic in self._paused if self.box.has_room(topic)]:
            self._paused.discard(topic)
            self.ports.inputs.resume(self.partition, topic)

    async def _seek_back(self, topic: str, position: int, number: int) -> None:
        """After a hole: fetch again from the expected position, if the topic still holds it."""
        try:
            bounds = await self.ports.inputs.bounds(self.partition)
            if not self.box.awaits(topic, number):
                return
            check_bounds(f"{topic}/{self.partition}", position, bounds[topic])
            await self.ports.inputs.seek(self.partition, {topic: position}, number)
        except Exception as error:
            # The box waits for what only this seek would have brought; if it still does.
            if self.box.awaits(topic, number):
                self._fail(error)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._seeks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.observer.failed(self.partition, error, 0)

    async def _step_hook(self, step: CommitStep) -> None:
        if self.at_step is not None:
            await self.at_step(step)

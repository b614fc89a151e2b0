"""The partition processor: one partition of one role, from its inputs to its event log.

The commit protocol, numbered as in `docs/concepts/commit-protocol.md` and in the crash tests:

1. Take      what waits, up to a bound.
2. Decide    each record in order, on an overlay.
3. Write     events, outcomes and the seal, in one Kafka transaction.
4. Commit    it. Before this nothing happened, after it everything did.
5. Persist   the overlay in the local store.
6. Acknowledge the positions to the consumer group.

Any exception in 3 and 4 means that the outcome is unknown: everything in memory is thrown away and the state
is restored from the log, which alone knows. Never is a transaction aborted and the next one tried.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from functools import partial

from schemas.clock import rfc3339, unix_ms
from streams.batch import Batch, BatchDecider, Progress
from streams.box import Box, InputBatch, Offer, Taken
from streams.errors import Fenced, MessageTooLarge, NotOwner, Refused, Unavailable
from streams.machine import Machine
from streams.observer import Observer
from streams.overlay import Overlay
from streams.persist import changes_of, forget_old_buckets
from streams.ports import Bounds, LogReader, LogWriter, Mark, Ports, Store
from streams.restore import Restored, Restorer
from streams.seal import Span, decode_seal

_TICK_AGAIN_MS = 1_000

#: One counter for the whole process: a partition that comes back to it must not mistake old batches for new ones.
_incarnations = itertools.count(1)


class CommitStep(IntEnum):
    """The steps of the commit protocol."""

    TAKE = 1
    DECIDE = 2
    WRITE = 3
    COMMIT = 4
    PERSIST = 5
    ACKNOWLEDGE = 6


class Phase(StrEnum):
    """What a processor is doing, as `/readyz` says it."""

    CONNECTING = "connecting"
    RECOVERING = "recovering"
    RUNNING = "running"
    CLOCK = "clock"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds and times of a processor; units are in the names."""

    batch_max_records: int = 2_000
    batch_max_bytes: int = 2 << 20
    commit_deadline_s: float = 8.0
    clock_tolerance_ms: int = 300_000
    seal_interval_ms: int = 86_400_000
    acknowledge_interval_s: float = 0.5
    revoke_grace_s: float = 5.0
    backoff_first_s: float = 0.05
    backoff_most_s: float = 5.0
    max_failures: int = 8
    cache_entries: int = 10_000
    #: aiokafka's sequence numbers overflow at 2^31; the producer is renewed well before.
    records_per_producer: int = 1 << 30


@dataclass(slots=True)
class _Incarnation:
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
    tick_sent_at_ms: int = 0
    sealed_at_ms: int = 0


def check_bounds(where: str, position: int, bounds: Bounds) -> None:
    """Refuse an input that cannot be read on from `position`.

    Raises:
        Refused: the topic was recreated or truncated, or records were deleted unread.
    """
    if bounds.end < position:
        raise Refused(
            f"{where} ends at {bounds.end}, but the ledger has read up to {position}: the topic was recreated or "
            "truncated; restore it, or start a new namespace"
        )
    if bounds.start > position:
        raise Refused(
            f"{where} starts at {bounds.start}, but the ledger has read only up to {position}: "
            f"{bounds.start - position} offsets were deleted unread; have the producers send them again and start a "
            "new namespace, or restore the topic"
        )


@dataclass
class PartitionProcessor:
    """Owns the state of one partition index. `run` is its task; callbacks from outside only post to the box."""

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

    def __post_init__(self) -> None:
        self.phase = Phase.RECOVERING
        self._current: _Incarnation | None = None
        self._closing = False
        self._record_limit = self.limits.batch_max_records
        self._failure: Exception | None = None
        self._paused: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._seeks: set[asyncio.Task[None]] = set()
        self._acknowledged: dict[str, int] = {}
        self._acknowledged_at = 0.0
        self._decider = BatchDecider(
            self.machine, self.event_log, self.partition, self.partitions, rfc3339, on_bug=self.observer.bug
        )
        self._before_commit = partial(self._step_hook, CommitStep.COMMIT)

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

    # ---- the task ------------------------------------------------------------------------------

    async def run(self) -> None:
        """Restore, then cycle until closed; after a failure restore again, with jittered backoff.

        Raises:
            Refused: going on would risk money.
            Exception: the last of `max_failures` failures in a row.
        """
        failures = 0
        try:
            while not self._closing:
                try:
                    await self._restore()
                    while not self._closing:
                        if await self._cycle():
                            failures = 0
                except NotOwner as error:
                    self.observer.closed(self.partition, str(error))
                    return
                except Refused:
                    raise
                except MessageTooLarge as error:
                    self.phase = Phase.RECOVERING
                    self.observer.failed(self.partition, error, failures)
                    await self._discard()
                except Unavailable as error:
                    # Before the fence nothing is at stake; all workers of a fleet exiting at once would help nobody.
                    self.phase = Phase.CONNECTING
                    self.observer.failed(self.partition, error, failures)
                    await self._discard()
                    await asyncio.sleep(self._backoff_s(max(failures, 4)))
                except Exception as error:
                    failures += 1
                    self.phase = Phase.RECOVERING
                    self.observer.failed(self.partition, error, failures)
                    if failures >= self.limits.max_failures:
                        raise
                    await self._discard()
                    await asyncio.sleep(self._backoff_s(failures))
        finally:
            self.phase = Phase.CLOSED
            await self._discard()
            for task in list(self._tasks):
                task.cancel()

    def _backoff_s(self, failures: int) -> float:
        limits = self.limits
        ceiling = min(limits.backoff_most_s, limits.backoff_first_s * 2.0**failures)
        return ceiling * (0.5 + self.jitter() / 2)

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
        self._current = current = _Incarnation(number, store, state, progress, writer)
        await self._seek_inputs(current)
        self.phase = Phase.RUNNING
        self.observer.restored(self.partition, progress.sequence)

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

    async def _seek_inputs(self, current: _Incarnation) -> None:
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

    # ---- one cycle -----------------------------------------------------------------------------

    async def _cycle(self) -> bool:
        """Steps 1 to 6 once, or a wait. True where something was committed."""
        current = self._current
        assert current is not None
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        await self._step_hook(CommitStep.TAKE)
        taken = await self._take(current)  # 1
        if taken is None:
            return False
        await self._step_hook(CommitStep.DECIDE)
        batch = self._decide(current, taken)  # 2
        await self._step_hook(CommitStep.WRITE)
        await self._write_and_commit(current, batch)  # 3, 4: the hook of COMMIT is called in between
        await self._step_hook(CommitStep.PERSIST)
        self._persist(current, batch)  # 5
        await self._step_hook(CommitStep.ACKNOWLEDGE)
        await self._acknowledge(current)  # 6
        self._resume()
        if current.written >= self.limits.records_per_producer:
            # A fence without a restore could take the partition from its rightful owner and go on with stale state.
            self.phase = Phase.RECOVERING
            await self._discard()
            await self._restore()
        return True

    async def _step_hook(self, step: CommitStep) -> None:
        if self.at_step is not None:
            await self.at_step(step)

    async def _take(self, current: _Incarnation) -> Taken | None:
        """Step 1. Waits until there is something to decide, a tick to send or a moved position to seal."""
        if not self.box.waiting_records:
            await self._wait_for_arrival(current)
            if self._closing:
                return None
            if not self.box.waiting_records:
                await self._acknowledge(current)
        if self._is_ahead_of_clock():
            self.phase = Phase.CLOCK
            await asyncio.sleep(1.0)
            return None
        self.phase = Phase.RUNNING
        if self.box.waiting_records or self._seal_is_due(current):
            taken = self.box.take(self._record_limit, self.limits.batch_max_bytes)
            taken.spans.update(current.untaken)
            return taken
        await self._send_due_tick(current)
        return None

    async def _wait_for_arrival(self, current: _Incarnation) -> None:
        """Wait for records, at most until the state's next due time; then let take, tick or seal look again."""
        wait_s = 1.0
        due_ms = self.machine.due_at_ms(current.state)
        if due_ms is not None and due_ms != current.tick_sent_for_ms:
            wait_s = min(wait_s, max(0.0, (due_ms - self.ports.clock.now_ms()) / 1000))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.box.arrived.wait(), wait_s)

    def _is_ahead_of_clock(self) -> bool:
        return self.box.newest_ms > self.ports.clock.now_ms() + self.limits.clock_tolerance_ms

    def _seal_is_due(self, current: _Incarnation) -> bool:
        """True where positions moved without records for so long that retention could overtake the last seal."""
        if not self.box.has_moved:
            return False
        since_ms = max(current.progress.time_ms, current.sealed_at_ms)
        return self.ports.clock.now_ms() - since_ms >= self.limits.seal_interval_ms

    async def _send_due_tick(self, current: _Incarnation) -> None:
        """Produce a tick, in a transaction of its own, if and only if the state has something due."""
        due_ms, now_ms = self.machine.due_at_ms(current.state), self.ports.clock.now_ms()
        if due_ms is None or due_ms > now_ms:
            return
        # Sent again after a while: the broker's clock may be behind ours, and stamp the tick before what is due.
        if due_ms == current.tick_sent_for_ms and now_ms - current.tick_sent_at_ms < _TICK_AGAIN_MS:
            return
        tick = self.machine.tick(due_ms, self.partition)
        try:
            async with asyncio.timeout(self.limits.commit_deadline_s):
                await current.writer.transact([tick])
        except MessageTooLarge:
            raise Refused(f"the broker does not take a tick: raise max.message.bytes of {tick.topic}") from None
        current.written += 1
        current.tick_sent_for_ms, current.tick_sent_at_ms = due_ms, now_ms

    def _decide(self, current: _Incarnation, taken: Taken) -> Batch:
        """Step 2: decide each record on the overlay; the store and the log stay as they are."""
        return self._decider.decide(current.state, current.progress, taken)

    async def _write_and_commit(self, current: _Incarnation, batch: Batch) -> None:
        """Steps 3 and 4, within a deadline below Kafka's own time limit for the transaction."""
        try:
            async with asyncio.timeout(self.limits.commit_deadline_s):
                position = await current.writer.transact(batch.messages, self._before_commit)
        except MessageTooLarge:
            self._halve(batch)
            raise
        except TimeoutError:
            # Perhaps it was more than what the deadline allows; the same batch again would fail for ever.
            if batch.count > 1:
                self._record_limit = batch.count // 2
            raise
        batch.after.seal_offset, batch.after.next_offset = position
        current.written += len(batch.messages)
        self._record_limit = min(self._record_limit * 2, self.limits.batch_max_records)

    def _halve(self, batch: Batch) -> None:
        """A record of the batch is too large for the broker: try half as many, down to the single offender."""
        if batch.count > 1:
            self._record_limit = batch.count // 2
        elif batch.first is None or batch.first in self._decider.oversized:
            raise Refused(
                "the broker takes neither the result of a record nor its dead letter: raise max.message.bytes of "
                "dead-letters and ledger-events as `walletstream topics plan` says"
            ) from None
        else:
            self._decider.oversized.add(batch.first)

    def _persist(self, current: _Incarnation, batch: Batch) -> None:
        """Step 5: one atomic write. No await stands between the checks and the write."""
        mark = current.store.mark()
        stored = -1 if mark is None else decode_seal(mark.seal).sequence
        if self._current is not current or stored != current.progress.sequence:
            raise Fenced(f"the store stands at sequence {stored}, the batch follows {current.progress.sequence}")
        current.store.write(changes_of(current.state), Mark(batch.after.seal_offset, batch.seal))
        current.state.settle()
        current.progress = batch.after
        current.sealed_at_ms = self.ports.clock.now_ms()
        forget_old_buckets(current.state, current.store, batch.after.time_ms)
        self.observer.committed(self.partition, batch)

    async def _acknowledge(self, current: _Incarnation) -> None:
        """Step 6: tell the group, now and then. What it answers is news of ownership, nothing else."""
        positions = {topic: at for topic, at in current.progress.positions.items() if topic not in current.untaken}
        now = asyncio.get_running_loop().time()
        if positions == self._acknowledged or now - self._acknowledged_at < self.limits.acknowledge_interval_s:
            return
        self._acknowledged, self._acknowledged_at = positions, now
        self._spawn(self._tell_group(self._acknowledged))

    async def _tell_group(self, positions: dict[str, int]) -> None:
        try:
            await self.ports.group.acknowledge(self.partition, positions)
        except NotOwner as error:
            self.observer.closed(self.partition, str(error))
            self.close()
        except Exception:
            self._acknowledged = {}
            raise

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

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
from dataclasses import dataclass
from functools import partial

from streams.batch import Batch
from streams.box import Taken
from streams.commit import CommitStep, Phase
from streams.errors import BatchTooLarge, ChainBroken, Fenced, HeldUp, MessageTooLarge, NotOwner, Refused, Unavailable
from streams.owner import Incarnation, PartitionOwner
from streams.persist import changes_of, forget_old_buckets
from streams.ports import LogPosition, Mark
from streams.seal import decode_seal

#: A tick that brought nothing is sent again, the longer it brings nothing the more seldom.
_TICK_AGAIN_S = 1.0
_TICK_AGAIN_MOST_S = 60.0
#: How often it is looked for what is due while records wait: each tick is a transaction of its own.
_LOOK_FOR_DUE_S = 1.0
#: Failures in a row whose pause fits what may last for minutes.
_HELD_UP_BACKOFF = 7


@dataclass
class PartitionProcessor(PartitionOwner):
    """Runs the cycles of one partition index. `run` is its task."""

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
                except HeldUp as error:
                    # Neither a restart nor another owner would see more of the log.
                    self.phase = Phase.HELD_UP
                    self.observer.failed(self.partition, error, failures)
                    await self._discard()
                    await asyncio.sleep(self._backoff_s(max(failures, _HELD_UP_BACKOFF)))
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
            self.observer.ended(self.partition)
            await self._discard()
            for task in list(self._tasks):
                task.cancel()

    def _backoff_s(self, failures: int) -> float:
        limits = self.limits
        ceiling = min(limits.backoff_most_s, limits.backoff_first_s * 2.0**failures)
        return ceiling * (0.5 + self.jitter() / 2)

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

    async def _take(self, current: Incarnation) -> Taken | None:
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
        if self.box.waiting_records:
            await self._look_for_due(current)
        if self.box.waiting_records or self._seal_is_due(current):
            taken = self.box.take(self._record_limit, self.limits.batch_max_bytes)
            taken.spans.update(current.untaken)
            return taken
        await self._send_due_tick(current)
        return None

    async def _wait_for_arrival(self, current: Incarnation) -> None:
        """Wait for records, at most until the state's next due time; then let take, tick or seal look again."""
        wait_s = 1.0
        due_ms = self.machine.due_at_ms(current.state)
        if due_ms is not None and due_ms != current.tick_sent_for_ms:
            wait_s = min(wait_s, max(0.0, (due_ms - self.ports.clock.now_ms()) / 1000))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.box.arrived.wait(), wait_s)

    def _is_ahead_of_clock(self) -> bool:
        return self.box.newest_ms > self.ports.clock.now_ms() + self.limits.clock_tolerance_ms

    def _seal_is_due(self, current: Incarnation) -> bool:
        """True where positions moved without records for so long that retention could overtake the last seal."""
        if not self.box.has_moved:
            return False
        if current.sealed_at is not None:
            since_s = asyncio.get_running_loop().time() - current.sealed_at
            return since_s * 1000 >= self.limits.seal_interval_ms
        now_ms, time_ms = self.ports.clock.now_ms(), current.progress.time_ms
        # A partition's time never goes back where clocks that were ahead do: it says nothing about the last seal then.
        return time_ms > now_ms or now_ms - time_ms >= self.limits.seal_interval_ms

    async def _look_for_due(self, current: Incarnation) -> None:
        """Now and then, though records wait: they may never stop coming, and what is due needs a tick all the same.

        Not while old ones wait, after an outage: a tick would go before what came in time.
        """
        now = asyncio.get_running_loop().time()
        if now - current.due_looked_at < _LOOK_FOR_DUE_S:
            return
        current.due_looked_at, oldest_ms = now, self.box.oldest_ms
        if oldest_ms is not None and self.ports.clock.now_ms() - oldest_ms < 1000 * _LOOK_FOR_DUE_S:
            await self._send_due_tick(current)

    async def _send_due_tick(self, current: Incarnation) -> None:
        """Produce a tick, in a transaction of its own, if and only if the state has something due."""
        due_ms, now_ms = self.machine.due_at_ms(current.state), self.ports.clock.now_ms()
        if due_ms is None or due_ms > now_ms:
            return
        now, again_s = asyncio.get_running_loop().time(), _TICK_AGAIN_S
        # Sent again after a while: the broker's clock may be behind ours, and stamp the tick before what is due.
        if due_ms == current.tick_sent_for_ms:
            if now - current.tick_sent_at < current.tick_again_s:
                return
            again_s = min(_TICK_AGAIN_MOST_S, 2 * current.tick_again_s)
        tick = self.machine.tick(due_ms, self.partition)
        try:
            async with asyncio.timeout(self.limits.commit_deadline_s):
                await current.writer.transact([tick])
        except MessageTooLarge:
            raise Refused(f"the broker does not take a tick: raise max.message.bytes of {tick.topic}") from None
        current.written += 1
        current.tick_sent_for_ms, current.tick_sent_at, current.tick_again_s = due_ms, now, again_s

    def _decide(self, current: Incarnation, taken: Taken) -> Batch:
        """Step 2: decide each record on the overlay; the store and the log stay as they are."""
        try:
            return self._decider.decide(current.state, current.progress, taken)
        except BatchTooLarge as error:
            self._record_limit = error.records
            raise

    async def _write_and_commit(self, current: Incarnation, batch: Batch) -> None:
        """Steps 3 and 4, within a deadline below Kafka's own time limit for the transaction."""
        try:
            async with asyncio.timeout(self.limits.commit_deadline_s):
                position = await current.writer.transact(batch.messages, partial(self._before_commit, current, batch))
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
        if batch.event_bytes * 2 <= self._decider.most_event_bytes:
            self._record_limit = min(self._record_limit * 2, self.limits.batch_max_records)

    async def _before_commit(self, current: Incarnation, batch: Batch, position: LogPosition) -> None:
        """Between steps 3 and 4: everything is written, and nothing of it has happened yet."""
        before = current.progress
        first = position.seal_offset - (batch.after.sequence - before.sequence) + 1
        if first < before.next_offset:
            # A log without the events before could not be folded any more, and nothing that is on it would be proven.
            raise ChainBroken(
                f"{self.event_log}/{self.partition} goes on at {first}, but its last seal is at {before.seal_offset}: "
                "the event log was recreated or truncated; restore it from a backup"
            )
        await self._step_hook(CommitStep.COMMIT)

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

    def _persist(self, current: Incarnation, batch: Batch) -> None:
        """Step 5: one atomic write. No await stands between the checks and the write."""
        mark = current.store.mark()
        stored = -1 if mark is None else decode_seal(mark.seal).sequence
        if self._current is not current or stored != current.progress.sequence:
            raise Fenced(f"the store stands at sequence {stored}, the batch follows {current.progress.sequence}")
        current.store.write(changes_of(current.state), Mark(batch.after.seal_offset, batch.seal))
        current.state.settle()
        current.progress = batch.after
        current.sealed_at = asyncio.get_running_loop().time()
        forget_old_buckets(current.state, current.store, batch.after.time_ms)
        self.observer.committed(self.partition, batch)

    async def _acknowledge(self, current: Incarnation) -> None:
        """Step 6: tell the group, now and then. What it answers is news of ownership, nothing else."""
        if self._acknowledging is not None and not self._acknowledging.done():
            return
        positions = {topic: at for topic, at in current.progress.positions.items() if topic not in current.untaken}
        now = asyncio.get_running_loop().time()
        if positions == self._acknowledged or now - self._acknowledged_at < self.limits.acknowledge_interval_s:
            return
        self._acknowledged, self._acknowledged_at = positions, now
        self._acknowledging = self._spawn(self._tell_group(self._acknowledged))

    async def _tell_group(self, positions: dict[str, int]) -> None:
        try:
            await self.ports.group.acknowledge(self.partition, positions)
        except NotOwner as error:
            self.observer.closed(self.partition, str(error))
            self.close()
        except Exception:
            self._acknowledged = {}
            raise

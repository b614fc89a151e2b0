"""Runs a processor for each partition that the consumer group assigns to this worker.

Faust's callbacks only post a message here and return. The messages are handled one after the other: so a new
processor of a partition starts only after the old one's task has ended and its handle on the store is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

from faust.types import TP

from streams.box import InputBatch
from streams.commit import Phase
from streams.errors import Refused
from streams.logs import fields
from streams.memory import collect_all
from streams.processor import PartitionProcessor

log = logging.getLogger(__name__)


@dataclass
class Run:
    """A processor at work."""

    processor: PartitionProcessor
    task: asyncio.Task[None]
    #: True once the processor was asked to end.
    is_ending: bool = False


class Supervisor:
    """Starts and ends processors as partitions come and go."""

    def __init__(
        self,
        make: Callable[[int], PartitionProcessor],
        input_names: Mapping[str, str],
        owner_input: str,
        *,
        revoke_grace_s: float,
        orphan_grace_s: float,
    ):
        """
        Args:
            make: makes the processor of a partition.
            input_names: full names of the input topics by their short ones.
            owner_input: short name of the input whose assignment says who owns a partition.
            revoke_grace_s: how long a revoked partition's cycle may go on before it is cancelled.
            orphan_grace_s: how long an assigned partition may be without processor, its own having ended because
                the group disowned it, until a rebalance has to have come.
        """
        self._make = make
        self._input_names = input_names
        self._owner = input_names[owner_input]
        self._revoke_grace_s = revoke_grace_s
        self._orphan_grace_s = orphan_grace_s
        self._runs: dict[int, Run] = {}
        self._messages: asyncio.Queue[Collection[TP] | None] = asyncio.Queue()
        self._timers: set[asyncio.TimerHandle] = set()
        self._task: asyncio.Task[None] | None = None
        #: Ends with the error that has to end the process.
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        #: False until the first assignment, and while a rebalance is under way.
        self.is_assigned = False
        self.assignments = 0

    @property
    def runs(self) -> Mapping[int, Run]:
        """Processors by partition."""
        return self._runs

    def start(self) -> None:
        """Start handling messages."""
        self._task = asyncio.create_task(self._handle(), name="supervisor")
        self._task.add_done_callback(self._check_own_end)

    # ---- messages --------------------------------------------------------------------------------

    def revoked(self) -> None:
        """The group takes all partitions back: empty the boxes and end the processors."""
        self.is_assigned = False
        for run in self._runs.values():
            run.is_ending = True
            run.processor.close()
        self._messages.put_nowait(None)

    def assigned(self, tps: Collection[TP]) -> None:
        """The group has given us exactly these topic partitions."""
        self._messages.put_nowait(frozenset(tps))

    def deliver(self, batch: InputBatch) -> None:
        """Put a fetched batch into its processor's box; the box knows whether it was fetched for it."""
        run = self._runs.get(batch.partition)
        if run is not None and not run.is_ending:
            run.processor.offer(batch)

    async def stop(self) -> None:
        """End all processors as a revocation does, then the supervisor."""
        self.revoked()
        if self._task is not None and not self._task.done():
            await self._messages.join()
            self._task.remove_done_callback(self._check_own_end)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for timer in self._timers:
            timer.cancel()

    # ---- the task --------------------------------------------------------------------------------

    async def _handle(self) -> None:
        while True:
            message = await self._messages.get()
            try:
                await self._end_all()
                if message is not None:
                    self.assignments += 1
                    # What was taken back meanwhile is not begun: that would fence whoever has it by now.
                    if self._messages.empty():
                        self._start_all(message)
            except Refused as error:
                self._fail(error)
            finally:
                self._messages.task_done()

    def _start_all(self, tps: Collection[TP]) -> None:
        partitions = sorted(tp.partition for tp in tps if tp.topic == self._owner)
        for partition in partitions:
            for name in self._input_names.values():
                if TP(name, partition) not in tps:
                    raise Refused(
                        f"the consumer group gave us {self._owner}/{partition} but not {name}/{partition}: all workers "
                        "of the group must run the same version, and all inputs must have the same partition count"
                    )
        log.info("assigned", extra=fields(partitions=",".join(map(str, partitions)) or "none"))
        if self.assignments > 1:
            # What was known of the states before is in cycles, which nobody looks for while these are restored.
            collect_all()
        for partition in partitions:
            processor = self._make(partition)
            task = asyncio.create_task(processor.run(), name=f"processor-{partition}")
            run = self._runs[partition] = Run(processor, task)
            task.add_done_callback(partial(self._ended, partition, run))
        self.is_assigned = True

    async def _end_all(self) -> None:
        """End every processor: its cycle gets a grace, then it is cancelled; either way it is waited for.

        One that has not come to its first cycle is cancelled at once: it has nothing to finish, and all partitions of
        the group would wait for its restore.
        """
        runs, self._runs = self._runs, {}
        for run in runs.values():
            run.is_ending = True
            run.processor.close()
            if run.processor.phase in (Phase.RECOVERING, Phase.CONNECTING, Phase.HELD_UP):
                run.task.cancel()
        tasks = [run.task for run in runs.values()]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._revoke_grace_s)
        for task in late:
            task.cancel()
        if late:
            log.warning("cancelled %d cycles that did not end within %g s", len(late), self._revoke_grace_s)
            await asyncio.wait(late)
        log.info("revoked", extra=fields(partitions=",".join(map(str, sorted(runs)))))

    def _ended(self, partition: int, run: Run, _task: asyncio.Task[None]) -> None:
        """A processor's task is over: as it was asked to, or because the group disowned it, or as a failure."""
        error = None if run.task.cancelled() else run.task.exception()
        if error is not None and (not run.is_ending or isinstance(error, Refused)):
            self._fail(error)
        elif run.task.cancelled() and not run.is_ending:
            self._fail(RuntimeError(f"the processor of partition {partition} was cancelled unasked"))
        elif not run.is_ending:
            loop = asyncio.get_running_loop()
            self._timers.add(loop.call_later(self._orphan_grace_s, self._check_orphan, partition, run))

    def _check_orphan(self, partition: int, run: Run) -> None:
        if self._runs.get(partition) is run and not run.is_ending:
            self._fail(
                RuntimeError(
                    f"the processor of partition {partition} has ended, but the consumer group still assigns the "
                    "partition to this worker"
                )
            )

    def _check_own_end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        self._fail(error or RuntimeError("the supervisor has ended unasked"))

    def _fail(self, error: BaseException) -> None:
        if not self.failure.done():
            log.error("%s: %s", type(error).__name__, error, exc_info=None if isinstance(error, Refused) else error)
            self.failure.set_exception(error)

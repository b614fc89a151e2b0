"""The courier's desk for one rail: its calls, its tasks, its breaker. Desks share nothing: they are the bulkheads.

An attempt is: ask the status; submit only what the rail has never seen; report what it said. Whoever comes after a
crash begins with the status again, so a batch that was submitted and not reported is found, not paid a second time.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from agents.settlement.rails.courier.breaker import backoff_ms, jittered_ms
from agents.settlement.rails.courier.calls import Calls
from agents.settlement.rails.courier.ports import Clock, CourierObserver, Report, Reports
from agents.settlement.rails.port import Rail, RailError, RailUnknown
from schemas.rail_batches import RailAnswer, RailBatch
from schemas.rail_settings import Retry
from schemas.settlement_internal import RailAnswered, SubmissionFailed
from streams.logs import fields

log = logging.getLogger(__name__)

#: Where a crash may come: what `CourierObserver.step` is told, in order, of an attempt and of an answer come unasked.
STEPS: Final = (
    "before status",
    "before submit",
    "after submit",
    "before report",
    "after report",
    "before collect",
    "before keep",
    "after keep",
    "after acknowledge",
)
#: A batch that is handed over is asked for this many times less often each time, up to the longest pause.
_POLL_GROWTH: Final = 2
_MOST_MESSAGE: Final = 1_000


@dataclass
class _Followed:
    """A batch that the rail has."""

    due_ms: int
    pause_ms: int
    #: The last answer reported, which need not be reported again.
    answer_id: str = ""


class Desk:
    """One rail's desk. `run` does the work until it is cancelled."""

    def __init__(
        self,
        rail: Rail,
        retry: Retry,
        reports: Reports,
        clock: Clock,
        observer: CourierObserver | None = None,
        share: Callable[[], float] = random.random,
    ):
        """
        Args:
            rail: what is called; the desk closes it.
            retry: how.
            reports: where its answers go.
            clock: the time of pauses and of the breaker.
            observer: is told what happens.
            share: numbers in [0, 1) for jitter.
        """
        self.rail = rail
        self._retry = retry
        self._reports = reports
        self._clock = clock
        self._observer = observer or CourierObserver()
        self._share = share
        self._calls = Calls(rail.name, retry, clock, self._observer, share)
        self._attempts: dict[str, RailBatch] = {}
        #: Attempts (batch, number) that another desk may have begun.
        self._begun: set[tuple[str, int]] = set()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._followed: dict[str, _Followed] = {}
        self._news = asyncio.Event()

    # ---- what is to be done ------------------------------------------------------------------------------

    def attempt(self, batch: RailBatch, *, is_taken_over: bool = False) -> None:
        """An attempt to hand the batch over is due. The same again does nothing while it is under way.

        Args:
            batch: what is to be handed over.
            is_taken_over: it was due before this desk was there, so that another one may be at it.
        """
        if is_taken_over:
            self._begun.add((batch.batch_id, batch.attempt))
        self._attempts[batch.batch_id] = batch
        self._followed.pop(batch.batch_id, None)
        self._news.set()
        self._tell_sizes()

    def follow(self, batch_id: str) -> None:
        """The rail has this batch: its status is asked until it is final."""
        self._attempts.pop(batch_id, None)
        if batch_id not in self._followed:
            pause_ms = self._retry.poll_ms
            self._followed[batch_id] = _Followed(self._clock.now_ms() + pause_ms, pause_ms)
        self._tell_sizes()

    def forget(self, batch_id: str) -> None:
        """Nothing is to be done for this batch: it is final, or its next attempt is not due."""
        self._attempts.pop(batch_id, None)
        self._followed.pop(batch_id, None)
        self._tell_sizes()

    @property
    def waiting(self) -> list[str]:
        """Ids of the batches with an attempt to be made."""
        return list(self._attempts)

    # ---- the loops ---------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Make attempts, collect answers and ask for statuses, for ever; ends only with its task."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._make_attempts(group))
                group.create_task(self._every(self._collect, "collect"))
                group.create_task(self._every(self._poll, "status"))
        finally:
            await self.rail.close()

    async def _make_attempts(self, group: asyncio.TaskGroup) -> None:
        """Start attempts as long as there is room for them, oldest first."""
        while True:
            self._news.clear()
            for batch_id, batch in list(self._attempts.items()):
                if len(self._under_way) >= self._retry.max_parallel:
                    break
                if batch_id not in self._under_way:
                    self._under_way[batch_id] = group.create_task(self._attempt(batch))
            await self._news.wait()

    async def _attempt(self, batch: RailBatch) -> None:
        """Make one attempt and report it. It ends only once the report is kept, or nobody wants it any more."""
        try:
            report = await self._handed_over(batch)
            self._step("before report")
            await self._put(report)
            self._step("after report")
            if self._attempts.get(batch.batch_id) == batch:
                del self._attempts[batch.batch_id]
                if isinstance(report, RailAnswered):
                    self._follow_from(batch.batch_id, report.answer)
        finally:
            del self._under_way[batch.batch_id]
            self._begun.discard((batch.batch_id, batch.attempt))
            self._news.set()
            self._tell_sizes()

    async def _handed_over(self, batch: RailBatch) -> Report:
        may_have_been_sent = True
        try:
            self._step("before status")
            answer = await self._status(batch.batch_id)
            if answer is None:
                # A call that another desk has begun may reach the rail only after the question about the status.
                may_have_been_sent = (batch.batch_id, batch.attempt) in self._begun
                self._step("before submit")
                answer = await self._calls.make("submit", lambda: self.rail.submit(batch))
                self._step("after submit")
        except RailError as error:
            log.warning("an attempt failed: %s", error, extra=self._where(batch_id=batch.batch_id))
            return SubmissionFailed(
                rail=self.rail.name,
                batch_id=batch.batch_id,
                attempt=batch.attempt,
                may_have_been_sent=may_have_been_sent or isinstance(error, RailUnknown),
                message=str(error)[:_MOST_MESSAGE],
            )
        return RailAnswered(answer=answer)

    async def _every(self, work: Callable[[], Awaitable[None]], what: str) -> None:
        """Do something each `poll_ms`; after failures less often."""
        failures = 0
        while True:
            try:
                await work()
                failures = 0
                pause_ms = jittered_ms(self._retry.poll_ms, self._share())
            except RailError as error:
                failures += 1
                log.warning("%s failed: %s", what, error, extra=self._where(failures=failures))
                pause_ms = backoff_ms(self._retry, failures, self._share())
            await self._clock.sleep_ms(pause_ms)

    async def _collect(self) -> None:
        """Keep all that has arrived, and acknowledge each answer only then."""
        self._step("before collect")
        failed: RailError | None = None
        for answer in await self._calls.make("collect", self.rail.collect):
            self._step("before keep")
            await self._put(RailAnswered(answer=answer))
            self._step("after keep")
            try:
                await self._acknowledge(answer)
            except RailError as error:
                failed = error  # it comes again; those behind it do not wait for that
            else:
                self._step("after acknowledge")
        if failed is not None:
            raise failed

    async def _acknowledge(self, answer: RailAnswer) -> None:
        await self._calls.make("acknowledge", lambda: self.rail.acknowledge(answer.answer_id))

    async def _status(self, batch_id: str) -> RailAnswer | None:
        return await self._calls.make("status", lambda: self.rail.status(batch_id))

    async def _poll(self) -> None:
        """Ask for the status of what is handed over and due to be asked for."""
        for batch_id, followed in list(self._followed.items()):
            if self._clock.now_ms() < followed.due_ms or batch_id not in self._followed:
                continue
            # Before the call: one that fails must not be the first to be asked for again, for ever.
            followed.pause_ms = min(self._retry.longest_ms, followed.pause_ms * _POLL_GROWTH)
            followed.due_ms = self._clock.now_ms() + followed.pause_ms
            answer = await self._status(batch_id)
            if answer is not None and answer.answer_id != followed.answer_id:
                await self._put(RailAnswered(answer=answer))
                followed.answer_id = answer.answer_id

    def _follow_from(self, batch_id: str, answer: RailAnswer) -> None:
        pause_ms = self._retry.poll_ms
        due_ms = self._clock.now_ms() + pause_ms
        self._followed[batch_id] = _Followed(due_ms, pause_ms, answer.answer_id)

    async def _put(self, report: Report) -> None:
        """Keep a report, however long that takes: until then the answer is still the rail's."""
        failures = 0
        while True:
            try:
                return await self._reports.put(self.rail.name, report)
            except Exception as error:
                failures += 1
                log.warning("an answer cannot be kept yet: %r", error, extra=self._where(failures=failures))
                await self._clock.sleep_ms(backoff_ms(self._retry, failures, self._share()))

    # ---- what is told ------------------------------------------------------------------------------------

    def _step(self, step: str) -> None:
        self._observer.step(self.rail.name, step)

    def _where(self, **more: Any) -> dict[str, Any]:
        return fields(rail=self.rail.name, **more)

    def _tell_sizes(self) -> None:
        self._observer.waiting(self.rail.name, len(self._attempts))
        self._observer.followed(self.rail.name, len(self._followed))

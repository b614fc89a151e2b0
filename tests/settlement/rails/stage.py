"""A stage for the courier: time that is moved by hand, a rail that does what it is told, reports that are kept."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from agents.settlement.rails.courier.ports import CourierObserver, Report
from schemas.rail_batches import RailAnswer, RailBatch, answer_id_of
from schemas.settlement_batches import BatchRecord, BatchState
from schemas.settlement_internal import RailAnswered, SubmissionFailed
from tests.settlement.rails.batches import START_MS


class VirtualClock:
    """Time passes only where everybody waits for it."""

    def __init__(self) -> None:
        self.ms = START_MS
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._number = 0

    def now_ms(self) -> int:
        return self.ms

    async def sleep_ms(self, pause_ms: int) -> None:
        self._number += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.ms + pause_ms, self._number, future))
        await future

    async def until(self, done: Callable[[], bool], at_most_ms: int = 3_600_000) -> None:
        """Let time pass until `done`; fails once `at_most_ms` have passed."""
        end_ms = self.ms + at_most_ms
        while True:
            for _ in range(30):
                await asyncio.sleep(0)
            if done():
                return
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            assert self._sleepers, "nobody waits for anything, and it is not done"
            assert self._sleepers[0][0] <= end_ms, f"not done after {at_most_ms} ms"
            self.ms = self._sleepers[0][0]
            while self._sleepers and self._sleepers[0][0] <= self.ms:
                future = heapq.heappop(self._sleepers)[2]
                if not future.done():
                    future.set_result(None)

    async def pass_ms(self, span_ms: int) -> None:
        """Let so much time pass."""
        waiting = asyncio.ensure_future(self.sleep_ms(span_ms))
        await self.until(waiting.done)


class Crash(Exception):
    """The process ends here."""


class Watching(CourierObserver):
    """Remembers what it was told, and crashes where it was asked to."""

    def __init__(self, crash_at: str = "", crash_after: int = 0):
        self.steps: list[str] = []
        self.calls: Counter[tuple[str, str]] = Counter()
        self.breaker: list[str] = []
        self.trips = 0
        self._crash_at = crash_at
        self._crash_after = crash_after

    def step(self, rail: str, step: str) -> None:
        self.steps.append(step)
        if step == self._crash_at:
            if not self._crash_after:
                raise Crash(step)
            self._crash_after -= 1

    def called(self, rail: str, call: str, result: str, took_ms: int) -> None:
        self.calls[call, result] += 1

    def breaker_changed(self, rail: str, state: str) -> None:
        self.breaker.append(state)

    def tripped(self, rail: str) -> None:
        self.trips += 1


class Kept:
    """Reports that were kept; fails as often as it is told to, having kept the report or not."""

    def __init__(self, failures: int = 0, kept_anyway: bool = False):
        self.reports: list[Report] = []
        self._failures = failures
        self._kept_anyway = kept_anyway

    async def put(self, rail: str, report: Report) -> None:
        await asyncio.sleep(0)
        if self._failures:
            self._failures -= 1
            if self._kept_anyway:
                self.reports.append(report)
            raise ConnectionError("no broker answers")
        self.reports.append(report)

    @property
    def answers(self) -> list[RailAnswer]:
        return [report.answer for report in self.reports if isinstance(report, RailAnswered)]

    @property
    def failed(self) -> list[SubmissionFailed]:
        return [report for report in self.reports if isinstance(report, SubmissionFailed)]


class ScriptedRail:
    """A rail in memory. `on` maps a call to what it does first: errors to be raised, or things to be awaited."""

    def __init__(self, name: str = "sim"):
        self.name = name
        self.on: dict[str, list[Any]] = {}
        self.taken: Counter[str] = Counter()
        self.calls: list[str] = []
        self.unasked: list[RailAnswer] = []
        self.states: dict[str, str] = {}
        self.closed = 0

    async def _first(self, call: str) -> None:
        self.calls.append(call)
        await asyncio.sleep(0)
        todo = self.on.get(call)
        if todo:
            what = todo.pop(0)
            if isinstance(what, BaseException):
                raise what
            if callable(what):
                result = what()
                if isinstance(result, Awaitable):
                    await result

    def _answer(self, batch_id: str, state: str) -> RailAnswer:
        return RailAnswer(
            answer_id=answer_id_of(self.name, batch_id, state),
            batch_id=batch_id,
            rail=self.name,
            state=state,  # type: ignore[arg-type]
            at="2026-11-23T04:50:00.000Z",
        )

    async def submit(self, batch: RailBatch) -> RailAnswer:
        await self._first("submit")
        self.taken[batch.batch_id] += 1
        self.states.setdefault(batch.batch_id, "received")
        await self._first("submitted")
        return self._answer(batch.batch_id, self.states[batch.batch_id])

    async def status(self, batch_id: str) -> RailAnswer | None:
        await self._first("status")
        state = self.states.get(batch_id)
        return None if state is None else self._answer(batch_id, state)

    async def collect(self) -> Sequence[RailAnswer]:
        await self._first("collect")
        return list(self.unasked)

    async def acknowledge(self, answer_id: str) -> None:
        await self._first("acknowledge")
        self.unasked = [one for one in self.unasked if one.answer_id != answer_id]

    async def close(self) -> None:
        self.closed += 1


def record(batch: RailBatch, state: BatchState = "ready", *, is_final: bool = False) -> BatchRecord:
    """What settlement tells of a batch."""
    return BatchRecord(
        batch_id=batch.batch_id,
        rail=batch.rail,
        asset=batch.asset,
        direction=batch.direction,
        state=state,
        is_final=is_final,
        attempt=batch.attempt,
        transactions=len(batch.instructions),
        amount_minor=batch.amount_minor,
        to_send=batch if state == "ready" else None,
        opened_at="2026-11-23T04:40:00.000Z",
        recorded_at="2026-11-23T04:50:00.000Z",
    )


def nothing_by_chance() -> float:
    return 0.0

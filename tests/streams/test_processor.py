"""The partition processor: its cycle, what it acknowledges, and how it ends."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace

import pytest

from streams.commit import CommitStep, Phase
from streams.errors import Fenced
from streams.ports import Changes, Mark
from streams.processor import PartitionProcessor
from tests.simulation import toy
from tests.simulation.faults import Kind, Point
from tests.simulation.memory_ports import ConnectionLost, MemoryWriter
from tests.simulation.memory_store import MemoryStore
from tests.streams.surroundings import Surroundings, in_virtual_time


def test_a_cycle_commits_persists_and_acknowledges() -> None:
    async def check(s: Surroundings) -> None:
        steps: list[CommitStep] = []

        async def at_step(step: CommitStep) -> None:
            steps.append(step)

        s.processor.at_step = at_step
        s.request("r1", 5)
        assert s.processor.phase is Phase.RECOVERING
        assert s.processor.progress is None
        await s.start()
        await asyncio.sleep(2)
        assert s.processor.phase.value == "running"
        progress = s.processor.progress
        assert progress is not None
        assert (progress.sequence, progress.positions) == (1, {toy.INTERNAL: 0, toy.REQUESTS: 1})
        assert s.total == 5
        assert s.group.committed == {(toy.INTERNAL, 0): 0, (toy.REQUESTS, 0): 1}
        assert s.notes.said == ["restoring", "restored -1", "committed 1"]
        first = steps.index(CommitStep.DECIDE) - 1
        assert steps[first : first + 6] == list(CommitStep)

    in_virtual_time(check)


def test_the_commit_is_announced_when_all_is_written_and_nothing_is_visible() -> None:
    async def check(s: Surroundings) -> None:
        seen: list[tuple[int, int]] = []

        async def at_step(step: CommitStep) -> None:
            log = s.broker.partition(toy.EVENTS, 0)
            if step is CommitStep.COMMIT:
                seen.append((len(log._entries), len(log.committed())))
                if len(seen) == 1:
                    raise ConnectionLost("at the step's beginning")

        s.processor.at_step = at_step
        s.request("r1", 5)
        await s.start()
        await asyncio.sleep(10)
        written, visible = zip(*seen, strict=True)
        assert written[0] == 2
        assert visible == (0, 0)
        assert s.notes.said.count("restoring") == 2
        assert s.total == 5

    in_virtual_time(check)


def test_what_is_not_current_persists_nothing() -> None:
    """Step 5 has no await in it: nobody can take the incarnation away between its checks and its write."""

    async def check(s: Surroundings) -> None:
        s.request("r1", 5)
        await s.start()
        await asyncio.sleep(1)

        async def at_step(step: CommitStep) -> None:
            current = s.processor._current
            if step is CommitStep.PERSIST and current is not None:
                s.processor._current = replace(current)
                s.processor.at_step = None

        s.processor.at_step = at_step
        mark = s.files[0].mark
        written: list[object] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryStore, "write", lambda *args: written.append(args))
            s.request("r2", 3)
            for _ in range(1_000):
                if not s.notes.errors:
                    await asyncio.sleep(0.001)
        assert s.notes.errors
        assert isinstance(s.notes.errors[0], Fenced)
        assert written == []
        assert s.files[0].mark == mark
        assert s.total == 5
        await asyncio.sleep(5)
        assert s.total == 8
        assert not inspect.iscoroutinefunction(PartitionProcessor._persist)

    in_virtual_time(check)


def test_on_a_revocation_the_box_is_emptied() -> None:
    async def check(s: Surroundings) -> None:
        waiting: list[int] = []

        async def at_step(step: CommitStep) -> None:
            if step is CommitStep.TAKE:
                await s.processor.box.arrived.wait()
                waiting.append(s.processor.box.waiting_records)
                s.processor.close()

        s.processor.at_step = at_step
        s.request("r1")
        s.request("r2")
        await asyncio.wait_for(await s.start(), 10)
        assert waiting[0] > 0
        assert s.processor.box.waiting_records == 0
        assert s.notes.batches == []
        assert s.broker.partition(toy.EVENTS, 0).committed() == []

    in_virtual_time(check)


def test_what_gathers_during_a_commit_is_one_batch() -> None:
    async def check(s: Surroundings) -> None:
        await s.start()
        await asyncio.sleep(1)
        for number in range(10):
            s.request(f"r{number}")
        await asyncio.sleep(1)
        assert len(s.notes.batches) == 1
        assert s.total == 10

    in_virtual_time(check)


def test_closing_ends_the_run_and_the_cycle_under_way_may_finish() -> None:
    async def check(s: Surroundings) -> None:
        async def at_step(step: CommitStep) -> None:
            if step is CommitStep.WRITE:
                s.processor.close()

        s.processor.at_step = at_step
        s.request("r1", 5)
        task = await s.start()
        await asyncio.wait_for(task, 10)
        assert s.total == 5
        assert s.files[0].held_by is None
        assert s.processor.phase is Phase.CLOSED

    in_virtual_time(check)


def test_closing_while_idle_ends_the_run_at_once() -> None:
    async def check(s: Surroundings) -> None:
        task = await s.start()
        await asyncio.sleep(1.5)
        began = s.loop.time()
        s.processor.close()
        await task
        assert s.loop.time() == began
        assert s.files[0].held_by is None

    in_virtual_time(check)


def test_who_is_not_the_owner_closes_without_reading_or_writing() -> None:
    async def check(s: Surroundings) -> None:
        s.request("r1")
        task = await s.start()
        s.group.generation += 1
        s.group._members.clear()
        await task
        assert s.notes.said[-1].startswith("closed w1 in generation")
        assert s.events() == []
        assert s.files == {}

    in_virtual_time(check)


def test_an_acknowledgement_that_is_refused_closes_the_processor() -> None:
    async def check(s: Surroundings) -> None:
        task = await s.start()
        await asyncio.sleep(1)
        s.group._members.clear()
        s.request("r1")
        await asyncio.wait_for(task, 5)
        assert s.total == 1
        assert s.notes.said[-1].startswith("closed")

    in_virtual_time(check)


def test_the_last_positions_are_acknowledged_when_it_is_quiet() -> None:
    async def check(s: Surroundings) -> None:
        await s.start()
        await asyncio.sleep(11)
        s.request("r1")
        await asyncio.sleep(0.2)
        s.request("r2")
        await asyncio.sleep(0.2)
        assert (s.total, s.group.committed[toy.REQUESTS, 0]) == (2, 0)
        await asyncio.sleep(12)
        assert s.group.committed[toy.REQUESTS, 0] == 2

    in_virtual_time(check, acknowledge_interval_s=10.0)


def test_what_is_fetched_and_not_committed_is_not_acknowledged() -> None:
    async def check(s: Surroundings) -> None:
        s.faults[Point.COMMIT] = [None, Kind.COMMIT_LOST]
        for number in range(3):
            s.request(f"r{number}")
        await s.start()
        await asyncio.sleep(5)
        assert s.processor.box.waiting_records == 1
        assert s.group.committed[toy.REQUESTS, 0] == 1
        await asyncio.sleep(30)
        assert s.group.committed[toy.REQUESTS, 0] == 3

    in_virtual_time(check, batch_max_records=1, acknowledge_interval_s=0.0)


def test_an_acknowledgement_that_fails_is_repeated() -> None:
    async def check(s: Surroundings) -> None:
        commit, tries = s.group.commit, []

        def fails_once(*args: object) -> None:
            tries.append(args)
            if len(tries) == 2:
                raise ConnectionLost("once")
            commit(*args)  # type: ignore[arg-type]

        s.group.commit = fails_once  # type: ignore[method-assign, assignment]
        s.request("r1")
        await s.start()
        await asyncio.sleep(5)
        assert s.group.committed[toy.REQUESTS, 0] == 1
        assert "failed 0 ConnectionLost" in s.notes.said

    in_virtual_time(check)


def test_what_was_persisted_is_not_written_again() -> None:
    async def check(s: Surroundings) -> None:
        written: list[list[str]] = []

        class Watched(MemoryStore):
            def write(self, changes: Changes, mark: Mark) -> None:
                keys = next((rows for name, rows in changes.items() if name.startswith("keys@")), {})
                written.append(sorted(keys))
                super().write(changes, mark)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tests.simulation.memory_store.MemoryStore", Watched)
            for number in range(3):
                s.request(f"r{number}")
                if not number:
                    await s.start()
                await asyncio.sleep(1)
        assert written == [["r0"], ["r1"], ["r2"]]

    in_virtual_time(check)


def test_keys_that_are_past_their_retention_leave_the_store_while_it_runs() -> None:
    async def check(s: Surroundings) -> None:
        def buckets() -> set[str]:
            return {name for name in s.files[0].tables if name.startswith("keys@")}

        s.request("early")
        await s.start()
        await asyncio.sleep(1)
        (first,) = buckets()
        await asyncio.sleep(2 * toy.RETAINED_MS / 1000)
        s.request("late")
        await asyncio.sleep(1)
        assert s.notes.said.count("restoring") == 1
        assert len(buckets()) == 1
        assert first not in buckets()

    in_virtual_time(check)


def test_who_is_cancelled_while_its_producer_stops_does_not_keep_the_store_open() -> None:
    async def check(s: Surroundings) -> None:
        stopping = asyncio.Event()

        async def close(_self: MemoryWriter) -> None:
            stopping.set()
            await s.loop.create_future()

        s.request("r1")
        task = await s.start()
        await asyncio.sleep(1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryWriter, "close", close)
            s.processor.close()
            await stopping.wait()
            assert s.files[0].held_by is not None
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert s.files[0].held_by is None

    in_virtual_time(check)

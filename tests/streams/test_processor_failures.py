"""The partition processor: what it does about failures."""

from __future__ import annotations

import asyncio

import pytest

from streams.box import InputBatch
from streams.commit import CommitStep
from streams.errors import ChainBroken, Fenced, Refused, Unavailable
from tests.simulation import toy
from tests.simulation.faults import Kind, Point
from tests.simulation.memory_ports import ConnectionLost, MemoryGroup, MemoryWriter
from tests.streams.records import record
from tests.streams.surroundings import Surroundings, in_virtual_time


@pytest.mark.parametrize("fault", [Kind.REPLY_ERROR, Kind.COMMIT_LATE, Kind.REPLY_LOST, Kind.COMMIT_LOST])
def test_an_unknown_outcome_is_learned_from_the_log(fault: Kind) -> None:
    async def check(s: Surroundings) -> None:
        s.faults[Point.COMMIT] = [fault]
        s.request("r1", 5)
        await s.start()
        await asyncio.sleep(30)
        assert [(event.id, event.code) for event in s.events()] == [("r1", "ok")]
        assert s.total == 5
        assert s.notes.said[2].startswith("failed 1 ")
        assert s.notes.said.count("restoring") == 2

    in_virtual_time(check)


def test_steps_3_and_4_end_within_their_deadline() -> None:
    async def check(s: Surroundings) -> None:
        s.faults[Point.COMMIT] = [Kind.COMMIT_LOST]
        s.request("r1")
        await s.start()
        await asyncio.sleep(2.9)
        assert "failed 1 TimeoutError" not in s.notes.said
        await asyncio.sleep(0.3)
        assert "failed 1 TimeoutError" in s.notes.said

    in_virtual_time(check, commit_deadline_s=3.0)


def test_a_producer_that_fails_to_close_is_no_failure_of_its_own() -> None:
    async def check(s: Surroundings) -> None:
        async def close() -> None:
            raise Fenced("the transaction under way was answered so")

        s.faults[Point.COMMIT] = [Kind.COMMIT_LOST]
        s.request("r1", 5)
        task = await s.start()
        await asyncio.sleep(1)
        s.logs.writers[0].close = close  # type: ignore[method-assign]
        await asyncio.sleep(30)
        assert not task.done()
        assert s.notes.said[2:4] == ["failed 1 TimeoutError", "failed 0 Fenced"]
        assert s.notes.said.count("restoring") == 2
        assert s.total == 5

    in_virtual_time(check)


def test_who_is_not_the_owner_closes_even_if_its_producer_does_not() -> None:
    async def check(s: Surroundings) -> None:
        async def close(_self: MemoryWriter) -> None:
            raise Fenced("no goodbye")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryWriter, "close", close)
            task = await s.start()
            s.group.generation += 1
            s.group._members.clear()
            await task
        assert s.notes.said[-2] == "failed 0 Fenced"
        assert s.notes.said[-1].startswith("closed w1 in generation")

    in_virtual_time(check)


def test_the_process_learns_of_too_many_failures_in_a_row() -> None:
    async def check(s: Surroundings) -> None:
        s.faults[Point.FENCE] = [ConnectionLost(f"number {n}") for n in range(9)]
        task = await s.start()
        with pytest.raises(ConnectionLost, match="number 2"):
            await task
        failures = [line for line in s.notes.said if line != "restoring"]
        assert failures == [f"failed {n} ConnectionLost" for n in (1, 2, 3)]
        assert s.notes.said.count("restoring") == 3

    in_virtual_time(check, max_failures=3)


def test_a_broker_that_is_away_before_the_fence_is_waited_for() -> None:
    async def check(s: Surroundings) -> None:
        s.faults[Point.FENCE] = [Unavailable("no broker") for _ in range(10)]
        s.request("r1", 5)
        task = await s.start()
        await asyncio.sleep(1)
        assert s.processor.phase.value == "connecting"
        await asyncio.sleep(30)
        assert not task.done()
        assert s.notes.said.count("failed 0 Unavailable") == 10
        assert s.total == 5

    in_virtual_time(check, max_failures=3)


def test_an_event_log_that_somebody_holds_up_is_waited_for() -> None:
    """Neither a restart nor another owner would see more of it; what was committed is not decided again."""

    async def check(s: Surroundings) -> None:
        s.request("r1", 5)
        task = await s.start()
        await asyncio.sleep(1)
        intruder = s.broker.init_producer("intruder", timeout_s=60.0)
        s.broker.produce_in(intruder, toy.EVENTS, 0, [(b"k", b"never", ())])
        s.request("r2", 2)
        await asyncio.sleep(1)
        assert s.total == 7
        s.faults[Point.COMMIT] = [Kind.COMMIT_REFUSED]
        s.request("r3", 1)
        await asyncio.sleep(30)
        assert s.processor.phase.value == "held up"
        assert not task.done()
        assert s.notes.said.count("failed 1 HeldUp") > 3
        await asyncio.sleep(60)
        assert s.processor.phase.value == "running"
        assert s.total == 8
        assert len(s.events()) == 3
        assert "rebuilt" not in s.notes.said

    in_virtual_time(check, max_failures=3)


def test_failures_are_forgotten_once_something_is_committed() -> None:
    async def check(s: Surroundings) -> None:
        task = await s.start()
        for number in range(5):
            s.faults[Point.COMMIT] = [Kind.COMMIT_REFUSED]
            s.request(f"r{number}")
            await asyncio.sleep(10)
        assert not task.done()
        assert s.total == 5

    in_virtual_time(check, max_failures=2)


def test_what_stops_the_partition_stops_it_though_the_cycle_under_way_fails() -> None:
    async def check(s: Surroundings) -> None:
        async def at_step(step: CommitStep) -> None:
            if step is CommitStep.WRITE:
                number = s.processor.box._seek[toy.REQUESTS]
                s.processor.offer(InputBatch(toy.REQUESTS, 0, 0, 1, number, [record(0)]))
                raise ConnectionLost("at the same time")

        s.processor.at_step = at_step
        s.request("r1", 5)
        with pytest.raises(Refused, match="jumped back from 1 to 0"):
            await asyncio.wait_for(await s.start(), 10)

    in_virtual_time(check)


def test_a_wait_for_records_forgets_no_failure() -> None:
    async def check(s: Surroundings) -> None:
        steps: list[CommitStep] = []

        async def at_step(step: CommitStep) -> None:
            steps.append(step)
            if len(steps) % 4 == 0:
                raise ConnectionLost("again")

        s.processor.at_step = at_step
        with pytest.raises(ConnectionLost):
            await asyncio.wait_for(await s.start(), 100)
        assert steps == [CommitStep.TAKE] * 12

    in_virtual_time(check, max_failures=3)


def test_the_backoff_doubles_up_to_its_bound() -> None:
    async def check(s: Surroundings) -> None:
        waits = [s.processor._backoff_s(failures) for failures in range(1, 9)]
        assert waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
        s.processor.jitter = lambda: 0.0
        assert s.processor._backoff_s(1) == 0.05

    in_virtual_time(check)


def test_a_foreign_fence_leads_to_a_restore_not_to_an_end() -> None:
    async def check(s: Surroundings) -> None:
        s.faults[Point.COMMIT] = [Kind.COMMIT_REFUSED]
        await s.start()
        await asyncio.sleep(1)
        s.broker.init_producer("ledger-0")
        s.faults.clear()
        s.request("r1", 5)
        await asyncio.sleep(5)
        assert "failed 1 Fenced" in s.notes.said
        assert s.total == 5

    in_virtual_time(check)


@pytest.mark.parametrize("left", [0, 1])
@pytest.mark.parametrize("requests", [1, 9])
def test_an_event_log_that_has_become_shorter_takes_no_batch(left: int, requests: int) -> None:
    """Somebody recreates it, or it loses its end, under a running worker: nothing is acknowledged on what is left."""

    async def check(s: Surroundings) -> None:
        s.request("r1", 5)
        s.request("r2", 5)
        task = await s.start()
        await asyncio.sleep(1)
        log, outcomes = s.broker.partition(toy.EVENTS, 0), s.broker.partition(toy.OUTCOMES, 0)
        log.truncate(left)
        answered = len(outcomes.committed())
        for number in range(requests):
            s.request(f"after {number}")
        with pytest.raises(ChainBroken, match=r"events/0 goes on at \d, but its last seal is at 2: .* recreated"):
            await asyncio.wait_for(task, 10)
        assert len(outcomes.committed()) == answered
        assert not any(event.id.startswith("after") for event in s.events())

    in_virtual_time(check)


def test_who_has_ended_says_no_more_to_the_group() -> None:
    """An acknowledgement that waits for an answer would reach it when somebody else owns the partition."""

    async def check(s: Surroundings) -> None:
        told: list[str] = []

        async def acknowledge(_self: MemoryGroup, _partition: int, _positions: object) -> None:
            told.append("asked")
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                told.append("left")
                raise

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryGroup, "acknowledge", acknowledge)
            s.request("r1")
            running = await s.start()
            await asyncio.sleep(2)
            assert told == ["asked"]
            s.processor.close()
            await asyncio.wait_for(running, 10)
            await asyncio.sleep(0)
        assert told == ["asked", "left"]

    in_virtual_time(check)

"""The partition processor: ticks, and seals of moved positions, by clocks that are right or not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from streams.box import InputBatch
from streams.commit import Phase
from streams.errors import Refused
from streams.machine import Outgoing
from streams.ports import Changes, LogPosition, Mark
from tests.simulation import toy
from tests.simulation.faults import Kind, Point
from tests.simulation.memory_ports import MemoryWriter
from tests.simulation.memory_store import MemoryStore
from tests.streams.surroundings import Surroundings, in_virtual_time


def test_nothing_is_taken_from_too_far_ahead_of_the_clock() -> None:
    async def check(s: Surroundings) -> None:
        await s.start()
        await asyncio.sleep(1)
        s.broker_offset_ms = 10_000
        s.request("r1")
        s.broker_offset_ms = 0
        s.request("r2")
        await asyncio.sleep(3)
        assert s.processor.phase is Phase.CLOCK
        assert s.events() == []
        await asyncio.sleep(5)
        assert s.processor.phase.value == "running"
        assert s.total == 2

    in_virtual_time(check, clock_tolerance_ms=5_000)


def test_a_tick_is_sent_when_something_is_due_and_only_then() -> None:
    async def check(s: Surroundings) -> None:
        s.request("r1", operation="remind", after_ms=3_000)
        await s.start()
        await asyncio.sleep(2.9)
        assert s.broker.partition(toy.INTERNAL, 0).end == 0
        await asyncio.sleep(1)
        assert s.events()[-1].fired == ("r1",)
        await asyncio.sleep(60)
        assert len(s.broker.partition(toy.INTERNAL, 0).committed()) == 1

    in_virtual_time(check)


def _commit_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records wait: from now on each transaction takes 50 ms."""
    honest = MemoryWriter.transact

    async def transact(self: MemoryWriter, messages: Outgoing, hook: Any = None) -> LogPosition:
        await asyncio.sleep(0.05)
        return await honest(self, messages, hook)

    monkeypatch.setattr(MemoryWriter, "transact", transact)


def test_what_is_due_is_not_held_up_by_records_that_never_stop_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(s: Surroundings) -> None:
        _commit_slowly(monkeypatch)
        s.request("due", operation="remind", after_ms=3_000)
        await s.start()
        for number in range(600):
            s.request(f"r{number}")
            await asyncio.sleep(0.01)
        assert s.processor.box.waiting_records
        fired = [event for event in s.events() if event.fired]
        assert [event.fired for event in fired] == [("due",)]
        assert len(s.broker.partition(toy.INTERNAL, 0).committed()) <= 2

    in_virtual_time(check)


def test_what_came_in_time_and_still_waits_is_not_overtaken_by_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an outage the tick would be stamped now, and go before records that came before what is due."""

    async def check(s: Surroundings) -> None:
        _commit_slowly(monkeypatch)
        s.request("due", operation="remind", after_ms=1_000)
        for number in range(60):
            s.request(f"r{number}")
        await asyncio.sleep(10)
        await s.start()
        await asyncio.sleep(2.5)
        assert s.processor.box.waiting_records
        assert s.broker.partition(toy.INTERNAL, 0).end == 0
        await asyncio.sleep(5)
        assert s.events()[-1].fired == ("due",)

    in_virtual_time(check, batch_max_records=1)


def test_a_tick_that_the_broker_stamped_too_early_is_sent_again() -> None:
    async def check(s: Surroundings) -> None:
        s.request("r1", operation="remind", after_ms=3_000)
        await s.start()
        await asyncio.sleep(1)
        s.clock_offset_ms = 2_500
        await asyncio.sleep(4)
        assert s.events()[-1].fired == ("r1",)
        assert 1 < len(s.broker.partition(toy.INTERNAL, 0).committed()) <= 5

    in_virtual_time(check)


def test_a_clock_that_is_set_back_holds_up_nothing_that_is_due() -> None:
    """By a clock a day ahead a tick was sent, too early; the same one is needed at its time."""

    async def check(s: Surroundings) -> None:
        s.request("r1", operation="remind", after_ms=60_000)
        await s.start()
        await asyncio.sleep(1)
        s.clock_offset_ms = 86_400_000
        await asyncio.sleep(3)
        assert s.broker.partition(toy.INTERNAL, 0).end > 0
        s.clock_offset_ms = 0
        await asyncio.sleep(59)
        assert s.events()[-1].fired == ("r1",)

    in_virtual_time(check)


def test_a_clock_that_stays_ahead_does_not_fill_the_log_with_ticks() -> None:
    async def check(s: Surroundings) -> None:
        s.request("r1", operation="remind", after_ms=3 * 3_600_000)
        await s.start()
        await asyncio.sleep(1)
        s.clock_offset_ms = 86_400_000
        await asyncio.sleep(2.5 * 3_600)
        assert len(s.broker.partition(toy.INTERNAL, 0).committed()) < 200
        await asyncio.sleep(0.5 * 3_600 + 60)
        assert s.events()[-1].fired == ("r1",)

    in_virtual_time(check)


def test_a_tick_that_is_not_answered_is_a_failure_like_others() -> None:
    async def check(s: Surroundings) -> None:
        s.request("r1", operation="remind", after_ms=1_000)
        s.faults[Point.COMMIT] = [None, Kind.COMMIT_LOST]
        await s.start()
        await asyncio.sleep(30)
        assert "failed 1 TimeoutError" in s.notes.said
        assert s.events()[-1].fired == ("r1",)

    in_virtual_time(check)


def test_a_tick_counts_towards_the_renewal_of_the_producer() -> None:
    async def check(s: Surroundings) -> None:
        s.request("r1", operation="remind", after_ms=3_000)
        await s.start()
        await asyncio.sleep(10)
        current = s.processor._current
        assert current is not None
        assert current.written == sum([len(batch.messages) for batch in s.notes.batches]) + 1

    in_virtual_time(check)


def test_a_tick_that_the_broker_does_not_take_ends_the_process() -> None:
    async def check(s: Surroundings) -> None:
        s.broker.partition(toy.INTERNAL, 0).max_bytes = 1
        s.request("r1", operation="remind", after_ms=1_000)
        with pytest.raises(Refused, match=f"raise max.message.bytes of {toy.INTERNAL}"):
            await asyncio.wait_for(await s.start(), 60)

    in_virtual_time(check)


def test_moved_positions_are_sealed_after_a_while_without_records() -> None:
    async def check(s: Surroundings) -> None:
        await s.start()
        await asyncio.sleep(1)
        start = s.processor.box._expected[toy.REQUESTS]
        s.processor.offer(InputBatch(toy.REQUESTS, 0, start, start + 3, s.processor.box._seek[toy.REQUESTS], []))
        await asyncio.sleep(1.5)
        assert len(s.notes.batches) == 1  # nothing was ever sealed, so that a seal is due at once
        progress = s.processor.progress
        assert progress is not None
        assert progress.positions[toy.REQUESTS] == 3
        for seals in (1, 2):
            at = 1 + 2 * seals
            s.processor.offer(InputBatch(toy.REQUESTS, 0, at, at + 2, s.processor.box._seek[toy.REQUESTS], []))
            await asyncio.sleep(6)
            assert len(s.notes.batches) == seals
            await asyncio.sleep(6)
            assert len(s.notes.batches) == seals + 1
        assert s.events() == []

    in_virtual_time(check, seal_interval_ms=10_000)


def test_they_are_sealed_too_after_a_clock_was_set_back() -> None:
    async def check(s: Surroundings) -> None:
        await s.start()
        for clock_offset_ms, end in ((0, 3), (30 * 86_400_000, 5), (0, 7), (-30 * 86_400_000, 9)):
            s.clock_offset_ms = clock_offset_ms
            await asyncio.sleep(1)
            box = s.processor.box
            s.processor.offer(
                InputBatch(toy.REQUESTS, 0, box._expected[toy.REQUESTS], end, box._seek[toy.REQUESTS], [])
            )
            await asyncio.sleep(12)
            assert s.processor.progress is not None
            assert s.processor.progress.positions[toy.REQUESTS] == end

    in_virtual_time(check, seal_interval_ms=10_000)


def test_they_are_sealed_too_where_the_partition_s_time_is_ahead_of_the_clock() -> None:
    """Clocks that were weeks ahead, and set right: retention goes by the right ones, and would overtake the seal."""

    async def check(s: Surroundings) -> None:
        s.clock_offset_ms = 30 * 86_400_000
        s.broker_offset_ms = s.clock_offset_ms
        task = await s.start()
        s.request("r1")
        await asyncio.sleep(1)
        s.clock_offset_ms = 0
        s.broker_offset_ms = 0
        s.processor.close()
        await task
        s.loop.create_task(s.make().run())
        await asyncio.sleep(1)
        progress = s.processor.progress
        assert progress is not None
        for start in (1, 3):
            seek = s.processor.box._seek[toy.REQUESTS]
            s.processor.offer(InputBatch(toy.REQUESTS, 0, start, start + 2, seek, []))
            await asyncio.sleep(12)
            assert s.processor.progress is not None
            assert s.processor.progress.positions[toy.REQUESTS] == start + 2
        assert len(s.notes.batches) == 3

    in_virtual_time(check, seal_interval_ms=10_000)


def test_keys_go_only_once_what_they_were_needed_for_is_in_the_store() -> None:
    """A store that has lost them before could not fold the batch again that has outlived them."""

    async def check(s: Surroundings) -> None:
        done: list[str] = []

        class Watched(MemoryStore):
            def write(self, changes: Changes, mark: Mark) -> None:
                super().write(changes, mark)
                done.append("write")

            def drop_table(self, table: str) -> None:
                super().drop_table(table)
                done.append("drop")

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tests.simulation.memory_store.MemoryStore", Watched)
            s.request("early")
            await s.start()
            await asyncio.sleep(2 * toy.RETAINED_MS / 1000)
            s.request("late")
            await asyncio.sleep(1)
        assert done == ["write", "write", "drop"]

    in_virtual_time(check)


def test_a_worker_whose_clock_is_ahead_forgets_no_key_before_its_time() -> None:
    """How long keys are kept is told by the partition's time alone."""

    async def check(s: Surroundings) -> None:
        s.clock_offset_ms = 10 * toy.RETAINED_MS
        for _ in range(2):
            s.request("r1", 5)
            if not s.notes.said:
                await s.start()
            await asyncio.sleep(1)
        assert len(s.notes.batches) == 2
        assert s.total == 5

    in_virtual_time(check)

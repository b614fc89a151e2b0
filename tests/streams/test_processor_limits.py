"""The partition processor: sizes, deadlines and how it ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from streams.commit import CommitStep, Phase
from streams.errors import Refused
from streams.machine import Outgoing
from streams.ports import LogPosition
from streams.processor import PartitionProcessor
from tests.simulation import toy
from tests.simulation.faults import Kind, Point
from tests.simulation.memory_ports import MemoryWriter
from tests.simulation.toy import Request, encode_request
from tests.streams.surroundings import Surroundings, in_virtual_time


@pytest.mark.parametrize(
    "bound",
    [{"batch_max_records": 4}, {"batch_max_bytes": 4 * len(encode_request(Request("r0", "add", "a", 1)))}],
    ids=["records", "bytes"],
)
def test_a_batch_is_bounded(bound: dict[str, int]) -> None:
    async def check(s: Surroundings) -> None:
        for number in range(10):
            s.request(f"r{number}")
        await s.start()
        await asyncio.sleep(1)
        assert [batch.count for batch in s.notes.batches] == [4, 4, 2]

    in_virtual_time(check, **bound)


def test_a_batch_that_is_too_large_is_split_down_to_the_offender() -> None:
    async def check(s: Surroundings) -> None:
        for number in range(7):
            s.request(f"r{number}")
        s.request("huge", operation="large")
        s.request("r8")
        task = await s.start()
        await asyncio.sleep(20)
        assert not task.done()
        assert [event.type for event in s.events()] == ["done"] * 7 + ["oversized", "done"]
        assert {batch.count for batch in s.notes.batches if batch.count == 1}
        assert s.total == 8

    # The search for it is no failure, however often a batch has to be split.
    in_virtual_time(check, max_failures=2)


def test_the_bound_on_a_batch_grows_again_after_the_offender() -> None:
    async def check(s: Surroundings) -> None:
        s.request("huge", operation="large")
        await s.start()
        await asyncio.sleep(5)
        for number in range(20):
            s.request(f"r{number}")
        await asyncio.sleep(5)
        assert s.processor._record_limit == 8

    in_virtual_time(check, batch_max_records=8)


def test_a_batch_that_misses_the_deadline_is_made_smaller_until_it_does_not() -> None:
    """Only batches of at most 3 records and their seal, totals and outcomes get through in time."""

    async def check(s: Surroundings) -> None:
        for number in range(16):
            s.request(f"r{number}")
        honest = MemoryWriter.transact

        async def transact(self: MemoryWriter, messages: Outgoing, hook: Any = None) -> LogPosition:
            if len(messages) > 2 * 3 + 2:
                await asyncio.sleep(s.limits.commit_deadline_s + 1)
            return await honest(self, messages, hook)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryWriter, "transact", transact)
            task = await s.start()
            await asyncio.sleep(300)
        assert s.total == 16
        assert not task.done()
        assert {batch.count for batch in s.notes.batches if batch.count} == {2}
        for number in range(16, 30):
            s.request(f"r{number}")
        await asyncio.sleep(20)
        assert s.total == 30
        assert s.processor._record_limit == 16, "the bound grows again"

    in_virtual_time(check, batch_max_records=16)


def test_a_batch_that_leads_to_too_much_is_made_smaller_and_grows_again() -> None:
    async def check(s: Surroundings) -> None:
        for number in range(16):
            s.request(f"r{number}")
        s.processor._decider.most_event_bytes = 3 * 200
        await s.start()
        await asyncio.sleep(30)
        assert s.total == 16
        assert max(batch.count for batch in s.notes.batches) < 5
        assert s.processor._record_limit < 16
        s.processor._decider.most_event_bytes = 1 << 20
        for number in range(16, 46):
            s.request(f"r{number}")
        await asyncio.sleep(30)
        assert s.total == 46
        assert s.processor._record_limit == 16

    in_virtual_time(check, batch_max_records=16)


def test_where_not_even_the_dead_letter_fits_the_process_ends() -> None:
    async def check(s: Surroundings) -> None:
        s.broker.partition(toy.EVENTS, 0).max_bytes = 50
        s.request("r1")
        with pytest.raises(Refused, match=r"raise max.message.bytes"):
            await asyncio.wait_for(await s.start(), 60)

    in_virtual_time(check)


def test_who_discards_and_waits_is_not_ready() -> None:
    async def check(s: Surroundings) -> None:
        phases: list[Phase] = []

        async def close() -> None:
            phases.append(s.processor.phase)
            await asyncio.sleep(3)
            phases.append(s.processor.phase)

        await s.start()
        await asyncio.sleep(1)
        assert s.processor.phase is Phase.RUNNING
        s.logs.writers[0].close = close  # type: ignore[method-assign]
        s.faults[Point.COMMIT] = [Kind.COMMIT_REFUSED]
        s.request("r1")
        await asyncio.sleep(4.02)
        assert [*phases, s.processor.phase] == [Phase.RECOVERING] * 3
        assert s.notes.said.count("restoring") == 1

    in_virtual_time(check, backoff_first_s=10.0, backoff_most_s=10.0)


@pytest.mark.parametrize("renews", [True, False])
def test_who_discards_for_another_reason_is_not_ready_either(renews: bool) -> None:
    async def check(s: Surroundings) -> None:
        phases: list[Phase] = []

        async def close() -> None:
            phases.append(s.processor.phase)

        await s.start()
        await asyncio.sleep(1)
        s.logs.writers[0].close = close  # type: ignore[method-assign]
        if renews:
            s.processor.limits = replace(s.limits, records_per_producer=1)
        s.request("r1", operation="add" if renews else "large")
        await asyncio.sleep(1)
        assert phases == [Phase.RECOVERING]

    in_virtual_time(check)


def test_cancelling_closes_the_store_and_drops_the_producer() -> None:
    async def check(s: Surroundings) -> None:
        async def at_step(step: CommitStep) -> None:
            if step is CommitStep.PERSIST:
                await s.loop.create_future()

        s.processor.at_step = at_step
        s.request("r1")
        task = await s.start()
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert s.files[0].held_by is None
        assert s.total == 0
        assert s.processor.phase is Phase.CLOSED

    in_virtual_time(check)


def test_a_producer_that_fails_to_close_does_not_keep_the_store_open() -> None:
    async def check(s: Surroundings) -> None:
        task = await s.start()
        await asyncio.sleep(1)

        async def close() -> None:
            raise OSError("no goodbye")

        s.logs.writers[0].close = close  # type: ignore[method-assign]
        s.processor.close()
        await task
        assert s.files[0].held_by is None
        assert s.notes.said[-1] == "failed 0 OSError"

    in_virtual_time(check)


def test_without_hooks_a_processor_runs_too() -> None:
    async def check(s: Surroundings) -> None:
        assert isinstance(s.processor, PartitionProcessor)
        s.limits = replace(s.limits, acknowledge_interval_s=0.0)
        s.make()
        for number in range(3):
            s.request(f"r{number}")
        await s.start()
        await asyncio.sleep(3)
        assert s.total == 3

    in_virtual_time(check)

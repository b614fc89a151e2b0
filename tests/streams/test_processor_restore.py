"""The partition processor: what a restore trusts, refuses and rebuilds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from streams.commit import CommitStep, Phase
from streams.errors import ChainBroken, Fenced
from streams.ports import Mark
from streams.seal import GENESIS, decode_seal, write_seal
from streams.tables import Reads
from tests.simulation import toy
from tests.simulation.faults import Kind, Point
from tests.simulation.memory_inputs import MemoryInputs
from tests.simulation.memory_ports import MemoryReader, MemoryWriter
from tests.simulation.memory_store import MemoryStore
from tests.streams.surroundings import Surroundings, in_virtual_time


def sealed(sequence: int) -> bytes:
    """A seal of that sequence."""
    seal, _ = write_seal(
        sequence=sequence,
        first_sequence=sequence,
        inputs={},
        partition=0,
        partitions=1,
        partition_time="2027-01-15T08:00:00.000Z",
        previous_hash=GENESIS,
        events=(),
    )
    return seal


def test_a_new_processor_goes_on_where_the_old_one_ended() -> None:
    async def check(s: Surroundings) -> None:
        s.request("r1", 5)
        task = await s.start()
        await asyncio.sleep(1)
        s.processor.close()
        await task
        s.request("r2", 3)
        s.make()
        s.loop.create_task(s.processor.run())
        await asyncio.sleep(1)
        assert s.total == 8
        assert s.notes.said[-2:] == ["restored 1", "committed 3"]

    in_virtual_time(check)


def test_a_store_that_contradicts_the_log_is_rebuilt() -> None:
    async def check(s: Surroundings) -> None:
        s.request("r1", 5)
        task = await s.start()
        await asyncio.sleep(1)
        s.processor.close()
        await task
        s.broker.partition(toy.EVENTS, 0).truncate(0)
        s.make()
        s.loop.create_task(s.processor.run())
        await asyncio.sleep(1)
        assert "rebuilt" in s.notes.said
        assert s.total == 5
        assert len(s.events()) == 1

    in_virtual_time(check)


def test_a_store_that_cannot_be_opened_is_tried_again() -> None:
    async def check(s: Surroundings) -> None:
        s.store_faults = ["store.open"]
        s.request("r1", 5)
        await s.start()
        await asyncio.sleep(2)
        assert s.notes.said[:2] == ["restoring", "failed 1 StoreError"]
        assert s.total == 5

    in_virtual_time(check)


@pytest.mark.parametrize("what", ["store.read", "store.write"])
def test_an_error_of_the_store_restores_and_answers_nothing(what: str) -> None:
    async def check(s: Surroundings) -> None:
        s.store_faults = [what]
        s.request("r1", 5)
        await s.start()
        await asyncio.sleep(2)
        assert "failed 1 StoreError" in s.notes.said
        assert [(event.type, event.code) for event in s.events()] == [("done", "ok")]
        assert s.total == 5

    in_virtual_time(check)


@pytest.mark.parametrize("stands_at", [-1, 7])
def test_a_store_written_by_somebody_else_is_not_written_over(stands_at: int) -> None:
    """Whether it is behind the batch that came before or ahead of it."""

    async def check(s: Surroundings) -> None:
        async def at_step(step: CommitStep) -> None:
            if step is CommitStep.PERSIST and len(s.notes.batches) == 1:
                s.files[0].wipe()
                if stands_at >= 0:
                    s.files[0].mark = Mark(99, sealed(stands_at))
                s.processor.at_step = None

        s.processor.at_step = at_step
        s.request("r1", 5)
        await s.start()
        await asyncio.sleep(1)
        s.request("r2", 3)
        await asyncio.sleep(2)
        assert isinstance(s.notes.errors[0], Fenced)
        assert f"the store stands at sequence {stands_at}, the batch follows 1" in str(s.notes.errors[0])
        assert s.total == 8

    in_virtual_time(check)


def test_a_producer_is_renewed_by_a_restore() -> None:
    async def check(s: Surroundings) -> None:
        s.request("r1", 5)
        await s.start()
        await asyncio.sleep(1)
        s.request("r2", 3)
        await asyncio.sleep(1)
        assert s.notes.said[2:6] == ["committed 1", "restoring", "restored 1", "committed 3"]
        assert s.notes.said.count("restoring") == 3
        assert s.total == 8

    in_virtual_time(check, records_per_producer=2)


def test_who_loses_the_partition_while_it_fences_does_not_take_it() -> None:
    """It has fenced the rightful owner: ownership is proven after that, or both would believe in it."""

    async def check(s: Surroundings) -> None:
        honest = MemoryWriter.fence

        async def fence(self: MemoryWriter) -> None:
            await honest(self)
            s.group.generation += 1
            s.group._members.clear()

        s.request("r1")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryWriter, "fence", fence)
            await asyncio.wait_for(await s.start(), 10)
        assert s.notes.said[-1].startswith("closed w1 in generation")
        assert s.events() == []
        assert s.files == {}

    in_virtual_time(check)


def test_what_is_fetched_before_a_seek_is_answered_is_taken_at_once() -> None:
    async def check(s: Surroundings) -> None:
        honest = s.inputs.seek

        async def seek(partition: int, positions: Mapping[str, int], incarnation: int) -> None:
            await honest(partition, positions, incarnation)
            await asyncio.sleep(1)

        s.inputs.seek = seek  # type: ignore[method-assign]
        s.request("r1", 5)
        await s.start()
        await asyncio.sleep(5)
        assert s.total == 5
        assert "hole requests" not in s.notes.said

    in_virtual_time(check)


def test_it_is_not_ready_before_its_inputs_are_positioned() -> None:
    """Neither at its first restore nor at one after a failure."""

    async def check(s: Surroundings) -> None:
        phases: list[tuple[str, Phase]] = []
        honest_fence, honest_seek = MemoryWriter.fence, MemoryInputs.seek

        async def fence(self: MemoryWriter) -> None:
            phases.append(("fence", s.processor.phase))
            await honest_fence(self)

        async def seek(self: MemoryInputs, *arguments: Any) -> None:
            await honest_seek(self, *arguments)
            phases.append(("seek", s.processor.phase))

        s.faults[Point.COMMIT] = [Kind.COMMIT_REFUSED]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryWriter, "fence", fence)
            patch.setattr(MemoryInputs, "seek", seek)
            await s.start()
            await asyncio.sleep(1)
            assert s.processor.phase is Phase.RUNNING
            s.request("r1")
            await asyncio.sleep(5)
        assert phases == [(step, Phase.RECOVERING) for step in ("fence", "seek")] * 2
        assert s.processor.phase is Phase.RUNNING

    in_virtual_time(check)


def test_who_is_closed_while_it_restores_takes_nothing() -> None:
    async def check(s: Surroundings) -> None:
        honest = MemoryWriter.fence

        async def fence(self: MemoryWriter) -> None:
            s.processor.close()
            await honest(self)

        s.request("r1")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryWriter, "fence", fence)
            await asyncio.wait_for(await s.start(), 10)
        assert s.events() == []
        assert s.files[0].held_by is None

    in_virtual_time(check)


def test_a_restore_cancelled_while_its_reader_closes_does_not_keep_the_store_open() -> None:
    async def check(s: Surroundings) -> None:
        closing = asyncio.Event()

        async def close(_self: MemoryReader) -> None:
            closing.set()
            await s.loop.create_future()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryReader, "close", close)
            task = await s.start()
            await closing.wait()
            assert s.files[0].held_by is not None
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert s.files[0].held_by is None

    in_virtual_time(check)


def test_a_reader_that_fails_to_close_does_not_hide_why_the_restore_failed() -> None:
    async def check(s: Surroundings) -> None:
        async def close(_self: MemoryReader) -> None:
            raise OSError("no goodbye")

        s.broker.produce(toy.EVENTS, 0, None, b'{"type":"done"}')
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(MemoryReader, "close", close)
            with pytest.raises(ChainBroken, match="without a seal"):
                await (await s.start())
        assert "failed 0 OSError" in s.notes.said

    in_virtual_time(check)


def test_what_a_restore_leaves_is_told_and_that_the_processor_has_ended() -> None:
    async def check(s: Surroundings) -> None:
        told: list[object] = []

        def loaded(_partition: int, store: Reads) -> None:
            mark = cast(MemoryStore, store).mark()
            told.append(-1 if mark is None else decode_seal(mark.seal).sequence)

        s.notes.loaded = loaded  # type: ignore[method-assign,assignment]
        s.notes.ended = lambda partition: told.append(f"ended {partition}")  # type: ignore[method-assign]
        s.request("r1", 5)
        task = await s.start()
        await asyncio.sleep(2)
        s.faults[Point.COMMIT] = [Kind.COMMIT_REFUSED]
        s.request("r2", 2)
        await asyncio.sleep(10)
        assert told == [-1, 1]
        s.processor.close()
        await task
        assert told == [-1, 1, "ended 0"]

    in_virtual_time(check)

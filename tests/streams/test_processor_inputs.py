"""The partition processor: positions, holes, seeks, pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from streams.bounds import check_bounds
from streams.box import InputBatch
from streams.errors import NotOwner, Refused
from streams.ports import Bounds
from streams.seal import decode_seal
from tests.simulation import toy
from tests.simulation.faults import Kind, Point
from tests.simulation.memory_ports import ConnectionLost
from tests.streams.records import record
from tests.streams.surroundings import Surroundings, in_virtual_time


def test_bounds_that_hold_the_position_are_accepted() -> None:
    check_bounds("requests/0", 5, Bounds(5, 5))
    check_bounds("requests/0", 5, Bounds(0, 9))


def test_an_input_that_ends_below_the_seal_was_truncated() -> None:
    with pytest.raises(
        Refused, match=r"requests/0 ends at 4, but the ledger has read up to 5: .* recreated or truncated"
    ):
        check_bounds("requests/0", 5, Bounds(0, 4))


def test_an_input_that_starts_above_the_seal_was_deleted_unread() -> None:
    with pytest.raises(Refused, match=r"requests/0 starts at 8, .* only up to 5: 3 offsets were deleted unread"):
        check_bounds("requests/0", 5, Bounds(8, 9))


def test_a_recreated_input_stops_the_partition() -> None:
    async def check(s: Surroundings) -> None:
        s.request("r1")
        task = await s.start()
        await asyncio.sleep(1)
        s.processor.close()
        await task
        s.broker.partition(toy.REQUESTS, 0).truncate(0)
        s.make()
        with pytest.raises(Refused, match="requests/0 ends at 0"):
            await asyncio.wait_for(s.processor.run(), 10)
        assert s.files[0].held_by is None

    in_virtual_time(check)


def test_requests_deleted_unread_stop_the_partition() -> None:
    async def check(s: Surroundings) -> None:
        for number in range(3):
            s.request(f"r{number}")
        s.broker.partition(toy.REQUESTS, 0).delete_before(2)
        with pytest.raises(Refused, match="2 offsets were deleted unread"):
            await asyncio.wait_for(await s.start(), 10)

    in_virtual_time(check)


def test_an_input_that_no_seal_names_starts_at_0() -> None:
    async def check(s: Surroundings) -> None:
        s.request("r1", 5)
        task = await s.start()
        await asyncio.sleep(1)
        s.processor.close()
        await task
        s.broker.create("later", 1)
        s.broker.produce("later", 0, None, b"{}")
        s.inputs._topics = (*s.inputs._topics, "later")
        s.make()
        s.processor.box._shares["later"] = 0.1
        s.processor.box.__init__(s.processor.box._shares, 100, 1 << 20)  # type: ignore[misc]
        s.loop.create_task(s.processor.run())
        await asyncio.sleep(1)
        progress = s.processor.progress
        assert progress is not None
        assert progress.positions == {toy.INTERNAL: 0, toy.REQUESTS: 1, "later": 1}

    in_virtual_time(check)


def test_after_a_hole_the_input_is_fetched_again() -> None:
    async def check(s: Surroundings) -> None:
        s.faults[Point.DELIVER] = [Kind.HOLE]
        s.request("r1", 5)
        await s.start()
        await asyncio.sleep(4)
        assert "hole requests" in s.notes.said
        assert s.total == 5

    in_virtual_time(check)


def test_a_hole_over_deleted_records_stops_the_partition() -> None:
    async def check(s: Surroundings) -> None:
        s.faults[Point.DELIVER] = [Kind.HOLE]
        task = await s.start()
        await asyncio.sleep(0.5)
        s.request("r1")
        await asyncio.sleep(0.02)
        s.broker.partition(toy.REQUESTS, 0).delete_before(1)
        with pytest.raises(Refused, match="deleted unread"):
            await asyncio.wait_for(task, 10)

    in_virtual_time(check)


def test_a_seek_that_fails_leads_to_a_restore() -> None:
    async def check(s: Surroundings) -> None:
        s.faults[Point.DELIVER] = [Kind.HOLE]
        s.faults[Point.SEEK] = [None, ConnectionLost("no seek")]
        s.request("r1", 5)
        await s.start()
        await asyncio.sleep(5)
        assert "failed 1 ConnectionLost" in s.notes.said
        assert s.total == 5

    in_virtual_time(check)


def test_a_seek_that_the_group_refuses_closes_the_processor() -> None:
    async def check(s: Surroundings) -> None:
        s.faults[Point.DELIVER] = [Kind.HOLE]
        s.faults[Point.SEEK] = [None, NotOwner("gone")]
        s.request("r1", 5)
        await asyncio.wait_for(await s.start(), 5)
        assert s.notes.said[-1] == "closed gone"

    in_virtual_time(check)


def test_a_seek_that_a_restore_has_overtaken_changes_nothing() -> None:
    async def check(s: Surroundings) -> None:
        bounds, blocked, released = s.inputs.bounds, asyncio.Event(), s.loop.create_future()

        async def blocked_bounds(partition: int) -> Mapping[str, Bounds]:
            blocked.set()
            await asyncio.shield(released)
            return await bounds(partition)

        await s.start()
        await asyncio.sleep(1)
        s.faults[Point.DELIVER] = [Kind.HOLE]
        s.inputs.bounds = blocked_bounds  # type: ignore[method-assign]
        s.request("r1", 5)
        await blocked.wait()
        s.inputs.bounds = bounds  # type: ignore[method-assign]
        s.store_faults = ["store.write"]
        s.broker.produce(toy.INTERNAL, 0, None, b"no command")
        await asyncio.sleep(10)
        assert s.notes.said.count("restoring") == 2
        assert not s.processor._seeks, "the seek is over with the incarnation that it was for"
        released.set_result(None)
        await asyncio.sleep(10)
        s.request("r2", 3)
        await asyncio.sleep(10)
        assert s.total == 8
        assert len(s.events()) == 3
        assert s.notes.said.count("restoring") == 2

    in_virtual_time(check)


@pytest.mark.parametrize("answer", [None, ConnectionLost("no bounds")])
def test_a_late_answer_to_a_seek_that_is_not_awaited_any_more_is_ignored(answer: Exception | None) -> None:
    async def check(s: Surroundings) -> None:
        asked, bounds = asyncio.Event(), s.inputs.bounds
        released = s.loop.create_future()

        async def late_bounds(partition: int) -> Mapping[str, Bounds]:
            asked.set()
            await released
            if answer is not None:
                raise answer
            return await bounds(partition)

        await s.start()
        await asyncio.sleep(1)
        s.inputs.bounds = late_bounds  # type: ignore[method-assign]
        number = s.processor.box._seek[toy.REQUESTS]
        stale = s.loop.create_task(s.processor._seek_back(toy.REQUESTS, 0, number - 1))
        await asked.wait()
        s.inputs.bounds = bounds  # type: ignore[method-assign]
        released.set_result(None)
        await stale
        s.request("r1", 5)
        await asyncio.sleep(5)
        assert s.total == 5
        assert s.notes.said.count("restoring") == 1

    in_virtual_time(check)


def test_an_input_that_this_version_does_not_know_keeps_its_position() -> None:
    """After a rollback and the way forward again it goes on where it was, and every `from` is the `to` before."""

    async def check(s: Surroundings) -> None:
        known = s.inputs._topics

        async def run_version(topics: Sequence[str], *requests: str) -> None:
            s.inputs._topics = tuple(topics)
            s.make(topics=topics)
            for name in requests:
                s.request(name)
            task = s.loop.create_task(s.processor.run())
            await asyncio.sleep(5)
            s.processor.close()
            await task

        s.broker.create("later", 1)
        s.broker.produce("later", 0, None, toy.encode_request(toy.Request("l1", "add", "a", 1)))
        task = await s.start()
        s.processor.close()
        await task
        await run_version((*known, "later"), "r1")
        del s.group.committed["later", 0]
        await run_version(known, "r2")
        assert s.group.committed[toy.REQUESTS, 0] == 2
        assert ("later", 0) not in s.group.committed, "the group has no name for it"
        await run_version((*known, "later"), "r3")
        assert s.total == 4
        assert s.notes.errors == []
        seals = [decode_seal(batch.seal) for batch in s.notes.batches]
        assert {seal.inputs["later"].to for seal in seals[1:]} == {1}
        assert "later" in seals[1].inputs
        at: dict[str, int] = {}
        for seal in seals:
            assert all(span.from_ == at.get(topic, 0) for topic, span in seal.inputs.items())
            assert at.keys() <= seal.inputs.keys()
            at = {topic: span.to for topic, span in seal.inputs.items()}

    in_virtual_time(check)


def test_a_jump_back_stops_the_partition() -> None:
    async def check(s: Surroundings) -> None:
        s.faults[Point.DELIVER] = [Kind.DUPLICATE]
        s.request("r1", 5)
        task = await s.start()
        with pytest.raises(Refused, match="jumped back from 1 to 0"):
            await asyncio.wait_for(task, 10)
        assert [event.id for event in s.events()] in ([], ["r1"])

    in_virtual_time(check)


def test_two_processors_in_one_process_do_not_take_each_others_batches() -> None:
    async def check(s: Surroundings) -> None:
        task = await s.start()
        await asyncio.sleep(1)
        number = s.processor.box._seek[toy.REQUESTS]
        s.processor.close()
        await task
        s.make()
        s.loop.create_task(s.processor.run())
        await asyncio.sleep(1)
        s.processor.offer(InputBatch(toy.REQUESTS, 0, 0, 1, number, [record(0)]))
        await asyncio.sleep(1)
        assert s.events() == []

    in_virtual_time(check)


def test_a_full_box_pauses_its_input_and_resumes_it() -> None:
    async def check(s: Surroundings) -> None:
        s.make(box_records=4)
        paused: list[str] = []
        resumed: list[str] = []
        pause, resume = s.inputs.pause, s.inputs.resume

        def note_pause(partition: int, topic: str) -> None:
            paused.append(topic)
            pause(partition, topic)

        def note_resume(partition: int, topic: str) -> None:
            resumed.append(topic)
            resume(partition, topic)

        s.inputs.pause, s.inputs.resume = note_pause, note_resume  # type: ignore[method-assign]
        s.inputs._most = 3
        for number in range(40):
            s.request(f"r{number}")
        await s.start()
        await asyncio.sleep(5)
        assert set(paused) == {toy.REQUESTS}
        # One of each input at the start, then one for each pause.
        assert resumed.count(toy.REQUESTS) == len(paused) + 1
        assert resumed.count(toy.INTERNAL) == 1
        assert s.total == 40

    in_virtual_time(check, batch_max_records=2)


def test_a_box_that_was_full_when_its_processor_failed_pauses_its_input_again() -> None:
    async def check(s: Surroundings) -> None:
        s.make(box_records=4)
        most = [0]
        offer = s.processor.offer

        def watch(batch: InputBatch) -> None:
            offer(batch)
            most[0] = max(most[0], s.processor.box.waiting_records)

        s.processor.offer = watch  # type: ignore[method-assign]
        s.inputs._most = 3
        for number in range(60):
            s.request(f"r{number}")
        s.faults[Point.COMMIT] = [Kind.COMMIT_LOST, Kind.COMMIT_LOST]
        await s.start()
        await asyncio.sleep(60)
        assert s.notes.said.count("restoring") == 3
        assert s.total == 60
        assert most[0] <= 4 + 3

    in_virtual_time(check, batch_max_records=2)

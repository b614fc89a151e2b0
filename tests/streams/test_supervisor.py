from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
from faust.types import TP

from streams.box import InputBatch
from streams.commit import Phase
from streams.errors import Refused
from streams.processor import PartitionProcessor
from streams.supervisor import Supervisor

NAMES = {"commands": "ns.commands", "requests": "ns.requests"}


class Fake:
    """A processor whose `run` ends a while after it was closed, or as it is told."""

    def __init__(self, partition: int, journal: list[str], ends_after_s: float = 0.0):
        self.partition = partition
        self.phase = Phase.RUNNING
        self.offered: list[InputBatch] = []
        self._journal = journal
        self._ends_after_s = ends_after_s
        #: How long it takes to end once it was cancelled.
        self.parts_for_s = 0.0
        self._end = asyncio.Event()
        self.fails_with: BaseException | None = None

    async def run(self) -> None:
        self._journal.append(f"start {self.partition}")
        try:
            await self._end.wait()
            await asyncio.sleep(self._ends_after_s)
            if self.fails_with is not None:
                raise self.fails_with
        except asyncio.CancelledError:
            await asyncio.sleep(self.parts_for_s)
            raise
        finally:
            self._journal.append(f"end {self.partition}")

    def close(self) -> None:
        self._journal.append(f"close {self.partition}")
        self._end.set()

    def end(self, error: BaseException | None = None) -> None:
        self.fails_with = error
        self._end.set()

    def offer(self, batch: InputBatch) -> None:
        self.offered.append(batch)


class World:
    """A supervisor of fakes, and the journal of what happened to them."""

    def __init__(self, ends_after_s: float = 0.0):
        self.journal: list[str] = []
        self.ends_after_s = ends_after_s
        self.supervisor = Supervisor(self._make, NAMES, "requests", revoke_grace_s=0.2, orphan_grace_s=0.2)

    def _make(self, partition: int) -> PartitionProcessor:
        return cast(PartitionProcessor, Fake(partition, self.journal, self.ends_after_s))

    def fake(self, partition: int) -> Fake:
        return cast(Fake, self.supervisor.runs[partition].processor)

    async def assign(self, *partitions: int) -> None:
        self.supervisor.assigned({TP(name, partition) for name in NAMES.values() for partition in partitions})
        await asyncio.sleep(0.02)


def run(check: Callable[[World], Coroutine[Any, Any, None]], **options: float) -> None:
    async def main() -> None:
        world = World(**options)
        world.supervisor.start()
        try:
            await check(world)
        finally:
            await world.supervisor.stop()

    asyncio.run(main())


@pytest.mark.parametrize("phase", [Phase.RECOVERING, Phase.CONNECTING, Phase.HELD_UP])
def test_a_restore_that_is_revoked_is_ended_at_once(phase: Phase) -> None:
    async def check(world: World) -> None:
        await world.assign(0, 1)
        world.fake(1).phase = phase
        world.supervisor.revoked()
        await world.assign(0)
        ends = [line for line in world.journal if line.startswith("end")]
        assert ends[:1] == ["end 1"], "the cycle of 0 has its time, the restore of 1 has nothing to finish"
        await asyncio.sleep(0.2)
        assert not world.supervisor.failure.done()

    run(check, ends_after_s=0.1)


def test_partitions_follow_the_assignment() -> None:
    async def check(world: World) -> None:
        assert not world.supervisor.is_assigned
        await world.assign(0, 2)
        assert sorted(world.supervisor.runs) == [0, 2]
        assert world.supervisor.is_assigned
        world.supervisor.revoked()
        assert not world.supervisor.is_assigned
        assert world.journal[-2:] == ["close 0", "close 2"], "the boxes are emptied before anything is awaited"
        await world.assign(1)
        assert sorted(world.supervisor.runs) == [1]
        assert world.journal[-2:] == ["end 2", "start 1"]

    run(check)


def test_what_a_processor_knew_is_collected_before_the_next_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(world: World) -> None:
        monkeypatch.setattr("streams.supervisor.collect_all", lambda: world.journal.append("collect"))
        await world.assign(0)
        world.supervisor.revoked()
        await world.assign(1)
        assert world.journal[-3:] == ["end 0", "collect", "start 1"]
        assert world.journal.count("collect") == 1, "where there was nothing before, nothing is left of it"

    run(check)


def test_a_new_processor_waits_until_the_old_one_has_ended() -> None:
    async def check(world: World) -> None:
        await world.assign(0)
        world.supervisor.revoked()
        await world.assign(0)
        assert "end 0" not in world.journal
        assert world.journal.count("start 0") == 1
        await asyncio.sleep(0.15)
        assert world.journal.count("start 0") == 2
        assert world.journal.index("end 0") < world.journal.index("start 0", 1)

    run(check, ends_after_s=0.1)


def test_a_cycle_that_does_not_end_is_cancelled() -> None:
    async def check(world: World) -> None:
        await world.assign(0)
        world.supervisor.revoked()
        await asyncio.sleep(0.1)
        assert "end 0" not in world.journal
        await asyncio.sleep(0.2)
        assert "end 0" in world.journal
        assert not world.supervisor.failure.done()

    run(check, ends_after_s=60)


def test_who_ends_late_though_cancelled_is_waited_for() -> None:
    """Its handle on the store is open until then."""

    async def check(world: World) -> None:
        await world.assign(0)
        world.fake(0).parts_for_s = 0.2
        world.supervisor.revoked()
        await world.assign(0)
        await asyncio.sleep(0.3)
        assert world.journal.count("start 0") == 1
        await asyncio.sleep(0.2)
        starts_and_ends = [line for line in world.journal if not line.startswith("close")]
        assert starts_and_ends == ["start 0", "end 0", "start 0"]

    run(check, ends_after_s=60)


def test_what_was_taken_back_already_is_not_begun() -> None:
    """Each begin would fence whoever has the partition by now, and the last assignment would wait for all of them."""

    async def check(world: World) -> None:
        await world.assign(0)
        for _ in range(50):
            world.supervisor.revoked()
            world.supervisor.assigned({TP(name, 1) for name in NAMES.values()})
        world.supervisor.revoked()
        await world.assign(2)
        await asyncio.sleep(0.05)
        assert [line for line in world.journal if line.startswith("start")] == ["start 0", "start 2"]
        assert world.supervisor.is_assigned
        assert world.supervisor.assignments == 52, "each is a rebalance all the same"

    run(check)


def test_batches_go_to_the_processor_of_their_partition() -> None:
    async def check(world: World) -> None:
        await world.assign(0, 1)
        batch = InputBatch("requests", 1, 0, 1, 5, [])
        world.supervisor.deliver(batch)
        world.supervisor.deliver(InputBatch("requests", 7, 0, 1, 5, []))
        old = world.fake(1)
        assert old.offered == [batch]
        assert world.fake(0).offered == []
        world.supervisor.revoked()
        world.supervisor.deliver(batch)
        assert old.offered == [batch]

    run(check)


@pytest.mark.parametrize("error", [Refused("the log is cut"), RuntimeError("the eighth failure")])
def test_a_processor_that_raises_ends_the_process(error: Exception) -> None:
    async def check(world: World) -> None:
        await world.assign(0)
        world.fake(0).end(error)
        await asyncio.sleep(0.02)
        assert world.supervisor.failure.exception() is error

    run(check)


@pytest.mark.parametrize("error", [Refused("the log is cut"), RuntimeError("the cycle failed")])
def test_of_a_partition_that_is_taken_back_only_a_refusal_ends_the_process(error: Exception) -> None:
    """The next owner would meet the same; what else went wrong is the old one's alone."""

    async def check(world: World) -> None:
        await world.assign(0)
        world.fake(0).fails_with = error
        world.supervisor.revoked()
        await asyncio.sleep(0.02)
        failure = world.supervisor.failure
        assert failure.done() is isinstance(error, Refused)
        assert not failure.done() or failure.exception() is error

    run(check)


def test_what_ends_the_supervisor_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partitions would be assigned to this worker, and nobody would run them."""

    async def check(world: World) -> None:
        error = OSError("no processor can be made")

        def make(_partition: int) -> PartitionProcessor:
            raise error

        monkeypatch.setattr(world.supervisor, "_make", make)
        await world.assign(0)
        assert world.supervisor.failure.exception() is error

    run(check)


def test_a_processor_that_was_disowned_waits_for_the_rebalance() -> None:
    async def check(world: World) -> None:
        await world.assign(0)
        world.fake(0).end()
        await asyncio.sleep(0.05)
        world.supervisor.revoked()
        await world.assign(1)
        await asyncio.sleep(0.3)
        assert not world.supervisor.failure.done()

    run(check)


def test_a_processor_that_ended_unasked_ends_the_process() -> None:
    async def check(world: World) -> None:
        await world.assign(0)
        world.fake(0).end()
        await asyncio.sleep(0.1)
        assert not world.supervisor.failure.done()
        await asyncio.sleep(0.2)
        assert "still assigns the partition" in str(world.supervisor.failure.exception())

    run(check)


def test_a_processor_cancelled_unasked_ends_the_process() -> None:
    async def check(world: World) -> None:
        await world.assign(0)
        world.supervisor.runs[0].task.cancel()
        await asyncio.sleep(0.02)
        assert "cancelled unasked" in str(world.supervisor.failure.exception())

    run(check)


def test_inputs_torn_apart_are_refused() -> None:
    async def check(world: World) -> None:
        world.supervisor.assigned({TP("ns.requests", 0), TP("ns.commands", 1)})
        await asyncio.sleep(0.02)
        error = world.supervisor.failure.exception()
        assert isinstance(error, Refused)
        assert "ns.requests/0 but not ns.commands/0" in str(error)
        assert world.journal == []

    run(check)


def test_other_inputs_do_not_make_an_owner() -> None:
    async def check(world: World) -> None:
        world.supervisor.assigned({TP("ns.commands", 0)})
        await asyncio.sleep(0.02)
        assert not world.supervisor.runs
        assert not world.supervisor.failure.done()

    run(check)


def test_stop_ends_everything() -> None:
    async def check(world: World) -> None:
        await world.assign(0, 1)
        await world.supervisor.stop()
        assert world.journal[-2:] == ["end 0", "end 1"]
        assert not world.supervisor.failure.done()
        await world.assign(0)
        assert not world.supervisor.runs

    run(check)

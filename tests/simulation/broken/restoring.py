"""Fencing and restoring without one of their guards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from streams.ports import Bounds
from streams.processor import PartitionProcessor
from streams.restore import Restored
from streams.supervisor import Supervisor
from tests.simulation.broken.registry import Patch, often, without
from tests.simulation.faults import Kind, Point
from tests.simulation.memory_ports import Edge, MemoryGroup, MemoryReader, MemoryWriter
from tests.simulation.memory_store import MemoryStore, MemoryStores

# ---- fencing and restoring -------------------------------------------------------------------------

_ZOMBIES = (Kind.STOP, Kind.STOP, Kind.DEAF, Kind.COMMIT_LATE, Kind.PRODUCE_LATE)


def _named(patch: Patch, name: Callable[[MemoryWriter], str]) -> None:
    """Writers take their transactional id from `name`."""
    honest = MemoryWriter.__init__

    def init(self: MemoryWriter, edge: Edge, partition: int) -> None:
        honest(self, edge, partition)
        self.transactional_id = name(self)

    patch.setattr(MemoryWriter, "__init__", init)


@without("restoring fences whoever wrote before", *_ZOMBIES)
def _(patch: Patch) -> None:
    _named(patch, lambda writer: f"{writer._partition}-{id(writer)}")


@without("the transactional id belongs to the partition, not to the worker", *_ZOMBIES)
def _(patch: Patch) -> None:
    _named(patch, lambda writer: f"{writer._edge.member()[0]}-{writer._partition}")


@without(
    "what an open transaction hides of the event log is waited for",
    planned=(*often(Point.TAKE, Kind.INTRUDER), *often(Point.PERSIST, Kind.CRASH)),
)
def _(patch: Patch) -> None:
    async def high_watermark(_self: MemoryReader) -> int:
        return 0

    patch.setattr(MemoryReader, "high_watermark", high_watermark)


@without("fencing comes before reading", *_ZOMBIES)
def _(patch: Patch) -> None:
    honest = MemoryWriter.fence
    open_ = PartitionProcessor._open

    async def later(self: MemoryWriter) -> None:
        """Nothing yet."""

    async def open_then_fence(self: PartitionProcessor) -> Restored:
        restored = await open_(self)
        try:
            await honest(self.ports.logs.writers[self.partition])  # type: ignore[attr-defined]
        except BaseException:
            restored.store.close()
            raise
        return restored

    patch.setattr(MemoryWriter, "fence", later)
    patch.setattr(PartitionProcessor, "_open", open_then_fence)


@without("the end of the log is asked for after fencing", planned=often(Point.COMMIT, Kind.REPLY_ERROR))
def _(patch: Patch) -> None:
    honest = MemoryReader.bounds
    fence = MemoryWriter.fence

    async def snapshot_then_fence(self: MemoryWriter) -> None:
        vars(self._edge)[f"end {self._partition}"] = await honest(MemoryReader(self._edge, self._partition))
        await fence(self)

    async def bounds(self: MemoryReader) -> Bounds:
        found: Bounds = vars(self._edge)[f"end {self._number}"]
        return found

    async def high_watermark(self: MemoryReader) -> int:
        """As if that had been asked before, too: another guard compares them."""
        return (await bounds(self)).end

    patch.setattr(MemoryWriter, "fence", snapshot_then_fence)
    patch.setattr(MemoryReader, "bounds", bounds)
    patch.setattr(MemoryReader, "high_watermark", high_watermark)


@without("only an owner in the current generation writes", Kind.STOP, planned=often(Point.TAKE, Kind.DEAF))
def _(patch: Patch) -> None:
    async def prove_ownership(self: MemoryGroup, partition: int) -> None:
        """Believe it."""

    patch.setattr(MemoryGroup, "prove_ownership", prove_ownership)


@without("the log is read with read_committed", Kind.CRASH, Kind.COMMIT_REFUSED, Kind.PRODUCE_PARTIAL)
def _(patch: Patch) -> None:
    async def read(self: MemoryReader, start: int, end: int) -> AsyncIterator[list[tuple[int, bytes]]]:
        entries = self._partition._entries[start:end]
        yield [(record.offset, record.value or b"") for record, _ in entries if record is not None]

    async def bounds(self: MemoryReader) -> Bounds:
        return Bounds(self._partition.start, self._partition.end)

    patch.setattr(MemoryReader, "read", read)
    patch.setattr(MemoryReader, "bounds", bounds)


@without("the local state is compared with the log", Kind.DISASTER)
def _(patch: Patch) -> None:
    honest_open = MemoryStores.open
    local: dict[int, bytes | None] = {}

    def open_(self: MemoryStores, partition: int) -> MemoryStore:
        store = honest_open(self, partition)
        mark = store.mark()
        local[partition] = None if mark is None else mark.seal
        return store

    async def record_at(self: MemoryReader, offset: int) -> bytes | None:
        return local[self._number]

    patch.setattr(MemoryStores, "open", open_)
    patch.setattr(MemoryReader, "record_at", record_at)


@without("positions come from the seal, not from the group", Kind.CRASH)
def _(patch: Patch) -> None:
    honest = PartitionProcessor._seek_inputs

    async def seek_inputs(self: PartitionProcessor, current: Any) -> None:
        committed = self.ports.group._edge.group.committed  # type: ignore[attr-defined]
        positions = current.progress.positions
        current.progress.positions = {topic: committed.get((topic, self.partition), 0) for topic in positions}
        await honest(self, current)

    patch.setattr(PartitionProcessor, "_seek_inputs", seek_inputs)


@without("a new incarnation starts after the old one's task has ended", Kind.REBALANCE)
def _(patch: Patch) -> None:
    async def end_all(self: Supervisor) -> None:
        runs, self._runs = self._runs, {}
        for run in runs.values():
            run.is_ending = True
            run.processor.close()

    patch.setattr(Supervisor, "_end_all", end_all)

"""Steps 3 to 6 without one of their guards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast

from streams.batch import Batch
from streams.bucketed_view import BucketedView
from streams.errors import StoreError
from streams.machine import Message
from streams.overlay import Overlay
from streams.persist import changes_of, forget_old_buckets
from streams.ports import Changes, LogPosition, Mark
from streams.processor import PartitionProcessor
from streams.restore import Restored
from streams.table_views import TableView
from tests.simulation.broken.registry import Patch, often, without
from tests.simulation.faults import Kind, Point
from tests.simulation.memory_ports import MemoryWriter
from tests.simulation.memory_store import MemoryStore

# ---- steps 3 and 4 ---------------------------------------------------------------------------------


async def _send_all(self: MemoryWriter, producer: Any, messages: Iterable[Message]) -> list[asyncio.Future[Any]]:
    packed = self._pack(producer, messages)
    return [
        await producer.send_batch(batch, topic, partition=partition)
        for (topic, partition), batches in packed.items()
        for batch in batches
    ]


def _where_the_seal_is(sent: list[asyncio.Future[Any]], messages: Iterable[Message]) -> LogPosition:
    """The event log's batch is sent first."""
    log = sum(message.topic == next(iter(messages)).topic for message in messages)
    is_known = sent[0].done() and sent[0].exception() is None
    seal_offset = sent[0].result().offset + log - 1 if is_known else -1
    return LogPosition(seal_offset, seal_offset + 1)


@without("commit only after every produce has succeeded", Kind.PRODUCE_FAILED)
def _(patch: Patch) -> None:
    async def write(self: MemoryWriter, producer: Any, messages: Iterable[Message]) -> LogPosition:
        sent = await _send_all(self, producer, messages)
        await asyncio.wait(sent)
        return _where_the_seal_is(sent, messages)

    patch.setattr(MemoryWriter, "_write", write)


@without("commit only after every produce has returned", Kind.CRASH)
def _(patch: Patch) -> None:
    async def write(self: MemoryWriter, producer: Any, messages: Iterable[Message]) -> LogPosition:
        sent = await _send_all(self, producer, messages)
        await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
        return _where_the_seal_is(sent, messages)

    patch.setattr(MemoryWriter, "_write", write)


def _after_failure(patch: Patch, go_on: Callable[..., Any]) -> None:
    honest = PartitionProcessor._write_and_commit

    async def write_and_commit(self: PartitionProcessor, current: Any, batch: Batch) -> None:
        try:
            await honest(self, current, batch)
        except Exception as error:
            await go_on(self, current, batch, error)

    patch.setattr(PartitionProcessor, "_write_and_commit", write_and_commit)


_UNKNOWN = (Kind.COMMIT_REFUSED, Kind.COMMIT_LATE, Kind.REPLY_ERROR, Kind.PRODUCE_PARTIAL, Kind.PRODUCE_REFUSED)


@without("an unknown outcome is not taken for committed", *_UNKNOWN)
def _(patch: Patch) -> None:
    async def go_on(self: PartitionProcessor, current: Any, batch: Batch, error: Exception) -> None:
        batch.after.seal_offset = current.progress.next_offset + len(batch.messages)

    _after_failure(patch, go_on)


@without("an unknown outcome is not tried again in the same incarnation", *_UNKNOWN)
def _(patch: Patch) -> None:
    async def go_on(self: PartitionProcessor, current: Any, batch: Batch, error: Exception) -> None:
        position = await current.writer.transact(batch.messages)
        batch.after.seal_offset, batch.after.next_offset = position

    _after_failure(patch, go_on)


@without("an unknown outcome is not taken for aborted and skipped", *_UNKNOWN)
def _(patch: Patch) -> None:
    honest = PartitionProcessor._cycle

    async def cycle(self: PartitionProcessor) -> bool:
        try:
            return await honest(self)
        except ConnectionError:
            return False

    async def go_on(self: PartitionProcessor, current: Any, batch: Batch, error: Exception) -> None:
        raise ConnectionError from error

    _after_failure(patch, go_on)
    patch.setattr(PartitionProcessor, "_cycle", cycle)


@without("the overlay is thrown away with the batch", *_UNKNOWN)
def _(patch: Patch) -> None:
    honest = PartitionProcessor._open

    async def open_(self: PartitionProcessor) -> Restored:
        restored = await honest(self)
        kept: Overlay | None = self.__dict__.get("kept")
        if kept is not None:
            for view, old in zip(restored.state.views, kept.views, strict=True):
                if isinstance(view, TableView):
                    for key, value in cast(TableView[Any], old).changes.items():
                        view.put(key, value)
                elif isinstance(view, BucketedView):
                    view._changes.update(cast(BucketedView[Any], old)._changes)
        self.__dict__["kept"] = restored.state
        return restored

    patch.setattr(PartitionProcessor, "_open", open_)


@without("steps 3 and 4 have a deadline", Kind.REPLY_LOST, Kind.COMMIT_LOST, Kind.PRODUCE_LOST)
def _(patch: Patch) -> None:
    honest = PartitionProcessor.__post_init__

    def post_init(self: PartitionProcessor) -> None:
        self.limits = replace(self.limits, commit_deadline_s=1e9)
        honest(self)

    patch.setattr(PartitionProcessor, "__post_init__", post_init)


@without("a batch that is too large is split")
def _(patch: Patch) -> None:
    patch.setattr(PartitionProcessor, "_halve", lambda self, batch: None)


@without(
    "a new producer comes with a restore",
    planned=often(Point.ACKNOWLEDGE, Kind.STOP),
    records_per_producer=1,
    requests=(60, 90),
)
def _(patch: Patch) -> None:
    honest = PartitionProcessor._cycle

    async def cycle(self: PartitionProcessor) -> bool:
        limits, self.limits = self.limits, replace(self.limits, records_per_producer=1 << 30)
        try:
            committed = await honest(self)
        finally:
            self.limits = limits
        current = self._current
        if committed and current is not None:
            await current.writer.close()
            current.writer = self.ports.logs.writer(self.partition)
            await current.writer.fence()
        return committed

    patch.setattr(PartitionProcessor, "_cycle", cycle)


# ---- step 5 ----------------------------------------------------------------------------------------


@without("nothing is persisted before the commit", Kind.COMMIT_REFUSED, Kind.PRODUCE_REFUSED, Kind.REPLY_ERROR)
def _(patch: Patch) -> None:
    honest = PartitionProcessor._write_and_commit

    async def write_and_commit(self: PartitionProcessor, current: Any, batch: Batch) -> None:
        current.store.files.write(changes_of(current.state))
        await honest(self, current, batch)

    patch.setattr(PartitionProcessor, "_write_and_commit", write_and_commit)


@without("state and mark are written as one", Kind.CRASH)
def _(patch: Patch) -> None:
    def write(self: MemoryStore, changes: Changes, mark: Mark) -> None:
        self._check("store.write")
        self.files.mark = mark
        self.files.flush()
        self.files.write(changes)

    patch.setattr(MemoryStore, "write", write)


@without("the stored sequence is checked before it is written over", Kind.STORE_LOST)
def _(patch: Patch) -> None:
    def persist(self: PartitionProcessor, current: Any, batch: Batch) -> None:
        current.store.write(changes_of(current.state), Mark(batch.after.seal_offset, batch.seal))
        current.state.settle()
        current.progress = batch.after
        forget_old_buckets(current.state, current.store, batch.after.time_ms)

    patch.setattr(PartitionProcessor, "_persist", persist)


@without("what cannot be persisted is restored from the log", Kind.STORE_WRITE)
def _(patch: Patch) -> None:
    honest = MemoryStore.write

    def write(self: MemoryStore, changes: Changes, mark: Mark) -> None:
        try:
            honest(self, changes, mark)
        except StoreError:
            self.files.mark = mark

    patch.setattr(MemoryStore, "write", write)

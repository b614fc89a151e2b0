"""Steps 1 and 2 without one of their guards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from streams import processor as processor_module
from streams.batch import Batch, BatchDecider, Progress
from streams.box import Box, InputBatch, Offer
from streams.errors import StoreError
from streams.machine import Output
from streams.overlay import Overlay
from streams.processor import PartitionProcessor
from tests.simulation.broken.registry import Patch, without
from tests.simulation.faults import Kind
from tests.simulation.memory_store import MemoryStore
from tests.simulation.toy import ToyMachine

# ---- step 1 ----------------------------------------------------------------------------------------


@without("a batch that does not continue the last one is not taken", Kind.HOLE)
def _(patch: Patch) -> None:
    honest = Box.offer

    def offer(self: Box, batch: InputBatch) -> Offer:
        if batch.start > self._expected.get(batch.topic, 0):
            self._expected[batch.topic] = batch.start
        return honest(self, batch)

    patch.setattr(Box, "offer", offer)


@without("after a hole the consumer is sought back", Kind.HOLE)
def _(patch: Patch) -> None:
    async def seek_back(self: PartitionProcessor, topic: str, position: int, number: int) -> None:
        """Hope for the best."""

    patch.setattr(PartitionProcessor, "_seek_back", seek_back)


@without("a backward jump stops the partition", Kind.DUPLICATE)
def _(patch: Patch) -> None:
    honest = Box.offer

    def offer(self: Box, batch: InputBatch) -> Offer:
        if batch.records and batch.start < self._expected.get(batch.topic, 0):
            start = self._expected[batch.topic]
            batch = replace(batch, start=start, end=max(batch.end, start + 1))
        return honest(self, batch)

    patch.setattr(Box, "offer", offer)


@without("batches of an older incarnation are not taken", Kind.ERROR, Kind.REBALANCE, Kind.REPLY_ERROR)
def _(patch: Patch) -> None:
    honest = Box.offer

    def offer(self: Box, batch: InputBatch) -> Offer:
        return honest(self, replace(batch, incarnation=self._seek[batch.topic]))

    patch.setattr(Box, "offer", offer)


@without("a full box pauses its input")
def _(patch: Patch) -> None:
    patch.setattr(Box, "is_full", lambda self, topic: False)


@without("a paused input is resumed")
def _(patch: Patch) -> None:
    patch.setattr(PartitionProcessor, "_resume", lambda self: None)


@without("nothing is taken from more than the tolerance ahead of the clock", Kind.BROKER_CLOCK)
def _(patch: Patch) -> None:
    patch.setattr(PartitionProcessor, "_is_ahead_of_clock", lambda self: False)


@without("partition time never runs backwards, also not in a restore", Kind.BROKER_CLOCK, Kind.CRASH, Kind.ERROR)
def _(patch: Patch) -> None:
    honest = BatchDecider.decide

    def decide(self: BatchDecider, state: Overlay, before: Progress, taken: Any) -> Batch:
        return honest(self, state, replace(before, time_ms=0), taken)

    patch.setattr(BatchDecider, "decide", decide)


@without("a tick is produced only when something is due")
def _(patch: Patch) -> None:
    def due_at_ms(self: ToyMachine, state: Overlay) -> int:
        return 1

    patch.setattr(ToyMachine, "due_at_ms", due_at_ms)
    # As often as those that something is due for: so it never comes to rest.
    patch.setattr(processor_module, "_TICK_AGAIN_MOST_S", 1.0)


@without("a tick that came too early is sent again", Kind.BROKER_CLOCK, Kind.WORKER_CLOCK)
def _(patch: Patch) -> None:
    patch.setattr(processor_module, "_TICK_AGAIN_S", 1e12)
    patch.setattr(processor_module, "_TICK_AGAIN_MOST_S", 1e12)


@without("moved positions are sealed before retention overtakes them", retention=True)
def _(patch: Patch) -> None:
    patch.setattr(PartitionProcessor, "_seal_is_due", lambda self, current: False)


# ---- step 2 ----------------------------------------------------------------------------------------


@without("changes of a record that fails are rolled back")
def _(patch: Patch) -> None:
    patch.setattr(Overlay, "roll_back", Overlay.savepoint)


@without("a batch that is decided again starts from what was before it")
def _(patch: Patch) -> None:
    patch.setattr(Overlay, "forget", lambda self: None)


@without("output of a record that fails is taken back")
def _(patch: Patch) -> None:
    patch.setattr(Output, "return_to", lambda self, written: None)


@without("an error of the store is no bug of the record", Kind.STORE_READ)
def _(patch: Patch) -> None:
    honest = MemoryStore.get

    def get(self: MemoryStore, table: str, key: str) -> bytes | None:
        """Fails twice, for a batch that seems to have a bug is decided a second time."""
        if self.__dict__.pop("fails again", False):
            raise OSError
        try:
            return honest(self, table, key)
        except StoreError as error:
            self.__dict__["fails again"] = True
            raise OSError from error

    patch.setattr(MemoryStore, "get", get)

"""Faust's transport with whole batches: one message for each chunk that was fetched from a partition.

A message's value is an `InputBatch`. Faust hands 13,600 messages of one record each to an agent in a second, but
more than 300,000 records in batches. Faust's own offsets, commits and seeks do nothing here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.box import InputBatch
from streams.consumer_thread import BatchThread, Fetched
from streams.settings import Settings

if TYPE_CHECKING:
    from mode.types import ServiceT


class TransportOptions(NamedTuple):
    """What the transport knows beyond Faust's settings."""

    settings: Settings
    #: Short name of a topic for its full one.
    short_name: Callable[[str], str]


class BatchConsumer(driver.Consumer):
    """Faust's consumer, delivering batches and never committing, positioning or waiting for acknowledgements."""

    _thread: BatchThread

    def _new_consumer_thread(self) -> BatchThread:
        settings = cast("BatchTransport", self.transport).options.settings
        return BatchThread(self, settings=settings, loop=self.loop, beacon=self.beacon)

    @property
    def thread(self) -> BatchThread:
        """The thread that aiokafka runs in."""
        return self._thread

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """Deliver until the fetcher stops. While a batch is delivered, the next one is being fetched."""
        pending: asyncio.Future[list[Fetched]] | None = None
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow)  # type: ignore[arg-type]
                    continue
                fetched = await (pending or self._ask())
                pending = self._ask()
                for one in fetched:
                    if self.flow_active:
                        await self.callback(self._message(one))
        except asyncio.CancelledError:
            if not (self.should_stop or fetcher.should_stop or self.app.should_stop):
                raise
        except ConsumerStoppedError:
            if not self.app.should_stop:
                raise
        finally:
            if pending is not None:
                pending.add_done_callback(_forget)

    def _ask(self) -> asyncio.Future[list[Fetched]]:
        thread = self._thread
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(thread.next_fetched(), thread.thread_loop))

    def _message(self, fetched: Fetched) -> Any:
        """The message of a batch; its value is the `InputBatch`."""
        tp, incarnation, (start, end, records) = fetched
        short = cast("BatchTransport", self.transport).options.short_name(tp.topic)
        batch = InputBatch(short, tp.partition, start, end, incarnation, records)
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            end - 1,
            records[-1].timestamp / 1000 if records else 0.0,
            1,
            [],
            None,
            cast("bytes", batch),
            None,
            0,
            0,
            tp,
            generation_id=self.app.consumer_generation_id,
        )

    def ack(self, message: Any) -> bool:
        """Nothing is acknowledged to Faust: it would remember every offset for a commit that never comes."""
        message.acked = True
        return True

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Does nothing: processors acknowledge to the group."""
        del topics, start_new_transaction
        return False

    async def perform_seek(self) -> None:
        """Does nothing: processors seek when they have restored."""

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Does nothing: see `perform_seek`."""
        return {}

    def _new_offset(self, tp: TP) -> int | None:
        del tp
        return None

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        """Does nothing: offsets jump from batch to batch, and Faust would merge interval trees of the gaps."""


def _forget(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


class BatchTransport(driver.Transport):
    """The transport of a role's app."""

    Consumer = BatchConsumer
    options: TransportOptions

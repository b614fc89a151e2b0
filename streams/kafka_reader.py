"""Reads a partition of an event log to its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import OffsetOutOfRangeError
from aiokafka.structs import TopicPartition

from streams.connection import client_arguments
from streams.fetch import drain, high_watermarks, wait_for_chunk
from streams.ports import Bounds
from streams.settings import Settings

_STOP_S: Final = 1.0
_READ_STALLED_S: Final = 30.0
_READ_MAX_RECORDS: Final = 5_000


class KafkaReader:
    """Reads one partition of the event log with `read_committed`, without a group (a `LogReader`)."""

    def __init__(self, settings: Settings, topic: str, partition: int):
        """`topic` is the full name of the event log."""
        self._settings = settings
        self._tp = TopicPartition(topic, partition)
        self._consumer: Any = None

    async def _started(self) -> Any:
        if self._consumer is None:
            self._consumer = AIOKafkaConsumer(
                **client_arguments(self._settings),
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="none",
                check_crcs=True,
                fetch_max_wait_ms=50,
                fetch_max_bytes=32 << 20,
                # Twice this for each partition is in memory at once, in a restore of all of them.
                max_partition_fetch_bytes=2 << 20,
                request_timeout_ms=20_000,
            )
            async with asyncio.timeout(_READ_STALLED_S):
                await self._consumer.start()
        return self._consumer

    async def bounds(self) -> Bounds:
        """First offset of the log and its last stable one.

        Raises:
            TimeoutError: the brokers did not answer in time.
        """
        consumer, tp = await self._started(), self._tp
        async with asyncio.timeout(_READ_STALLED_S):
            start = (await consumer.beginning_offsets([tp]))[tp]
            end = (await consumer.end_offsets([tp]))[tp]
        return Bounds(start, end)

    async def high_watermark(self) -> int:
        """The offset that comes next, whether all before it is committed or not.

        Raises:
            TimeoutError: the brokers did not answer in time.
        """
        consumer, tp = await self._started(), self._tp
        async with asyncio.timeout(_READ_STALLED_S):
            return (await high_watermarks(consumer._fetcher, [tp], int(_READ_STALLED_S * 1000)))[tp]

    async def record_at(self, offset: int) -> bytes | None:
        """Value of the record at exactly this offset; None where there is none (compacted away, aborted, a marker).

        Raises:
            TimeoutError: the brokers did not answer in time.
        """
        start, end = await self.bounds()
        if not start <= offset < end:
            return None
        with contextlib.suppress(OffsetOutOfRangeError):
            async for chunk in self._read(offset, end, max_records=1):
                return chunk[0][1] if chunk and chunk[0][0] == offset else None
        return None

    def read(self, start: int, end: int) -> AsyncIterator[list[tuple[int, bytes]]]:
        """Chunks of (offset, value) from `start` until the position reaches `end`.

        Raises:
            TimeoutError: the position has stood still for 30 s.
            OffsetOutOfRangeError: the log does not hold `start`.
        """
        return self._read(start, end, _READ_MAX_RECORDS)

    async def _read(self, start: int, end: int, max_records: int) -> AsyncIterator[list[tuple[int, bytes]]]:
        if start >= end:
            return
        consumer, tp = await self._started(), self._tp
        consumer.assign([tp])
        consumer.seek(tp, start)
        fetcher, position = consumer._fetcher, start
        while position < end:
            drained = drain(fetcher, tp, max_records)
            if drained is None:
                if not await wait_for_chunk(fetcher, _READ_STALLED_S):
                    raise TimeoutError(
                        f"reading {tp.topic}/{tp.partition} has stood still at {position} of {end} for "
                        f"{_READ_STALLED_S:g} s"
                    )
                continue
            position = drained.end
            yield [(record.offset, record.value or b"") for record in drained.records if record.offset < end]

    async def close(self) -> None:
        """Close the connections, within a second or without waiting."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await consumer.stop()

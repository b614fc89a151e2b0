"""One partition of a topic read from a position to an end, and the consumer that reads it.

Only committed records are seen. A position passes control records, which an offset count cannot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError, KafkaError

from ops.admin import unreachable
from ops.errors import OperationError
from streams.connection import Brokers, client_arguments
from streams.lenient import fetch_leniently
from streams.refusals import said

#: Bytes that one fetch of one partition brings.
FETCH_BYTES: Final = 1 << 20
#: A fetch that brings control records only is not told apart from one that brings nothing, until this has passed.
_POLL_MS: Final = 50
#: Longest that closing a connection may take.
_STOP_S: Final = 5.0
#: A read that gets no further for so long has failed.
_STALLED_S: Final = 30.0


class Record(Protocol):
    """A record as aiokafka hands it over; `timestamp` is in Unix milliseconds, of the broker where its type is 1."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def timestamp_type(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


def place_of(record: Record) -> str:
    """Where a record stands, for people."""
    return f"{record.topic}/{record.partition} offset {record.offset}"


def misplaced(record: Record, error: Exception) -> OperationError:
    """What to raise where a record is none of its topic."""
    return OperationError(f"{place_of(record)} is not what it should be ({error})")


class Bounds(NamedTuple):
    """First offset that a partition still holds, and the one behind its last committed record (last stable offset)."""

    start: int
    end: int


async def start_consumer(brokers: Brokers) -> AIOKafkaConsumer:
    """A consumer that is connected, belongs to no group and sees committed records only.

    Raises:
        OperationError: no broker answers.
    """
    consumer = AIOKafkaConsumer(
        **client_arguments(brokers),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    try:
        await consumer.start()
    except (KafkaConnectionError, OSError) as error:
        with suppress(Exception):
            await consumer.stop()
        raise await unreachable(brokers) from error
    # Its tasks have to begin before they can be stopped: else `stop` raises, in place of what went wrong meanwhile.
    await asyncio.sleep(0)
    return consumer


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """Close a consumer, or leave it where it cannot be closed.

    Where no broker answers, the client's own `stop` lets the cancellation of its fetch out, in place of what is raised.
    """
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait([stopping], timeout=_STOP_S)
    if not stopping.done():
        stopping.cancel()
    elif not stopping.cancelled():
        stopping.exception()


async def fetch(
    consumer: AIOKafkaConsumer, positions: Mapping[TopicPartition, int], timeout_ms: int
) -> dict[TopicPartition, list[Record]]:
    """What has been fetched of each partition, from its position on; waits for it at most `timeout_ms`.

    Raises:
        KafkaError: the broker refuses, or cannot be asked.
    """
    fetched: dict[TopicPartition, list[Record]] = {}
    try:
        fetched = await consumer.getmany(*positions, timeout_ms=timeout_ms)
    except UnicodeDecodeError:
        # A header whose name is not UTF-8, which the client cannot decode; what it had of other partitions is lost.
        for place, position in positions.items():
            consumer.seek(place, position)
            await fetch_leniently(consumer, place)
            fetched |= await consumer.getmany(place, timeout_ms=0)
    return fetched


class told:  # noqa: N801 - a context manager reads as a verb
    """Turns the client's errors into one that says what was being done."""

    def __init__(self, what: str):
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: Any, error: BaseException | None, _trace: Any) -> None:
        if isinstance(error, KafkaError):
            raise OperationError(f"{self._what}: {said(error)}; run `walletstream doctor`") from error


class Stream:
    """One partition's records up to an end, fetched ahead of being asked for."""

    def __init__(self, brokers: Brokers, place: TopicPartition, start: int, end: int):
        self._brokers = brokers
        self._consumer: AIOKafkaConsumer | None = None
        self._place = place
        self._position = start
        self._end = end
        self._ahead: asyncio.Task[list[Record]] | None = None

    async def next(self) -> list[Record] | None:
        """The next records, never an empty list; None where the position has reached the end.

        Raises:
            OperationError: the broker went away, or records were deleted while they were read.
        """
        # What was fetched ahead may have moved the position to the end already.
        while self._ahead is not None or self._position < self._end:
            if self._ahead is None:
                self._ahead = asyncio.create_task(self._fetch())
            task, self._ahead = self._ahead, None
            records = await task
            if self._position < self._end:
                self._ahead = asyncio.create_task(self._fetch())
            if records and records[-1].offset >= self._end:
                records = [record for record in records if record.offset < self._end]
            if records:
                return records
        return None

    def extend(self, end: int) -> None:
        """Read on, up to another end."""
        self._end = max(self._end, end)

    async def _fetch(self) -> list[Record]:
        """What one fetch brings, perhaps nothing; moves the position, past control records too."""
        place = self._place
        with told(f"cannot read {place.topic}/{place.partition} from offset {self._position}"):
            consumer = self._consumer or await self._start()
            waited_s = 0.0
            while True:
                fetched = await fetch(consumer, {place: self._position}, _POLL_MS)
                position = await consumer.position(place)
                if position > self._position:
                    self._position = position
                    return list(fetched.get(place, ()))
                waited_s += _POLL_MS / 1000
                if waited_s >= _STALLED_S:
                    raise OperationError(
                        f"{place.topic}/{place.partition} is not read past offset {position} of {self._end}: is the "
                        "broker up, and does the partition have a leader?"
                    )

    async def close(self) -> None:
        """Close the connection; closing twice does nothing."""
        if self._ahead is not None:
            self._ahead.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._ahead
            self._ahead = None
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stop_consumer(consumer)
        self._position = self._end

    async def _start(self) -> AIOKafkaConsumer:
        consumer = self._consumer = await start_consumer(self._brokers)
        consumer.assign([self._place])
        consumer.seek(self._place, self._position)
        return consumer

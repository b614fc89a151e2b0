"""Sends records in order within each partition, in batches that gather while the batch before is under way.

Cheaper by a multiple than `AIOKafkaProducer.send`, which makes a future for each record, and as prompt: a single
waiting record goes at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from ops.admin import topic_partitions
from ops.errors import OperationError
from streams.connection import Brokers, client_arguments
from streams.refusals import refusal_of, said

#: Bytes of one batch before compression; the broker takes 1 MiB.
_BATCH_BYTES: Final = 512 << 10
#: Records that may wait for one partition before `room` waits too.
_WAITING_RECORDS: Final = 20_000
#: A broker that takes no record for so long has gone: the client goes on trying for ever. A restart takes less.
_TAKEN_S: Final = 60.0
#: Longest that closing the connection may take.
_STOP_S: Final = 5.0

Headers = list[tuple[str, bytes]]
_NONE: Final[Headers] = []
#: Told of each batch that the broker holds: partition, offset of its first record, when each was to be sent.
OnSent = Callable[[int, int, Sequence[float]], None]


class _Waiting(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: Headers
    at: float


def _forget(_partition: int, _offset: int, _at: Sequence[float]) -> None:
    pass


class Sender:
    """An idempotent producer of one topic (`acks=all`), used as an async context manager.

    Args:
        brokers: where to connect to.
        topic: full name of the topic.
        on_sent: told of each batch that the broker holds.
        compression: `lz4`, or None.
    """

    def __init__(self, brokers: Brokers, topic: str, *, on_sent: OnSent = _forget, compression: str | None = "lz4"):
        self._brokers = brokers
        self._topic = topic
        self._on_sent = on_sent
        self._compression = compression
        self._waiting: list[list[_Waiting]] = []
        self._arrived: list[asyncio.Event] = []
        self._emptied = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._error: Exception | None = None
        self._under_way = 0
        #: Records that the broker holds.
        self.sent = 0

    async def __aenter__(self) -> Sender:
        """
        Raises:
            OperationError: no broker answers, or the topic is missing.
        """
        count = (await topic_partitions(self._brokers, [self._topic]))[self._topic]
        self._producer = AIOKafkaProducer(
            **client_arguments(self._brokers),
            enable_idempotence=True,
            acks="all",
            compression_type=self._compression,
            max_batch_size=_BATCH_BYTES,
            max_request_size=8 << 20,
            retry_backoff_ms=20,
        )
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise OperationError(f"cannot write to {self._topic}: {said(error)}") from error
        self._waiting = [[] for _ in range(count)]
        self._arrived = [asyncio.Event() for _ in range(count)]
        self._tasks = [asyncio.create_task(self._serve(index)) for index in range(count)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.flush()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            # It would wait for what it has not sent, and nobody does any more.
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await self._producer.stop()

    @property
    def partitions(self) -> int:
        """How many partitions the topic has."""
        return len(self._waiting)

    def put(
        self, partition: int, key: bytes | None, value: bytes | None, at: float = 0.0, headers: Headers = _NONE
    ) -> None:
        """Have a record sent; returns at once. `at` comes back in `on_sent`.

        Raises:
            OperationError: an earlier record could not be sent.
        """
        if self._error is not None:
            raise self._failure()
        self._under_way += 1
        self._waiting[partition].append(_Waiting(key, value, headers, at))
        self._arrived[partition].set()

    async def room(self) -> None:
        """Return once no partition has so much waiting that it would only fill memory.

        Raises:
            OperationError: a record could not be sent.
        """
        while self._error is None and any(len(waiting) > _WAITING_RECORDS for waiting in self._waiting):
            self._emptied.clear()
            await self._emptied.wait()
        if self._error is not None:
            raise self._failure()

    async def flush(self) -> None:
        """Return once the broker holds every record.

        Raises:
            OperationError: a record could not be sent.
        """
        while self._error is None and self._under_way:
            self._emptied.clear()
            await self._emptied.wait()
        if self._error is not None:
            raise self._failure()

    async def _serve(self, partition: int) -> None:
        """One partition's batches, one after the other."""
        arrived = self._arrived[partition]
        try:
            while True:
                await arrived.wait()
                arrived.clear()
                waiting, self._waiting[partition] = self._waiting[partition], []
                taken = 0
                while taken < len(waiting):
                    taken += await self._send_batch(partition, waiting, taken)
                    if not self._waiting[partition]:
                        self._emptied.set()
        except Exception as error:
            self._error = error
            self._emptied.set()

    async def _send_batch(self, partition: int, waiting: list[_Waiting], start: int) -> int:
        batch: Any = self._producer.create_batch()
        count = 0
        for key, value, headers, _ in waiting[start:] if start else waiting:
            if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
                break
            count += 1
        batch.close()
        async with asyncio.timeout(_TAKEN_S):
            sent = await self._producer.send_batch(batch, self._topic, partition=partition)
            metadata = await sent
        self._under_way -= count
        self.sent += count
        self._on_sent(partition, metadata.offset, [record.at for record in waiting[start : start + count]])
        return count

    def _failure(self) -> OperationError:
        error = self._error
        if isinstance(error, MessageSizeTooLargeError):
            return OperationError(f"a record is larger than {self._topic} takes: {error}")
        if isinstance(error, TimeoutError):
            return OperationError(
                f"no broker has taken a record of {self._topic} for {_TAKEN_S:g} s, {self.sent} were taken before: "
                "see whether it is up, then send all of them again"
            )
        if error is not None and (refusal := refusal_of(error)) is not None:
            return OperationError(f"sending to {self._topic} failed: {refusal}")
        return OperationError(f"sending to {self._topic} failed: {error!r}; see whether the broker is up, then go on")

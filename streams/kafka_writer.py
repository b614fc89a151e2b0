"""Writes a partition's batches: one Kafka transaction for each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import aiokafka.producer.sender
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    IllegalOperation,
    InvalidProducerEpoch,
    InvalidTransactionTimeout,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    RecordListTooLargeError,
)

from streams.connection import client_arguments
from streams.errors import Fenced, MessageTooLarge, Refused, Unavailable
from streams.machine import Message, Outgoing, Target
from streams.ports import LogPosition
from streams.settings import Settings

log = logging.getLogger(__name__)

#: What a record batch may hold before the next one begins. Kafka refuses a batch above the topic's
#: `max.message.bytes` (1 MiB) as a whole; a single record larger than this gets a batch of its own.
BATCH_BYTES: Final = 900 << 10
_STOP_S: Final = 4.0
_DROP_S: Final = 1.0
_NO_HEADERS: Final[list[tuple[str, bytes | None]]] = []

# aiokafka waits so long when a transaction starts while the markers of the one before are being written: 20 ms by
# its own default, and at a low rate nearly every transaction pays it.
aiokafka.producer.sender.BACKOFF_OVERRIDE = 0.002


class KafkaWriter:
    """A producer of its own whose `transactional.id` belongs to one partition of one role (a `LogWriter`)."""

    def __init__(
        self, settings: Settings, event_log: tuple[str, int], transactional_id: str, full_name: Callable[[str], str]
    ):
        """
        Args:
            settings: brokers and time limits.
            event_log: short name and partition of the event log.
            transactional_id: what fences: the same for every worker that ever owns the partition.
            full_name: the full name of a topic for its short one.
        """
        self._settings = settings
        self._event_log = event_log
        self._full_name = full_name
        self._producer: Any = None
        self.transactional_id = transactional_id

    async def fence(self) -> None:
        """Take over the transactional id; returns only once the old holder's transaction is finished.

        Raises:
            Unavailable: no broker answers.
            TimeoutError: the transaction coordinator did not answer in time.
            Refused: it does not take the time limit of transactions.
            KafkaError: it refused.
        """
        settings = self._settings
        self._producer = AIOKafkaProducer(
            **client_arguments(settings),
            client_id=self.transactional_id,
            transactional_id=self.transactional_id,
            transaction_timeout_ms=settings.transaction_timeout_ms,
            acks="all",
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=8 << 20,
            request_timeout_ms=10_000,
            retry_backoff_ms=50,
        )
        async with asyncio.timeout(settings.transaction_timeout_ms / 1000 + 10):
            try:
                await self._producer.start()
            except KafkaConnectionError as error:
                raise Unavailable(str(error)) from error
            except InvalidTransactionTimeout as error:
                raise Refused(
                    f"WALLETSTREAM_TRANSACTION_TIMEOUT_MS ({settings.transaction_timeout_ms} ms) is above "
                    "transaction.max.timeout.ms of the brokers: lower it, or raise theirs"
                ) from error

    async def transact(
        self, messages: Iterable[Message], before_commit: Callable[[LogPosition], Awaitable[None]] | None = None
    ) -> LogPosition:
        """Steps 3 and 4: write all messages in one transaction and commit it.

        Args:
            messages: the records; the last one of the event log is the seal.
            before_commit: awaited between the steps, with where the seal will be.

        Returns:
            Where the seal is; (-1, -1) where no message goes to the event log.

        Raises:
            Fenced: another incarnation holds the transactional id.
            MessageTooLarge: the broker does not take one of the records.
            Exception: anything else; the outcome is unknown.
        """
        producer = self._producer
        try:
            await producer.begin_transaction()
            position = await self._write(producer, messages)
            # Only now: the commit would succeed even if one of the batches had failed.
            if before_commit is not None:
                await before_commit(position)
            await producer.commit_transaction()
        except (KafkaError, IllegalOperation) as error:
            reason = _reason_of(producer, error)
            if isinstance(reason, ProducerFenced | InvalidProducerEpoch):
                held = f"{self.transactional_id} is held by somebody else, or its transaction timed out"
                raise Fenced(held) from reason
            if isinstance(reason, MessageSizeTooLargeError | RecordListTooLargeError):
                raise MessageTooLarge(str(reason)) from reason
            if reason is error:
                raise
            raise reason from error
        return position

    async def _write(self, producer: Any, messages: Iterable[Message]) -> LogPosition:
        """Step 3: send everything and wait until every batch is in the log."""
        packed = self._pack(producer, messages)
        sent: list[asyncio.Future[Any]] = []
        last_of_log: tuple[asyncio.Future[Any], int] | None = None
        try:
            # The first batches of all partitions go without a pause in between: one request opens them all.
            for turn in range(max(map(len, packed.values()), default=0)):
                for (topic, partition), batches in packed.items():
                    if turn < len(batches):
                        name = self._full_name(topic)
                        future = await producer.send_batch(batches[turn], name, partition=partition)
                        sent.append(future)
                        if (topic, partition) == self._event_log:
                            last_of_log = future, batches[turn].record_count()
            if sent:
                await asyncio.wait(sent, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for future in sent:
                future.add_done_callback(_seen)
        metadata = [future.result() for future in sent if future.done()]
        if len(metadata) < len(sent) or any(one.offset < 0 for one in metadata):
            raise KafkaError("the broker does not say where a batch went: the outcome is unknown")
        if last_of_log is None:
            return LogPosition(-1, -1)
        future, count = last_of_log
        seal_offset = future.result().offset + count - 1
        return LogPosition(seal_offset, seal_offset + 1)

    @staticmethod
    def _pack(producer: Any, messages: Iterable[Message]) -> dict[Target, list[Any]]:
        """Record batches of each partition, in the order of the messages."""
        outgoing = messages if isinstance(messages, Outgoing) else Outgoing(messages)
        now_ms = int(time.time() * 1000)
        packed: dict[Target, list[Any]] = {}
        for target, records in outgoing.by_target.items():
            if not records:
                continue
            batches = packed[target] = []
            batch, count = producer.create_batch(), 0
            append = batch._builder.append  # BatchBuilder.append costs three times as much
            for key, value, headers in records:
                listed = list(headers) if headers else _NO_HEADERS
                if append(count, now_ms, key, value, listed) is None:
                    batches.append(_closed(batch, count))
                    batch, count = producer.create_batch(), 0
                    append = batch._builder.append
                    append(0, now_ms, key, value, listed)
                count += 1
            batches.append(_closed(batch, count))
        return packed

    async def close(self) -> None:
        """Stop within 5 s, or be dropped with connections and tasks; raises nothing but a cancellation."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            async with asyncio.timeout(_STOP_S):
                await producer.stop()
        except Exception as error:
            # Stopping answers with what the transaction under way got, such as ProducerFenced. Nobody needs to know:
            # its outcome is unknown already, and the next writer fences it.
            log.warning("the producer of %s does not stop and is dropped: %r", self.transactional_id, error)
            await _drop(producer)
        except BaseException:
            await _drop(producer)
            raise
        finally:
            waiter = producer._txn_manager._transaction_waiter
            if waiter is not None:
                waiter.add_done_callback(_seen)


def _closed(batch: Any, count: int) -> Any:
    batch._relative_offset = count
    batch.close()
    return batch


def _reason_of(producer: Any, error: Exception) -> BaseException:
    """Why there is no transaction any more, where a batch is refused because there is none: it failed in between."""
    if isinstance(error, IllegalOperation):
        ended: asyncio.Future[Any] | None = producer._txn_manager._transaction_waiter
        if ended is not None and ended.done() and not ended.cancelled():
            return ended.exception() or error
    return error


def _seen(future: asyncio.Future[Any]) -> None:
    """Mark a failure as seen: another one has been raised already."""
    if not future.cancelled():
        future.exception()


async def _drop(producer: Any) -> None:
    producer._closed = True
    if (task := producer._sender.sender_task) is not None:
        task.cancel()
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_DROP_S):
            await producer.client.close()

"""Reads `transaction-outcomes` as a requester has to: committed outcomes only."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from ops.admin import topic_partitions
from ops.consuming import stop_consumer
from ops.errors import OperationError
from ops.reading import TopicReader, ask_briefly
from ops.tracker import Seen, Tracker, decode_seen
from schemas.topics import INTERNAL_COMMANDS, LEDGER_EVENTS, TRANSACTION_OUTCOMES, full_name
from streams.connection import Brokers, client_arguments
from streams.refusals import said

OnOutcomes = Callable[[list[Seen], float], None]

#: A fetch of partitions that have nothing holds up those that have, so it must not wait for long.
_FETCH_WAIT_MS = 5
#: A topic that others write to is seldom without a transaction; one of a worker's takes less.
_HELD_UP_AFTER_S = 1.0
_NO_WORKER = "; is a ledger worker running (`walletstream worker ledger`), and ready (/readyz)?"


class OutcomeReader:
    """Reads the outcomes that are committed from now on and hands them over, with the time at which they came."""

    def __init__(self, brokers: Brokers, namespace: str, consumer: AIOKafkaConsumer, on_outcomes: OnOutcomes):
        self._brokers = brokers
        self._namespace = namespace
        self._consumer = consumer
        self._on_outcomes = on_outcomes
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            fetched = await self._consumer.getmany(timeout_ms=1_000, max_records=5_000)
            if fetched:
                seen_at = time.perf_counter()
                values = [record.value for records in fetched.values() for record in records]
                self._on_outcomes([decode_seen(value) for value in values if value is not None], seen_at)

    def raise_failure(self) -> None:
        """Do nothing while it reads.

        Raises:
            OperationError: reading has failed.
        """
        if self._task.done() and (error := self._task.exception()) is not None:
            raise OperationError(f"reading outcomes failed: {said(error)}") from error

    async def held_up(self, requests: str) -> str | None:
        """Whose open transaction keeps requests of a topic (its short name) from being answered, for people.

        None where there is none, or no broker answers within seconds.
        """
        topics = (requests, TRANSACTION_OUTCOMES, INTERNAL_COMMANDS, LEDGER_EVENTS)

        async def question(reader: TopicReader) -> str | None:
            for topic in topics:
                ends = await reader.high_watermarks(topic)
                _, held_up = await reader.until_readable(topic, ends, _HELD_UP_AFTER_S)
                if held_up is not None:
                    return held_up
            return None

        return await ask_briefly(self._brokers, self._namespace, question)

    async def stop(self) -> None:
        """End reading."""
        self._task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await self._task


@asynccontextmanager
async def read_outcomes(brokers: Brokers, namespace: str, on_outcomes: OnOutcomes) -> AsyncIterator[OutcomeReader]:
    """Read the outcomes that are committed from now on, for as long as the context lasts.

    Raises:
        OperationError: no broker answers, or the topic is missing.
    """
    topic = full_name(namespace, TRANSACTION_OUTCOMES)
    count = (await topic_partitions(brokers, [topic]))[topic]
    consumer = AIOKafkaConsumer(
        **client_arguments(brokers),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="latest",
        fetch_max_wait_ms=_FETCH_WAIT_MS,
        max_partition_fetch_bytes=4 << 20,
    )
    try:
        await consumer.start()
        await _seek_to_end(consumer, [TopicPartition(topic, index) for index in range(count)])
        reader = OutcomeReader(brokers, namespace, consumer, on_outcomes)
        try:
            yield reader
        finally:
            await reader.stop()
    except KafkaError as error:
        raise OperationError(f"cannot read {topic}: {said(error)}; run `walletstream topics check`") from error
    finally:
        await stop_consumer(consumer)


async def _seek_to_end(consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]) -> None:
    consumer.assign(partitions)
    for partition, end in (await consumer.end_offsets(partitions)).items():
        consumer.seek(partition, end)


async def until_answered(
    tracker: Tracker, reader: OutcomeReader, *, timeout_s: float, settled: bool = True, poll_s: float = 0.02
) -> None:
    """Return once every request is answered and, with `settled`, no transfer is on its way.

    Raises:
        OperationError: nothing was answered for `timeout_s` seconds, or reading has failed.
    """
    last, changed_at = -1, time.monotonic()
    while tracker.waiting or (settled and tracker.settling):
        reader.raise_failure()
        now, answered = time.monotonic(), tracker.answered + sum(tracker.updates.values())
        if answered != last:
            last, changed_at = answered, now
        elif now - changed_at > timeout_s:
            held_up = await reader.held_up(tracker.topic)
            why = f": {held_up}; they are answered when it has ended" if held_up is not None else _NO_WORKER
            raise OperationError(
                f"{tracker.waiting} requests are unanswered and {tracker.settling} transfers unsettled, and nothing "
                f"came for {timeout_s:.0f} s{why}"
            )
        await asyncio.sleep(poll_s)

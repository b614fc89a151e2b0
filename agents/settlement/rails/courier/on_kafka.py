"""The courier on Kafka: a consumer group of its own over `settlement-batches`, and a producer for what rails say.

The group shares the partitions out; its offsets say from where the open batches of a partition can be read again.
What is written is written at least once, under ids that the settlement role takes once. Whoever was taken a partition
from may still finish a call: that is why every attempt asks the status first, and rails are idempotent by batch id.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from typing import Any, Final

from aiokafka import AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from agents.settlement.rails.courier.book import Book
from agents.settlement.rails.courier.courier import Courier
from agents.settlement.rails.courier.parts import parts_of
from agents.settlement.rails.courier.ports import Report
from schemas.partitioning import partition_of
from schemas.settlement_batches import decode_settlement_record
from schemas.settlement_internal import RailAnswered, encode_settlement_internal
from schemas.topics import SETTLEMENT_BATCHES, SETTLEMENT_INTERNAL, full_name
from streams import metrics
from streams.connection import client_arguments
from streams.errors import Refused
from streams.kafka_follower import follower
from streams.logs import fields
from streams.settings import Settings

log = logging.getLogger(__name__)

GROUP: Final = "settlement-courier"
_POLL_MS: Final = 100
_CHUNK_RECORDS: Final = 1_000
_COMMIT_EVERY_S: Final = 2.0
_STOP_S: Final = 3.0
#: A broker that has just become leader may not know at once how far its log goes.
_END_BELIEVED_AFTER_S: Final = 5.0
_ASK_AGAIN_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0


class KafkaReports:
    """Writes what rails say to the rail's partition of `settlement-internal`."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._topic = full_name(settings.namespace, SETTLEMENT_INTERNAL)
        self._producer: Any = None
        self._starting = asyncio.Lock()

    async def _started(self) -> Any:
        async with self._starting:
            if self._producer is None:
                producer = self._make()
                try:
                    await producer.start()
                except BaseException:
                    await _stop(producer)
                    raise
                self._producer = producer
        return self._producer

    def _make(self) -> Any:
        return AIOKafkaProducer(
            **client_arguments(self._settings),
            client_id=f"{self._settings.worker_id}-{GROUP}",
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_request_size=8 << 20,
            request_timeout_ms=10_000,
        )

    async def put(self, rail: str, report: Report) -> None:
        """Write a report and wait until it is in the log.

        Raises:
            KafkaError: whether it is there is not known.
        """
        if isinstance(report, RailAnswered):
            for part in parts_of(report.answer):
                await self._write(rail, RailAnswered(answer=part))
        else:
            await self._write(rail, report)

    async def _write(self, rail: str, report: Report) -> None:
        partition = partition_of(rail, self._settings.partitions)
        value = encode_settlement_internal(report)
        producer = await self._started()
        try:
            await producer.send_and_wait(self._topic, value, key=rail.encode(), partition=partition)
        except KafkaError:
            # An idempotent producer that has lost count fails for ever: the next report gets another one.
            if self._producer is producer:
                await self.close()
            raise
        state = report.answer.state if isinstance(report, RailAnswered) else "attempt_failed"
        metrics.RAIL_REPORTS.labels(rail, state).inc()

    async def close(self) -> None:
        """Stop the producer, or drop it."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop(producer)


async def _stop(client: Any) -> None:
    """Stop a producer or consumer, within some seconds or not."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_STOP_S):
            await client.stop()


class _Place:
    """One partition that is being read."""

    def __init__(self, book: Book, goal: int):
        self.book = book
        #: End of the log when it was assigned: until then what is read may long be over.
        self.goal = goal
        self.is_current = False
        self.committed = -1


class BatchesFollower(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Reads the partitions that the group assigns, and tells the courier."""

    def __init__(self, settings: Settings, courier: Courier):
        self._settings = settings
        self._courier = courier
        self._topic = full_name(settings.namespace, SETTLEMENT_BATCHES)
        self._consumer: Any = None
        self._unplaced: set[TopicPartition] = set()
        self._places: dict[TopicPartition, _Place] = {}
        self._commit_at_s = 0.0

    # ---- rebalances ----------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Nothing is done for these any more; what is read again from where is left behind."""
        await self._commit()
        for tp in revoked:
            self._places.pop(tp, None)
            self._unplaced.discard(tp)
            self._courier.disown(tp.partition)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """These are ours now; the loop places them."""
        for tp in list(self._places):
            self._courier.disown(tp.partition)
        self._places.clear()
        self._unplaced = set(assigned)

    # ---- the loop ------------------------------------------------------------------------------------

    async def run(self, stopped: asyncio.Event) -> None:
        """Follow until `stopped`.

        Raises:
            Refused: the log is another one than the group knows, or a record of it cannot be read.
            KafkaError: the broker refuses.
        """
        try:
            failures = 0
            while not stopped.is_set():
                try:
                    if self._consumer is None:
                        await self._start()
                    await self._turn()
                    failures = 0
                except (KafkaError, TimeoutError, OSError) as error:
                    if isinstance(error, KafkaError) and not error.retriable:
                        raise
                    # As long as brokers are away there is nothing to hand over: no reason to end the worker.
                    failures += 1
                    log.warning("reading %s failed: %r", SETTLEMENT_BATCHES, error, extra=fields(failures=failures))
                    await asyncio.sleep(min(_LONGEST_PAUSE_S, 0.1 * 2 ** min(failures, 10)))
        finally:
            await self._stop()

    async def _start(self) -> None:
        consumer = follower(self._settings, GROUP, fetch_max_wait_ms=100, max_partition_fetch_bytes=4 << 20)
        consumer.subscribe([self._topic], listener=self)
        try:
            await consumer.start()
        except BaseException:
            await _stop(consumer)
            raise
        self._consumer = consumer

    async def _stop(self) -> None:
        if self._consumer is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_STOP_S):
                    await self._commit()
            await _stop(self._consumer)

    async def _turn(self) -> None:
        for tp in list(self._unplaced):
            await self._place(tp)
        fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_CHUNK_RECORDS)
        for tp, records in fetched.items():
            for record in records:
                if tp in self._places:
                    self._take(tp, record)
        for tp, place in list(self._places.items()):
            if not place.is_current and await self._position(tp) >= place.goal and tp in self._places:
                place.is_current = True
                self._courier.current(tp.partition)
                log.info("courier of a partition", extra=fields(partition=tp.partition, rails=len(place.book.rails)))
        if asyncio.get_running_loop().time() >= self._commit_at_s:
            await self._commit()

    def _take(self, tp: TopicPartition, record: Any) -> None:
        try:
            decoded = decode_settlement_record(record.value or b"")
        except Exception as error:
            raise Refused(
                f"{tp.topic}/{tp.partition}, offset {record.offset}, cannot be read: {error}. It may be a batch that "
                "is to be paid: run a version that reads it"
            ) from error
        self._courier.take(tp.partition, record.offset, decoded)

    async def _place(self, tp: TopicPartition) -> None:
        """Read from the offset that the group knows, else from the beginning."""
        committed = await self._consumer.committed(tp)
        start = (await self._consumer.beginning_offsets([tp]))[tp]
        end = await self._checked_end(tp, committed or 0)
        if tp not in self._unplaced:  # taken away meanwhile
            return
        self._consumer.seek(tp, max(start, committed or 0))
        self._unplaced.discard(tp)
        self._places[tp] = _Place(self._courier.own(tp.partition), end)

    async def _checked_end(self, tp: TopicPartition, committed: int) -> int:
        deadline = asyncio.get_running_loop().time() + _END_BELIEVED_AFTER_S
        while True:
            end: int = (await self._consumer.end_offsets([tp]))[tp]
            if end >= committed:
                return end
            if asyncio.get_running_loop().time() > deadline:
                raise Refused(
                    f"{tp.topic}/{tp.partition} ends at {end}, but group {self._settings.namespace}{GROUP} has read it "
                    f"up to {committed}: it was recreated or truncated, and batches under way may be missing in it. "
                    "Restore the topic"
                )
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _position(self, tp: TopicPartition) -> int:
        try:
            position: int = await self._consumer.position(tp)
        except IllegalStateError:  # taken away meanwhile
            return -1
        return position

    async def _commit(self) -> None:
        """Leave behind from where each partition's open batches can be read again. A failure costs a longer reading."""
        self._commit_at_s = asyncio.get_running_loop().time() + _COMMIT_EVERY_S
        offsets = {}
        for tp, place in list(self._places.items()):
            low = place.book.low_water(await self._position(tp)) if place.is_current else -1
            if low > place.committed:
                offsets[tp] = low
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except KafkaError as error:
            log.warning("the courier's offsets cannot be committed: %r", error)
            return
        for tp, low in offsets.items():
            if tp in self._places:
                self._places[tp].committed = low

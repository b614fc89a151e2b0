"""Faust's consumer thread, where aiokafka runs: it fetches, and delivers what a processor has sought.

Only partitions that a processor has positioned by a seek are delivered, each batch with the positions before and
after it. Nothing else positions: a position that moves by itself means that records are gone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Mapping
from typing import Any, NamedTuple, TypeVar

import aiokafka
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import ConsumerStoppedError, InvalidSessionTimeoutError, KafkaError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.connection import client_arguments
from streams.errors import Refused
from streams.fetch import Drained, Undecodable, drain, held_up_at, hold_back, wait_for_chunk, wake
from streams.lenient import fetch_leniently
from streams.settings import Settings

T = TypeVar("T")

#: Most records that one message carries, and that one drain takes before it delivers: decoding holds the lock of
#: the interpreter, 1 ms for a thousand.
MAX_RECORDS = 1_000
MAX_RECORDS_AT_ONCE = 4_000
_DRAIN_WAIT_S = 1.0


class Fetched(NamedTuple):
    """What one drain took from one partition."""

    tp: TP
    incarnation: int
    drained: Drained


class BatchThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread. Methods marked so run in the thread; the others may be called from the main one."""

    def __init__(self, *args: Any, settings: Settings, **kwargs: Any):
        self._settings = settings
        #: The incarnation that positioned each partition; numbers are unique within the process.
        self._incarnations: dict[TP, int] = {}
        self._expected: dict[TP, int] = {}
        self._paused: set[TP] = set()
        super().__init__(*args, **kwargs)

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        """In the thread: the consumer of the group."""
        del transport
        settings, conf = self._settings, self.app.conf
        session_ms = int(settings.session_timeout_s * 1000)
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            **client_arguments(settings),
            # Equal counts and subscriptions: the range assignor gives all inputs of a partition to one member.
            partition_assignment_strategy=[RangePartitionAssignor],
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            check_crcs=True,
            # After a seek, or a pause, a partition waits for the fetch that is under way without it.
            fetch_max_wait_ms=50,
            fetch_max_bytes=16 << 20,
            max_partition_fetch_bytes=1 << 20,
            session_timeout_ms=session_ms,
            # Members hear of a rebalance by their heartbeat.
            heartbeat_interval_ms=max(100, session_ms // 10),
            rebalance_timeout_ms=15_000,
            max_poll_interval_ms=60_000,
            request_timeout_ms=20_000,
            # That a topic was recreated under a running consumer is noticed no later than so.
            metadata_max_age_ms=15_000,
        )

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """In the thread: from now on nothing is delivered until somebody seeks."""
        self._incarnations.clear()
        self._expected.clear()
        self._paused.clear()
        await super().on_partitions_revoked(revoked)

    async def run(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Run a coroutine in the thread and wait for it, at most `timeout_s`.

        Raises:
            TimeoutError: it took longer; it was cancelled.
        """
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, timeout_s), self.thread_loop)
        return await asyncio.wrap_future(future)

    @property
    def consumer_in_thread(self) -> Any:
        """aiokafka's consumer, for use in the thread."""
        return self._ensure_consumer()

    def answered_at_ms(self) -> int | None:
        """When a broker last answered a fetch, in Unix milliseconds; it does every 50 ms, records or not.

        None before the first answer.
        """
        return max((state.timestamp for _, state in self._states() if state.timestamp), default=None)

    def held_up(self) -> dict[TP, int]:
        """Partitions of which nothing more can be read, though there is more: a producer has a transaction open there.

        The value is where that begins, the last stable offset. Known of those that everything before was read of.
        """
        found = [(tp, held_up_at(state)) for tp, state in self._states() if tp in self._incarnations]
        return {TP(tp.topic, tp.partition): offset for tp, offset in found if offset is not None}

    def _states(self) -> list[tuple[Any, Any]]:
        """What aiokafka knows of each assigned partition, as of now."""
        consumer = self._consumer
        subscription = None if consumer is None else consumer._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        if assignment is None:
            return []
        states = [(tp, assignment.state_value(tp)) for tp in assignment.tps]
        return [(tp, state) for tp, state in states if state is not None]

    # ---- delivery ------------------------------------------------------------------------------

    async def next_fetched(self) -> list[Fetched]:
        """In the thread: what was fetched, or nothing after a second. Asking is what keeps the group membership."""
        consumer = self._ensure_consumer()
        fetcher = consumer._fetcher
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        self._check_group(consumer)
        deadline = self.thread_loop.time() + _DRAIN_WAIT_S
        with fetcher._subscriptions.fetch_context():
            while True:
                fetched = await self._drain_all(consumer)
                left_s = deadline - self.thread_loop.time()
                if fetched or left_s <= 0 or fetcher._closed:
                    return fetched
                await wait_for_chunk(fetcher, left_s)

    async def check_group(self) -> None:
        """In the thread: see whether the group has admitted the consumer, or may still do so.

        Raises:
            Refused: it takes no session as long as the settings ask for.
            KafkaError: it refuses for good, such as for want of a permission.
        """
        if self._consumer is not None and self._consumer._coordinator is not None:
            self._check_group(self._consumer)

    def _check_group(self, consumer: Any) -> None:
        """aiokafka's coordination stands still after an error until somebody has seen it."""
        try:
            consumer._coordinator.check_errors()
        except InvalidSessionTimeoutError as error:
            raise Refused(
                f"the brokers take no session of {self._settings.session_timeout_s:g} s: set "
                "WALLETSTREAM_SESSION_TIMEOUT_S to what is between their group.min.session.timeout.ms and "
                "group.max.session.timeout.ms"
            ) from error
        except KafkaError as error:
            if not error.retriable:
                raise
            self.log.warning("the consumer group goes on after %r", error)

    async def _drain_all(self, consumer: Any) -> list[Fetched]:
        fetcher, paused = consumer._fetcher, self._paused
        fetched: list[Fetched] = []
        left = MAX_RECORDS_AT_ONCE
        for tp in list(fetcher._records):
            if left <= 0:
                break
            incarnation = self._incarnations.get(tp)
            if incarnation is None or tp in paused:
                hold_back(fetcher, tp)
                continue
            try:
                drained = drain(fetcher, tp, MAX_RECORDS)
            except Undecodable as error:
                self.log.warning("reading leniently: %s", error)
                if not await self._fetch_leniently(consumer, tp):
                    continue
                if self._incarnations.get(tp) != incarnation:
                    continue
                drained = drain(fetcher, tp, MAX_RECORDS)
            if drained is not None:
                self._check_position(tp, drained)
                left -= len(drained.records)
                fetched.append(Fetched(TP(tp.topic, tp.partition), incarnation, drained))
                if tp in fetcher._records:
                    fetcher._records.move_to_end(tp)
        return fetched

    async def _fetch_leniently(self, consumer: Any, tp: TP) -> bool:
        """False where the broker cannot be asked now: the chunk was dropped and is fetched again."""
        try:
            await fetch_leniently(consumer, tp)
        except KafkaError as error:
            if not error.retriable:
                raise
            self.log.warning("%s/%s is read leniently later: %r", tp.topic, tp.partition, error)
            return False
        return True

    def _check_position(self, tp: TP, drained: Drained) -> None:
        """Nobody moves a position but seeks of ours and what is drained."""
        expected = self._expected[tp]
        if drained.start != expected:
            raise Refused(
                f"{tp.topic}/{tp.partition} was read up to {expected}, but the broker has no such offset any more and "
                f"goes on at {drained.start}: records were deleted unread, or the topic was truncated or recreated"
            )
        self._expected[tp] = drained.end

    # ---- control -------------------------------------------------------------------------------

    def seek_as(self, incarnation: int, positions: Mapping[TP, int]) -> None:
        """In the thread: position partitions; everything delivered from here on carries the incarnation.

        A seek that a later one, with a higher number, has overtaken does nothing.

        Raises:
            IllegalStateError: one of them is not assigned.
        """
        consumer = self._ensure_consumer()
        for tp, position in positions.items():
            if incarnation < self._incarnations.get(tp, 0):
                continue
            consumer.seek(tp, position)
            self._expected[tp] = position
            self._incarnations[tp] = incarnation

    def pause(self, tp: TP) -> None:
        """Deliver nothing of a partition from now on. What is fetched of it already waits."""
        self._paused.add(tp)

    def resume(self, tp: TP) -> None:
        """Deliver again, at once if anything waits."""
        self._paused.discard(tp)
        if self._consumer is not None and self._consumer._fetcher is not None:
            with contextlib.suppress(RuntimeError):  # the thread has ended
                self.thread_loop.call_soon_threadsafe(wake, self._consumer._fetcher)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's watch over its own commits has nothing to see here."""

"""Produces a stream at a bounded rate and shows every outcome to a witness, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.topics import TRANSACTION_OUTCOMES, TRANSACTION_REQUESTS, full_name
from streams.settings import Settings
from tests.crash.cluster import wait_until
from tests.crash.stories import Stories
from tests.crash.story import Record
from tests.crash.stream import Kind, Stream
from tests.crash.witness import Witness

_TURN_S: Final = 0.02
_DOUBLED_HEADER: Final = [("ce_id", b"a"), ("ce_id", b"b")]


class Traffic:
    """A context manager: traffic flows from entering it until `finish`, at most `backlog` records unanswered.

    Args:
        settings: where to.
        stream: what.
        rate: records a second at most.
        backlog: production waits while so many records are unanswered.
        limit: production ends by itself after so many records.
        stories: what is asked besides, every other record, where it is told.
    """

    def __init__(
        self,
        settings: Settings,
        stream: Stream,
        *,
        rate: float,
        backlog: int = 20_000,
        limit: int | None = None,
        stories: Stories | None = None,
    ):
        self.settings = settings
        self.stream = stream
        self.witness = Witness(stream)
        self.stories = stories
        self.limit = limit
        #: Production waits at this record until it is raised; None: it does not wait.
        self.gate: int | None = None
        self._rate = rate
        self._backlog = backlog
        self._failure: BaseException | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    # ---- for the test's thread -------------------------------------------------------------------

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(30)

    def check(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self._failure is not None:
            raise AssertionError(f"the traffic broke off: {self._failure!r}") from self._failure

    @property
    def produced(self) -> int:
        """Records produced, those of stories too."""
        return self.witness.produced + (0 if self.stories is None else self.stories.produced)

    @property
    def answered(self) -> int:
        """Records that are answered, those of stories too."""
        return self.witness.answered + (0 if self.stories is None else self.stories.answered)

    @property
    def in_flight(self) -> int:
        """Records produced and not yet answered."""
        return self.produced - self.answered

    def wait_answered(self, count: int, timeout_s: float = 60.0) -> float:
        """Wait until `count` records in all are answered; the seconds that it took.

        Raises:
            AssertionError: they were not in time.
        """

        def enough() -> bool:
            self.check()
            return self.answered >= count

        return wait_until(f"{count} answers", enough, timeout_s)

    def wait_alive(self, since_ms: float | None = None, timeout_s: float = 60.0) -> float:
        """Wait until every partition has committed an answer after `since_ms` (default: now); the seconds since then.

        Raises:
            AssertionError: one has not, in time.
        """
        since = time.time() * 1000 if since_ms is None else since_ms

        def alive() -> bool:
            self.check()
            return min(self.witness.latest_ms) > since

        wait_until("every partition answers again", alive, timeout_s, 0.02)
        return max(0.0, time.time() - since / 1000)

    def finish(self, timeout_s: float = 120.0) -> None:
        """Produce no more and wait until all is answered and every saga has ended.

        Raises:
            AssertionError: nothing has moved for `timeout_s`, and something is missing.
        """
        witness = self.witness
        self.limit = min(self.limit or self.produced, max(self.produced, self.stream.prelude))
        moved, moved_at = (-1, -1), time.monotonic()
        due: int | None = None
        while True:
            self.check()
            if self.produced >= self.limit:
                due = witness.updates_due() if due is None else due
                if self.stories is not None:
                    self.stories.is_ending = True
                is_told = self.stories is None or self.stories.is_done
                if witness.answered >= witness.produced and witness.updated >= due and is_told:
                    time.sleep(0.5)  # a doubled answer would come now
                    return
            now = (self.answered, witness.updated)
            if now != moved:
                moved, moved_at = now, time.monotonic()
            elif time.monotonic() - moved_at > timeout_s:
                waiting = [] if self.stories is None else self.stories.waiting()
                raise AssertionError(
                    f"nothing moves: {self.answered} of {self.produced} records are answered, "
                    f"{witness.updated} of {due} sagas have ended; stories wait for {waiting}"
                )
            time.sleep(0.1)

    def go_on(self) -> None:
        """Produce again after `finish`."""
        self.limit = None

    # ---- in the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._flow())
        except BaseException as error:
            self._failure = error

    async def _flow(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch())
            await self._produce()
            watching.cancel()

    async def _produce(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.bootstrap_servers,
            enable_idempotence=True,
            acks="all",
            linger_ms=5,
            max_batch_size=64 << 10,
            request_timeout_ms=60_000,
        )
        await producer.start()
        try:
            started, paid = time.monotonic(), 0.0
            while not self._ended.is_set():
                due = (time.monotonic() - started) * self._rate - paid
                room = self._room()
                # A stream that was held up does not catch up in one burst.
                count = max(0, min(int(due), room, int(self._rate * 0.5)))
                paid = max(paid + count, (time.monotonic() - started) * self._rate - self._rate)
                for number in range(count):
                    # Every other record is of a story, if one has something to say.
                    record = self.stories.take() if self.stories is not None and number % 2 else None
                    await (self._send(producer) if record is None else self._tell(producer, record))
                if count == 0:
                    await self._tell_on(producer)
                await asyncio.sleep(_TURN_S)
            await producer.flush()
        finally:
            await producer.stop()

    def _room(self) -> int:
        witness = self.witness
        room = self._backlog - self.in_flight
        if witness.answered < self.stream.prelude:
            # A transfer could overtake the opening of its payee's wallet.
            room = min(room, self.stream.prelude - witness.produced)
        for bound in (self.limit, self.gate):
            if bound is not None:
                room = min(room, bound - self.produced)
        return room

    async def _tell_on(self, producer: Any) -> None:
        """Stories that have begun go on even where nothing new is to begin."""
        for _ in range(int(self._rate * _TURN_S) + 1):
            record = None if self.stories is None else self.stories.take_following()
            if record is None:
                return
            await self._tell(producer, record)

    async def _tell(self, producer: Any, record: Record) -> None:
        topic = full_name(self.settings.namespace, record.topic)
        future = await producer.send(topic, record.value, key=record.key, partition=record.partition)
        self._when_delivered(future, partial(self._told, record))

    def _told(self, record: Record, offset: int) -> None:
        assert self.stories is not None
        self.stories.delivered(record, offset)

    def _when_delivered(self, future: asyncio.Future[Any], then: Callable[[int], None]) -> None:
        def delivered(done: asyncio.Future[Any]) -> None:
            if error := done.exception():
                self._failure = error
            else:
                then(done.result().offset)

        future.add_done_callback(delivered)

    async def _send(self, producer: Any) -> None:
        number = self.witness.produced
        request = self.stream.request(number)
        headers = _DOUBLED_HEADER if request.kind is Kind.MALFORMED else None
        topic = full_name(self.settings.namespace, TRANSACTION_REQUESTS)
        future = await producer.send(
            topic, request.value, key=request.key, partition=request.partition, headers=headers
        )
        self.witness.produced = number + 1

        self._when_delivered(future, partial(self.witness.delivered, number, request.partition))

    async def _watch(self) -> None:
        topic = full_name(self.settings.namespace, TRANSACTION_OUTCOMES)
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.settings.bootstrap_servers,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
        )
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, partition) for partition in range(self.stream.partitions)])
            outcome, stories = self.witness.outcome, self.stories
            while True:
                for tp, records in (await consumer.getmany(timeout_ms=200, max_records=5_000)).items():
                    for record in records:
                        if stories is None or not stories.outcome(record.value):
                            outcome(tp.partition, record.value, record.timestamp)
                    self.witness.answered_at(tp.partition, records[-1].timestamp)
        finally:
            await consumer.stop()

"""Follows the event log and keeps the views up to it: a consumer of the views' group that resumes from the store.

The group only shares the partitions out. It knows no offsets: a partition is read from the position in the store, and
whatever the group believes, a record is applied once (`agents.views.store`). A rebalance only posts what it means;
the loop does it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError

from agents.views.chunk import Chunk, LogGap, Position
from agents.views.database import Unavailable
from agents.views.store import Applied, ViewStore
from schemas.topics import LEDGER_EVENTS, full_name
from streams import metrics
from streams.errors import Refused
from streams.foreground import pause
from streams.kafka_follower import follower
from streams.logs import fields
from streams.settings import Settings

log = logging.getLogger(__name__)

ROLE: Final = "views"

_POLL_MS: Final = 250
#: Most records of one SQL transaction.
_CHUNK_RECORDS: Final = 5_000
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 5.0
#: A broker that has just become leader may not know at once how far its log goes.
_END_BELIEVED_AFTER_S: Final = 5.0
_ASK_AGAIN_S: Final = 0.5


@dataclass
class Place:
    """One partition that is being followed."""

    #: Where the next chunk begins.
    start: int
    #: End of the log when it was placed: until then the views are catching up.
    goal: int
    position: Position

    @property
    def is_current(self) -> bool:
        """True once the views have reached what was there when the partition was placed."""
        return self.position.next_offset >= self.goal


class Follower(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Applies what the ledger commits, for those partitions that the group assigns."""

    def __init__(self, settings: Settings, store: ViewStore):
        self._settings = settings
        self._store = store
        self._topic = full_name(settings.namespace, LEDGER_EVENTS)
        self._consumer: Any = None
        #: Assigned, and to be read from where the store says.
        self.unplaced: set[TopicPartition] = set()
        self.places: dict[TopicPartition, Place] = {}
        self.is_assigned = False
        self.assignments = 0
        #: Why the last turn failed; empty where it did not.
        self.failing = ""
        self._gaps: dict[TopicPartition, str] = {}

    # ---- rebalances ----------------------------------------------------------------------------------

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Nothing is applied any more until the group has assigned anew."""
        del revoked
        self.is_assigned = False
        self.unplaced.clear()
        self.places.clear()

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """These are ours now; the loop places them."""
        self.unplaced = set(assigned)
        self.places.clear()
        self.is_assigned = True
        self.assignments += 1

    # ---- the loop ------------------------------------------------------------------------------------

    async def run(self, stopped: asyncio.Event) -> None:
        """Follow until `stopped`.

        Raises:
            Refused: the log is not the one that the views were made from, or one of its records cannot be read.
            ViewsError: the store is another version's, or did not answer `max_failures` times in a row.
            KafkaError: the broker refuses.
        """
        self._consumer = follower(self._settings, ROLE, fetch_max_wait_ms=200, max_partition_fetch_bytes=2 << 20)
        self._consumer.subscribe([self._topic], listener=self)
        await self._consumer.start()
        try:
            failures = 0
            while not stopped.is_set():
                try:
                    await self._turn()
                    failures, self.failing = 0, ""
                except (Unavailable, KafkaError) as error:
                    if isinstance(error, KafkaError) and not error.retriable:
                        raise
                    failures += 1
                    self._failed(error, failures)
                    if failures >= self._settings.max_failures:
                        raise
                    await pause(stopped, min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**failures))
        finally:
            await self._consumer.stop()

    def _failed(self, error: Exception, failures: int) -> None:
        """All is read again from where the store says: whether the last chunk was written shows there."""
        self.failing = str(error) or type(error).__name__
        log.warning("failed: %s", self.failing, extra=fields(failures=failures))
        metrics.FAILURES.labels("", type(error).__name__).inc()
        self.unplaced |= self.places.keys()
        self.places.clear()

    async def _turn(self) -> None:
        """Place what is new, and apply what was fetched."""
        for tp in list(self.unplaced):
            await self._place(tp)
        fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_CHUNK_RECORDS)
        # Those without records too: control records move a position alone.
        for tp, place in list(self.places.items()):
            try:
                end = await self._consumer.position(tp)
            except IllegalStateError:  # taken away meanwhile
                continue
            records = [(record.offset, record.value or b"") for record in fetched.get(tp, ())]
            if end > place.start and self.places.get(tp) is place:
                await self._apply(tp, place, Chunk(tp.partition, place.start, end, records))

    async def _place(self, tp: TopicPartition) -> None:
        """Read on from where the store stands."""
        position = await asyncio.to_thread(self._store.position, tp.partition)
        end = await self._checked_end(tp, position)
        if tp not in self.unplaced:  # taken away meanwhile
            return
        self._consumer.seek(tp, position.next_offset)
        self.unplaced.discard(tp)
        self.places[tp] = Place(position.next_offset, end, position)
        log.info("following", extra=fields(partition=tp.partition, offset=position.next_offset, end=end))

    async def _checked_end(self, tp: TopicPartition, position: Position) -> int:
        """The end of the log, if the log holds what follows the position."""
        start = (await self._consumer.beginning_offsets([tp]))[tp]
        if start > position.next_offset:
            raise Refused(
                f"{tp.topic}/{tp.partition} starts at {start}, but the views reflect it only up to "
                f"{position.next_offset}: the events between were deleted, restore the topic"
            )
        deadline = time.monotonic() + _END_BELIEVED_AFTER_S
        while True:
            end: int = (await self._consumer.end_offsets([tp]))[tp]
            if end >= position.next_offset:
                return end
            if time.monotonic() > deadline:
                raise Refused(
                    f"{tp.topic}/{tp.partition} ends at {end}, but the views reflect it up to {position.next_offset}: "
                    "the topic was recreated or truncated; `walletstream views rebuild` makes them anew from what it is"
                )
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _apply(self, tp: TopicPartition, place: Place, chunk: Chunk) -> None:
        began = time.perf_counter()
        try:
            done = await asyncio.to_thread(self._store.apply, chunk)
        except LogGap as gap:
            self._refuse_repeated(tp, gap)
            if self.places.pop(tp, None) is not None:
                self.unplaced.add(tp)
            return
        self._gaps.pop(tp, None)
        place.position, place.start = done.position, done.position.next_offset
        if place.start > chunk.end and self.places.get(tp) is place:
            self._consumer.seek(tp, place.start)
        _count(tp.partition, done, time.perf_counter() - began)

    def _refuse_repeated(self, tp: TopicPartition, gap: LogGap) -> None:
        """Once is a rebuild under us, or a fetch that began elsewhere; read again from the store it must fit."""
        log.warning("reading again: %s", gap, extra=fields(partition=tp.partition))
        if self._gaps.get(tp) == str(gap):
            raise Refused(
                f"{tp.topic}/{tp.partition} does not continue what the views reflect: {gap}. Run "
                "`walletstream verify`; if the log is whole, the views are of another one: `walletstream views rebuild`"
            ) from gap
        self._gaps[tp] = str(gap)

    # ---- what is told --------------------------------------------------------------------------------

    def lag_records(self, tp: TopicPartition) -> int:
        """Offsets that the views do not reflect, also what a transaction hides; by a broker's last answer."""
        place = self.places.get(tp)
        if place is None or self._consumer is None:
            return 0
        known: int | None = self._consumer.highwater(tp)
        end = place.goal if known is None else known
        return max(0, end - place.position.next_offset)

    def silence_s(self) -> float:
        """Seconds since a broker last answered; 0 before the first answer."""
        answered = [self._consumer.last_poll_timestamp(tp) for tp in self.places]
        last_ms = max((at for at in answered if at), default=None)
        return 0.0 if last_ms is None else max(0.0, time.time() - last_ms / 1000)


def _count(partition: int, done: Applied, took_s: float) -> None:
    metrics.VIEW_RACES.labels(partition).inc(done.races)
    metrics.VIEW_RECORDS.labels(partition).inc(done.records)
    for table, rows in done.rows.items():
        metrics.VIEW_ROWS.labels(table).inc(rows)
    if done.records:
        metrics.VIEW_WRITE_SECONDS.observe(took_s)

"""Follows the topics of reference data for the life of a worker: reads them wholly, then what is committed to them.

Without a group: every worker reads everything. After any failure, and after so long without a broker that tombstones
may have been compacted away unread, the topics are read from their begin again, beside what is in use.

What somebody's open transaction hides is waited for, but not as long as Kafka lets it be open: workers that run see no
more of it, and no partition is to stand still for it. What is decided by is as old as that then, and `age_s` says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from schemas.topics import full_name
from streams.connection import client_arguments
from streams.fetch import Drained, Undecodable, drain, held_up_at, high_watermarks, wait_for_chunk
from streams.lenient import fetch_leniently
from streams.reference_data import ReferenceData, ReferenceRecord
from streams.refusals import refusal_of
from streams.settings import Settings

log = logging.getLogger(__name__)

_STALLED_S: Final = 30.0
_WAIT_S: Final = 1.0
#: Longer than a transaction of ours takes that nobody has to end.
_HELD_UP_S: Final = 20.0
_STOP_S: Final = 1.0
_FIRST_BACKOFF_S: Final = 0.25
_LONGEST_BACKOFF_S: Final = 5.0
_MAX_RECORDS: Final = 1_000
#: Kafka keeps tombstones for a day at least; who has heard nothing for so long reads everything again.
_REREAD_AFTER_S: Final = 3_600.0

_WHILE_AWAY: Final = (KafkaError, TimeoutError, OSError, Undecodable)


class ReferenceFollower:
    """Reads the topics of reference data into a `ReferenceData`, in the event loop that it is called from."""

    def __init__(self, settings: Settings, topics: Sequence[str], data: ReferenceData):
        """`topics` are short names, of topics with one partition."""
        self._settings = settings
        self._names = {TopicPartition(full_name(settings.namespace, name), 0): name for name in topics}
        self._data = data
        self._consumer: Any = None
        self._answered_at_s = time.time()
        #: Topic -> since when somebody's open transaction is seen to hide what is behind.
        self._held_since_s: dict[str, float] = {}

    def age_s(self) -> float:
        """For how many seconds something may have been said that is not known here."""
        now_s, held_up = time.monotonic(), self.held_up()
        self._held_since_s = {name: self._held_since_s.get(name, now_s) for name in held_up}
        return max(self.silence_s(), now_s - min(self._held_since_s.values(), default=now_s))

    def held_up(self) -> dict[str, int]:
        """Topic (short name) -> where an open transaction begins that hides what was committed behind it."""
        found = {self._names[place]: held_up_at(state) for place, state in self._states().items()}
        return {name: offset for name, offset in found.items() if offset is not None}

    def silence_s(self) -> float:
        """Seconds since a broker last answered for every topic; a broker does twice a second, news or not."""
        if not self._names:
            return 0.0
        now_s, answers_ms = time.time(), [state.timestamp or 0 for state in self._states().values()]
        # A clock that was ahead when a broker answered, and is set back, must not make it an answer of the future.
        self._answered_at_s = min(now_s, max(self._answered_at_s, min(answers_ms, default=0) / 1000))
        return now_s - self._answered_at_s

    def _states(self) -> dict[TopicPartition, Any]:
        """What aiokafka knows of each topic's partition; empty while there is no connection."""
        consumer = self._consumer
        subscription = None if consumer is None else consumer._subscription.subscription
        if subscription is None:
            return {}
        return {place: subscription.assignment.state_value(place) for place in self._names}

    async def load(self, on_failure: Callable[[str], None] = lambda _why: None) -> bool:
        """Read all topics to their ends as they are now; returns True once it is done, however long brokers take.

        `on_failure` is told why it is not yet, each time that an attempt fails.

        Raises:
            KafkaError: this user may not read one of the topics.
        """
        backoff_s = _FIRST_BACKOFF_S
        while self._names:
            try:
                await self._read_all()
                break
            except _WHILE_AWAY as error:
                if refusal_of(error) is not None:
                    raise
                why = str(error) or type(error).__name__
                log.warning("reference data cannot be read, trying again: %s", why)
                on_failure(why)
            await self.close()
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1.0))
            backoff_s = min(_LONGEST_BACKOFF_S, 2 * backoff_s)
        return True

    async def follow(self) -> None:
        """Take what is committed from now on, for ever; `load` has come before. Ends only with its task.

        Raises:
            KafkaError: this user may not read one of the topics any more.
        """
        if not self._names:
            await asyncio.get_running_loop().create_future()
        while True:
            try:
                while self.silence_s() < _REREAD_AFTER_S:
                    for name, drained in await self._fetched(_WAIT_S):
                        for record in drained.records:
                            self._data.take(ReferenceRecord(name, record.offset, record.key, record.value))
                log.warning("no news of reference data for %g s: reading all of it again", _REREAD_AFTER_S)
            except _WHILE_AWAY as error:
                if refusal_of(error) is not None:
                    raise
                log.warning("reading all reference data again: %r", error)
            await self.close()
            await self.load()

    async def close(self) -> None:
        """Close the connections, within a second or without waiting."""
        self.silence_s()
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_STOP_S):
                    await consumer.stop()

    async def _read_all(self) -> None:
        """
        Raises:
            KafkaError, TimeoutError, OSError, Undecodable: it cannot be read now; nothing has changed.
        """
        places = list(self._names)
        async with asyncio.timeout(_STALLED_S):
            consumer = await self._connect()
            starts = await consumer.beginning_offsets(places)
            ends = await high_watermarks(consumer._fetcher, places, int(_STALLED_S * 1000))
        consumer.assign(places)
        for place in places:
            consumer.seek(place, starts[place])
        table = self._data.new_table()
        unread = {self._names[place]: ends[place] for place in places if starts[place] < ends[place]}
        heard_at_s = time.monotonic()
        while unread:
            for name, drained in await self._fetched(_WAIT_S):
                heard_at_s = time.monotonic()
                for record in drained.records:
                    table.take(ReferenceRecord(name, record.offset, record.key, record.value))
                if drained.end >= unread.get(name, 0):
                    unread.pop(name, None)
            silent_s, held_up = time.monotonic() - heard_at_s, self.held_up()
            if silent_s > _HELD_UP_S and unread.keys() <= held_up.keys():
                hidden = ", ".join(f"{name} from offset {held_up[name]} on" for name in unread)
                log.warning("going on without what somebody's open transaction hides of reference data: %s", hidden)
                break
            if silent_s > _STALLED_S:
                raise TimeoutError(f"reading {', '.join(unread)} has stood still for {_STALLED_S:g} s")
        self._data.replace(table)

    async def _connect(self) -> Any:
        self._consumer = AIOKafkaConsumer(
            **client_arguments(self._settings),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            check_crcs=True,
            # An answer for want of news; news come at once.
            fetch_max_wait_ms=500,
            request_timeout_ms=20_000,
            metadata_max_age_ms=15_000,
        )
        await self._consumer.start()
        return self._consumer

    async def _fetched(self, wait_s: float) -> list[tuple[str, Drained]]:
        """What has been fetched of each topic; where nothing has, waits for it at most `wait_s`."""
        consumer = self._consumer
        fetched = []
        for place, name in self._names.items():
            try:
                drained = drain(consumer._fetcher, place, _MAX_RECORDS)
            except Undecodable as error:
                log.warning("reading leniently: %s", error)
                await fetch_leniently(consumer, place)
                drained = drain(consumer._fetcher, place, _MAX_RECORDS)
            if drained is not None:
                fetched.append((name, drained))
        if not fetched:
            await wait_for_chunk(consumer._fetcher, wait_s)
        return fetched

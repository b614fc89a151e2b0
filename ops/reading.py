"""Reads topics of a ledger as everybody has to: committed records only, from an offset or a time to the end.

Used by `verify`, `tail`, `wallet show`, `tx show`, `dlq` and the crash campaign.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata

from ops.admin import connect
from ops.consuming import Bounds, Record, Stream, fetch, start_consumer, stop_consumer, told
from ops.errors import OperationError
from schemas.topics import full_name
from streams.connection import Brokers as Brokers
from streams.connection import address_of, client_arguments
from streams.fetch import high_watermarks

T = TypeVar("T")
#: Longest that a question waits which shall be answered without a broker too.
_BRIEFLY_S: Final = 5.0
#: Whoever follows a topic on which nothing arrives asks so often whether the broker is there still.
_QUIET_S: Final = 5.0
#: A broker that is away for longer than a restart takes has gone.
_AWAY_S: Final = 30.0
#: For how long what others write in transactions may hide what is committed: workers' take ten seconds at most.
READABLE_AFTER_S: Final = 20.0
#: The same for whoever only shows what there is, and says that it is not all.
_SHOWN_AFTER_S: Final = 2.0
_LOOK_AGAIN_S: Final = 0.05
#: Called with the offsets read so far and all that are to be read.
OnProgress = Callable[[int, int], None]
#: Told that a transaction of somebody hides a part of a topic.
OnHeldUp = Callable[[str], None]


class TopicReader:
    """Reads the topics of one namespace by their short names; made by `open_reader`."""

    def __init__(self, brokers: Brokers, namespace: str, asking: AIOKafkaConsumer, on_held_up: OnHeldUp | None = None):
        """`on_held_up`: see `open_reader`."""
        self.brokers = brokers
        self.namespace = namespace
        self._asking = asking
        self._on_held_up = on_held_up
        self._told: set[str] = set()
        self._cluster: ClusterMetadata | None = None
        self._streams: list[Stream] = []

    async def stop(self) -> None:
        """Close all connections."""
        for stream in self._streams:
            await stream.close()
        await stop_consumer(self._asking)

    async def partition_count(self, name: str) -> int:
        """How many partitions a topic has.

        Raises:
            OperationError: it is missing, or this user may not know it.
        """
        topic = full_name(self.namespace, name)
        found = None if self._cluster is None else self._cluster.partitions_for_topic(topic)
        if not found:
            self._cluster = await self._metadata()
            found = self._cluster.partitions_for_topic(topic)
        if not found:
            # Whoever asks for all topics is not told of those that he may not know.
            async with connect(self.brokers) as admin:
                await admin.partition_counts([topic])
            raise OperationError(
                f"topic {topic} is missing on {address_of(self.brokers)}; run `walletstream topics apply`, or set "
                "WALLETSTREAM_NAMESPACE to the one in use"
            )
        return len(found)

    async def _metadata(self) -> ClusterMetadata:
        client = AIOKafkaClient(**client_arguments(self.brokers))
        try:
            with told("cannot ask for the topics"):
                await client.bootstrap()
                return await client.fetch_all_metadata()
        finally:
            await client.close()

    async def places(self, name: str, partitions: Collection[int] | None = None) -> list[TopicPartition]:
        """The topic's partitions, or those named.

        Raises:
            OperationError: the topic, or one of the partitions, is missing.
        """
        count = await self.partition_count(name)
        wanted = range(count) if partitions is None else sorted(partitions)
        topic = full_name(self.namespace, name)
        for partition in wanted:
            if not 0 <= partition < count:
                raise OperationError(f"{topic} has no partition {partition}; it has 0 to {count - 1}")
        return [TopicPartition(topic, partition) for partition in wanted]

    async def bounds(self, name: str, partitions: Collection[int] | None = None) -> dict[int, Bounds]:
        """Bounds of a topic's partitions, as far as they can be read now: see `whole_bounds`.

        Raises:
            OperationError: the topic is missing, or the broker does not say.
        """
        places = await self.places(name, partitions)
        with told(f"cannot ask for the offsets of {name}"):
            ends = await self._asking.end_offsets(places)
            starts = await self._asking.beginning_offsets(places)
        return {place.partition: Bounds(starts[place], ends[place]) for place in places}

    async def whole_bounds(self, name: str, partitions: Collection[int] | None = None) -> dict[int, Bounds]:
        """Bounds of a topic's partitions, once all that is in them now can be read.

        Behind the begin of an open transaction nobody sees what others have committed since: whoever decides or
        reports from what a topic holds would take less than there is, and not know it.

        Raises:
            OperationError: see `bounds`; or somebody has had a transaction open for too long, and nobody is to be told.
        """
        on_held_up = self._on_held_up
        patience_s = READABLE_AFTER_S if on_held_up is None else _SHOWN_AFTER_S
        bounds, held_up = await self.until_readable(name, await self.high_watermarks(name, partitions), patience_s)
        if held_up is not None:
            if on_held_up is None:
                raise OperationError(f"{held_up}: try again when it has ended")
            if held_up not in self._told:
                self._told.add(held_up)
                on_held_up(held_up)
        return bounds

    async def until_readable(
        self, name: str, ends: Mapping[int, int], patience_s: float
    ) -> tuple[dict[int, Bounds], str | None]:
        """Bounds of a topic's partitions once they reach `ends`, or when that has been waited for; and `held_up` then.

        Raises:
            OperationError: see `bounds`.
        """
        began_at = time.monotonic()
        while True:
            bounds = await self.bounds(name, ends)
            held_up = self.held_up(name, ends, bounds)
            if held_up is None or held_up in self._told or time.monotonic() - began_at > patience_s:
                return bounds, held_up
            await asyncio.sleep(_LOOK_AGAIN_S)

    def held_up(self, name: str, ends: Mapping[int, int], bounds: Mapping[int, Bounds]) -> str | None:
        """What hides a part of what was up to `ends`, for people; None where nothing does."""
        for partition, end in ends.items():
            if (stable := bounds[partition].end) < end:
                return (
                    f"somebody has a transaction open on {full_name(self.namespace, name)}/{partition} from offset "
                    f"{stable} on, which hides what others have committed since (`kafka-transactions.sh "
                    "describe-producers` says whose it is)"
                )
        return None

    async def high_watermarks(self, name: str, partitions: Collection[int] | None = None) -> dict[int, int]:
        """By partition the offset that comes next, whether all before it is committed or not.

        Raises:
            OperationError: the topic is missing, or the broker does not say.
        """
        places = await self.places(name, partitions)
        with told(f"cannot ask for the offsets of {name}"):
            ends = await high_watermarks(self._asking._fetcher, places, self._asking._request_timeout_ms)
        return {place.partition: ends[place] for place in places}

    def stream(self, name: str, partition: int, start: int, end: int) -> Stream:
        """The records of one partition from `start` up to `end`."""
        place = TopicPartition(full_name(self.namespace, name), partition)
        stream = Stream(self.brokers, place, start, end)
        self._streams.append(stream)
        return stream

    async def read(
        self,
        name: str,
        partitions: Collection[int] | None = None,
        starts: Mapping[int, int] | None = None,
        on_progress: OnProgress | None = None,
    ) -> AsyncIterator[list[Record]]:
        """All records up to the end as it is now, partition by partition, in chunks; from `starts` where given.

        `on_progress` is called before each chunk is handed over, and at the end.

        Raises:
            OperationError: see `whole_bounds` and `Stream.next`.
        """
        bounds = await self.whole_bounds(name, partitions)
        ranges = {p: (max(first, (starts or {}).get(p, first)), end) for p, (first, end) in bounds.items()}
        total = sum(max(0, end - start) for start, end in ranges.values())
        done = 0
        for partition, (start, end) in ranges.items():
            stream = self.stream(name, partition, start, end)
            try:
                while (records := await stream.next()) is not None:
                    if on_progress is not None:
                        on_progress(done + records[-1].offset + 1 - start, total)
                    yield records
            finally:
                await stream.close()
            done += max(0, end - start)
        if on_progress is not None:
            on_progress(done, total)

    async def last(self, name: str, partition: int, count: int) -> list[Record]:
        """The last `count` records of a partition, fewer where it holds fewer.

        Raises:
            OperationError: see `bounds` and `Stream.next`.
        """
        bounds = (await self.bounds(name, [partition]))[partition]
        reach = count + 2
        while True:
            start = max(bounds.start, bounds.end - reach)
            found: list[Record] = []
            async for records in self.read(name, [partition], {partition: start}):
                found += records
            if len(found) >= count or start == bounds.start:
                return found[-count:]
            # Control records and aborted ones take offsets too.
            reach *= 4

    async def follow(self, name: str, starts: Mapping[int, int]) -> AsyncIterator[list[Record]]:
        """Records from `starts` on, for ever, as they are committed; ends only with its task.

        Where nothing comes, whoever is to be told that a transaction hides something is.

        Raises:
            OperationError: the broker went away and did not come back, or an offset is not there any more.
        """
        consumer = await start_consumer(self.brokers)
        try:
            places = await self.places(name, starts.keys())
            consumer.assign(places)
            positions = {place: starts[place.partition] for place in places}
            for place, position in positions.items():
                consumer.seek(place, position)
            asked = time.monotonic()
            while True:
                with told(f"cannot read {name}"):
                    fetched = await fetch(consumer, positions, 1_000)
                for place, records in fetched.items():
                    positions[place] = records[-1].offset + 1
                    yield records
                if fetched:
                    asked = time.monotonic()
                elif time.monotonic() - asked >= _QUIET_S:
                    await self._still_there(name, places)
                    if self._on_held_up is not None:
                        await self.whole_bounds(name, starts)
                    asked = time.monotonic()
        finally:
            await stop_consumer(consumer)

    async def _still_there(self, name: str, places: list[TopicPartition]) -> None:
        """The client's consumer reconnects for ever: a topic without news looks like one without a broker.

        Raises:
            OperationError: no broker answers for these partitions, for longer than a restart of it takes.
        """
        try:
            async with asyncio.timeout(_AWAY_S):
                with told(f"cannot read {name}"):
                    await self._asking.end_offsets(places)
        except TimeoutError as error:
            raise OperationError(
                f"cannot read {name} any more: no broker at {address_of(self.brokers)} has answered for {_AWAY_S:g} s; "
                "see whether it is up and run `walletstream doctor`"
            ) from error


@asynccontextmanager
async def open_reader(
    brokers: Brokers, namespace: str, on_held_up: OnHeldUp | None = None
) -> AsyncIterator[TopicReader]:
    """A reader that is connected for as long as the context lasts.

    Where a transaction of somebody hides a part of what is to be read, `on_held_up` is told so after two seconds, and
    what can be read is; without it reading waits, and fails in the end.

    Raises:
        OperationError: no broker answers.
    """
    reader = TopicReader(brokers, namespace, await start_consumer(brokers), on_held_up)
    try:
        yield reader
    finally:
        await reader.stop()


async def ask_briefly(brokers: Brokers, namespace: str, question: Callable[[TopicReader], Awaitable[T]]) -> T | None:
    """What a question comes to that shall be answered without a broker too; None where none answers within seconds."""
    try:
        async with asyncio.timeout(_BRIEFLY_S), open_reader(brokers, namespace) as reader:
            return await question(reader)
    except (OperationError, TimeoutError):
        return None

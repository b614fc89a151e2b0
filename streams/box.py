"""The box of a partition: what was fetched for it and waits to be decided.

Kafka offsets alone cannot show a hole in the input, for control records leave gaps. So each fetched batch
carries the consumer's position before and after it, and the incarnation that sought there. A batch is taken
only if it starts where the last one ended.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from operator import attrgetter
from typing import Any, Final

from streams.errors import Refused
from streams.machine import InputRecord
from streams.seal import Span

#: What a header weighs besides its name and value: a record may hold hundreds of thousands of empty ones.
_HEADER_BYTES: Final = 32

# Every record is looked at several times: without a step of the interpreter for each.
_timestamps: Final[Any] = attrgetter("timestamp")
_keys: Final[Any] = attrgetter("key")
_values: Final[Any] = attrgetter("value")
_headers: Final[Any] = attrgetter("headers")


@dataclass(slots=True)
class InputBatch:
    """Records of one input partition, and the positions before (`start`) and after (`end`) them."""

    topic: str
    partition: int
    start: int
    end: int
    incarnation: int
    records: Sequence[InputRecord]


class Offer(Enum):
    """What became of an offered batch."""

    TAKEN = auto()
    STALE = auto()
    HOLE = auto()


@dataclass(slots=True)
class _Waiting:
    records: Sequence[InputRecord]
    taken: int
    end: int
    #: Bytes of the records that are left.
    size: int

    @property
    def has_records(self) -> bool:
        """False where only a position waits."""
        return self.taken < len(self.records)


@dataclass(slots=True)
class Taken:
    """What one cycle decides: for each input the records in order, and the span of positions they cover."""

    records: list[tuple[str, Sequence[InputRecord]]]
    spans: dict[str, Span]
    count: int


class Box:
    """Bounded, ordered by input: the first topic goes first, and each has a guaranteed share of a batch."""

    def __init__(self, shares: Mapping[str, float], max_records: int, max_bytes: int):
        self._shares = dict(shares)
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._waiting: dict[str, deque[_Waiting]] = {topic: deque() for topic in shares}
        self._expected: dict[str, int] = {}
        self._position: dict[str, int] = {}
        self._records: dict[str, int] = dict.fromkeys(shares, 0)
        self._bytes: dict[str, int] = dict.fromkeys(shares, 0)
        #: The seek that each topic's batches must come from; 0 where none is taken.
        self._seek: dict[str, int] = dict.fromkeys(shares, 0)
        self.arrived = asyncio.Event()
        #: Append time of the newest record that waits, in Unix milliseconds.
        self.newest_ms = 0

    def open(self, incarnation: int, positions: Mapping[str, int]) -> None:
        """Empty the box and expect every input at its position, from this incarnation only."""
        self.close()
        self._seek = dict.fromkeys(positions, incarnation)
        self._expected = dict(positions)
        self._position = dict(positions)

    def close(self) -> None:
        """Empty the box and take nothing until it is opened again."""
        self._seek = dict.fromkeys(self._shares, 0)
        for topic, waiting in self._waiting.items():
            waiting.clear()
            self._records[topic] = 0
            self._bytes[topic] = 0
        self.newest_ms = 0
        self.arrived.clear()

    def offer(self, batch: InputBatch) -> Offer:
        """Put a fetched batch into the box if it continues where the last one ended.

        Raises:
            Refused: the consumer jumped backwards without a seek of ours.
        """
        topic = batch.topic
        if batch.incarnation != self._seek[topic] or batch.incarnation == 0:
            return Offer.STALE
        expected = self._expected[topic]
        if batch.start > expected:
            return Offer.HOLE
        if batch.start < expected:
            raise Refused(
                f"the consumer jumped back from {expected} to {batch.start} on {topic}/{batch.partition} "
                "without being told to: was the topic truncated or recreated?"
            )
        records = batch.records
        if batch.end <= expected:
            return Offer.TAKEN
        self._expected[topic] = batch.end
        waiting = self._waiting[topic]
        if not records:
            self._move_only(waiting, batch.end)
            return Offer.TAKEN
        size = _bytes_of(records)
        waiting.append(_Waiting(records, 0, batch.end, size))
        self.newest_ms = max(self.newest_ms, *map(_timestamps, records))
        self._records[topic] += len(records)
        self._bytes[topic] += size
        self.arrived.set()
        return Offer.TAKEN

    @staticmethod
    def _move_only(waiting: deque[_Waiting], end: int) -> None:
        """Only control records were passed: the position moves, nobody has to wake up for it."""
        if waiting:
            waiting[-1].end = end
        else:
            waiting.append(_Waiting((), 0, end, 0))

    def seek_again(self, topic: str, incarnation: int) -> int:
        """After a hole: take only what a seek numbered `incarnation` brings; returns where it must go."""
        self._seek[topic] = incarnation
        return self._expected[topic]

    def awaits(self, topic: str, incarnation: int) -> bool:
        """True where the topic's batches must come from the seek numbered `incarnation`."""
        return self._seek[topic] == incarnation

    def is_full(self, topic: str) -> bool:
        """True where the topic's partition has to be paused."""
        return self._records[topic] >= self._max_records or self._bytes[topic] >= self._max_bytes

    def has_room(self, topic: str) -> bool:
        """True where a paused partition may be resumed: half of the bounds are free."""
        return self._records[topic] * 2 <= self._max_records and self._bytes[topic] * 2 <= self._max_bytes

    @property
    def waiting_records(self) -> int:
        """Records in the box."""
        return sum(self._records.values())

    @property
    def oldest_ms(self) -> int | None:
        """Append time, Unix milliseconds, of the oldest record in the box; None where there is none."""
        batches = (batch for waiting in self._waiting.values() for batch in waiting if batch.has_records)
        return min((batch.records[batch.taken].timestamp for batch in batches), default=None)

    @property
    def has_moved(self) -> bool:
        """True where anything waits, be it only a position."""
        return any(self._waiting.values())

    def take(self, max_records: int, max_bytes: int) -> Taken:
        """Step 1: take what waits, in order of the inputs, each up to its share, then what room is left."""
        parts: dict[str, list[InputRecord]] = {}
        before = dict(self._position)
        budget = [max_records, max_bytes]
        for topic, share in self._shares.items():
            # Of the bytes too, or an input of large records would keep the others waiting until it has none.
            most = max(1, int(max_records * share))
            most_bytes = min(budget[1], max(int(max_bytes * share), self._next_bytes(topic)))
            own = [budget[0], most_bytes]
            self._draw(topic, parts, own, most)
            budget = [own[0], budget[1] - most_bytes + own[1]]
        for topic in self._shares:
            self._draw(topic, parts, budget, max_records)
        if not self.waiting_records:
            self.newest_ms = 0
            self.arrived.clear()
        spans = {topic: Span(before[topic], self._position[topic]) for topic in self._shares}
        records: list[tuple[str, Sequence[InputRecord]]] = [(t, parts[t]) for t in self._shares if parts.get(t)]
        return Taken(records, spans, sum(len(part) for _, part in records))

    def _next_bytes(self, topic: str) -> int:
        """Bytes of the topic's next record; 0 where none waits."""
        heads = (waiting.records[waiting.taken] for waiting in self._waiting[topic] if waiting.has_records)
        head = next(heads, None)
        return 0 if head is None else _bytes_of((head,))

    def _draw(self, topic: str, parts: dict[str, list[InputRecord]], budget: list[int], most: int) -> None:
        """Move records of one topic into `parts` while the budget of records and bytes lasts."""
        waiting = self._waiting[topic]
        while waiting:
            head = waiting[0]
            left = len(head.records) - head.taken
            if left:
                drawn = self._draw_records(head, topic, parts, min(most, budget[0]), budget)
                most -= drawn
                if drawn < left:
                    return
            self._position[topic] = head.end
            waiting.popleft()

    def _draw_records(
        self, head: _Waiting, topic: str, parts: dict[str, list[InputRecord]], most: int, budget: list[int]
    ) -> int:
        part = parts.setdefault(topic, [])
        wanted = head.records[head.taken : head.taken + most]
        size = head.size if len(wanted) == len(head.records) - head.taken else _bytes_of(wanted)
        # One record always fits, or a large one could never be taken.
        at_least = 0 if any(parts.values()) else 1
        if size > budget[1] and len(wanted) > at_least:
            wanted = _fitting(wanted, budget[1], at_least)
            size = _bytes_of(wanted)
        drawn = len(wanted)
        part += wanted
        head.taken += drawn
        head.size -= size
        budget[0] -= drawn
        budget[1] -= size
        self._records[topic] -= drawn
        self._bytes[topic] -= size
        if drawn:
            self._position[topic] = part[-1].offset + 1
        return drawn


def _fitting(records: Sequence[InputRecord], max_bytes: int, at_least: int) -> Sequence[InputRecord]:
    """The first records that fit, and `at_least` so many."""
    for index, record in enumerate(records):
        max_bytes -= _bytes_of((record,))
        if max_bytes < 0 and index >= at_least:
            return records[:index]
    return records


def _bytes_of(records: Sequence[InputRecord]) -> int:
    size = sum(map(len, filter(None, map(_values, records)))) + sum(map(len, filter(None, map(_keys, records))))
    for headers in filter(None, map(_headers, records)):
        size += sum([len(name) + len(value or b"") + _HEADER_BYTES for name, value in headers])
    return size

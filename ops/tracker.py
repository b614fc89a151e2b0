"""Which requests were sent, which are answered, and how long each answer took. Pure.

Requests and outcomes are matched by where the request stands in its topic (partition and offset), which an
outcome names as its `source`: exact for duplicates and malformed records too.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from ops.latencies import Latencies
from schemas.topics import TRANSACTION_REQUESTS

_FOREIGN: Final = 0
_WAITING: Final = 1
_ANSWERED: Final = 2


class SeenSource(msgspec.Struct, frozen=True, gc=False):
    """The record that an outcome speaks of."""

    topic: str
    partition: int
    offset: int


class Seen(msgspec.Struct, frozen=True, gc=False):
    """The part of an outcome that is needed to match it."""

    kind: str
    code: str
    source: SeenSource
    operation: str | None = None
    state: str | None = None
    replayed: bool = False


decode_seen: Final = msgspec.json.Decoder(Seen).decode


class _Partition:
    """What became of the records of one partition, from the first one sent on."""

    __slots__ = ("at", "early", "first", "states")

    def __init__(self) -> None:
        self.first = -1
        self.states = bytearray()
        self.at = array("d")
        #: Outcomes that were seen before the broker's acknowledgement of their request.
        self.early: list[tuple[Seen, float]] = []

    def append(self, base_offset: int, at: Sequence[float]) -> None:
        if self.first < 0:
            self.first = base_offset
        foreign = base_offset - self.first - len(self.states)
        if foreign:
            self.states.extend(bytes(foreign))
            self.at.extend([0.0] * foreign)
        self.states.extend(bytes([_WAITING]) * len(at))
        self.at.extend(at)


class Tracker:
    """Matches what was sent with what was answered.

    Args:
        topic: short name of the topic that the requests are sent to.
    """

    def __init__(self, topic: str = TRANSACTION_REQUESTS) -> None:
        self.topic = topic
        self._partitions: dict[int, _Partition] = {}
        #: Transfers that are on their way to another partition.
        self._settling: set[tuple[int, int]] = set()
        self.sent = 0
        self.answered = 0
        self.replayed = 0
        #: Answers to requests that had been answered: must stay 0.
        self.doubled = 0
        #: Answers by code, and updates by code.
        self.codes: Counter[str] = Counter()
        self.updates: Counter[str] = Counter()
        #: From when a request was to be sent to when its answer was read.
        self.latencies = Latencies()

    @property
    def waiting(self) -> int:
        """Requests that are not answered yet."""
        return self.sent - self.answered

    @property
    def settling(self) -> int:
        """Transfers that are answered `processed` and wait for their payee's partition."""
        return len(self._settling)

    def on_sent(self, partition: int, base_offset: int, at: Sequence[float]) -> None:
        """The broker holds a batch of requests that begins at `base_offset`; `at` says when each was to be sent."""
        part = self._partitions.setdefault(partition, _Partition())
        part.append(base_offset, at)
        self.sent += len(at)
        if part.early:
            early, part.early = part.early, []
            for seen, seen_at in early:
                self._take(part, seen, seen_at)

    def on_outcomes(self, outcomes: Iterable[Seen], seen_at: float) -> None:
        """Outcomes were read, at a time of the same clock as `at` above."""
        for seen in outcomes:
            if seen.source.topic == self.topic:
                part = self._partitions.setdefault(seen.source.partition, _Partition())
                self._take(part, seen, seen_at)

    def _take(self, part: _Partition, seen: Seen, seen_at: float) -> None:
        offset = seen.source.offset
        index = offset - part.first
        if part.first < 0 or index >= len(part.states):
            part.early.append((seen, seen_at))
            return
        state = part.states[index] if index >= 0 else _FOREIGN
        if state == _FOREIGN:
            return
        if seen.kind == "update":
            self.updates[seen.code] += 1
            self._settling.discard((seen.source.partition, offset))
        elif state == _ANSWERED:
            self.doubled += 1
        else:
            part.states[index] = _ANSWERED
            self.answered += 1
            self.codes[seen.code] += 1
            self.replayed += seen.replayed
            self.latencies.add(seen_at - part.at[index])
            if seen.operation == "transfer" and seen.state == "processed" and not seen.replayed:
                self._settling.add((seen.source.partition, offset))

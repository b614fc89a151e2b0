"""The partitions of an in-memory Kafka: records, control records, and what a reader with `read_committed` sees.

Control records take offsets; nothing is visible from the last stable offset on, and an aborted record never is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

CREATE_TIME, LOG_APPEND_TIME = 0, 1

Headers = Sequence[tuple[str, bytes | None]]


class StoredRecord(NamedTuple):
    """A record as a consumer sees it."""

    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(slots=True, eq=False)
class Span:
    """A transaction's part in one partition."""

    first_offset: int
    #: True: committed, False: aborted, None: neither yet.
    committed: bool | None = None


class Partition:
    """One partition: its entries in offset order, control records included (as None)."""

    def __init__(self, topic: str, index: int, max_bytes: int, append_time: bool):
        self.topic, self.index = topic, index
        self.max_bytes, self.append_time = max_bytes, append_time
        self.start = 0
        self._entries: list[tuple[StoredRecord | None, Span | None]] = []
        self._open: dict[int, Span] = {}

    @property
    def end(self) -> int:
        """High watermark: the offset that comes next."""
        return len(self._entries)

    @property
    def last_stable(self) -> int:
        """First offset of the first open transaction, or the end where none is open."""
        return min((span.first_offset for span in self._open.values()), default=len(self._entries))

    def append(
        self, now_ms: int, key: bytes | None, value: bytes | None, headers: Headers, producer: int | None = None
    ) -> int:
        """Append a data record; `producer` where it belongs to that producer's transaction."""
        offset = len(self._entries)
        span = None
        if producer is not None:
            span = self._open.get(producer)
            if span is None:
                span = self._open[producer] = Span(offset)
        kind = LOG_APPEND_TIME if self.append_time else CREATE_TIME
        self._entries.append((StoredRecord(offset, now_ms, kind, key, value, headers), span))
        return offset

    def mark(self, producer: int, commit: bool) -> None:
        """Write the control record that ends the producer's transaction here."""
        span = self._open.pop(producer)
        span.committed = commit
        self._entries.append((None, span))

    def fetch(self, position: int, most: int) -> tuple[list[StoredRecord], int]:
        """Up to `most` committed records from `position`, and the position behind all that was passed."""
        found: list[StoredRecord] = []
        at, stable = max(position, self.start), self.last_stable
        while at < stable:
            record, span = self._entries[at]
            if record is not None and (span is None or span.committed):
                if len(found) == most:
                    break
                found.append(record)
            at += 1
        return found, max(at, position)

    def committed(self) -> list[StoredRecord]:
        """Every committed record below the last stable offset, deleted ones too."""
        return [
            record
            for record, span in self._entries[: self.last_stable]
            if record is not None and (span is None or span.committed)
        ]

    def delete_before(self, offset: int) -> None:
        """Retention: offsets below are gone."""
        self.start = max(self.start, min(offset, self.end))

    def truncate(self, end: int) -> None:
        """Lose the tail from `end` on; transactions that lost their marker are aborted."""
        del self._entries[end:]
        self._open = {}
        ended = {id(span) for record, span in self._entries if record is None}
        cut = {id(span): span for _, span in self._entries if span is not None and id(span) not in ended}
        for span in cut.values():
            span.committed = False
            self._entries.append((None, span))
        self.start = min(self.start, self.end)

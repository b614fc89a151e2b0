"""Input records and batches for tests of the runtime."""

from __future__ import annotations

from streams.box import InputBatch
from streams.machine import Headers
from tests.simulation.memory_log import LOG_APPEND_TIME, StoredRecord


def record(
    offset: int,
    value: bytes | None = b"v",
    timestamp: int = 1_000,
    timestamp_type: int = LOG_APPEND_TIME,
    key: bytes | None = None,
    headers: Headers = (),
) -> StoredRecord:
    """A record, by default without key and headers."""
    return StoredRecord(offset, timestamp, timestamp_type, key, value, headers)


def batch(
    topic: str, start: int, end: int, *offsets: int, incarnation: int = 1, value: bytes = b"v", timestamp: int = 1_000
) -> InputBatch:
    """A fetched batch of records at `offsets`, of partition 0."""
    return InputBatch(topic, 0, start, end, incarnation, [record(o, value, timestamp) for o in offsets])

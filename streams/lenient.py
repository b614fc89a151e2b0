"""Reads records that aiokafka cannot decode: header names that are not UTF-8.

Kafka takes any bytes as a header's name, and librdkafka sends them. aiokafka raises on such a record, and would for
ever: one producer could stop a partition. Here the name is decoded as Kafka's Java client does it, with U+FFFD for
what is not UTF-8; the record then gets its answer or dead letter as every other bad one.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException, NoError, for_code
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.util import decode_varint
from aiokafka.structs import TopicPartition

_LENGTH = struct.Struct(">i")
_LENGTH_AT = 8
_BEFORE_LENGTH_ENDS = 12


class LenientRecord:
    """A decoded record (an `InputRecord`)."""

    __slots__ = ("headers", "key", "offset", "timestamp", "timestamp_type", "value")
    #: aiokafka asks for it; records of this format have none.
    checksum: Final = None

    def __init__(
        self,
        offset: int,
        timestamp: int,
        timestamp_type: int,
        key: bytes | None,
        value: bytes | None,
        headers: list[tuple[str, bytes | None]],
    ):
        self.offset = offset
        self.timestamp = timestamp
        self.timestamp_type = timestamp_type
        self.key = key
        self.value = value
        self.headers = headers


class LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """A record batch (format 2) whose header names may be any bytes."""

    _pos: int

    def _read_msg(self, *_unused: Any) -> LenientRecord:
        length = self._varint()
        ends_at = self._pos + length
        self._pos += 1  # attributes of a record are unused
        later_by_ms = self._varint()
        stamped_by_broker = self.timestamp_type == self.LOG_APPEND_TIME
        timestamp = self.max_timestamp if stamped_by_broker else self.first_timestamp + later_by_ms
        offset = self.base_offset + self._varint()
        key = self._bytes()
        value = self._bytes()
        headers = []
        for _ in range(self._varint()):
            name = self._bytes()
            if name is None:
                raise CorruptRecordException(f"a header without a name at offset {offset}")
            headers.append((name.decode(errors="replace"), self._bytes()))
        if self._pos != ends_at:
            raise CorruptRecordException(f"the record at offset {offset} is not as long as it says")
        return LenientRecord(offset, timestamp, self.timestamp_type, key, value, headers)

    def _varint(self) -> int:
        value: int
        value, self._pos = decode_varint(self._buffer, self._pos)
        return value

    def _bytes(self) -> bytes | None:
        length = self._varint()
        if length < 0:
            return None
        start, self._pos = self._pos, self._pos + length
        return bytes(self._buffer[start : self._pos])


class LenientBatches:
    """The record batches of a fetch response, as `PartitionRecords` iterates over them."""

    def __init__(self, data: bytes):
        self._data = data
        self._pos = 0

    def has_next(self) -> bool:
        """True where a whole batch is left; the last one of a response may be cut."""
        return self._end() <= len(self._data)

    def next_batch(self) -> LenientBatch:
        """The next batch."""
        start, self._pos = self._pos, self._end()
        return LenientBatch(self._data[start : self._pos])

    def _end(self) -> int:
        after_length = self._pos + _BEFORE_LENGTH_ENDS
        if after_length > len(self._data):
            return after_length
        length: int = _LENGTH.unpack_from(self._data, self._pos + _LENGTH_AT)[0]
        return after_length + length


async def fetch_leniently(consumer: Any, tp: TopicPartition) -> None:
    """Fetch a partition from its position once more and leave the chunk, decoded leniently, to be drained.

    Raises:
        KafkaError: the broker cannot be asked, or refuses.
    """
    fetcher = consumer._fetcher
    subscription = consumer._subscription.subscription
    assignment = None if subscription is None else subscription.assignment
    if assignment is None or tp not in assignment.tps or not assignment.state_value(tp).has_valid_position:
        return
    state = assignment.state_value(tp)
    position = state.position
    request = FetchRequest(
        fetcher._fetch_max_wait_ms,
        1,
        fetcher._fetch_max_bytes,
        fetcher._isolation_level,
        [(tp.topic, [(tp.partition, position, fetcher._max_partition_fetch_bytes)])],
        rack_id="",
    )
    response = await consumer._client.send(consumer._client.cluster.leader_for_partition(tp), request)
    ((_topic, ((_partition, error_code, _highwater, *rest),)),) = response.topics
    if (error_type := for_code(error_code)) is not NoError:
        raise error_type(f"{tp.topic}/{tp.partition} cannot be fetched")
    if not assignment.active or not state.has_valid_position or state.position != position:
        return
    aborted = rest[2] if response.API_VERSION >= 11 else rest[-2]
    chunk = PartitionRecords(
        tp,
        LenientBatches(bytes(rest[-1])),
        aborted,
        position,
        None,
        None,
        fetcher._check_crcs,
        fetcher._isolation_level,
    )
    fetcher._records[tp] = FetchResult(tp, assignment=assignment, partition_records=chunk, backoff=0)

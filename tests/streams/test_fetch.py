from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.subscription_state import Assignment
from aiokafka.errors import CorruptRecordException, TopicAuthorizationFailedError
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from streams.fetch import Undecodable, drain, hold_back, wait_for_chunk, wake
from streams.lenient import LenientBatches

TP = TopicPartition("requests", 0)


class NotUtf8(str):
    """A header name that is written as other bytes."""

    def encode(self, *_: Any, **__: Any) -> bytes:
        return b"\xff"


def chunk_of(values: list[bytes], bad_header_at: int | None = None) -> bytes:
    """A record batch at offset 0."""
    builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, 0, 1 << 20)
    for offset, value in enumerate(values):
        headers: list[tuple[str, bytes | None]] = [(NotUtf8("x"), b"1")] if offset == bad_header_at else []
        builder.append(offset, 1_700_000_000_000 + offset, b"k", value, headers)
    return bytes(builder.build())


class Fetcher:
    """The parts of aiokafka's fetcher that `drain` touches, with one fetched chunk."""

    def __init__(self, data: bytes, position: int = 0, records: Any = None, check_crcs: bool = True):
        self.assignment = Assignment([TP])
        self.state = self.assignment.state_value(TP)
        self.state.seek(position)
        chunk = PartitionRecords(
            TP, records or MemoryRecords(data), [], position, None, None, check_crcs, READ_COMMITTED
        )
        self._records: OrderedDict[TopicPartition, Any] = OrderedDict()
        self._records[TP] = FetchResult(TP, assignment=self.assignment, partition_records=chunk, backoff=0.1)
        self._wait_consume_future = asyncio.get_running_loop().create_future()
        self._fetch_waiters: set[asyncio.Future[None]] = set()

    def _notify(self, future: asyncio.Future[None]) -> None:
        if not future.done():
            future.set_result(None)

    def _create_fetch_waiter(self) -> asyncio.Future[None]:
        waiter = asyncio.get_running_loop().create_future()
        self._fetch_waiters.add(waiter)
        return waiter

    @property
    def asks_for_more(self) -> bool:
        return self._wait_consume_future.done()


def in_loop(check: Any) -> None:
    async def main() -> None:
        await check()

    asyncio.run(main())


def test_positions_are_those_before_and_after() -> None:
    async def check() -> None:
        fetcher = Fetcher(chunk_of([b"a", b"b", b"c"]))
        first = drain(fetcher, TP, 2)
        assert first is not None
        assert (first.start, first.end, [record.value for record in first.records]) == (0, 2, [b"a", b"b"])
        assert not fetcher.asks_for_more
        second = drain(fetcher, TP, 2)
        assert second is not None
        assert (second.start, second.end, [record.value for record in second.records]) == (2, 3, [b"c"])
        assert fetcher.asks_for_more
        assert drain(fetcher, TP, 2) is None

    in_loop(check)


def test_a_position_that_only_moves_is_reported() -> None:
    """The last records of a batch may be gone, or a transaction's marker follow: the position passes them alone."""

    async def check() -> None:
        data = bytearray(chunk_of([b"a", b"b"]))
        data[23:27] = (5).to_bytes(4, "big")  # LastOffsetDelta
        fetcher = Fetcher(bytes(data), check_crcs=False)
        first = drain(fetcher, TP, 2)
        assert first is not None
        assert (first.start, first.end, len(first.records)) == (0, 2, 2)
        assert drain(fetcher, TP, 2) == (2, 6, [])
        assert drain(fetcher, TP, 2) is None

    in_loop(check)


def transaction_of(offset: int, values: list[bytes], producer_id: int = 7) -> bytes:
    """A record batch of a transaction."""
    builder = _DefaultRecordBatchBuilderPy(2, 0, 1, producer_id, 0, 0, 1 << 20)
    for at, value in enumerate(values):
        builder.append(at, 1_700_000_000_000, b"k", value, [])
    return offset.to_bytes(8, "big") + bytes(builder.build())[8:]


def marker(offset: int, *, is_commit: bool) -> bytes:
    """A control batch that ends a transaction."""
    builder = _DefaultRecordBatchBuilderPy(2, 0, 1, 7, 0, 0, 1 << 20)
    builder.append(0, 1_700_000_000_000, b"\0\0\0\1" if is_commit else b"\0\0\0\0", b"", [])
    data = bytearray(builder.build())
    data[22] |= 0x20
    return offset.to_bytes(8, "big") + bytes(data[8:])


@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("most", [1, 2, 3, 5, 100])
def test_it_reads_what_aiokafka_does(position: int, most: int) -> None:
    """Several batches, markers, an aborted transaction; the first batch may begin before the position.

    What is drained joins, whatever was passed in between.
    """
    data = b"".join(
        (
            transaction_of(0, [b"a", b"b", b"c"]),
            marker(3, is_commit=True),
            transaction_of(4, [b"aborted", b"aborted"]),
            marker(6, is_commit=False),
            transaction_of(7, [b"d"]),
            transaction_of(8, [b"e", b"f", b"g", b"h"]),
            marker(12, is_commit=True),
        )
    )

    async def check() -> None:
        theirs, ours = Fetcher(data, position, check_crcs=False), Fetcher(data, position, check_crcs=False)
        for fetcher in (theirs, ours):
            fetcher._records[TP]._partition_records._aborted_transactions = [(7, 4)]
        result, at = theirs._records[TP], position
        while TP in ours._records:
            expected = [(record.offset, record.value) for record in result.getall(most)]
            drained = drain(ours, TP, most)
            assert ours.state.position == theirs.state.position
            assert (drained.start, drained.end) == (at, ours.state.position) if drained else at == ours.state.position
            at = ours.state.position
            assert [(r.offset, r.value) for r in (drained.records if drained else ())] == expected
            assert result.has_more() == (TP in ours._records)
        assert ours.state.position == 13

    in_loop(check)


def test_after_a_record_that_cannot_be_decoded_the_chunk_is_fetched_again() -> None:
    """To go on with it, as aiokafka does, would move the position past the records before, which nobody got."""

    async def check() -> None:
        fetcher = Fetcher(chunk_of([b"a", b"b", b"c"], bad_header_at=2))
        with pytest.raises(Undecodable, match="requests/0 from offset 0"):
            drain(fetcher, TP, 10)
        assert fetcher.state.position == 0
        assert TP not in fetcher._records
        assert fetcher.asks_for_more

    in_loop(check)


def test_a_wrong_checksum_is_an_error_and_moves_nothing() -> None:
    async def check() -> None:
        data = bytearray(chunk_of([b"a", b"b"]))
        data[-1] ^= 1
        fetcher = Fetcher(bytes(data))
        with pytest.raises(CorruptRecordException):
            drain(fetcher, TP, 10)
        assert fetcher.state.position == 0
        assert TP not in fetcher._records

    in_loop(check)


def test_the_broker_s_refusal_is_raised_once() -> None:
    async def check() -> None:
        fetcher = Fetcher(b"", records=LenientBatches(b""))
        fetcher._records[TP] = FetchError(error=TopicAuthorizationFailedError("requests"), backoff=0.1)
        with pytest.raises(TopicAuthorizationFailedError):
            drain(fetcher, TP, 10)
        assert drain(fetcher, TP, 10) is None

    in_loop(check)


def test_what_was_fetched_for_an_old_assignment_or_position_is_dropped() -> None:
    async def check() -> None:
        fetcher = Fetcher(chunk_of([b"a"]))
        fetcher.assignment._unassign()
        assert drain(fetcher, TP, 10) is None
        assert TP not in fetcher._records
        fetcher = Fetcher(chunk_of([b"a"]))
        fetcher.state.await_reset(-2)
        assert drain(fetcher, TP, 10) is None
        assert TP not in fetcher._records
        for position, sought in ((0, 7), (2, 0)):
            fetcher = Fetcher(chunk_of([b"a", b"b", b"c"]), position)
            fetcher.state.seek(sought)
            assert drain(fetcher, TP, 10) is None
            assert TP not in fetcher._records
            assert fetcher.state.position == sought

    in_loop(check)


def test_a_held_back_chunk_does_not_delay_other_partitions() -> None:
    async def check() -> None:
        fetcher = Fetcher(chunk_of([b"a"]))
        assert fetcher._records[TP].calculate_backoff() > 0
        hold_back(fetcher, TP)
        assert fetcher._records[TP].calculate_backoff() == 0
        assert fetcher.asks_for_more
        drained = drain(fetcher, TP, 10)
        assert drained is not None
        assert len(drained.records) == 1
        hold_back(fetcher, TP)

    in_loop(check)


def test_waiting_ends_by_a_wake_up_or_in_time() -> None:
    async def check() -> None:
        fetcher = Fetcher(b"", records=LenientBatches(b""))
        assert not await wait_for_chunk(fetcher, 0.01)
        waiting = asyncio.ensure_future(wait_for_chunk(fetcher, 10))
        await asyncio.sleep(0)
        wake(fetcher)
        assert await waiting

    in_loop(check)


def test_the_lenient_reader_reads_what_the_strict_one_does() -> None:
    async def check() -> None:
        values = [b"a", b"", b"x" * 300, b"c"]
        data = chunk_of(values) + chunk_of([b"cut"])[:-1]
        strict = drain(Fetcher(data), TP, 10)
        lenient = drain(Fetcher(data, records=LenientBatches(data)), TP, 10)
        assert strict is not None
        assert lenient is not None
        assert strict[:2] == lenient[:2] == (0, 4)
        for one, other in zip(strict.records, lenient.records, strict=True):
            for field in ("offset", "timestamp", "timestamp_type", "key", "value"):
                assert getattr(one, field) == getattr(other, field)
            assert list(one.headers) == list(other.headers)
        bad = chunk_of([b"a"], bad_header_at=0)
        drained = drain(Fetcher(bad, records=LenientBatches(bad)), TP, 10)
        assert drained is not None
        assert list(drained.records[0].headers) == [("\ufffd", b"1")]

    in_loop(check)

"""Takes what aiokafka has fetched, together with the position before and after it.

aiokafka's own `getmany` gives records only. It moves the position past control records (the markers of
transactions) and aborted ones in silence, so nobody could tell such a gap from a hole. Here the position is noted
before and after in one synchronous stretch, and a partition whose position alone moved is reported too.

Written against aiokafka 0.14: `Fetcher._records` holds for each partition one fetched chunk or one error.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from aiokafka.consumer.fetcher import READ_UNCOMMITTED, FetchError, FetchResult
from aiokafka.structs import TopicPartition

from streams.machine import InputRecord


class Drained(NamedTuple):
    """Records of one partition in order, and the positions before (`start`) and after (`end`) them."""

    start: int
    end: int
    records: Sequence[InputRecord]


class Undecodable(Exception):
    """A fetched chunk holds a record that aiokafka cannot decode, such as a header whose name is not UTF-8."""


def drain(fetcher: Any, tp: TopicPartition, max_records: int) -> Drained | None:
    """Take up to `max_records` fetched records of a partition; None where nothing moved.

    After any error the chunk is dropped and the position is where it was, so that it is fetched again. (To go on
    with the chunk, as aiokafka does, would skip the records before the one that failed.)

    Raises:
        Undecodable: see there; `fetch_leniently` helps.
        KafkaError: the broker refused the fetch, or a checksum is wrong.
    """
    result = fetcher._records.get(tp)
    if result is None:
        return None
    if isinstance(result, FetchError):
        _drop(fetcher, tp)
        result.check_raise()
    state = result._assignment.state_value(tp)
    if not result._assignment.active or not state.has_valid_position:
        _drop(fetcher, tp)
        return None
    start: int = state.position
    try:
        records = _take(result, max_records)
    except UnicodeDecodeError as error:
        _drop(fetcher, tp)
        raise Undecodable(f"{tp.topic}/{tp.partition} from offset {start}: {error}") from error
    except BaseException:
        _drop(fetcher, tp)
        raise
    if not result.has_more():
        _drop(fetcher, tp)
    end: int = state.position
    return Drained(start, end, records) if end > start else None


def _take(result: FetchResult, max_records: int) -> list[InputRecord]:
    """aiokafka's `FetchResult.getall`, but that its iterator goes on by many records at a time, not by one."""
    chunk = result._partition_records
    if chunk is None or not result.check_assignment(result._topic_partition):
        return []
    batches = chunk._records
    if not isinstance(batches, _Batches):
        batches = chunk._records = _Batches(batches)
        # Hand over the decoded records themselves; copying them into `ConsumerRecord`s would cost as much again.
        chunk._consumer_record = _as_decoded
    records: list[InputRecord] = []
    start, batches.room = chunk.next_fetch_offset, max_records
    for run in chunk:
        # The first batch of a chunk may begin before the position.
        records += run if run[0].offset >= start else [record for record in run if record.offset >= start]
        batches.room = max_records - len(records)
        if batches.room <= 0:
            result._update_position()
            return records
    result._update_position()
    result._partition_records = None
    return records


class _Run(NamedTuple):
    """Records that follow each other in a record batch; to aiokafka it is a record, at the last one's offset."""

    records: list[InputRecord]
    offset: int


def _as_decoded(_tp: TopicPartition, run: _Run) -> list[InputRecord]:
    return run.records


class _Batch:
    """A record batch whose records come in runs of no more than there is room for."""

    def __init__(self, batch: Any, batches: _Batches):
        self._batch = batch
        self._batches = batches

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        """The record of a control batch."""
        return next(self._batch)

    def __iter__(self) -> Iterator[_Run]:
        left = chain(self._batch)
        while records := list(islice(left, self._batches.room)):
            yield _Run(records, records[-1].offset)


class _Batches:
    """The record batches of a fetched chunk, as `PartitionRecords` iterates over them."""

    def __init__(self, batches: Any):
        self._batches = batches
        self.has_next = batches.has_next
        #: Most records of a run.
        self.room = 0

    def next_batch(self) -> _Batch:
        """The next batch."""
        return _Batch(self._batches.next_batch(), self)


def _drop(fetcher: Any, tp: TopicPartition) -> None:
    """Forget a chunk, and let the fetcher ask for the next one."""
    del fetcher._records[tp]
    fetcher._notify(fetcher._wait_consume_future)


def hold_back(fetcher: Any, tp: TopicPartition) -> None:
    """Keep a chunk of a paused partition without delaying the fetches of all others of that broker for it."""
    result = fetcher._records.get(tp)
    if isinstance(result, FetchResult) and result._backoff:
        result._backoff = 0
        fetcher._notify(fetcher._wait_consume_future)


async def wait_for_chunk(fetcher: Any, timeout_s: float) -> bool:
    """Wait until anything was fetched, or `wake` was called, or the time is over (False).

    Raises:
        KafkaError: the consumer group cannot go on, such as for want of a permission.
    """
    waiter = fetcher._create_fetch_waiter()
    done, _ = await asyncio.wait([waiter], timeout=timeout_s)
    if not done:
        waiter.cancel()
        return False
    waiter.result()
    return True


def wake(fetcher: Any) -> None:
    """Make every `wait_for_chunk` return."""
    for waiter in list(fetcher._fetch_waiters):
        fetcher._notify(waiter)


def held_up_at(state: Any) -> int | None:
    """Where a producer's open transaction begins, the last stable offset, of a partition read up to there.

    None where it is not read so far, or nothing is behind. `state` is aiokafka's of a partition.
    """
    if state.lso is None or not state.has_valid_position:
        return None
    stable: int = state.lso
    return stable if state.position == stable < state.highwater else None


async def high_watermarks(fetcher: Any, places: Sequence[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
    """The offsets that come next, whether all before them is committed or not, by aiokafka's fetcher of any consumer.

    Raises:
        KafkaError: the brokers do not say in time.
    """
    # What the consumer itself reads stays as committed as it was.
    asking = copy.copy(fetcher)
    asking._isolation_level = READ_UNCOMMITTED
    ends: dict[TopicPartition, int] = await asking.end_offsets(places, timeout_ms)
    return ends

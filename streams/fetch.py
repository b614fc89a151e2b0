"""Takes what aiokafka has fetched, together with the position before and after it.

aiokafka's own `getmany` gives records only. It moves the position past control records (the markers of
transactions) and aborted ones in silence, so nobody could tell such a gap from a hole. Here the position is noted
before and after in one synchronous stretch, and a partition whose position alone moved is reported too.

Written against aiokafka 0.14: `Fetcher._records` holds for each partition one fetched chunk or one error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka.consumer.fetcher import FetchError, FetchResult
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


def _take(result: FetchResult, max_records: int) -> list[Any]:
    chunk = result._partition_records
    if chunk is not None:
        # Hand over the decoded record itself; copying it into a ConsumerRecord is a third of the cost of reading.
        chunk._consumer_record = _as_decoded
    records: list[Any] = result.getall(max_records)
    return records


def _as_decoded(_tp: TopicPartition, record: Any) -> Any:
    return record


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

"""What people order of a role: written to its topic, and waited for until the role's own log says what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from ops.errors import OperationError
from ops.reading import TopicReader
from schemas.partitioning import partition_of
from schemas.topics import full_name
from streams.connection import client_arguments
from streams.seal import is_seal

LOOKS: Final = 100
_PAUSE_S: Final = 0.1

Answer = TypeVar("Answer")


class Ordered(NamedTuple):
    """A record to be written to `topic` (short names) under `key`, which `log` answers in the same partition."""

    topic: str
    log: str
    key: str
    value: bytes


async def order(reader: TopicReader, ordered: Ordered, answer: Callable[[bytes, int], Answer | None]) -> Answer | None:
    """Write a record, and wait for the first event of the log that answers it; None where none came in time.

    Args:
        reader: reads the log.
        ordered: what is written, and where its answer comes.
        answer: of an event's bytes and the record's offset the answer; None where the event is about something else.

    Raises:
        OperationError: the broker did not take it; or what `answer` raises.
    """
    home = partition_of(ordered.key, await reader.partition_count(ordered.topic))
    begin = (await reader.bounds(ordered.log, [home]))[home].end
    offset = await _write(reader, ordered, home)
    return await first_answer(reader, ordered.log, (home, begin), lambda value: answer(value, offset))


async def first_answer(
    reader: TopicReader, topic: str, place: tuple[int, int], answer: Callable[[bytes], Answer | None]
) -> Answer | None:
    """Wait for the first record of a topic, from this partition and offset on, of which `answer` says something.

    None where none came in time.

    Raises:
        OperationError: the topic cannot be read, or a transaction of somebody has hidden all of it since; or what
            `answer` raises.
    """
    home, begin = place
    ends = await reader.high_watermarks(topic, [home])
    for _ in range(LOOKS):
        bounds = await reader.bounds(topic, [home])
        stream = reader.stream(topic, home, max(begin, bounds[home].start), bounds[home].end)
        try:
            while (records := await stream.next()) is not None:
                for record in records:
                    begin = record.offset + 1
                    value = record.value or b""
                    found = None if is_seal(value) else answer(value)
                    if found is not None:
                        return found
        finally:
            await stream.close()
        await asyncio.sleep(_PAUSE_S)
    if (held_up := reader.held_up(topic, ends, bounds)) is not None:
        raise OperationError(f"it is written, but what became of it cannot be seen: {held_up}")
    return None


async def _write(reader: TopicReader, ordered: Ordered, partition: int) -> int:
    producer = AIOKafkaProducer(**client_arguments(reader.brokers), acks="all")
    try:
        await producer.start()
        name = full_name(reader.namespace, ordered.topic)
        sent = await producer.send_and_wait(name, ordered.value, key=ordered.key.encode(), partition=partition)
    except (KafkaError, OSError) as error:
        raise OperationError(f"the broker did not take it: {error!r}") from error
    finally:
        await producer.stop()
    return int(sent.offset)

"""Writing alone: a producer that fences whoever does the same work in the namespace, and that is seen when it is done.

Read only after it has fenced: of two operators at once each then sees what the other has committed, or the later one
fences the earlier.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError, KafkaError
from aiokafka.structs import RecordMetadata

from ops.admin import unreachable
from ops.errors import OperationError
from ops.reading import TopicReader
from schemas.topics import ENVELOPE_MAX_BYTES, full_name
from streams.connection import client_arguments
from streams.refusals import said

#: How often, and how far apart, we look whether what is committed can be read: 5 s in all, more than markers take.
_LOOKS: Final = 100
_PAUSE_S: Final = 0.05
#: For how long what others write in transactions may hide what is committed: workers' take ten seconds at most.
_READABLE_AFTER_S: Final = 20.0


@asynccontextmanager
async def alone(
    reader: TopicReader,
    work: str,
    look_at: str,
    transaction_timeout_ms: int = 60_000,
    compression: Literal["zstd"] | None = None,
) -> AsyncIterator[AIOKafkaProducer]:
    """A transactional producer whose transactional id is namespace and `work`, fenced before anything is read.

    A transaction may take `transaction_timeout_ms`; so long readers wait for one whose writer was killed.

    Raises:
        OperationError: no broker answers, or it refused; `look_at` is the command that shows what became of it.
    """
    producer = AIOKafkaProducer(
        **client_arguments(reader.brokers),
        acks="all",
        transactional_id=f"{reader.namespace}{work}",
        transaction_timeout_ms=transaction_timeout_ms,
        max_request_size=ENVELOPE_MAX_BYTES,
        compression_type=compression,
    )
    try:
        await producer.start()
    except (KafkaConnectionError, OSError) as error:
        with suppress(Exception):
            await producer.stop()
        raise await unreachable(reader.brokers) from error
    except KafkaError as error:
        with suppress(Exception):
            await producer.stop()
        raise OperationError(f"cannot write alone, as {reader.namespace}{work}: {said(error)}") from error
    try:
        yield producer
    except KafkaError as error:
        raise OperationError(
            f"the broker did not take it ({said(error)}): look at `{look_at}` before trying again"
        ) from error
    finally:
        await producer.stop()


async def until_visible(reader: TopicReader, topic: str, written: Iterable[RecordMetadata]) -> None:
    """Wait until readers of committed records see these records of a topic, so that the next look shows them.

    The broker answers a commit once it is decided, and writes the markers that uncover its records after that.
    """
    ends: dict[int, int] = {}
    for place in written:
        ends[place.partition] = max(ends.get(place.partition, 0), place.offset)
    for _ in range(_LOOKS if ends else 0):
        bounds = await reader.bounds(topic, ends)
        if all(bounds[partition].end > offset for partition, offset in ends.items()):
            return
        await asyncio.sleep(_PAUSE_S)


async def until_readable(reader: TopicReader, topic: str) -> None:
    """Wait until all that is in a topic now can be read: behind the begin of an open transaction nobody sees anything.

    Raises:
        OperationError: somebody has had a transaction open on it for too long.
    """
    ends, began_at = await reader.high_watermarks(topic), time.monotonic()
    while True:
        bounds = await reader.bounds(topic, ends)
        hidden = [partition for partition, end in ends.items() if bounds[partition].end < end]
        if not hidden:
            return
        if time.monotonic() - began_at > _READABLE_AFTER_S:
            raise OperationError(
                f"somebody has a transaction open on {full_name(reader.namespace, topic)}/{hidden[0]}, which hides "
                "what others have committed since; nothing was done: try again when it has ended"
            )
        await asyncio.sleep(_PAUSE_S)

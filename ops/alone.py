"""Writing alone: a producer that fences whoever does the same work in the namespace, and that is seen when it is done.

Read only after it has fenced: of two operators at once each then sees what the other has committed, or the later one
fences the earlier.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Literal

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidProducerEpoch, KafkaConnectionError, KafkaError, ProducerFenced
from aiokafka.structs import RecordMetadata

from ops.admin import unreachable
from ops.errors import OperationError
from ops.reading import READABLE_AFTER_S, TopicReader
from schemas.topics import ENVELOPE_MAX_BYTES
from streams.connection import client_arguments
from streams.refusals import said


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
        is_fenced = isinstance(error, ProducerFenced | InvalidProducerEpoch)
        why = "somebody else has begun to do the same, or this took too long" if is_fenced else said(error)
        raise OperationError(f"the broker did not take it ({why}): look at `{look_at}` before trying again") from error
    finally:
        await producer.stop()


async def until_visible(reader: TopicReader, topic: str, written: Iterable[RecordMetadata]) -> None:
    """Wait until readers of committed records see these records of a topic, so that the next look shows them.

    The broker answers a commit once it is decided, and writes the markers that uncover its records after that.

    Raises:
        OperationError: a transaction of somebody else has hidden them for too long; they are committed all the same.
    """
    ends: dict[int, int] = {}
    for place in written:
        ends[place.partition] = max(ends.get(place.partition, 0), place.offset + 1)
    if ends:
        _, held_up = await reader.until_readable(topic, ends, READABLE_AFTER_S)
        if held_up is not None:
            raise OperationError(f"it is written and committed, but {held_up}; it shows when that has ended")

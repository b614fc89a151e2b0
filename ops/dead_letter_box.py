"""Reads `dead-letters`, and writes what operators do about them: in one Kafka transaction, so once or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from itertools import chain
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import RecordMetadata

from ops.alone import alone, until_visible
from ops.dead_letters import (
    DISCARDED,
    OPEN,
    REPLAYED,
    DeadLetter,
    Replay,
    collect,
    replay_of,
    resolution_headers,
    why_not_discarded,
)
from ops.errors import OperationError
from ops.reading import OnProgress, TopicReader
from schemas.events import WALLET_RELEASED, WALLET_RELEASING, Source, decode_event
from schemas.partitioning import partition_of
from schemas.topics import DEAD_LETTERS, LEDGER_EVENTS, full_name

#: What a producer gives back at once for a record: where the broker has put it, in the end.
Sent = asyncio.Future[RecordMetadata]

_LOOK_AT: Final = "walletstream dlq ls --all"
_PARKED: Final = b'"parked":'
_RELEASED: Final = f'"type":"{WALLET_RELEASED}"'.encode()
_RELEASING: Final = f'"type":"{WALLET_RELEASING}"'.encode()


async def read_dead_letters(reader: TopicReader, on_progress: OnProgress | None = None) -> list[DeadLetter]:
    """All dead letters that are still kept, oldest first, with what was done about them.

    Raises:
        OperationError: the topic is missing or cannot be read.
    """
    records = []
    async for chunk in reader.read(DEAD_LETTERS, on_progress=on_progress):
        records += chunk
    return sorted(collect(records), key=lambda letter: (letter.timestamp_ms, letter.partition, letter.offset))


async def replay(
    reader: TopicReader, ids: Collection[str], by: str, note: str, on_progress: OnProgress | None = None
) -> list[str]:
    """Send dead letters to their topics again, and mark them `replayed`, in one transaction.

    Those that are resolved by now are left alone; returns the ids of those that were sent.

    Raises:
        OperationError: one of them cannot be sent again, or the broker refused; then none was.
    """
    partitions = await reader.partition_count(LEDGER_EVENTS)
    # A record that came compressed may be larger than its topic takes: it has to go as it came.
    async with alone(reader, "dlq", _LOOK_AT, compression="zstd") as producer:
        letters = await _still_open(reader, ids, on_progress)
        sends = [replay_of(letter, lambda wallet_id: partition_of(wallet_id, partitions)) for letter in letters]
        for letter, again in zip(letters, sends, strict=True):
            await _check_place(reader, letter, again)
        async with producer.transaction():
            # Each is waited for once all are on their way: one after the other, many would outlast the transaction.
            sent = [await _send(reader, producer, letter, again) for letter, again in zip(letters, sends, strict=True)]
            marks = [await _mark(reader, producer, letter, REPLAYED, by, note) for letter in letters]
            all_taken = await _all([*sent, *marks])
            for letter, again, taken in zip(letters, sends, all_taken, strict=False):
                if isinstance(taken, MessageSizeTooLargeError):
                    raise _too_large(letter, full_name(reader.namespace, again.topic)) from taken
            marked = _put(all_taken)[len(sent) :]
        await until_visible(reader, DEAD_LETTERS, marked)
    return [letter.id for letter in letters]


async def discard(
    reader: TopicReader, ids: Collection[str], by: str, note: str, on_progress: OnProgress | None = None
) -> list[str]:
    """Mark dead letters `discarded`, in one transaction.

    Those that are resolved by now are left alone; returns the ids of those that were marked.

    Raises:
        OperationError: one of them must not be discarded, or the broker refused; then none was.
    """
    async with alone(reader, "dlq", _LOOK_AT) as producer:
        letters = await _still_open(reader, ids, on_progress)
        parked = await parked_sources(reader, {letter.source.partition for letter in letters}, on_progress)
        refused = [why_not_discarded(letter, letter.source in parked) for letter in letters]
        if any(refused):
            raise OperationError("\n".join(why for why in refused if why))
        async with producer.transaction():
            marks = [await _mark(reader, producer, letter, DISCARDED, by, note) for letter in letters]
            marked = _put(await _all(marks))
        await until_visible(reader, DEAD_LETTERS, marked)
    return [letter.id for letter in letters]


async def _still_open(reader: TopicReader, ids: Collection[str], on_progress: OnProgress | None) -> list[DeadLetter]:
    letters = await read_dead_letters(reader, on_progress)
    return [letter for letter in letters if letter.id in ids and letter.state == OPEN]


async def parked_sources(
    reader: TopicReader, partitions: set[int], on_progress: OnProgress | None = None
) -> set[Source]:
    """Records that wait in these partitions for the release of a wallet under quarantine.

    Raises:
        OperationError: the event log cannot be read.
    """
    waiting: dict[str | None, list[Source]] = {}
    known = partitions.intersection(range(await reader.partition_count(LEDGER_EVENTS)))
    async for records in reader.read(LEDGER_EVENTS, known, on_progress=on_progress):
        for record in records:
            value = record.value or b""
            if _PARKED in value or _RELEASED in value or _RELEASING in value:
                event = decode_event(value)
                if event.type == WALLET_RELEASED:
                    waiting.pop(event.wallet_id, None)
                elif event.type == WALLET_RELEASING and event.wallet is not None:
                    left = event.wallet.parked or 0
                    waiting[event.wallet_id] = waiting.get(event.wallet_id, [])[-left:]
                elif event.parked is not None:
                    waiting.setdefault(event.wallet_id, []).append(event.parked.source)
    return set(chain.from_iterable(waiting.values()))


async def _check_place(reader: TopicReader, letter: DeadLetter, again: Replay) -> None:
    """The producer would look for a topic that is gone for a minute, and then name no dead letter.

    Raises:
        OperationError: the topic is missing, or has no such partition.
    """
    try:
        await reader.places(again.topic, [again.partition])
    except OperationError as error:
        raise OperationError(f"{letter.id}: nothing was replayed: {error}") from error


async def _send(reader: TopicReader, producer: AIOKafkaProducer, letter: DeadLetter, again: Replay) -> Sent:
    """Send a record again; returns what tells whether it was taken.

    Raises:
        OperationError: it is too large for any topic.
    """
    topic = full_name(reader.namespace, again.topic)
    try:
        sent: Sent = await producer.send(
            topic, again.value, key=again.key, partition=again.partition, headers=list(again.headers)
        )
    except MessageSizeTooLargeError as error:
        raise _too_large(letter, topic) from error
    return sent


def _too_large(letter: DeadLetter, topic: str) -> OperationError:
    return OperationError(
        f"{letter.id}: the record is larger than {topic} takes, so nothing was replayed; replay the others without it, "
        "and raise max.message.bytes of the topic or ask its producer for smaller pieces"
    )


async def _all(sent: Sequence[Sent]) -> list[RecordMetadata | BaseException]:
    """What became of each: once one was not taken, those behind it fail too, with errors that say nothing."""
    return await asyncio.gather(*sent, return_exceptions=True)


def _put(taken: Sequence[RecordMetadata | BaseException]) -> list[RecordMetadata]:
    """Where the broker has put them; raises the first error."""
    put = []
    for one in taken:
        if isinstance(one, BaseException):
            raise one
        put.append(one)
    return put


async def _mark(
    reader: TopicReader, producer: AIOKafkaProducer, letter: DeadLetter, what: str, by: str, note: str
) -> Sent:
    """Send the record that resolves a dead letter; returns what tells where it was put."""
    sent: Sent = await producer.send(
        full_name(reader.namespace, DEAD_LETTERS),
        None,
        key=letter.key or b"",
        partition=letter.partition,
        headers=list(resolution_headers(letter, what, by, note)),
    )
    return sent

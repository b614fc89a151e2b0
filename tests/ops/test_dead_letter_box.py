"""Resolving dead letters on a real broker: what the ledger still owes is left to the ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata, TopicPartition

from ops import dead_letter_box
from ops.admin import connect
from ops.dead_letter_box import discard, parked_sources, read_dead_letters, replay
from ops.dead_letters import DeadLetter
from ops.errors import OperationError
from ops.reading import open_reader
from schemas.dead_letters import DeadLetterHeaders, read_dead_letter_headers
from schemas.events import Source
from schemas.topics import DEAD_LETTERS, INTERNAL_COMMANDS, OPERATOR_COMMANDS, full_name
from streams.machine import Message
from tests.broker import Kafka
from tests.ops.verify.honest import Ledger
from tests.ops.verify.on_kafka import create_topics, write
from tests.ops.verify.story import HERE, PARTITIONS, THERE, UNLUCKY_MINOR, UnluckyMachine

PAYER, PAYEE = HERE[0], THERE[0]


def _under_quarantine() -> Ledger:
    """The payee is under quarantine, and a leg of a transfer waits for its release."""
    ledger = Ledger(PARTITIONS, UnluckyMachine())
    for wallet in (PAYER, PAYEE):
        ledger.send(operation="open_wallet", wallet_id=wallet, owner_ref="o", assets=["EUR"])
        ledger.send(operation="credit", wallet_id=wallet, amount_minor=9_000, asset="EUR")
    ledger.send(operation="credit", wallet_id=PAYEE, amount_minor=UNLUCKY_MINOR, asset="EUR")
    ledger.run()
    ledger.send(operation="transfer", wallet_id=PAYER, amount_minor=5, asset="EUR", to_wallet_id=PAYEE)
    ledger.run()
    return ledger


def _dead_letter_of(source: Source) -> Message:
    headers = DeadLetterHeaders(
        reason="malformed",
        stage="decode",
        original_topic=source.topic,
        original_partition=source.partition,
        original_offset=source.offset,
        original_timestamp=0,
        app_version="0.1.0",
    )
    return Message(DEAD_LETTERS, source.partition, b"w", b"?", headers.encode())


@pytest.mark.kafka
def test_a_parked_record_is_not_discarded_before_its_release(kafka: Kafka, namespace: str) -> None:
    ledger = _under_quarantine()
    (leg,) = ledger.topics[INTERNAL_COMMANDS][1]
    parked = Source(INTERNAL_COMMANDS, 1, leg.offset)
    ledger.history.append((True, [_dead_letter_of(parked)]))

    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        written = await write(ledger, kafka.bootstrap_servers, namespace)
        async with open_reader(kafka.bootstrap_servers, namespace) as reader:
            assert await parked_sources(reader, {0, 1}) == {parked}
            assert await parked_sources(reader, {0, 77}) == set()
            ids = {letter.id for letter in await read_dead_letters(reader) if letter.source == parked}
            assert len(ids) == 1
            with pytest.raises(OperationError, match="is parked for a wallet under quarantine"):
                await discard(reader, ids, "ines", "")
            assert all(letter.state == "open" for letter in await read_dead_letters(reader))
            operators: dict[str, Any] = {"requested_by": "ines", "approved_by": "omar", "reason_code": "mended"}
            ledger.send(OPERATOR_COMMANDS, operation="release_quarantine", wallet_id=PAYEE, **operators)
            ledger.run()
            await write(ledger, kafka.bootstrap_servers, namespace, since=written)
            assert await parked_sources(reader, {0, 1}) == set()
            assert await discard(reader, ids, "ines", "applied") == list(ids)
            assert await discard(reader, ids, "ines", "again") == []

    asyncio.run(main())


@pytest.mark.kafka
def test_what_a_portion_of_a_release_has_left_is_still_parked(
    kafka: Kafka, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agents.ledger.operations.release_quarantine.PORTION", 1)
    ledger = _under_quarantine()
    for amount_minor in (6, 7):
        ledger.send(operation="transfer", wallet_id=PAYER, amount_minor=amount_minor, asset="EUR", to_wallet_id=PAYEE)
    ledger.run()
    _, *later = [Source(INTERNAL_COMMANDS, 1, leg.offset) for leg in ledger.topics[INTERNAL_COMMANDS][1]]
    operators: dict[str, Any] = {"requested_by": "ines", "approved_by": "omar", "reason_code": "mended"}
    ledger.send(OPERATOR_COMMANDS, operation="release_quarantine", wallet_id=PAYEE, **operators)
    assert ledger.step(1)

    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        written = await write(ledger, kafka.bootstrap_servers, namespace)
        async with open_reader(kafka.bootstrap_servers, namespace) as reader:
            assert await parked_sources(reader, {1}) == set(later)
            ledger.run()
            await write(ledger, kafka.bootstrap_servers, namespace, since=written)
            assert await parked_sources(reader, {1}) == set()

    asyncio.run(main())


@pytest.mark.kafka
def test_what_an_open_transaction_hides_of_the_decisions_is_waited_for(
    kafka: Kafka, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind its begin there may be that a letter was replayed: it would be sent once more."""
    monkeypatch.setattr("ops.reading.READABLE_AFTER_S", 0.5)

    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        place = Source(OPERATOR_COMMANDS, 0, 5)
        ledger = Ledger(PARTITIONS)
        ledger.history.append((True, [_dead_letter_of(place)]))
        await write(ledger, kafka.bootstrap_servers, namespace)
        somebody = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{namespace}somebody")
        await somebody.start()
        async with open_reader(kafka.bootstrap_servers, namespace) as reader:
            (letter,) = await read_dead_letters(reader)
            await somebody.begin_transaction()
            await somebody.send_and_wait(full_name(namespace, DEAD_LETTERS), b"?", partition=0)
            for _ in range(2):
                with pytest.raises(OperationError, match=r"somebody has a transaction open on .*dead-letters"):
                    await replay(reader, {letter.id}, "ines", "")
            await somebody.abort_transaction()
            assert await replay(reader, {letter.id}, "ines", "") == [letter.id]
            assert await replay(reader, {letter.id}, "ines", "") == []
            (sent,) = [bound.end - bound.start for bound in (await reader.bounds(OPERATOR_COMMANDS, [0])).values()]
            assert sent == 2, "one record, and the marker of its transaction"
        await somebody.stop()

    asyncio.run(main())


@pytest.mark.kafka
def test_all_or_none_are_sent_again(kafka: Kafka, namespace: str) -> None:
    ledger = _under_quarantine()
    oversized = _dead_letter_of(Source("transaction-requests", 0, 999))
    headers = [(name, b"oversized" if name == "dlq.reason" else value) for name, value in oversized.headers]
    ledger.history.append((True, [oversized._replace(headers=headers)]))

    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        await write(ledger, kafka.bootstrap_servers, namespace)
        async with open_reader(kafka.bootstrap_servers, namespace) as reader:
            letters = await read_dead_letters(reader)
            assert len(letters) == 2
            with pytest.raises(OperationError, match="only a reference was kept"):
                await replay(reader, {letter.id for letter in letters}, "ines", "")
            assert all(letter.state == "open" for letter in await read_dead_letters(reader))
            sendable = {letter.id for letter in letters if letter.why.reason != "oversized"}
            first = replay(reader, sendable, "ines", "")
            second = replay(reader, sendable, "omar", "")
            sent = await asyncio.gather(first, second, return_exceptions=True)
            assert [ids for ids in sent if ids and isinstance(ids, list)] == [list(sendable)], sent
            assert sum(letter.state == "replayed" for letter in await read_dead_letters(reader)) == 1

    asyncio.run(main())


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("source", "why"),
    [
        (Source("fraud-internal", 0, 0), r"0/0: nothing was replayed: topic .*fraud-internal.* is missing"),
        (Source(OPERATOR_COMMANDS, 77, 0), r"0/0: nothing was replayed: .* has no partition 77; it has 0 to 1"),
    ],
)
def test_a_dead_letter_whose_place_is_gone_is_named(kafka: Kafka, namespace: str, source: Source, why: str) -> None:
    ledger = Ledger(PARTITIONS)
    ledger.history.append((True, [_dead_letter_of(source)._replace(partition=0)]))

    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        async with connect(kafka.bootstrap_servers) as admin:
            gone = full_name(namespace, "fraud-internal")
            await admin.delete([gone])
            while gone in await admin.names(gone):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await write(ledger, kafka.bootstrap_servers, namespace)
        async with asyncio.timeout(20), open_reader(kafka.bootstrap_servers, namespace) as reader:
            with pytest.raises(OperationError, match=why):
                await replay(reader, ["0/0"], "ines", "")
            assert [letter.state for letter in await read_dead_letters(reader)] == ["open"]

    asyncio.run(main())


@pytest.mark.parametrize("resolve", [replay, discard])
def test_many_are_resolved_within_the_time_of_one_transaction(
    monkeypatch: pytest.MonkeyPatch, resolve: Callable[..., Coroutine[Any, Any, list[str]]]
) -> None:
    """Brokers that copy each record to others take some milliseconds for it; a transaction has a minute."""

    class Slow:
        @asynccontextmanager
        async def transaction(self) -> AsyncIterator[None]:
            yield

        async def send(self, topic: str, *_: Any, partition: int, **__: Any) -> asyncio.Future[RecordMetadata]:
            there = RecordMetadata(topic, partition, TopicPartition(topic, partition), 0, 0, 0, 0)
            return asyncio.ensure_future(asyncio.sleep(0.01, there))

        async def send_and_wait(self, topic: str, *values: Any, **named: Any) -> RecordMetadata:
            return await (await self.send(topic, *values, **named))

    @asynccontextmanager
    async def alone(*_: Any, **__: Any) -> AsyncIterator[Slow]:
        yield Slow()

    async def letters(*_: Any) -> list[DeadLetter]:
        why = read_dead_letter_headers(_dead_letter_of(Source(OPERATOR_COMMANDS, 0, 0)).headers)
        return [DeadLetter(0, offset, 0, b"w", b"?", (), why) for offset in range(500)]

    async def nothing(*_: Any) -> set[Source]:
        return set()

    class Reader:
        namespace = "t."

        async def partition_count(self, _name: str) -> int:
            return 1

        async def places(self, name: str, partitions: list[int]) -> list[TopicPartition]:
            return [TopicPartition(name, partition) for partition in partitions]

    for name, fake in (
        ("alone", alone),
        ("_still_open", letters),
        ("until_visible", nothing),
        ("parked_sources", nothing),
    ):
        monkeypatch.setattr(dead_letter_box, name, fake)

    async def main() -> None:
        async with asyncio.timeout(3):
            assert len(await resolve(Reader(), {"0/0"}, "ines", "")) == 500

    asyncio.run(main())

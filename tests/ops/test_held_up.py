"""Readers beside a transaction that somebody has left open: what it hides is waited for, or said to be missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer

from ops.alone import until_visible
from ops.errors import OperationError
from ops.freshness import log_ends
from ops.ordering import Ordered, order
from ops.reading import TopicReader, open_reader
from ops.verify.idle import what_waits
from ops.verify.run import verify
from schemas.partitioning import partition_of
from schemas.topics import (
    FRAUD_EVENTS,
    FRAUD_FEEDBACK,
    LEDGER_EVENTS,
    OPERATOR_COMMANDS,
    TRANSACTION_OUTCOMES,
    TRANSACTION_REQUESTS,
    WALLET_BALANCES,
    full_name,
)
from streams.settings import Settings
from tests.broker import Kafka
from tests.ops.verify.on_kafka import create_topics

pytestmark = pytest.mark.kafka

PARTITIONS = 2


@asynccontextmanager
async def hidden(
    kafka: Kafka, namespace: str, name: str, *, behind: bytes = b"hidden"
) -> AsyncIterator[AIOKafkaProducer]:
    """In partition 0 a record, a transaction that is open, and behind its begin a record that is committed."""
    somebody = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{namespace}somebody")
    plain = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all")
    topic = full_name(namespace, name)
    await somebody.start()
    await plain.start()
    try:
        await plain.send_and_wait(topic, b"seen", b"k", partition=0)
        await somebody.begin_transaction()
        await somebody.send_and_wait(topic, b"?", b"k", partition=0)
        await plain.send_and_wait(topic, b"hidden", b"k", partition=0)
        yield somebody
    finally:
        await plain.stop()
        await somebody.stop()


async def _all(reader: TopicReader, name: str) -> list[bytes | None]:
    return [record.value async for records in reader.read(name) for record in records]


def test_what_a_transaction_hides_is_waited_for(kafka: Kafka, namespace: str) -> None:
    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        async with (
            hidden(kafka, namespace, WALLET_BALANCES) as somebody,
            open_reader(kafka.bootstrap_servers, namespace) as reader,
        ):
            reading = asyncio.create_task(_all(reader, WALLET_BALANCES))
            await asyncio.sleep(0.5)
            assert not reading.done()
            await somebody.abort_transaction()
            assert await reading == [b"seen", b"hidden"]

    asyncio.run(main())


def test_not_for_ever(kafka: Kafka, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.reading.READABLE_AFTER_S", 0.3)

    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        async with hidden(kafka, namespace, LEDGER_EVENTS):
            async with open_reader(kafka.bootstrap_servers, namespace) as reader:
                with pytest.raises(
                    OperationError, match=r"open on .*ledger-events\.v1/0 from offset 1 on.*: try again"
                ):
                    await _all(reader, LEDGER_EVENTS)
            settings = Settings(bootstrap_servers=kafka.bootstrap_servers, namespace=namespace)
            assert await log_ends(settings) == {0: 3, 1: 0}, "views that do not have what is hidden are behind"
            with pytest.raises(OperationError, match=r"open on .*ledger-events"):
                await verify(kafka.bootstrap_servers, namespace, PARTITIONS)

    asyncio.run(main())


@pytest.mark.parametrize("topic", [TRANSACTION_OUTCOMES, WALLET_BALANCES])
def test_no_audit_is_made_of_what_is_not_all(
    kafka: Kafka, namespace: str, monkeypatch: pytest.MonkeyPatch, topic: str
) -> None:
    monkeypatch.setattr("ops.reading.READABLE_AFTER_S", 0.3)

    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        async with hidden(kafka, namespace, topic):
            with pytest.raises(OperationError, match=rf"open on .*{topic}"):
                await verify(kafka.bootstrap_servers, namespace, PARTITIONS)

    asyncio.run(main())


def test_whoever_only_shows_says_once_what_is_missing(
    kafka: Kafka, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.reading._QUIET_S", 0.1)
    told: list[str] = []

    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        async with (
            asyncio.timeout(30),
            hidden(kafka, namespace, OPERATOR_COMMANDS) as somebody,
            open_reader(kafka.bootstrap_servers, namespace, told.append) as reader,
        ):
            for _ in range(2):
                assert await _all(reader, OPERATOR_COMMANDS) == [b"seen"]
            assert len(told) == 1
            assert "open on " in told[0]
            await somebody.abort_transaction()
            while await _all(reader, OPERATOR_COMMANDS) != [b"seen", b"hidden"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            await somebody.begin_transaction()
            await somebody.send_and_wait(full_name(namespace, OPERATOR_COMMANDS), b"?", partition=0)
            end = (await reader.bounds(OPERATOR_COMMANDS))[0].end
            following = asyncio.ensure_future(anext(reader.follow(OPERATOR_COMMANDS, {0: end})))
            while len(told) == 1:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert f"from offset {end} on" in told[1]
            await somebody.commit_transaction()
            assert [record.value for record in await following] == [b"?"]

    asyncio.run(main())


def test_an_input_that_is_held_up_is_not_idle(kafka: Kafka, namespace: str) -> None:
    """A producer's transaction is no reason not to audit; but nobody knows what the ledger has to decide behind it."""

    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        async with open_reader(kafka.bootstrap_servers, namespace) as reader:
            assert await what_waits(reader) == {}
            somebody = AIOKafkaProducer(
                bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{namespace}somebody"
            )
            await somebody.start()
            await somebody.begin_transaction()
            await somebody.send_and_wait(full_name(namespace, TRANSACTION_REQUESTS), b"?", partition=1)
            assert await what_waits(reader) == {"transaction-requests/1": 0}
            assert (await verify(kafka.bootstrap_servers, namespace, PARTITIONS)).findings == ()
            await somebody.abort_transaction()
            await somebody.stop()
            while await what_waits(reader):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    asyncio.run(main())


def _no_answer(_value: bytes, _offset: int) -> str | None:
    return None


def test_an_order_whose_answer_is_hidden_is_not_said_to_be_without_one(
    kafka: Kafka, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.ordering.LOOKS", 5)

    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        async with hidden(kafka, namespace, FRAUD_EVENTS), open_reader(kafka.bootstrap_servers, namespace) as reader:
            homes = {partition_of(key, PARTITIONS): key for key in map(str, range(99))}
            ordered = Ordered(FRAUD_FEEDBACK, FRAUD_EVENTS, homes[0], b"{}")
            with pytest.raises(OperationError, match="it is written, but what became of it cannot be seen: somebody"):
                await order(reader, ordered, _no_answer)
            assert await order(reader, ordered._replace(key=homes[1]), _no_answer) is None

    asyncio.run(main())


def test_what_was_written_and_is_hidden_is_told(kafka: Kafka, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.alone.READABLE_AFTER_S", 0.3)

    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        async with hidden(kafka, namespace, OPERATOR_COMMANDS) as somebody:
            plain = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all")
            await plain.start()
            written = await plain.send_and_wait(full_name(namespace, OPERATOR_COMMANDS), b"mine", partition=0)
            await plain.stop()
            async with open_reader(kafka.bootstrap_servers, namespace) as reader:
                with pytest.raises(OperationError, match=r"it is written and committed, but somebody has .* open on"):
                    await until_visible(reader, OPERATOR_COMMANDS, [written])
                await somebody.abort_transaction()
                await until_visible(reader, OPERATOR_COMMANDS, [written])
                assert (await _all(reader, OPERATOR_COMMANDS))[-1] == b"mine"

    asyncio.run(main())

"""Reading from a real broker: committed records only, to an end, past control records and aborted transactions."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from ops.broker import EmbeddedBroker
from ops.errors import OperationError
from ops.reading import TopicReader, open_reader
from schemas.topics import LEDGER_EVENTS, TRANSACTION_REQUESTS, full_name
from tests.broker import Kafka
from tests.ops.verify.on_kafka import create_topics

PARTITIONS = 2


async def _write(kafka: Kafka, namespace: str, name: str, count: int, *, commit: bool = True) -> None:
    """One transaction in partition 0, committed or aborted."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{namespace}writer")
    await producer.start()
    try:
        await producer.begin_transaction()
        for number in range(count):
            await producer.send_and_wait(full_name(namespace, name), b"%d" % number, key=b"k", partition=0)
        await (producer.commit_transaction() if commit else producer.abort_transaction())
    finally:
        await producer.stop()


async def _all(reader: TopicReader, name: str, starts: dict[int, int] | None = None) -> list[int]:
    return [record.offset async for records in reader.read(name, starts=starts) for record in records]


@pytest.mark.kafka
def test_only_what_is_committed_is_read(kafka: Kafka, namespace: str) -> None:
    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        await _write(kafka, namespace, LEDGER_EVENTS, 3)
        await _write(kafka, namespace, LEDGER_EVENTS, 2, commit=False)
        await _write(kafka, namespace, LEDGER_EVENTS, 1)
        await _write(kafka, namespace, LEDGER_EVENTS, 4, commit=False)
        async with open_reader(kafka.bootstrap_servers, namespace) as reader:
            assert await reader.partition_count(LEDGER_EVENTS) == PARTITIONS
            assert await reader.bounds(LEDGER_EVENTS) == {0: (0, 14), 1: (0, 0)}
            assert await _all(reader, LEDGER_EVENTS) == [0, 1, 2, 7]
            assert await _all(reader, LEDGER_EVENTS, starts={0: 2}) == [2, 7]
            told: list[tuple[int, int]] = []
            async for _ in reader.read(LEDGER_EVENTS, starts={0: 2}, on_progress=lambda *how_far: told.append(how_far)):
                assert told[-1][0] <= 12
            assert told[-1] == (12, 12), "control records and aborted ones count, they are passed too"
            assert [record.offset for record in await reader.last(LEDGER_EVENTS, 0, 2)] == [2, 7]
            assert len(await reader.last(LEDGER_EVENTS, 0, 99)) == 4
            assert await reader.last(LEDGER_EVENTS, 1, 5) == []

    asyncio.run(main())


@pytest.mark.kafka
def test_a_stream_ends_where_it_was_told_and_goes_on(kafka: Kafka, namespace: str) -> None:
    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        await _write(kafka, namespace, LEDGER_EVENTS, 9)
        async with open_reader(kafka.bootstrap_servers, namespace) as reader:
            stream = reader.stream(LEDGER_EVENTS, 0, 2, 5)
            assert [record.offset for record in await stream.next() or []] == [2, 3, 4]
            assert await stream.next() is None
            stream = reader.stream(LEDGER_EVENTS, 0, 0, 10)
            # Fetched ahead, and handed over although the position is at the end by then.
            first = await stream.next()
            await _write(kafka, namespace, LEDGER_EVENTS, 2)
            stream.extend((await reader.bounds(LEDGER_EVENTS))[0].end)
            await asyncio.sleep(0.5)
            rest = await stream.next()
            assert [record.offset for record in [*(first or []), *(rest or [])]] == [*range(9), 10, 11]
            assert await stream.next() is None
            await stream.close()
            await stream.close()

    asyncio.run(main())


@pytest.mark.kafka
def test_a_large_topic_is_read_whole_although_it_is_fetched_ahead(kafka: Kafka, namespace: str) -> None:
    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, linger_ms=5)
        await producer.start()
        topic = full_name(namespace, TRANSACTION_REQUESTS)
        sent = [await producer.send(topic, bytes(1_000), key=b"k", partition=0) for _ in range(3_000)]
        await asyncio.gather(*sent)
        await producer.stop()
        async with open_reader(kafka.bootstrap_servers, namespace) as reader:
            stream = reader.stream(TRANSACTION_REQUESTS, 0, 0, 3_000)
            offsets, chunks = [], 0
            while (records := await stream.next()) is not None:
                offsets += [record.offset for record in records]
                chunks += 1
                await asyncio.sleep(0.1)  # what is fetched ahead arrives meanwhile
            assert offsets == list(range(3_000))
            assert chunks > 1

    asyncio.run(main())


@pytest.mark.kafka
def test_following_shows_what_arrives(kafka: Kafka, namespace: str) -> None:
    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        await _write(kafka, namespace, LEDGER_EVENTS, 1)
        async with open_reader(kafka.bootstrap_servers, namespace) as reader:
            following = reader.follow(LEDGER_EVENTS, {0: 0, 1: 0})
            assert [record.offset for record in await anext(following)] == [0]
            await _write(kafka, namespace, LEDGER_EVENTS, 2)
            assert [record.offset for record in await anext(following)] == [2, 3]
            await following.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())


@pytest.mark.kafka
def test_whoever_follows_is_told_that_the_broker_has_gone(
    own_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.reading._QUIET_S", 0.5)
    monkeypatch.setattr("ops.reading._AWAY_S", 2.0)

    async def main() -> None:
        await create_topics(own_broker.bootstrap_servers, "t.", PARTITIONS)
        async with open_reader(own_broker.bootstrap_servers, "t.") as reader:
            following = asyncio.ensure_future(anext(reader.follow(LEDGER_EVENTS, {0: 0, 1: 0})))
            await asyncio.sleep(2.5)
            assert not following.done(), "a quiet topic is no broker that has gone"
            await asyncio.to_thread(own_broker.kill)
            async with asyncio.timeout(15):
                await following

    with pytest.raises(OperationError, match=r"cannot read ledger-events any more: no broker at .*doctor`"):
        asyncio.run(main())


@pytest.mark.kafka
def test_what_is_missing_is_said(kafka: Kafka, namespace: str) -> None:
    async def main() -> None:
        async with open_reader(kafka.bootstrap_servers, namespace) as reader:
            with pytest.raises(OperationError, match=r"ledger-events.v1 is missing .*walletstream topics apply"):
                await reader.bounds(LEDGER_EVENTS)
            await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
            assert len(await reader.bounds(LEDGER_EVENTS)) == PARTITIONS, "a topic that was made since is seen"
            with pytest.raises(OperationError, match="has no partition 7; it has 0 to 1"):
                await reader.bounds(LEDGER_EVENTS, [7])

    asyncio.run(main())


def test_a_broker_that_is_away_is_said() -> None:
    async def main() -> None:
        async with open_reader("127.0.0.1:1", "t."):
            raise AssertionError("nobody is there")

    with pytest.raises(OperationError, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
        asyncio.run(main())


@pytest.mark.kafka
def test_what_goes_wrong_at_once_is_told(kafka: Kafka, namespace: str) -> None:
    async def main() -> None:
        async with open_reader(kafka.bootstrap_servers, namespace):
            raise OperationError("the file is not there")

    with pytest.raises(OperationError, match="the file is not there"):
        asyncio.run(main())


def test_what_went_wrong_is_told_although_the_connection_cannot_be_closed() -> None:
    class Away:
        """As the client's consumer is while it waits to fetch again from a broker that has gone."""

        async def stop(self) -> None:
            raise asyncio.CancelledError

    async def main() -> None:
        try:
            raise OperationError("the broker has gone")
        finally:
            await TopicReader("", "", Away()).stop()

    with pytest.raises(OperationError, match="the broker has gone"):
        asyncio.run(main())


class _NotUtf8(str):
    """A header's name that is written as other bytes."""

    def encode(self, *_: object, **__: object) -> bytes:
        return b"\xff"


async def _write_odd_header(kafka: Kafka, topic: str) -> None:
    """Kafka takes it, and librdkafka sends it; aiokafka cannot read it."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    await producer.start()
    try:
        batch = producer.create_batch()
        batch._builder = _DefaultRecordBatchBuilderPy(2, 0, 0, -1, -1, -1, 1 << 20)
        batch._builder.append(0, 1_795_409_400_000, b"k", b"odd", [(_NotUtf8("x"), b"1")])
        batch._relative_offset = 1
        await (await producer.send_batch(batch, topic, partition=0))
    finally:
        await producer.stop()


@pytest.mark.kafka
def test_a_header_whose_name_is_not_utf_8_hides_no_record(kafka: Kafka, namespace: str) -> None:
    async def main() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        await _write(kafka, namespace, TRANSACTION_REQUESTS, 2)
        await _write_odd_header(kafka, full_name(namespace, TRANSACTION_REQUESTS))
        await _write(kafka, namespace, TRANSACTION_REQUESTS, 1)
        async with asyncio.timeout(30), open_reader(kafka.bootstrap_servers, namespace) as reader:
            read = [record async for records in reader.read(TRANSACTION_REQUESTS) for record in records]
            assert [record.offset for record in read] == [0, 1, 3, 4]
            assert (read[2].topic, read[2].partition, read[2].value) == (read[0].topic, 0, b"odd")
            assert list(read[2].headers) == [("\ufffd", b"1")]
            followed: list[int] = []
            async for records in reader.follow(TRANSACTION_REQUESTS, {0: 0, 1: 0}):
                followed += [record.offset for record in records]
                if len(followed) >= 4:
                    break
            assert followed == [0, 1, 3, 4]

    asyncio.run(main())

"""Sending to a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer

from ops import admin
from ops.broker import EmbeddedBroker
from ops.errors import OperationError
from ops.load import RequestMaker, Shape, send_all, send_paced
from ops.sender import Sender
from ops.topics import Create
from tests.broker import Kafka

pytestmark = pytest.mark.kafka


class _Done(Exception):
    """Leave the sender without another flush."""


async def make_topic(kafka: Kafka, name: str, **config: str) -> str:
    async with admin.connect(kafka.bootstrap_servers) as connected:
        await connected.create([Create(name, 3, 1, {key.replace("_", "."): value for key, value in config.items()})])
        await connected.wait_until_visible({name: 3})
    return name


async def read_all(kafka: Kafka, topic: str, count: int) -> dict[int, list[tuple[int, bytes | None, bytes | None]]]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        found: dict[int, list[tuple[int, bytes | None, bytes | None]]] = {0: [], 1: [], 2: []}
        async with asyncio.timeout(20):
            while sum(map(len, found.values())) < count:
                for tp, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[tp.partition] += [(record.offset, record.key, record.value) for record in records]
        return found
    finally:
        await consumer.stop()


def test_records_arrive_in_order_and_their_offsets_are_told(kafka: Kafka, namespace: str) -> None:
    told: dict[int, dict[int, float]] = {0: {}, 1: {}, 2: {}}

    def on_sent(partition: int, offset: int, at: Sequence[float]) -> None:
        told[partition] |= {offset + index: moment for index, moment in enumerate(at)}

    async def send() -> dict[int, list[tuple[int, bytes | None, bytes | None]]]:
        topic = await make_topic(kafka, f"{namespace}sent")
        async with Sender(kafka.bootstrap_servers, topic, on_sent=on_sent) as sender:
            assert sender.partitions == 3
            for number in range(5_000):
                sender.put(number % 3, b"k" if number % 2 else None, b"%d" % number, at=float(number))
                if number % 500 == 0:
                    await asyncio.sleep(0.002)
            await sender.flush()
            assert sender.sent == 5_000
        return await read_all(kafka, topic, 5_000)

    for partition, records in asyncio.run(send()).items():
        values = [int(value or b"") for _, _, value in records]
        assert values == list(range(partition, 5_000, 3))
        assert [key for _, key, _ in records] == [b"k" if number % 2 else None for number in values]
        assert {offset: float(value or b"") for offset, _, value in records} == told[partition]


def test_a_large_record_goes_alone_and_one_too_large_is_an_error(kafka: Kafka, namespace: str) -> None:
    async def send() -> None:
        topic = await make_topic(kafka, f"{namespace}large", max_message_bytes="900000")
        async with Sender(kafka.bootstrap_servers, topic, compression=None) as sender:
            for size in (10, 800_000, 20, 700_000):
                sender.put(0, None, b"x" * size)
            await sender.flush()
        found = await read_all(kafka, topic, 4)
        assert [len(value or b"") for _, _, value in found[0]] == [10, 800_000, 20, 700_000]
        async with Sender(kafka.bootstrap_servers, topic, compression=None) as sender:
            sender.put(0, None, b"x" * 950_000)
            with pytest.raises(OperationError, match="a record is larger than"):
                await sender.flush()
            with pytest.raises(OperationError, match="a record is larger than"):
                sender.put(0, None, b"small")
            raise _Done

    with pytest.raises(_Done):
        asyncio.run(send())


def test_a_missing_topic_and_a_missing_broker_are_told(kafka: Kafka, namespace: str) -> None:
    async def send(bootstrap_servers: str) -> None:
        async with Sender(bootstrap_servers, f"{namespace}none"):
            pass

    with pytest.raises(OperationError, match="run `walletstream topics apply`"):
        asyncio.run(send(kafka.bootstrap_servers))
    with pytest.raises(OperationError, match="no Kafka broker answers"):
        asyncio.run(send("127.0.0.1:1"))


def test_a_paced_load_keeps_its_rate_and_everything_is_sent(kafka: Kafka, namespace: str) -> None:
    at: list[float] = []

    async def send() -> float:
        topic = await make_topic(kafka, f"{namespace}paced")
        maker = RequestMaker(Shape(wallets=20), 3)
        async with Sender(kafka.bootstrap_servers, topic, on_sent=lambda _p, _o, due: at.extend(due)) as sender:
            took_s = await send_paced(sender, maker.make, rate=400, count=400)
            sent = await send_all(sender, (maker.make() for _ in range(2_500)))
            assert (sent, sender.sent) == (2_500, 2_900)
        return took_s

    took_s = asyncio.run(send())
    assert 0.95 < took_s < 5
    due = sorted(at[:400])
    assert due[-1] - due[0] == pytest.approx(399 / 400, abs=1e-6)


def test_a_broker_that_has_gone_is_told(own_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.sender._TAKEN_S", 2.0)
    monkeypatch.setattr("ops.sender._STOP_S", 1.0)

    async def main() -> None:
        kafka = Kafka(own_broker.bootstrap_servers, "embedded")
        topic = await make_topic(kafka, "sent")
        async with asyncio.timeout(20), Sender(kafka.bootstrap_servers, topic) as sender:
            sender.put(0, b"k", b"v")
            await sender.flush()
            await asyncio.to_thread(own_broker.kill)
            sender.put(0, b"k", b"w")

    with pytest.raises(OperationError, match=r"no broker has taken a record of sent for 2 s, 1 were"):
        asyncio.run(main())

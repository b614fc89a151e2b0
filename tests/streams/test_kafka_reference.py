"""The reader of reference data on a real Kafka: what there is, what comes, and what becomes of a broker that goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer import message_accumulator
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

from ops import admin
from ops.broker import EmbeddedBroker
from schemas.topics import full_name
from streams.kafka_reference import ReferenceFollower
from streams.reference_data import ReferenceData, ReferenceRecord
from streams.settings import Settings
from tests.streams.test_fetch import NotUtf8
from tests.streams.toy import SETTINGS, TOPICS, ToyMachine, create_topics
from tests.streams.traffic import producing

pytestmark = pytest.mark.kafka


async def put(settings: Settings, *records: tuple[bytes, bytes | None], topic: str = SETTINGS) -> None:
    """Write records, one after the other."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap_servers, acks="all", retry_backoff_ms=20)
    await producer.start()
    try:
        for key, value in records:
            await producer.send_and_wait(full_name(settings.namespace, topic), value, key)
    finally:
        await producer.stop()


async def until(holds: Callable[[], bool], timeout_s: float = 30.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def put_with_a_bad_header(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """`a` is 2, with a header whose name aiokafka cannot decode; its builder in C could not write it."""
    with monkeypatch.context() as patch:
        patch.setattr(message_accumulator, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
        async with producing(settings) as producer:
            batch = producer.create_batch()
            batch.append(timestamp=None, key=b"a", value=b"2", headers=[(NotUtf8("x"), b"1")])
            await (await producer.send_batch(batch, full_name(settings.namespace, SETTINGS), partition=0))


@asynccontextmanager
async def following(settings: Settings, machine: ToyMachine) -> AsyncIterator[ReferenceFollower]:
    """A follower that has loaded, and goes on."""
    data = ReferenceData(ToyMachine)
    data.teach(machine)
    follower = ReferenceFollower(settings, [SETTINGS], data)
    async with asyncio.timeout(30):
        assert await follower.load()
    task = asyncio.create_task(follower.follow())
    try:
        yield follower
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])
        await follower.close()


def test_what_there_is_and_what_comes(toy_settings: Settings) -> None:
    async def check() -> None:
        settings, machine = toy_settings, ToyMachine()
        await create_topics(settings, TOPICS[-1:])
        await put(settings, (b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"a", b"bad"), (b"b", None), (b"c", b"4"))
        async with following(settings, machine) as follower:
            assert machine.settings == {"a": 3, "c": 4}, "all of it, as soon as it has loaded"
            await put(settings, (b"c", b"5"), (b"c", b"worse"), (b"\xff", b"6"), (b"a", None), (b"d", b"7"))
            await until(lambda: "d" in machine.settings)
            assert machine.settings == {"c": 5, "d": 7}
            await asyncio.sleep(1.5)
            assert follower.age_s() < 1.2, "answers come without news too"
        again = ToyMachine()
        async with following(settings, again):
            assert again.settings == machine.settings

    asyncio.run(check())


def test_only_what_is_committed_counts(toy_settings: Settings) -> None:
    async def check() -> None:
        settings, machine = toy_settings, ToyMachine()
        await create_topics(settings, TOPICS[-1:])
        topic = full_name(settings.namespace, SETTINGS)
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.bootstrap_servers, transactional_id=f"{settings.namespace}x"
        )
        await producer.start()
        try:
            await producer.begin_transaction()
            await producer.send_and_wait(topic, b"1", b"a")
            await producer.abort_transaction()
            # The topic ends with markers: its end is reached all the same.
            async with following(settings, machine):
                assert machine.settings == {}
                await producer.begin_transaction()
                await producer.send_and_wait(topic, b"2", b"a")
                await asyncio.sleep(0.5)
                assert machine.settings == {}
                await producer.commit_transaction()
                await until(lambda: machine.settings == {"a": 2})
        finally:
            await producer.stop()

    asyncio.run(check())


@asynccontextmanager
async def open_transaction(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    """Somebody's transaction, which hides that `a` is 1."""
    async with producing(settings, f"{settings.namespace}open") as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(full_name(settings.namespace, SETTINGS), b"9", b"z")
        await put(settings, (b"a", b"1"))
        yield producer


def test_what_an_open_transaction_hides_is_waited_for(toy_settings: Settings) -> None:
    async def check() -> None:
        settings, data = toy_settings, ReferenceData(ToyMachine)
        await create_topics(settings, TOPICS[-1:])
        follower = ReferenceFollower(settings, [SETTINGS], data)
        async with open_transaction(settings) as producer:
            loading = asyncio.create_task(follower.load())
            await until(lambda: follower.age_s() > 1)
            assert not loading.done()
            await producer.abort_transaction()
            assert await loading
        assert data.values == {(SETTINGS, "a"): b"1"}
        await until(lambda: follower.age_s() < 0.5)
        await follower.close()

    asyncio.run(check())


def test_not_for_ever_but_what_is_decided_by_is_old_then(
    toy_settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who runs sees no more of it: a partition is not to stand still for it. The alert on the age says so."""
    monkeypatch.setattr("streams.kafka_reference._HELD_UP_S", 1.0)
    monkeypatch.setattr("streams.kafka_reference._REREAD_AFTER_S", 2.0)

    async def check() -> None:
        settings, machine = toy_settings, ToyMachine()
        await create_topics(settings, TOPICS[-1:])
        await put(settings, (b"b", b"2"))
        async with open_transaction(settings) as producer, following(settings, machine) as follower:
            assert machine.settings == {"b": 2}
            assert f"{SETTINGS} from offset 1 on" in caplog.text
            await until(lambda: follower.age_s() > 3)
            assert "no news of reference data" not in caplog.text, "the broker answers all the time"
            await producer.abort_transaction()
            await until(lambda: machine.settings == {"a": 1, "b": 2})
            await until(lambda: follower.age_s() < 1)

    asyncio.run(check())


def test_a_clock_that_is_set_back_hides_no_silence(toy_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, state = [86_400.0], SimpleNamespace(timestamp=86_400_000, lso=None, has_valid_position=False)
    monkeypatch.setattr("streams.kafka_reference.time.time", lambda: now_s[0])
    follower = ReferenceFollower(toy_settings, [SETTINGS], ReferenceData(ToyMachine))
    monkeypatch.setattr(follower, "_states", lambda: dict.fromkeys(follower._names, state))
    assert follower.age_s() == 0
    now_s[0], state.timestamp = 1_000.0, 1_000_000
    assert follower.age_s() == 0
    now_s[0] = 1_100.0
    assert follower.age_s() == 100


def test_more_than_one_fetch_and_more_than_one_topic(toy_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # Slow brokers are not taken for a transaction that somebody has left open.
    monkeypatch.setattr("streams.kafka_reference._HELD_UP_S", -1.0)

    async def check() -> None:
        settings, machine = toy_settings, ToyMachine()
        other = "toy-outcomes"
        await create_topics(settings.model_copy(update={"partitions": 1}), TOPICS[-2:])
        await put(settings, *((b"k%d" % (i % 700), b"%d" % i) for i in range(2_500)))
        await put(settings, (b"other", b"9"), topic=other)
        data = ReferenceData(ToyMachine)
        data.teach(machine)
        follower = ReferenceFollower(settings, [SETTINGS, other], data)
        assert await follower.load()
        assert machine.settings == {"other": 9} | {f"k{i % 700}": i for i in range(2_500)}
        await follower.close()

    asyncio.run(check())


def test_a_header_that_aiokafka_cannot_read_stops_nothing(
    toy_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check() -> None:
        settings, machine = toy_settings, ToyMachine()
        await create_topics(settings, TOPICS[-1:])
        await put(settings, (b"a", b"1"))
        await put_with_a_bad_header(settings, monkeypatch)
        async with following(settings, machine):
            assert machine.settings == {"a": 2}

    asyncio.run(check())


def test_a_broker_that_restarts(own_broker: EmbeddedBroker, namespace: str) -> None:
    settings = Settings(bootstrap_servers=own_broker.bootstrap_servers, namespace=namespace, partitions=2)

    async def check() -> None:
        machine = ToyMachine()
        await create_topics(settings, TOPICS[-1:])
        await put(settings, (b"a", b"1"))
        async with following(settings, machine) as follower:
            await asyncio.to_thread(own_broker.kill)
            await asyncio.sleep(3.0)
            assert follower.age_s() > 2.0
            assert machine.settings == {"a": 1}
            await asyncio.to_thread(own_broker.start)
            await put(settings, (b"a", b"2"), (b"b", b"3"))
            await until(lambda: machine.settings == {"a": 2, "b": 3})
            await until(lambda: follower.age_s() < 1.2)

    asyncio.run(check())


def test_it_waits_for_a_broker_that_is_away(own_broker: EmbeddedBroker, namespace: str) -> None:
    settings = Settings(bootstrap_servers=own_broker.bootstrap_servers, namespace=namespace, partitions=2)

    async def check() -> None:
        machine, failures = ToyMachine(), list[str]()
        await create_topics(settings, TOPICS[-1:])
        await put(settings, (b"a", b"1"))
        await asyncio.to_thread(own_broker.stop)
        data = ReferenceData(ToyMachine)
        data.teach(machine)
        follower = ReferenceFollower(settings, [SETTINGS], data)
        loading = asyncio.create_task(follower.load(failures.append))
        await until(lambda: len(failures) > 1)
        assert "Unable to bootstrap" in failures[0]
        assert machine.settings == {}
        await asyncio.to_thread(own_broker.start)
        assert await asyncio.wait_for(loading, 60)
        assert machine.settings == {"a": 1}
        await follower.close()

    asyncio.run(check())


def test_a_topic_that_is_made_anew_is_read_from_its_begin(toy_settings: Settings) -> None:
    """Its old records are gone, and with them what they said."""

    async def check() -> None:
        settings, machine = toy_settings, ToyMachine()
        topic = full_name(settings.namespace, SETTINGS)
        await create_topics(settings, TOPICS[-1:])
        await put(settings, (b"a", b"1"), (b"b", b"2"), (b"c", b"3"))
        async with following(settings, machine):
            async with admin.connect(settings.bootstrap_servers) as connected:
                await connected.delete([topic])
                while topic in (await connected.partition_counts([topic])):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await create_topics(settings, TOPICS[-1:])
            await put(settings, (b"b", b"9"))
            await until(lambda: machine.settings == {"b": 9}, 60)

    asyncio.run(check())


def test_after_long_silence_everything_is_read_again(toy_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tombstones are kept for a while only: what was removed meanwhile must not stay in use."""

    async def check() -> None:
        settings, machine = toy_settings, ToyMachine()
        await create_topics(settings, TOPICS[-1:])
        await put(settings, (b"a", b"1"))
        data = ReferenceData(ToyMachine)
        data.teach(machine)
        follower = ReferenceFollower(settings, [SETTINGS], data)
        assert await follower.load()
        # As if it had been there once, and was compacted away together with its tombstone.
        data.take(ReferenceRecord(SETTINGS, 99, b"ghost", b"5"))
        monkeypatch.setattr("streams.kafka_reference._REREAD_AFTER_S", 0.0)
        task = asyncio.create_task(follower.follow())
        await until(lambda: machine.settings == {"a": 1})
        task.cancel()
        await asyncio.wait([task])
        await follower.close()

    asyncio.run(check())

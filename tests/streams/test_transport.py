from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import KafkaError, NodeNotReadyError, NotLeaderForPartitionError, TopicAuthorizationFailedError
from aiokafka.producer import message_accumulator
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.structs import TopicPartition

from schemas.topics import full_name
from streams import consumer_thread, lenient
from streams.consumer_thread import MAX_RECORDS
from streams.errors import Refused
from streams.settings import Settings
from tests.streams.harness import InProcess, recording, until
from tests.streams.toy import COMMANDS, REQUESTS, create_topics
from tests.streams.traffic import Put, produce, produce_transaction, producing, send

pytestmark = pytest.mark.kafka


def puts(*values: str, topic: str = REQUESTS) -> list[Put]:
    return [Put(topic, 0, value.encode()) for value in values]


def run(settings: Settings, check: Callable[[InProcess], Coroutine[Any, Any, None]], *first: Put) -> None:
    async def with_app() -> None:
        await create_topics(settings)
        await produce(settings, first)
        async with recording(settings) as running:
            await check(running)

    asyncio.run(with_app())


def test_nothing_is_delivered_before_a_seek(toy_settings: Settings) -> None:
    async def check(running: InProcess) -> None:
        recorder = running.recorders[0]
        await asyncio.sleep(0.5)
        assert recorder.batches == []
        incarnation = await recorder.seek(toy_requests=1)
        await until(lambda: recorder.values(REQUESTS) == [b"b", b"c"])
        first = recorder.batches[0]
        assert (first.topic, first.partition, first.start, first.end) == (REQUESTS, 0, 1, 3)
        assert first.incarnation == incarnation
        assert first.records[0].timestamp_type == 1
        assert recorder.values(COMMANDS) == []

    run(toy_settings, check, *puts("a", "b", "c"), *puts("x", topic=COMMANDS))


def test_positions_join_over_markers_and_aborted_records(toy_settings: Settings) -> None:
    """Control records leave gaps in the offsets, never between the positions; a position that only moved shows."""

    async def check(running: InProcess) -> None:
        recorder = running.recorders[0]
        await recorder.seek(toy_requests=0)
        await until(lambda: recorder.end(REQUESTS) == 1)
        await produce_transaction(toy_settings, puts("b"), commit=True)
        await until(lambda: recorder.end(REQUESTS) == 3)
        await produce_transaction(toy_settings, puts("never"), commit=False)
        await until(lambda: recorder.end(REQUESTS) == 5)
        await produce(toy_settings, puts("c"))
        await until(lambda: recorder.end(REQUESTS) == 6)
        assert recorder.values(REQUESTS) == [b"a", b"b", b"c"]
        starts_and_ends = [(batch.start, batch.end) for batch in recorder.batches]
        assert [end for _, end in starts_and_ends[:-1]] == [start for start, _ in starts_and_ends[1:]]
        assert any(not batch.records for batch in recorder.batches)

    run(toy_settings, check, *puts("a"))


def test_an_open_transaction_of_a_producer_is_seen_for_as_long_as_it_holds_records_up(toy_settings: Settings) -> None:
    async def check(running: InProcess) -> None:
        recorder, place = running.recorders[0], (REQUESTS, 0)
        await recorder.seek(toy_requests=0, toy_commands=0)
        await until(lambda: recorder.end(REQUESTS) == 1)
        assert running.app.held_up() == {}
        async with producing(toy_settings, f"{toy_settings.namespace}open") as producer:
            await producer.begin_transaction()
            await send(producer, toy_settings, puts("never"))
            await produce(toy_settings, puts("waits"))
            await until(lambda: running.app.held_up() == {place: 1})
            await asyncio.sleep(0.3)
            assert running.app.held_up() == {place: 1}
            assert recorder.values(REQUESTS) == [b"a"]
            await producer.abort_transaction()
        await until(lambda: recorder.values(REQUESTS) == [b"a", b"waits"])
        await until(lambda: running.app.held_up() == {})

    run(toy_settings, check, *puts("a"))


def test_a_long_fetch_comes_in_pieces_that_join(toy_settings: Settings) -> None:
    async def check(running: InProcess) -> None:
        recorder = running.recorders[0]
        await recorder.seek(toy_requests=0)
        await until(lambda: recorder.end(REQUESTS) == 5_000)
        assert recorder.values(REQUESTS) == [str(i).encode() for i in range(5_000)]
        assert max(len(batch.records) for batch in recorder.batches) <= MAX_RECORDS
        assert [batch.end for batch in recorder.batches[:-1]] == [batch.start for batch in recorder.batches[1:]]

    run(toy_settings, check, *puts(*map(str, range(5_000))))


def test_a_pause_holds_one_input_only_and_a_resume_is_immediate(toy_settings: Settings) -> None:
    async def check(running: InProcess) -> None:
        recorder = running.recorders[0]
        await recorder.seek(toy_requests=0, toy_commands=0)
        await until(lambda: recorder.values(REQUESTS) == [b"a"])
        recorder.inputs.pause(0, REQUESTS)
        await produce(toy_settings, puts("b"))
        await asyncio.sleep(0.3)
        assert recorder.values(REQUESTS) == [b"a"]
        for number in range(5):
            started = time.monotonic()
            await produce(toy_settings, puts(str(number), topic=COMMANDS))
            await until(lambda number=number: len(recorder.values(COMMANDS)) == number + 1)  # type: ignore[misc]
            assert time.monotonic() - started < 1.0
        assert recorder.values(REQUESTS) == [b"a"]
        started = time.monotonic()
        recorder.inputs.resume(0, REQUESTS)
        await until(lambda: recorder.values(REQUESTS) == [b"a", b"b"])
        assert time.monotonic() - started < 0.3

    run(toy_settings, check, *puts("a"))


def test_polling_goes_on_while_everything_is_paused(toy_settings: Settings) -> None:
    """Else aiokafka would leave the group after its `max_poll_interval`."""

    async def check(running: InProcess) -> None:
        recorder = running.recorders[0]
        await recorder.seek(toy_requests=0, toy_commands=0)
        for topic in (REQUESTS, COMMANDS):
            recorder.inputs.pause(0, topic)
        subscription = running.thread.consumer_in_thread._subscription
        idle_s = []
        for _ in range(30):
            await asyncio.sleep(0.1)
            idle_s.append(subscription.fetcher_idle_time)
        assert max(idle_s) < 1.0

    run(toy_settings, check, *puts("a"))


def test_a_seek_back_brings_everything_again_as_the_new_incarnation(toy_settings: Settings) -> None:
    async def check(running: InProcess) -> None:
        recorder = running.recorders[0]
        first = await recorder.seek(toy_requests=0)
        await until(lambda: len(recorder.values(REQUESTS)) == 2)
        second = await recorder.seek(toy_requests=0)
        await until(lambda: len(recorder.values(REQUESTS)) == 4)
        await produce(toy_settings, puts("c"))
        await until(lambda: recorder.values(REQUESTS) == [b"a", b"b", b"a", b"b", b"c"])
        assert {batch.incarnation for batch in recorder.batches[:1]} == {first}
        assert {batch.incarnation for batch in recorder.batches[1:]} == {second}

    run(toy_settings, check, *puts("a", "b"))


def test_a_seek_that_a_later_one_has_overtaken_does_nothing(toy_settings: Settings) -> None:
    async def check(running: InProcess) -> None:
        recorder = running.recorders[0]
        number = await recorder.seek(toy_requests=1)
        await recorder.inputs.seek(0, {REQUESTS: 3, COMMANDS: 0}, number - 1)
        await until(lambda: recorder.end(REQUESTS) == 3)
        await until(lambda: recorder.end(COMMANDS) == 1)
        assert recorder.values(REQUESTS) == [b"b", b"c"]
        numbers = {batch.topic: batch.incarnation for batch in recorder.batches}
        assert numbers == {REQUESTS: number, COMMANDS: number - 1}

    run(toy_settings, check, *puts("a", "b", "c"), *puts("x", topic=COMMANDS))


def test_faust_seeks_nothing_by_itself(toy_settings: Settings) -> None:
    """Its own `perform_seek` would go to the group's offsets, which only lag tools may believe."""

    async def check(running: InProcess) -> None:
        recorder = running.recorders[0]
        await recorder.group.acknowledge(0, {REQUESTS: 2})
        await recorder.seek(toy_requests=0)
        await cast(Any, running.app.consumer).perform_seek()
        await until(lambda: recorder.end(REQUESTS) == 3)
        await produce(toy_settings, puts("d"))
        await until(lambda: recorder.values(REQUESTS) == [b"a", b"b", b"c", b"d"])
        assert recorder.batches[0].start == 0
        assert running.app.crash_reason is None
        assert not cast(Any, running.app.consumer)._read_offset

    run(toy_settings, check, *puts("a", "b", "c"))


def test_the_consumer_leaves_soon_and_commits_nothing_by_itself(toy_settings: Settings) -> None:
    async def check(running: InProcess) -> None:
        consumer = running.thread.consumer_in_thread
        assert consumer._session_timeout_ms == toy_settings.session_timeout_s * 1000 <= 10_000
        assert consumer._enable_auto_commit is False
        assert consumer._fetch_max_wait_ms <= 100
        assert consumer._isolation_level == "read_committed"

    run(toy_settings, check)


class _NotUtf8(str):
    """A header name that aiokafka's producer writes as other bytes."""

    def encode(self, *_: Any, **__: Any) -> bytes:
        return b"ce_\xff\xfe"


async def produce_with_a_bad_header(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three records in one batch; aiokafka cannot decode the second one."""
    with monkeypatch.context() as patch:
        patch.setattr(message_accumulator, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
        async with producing(settings) as producer:
            batch = producer.create_batch()
            batch.append(timestamp=None, key=b"k", value=b"b")
            batch.append(timestamp=None, key=b"k", value=b"bad", headers=[(_NotUtf8("x"), b"1"), ("n", None)])
            batch.append(timestamp=None, key=None, value=None)
            name = full_name(settings.namespace, REQUESTS)
            await (await producer.send_batch(batch, name, partition=0))


def test_a_header_name_that_is_not_utf_8_does_not_stop_the_partition(
    toy_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def check(running: InProcess) -> None:
        await produce_with_a_bad_header(toy_settings, monkeypatch)
        await produce_transaction(toy_settings, puts("never"), commit=False)
        await produce_transaction(toy_settings, puts("d"), commit=True)
        recorder = running.recorders[0]
        await recorder.seek(toy_requests=0)
        await until(lambda: recorder.end(REQUESTS) == 8)
        assert recorder.values(REQUESTS) == [b"a", b"b", b"bad", b"", b"d"]
        records = [record for batch in recorder.batches for record in batch.records]
        assert list(records[2].headers) == [("ce_\ufffd\ufffd", b"1"), ("n", None)]
        assert [record.offset for record in records] == [0, 1, 2, 3, 6]
        assert {record.timestamp_type for record in records} == {1}
        assert records[2].timestamp == records[1].timestamp > 1_000_000_000_000
        assert (records[3].key, records[3].value) == (None, None)
        assert [batch.end for batch in recorder.batches[:-1]] == [batch.start for batch in recorder.batches[1:]]

    run(toy_settings, check, *puts("a"))


@pytest.mark.parametrize("error", [NotLeaderForPartitionError, NodeNotReadyError])
def test_a_leader_that_moves_while_it_is_asked_leniently_is_asked_again(
    toy_settings: Settings, monkeypatch: pytest.MonkeyPatch, error: type[KafkaError]
) -> None:
    asked: list[str] = []

    async def fetch_leniently(consumer: Any, tp: TopicPartition) -> None:
        asked.append(tp.topic)
        if len(asked) <= 2:
            raise error
        await lenient.fetch_leniently(consumer, tp)

    async def check(running: InProcess) -> None:
        monkeypatch.setattr(consumer_thread, "fetch_leniently", fetch_leniently)
        await produce_with_a_bad_header(toy_settings, monkeypatch)
        recorder = running.recorders[0]
        await recorder.seek(toy_requests=0, toy_commands=0)
        await until(lambda: recorder.values(REQUESTS) == [b"a", b"b", b"bad", b""])
        await until(lambda: recorder.values(COMMANDS) == [b"x"])
        assert len(asked) == 3
        assert running.app.crash_reason is None

    run(toy_settings, check, *puts("a"), *puts("x", topic=COMMANDS))


def test_a_broker_that_refuses_to_be_read_leniently_ends_the_worker(
    toy_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch_leniently(*_: Any) -> None:
        raise TopicAuthorizationFailedError("no")

    async def check(running: InProcess) -> None:
        monkeypatch.setattr(consumer_thread, "fetch_leniently", fetch_leniently)
        await produce_with_a_bad_header(toy_settings, monkeypatch)
        await running.recorders[0].seek(toy_requests=0)
        await until(lambda: running.app.crash_reason is not None)
        assert isinstance(running.app.crash_reason, TopicAuthorizationFailedError)

    run(toy_settings, check, *puts("a"))


def test_records_deleted_unread_end_the_worker(toy_settings: Settings) -> None:
    """aiokafka would go on at the first record that is left."""

    async def check(running: InProcess) -> None:
        recorder = running.recorders[0]
        tp = TopicPartition(full_name(toy_settings.namespace, REQUESTS), 0)
        admin = AIOKafkaAdminClient(bootstrap_servers=toy_settings.bootstrap_servers)
        await admin.start()
        await admin.delete_records({tp: RecordsToDelete(before_offset=2)})
        await admin.close()
        await recorder.seek(toy_requests=1)
        await until(lambda: running.app.crash_reason is not None)
        assert isinstance(running.app.crash_reason, Refused)
        assert "was read up to 1" in str(running.app.crash_reason)
        assert "goes on at 2" in str(running.app.crash_reason)
        assert recorder.values(REQUESTS) == []

    run(toy_settings, check, *puts("a", "b", "c"))


def test_two_workers_share_the_partitions_and_each_keeps_its_inputs_together(toy_settings: Settings) -> None:
    """Three partitions: with two, dealing out topic partitions in turn would give each worker whole ones too."""
    settings = toy_settings.model_copy(update={"partitions": 3})

    async def check(running: InProcess) -> None:
        before = dict(running.recorders)
        for recorder in before.values():
            await recorder.seek(toy_requests=0)
            await until(lambda recorder=recorder: recorder.values(REQUESTS) == [b"a"])  # type: ignore[misc]
        other_settings = settings.model_copy(update={"worker_id": "w2"})
        async with recording(other_settings, set()) as other:
            await until(
                lambda: len(running.recorders) + len(other.recorders) == 3 and len(other.recorders) in (1, 2), 20
            )
            assert set(running.recorders) | set(other.recorders) == {0, 1, 2}
            assert all(recorder.closed.is_set() for recorder in before.values())
            assert not set(before.values()) & set(running.recorders.values())
            await produce(settings, [Put(REQUESTS, partition, b"b") for partition in range(3)])
            await asyncio.sleep(0.3)
            for recorder in (*running.recorders.values(), *other.recorders.values()):
                # Where the consumer stands now is nobody's position: it is neither delivered nor compared.
                assert recorder.batches == []
                await recorder.seek(toy_requests=0, toy_commands=0)
                await until(lambda recorder=recorder: recorder.values(REQUESTS) == [b"a", b"b"])  # type: ignore[misc]
            assert running.app.crash_reason is None
        await until(lambda: len(running.recorders) == 3, 20)
        assert all(recorder.values(REQUESTS) == [b"a"] for recorder in before.values())

    run(settings, check, *(Put(REQUESTS, partition, b"a") for partition in range(3)))

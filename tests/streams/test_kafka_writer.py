from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import (
    IllegalOperation,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    TopicAuthorizationFailedError,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata, TopicPartition

from ops.broker import EmbeddedBroker
from schemas.topics import full_name
from streams.errors import Fenced, MessageTooLarge, Refused
from streams.kafka_log import KafkaLogs
from streams.kafka_writer import BATCH_BYTES, KafkaWriter
from streams.machine import Message, Outgoing
from streams.ports import LogPosition
from streams.settings import Settings
from tests.streams.toy import COMMANDS, EVENTS, OUTCOMES, create_topics
from tests.streams.traffic import committed_values

pytestmark = pytest.mark.kafka


def writer_of(settings: Settings, partition: int = 0) -> KafkaWriter:
    return KafkaLogs(settings, "toy", EVENTS, lambda short: full_name(settings.namespace, short)).writer(partition)


def event(value: bytes, partition: int = 0) -> Message:
    return Message(EVENTS, partition, b"k", value)


async def log_of(settings: Settings, partition: int = 0) -> list[tuple[int, bytes]]:
    return await committed_values(settings, EVENTS, partition)


def test_a_transaction_says_where_its_seal_is(toy_settings: Settings) -> None:
    async def check() -> None:
        await create_topics(toy_settings)
        writer = writer_of(toy_settings)
        await writer.fence()
        messages = [event(b"a"), Message(OUTCOMES, 0, None, b"o", [("h", b"1"), ("n", None)]), event(b"seal")]
        assert await writer.transact(messages) == LogPosition(1, 2)
        # The marker of the first transaction took offset 2.
        assert await writer.transact([event(b"seal 2")]) == LogPosition(3, 4)
        await writer.close()
        await writer.close()
        assert await log_of(toy_settings) == [(0, b"a"), (1, b"seal"), (3, b"seal 2")]
        assert await committed_values(toy_settings, OUTCOMES, 0) == [(0, b"o")]

    asyncio.run(check())


def test_a_tick_has_no_position(toy_settings: Settings) -> None:
    async def check() -> None:
        await create_topics(toy_settings)
        writer = writer_of(toy_settings)
        await writer.fence()
        assert await writer.transact([Message(COMMANDS, 1, None, b"tick")]) == LogPosition(-1, -1)
        await writer.close()
        assert await committed_values(toy_settings, COMMANDS, 1) == [(0, b"tick")]

    asyncio.run(check())


def test_messages_beyond_one_record_batch_keep_their_order(toy_settings: Settings) -> None:
    async def check() -> None:
        await create_topics(toy_settings)
        writer = writer_of(toy_settings)
        await writer.fence()
        values = [b"%07d" % i + bytes(2_000) for i in range(2_000)]
        assert sum(map(len, values)) > 4 * BATCH_BYTES
        messages = [event(value) for value in values] + [Message(OUTCOMES, 1, b"k", b"o")] + [event(b"seal")]
        position = await writer.transact(messages)
        await writer.close()
        log = await log_of(toy_settings)
        assert [value for _, value in log] == [*values, b"seal"]
        assert log[-1][0] == position.seal_offset == 2_000

    asyncio.run(check())


def test_the_old_writer_is_fenced(toy_settings: Settings) -> None:
    async def check() -> None:
        await create_topics(toy_settings)
        old, new, other = writer_of(toy_settings), writer_of(toy_settings), writer_of(toy_settings, 1)
        await old.fence()
        await other.fence()
        await old.transact([event(b"old")])
        await new.fence()
        with pytest.raises(Fenced, match="toy-0"):
            await old.transact([event(b"zombie")])
        assert await new.transact([event(b"new")]) == LogPosition(2, 3)
        await other.transact([event(b"of another partition", 1)])
        for writer in (old, new, other):
            await writer.close()
        assert await log_of(toy_settings) == [(0, b"old"), (2, b"new")]

    asyncio.run(check())


def test_a_writer_that_is_fenced_while_it_asks_for_a_topic_says_so(toy_settings: Settings) -> None:
    """aiokafka refuses what it would send after the refusal by saying that there is no transaction."""

    async def check() -> None:
        await create_topics(toy_settings)
        old, new = writer_of(toy_settings), writer_of(toy_settings)
        await old.fence()
        await new.fence()
        client = old._producer.client
        ask = client._wait_on_metadata

        async def ask_slowly(topic: str) -> Any:
            if topic == full_name(toy_settings.namespace, OUTCOMES):
                await asyncio.wait([old._producer._sender.sender_task], timeout=10.0)
            return await ask(topic)

        client._wait_on_metadata = ask_slowly
        with pytest.raises(Fenced, match="toy-0"):
            await old.transact([event(b"zombie"), Message(OUTCOMES, 0, b"k", b"o"), event(b"seal")])
        await old.close()
        await new.close()
        assert await log_of(toy_settings) == []

    asyncio.run(check())


def test_a_time_limit_that_the_brokers_do_not_take_is_refused(toy_settings: Settings) -> None:
    async def check() -> None:
        await create_topics(toy_settings)
        # A broker takes a quarter of an hour unless it is told otherwise.
        writer = writer_of(toy_settings.model_copy(update={"transaction_timeout_ms": 3_600_000}))
        with pytest.raises(Refused, match=r"TRANSACTION_TIMEOUT_MS \(3600000 ms\) is above transaction.max.timeout.ms"):
            await writer.fence()
        await writer.close()

    asyncio.run(check())


def test_the_transactional_id_belongs_to_the_partition_not_to_the_worker(toy_settings: Settings) -> None:
    async def check() -> None:
        await create_topics(toy_settings)
        old = writer_of(toy_settings)
        new = writer_of(toy_settings.model_copy(update={"worker_id": "another"}))
        assert old.transactional_id == new.transactional_id == f"{toy_settings.namespace}toy-0"
        await old.fence()
        assert old._producer._txn_manager.transaction_timeout_ms == toy_settings.transaction_timeout_ms == 10_000
        await old.transact([event(b"old")])
        await new.fence()
        with pytest.raises(Fenced):
            await old.transact([event(b"zombie")])
        await new.transact([event(b"new")])
        await old.close()
        await new.close()
        assert await log_of(toy_settings) == [(0, b"old"), (2, b"new")]

    asyncio.run(check())


def test_the_commit_is_announced_between_the_last_answer_and_the_commit(toy_settings: Settings) -> None:
    async def check() -> None:
        await create_topics(toy_settings)
        writer = writer_of(toy_settings)
        await writer.fence()
        seen: list[tuple[int, list[tuple[int, bytes]]]] = []

        async def before_commit(_position: LogPosition) -> None:
            reader = AIOKafkaConsumer(bootstrap_servers=toy_settings.bootstrap_servers)
            await reader.start()
            tp = TopicPartition(full_name(toy_settings.namespace, EVENTS), 0)
            seen.append(((await reader.end_offsets([tp]))[tp], await log_of(toy_settings)))
            await reader.stop()

        await writer.transact([event(b"a"), event(b"seal")], before_commit)
        await writer.close()
        assert seen == [(2, [])]
        assert await log_of(toy_settings) == [(0, b"a"), (1, b"seal")]

    asyncio.run(check())


def test_what_fails_before_the_commit_is_not_committed() -> None:
    async def check() -> None:
        writer = writer_of(Settings())
        writer._producer = answers = _Answers([7])

        async def before_commit(_position: LogPosition) -> None:
            assert not answers.committed
            raise OSError("here it dies")

        with pytest.raises(OSError, match="here it dies"):
            await writer.transact([event(b"seal")], before_commit)
        assert not answers.committed

    asyncio.run(check())


def test_fencing_ends_what_the_old_writer_left_open(toy_settings: Settings) -> None:
    async def check() -> None:
        await create_topics(toy_settings)
        old, new = writer_of(toy_settings), writer_of(toy_settings)
        await old.fence()
        await old._producer.begin_transaction()
        await old._write(old._producer, [event(b"never")])
        await new.fence()
        # Offset 0 is aborted and 1 is its marker: nothing is open when `fence` returns.
        assert await new.transact([event(b"new")]) == LogPosition(2, 3)
        await old.close()
        await new.close()
        assert await log_of(toy_settings) == [(2, b"new")]

    asyncio.run(check())


@pytest.mark.parametrize("large_at", [0, 1])
def test_a_record_too_large_leaves_nothing_behind(toy_settings: Settings, large_at: int) -> None:
    async def check() -> None:
        await create_topics(toy_settings)
        writer = writer_of(toy_settings)
        await writer.fence()
        messages = [event(b"a"), Message(OUTCOMES, 0, b"k", b"o"), event(b"seal")]
        messages.insert(large_at, Message(OUTCOMES, 1, b"k", bytes(2 << 20)))
        with pytest.raises(MessageTooLarge):
            await writer.transact(messages)
        await writer.close()
        fresh = writer_of(toy_settings)
        await fresh.fence()
        await fresh.transact([event(b"seal")])
        await fresh.close()
        assert [value for _, value in await log_of(toy_settings)] == [b"seal"]
        assert await committed_values(toy_settings, OUTCOMES, 0) == []

    asyncio.run(check())


def test_a_large_dead_letter_fits_a_topic_that_takes_it(toy_settings: Settings) -> None:
    async def check() -> None:
        await create_topics(toy_settings, toy_outcomes={"max.message.bytes": str(3 << 20)})
        writer = writer_of(toy_settings)
        await writer.fence()
        large = bytes((2 << 20) + (60 << 10))
        await writer.transact([Message(OUTCOMES, 0, b"k", large), Message(OUTCOMES, 0, b"k", b"next"), event(b"seal")])
        await writer.close()
        assert [len(value) for _, value in await committed_values(toy_settings, OUTCOMES, 0)] == [len(large), 4]

    asyncio.run(check())


def test_a_commit_without_the_check_of_every_batch_would_lose_one(toy_settings: Settings) -> None:
    """Why step 3 waits for every produce: aiokafka's commit succeeds although a batch was refused."""

    async def check() -> None:
        await create_topics(toy_settings)
        writer = writer_of(toy_settings)
        await writer.fence()
        producer = writer._producer
        await producer.begin_transaction()
        with pytest.raises(MessageSizeTooLargeError):
            await writer._write(producer, [event(b"a"), Message(OUTCOMES, 1, b"k", bytes(2 << 20))])
        await producer.commit_transaction()
        assert await log_of(toy_settings) == [(0, b"a")]
        # And going on with the same producer fails: it is thrown away after any error.
        with pytest.raises(OutOfOrderSequenceNumber):
            await writer.transact([Message(OUTCOMES, 1, b"k", b"small"), event(b"b")])
        await writer.close()

    asyncio.run(check())


class _Answers:
    """Stands for a producer whose batches get the given answers."""

    def __init__(self, offsets: Sequence[int]):
        self._offsets = list(offsets)
        self.committed = False

    async def begin_transaction(self) -> None: ...

    def create_batch(self) -> Any:
        return BatchBuilder(BATCH_BYTES, 0, is_transactional=1)

    async def send_batch(self, *_: Any, **__: Any) -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        future.set_result(RecordMetadata("t", 0, TopicPartition("t", 0), self._offsets.pop(0), -1, 0, 0))
        return future

    async def commit_transaction(self) -> None:
        self.committed = True


def test_a_batch_whose_offset_is_not_known_is_not_committed() -> None:
    """A produce that is answered DUPLICATE_SEQUENCE_NUMBER has no offset: the seal's place would be unknown."""

    async def check() -> None:
        writer = writer_of(Settings())
        writer._producer = answers = _Answers([-1])
        with pytest.raises(Exception, match="the outcome is unknown"):
            await writer.transact([event(b"seal")])
        assert not answers.committed

    asyncio.run(check())


def test_where_all_records_were_taken_back_no_batch_is_sent() -> None:
    outgoing = Outgoing([event(b"a"), event(b"seal")])
    outgoing.by_target[OUTCOMES, 0] = []
    packed = KafkaWriter._pack(_Answers([]), outgoing)
    assert [(target, [batch.record_count() for batch in batches]) for target, batches in packed.items()] == [
        ((EVENTS, 0), [2])
    ]


@pytest.mark.parametrize(
    ("cause", "raised"),
    [(TopicAuthorizationFailedError("t"), TopicAuthorizationFailedError), (ProducerFenced(), Fenced)],
)
def test_a_transaction_that_ended_while_it_was_written_says_why(cause: Exception, raised: type[Exception]) -> None:
    """The client takes it back when one partition is refused, and says of the next batch only that there is none."""

    async def check() -> None:
        class TakenBack(_Answers):
            async def send_batch(self, *_args: Any, **_kwargs: Any) -> Any:
                raise IllegalOperation("Can't send messages while not in transaction")

        writer = writer_of(Settings())
        writer._producer = answers = TakenBack([])
        waiter = asyncio.get_running_loop().create_future()
        waiter.set_exception(cause)
        answers._txn_manager = SimpleNamespace(_transaction_waiter=waiter)  # type: ignore[attr-defined]
        with pytest.raises(raised):
            await writer.transact([event(b"seal")])
        assert not answers.committed

    asyncio.run(check())


class _Unstoppable:
    """Stands for a producer whose sender ends with the given error when it is stopped."""

    def __init__(self, error: BaseException):
        self._error = error
        self._txn_manager = SimpleNamespace(_transaction_waiter=None)
        self._sender = SimpleNamespace(sender_task=None)
        self.client = self
        self.is_closed = False

    async def stop(self) -> None:
        raise self._error

    async def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("error", [ProducerFenced(), OutOfOrderSequenceNumber(), OSError("reset"), TimeoutError()])
def test_a_producer_that_fails_to_stop_is_dropped(error: Exception) -> None:
    """aiokafka's `stop` waits for the request under way and raises what that is answered."""

    async def check() -> None:
        writer = writer_of(Settings())
        writer._producer = producer = _Unstoppable(error)
        await writer.close()
        assert producer.is_closed

    asyncio.run(check())


def test_a_cancelled_close_drops_the_producer_and_stays_cancelled() -> None:
    async def check() -> None:
        writer = writer_of(Settings())
        writer._producer = producer = _Unstoppable(asyncio.CancelledError())
        with pytest.raises(asyncio.CancelledError):
            await writer.close()
        assert producer.is_closed

    asyncio.run(check())


def test_close_is_bounded_when_the_broker_is_gone(own_broker: EmbeddedBroker) -> None:
    async def check() -> None:
        settings = Settings(bootstrap_servers=own_broker.bootstrap_servers, namespace="gone.", partitions=1)
        await create_topics(settings)
        writer = writer_of(settings)
        await writer.fence()
        await writer.transact([event(b"seal")])
        await asyncio.to_thread(own_broker.stop)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await writer.transact([event(b"lost")])
        started = time.monotonic()
        await writer.close()
        assert time.monotonic() - started < 6.0

    asyncio.run(check())

"""What a writer does once its transaction has failed: nothing more with its producer. On Kafka: `test_kafka_writer`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata, TopicPartition

from streams.kafka_log import KafkaLogs
from streams.kafka_writer import BATCH_BYTES
from streams.machine import Message
from streams.ports import LogPosition
from streams.settings import Settings

_MESSAGES = [Message("outcomes", 0, b"k", b"o"), Message("events", 0, b"k", b"a"), Message("events", 0, b"", b"seal")]


class Producer:
    """Notes what is asked of it, and fails at one call: `begin`, `send`, `produce` (a batch's answer) or `commit`."""

    def __init__(self, fails_at: str = "", error: BaseException | None = None):
        self._fails_at = fails_at
        self._error = error
        self.asked: list[str] = []

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if what == self._fails_at and self._error is not None:
            raise self._error

    async def begin_transaction(self) -> None:
        self._ask("begin")

    def create_batch(self) -> Any:
        return BatchBuilder(BATCH_BYTES, 0, is_transactional=1)

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        self._ask("send")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._fails_at == "produce" and self._error is not None:
            answer.set_exception(self._error)
        else:
            answer.set_result(RecordMetadata(topic, partition, TopicPartition(topic, partition), 4, -1, 0, 0))
        return answer

    async def commit_transaction(self) -> None:
        self._ask("commit")

    async def abort_transaction(self) -> None:
        self._ask("abort")


async def transact(producer: Producer) -> LogPosition:
    writer = KafkaLogs(Settings(), "toy", "events", lambda short: short).writer(0)
    writer._producer = producer
    return await writer.transact(_MESSAGES)


def test_a_transaction_is_begun_written_and_committed_once() -> None:
    producer = Producer()
    assert asyncio.run(transact(producer)) == LogPosition(5, 6)
    assert producer.asked == ["begin", "send", "send", "commit"]


@pytest.mark.parametrize(
    "error",
    [
        KafkaConnectionError("gone"),
        MessageSizeTooLargeError("large"),
        NotEnoughReplicasError("two are down"),
        OutOfOrderSequenceNumber("?"),
        ProducerFenced(),
        OSError("reset"),
        asyncio.CancelledError(),
    ],
)
@pytest.mark.parametrize(
    ("fails_at", "asked"),
    [
        ("begin", ["begin"]),
        ("send", ["begin", "send"]),
        ("produce", ["begin", "send", "send"]),
        ("commit", ["begin", "send", "send", "commit"]),
    ],
)
def test_after_any_error_nothing_is_aborted_and_nothing_tried_again(
    fails_at: str, asked: list[str], error: BaseException
) -> None:
    """The outcome is unknown; and after a batch that was refused the client's next transactions would fail."""
    producer = Producer(fails_at, error)
    with pytest.raises((Exception, asyncio.CancelledError)):
        asyncio.run(transact(producer))
    assert producer.asked == asked

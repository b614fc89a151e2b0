"""Something that answers requests as the ledger's topics promise it, for tests of those who wait for answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from schemas.events import Source
from schemas.outcomes import Outcome, encode_outcome
from schemas.topics import TRANSACTION_OUTCOMES, TRANSACTION_REQUESTS, full_name

_AT = "2026-11-23T00:00:00.000Z"


def outcomes_of(value: bytes, source: Source) -> list[Outcome]:
    """A transfer is processed, then settled; all else is settled; what is no JSON object is malformed."""
    try:
        request = orjson.loads(value)
        operation, key = request["operation"], request["idempotency_key"]
    except (ValueError, TypeError, KeyError):
        return [Outcome(kind="answer", status="rejected", code="malformed", source=source, recorded_at=_AT)]
    named: dict[str, Any] = {
        "operation": operation,
        "idempotency_key": key,
        "status": "accepted",
        "code": "ok",
        "source": source,
        "recorded_at": _AT,
    }
    if operation != "transfer":
        return [Outcome(kind="answer", state="settled", **named)]
    return [
        Outcome(kind="answer", state="processed", **named),
        Outcome(kind="update", state="settled", **named),
    ]


@asynccontextmanager
async def answering(bootstrap_servers: str, namespace: str) -> AsyncIterator[None]:
    """Answer every request of the namespace, in transactions, while the context lasts."""
    consumer = AIOKafkaConsumer(
        full_name(namespace, TRANSACTION_REQUESTS),
        bootstrap_servers=bootstrap_servers,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, transactional_id=f"{namespace}answerer")
    await consumer.start()
    await producer.start()
    task = asyncio.create_task(_answer(consumer, producer, full_name(namespace, TRANSACTION_OUTCOMES)))
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await consumer.stop()
        await producer.stop()


async def _answer(consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, topic: str) -> None:
    while True:
        fetched = await consumer.getmany(timeout_ms=200)
        if not fetched:
            continue
        async with producer.transaction():
            for partition, records in fetched.items():
                for record in records:
                    source = Source(TRANSACTION_REQUESTS, record.partition, record.offset)
                    for outcome in outcomes_of(record.value, source):
                        value = encode_outcome(outcome)
                        await producer.send(topic, value, key=record.key, partition=partition.partition)

"""A ledger that runs on Kafka, as a story is played on: asked as any producer asks, and read as anybody may read."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from ops.buckets import Balances
from ops.errors import OperationError
from ops.history import Logged
from ops.reading import TopicReader, open_reader
from schemas.events import Source, decode_event
from schemas.outcomes import Outcome, WalletBalances, decode_balances, decode_outcome
from schemas.partitioning import partition_of
from schemas.topics import LEDGER_EVENTS, TRANSACTION_OUTCOMES, WALLET_BALANCES, full_name
from streams.connection import Brokers, client_arguments

#: A fetch of partitions that have nothing holds up those that have, so it must not wait for long.
_FETCH_WAIT_MS: Final = 5
#: Without an outcome or event for so long, none is to be expected.
_SILENT_S: Final = 30.0


class OnKafka:
    """The ledger of a namespace; made by `on_kafka`."""

    def __init__(
        self, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer, reader: TopicReader, check: Callable[[], None]
    ):
        self._producer, self._consumer, self._reader, self._check = producer, consumer, reader, check
        self._heard_at = time.monotonic()
        self.partitions = 0
        self.outcomes: list[Outcome] = []
        self.events: list[Logged] = []

    async def start(self) -> None:
        """Read outcomes and events that are committed from now on."""
        self.partitions = await self._reader.partition_count(LEDGER_EVENTS)
        places = [
            TopicPartition(full_name(self._reader.namespace, name), partition)
            for name in (TRANSACTION_OUTCOMES, LEDGER_EVENTS)
            for partition in range(self.partitions)
        ]
        self._consumer.assign(places)
        for place, end in (await self._consumer.end_offsets(places)).items():
            self._consumer.seek(place, end)

    def now_ms(self) -> int:
        """This machine's time, which is the broker's too."""
        return time.time_ns() // 1_000_000

    async def ask(self, topic: str, command: dict[str, Any]) -> Source:
        """Send a command, keyed by its wallet, to the partition in which the wallet lives."""
        wallet_id = command["wallet_id"]
        sent = await self._producer.send_and_wait(
            full_name(self._reader.namespace, topic),
            orjson.dumps(command),
            key=wallet_id.encode(),
            partition=partition_of(wallet_id, self.partitions),
        )
        self._heard_at = time.monotonic()
        return Source(topic, sent.partition, sent.offset)

    async def more(self) -> None:
        """Take what is committed since, if need be after a while.

        Raises:
            OperationError: nothing was for long, or the worker has ended.
        """
        fetched = await self._consumer.getmany(timeout_ms=500)
        outcomes = full_name(self._reader.namespace, TRANSACTION_OUTCOMES)
        for place, records in fetched.items():
            values = [(record.offset, record.value) for record in records if record.value is not None]
            if place.topic == outcomes:
                self.outcomes += [decode_outcome(value) for _, value in values]
            else:
                self.events += [Logged(place.partition, offset, decode_event(value)) for offset, value in values]
        if fetched:
            self._heard_at = time.monotonic()
        self._check()
        if time.monotonic() - self._heard_at > _SILENT_S:
            raise OperationError(f"the ledger has said nothing for {_SILENT_S:.0f} s")

    async def published(self) -> Balances:
        """What `wallet-balances` says, the latest record of each holder in each partition."""
        latest: dict[tuple[int, bytes], WalletBalances] = {}
        async for records in self._reader.read(WALLET_BALANCES):
            for record in records:
                if record.value is not None:
                    latest[record.partition, record.key or b""] = decode_balances(record.value)
        found: dict[tuple[str, str], int] = {}
        for held in latest.values():
            for account, asset, minor in [(one.account, one.asset, one.balance_minor) for one in held.accounts]:
                found[account, asset] = found.get((account, asset), 0) + minor
        return found


@asynccontextmanager
async def on_kafka(
    brokers: Brokers, namespace: str, check: Callable[[], None] = lambda: None
) -> AsyncIterator[OnKafka]:
    """The ledger of a namespace, for as long as the context lasts; `check` raises where its worker has ended.

    Raises:
        OperationError: no broker answers, a topic is missing, or the broker went away.
    """
    producer = AIOKafkaProducer(**client_arguments(brokers), acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(
        **client_arguments(brokers),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="latest",
        fetch_max_wait_ms=_FETCH_WAIT_MS,
    )
    async with open_reader(brokers, namespace) as reader:
        try:
            await producer.start()
            await consumer.start()
            ledger = OnKafka(producer, consumer, reader, check)
            await ledger.start()
            yield ledger
        except KafkaError as error:
            raise OperationError(f"the story was not told to its end: {error!r}") from error
        finally:
            await producer.stop()
            await consumer.stop()

"""The raw ceiling: consume with aiokafka, produce in transactions, and think nothing in between.

    python -m ops.bench.peers.ceiling BROKERS INPUT PREFIX OUTPUT=SIZE...

Each input record becomes one record in each output topic of the name PREFIX + OUTPUT, in the partition that it
came from: its own bytes where SIZE is `copy`, else filler of so many bytes. One transactional producer for each
partition, group commit as in the ledger. No record is decoded.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any, Final

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.connection import client_arguments

_BATCH_RECORDS: Final = 2_000
_MOST_WAITING: Final = 8_000
#: Filler that does not compress away to nothing is not needed: nothing is compressed.
_FILLER: Final = b"x"


class Lane:
    """One partition: records that wait, and the producer that writes them."""

    def __init__(self, brokers: str, prefix: str, partition: int, outputs: Sequence[tuple[str, bytes | None]]):
        self._partition = partition
        self._outputs = outputs
        self._waiting: list[Any] = []
        self._arrived = asyncio.Event()
        self._producer = AIOKafkaProducer(
            **client_arguments(brokers),
            transactional_id=f"{prefix}{partition}",
            max_batch_size=1 << 20,
            max_request_size=8 << 20,
        )

    async def start(self) -> None:
        """Fence, as the ledger does."""
        await self._producer.start()

    def put(self, records: Sequence[Any]) -> None:
        """Have records written."""
        self._waiting += records
        self._arrived.set()

    @property
    def is_full(self) -> bool:
        """Whether no more should be fetched for now."""
        return len(self._waiting) > _MOST_WAITING

    async def run(self) -> None:
        """One transaction after the other."""
        while True:
            await self._arrived.wait()
            batch, self._waiting = self._waiting[:_BATCH_RECORDS], self._waiting[_BATCH_RECORDS:]
            if not self._waiting:
                self._arrived.clear()
            await self._producer.begin_transaction()
            sent = [future for output in self._outputs for future in await self._write(batch, *output)]
            for future in sent:
                await future
            await self._producer.commit_transaction()

    async def _write(self, records: Sequence[Any], topic: str, filler: bytes | None) -> list[Any]:
        producer, sent = self._producer, []
        batch = producer.create_batch()
        for record in records:
            value = record.value if filler is None else filler
            if batch.append(timestamp=None, key=record.key, value=value) is None:
                batch.close()
                sent.append(await producer.send_batch(batch, topic, partition=self._partition))
                batch = producer.create_batch()
                batch.append(timestamp=None, key=record.key, value=value)
        batch.close()
        sent.append(await producer.send_batch(batch, topic, partition=self._partition))
        return sent


async def _main(brokers: str, topic: str, prefix: str, outputs: Sequence[tuple[str, bytes | None]]) -> None:
    consumer = AIOKafkaConsumer(
        topic,
        **client_arguments(brokers),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=1 << 20,
    )
    await consumer.start()
    partitions = sorted(consumer.assignment())
    lanes: dict[TopicPartition, Lane] = {tp: Lane(brokers, prefix, tp.partition, outputs) for tp in partitions}
    await asyncio.gather(*(lane.start() for lane in lanes.values()))
    tasks = [asyncio.create_task(lane.run()) for lane in lanes.values()]
    while True:
        wanted = [tp for tp, lane in lanes.items() if not lane.is_full]
        if not wanted:
            await asyncio.sleep(0.001)
            continue
        for tp, records in (await consumer.getmany(*wanted, timeout_ms=20)).items():
            lanes[tp].put(records)
        for task in tasks:
            if task.done():
                task.result()
        await asyncio.sleep(0)


def main() -> None:
    """Run until killed."""
    brokers, topic, prefix, *described = sys.argv[1:]
    outputs = []
    for output in described:
        name, _, size = output.partition("=")
        outputs.append((prefix + name, None if size == "copy" else _FILLER * int(size)))
    uvloop.run(_main(brokers, topic, prefix, outputs))


if __name__ == "__main__":
    main()

"""Requests a second of this pipeline on the mixed load: all operations, in the shares that a wallet ledger meets."""

from __future__ import annotations

import time

from ops.bench.stage import PARTITIONS, Place, Stage
from ops.bench.throughput import Throughput, ours
from ops.bench.watch import count_committed
from ops.errors import OperationError
from ops.load import Shape
from ops.mixed_load import MixedMaker, reference_records
from ops.reading import open_reader
from ops.sender import Sender
from schemas.partitioning import partition_of
from schemas.topics import SETTLEMENT_UPDATES, TRANSACTION_OUTCOMES


async def mixed(stage: Stage, shape: Shape, requests: int) -> Throughput:
    """One ledger worker on so many requests of the mixed load and what rails say, once all is there that they name.

    Raises:
        OperationError: the worker ended, or did not accept every request, and that exactly once.
    """
    async with stage.place() as place:
        maker = MixedMaker(shape, PARTITIONS, requests, int(time.time() * 1_000))
        await _refer(stage, place, shape.asset)
        # A payee lives in another partition: each phase is answered before the next.
        for name, made in (("open wallets", list(maker.openings())), ("seed transactions", list(maker.seeds()))):
            await ours(stage, await stage.fill(place, iter(made), len(made)), name)
        async with open_reader(stage.brokers, place.namespace) as reader:
            async for records in reader.read(TRANSACTION_OUTCOMES):
                for record in records:
                    maker.learn(record.value or b"")
        updates = list(maker.updates())
        filled = await stage.fill(place, (maker.make() for _ in range(requests)), requests)
        filled = await stage.fill(filled, iter(updates), len(updates), SETTLEMENT_UPDATES)
        measured = await ours(stage, filled, "mixed")
        rejected = await count_committed(stage.brokers, place.output(TRANSACTION_OUTCOMES), _is_rejection)
        if rejected:
            raise OperationError(f"{rejected} outcomes of the mixed load are rejections, none should be")
    return measured


def _is_rejection(outcome: bytes) -> bool:
    return b'"status":"rejected"' in outcome


async def _refer(stage: Stage, place: Place, asset: str) -> None:
    for topic, key, value in reference_records(asset):
        async with Sender(stage.brokers, place.output(topic)) as sender:
            sender.put(partition_of(key, sender.partitions), key.encode(), value)

"""From when a request was to be sent to when its committed outcome is read, at steady rates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from ops.bench.stage import PARTITIONS, Place, Stage, require_running
from ops.bench.throughput import ours
from ops.errors import OperationError
from ops.lag import GroupLag, open_lag
from ops.latencies import Percentiles
from ops.load import RequestMaker, Shape
from ops.measure import measure_load
from ops.processes import WorkerProcess, wait_until_ready
from schemas.partitioning import partition_of
from schemas.topics import INTERNAL_COMMANDS, TRANSACTION_REQUESTS, full_name

#: Of a partition's lag, while load runs.
_LAG_EVERY_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Latency:
    """Latency at one rate."""

    rate: float
    took: Percentiles

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {"rate": self.rate, **self.took.as_json()}


@dataclass(frozen=True, slots=True)
class Hot:
    """Half of all transfers pay one merchant."""

    #: Transfers settled a second where all of them wait in the topic.
    transfers_per_s: float
    at_rate: Latency
    #: Most records of requests and internal commands that waited, in the merchant's partition and in any other.
    hot_lag: int
    other_lag: int

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "transfers_per_s": round(self.transfers_per_s),
            "latency": self.at_rate.as_json(),
            "hot_partition_lag": self.hot_lag,
            "other_partitions_lag": self.other_lag,
        }


async def latency_at(stage: Stage, rate: float, seconds: float, shape: Shape) -> Latency:
    """Latency at `rate` requests a second for `seconds`, one worker, after 2 s of the same load to warm up.

    Raises:
        OperationError: the worker ended, or a request was not answered exactly once.
    """
    async with stage.place() as place:
        with stage.worker(place) as worker:
            await _until_ready(worker)
            took = await _load(stage, place, worker, shape, rate, seconds)
    return Latency(rate, took)


async def hot_wallet(stage: Stage, shape: Shape, requests: int, rate: float, seconds: float) -> Hot:
    """Throughput, latency and lag where half of the transfers pay one wallet.

    Raises:
        OperationError: see `latency_at`.
    """
    async with stage.place() as place:
        with stage.worker(place) as worker:
            await _until_ready(worker)
            async with _lags(stage, place) as lags:
                took = await _load(stage, place, worker, shape, rate, seconds)
    merchant = partition_of(f"{shape.name}-merchant", PARTITIONS)
    others = max(lag for partition, lag in lags.items() if partition != merchant)
    transfers_per_s = await _settled_per_s(stage, shape, requests)
    return Hot(transfers_per_s, Latency(rate, took), lags[merchant], others)


async def _load(
    stage: Stage, place: Place, worker: WorkerProcess, shape: Shape, rate: float, seconds: float
) -> Percentiles:
    def make(run: str) -> Callable[[int], RequestMaker]:
        return lambda partitions: RequestMaker(replace(shape, run=run), partitions)

    stage.tell(f"latency at {rate:,.0f}/s", 0.0)
    await measure_load(stage.brokers, place.namespace, make("warm-up"), rate=rate, seconds=2.0)
    stage.tell(f"latency at {rate:,.0f}/s", 0.1)
    measured = await measure_load(stage.brokers, place.namespace, make("run"), rate=rate, seconds=seconds)
    require_running(worker)
    if measured.tracker.doubled:
        raise OperationError(f"{measured.tracker.doubled} requests were answered twice; run `walletstream verify`")
    return measured.tracker.latencies.summary()


async def _until_ready(worker: WorkerProcess) -> None:
    await asyncio.to_thread(wait_until_ready, [worker])


async def _settled_per_s(stage: Stage, shape: Shape, requests: int) -> float:
    """Transfers a second, all of them waiting in the topic, until the last payee has its money."""
    async with stage.place() as place:
        # The wallets are open before the first transfer: a payee lives in another partition.
        opened = await stage.preload(place, shape, 0)
        await ours(stage, opened, "open wallets")
        filled = await stage.preload(place, shape, requests, open_wallets=False)
        return (await ours(stage, filled, "transfers to a hot wallet")).requests_per_s


@asynccontextmanager
async def _lags(stage: Stage, place: Place) -> AsyncIterator[dict[int, int]]:
    """Partition -> most records of requests and internal commands that waited, while the context lasts.

    By the group's committed offsets, which a worker acknowledges twice a second: what lag tools see.
    """
    most = dict.fromkeys(range(PARTITIONS), 0)
    topics = [full_name(place.namespace, name) for name in (TRANSACTION_REQUESTS, INTERNAL_COMMANDS)]

    async def sample(group: GroupLag) -> None:
        while True:
            lags = await group.lags()
            for partition in most:
                most[partition] = max(most[partition], sum(lags.get((topic, partition), 0) for topic in topics))
            await asyncio.sleep(_LAG_EVERY_S)

    async with open_lag(stage.brokers, f"{place.namespace}ledger", topics) as group:
        task = asyncio.create_task(sample(group))
        try:
            yield most
            if task.done():
                task.result()
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

"""The fraud role on Kafka: how fast one worker is, how soon an alert is there, how soon a new rule is obeyed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ops.bench.fraud_latency import FraudLatency, fraud_latency
from ops.bench.fraud_role import ledger_events
from ops.bench.fraud_rules import put_rules, unhindered
from ops.bench.stage import PARTITIONS, Place, Stage, Usage, require_running
from ops.errors import OperationError
from ops.lag import GroupLag, open_lag
from ops.load import Placed
from ops.processes import WorkerProcess
from ops.reading import open_reader
from schemas.topics import FRAUD_INTERNAL, LEDGER_EVENTS, full_name

#: Of the events that wait, those that are taken before the clock runs: histories fill, code warms up.
_WARM: Final = 0.4
_LOOK_EVERY_S: Final = 0.1
_STALLED_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class FraudThroughput:
    """One worker, all events waiting in the topic.

    Attributes:
        events: those that were timed.
        records_between: what went from one partition to another for all events, those before too.
    """

    events: int
    rules: int
    seconds: float
    cpu_s: float
    peak_rss_mb: float
    records_between: int

    @property
    def events_per_s(self) -> float:
        """Ledger events taken in a second, all that they send to other partitions taken too."""
        return self.events / self.seconds

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "events": self.events,
            "rules": self.rules,
            "events_per_s": round(self.events_per_s),
            "events_per_cpu_s": round(self.events / self.cpu_s),
            "cores": round(self.cpu_s / self.seconds, 2),
            "peak_rss_mb": round(self.peak_rss_mb),
            "records_between_partitions": self.records_between,
        }


@dataclass(frozen=True, slots=True)
class FraudStream:
    """All of it."""

    throughput: FraudThroughput
    latency: FraudLatency

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {"throughput": self.throughput.as_json(), "latency": self.latency.as_json()}


async def fraud_stream(stage: Stage, events: int, rate: float, seconds: float) -> FraudStream:
    """Measure all of it, one worker at a time.

    Raises:
        OperationError: a worker ended, or did not get on.
    """
    throughput = await fraud_throughput(stage, events)
    return FraudStream(throughput, await fraud_latency(stage, rate, seconds))


async def fraud_throughput(stage: Stage, events: int) -> FraudThroughput:
    """One worker takes `events` ledger events that wait, and what they lead to in other partitions.

    Raises:
        OperationError: the worker ended, or did not get on.
    """
    rules = unhindered()
    async with stage.place() as place:
        await put_rules(stage.brokers, place.namespace, rules)
        made = (Placed(partition, None, value) for partition, value in ledger_events(events, PARTITIONS))
        await stage.fill(place, made, events, LEDGER_EVENTS)
        with stage.worker(place, "fraud") as worker:
            return await _timed(stage, place, worker, events, len(rules))


async def _timed(stage: Stage, place: Place, worker: WorkerProcess, events: int, rules: int) -> FraudThroughput:
    usage = Usage(worker.pid)
    topics = [full_name(place.namespace, name) for name in (LEDGER_EVENTS, FRAUD_INTERNAL)]
    async with open_lag(stage.brokers, f"{place.namespace}fraud", topics) as lag:
        left, began, cpu_s = await _until(stage, worker, usage, lag, topics[:1], events, int(events * (1 - _WARM)))
        if not left:
            raise OperationError(f"{events:,} events are too few to time a fraud worker by")
        _, ended, cpu_end_s = await _until(stage, worker, usage, lag, topics, events, 0)
    async with open_reader(stage.brokers, place.namespace) as reader:
        between = sum(bounds.end for bounds in (await reader.bounds(FRAUD_INTERNAL)).values())
    return FraudThroughput(left, rules, ended - began, cpu_end_s - cpu_s, usage.peak_rss_mb(), between)


async def _until(
    stage: Stage, worker: WorkerProcess, usage: Usage, lag: GroupLag, topics: Sequence[str], events: int, most: int
) -> tuple[int, float, float]:
    """Wait until at most so many records of the topics are left: how many, when, and the worker's processor time."""
    last, since = -1, time.perf_counter()
    while True:
        require_running(worker)
        lags = await lag.lags()
        now, cpu_s = time.perf_counter(), usage.cpu_s()
        left = sum(count for (topic, _), count in lags.items() if topic in topics)
        if left <= most:
            return left, now, cpu_s
        if left != last:
            last, since = left, now
        elif now - since > _STALLED_S:
            raise OperationError(f"the fraud worker does not get on: {left:,} records are left")
        stage.tell("fraud on Kafka", max(0.0, 1 - left / events))
        await asyncio.sleep(_LOOK_EVERY_S)

"""How soon alerts of a fraud worker on Kafka are there, and how soon a new rule is obeyed."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from ops.bench.fraud_engine import make_facts
from ops.bench.fraud_role import encode_event, event_of
from ops.bench.fraud_rules import probe, put_rules, unhindered
from ops.bench.stage import PARTITIONS, Place, Stage, Usage, require_running
from ops.consuming import start_consumer
from ops.errors import OperationError
from ops.latencies import Percentiles, percentiles
from ops.processes import WorkerProcess, wait_until_ready
from schemas.fraud_alerts import decode_alert
from schemas.partitioning import partition_of
from schemas.topics import FRAUD_ALERTS, LEDGER_EVENTS, full_name
from streams.connection import client_arguments

#: The ledger commits so often here.
_COMMIT_EVERY_S: Final = 0.02
#: Reference of the events at which the probes fire, and how many in a hundred have it.
_PROBE: Final = "probe"
_PROBES: Final = 5
_WARM_UP_S: Final = 4.0
#: Rules that are published one after the other, and how long each is waited for.
_PUBLISHED: Final = 5
_WAIT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class FraudLatency:
    """At a steady rate of ledger events, from their commit to when the alert can be read.

    Attributes:
        by_wallet: of a rule whose key lives where the event arrives.
        by_device: of one whose key may live in another partition.
        cores: of the worker.
        obeyed_s: of each rule published meanwhile, from when publishing began to when its first alert can be read.
    """

    rate: float
    rules: int
    by_wallet: Percentiles
    by_device: Percentiles
    cores: float
    obeyed_s: Sequence[float]

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "rate": self.rate,
            "rules": self.rules,
            "by_wallet": self.by_wallet.as_json(),
            "by_device": self.by_device.as_json(),
            "cores": round(self.cores, 2),
            "rule_obeyed_after_s": [round(each, 3) for each in self.obeyed_s],
        }


async def fraud_latency(stage: Stage, rate: float, seconds: float) -> FraudLatency:
    """Alerts of one worker at `rate` ledger events a second for `seconds`, then rules that are published meanwhile.

    Raises:
        OperationError: the worker ended, or a rule was not obeyed in time.
    """
    rules = [*unhindered(), probe("probe-wallet", "wallet_id", _PROBE), probe("probe-device", "device", _PROBE)]
    async with stage.place() as place:
        await put_rules(stage.brokers, place.namespace, rules)
        with stage.worker(place, "fraud") as worker:
            await asyncio.to_thread(wait_until_ready, [worker])
            async with _followed(stage, place) as followed, _fed(stage, place, rate) as feed:
                stage.tell("fraud alerts", 0.0)
                await asyncio.sleep(_WARM_UP_S)
                usage, began = Usage(worker.pid), time.perf_counter()
                await _pass_time(stage, worker, seconds)
                ended, cores = time.perf_counter(), usage.cores()
                obeyed_s = [await _obeyed_s(stage, place, worker, followed, n) for n in range(_PUBLISHED)]
    by_rule = {
        name: percentiles(
            [
                seen - committed
                for transaction_id, seen in followed.seen.get(name, {}).items()
                if began <= (committed := feed.committed[transaction_id]) <= ended
            ]
        )
        for name in ("probe-wallet", "probe-device")
    }
    return FraudLatency(rate, len(rules), by_rule["probe-wallet"], by_rule["probe-device"], cores, obeyed_s)


async def _pass_time(stage: Stage, worker: WorkerProcess, seconds: float) -> None:
    until = time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        require_running(worker)
        stage.tell("fraud alerts", 1 - left / seconds)
        await asyncio.sleep(min(left, 1.0))


async def _obeyed_s(stage: Stage, place: Place, worker: WorkerProcess, followed: _Followed, number: int) -> float:
    """Publish a rule that fires at events which are sent all the time; how soon there is an alert of it."""
    name = f"published-{number}"
    began = time.perf_counter()
    await put_rules(stage.brokers, place.namespace, [probe(name, "wallet_id", name)])
    while name not in followed.seen:
        require_running(worker)
        if time.perf_counter() - began > _WAIT_S:
            raise OperationError(f"a rule that was published is not obeyed after {_WAIT_S:g} s")
        await asyncio.sleep(0.01)
    return min(followed.seen[name].values()) - began


@dataclass
class _Feed:
    """Ledger events, committed in transactions at a steady rate.

    Attributes:
        committed: transaction id -> when its event was committed.
    """

    committed: dict[str, float] = field(default_factory=dict)

    async def run(self, producer: AIOKafkaProducer, topic: str, rate: float) -> None:
        """Send events for ever; behind its time it sends more at once."""
        made, sent, began = self._events(), 0, time.perf_counter()
        while True:
            due = int((time.perf_counter() - began) * rate) - sent
            if due > 0:
                names = []
                async with producer.transaction():
                    waiting = []
                    for transaction_id, partition, value in itertools.islice(made, due):
                        waiting.append(await producer.send(topic, value, partition=partition))
                        names.append(transaction_id)
                    for each in waiting:
                        await each
                self.committed.update(dict.fromkeys(names, time.perf_counter()))
                sent += due
            await asyncio.sleep(_COMMIT_EVERY_S)

    def _events(self) -> Iterator[tuple[str, int, bytes]]:
        """Transaction id, partition and value, as if they happened now."""
        marks = [_PROBE] * _PROBES + [f"published-{number}" for number in range(_PUBLISHED)]
        for number, (_, fact) in enumerate(make_facts(1 << 40)):
            event = event_of(time.time_ns() // 1_000_000, number, fact | {"late_ms": 0})
            mark = number * 37 % 100
            if mark < len(marks):
                event["references"]["order"] = marks[mark]
            yield fact["transaction_id"], partition_of(fact["wallet_id"], PARTITIONS), encode_event(event)


@dataclass
class _Followed:
    """Alerts, as they can be read.

    Attributes:
        seen: rule -> transaction at which it fired -> when its alert was read.
    """

    seen: dict[str, dict[str, float]] = field(default_factory=dict)

    async def run(self, consumer: AIOKafkaConsumer) -> None:
        """Read for ever."""
        while True:
            fetched = await consumer.getmany(timeout_ms=1_000)
            now = time.perf_counter()
            for records in fetched.values():
                for record in records:
                    alert = decode_alert(record.value or b"")
                    if alert.evidence:
                        self.seen.setdefault(alert.rule_id, {}).setdefault(alert.evidence[0], now)


@asynccontextmanager
async def _followed(stage: Stage, place: Place) -> AsyncIterator[_Followed]:
    consumer = await start_consumer(stage.brokers)
    try:
        places = [TopicPartition(full_name(place.namespace, FRAUD_ALERTS), each) for each in range(PARTITIONS)]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        followed = _Followed()
        async with _in_background(followed.run(consumer)):
            yield followed
    finally:
        await consumer.stop()


@asynccontextmanager
async def _fed(stage: Stage, place: Place, rate: float) -> AsyncIterator[_Feed]:
    producer = AIOKafkaProducer(
        **client_arguments(stage.brokers), transactional_id=f"{place.namespace}bench-ledger", acks="all"
    )
    await producer.start()
    try:
        feed = _Feed()
        async with _in_background(feed.run(producer, full_name(place.namespace, LEDGER_EVENTS), rate)):
            yield feed
    finally:
        await producer.stop()


@asynccontextmanager
async def _in_background(work: Any) -> AsyncIterator[None]:
    """Something that goes on until the block ends; what goes wrong with it is raised then."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        if task.done():
            task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

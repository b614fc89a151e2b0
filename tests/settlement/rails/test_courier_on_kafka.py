"""The courier on a real broker: killed at random moments, two at once; the rails' own journals are the witness."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from agents.settlement.rails.courier.companion import CourierCompanion
from agents.settlement.rails.simulated.journal import read_totals
from agents.settlement.rails.simulated.rail import DOWN_FILE
from ops.broker import EmbeddedBroker
from schemas.partitioning import partition_of
from schemas.rail_batches import RailAnswer, RailBatch
from schemas.settlement_batches import SettlementRecord, encode_settlement_record
from schemas.settlement_internal import RailAnswered, SubmissionFailed, decode_settlement_internal
from schemas.topics import RAILS, SETTLEMENT_BATCHES, SETTLEMENT_INTERNAL, full_name
from streams.errors import Refused
from streams.settings import Settings
from tests.broker import Kafka
from tests.ops.verify.on_kafka import create_topics
from tests.settlement.rails.batches import batch
from tests.settlement.rails.stage import record

pytestmark = pytest.mark.kafka

PARTITIONS = 2
SIMULATED = {
    "answer_min_ms": 20,
    "answer_max_ms": 200,
    "rejected_bps": 1_000,
    "partial_bps": 1_000,
    "split_bps": 3_000,
    "repeated_bps": 3_000,
    "lost_bps": 2_000,
    "turned_away_bps": 2_000,
    "silent_bps": 1_000,
    "late_bps": 1_000,
    "late_ms": 700,
    "returned_bps": 500,
    "contradicted_bps": 500,
    "call_ms": 20,
}
RETRY = {
    "first_ms": 20,
    "longest_ms": 200,
    "poll_ms": 50,
    "breaker_open_ms": 200,
    "breaker_failures": 5,
    "timeout_ms": 2_000,
}


def rail(name: str, **settings: Any) -> dict[str, Any]:
    return {
        "name": name,
        "settlement": "deferred",
        "batches": {"max_age_s": 60},
        "adapter": {"kind": "simulated", "settings": SIMULATED | settings},
        "retry": RETRY,
    }


class Settlement:
    """What stands for the settlement role: publishes batches, takes each answer once, orders the next attempts."""

    def __init__(self, kafka: Kafka, namespace: str):
        self._servers, self._namespace = kafka.bootstrap_servers, namespace
        self.batches: dict[str, RailBatch] = {}
        self.answers: dict[str, RailAnswer] = {}
        self.told = 0
        self.failed: list[SubmissionFailed] = []
        self._attempts: dict[str, int] = {}
        self._states: dict[str, str] = {}

    async def __aenter__(self) -> Settlement:
        self._producer = AIOKafkaProducer(bootstrap_servers=self._servers)
        await self._producer.start()
        self._consumer = AIOKafkaConsumer(
            full_name(self._namespace, SETTLEMENT_INTERNAL),
            bootstrap_servers=self._servers,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        await self._consumer.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._consumer.stop()
        await self._producer.stop()

    async def put_rails(self, *rails: dict[str, Any]) -> None:
        for one in rails:
            await self._producer.send_and_wait(
                full_name(self._namespace, RAILS), orjson.dumps(one), key=one["name"].encode()
            )

    async def tell(self, told: SettlementRecord) -> None:
        await self._producer.send_and_wait(
            full_name(self._namespace, SETTLEMENT_BATCHES),
            encode_settlement_record(told),
            key=told.rail.encode(),
            partition=partition_of(told.rail, PARTITIONS),
        )

    async def hand_over(self, one: RailBatch) -> None:
        self.batches[one.batch_id] = one
        self._states[one.batch_id], self._attempts[one.batch_id] = "ready", one.attempt
        await self.tell(record(one))

    def finished(self) -> bool:
        return all(self._states[name] == "final" for name in self.batches)

    async def until_finished(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self.finished():
            left = {name[-4:]: state for name, state in self._states.items() if state != "final"}
            assert time.monotonic() < deadline, f"not finished: {left}"
            await self.listen(0.2)

    async def listen_for(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await self.listen(0.1)

    async def listen(self, seconds: float) -> None:
        fetched = await self._consumer.getmany(timeout_ms=int(seconds * 1000))
        for records in fetched.values():
            for one in records:
                report = decode_settlement_internal(one.value)
                if isinstance(report, RailAnswered):
                    await self._take(report.answer)
                elif isinstance(report, SubmissionFailed):
                    await self._take_failed(report)

    async def _take(self, answer: RailAnswer) -> None:
        self.told += 1
        if answer.answer_id in self.answers:
            assert self.answers[answer.answer_id] == answer
            return
        self.answers[answer.answer_id] = answer
        one = self.batches[answer.batch_id]
        named = {fact.end_to_end_id for known in self.answers.values() for fact in known.instructions}
        if {instruction.end_to_end_id for instruction in one.instructions} <= named:
            self._states[one.batch_id] = "final"
            await self.tell(record(one, "settled", is_final=True))
        elif self._states[one.batch_id] == "ready":
            self._states[one.batch_id] = "submitted"
            await self.tell(record(one, "submitted"))

    async def _take_failed(self, failed: SubmissionFailed) -> None:
        self.failed.append(failed)
        if self._states[failed.batch_id] == "ready" and self._attempts[failed.batch_id] == failed.attempt:
            one = self.batches[failed.batch_id]
            self._attempts[failed.batch_id] += 1
            number = int(one.batch_id, 16)
            again = batch(number, rail=one.rail, attempt=self._attempts[failed.batch_id])
            await self.tell(record(again))


class Process:
    """A courier in a process of its own."""

    def __init__(self, environ: dict[str, str], worker: str, log: Path):
        self._environ = {**os.environ, **environ, "WALLETSTREAM_WORKER_ID": worker}
        self._log = log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "tests.settlement.rails.courier_process"]
            # Blocked until it is handled, so that one that is stopped as soon as it is started stops in order, too.
            handled = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
            try:
                self._process = subprocess.Popen(command, env=self._environ, stdout=log, stderr=log)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, handled)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(20)

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)


def environ_of(kafka: Kafka, namespace: str, folder: Path) -> dict[str, str]:
    return {
        "WALLETSTREAM_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "WALLETSTREAM_NAMESPACE": namespace,
        "WALLETSTREAM_PARTITIONS": str(PARTITIONS),
        "WALLETSTREAM_DATA_DIR": str(folder / "data"),
        "WALLETSTREAM_RAILS_DIR": str(folder / "rails"),
        "WALLETSTREAM_SESSION_TIMEOUT_S": "2",
    }


def check_journals(settlement: Settlement, folder: Path, *rails: str) -> None:
    """Every batch was executed once, and what was answered is what was paid."""
    executed: dict[str, int] = {}
    paid: dict[str, int] = {}
    for name in rails:
        totals = read_totals(folder / "rails" / name)
        assert totals.paid_twice == []
        executed |= totals.executed
        paid |= {end_to_end_id: amounts[0] for end_to_end_id, amounts in totals.paid.items()}
    assert executed == dict.fromkeys(settlement.batches, 1)
    answered = {
        fact.end_to_end_id: fact.settled_minor
        for answer in settlement.answers.values()
        for fact in answer.instructions
        if fact.state == "settled"
    }
    assert answered == paid


def test_kills_at_random_moments_pay_nothing_twice_and_forget_nothing(
    kafka: Kafka, namespace: str, tmp_path: Path
) -> None:
    """Two couriers, one of which is killed by -9 every now and then, and stopped for longer than its session."""
    chance = random.Random(7)
    kills, batches = 8, 60

    async def go() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        environ = environ_of(kafka, namespace, tmp_path)
        async with Settlement(kafka, namespace) as settlement:
            await settlement.put_rails(rail("sim", seed=1), rail("other", seed=2))
            couriers = [Process(environ, f"c{n}", tmp_path / f"c{n}.log") for n in range(2)]
            try:
                numbers = iter(range(batches))
                for turn in range(kills):
                    for number in [next(numbers) for _ in range(batches // kills)]:
                        await settlement.hand_over(batch(number, rail=("sim", "other")[number % 2]))
                    await settlement.listen_for(chance.uniform(0.8, 2.5))
                    victim = couriers[chance.randrange(2)]
                    if turn == 3:
                        victim.signal(signal.SIGSTOP)
                        await settlement.listen_for(4)
                        victim.signal(signal.SIGCONT)
                    else:
                        victim.kill()
                        victim.start()
                for number in numbers:
                    await settlement.hand_over(batch(number, rail="sim"))
                await settlement.until_finished(90)
            finally:
                codes = [courier.stop() for courier in couriers]
            assert codes == [0, 0]
            check_journals(settlement, tmp_path, "sim", "other")

    asyncio.run(go())


def test_one_that_is_stopped_as_soon_as_it_is_started_ends_in_order(
    kafka: Kafka, namespace: str, tmp_path: Path
) -> None:
    asyncio.run(create_topics(kafka.bootstrap_servers, namespace, PARTITIONS))
    assert Process(environ_of(kafka, namespace, tmp_path), "c", tmp_path / "c.log").stop() == 0


def test_one_of_two_rails_is_down_and_the_other_goes_on(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    async def go() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        (tmp_path / "rails" / "other").mkdir(parents=True)
        down = tmp_path / "rails" / "other" / DOWN_FILE
        down.touch()
        async with Settlement(kafka, namespace) as settlement:
            await settlement.put_rails(rail("sim", seed=1), rail("other", seed=2))
            courier = Process(environ_of(kafka, namespace, tmp_path), "c", tmp_path / "c.log")
            try:
                for number in range(10):
                    await settlement.hand_over(batch(number, rail="sim"))
                for number in range(10, 20):
                    await settlement.hand_over(batch(number, rail="other"))
                deadline = time.monotonic() + 40
                while sum(state == "final" for state in settlement._states.values()) < 10:
                    assert time.monotonic() < deadline
                    await settlement.listen(0.2)
                assert read_totals(tmp_path / "rails" / "other").executed == {}
                assert {failed.rail for failed in settlement.failed if "is down" in failed.message} == {"other"}
                down.unlink()
                await settlement.until_finished(60)
            finally:
                courier.stop()
            check_journals(settlement, tmp_path, "sim", "other")

    asyncio.run(go())


def test_a_broker_that_is_away_for_a_while_is_waited_for(own_broker: EmbeddedBroker, tmp_path: Path) -> None:
    kafka = Kafka(own_broker.bootstrap_servers, "embedded")

    async def go() -> None:
        await create_topics(kafka.bootstrap_servers, "wallet.", PARTITIONS)
        courier = Process(environ_of(kafka, "wallet.", tmp_path), "c", tmp_path / "c.log")
        try:
            async with Settlement(kafka, "wallet.") as settlement:
                await settlement.put_rails(rail("sim", seed=1))
                for number in range(5):
                    await settlement.hand_over(batch(number))
                await settlement.until_finished(40)
                for number in range(5, 10):
                    await settlement.hand_over(batch(number))
                await asyncio.to_thread(own_broker.kill)
                await asyncio.sleep(3)
                await asyncio.to_thread(own_broker.start)
                for number in range(10, 15):
                    await settlement.hand_over(batch(number))
                await settlement.until_finished(60)
                check_journals(settlement, tmp_path, "sim")
        finally:
            assert courier.stop() == 0

    asyncio.run(go())


def test_a_courier_that_comes_later_reads_only_what_is_open(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    async def go() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        environ = environ_of(kafka, namespace, tmp_path)
        async with Settlement(kafka, namespace) as settlement:
            await settlement.put_rails(rail("sim", seed=1))
            for number in range(5):
                await settlement.hand_over(batch(number))
            first = Process(environ, "c", tmp_path / "c.log")
            await settlement.until_finished(40)
            await settlement.hand_over(batch(99, rail="not-there"))
            await settlement.listen_for(1.5)
            first.stop()
            told = settlement.told
            second = Process(environ, "d", tmp_path / "d.log")
            await settlement.put_rails(rail("not-there", seed=3))
            await settlement.until_finished(40)
            second.stop()
            assert settlement.told - told <= 8, "nothing of what is over was told again"
            check_journals(settlement, tmp_path, "sim", "not-there")
            assert any("no rail not-there" in failed.message for failed in settlement.failed)

    asyncio.run(go())


def test_a_record_that_cannot_be_read_ends_the_worker(kafka: Kafka, namespace: str, tmp_path: Path) -> None:
    async def go() -> None:
        await create_topics(kafka.bootstrap_servers, namespace, PARTITIONS)
        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
        await producer.start()
        await producer.send_and_wait(full_name(namespace, SETTLEMENT_BATCHES), b'{"kind":"of tomorrow"}', key=b"sim")
        await producer.stop()
        names = {
            name.removeprefix("WALLETSTREAM_").lower(): value
            for name, value in environ_of(kafka, namespace, tmp_path).items()
        }
        settings = Settings(**names)  # type: ignore[arg-type]
        with pytest.raises(Refused, match=r"offset 0, cannot be read"):
            async with asyncio.timeout(30):
                await CourierCompanion(settings).run(asyncio.Event())
        wrong = settings.model_copy(update={"rail_adapters": "no.such.module"})
        with pytest.raises(Refused, match=r"WALLETSTREAM_RAIL_ADAPTERS: no adapter in module 'no\.such\.module'"):
            await CourierCompanion(wrong).run(asyncio.Event())

    with suppress(asyncio.CancelledError):
        asyncio.run(go())

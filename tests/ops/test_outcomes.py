"""Waiting for outcomes on a real broker."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from ops.amlsim import generate, phases
from ops.cli.topics import apply_topics
from ops.errors import OperationError
from ops.lag import open_lag
from ops.load import RequestMaker, Shape
from ops.measure import measure_load
from ops.outcomes import read_outcomes
from ops.requests import Phase, Request
from ops.submit import submit
from ops.tracker import Seen, Tracker
from schemas.events import Source
from schemas.outcomes import Outcome, encode_outcome
from schemas.topics import TRANSACTION_OUTCOMES, TRANSACTION_REQUESTS, full_name
from streams.settings import Settings
from tests.broker import Kafka
from tests.ops.answerer import answering
from tests.ops.test_held_up import hidden

pytestmark = pytest.mark.kafka


def settings_of(kafka: Kafka, namespace: str) -> Settings:
    return Settings(bootstrap_servers=kafka.bootstrap_servers, namespace=namespace, partitions=3)


def test_every_request_is_matched_with_its_answer_and_transfers_with_their_updates(
    kafka: Kafka, namespace: str
) -> None:
    async def go() -> None:
        await apply_topics(settings_of(kafka, namespace))
        data = generate(200, seed=2)
        async with answering(kafka.bootstrap_servers, namespace):
            done = await submit(
                kafka.bootstrap_servers, namespace, phases(data, "opening-balance"), wait=True, timeout_s=20
            )
        tracker = done.tracker
        assert tracker is not None
        total = sum(phase.count for phase in phases(data, "opening-balance"))
        assert (done.sent, tracker.answered, tracker.waiting, tracker.settling) == (total, total, 0, 0)
        assert (tracker.doubled, tracker.codes, tracker.updates) == (0, {"ok": total}, {"ok": 200})
        value = done.as_json()
        assert (value["answered"], value["latency"]["count"]) == (total, total)
        assert value["latency"]["p50_ms"] > 0

    asyncio.run(go())


def test_without_answers_waiting_ends_with_what_to_do(kafka: Kafka, namespace: str) -> None:
    async def go() -> None:
        await apply_topics(settings_of(kafka, namespace))
        one = [Phase("requests", 1, iter([Request(b"w", b"{}")]))]
        assert (await submit(kafka.bootstrap_servers, namespace, one)).tracker is None
        one = [Phase("requests", 1, iter([Request(b"w", b"{}")]))]
        with pytest.raises(OperationError, match=r"1 requests are unanswered.*walletstream worker ledger"):
            await submit(kafka.bootstrap_servers, namespace, one, wait=True, timeout_s=1)

    asyncio.run(go())


@pytest.mark.parametrize("topic", [TRANSACTION_REQUESTS, TRANSACTION_OUTCOMES])
def test_a_transaction_that_hides_requests_or_answers_is_told(kafka: Kafka, namespace: str, topic: str) -> None:
    async def go() -> None:
        await apply_topics(settings_of(kafka, namespace))
        one = [Phase("requests", 1, iter([Request(b"w", b"{}")]))]
        async with hidden(kafka, namespace, topic):
            with pytest.raises(
                OperationError, match=rf"1 requests are unanswered.*for 1 s: somebody .* open on .*{topic}"
            ):
                await submit(kafka.bootstrap_servers, namespace, one, wait=True, timeout_s=1)

    asyncio.run(go())


def test_only_committed_outcomes_from_now_on_are_read(kafka: Kafka, namespace: str) -> None:
    def outcome(offset: int) -> bytes:
        source = Source(TRANSACTION_REQUESTS, 0, offset)
        return encode_outcome(Outcome(kind="answer", status="accepted", code="ok", source=source, recorded_at="now"))

    async def go() -> list[int]:
        await apply_topics(settings_of(kafka, namespace))
        topic, seen, arrived = full_name(namespace, TRANSACTION_OUTCOMES), list[Seen](), asyncio.Event()

        def on_outcomes(some: list[Seen], _at: float) -> None:
            seen.extend(some)
            arrived.set()

        producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"{namespace}t")
        await producer.start()
        try:
            async with producer.transaction():
                await producer.send_and_wait(topic, outcome(1), partition=0)
            async with read_outcomes(kafka.bootstrap_servers, namespace, on_outcomes):
                await producer.begin_transaction()
                await producer.send_and_wait(topic, outcome(2), partition=0)
                await producer.abort_transaction()
                async with producer.transaction():
                    await producer.send_and_wait(topic, outcome(3), partition=0)
                async with asyncio.timeout(10):
                    await arrived.wait()
        finally:
            await producer.stop()
        return [one.source.offset for one in seen]

    assert asyncio.run(go()) == [3]


def test_missing_topics_are_told(kafka: Kafka, namespace: str) -> None:
    async def read() -> None:
        async with read_outcomes(kafka.bootstrap_servers, namespace, lambda _some, _at: None):
            pass

    async def lag() -> None:
        async with open_lag(kafka.bootstrap_servers, "group", [full_name(namespace, TRANSACTION_REQUESTS)]):
            pass

    for missing in (read, lag):
        with pytest.raises(OperationError, match="run `walletstream topics apply`"):
            asyncio.run(missing())


def test_a_load_is_measured_and_the_lag_of_who_commits_nothing_is_everything(kafka: Kafka, namespace: str) -> None:
    shape = Shape(wallets=20, mix={"credit": 1, "transfer": 1}, duplicates=0.05)

    async def go() -> None:
        await apply_topics(settings_of(kafka, namespace))
        began: list[Tracker] = []
        async with answering(kafka.bootstrap_servers, namespace):
            measured = await measure_load(
                kafka.bootstrap_servers,
                namespace,
                lambda partitions: RequestMaker(shape, partitions),
                rate=300,
                seconds=1,
                timeout_s=20,
                on_start=began.append,
            )
        tracker = measured.tracker
        assert began == [tracker]
        assert (tracker.sent, tracker.answered, tracker.settling, tracker.doubled) == (300, 300, 0, 0)
        assert measured.as_json()["latency"]["count"] == 300
        topic = full_name(namespace, TRANSACTION_REQUESTS)
        async with open_lag(kafka.bootstrap_servers, f"{namespace}nobody", [topic]) as group:
            lags = await group.lags()
        assert set(lags) == {(topic, partition) for partition in range(3)}
        assert sum(lags.values()) == 300 + 2 * 21

    asyncio.run(go())

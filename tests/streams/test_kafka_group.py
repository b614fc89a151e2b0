from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import UnknownTopicOrPartitionError

from streams import kafka_group
from streams.app import create_app
from streams.errors import NotOwner, Refused
from streams.ports import Bounds
from streams.settings import Settings
from tests.streams.harness import InProcess, recording, until
from tests.streams.toy import COMMANDS, REQUESTS, ROLE, create_topics
from tests.streams.traffic import Put, produce, produce_transaction, producing, send

pytestmark = pytest.mark.kafka


def run(settings: Settings, check: Callable[[InProcess], Coroutine[Any, Any, None]]) -> None:
    async def with_app() -> None:
        await create_topics(settings)
        async with recording(settings) as running:
            await check(running)

    asyncio.run(with_app())


async def committed(settings: Settings) -> dict[tuple[str, int], int]:
    """Offsets that the toy's group has committed, by short name and partition."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(ROLE.group_id(settings))
        names = {full: short for short, full in ROLE.input_names(settings).items()}
        return {(names[tp.topic], tp.partition): one.offset for tp, one in offsets.items()}
    finally:
        await admin.close()


def test_proof_of_ownership_commits_what_is_committed(toy_settings: Settings) -> None:
    async def check(running: InProcess) -> None:
        group = running.recorders[0].group
        await group.prove_ownership(0)
        assert await committed(toy_settings) == {(REQUESTS, 0): 0, (COMMANDS, 0): 0}
        await group.acknowledge(0, {REQUESTS: 7, COMMANDS: 3})
        await group.acknowledge(1, {REQUESTS: 9})
        await group.prove_ownership(0)
        await asyncio.sleep(1.5)  # Faust commits every second, if one lets it
        assert await committed(toy_settings) == {(REQUESTS, 0): 7, (COMMANDS, 0): 3, (REQUESTS, 1): 9}

    run(toy_settings, check)


def test_a_partition_of_another_member_is_refused(toy_settings: Settings) -> None:
    async def check(running: InProcess) -> None:
        before = dict(running.recorders)
        other_settings = toy_settings.model_copy(update={"worker_id": "w2"})
        async with recording(other_settings, set()) as other:
            await until(lambda: len(running.recorders) == 1 and len(other.recorders) == 1, 20)
            (lost,) = other.recorders
            with pytest.raises(NotOwner, match="assigned to another member"):
                await before[lost].group.prove_ownership(lost)
            with pytest.raises(NotOwner):
                await before[lost].group.acknowledge(lost, {REQUESTS: 1})
            with pytest.raises(NotOwner):
                await before[lost].seek(toy_requests=0)
            await other.recorders[lost].group.prove_ownership(lost)

    run(toy_settings, check)


def test_a_member_that_the_group_has_forgotten_is_refused(toy_settings: Settings) -> None:
    """A process stopped for longer than its session: it still believes in its assignment."""

    async def check(running: InProcess) -> None:
        recorder = running.recorders[0]
        coordinator = running.thread.consumer_in_thread._coordinator
        good = coordinator.generation
        coordinator.generation = good - 1
        with pytest.raises(NotOwner, match="refuses partition 0"):
            await recorder.group.prove_ownership(0)

    run(toy_settings, check)


def test_a_rebalance_under_way_is_no_proof(toy_settings: Settings) -> None:
    """The generation is new before the assignment is: a commit then would prove what is not so."""

    async def check(running: InProcess) -> None:
        recorder = running.recorders[0]
        subscription = running.thread.consumer_in_thread._subscription.subscription
        subscription._reassignment_in_progress = True
        with pytest.raises(NotOwner, match="rebalancing"):
            await recorder.group.prove_ownership(0)
        with pytest.raises(NotOwner, match="rebalancing"):
            await recorder.seek(toy_requests=0)
        subscription._reassignment_in_progress = False
        await recorder.group.prove_ownership(0)

    run(toy_settings, check)


def test_a_commit_that_a_rebalance_has_overtaken_proves_nothing(
    toy_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been taken just before: what it says is of an assignment that is over."""

    async def check(running: InProcess) -> None:
        group, consumer = running.recorders[0].group, running.thread.consumer_in_thread
        commit = consumer._coordinator.commit_offsets

        async def overtaken(*arguments: Any) -> None:
            await commit(*arguments)
            subscription = consumer._subscription.subscription
            subscription._assign(set(subscription.assignment.tps))

        with monkeypatch.context() as patch:
            patch.setattr(consumer._coordinator, "commit_offsets", overtaken)
            with pytest.raises(NotOwner, match="has rebalanced meanwhile"):
                await group.prove_ownership(0)
        await group.prove_ownership(0)

    run(toy_settings, check)


def test_a_commit_that_kafka_never_takes_ends_in_time(toy_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """aiokafka tries again for ever, such as when the topic of one of the offsets was deleted."""
    monkeypatch.setattr(kafka_group, "_TIMEOUT_S", 1.0)

    async def refused(*_: Any) -> None:
        raise UnknownTopicOrPartitionError

    async def check(running: InProcess) -> None:
        group = running.recorders[0].group
        with monkeypatch.context() as patch:
            patch.setattr(running.thread.consumer_in_thread._coordinator, "_do_commit_offsets", refused)
            started = time.monotonic()
            with pytest.raises(TimeoutError, match="has not answered for partition 0"):
                await group.acknowledge(0, {REQUESTS: 1})
            assert time.monotonic() - started < 3.0
        await group.acknowledge(0, {REQUESTS: 1})

    run(toy_settings, check)


def test_bounds_are_those_of_committed_records(toy_settings: Settings) -> None:
    async def check(running: InProcess) -> None:
        recorder = running.recorders[1]
        assert await recorder.inputs.bounds(1) == {COMMANDS: Bounds(0, 0), REQUESTS: Bounds(0, 0)}
        await produce(toy_settings, [Put(REQUESTS, 1, b"a"), Put(COMMANDS, 1, b"b")])
        await produce_transaction(toy_settings, [Put(COMMANDS, 1, b"c")], commit=True)
        async with producing(toy_settings, f"{toy_settings.namespace}open") as producer:
            await producer.begin_transaction()
            await send(producer, toy_settings, [Put(REQUESTS, 1, b"open")])
            assert await recorder.inputs.bounds(1) == {COMMANDS: Bounds(0, 3), REQUESTS: Bounds(0, 1)}
            await producer.abort_transaction()

    run(toy_settings, check)


def test_a_group_that_refuses_the_member_ends_the_worker(toy_settings: Settings) -> None:
    """Before the first assignment nothing is fetched: it would wait to be admitted for ever."""

    async def check() -> None:
        await create_topics(toy_settings)
        # Brokers of the tests take a second and more; the setting's own bounds are within those of Kafka's default.
        app = create_app(toy_settings.model_copy(update={"session_timeout_s": 0.5}), ROLE)
        app.processors.start()
        starting = asyncio.ensure_future(app.start())
        try:
            with pytest.raises(Refused, match="WALLETSTREAM_SESSION_TIMEOUT_S"):
                await asyncio.wait_for(app.until_refused(), 20)
        finally:
            await app.processors.stop()
            await app.stop()
            starting.cancel()

    asyncio.run(check())

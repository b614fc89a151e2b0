"""A worker with reference data: loaded before it takes anything, followed while it runs."""

from __future__ import annotations

import asyncio
from itertools import groupby
from pathlib import Path

import aiohttp
import orjson
import pytest

from streams.seal import is_seal
from streams.settings import Settings
from streams.worker import Worker
from tests.streams.test_kafka_reference import put
from tests.streams.test_worker import on_web, until, until_answered, until_ready
from tests.streams.toy import EVENTS, REQUESTS, ROLE, TOPICS, create_topics
from tests.streams.toy_worker import ToyWorker, toy_worker, wait_for_exit
from tests.streams.traffic import Put, committed_values, produce


async def marks(settings: Settings) -> list[list[int | None]]:
    """What each event says the setting was, batch by batch, all partitions."""
    batches: list[list[int | None]] = []
    for partition in range(settings.partitions):
        values = [value for _, value in await committed_values(settings, EVENTS, partition)]
        groups = [list(group) for sealed, group in groupby(values, is_seal) if not sealed]
        batches += [[orjson.loads(value)["mark"] for value in group] for group in groups]
    return batches


async def metrics_text(settings: Settings) -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{settings.web_port}/metrics") as response,
    ):
        return await response.text()


def one_to_each(settings: Settings) -> list[Put]:
    return [Put(REQUESTS, partition, b'{"add": 1}') for partition in range(settings.partitions)]


@pytest.mark.kafka
def test_every_record_is_decided_by_what_was_said_before_and_news_are_heard(
    toy_settings: Settings, tmp_path: Path
) -> None:
    settings = on_web(toy_settings)

    async def check(worker: ToyWorker) -> None:
        await until_answered(settings, 2, worker)
        await put(settings, (b"mark", b"bad"), (b"mark", b"2"))
        await until_metrics(settings, 'result="applied",topic="toy-settings"} 2.0')
        await produce(settings, one_to_each(settings))
        await until_answered(settings, 4, worker)
        await put(settings, (b"mark", None))
        await until_metrics(settings, 'result="applied",topic="toy-settings"} 3.0')
        await produce(settings, one_to_each(settings))
        await until_answered(settings, 6, worker)
        assert await marks(settings) == [[1], [2], [None]] * settings.partitions
        text = await metrics_text(settings)
        assert 'walletstream_reference_records_total{result="skipped",topic="toy-settings"} 1.0' in text
        assert "walletstream_reference_age_seconds 0." in text
        assert await asyncio.to_thread(worker.terminate) == 0, worker.text()
        assert "a record of reference data is passed over" in worker.text()

    async def before() -> None:
        await create_topics(settings)
        await put(settings, (b"mark", b"1"))
        # They wait for the worker: it must have read what was said before it takes them.
        await produce(settings, one_to_each(settings))

    asyncio.run(before())
    with toy_worker(settings, tmp_path / "log") as worker:
        asyncio.run(check(worker))
        assert "Traceback" not in worker.text()
    with toy_worker(settings, tmp_path / "log-2") as worker:

        async def after_a_restart() -> None:
            await until_ready(worker)
            await put(settings, (b"mark", b"4"))
            await until_metrics(settings, 'result="applied",topic="toy-settings"} 4.0')
            await produce(settings, one_to_each(settings))
            await until_answered(settings, 8, worker)
            assert await marks(settings) == [[1], [2], [None], [4]] * settings.partitions

        asyncio.run(after_a_restart())


async def until_metrics(settings: Settings, line: str) -> None:
    async def shows() -> bool:
        return line in await metrics_text(settings)

    await until(shows)


@pytest.mark.kafka
def test_a_batch_is_decided_by_one_state_of_reference_data(toy_settings: Settings, tmp_path: Path) -> None:
    settings = on_web(toy_settings)

    async def check(worker: ToyWorker) -> None:
        await until_ready(worker)
        stream = [Put(REQUESTS, i % 2, b'{"add": 1}') for i in range(20_000)]

        async def say() -> None:
            await put(settings, *((b"mark", b"%d" % number) for number in range(2_000)))

        saying = asyncio.create_task(say())
        for start in range(0, len(stream), 1_000):
            await produce(settings, stream[start : start + 1_000])
        await until_answered(settings, len(stream), worker)
        saying.cancel()
        batches = await marks(settings)
        assert all(len(set(batch)) == 1 for batch in batches), "it never changes within a batch"
        assert max(map(len, batches)) > 1
        assert len({batch[0] for batch in batches}) > 2, "it did change while records were decided"

    asyncio.run(create_topics(settings))
    with toy_worker(settings, tmp_path / "log") as worker:
        asyncio.run(check(worker))


@pytest.mark.kafka
def test_a_missing_topic_is_named(toy_settings: Settings, tmp_path: Path) -> None:
    asyncio.run(create_topics(toy_settings, TOPICS[:-1]))
    with toy_worker(toy_settings, tmp_path / "log") as worker:
        assert wait_for_exit(worker) == 2
        assert f"{toy_settings.namespace}toy-settings.v1: does not exist; run `walletstream topics" in worker.text()


def test_while_it_cannot_be_read_the_worker_says_so_and_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker goes away right after the worker has looked at the cluster."""

    async def nothing_is_wrong(*_arguments: object) -> list[object]:
        return []

    async def check() -> None:
        worker = Worker(ROLE, Settings(bootstrap_servers="127.0.0.1:1", data_dir=tmp_path, web_port=0))
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(10):
            while not any("Unable to bootstrap" in reason for reason in worker.status.reasons()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        (reason,) = worker.status.reasons()
        assert reason.startswith("loading reference data: ")
        assert worker.status.supervisor is None
        worker.stop()
        assert await asyncio.wait_for(running, 5) == 0

    monkeypatch.setattr("streams.foreground.check_cluster", nothing_is_wrong)
    asyncio.run(check())

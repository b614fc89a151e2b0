from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from ops.broker import EmbeddedBroker
from ops.broker.ports import free_ports
from streams.kafka_log import KafkaLogs
from streams.machine import Message
from streams.seal import write_seal
from streams.settings import Settings
from tests.streams.toy import COMMANDS, EVENTS, REQUESTS, TOPICS, create_topics
from tests.streams.toy_worker import Answers, ToyWorker, toy_worker, verify, wait_for_exit
from tests.streams.traffic import Put, committed_values, produce, producing, send

pytestmark = pytest.mark.kafka


def requests(count: int, partitions: int = 2) -> tuple[list[Put], int]:
    """Records over all partitions and both inputs, and the sum of what they add."""
    puts = [
        Put(COMMANDS if i % 10 == 0 else REQUESTS, i % partitions, b'{"add": %d}' % (i % 7), b"key-%d" % (i % 50))
        for i in range(count)
    ]
    return puts, sum(i % 7 for i in range(count))


def on_web(settings: Settings) -> Settings:
    (port,) = free_ports("127.0.0.1", 1)
    return settings.model_copy(update={"web_port": port})


async def until(holds: Callable[[], Awaitable[bool]], worker: ToyWorker | None = None, timeout_s: float = 60.0) -> None:
    """Wait until `await holds()`, or fail; at once where the worker has ended."""
    async with asyncio.timeout(timeout_s):
        while not await holds():
            assert worker is None or worker.process.poll() is None, worker.text()
            await asyncio.sleep(0.1)


async def until_ready(worker: ToyWorker) -> None:
    async def is_ready() -> bool:
        return bool((await worker.readyz()).get("ready"))

    await until(is_ready, worker)


async def until_answered(settings: Settings, count: int, worker: ToyWorker | None = None) -> None:
    answers = Answers(settings)

    async def all_answered() -> bool:
        return await answers.count() >= count

    await until(all_answered, worker)


def test_a_worker_answers_everything_once_and_stops_in_order(toy_settings: Settings, tmp_path: Path) -> None:
    settings = on_web(toy_settings)

    async def check(worker: ToyWorker) -> None:
        await until_ready(worker)
        puts, total = requests(5_000)
        await produce(settings, puts)
        await until_answered(settings, 5_000)
        started = time.monotonic()
        assert await asyncio.to_thread(worker.terminate) == 0, worker.text()
        assert time.monotonic() - started < 5.0
        await verify(settings, 5_000, total)

    asyncio.run(create_topics(settings))
    with toy_worker(settings, tmp_path / "log") as worker:
        asyncio.run(check(worker))
        assert "msg=stopped role=toy" in worker.text()
        assert "Traceback" not in worker.text()
    with toy_worker(settings, tmp_path / "log-2") as worker:

        async def go_on(worker: ToyWorker) -> None:
            """The local state was flushed: nothing of the event log has to be read again."""
            await until_ready(worker)
            await produce(settings, [Put(REQUESTS, 0, b'{"add": 1}')])
            await until_answered(settings, 5_001)

        asyncio.run(go_on(worker))
        assert "rebuilt" not in worker.text()


def test_kill_9_under_load_loses_and_doubles_nothing(toy_settings: Settings, tmp_path: Path) -> None:
    """Two workers share the partitions; one of them is killed while records arrive, then the other one."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = random.Random(seed)
    first, second = (toy_settings.model_copy(update={"worker_id": name}) for name in ("w1", "w2"))
    puts, total = requests(20_000)

    async def restored(worker: ToyWorker) -> bool:
        return "msg=restored" in worker.text()

    async def feed_and_kill(victim: ToyWorker, part: list[Put]) -> None:
        killed_at = rng.randrange(1_000, len(part), 500)
        for at in range(0, len(part), 500):
            if at == killed_at:
                victim.kill()
            await produce(toy_settings, part[at : at + 500])
            await asyncio.sleep(rng.uniform(0.0, 0.1))

    async def check() -> None:
        await create_topics(toy_settings)
        with toy_worker(first, tmp_path / "log-1") as one, toy_worker(second, tmp_path / "log-2") as other:
            await until(partial(restored, one), one)
            await until(partial(restored, other), other)
            await feed_and_kill(other, puts[:10_000])
            with toy_worker(second, tmp_path / "log-3") as again:
                await until(partial(restored, again), again)
                await feed_and_kill(one, puts[10_000:])
                await until_answered(toy_settings, len(puts))
                assert await asyncio.to_thread(again.terminate) == 0, again.text()
        await verify(toy_settings, len(puts), total)

    asyncio.run(check())


def test_what_an_open_transaction_hides_of_the_event_log_is_not_decided_again(
    toy_settings: Settings, tmp_path: Path
) -> None:
    """Somebody else's transaction on it, though it is aborted in the end, keeps readers from all that follows."""
    settings = on_web(toy_settings)

    async def restarted(worker: ToyWorker) -> None:
        async def says_so() -> bool:
            return "has a transaction open on the event log of partition 0" in str(await worker.readyz())

        await until(says_so, worker)

    async def check() -> None:
        await create_topics(settings)
        puts, total = requests(2_000)
        async with producing(settings, f"{settings.namespace}somebody") as producer:
            with toy_worker(settings, tmp_path / "log") as worker:
                await until_ready(worker)
                await produce(settings, puts[:500])
                await until_answered(settings, 500, worker)
                await producer.begin_transaction()
                await send(producer, settings, [Put(EVENTS, partition, b"never") for partition in (0, 1)])
                await produce(settings, puts[500:])
                await until_answered(settings, 2_000, worker)
                worker.kill()
            with toy_worker(settings, tmp_path / "log-2") as worker:
                await restarted(worker)
                assert "msg=restored" not in worker.text()
                await producer.abort_transaction()
                await until_ready(worker)
                await produce(settings, [Put(REQUESTS, 0, b'{"add": 1}')])
                await until_answered(settings, 2_001, worker)
        await verify(settings, 2_001, total + 1)

    asyncio.run(check())


def test_bad_records_are_answered_and_large_answers_replaced(toy_settings: Settings, tmp_path: Path) -> None:
    async def check() -> None:
        await create_topics(toy_settings)
        good = [Put(REQUESTS, 0, b'{"add": 1}')] * 50
        bad = [
            Put(REQUESTS, 0, b'"bug"'),
            Put(REQUESTS, 0, b"\xff"),
            Put(REQUESTS, 0, b'{"add": 1, "reply_bytes": 1200000}'),
        ]
        await produce(toy_settings, [*good, *bad, *good])
        with toy_worker(toy_settings, tmp_path / "log") as worker:
            await until_answered(toy_settings, 103)
            assert await asyncio.to_thread(worker.terminate) == 0
        await verify(toy_settings, 103, 100)
        events = b"".join(value for _, value in await committed_values(toy_settings, EVENTS, 0))
        assert events.count(b'"note":"ValueError"') == 1
        assert events.count(b'"note":"JSONDecodeError"') == 1
        assert events.count(b'"note":"oversized"') == 1

    asyncio.run(check())


def test_missing_topics_are_named(toy_settings: Settings, tmp_path: Path) -> None:
    with toy_worker(toy_settings, tmp_path / "log") as worker:
        assert wait_for_exit(worker) == 2
        text = worker.text()
    assert "the cluster is not as toy needs it" in text
    assert f"{toy_settings.namespace}toy-requests.v1: does not exist; run `walletstream topics apply`" in text
    assert "Traceback" not in text


def test_a_wrong_partition_count_is_refused(toy_settings: Settings, tmp_path: Path) -> None:
    asyncio.run(create_topics(toy_settings, TOPICS[1:]))
    asyncio.run(create_topics(toy_settings.model_copy(update={"partitions": 3}), TOPICS[:1]))
    with toy_worker(toy_settings, tmp_path / "log") as worker:
        assert wait_for_exit(worker) == 2
        assert "toy-commands.v1: has 3 partitions instead of 2" in worker.text()


def test_a_log_of_another_partition_count_ends_the_process(toy_settings: Settings, tmp_path: Path) -> None:
    """The topics agree with each other, but not with what the event log was written for."""

    async def write_foreign_seal() -> None:
        await create_topics(toy_settings)
        seal, _ = write_seal(
            sequence=0,
            first_sequence=0,
            inputs={},
            partition=0,
            partitions=5,
            partition_time="2026-01-01T00:00:00.000Z",
            previous_hash="0" * 64,
            events=[],
        )
        writer = KafkaLogs(toy_settings, "toy", EVENTS, lambda short: f"{toy_settings.namespace}{short}.v1").writer(0)
        await writer.fence()
        await writer.transact([Message(EVENTS, 0, b"", seal)])
        await writer.close()

    asyncio.run(write_foreign_seal())
    with toy_worker(toy_settings, tmp_path / "log") as worker:
        assert wait_for_exit(worker) == 2
        assert "Refused: the event log was written with 5 partitions, now there are 2" in worker.text()


def test_a_port_in_use_is_named(toy_settings: Settings, tmp_path: Path) -> None:
    settings = on_web(toy_settings)
    asyncio.run(create_topics(settings))
    with toy_worker(settings, tmp_path / "log-1") as first:
        asyncio.run(until_ready(first))
        with toy_worker(settings, tmp_path / "log-2") as second:
            assert wait_for_exit(second) == 2
            assert f"cannot listen on 127.0.0.1:{settings.web_port}" in second.text()
            assert "WALLETSTREAM_WEB_PORT" in second.text()


def test_without_a_broker_it_waits_and_says_so(own_broker: EmbeddedBroker, tmp_path: Path) -> None:
    """Away at the start: `/readyz` says why. Away for a while later: it goes on when the broker is back."""
    address = own_broker.bootstrap_servers
    settings = on_web(
        Settings(
            bootstrap_servers=address,
            namespace="b.",
            partitions=2,
            data_dir=tmp_path,
            worker_id="w",
            session_timeout_s=6,
        )
    )

    async def check(worker: ToyWorker) -> None:
        async def says_why() -> bool:
            return "does not answer" in str((await worker.readyz()).get("reasons"))

        await until(says_why, worker)
        await asyncio.to_thread(own_broker.start)
        await until_ready(worker)
        puts, total = requests(1_000)
        await produce(settings, puts)
        await until_answered(settings, 1_000)
        await asyncio.to_thread(own_broker.kill)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(own_broker.start)
        await produce(settings, puts)
        await until_answered(settings, 2_000)
        assert await asyncio.to_thread(worker.terminate) == 0, worker.text()
        await verify(settings, 2_000, 2 * total)

    asyncio.run(create_topics(settings))
    own_broker.stop()
    with toy_worker(settings, tmp_path / "log") as worker:
        asyncio.run(check(worker))


def test_a_signal_while_waiting_for_the_broker_ends_it(tmp_path: Path) -> None:
    settings = on_web(Settings(bootstrap_servers="127.0.0.1:1", data_dir=tmp_path))
    with toy_worker(settings, tmp_path / "log") as worker:

        async def listens() -> bool:
            return bool(await worker.readyz())

        asyncio.run(until(listens, worker))
        assert worker.terminate() == 0


def test_a_thread_that_hangs_does_not_keep_the_process() -> None:
    code = """
import threading, time
from streams.foreground import leave_threads
leave_threads(5)
threading.Thread(target=time.sleep, args=(60,)).start()
leave_threads(3)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=30, check=False).returncode == 3


def test_the_reason_of_the_end_is_the_last_line_though_a_thread_hangs() -> None:
    code = """
import threading, time
from streams.foreground import fatal, leave_threads
from streams.logs import configure_logging
configure_logging("debug")
threading.Thread(target=time.sleep, args=(60,)).start()
leave_threads(fatal("Refused: there is a reason", 2))
"""
    ended = subprocess.run([sys.executable, "-c", code], timeout=30, check=False, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == "Refused: there is a reason"

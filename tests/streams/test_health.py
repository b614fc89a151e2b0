from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from ops.broker.ports import free_ports
from streams import metrics
from streams.commit import Phase
from streams.health import HealthServer, WorkerStatus
from streams.observers import RestoreProgress
from streams.supervisor import Supervisor


def supervisor(assignments: int = 1, is_assigned: bool = True, **phases: Phase) -> Supervisor:
    """A supervisor whose partitions (`p0=...`) are in these phases, each with 7 records waiting."""
    runs = {
        int(name[1:]): SimpleNamespace(
            processor=SimpleNamespace(phase=phase, box=SimpleNamespace(waiting_records=7, oldest_ms=5_000))
        )
        for name, phase in phases.items()
    }
    return cast(Supervisor, SimpleNamespace(assignments=assignments, is_assigned=is_assigned, runs=runs))


def status_of(**options: Any) -> WorkerStatus:
    status = WorkerStatus()
    status.waiting_for = ""
    status.supervisor = supervisor(**options)
    return status


def test_a_worker_is_ready_when_every_partition_takes_records() -> None:
    assert status_of(p0=Phase.RUNNING, p3=Phase.RUNNING).report() == {
        "ready": True,
        "reasons": [],
        "partitions": {"0": "running", "3": "running"},
    }


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"is_assigned": False, "assignments": 0}, "connecting: joining the consumer group"),
        ({"is_assigned": False, "p0": Phase.RUNNING}, "rebalancing"),
        ({}, "no assignment: there are as many other workers as partitions"),
        ({"p0": Phase.RUNNING, "p1": Phase.RECOVERING}, "recovering partition 1"),
        ({"p0": Phase.CLOCK}, "clock: records of partition 0 are stamped later than this worker's clock allows"),
        ({"p0": Phase.HELD_UP}, "held up: somebody has a transaction open on the event log of partition 0"),
        ({"p0": Phase.CONNECTING}, "connecting partition 0"),
        ({"p0": Phase.CLOSED}, "closed partition 0"),
    ],
)
def test_it_says_why_it_is_not(options: dict[str, Any], reason: str) -> None:
    assert status_of(**options).reasons() == [reason]


def test_brokers_that_do_not_answer_are_told_while_all_partitions_run() -> None:
    status = status_of(p0=Phase.RUNNING)
    silent_s = [5.0]
    status.silence_s = lambda: silent_s[0]
    assert status.reasons() == []
    silent_s[0] = 5.6
    assert status.reasons() == ["connecting: Kafka has not answered for 6 s"]
    assert not status.report()["ready"]
    # What is being restored asks for nothing: that nobody answers says nothing then.
    asked = itertools.count()
    status.silence_s = lambda: 60.0 + next(asked)
    status.supervisor = supervisor(p0=Phase.RUNNING, p1=Phase.RECOVERING)
    assert status.reasons() == ["recovering partition 1"]
    assert next(asked) == 0, "the silence before they run is none"


def test_how_old_reference_data_may_be_is_told_before_there_is_a_partition() -> None:
    status = WorkerStatus()
    status.reference_age_s = lambda: 3.5
    status.refresh_gauges()
    assert metrics.REGISTRY.get_sample_value("walletstream_reference_age_seconds") == 3.5


def test_before_and_after_the_app() -> None:
    status = WorkerStatus()
    assert status.reasons() == ["starting"]
    status.waiting_for = "connecting to Kafka"
    assert status.reasons() == ["connecting to Kafka"]
    status.waiting_for = ""
    assert status.reasons() == ["starting"]
    status.supervisor = supervisor(p0=Phase.RUNNING)
    assert status.reasons() == []
    status.is_stopping = True
    assert status.reasons() == ["stopping"]


def test_a_restore_shows_how_far_it_is() -> None:
    progress = RestoreProgress()
    status = WorkerStatus(progress)
    status.waiting_for = ""
    status.supervisor = supervisor(p2=Phase.RECOVERING)
    progress.restoring(2, 1)
    progress.restore_progress(2, 500, 2_000)
    assert status.reasons() == ["recovering partition 2: at offset 500 of 2000"]
    progress.restored(2, 1_999)
    assert status.reasons() == ["recovering partition 2"]


def serving(
    status: WorkerStatus,
    check: Callable[[Callable[[str], Coroutine[Any, Any, tuple[int, str]]]], Coroutine[Any, Any, None]],
) -> None:
    async def main() -> None:
        (port,) = free_ports("127.0.0.1", 1)
        server = HealthServer(status, "127.0.0.1", port)
        await server.start()
        try:
            async with aiohttp.ClientSession() as session:

                async def get(path: str) -> tuple[int, str]:
                    async with session.get(f"http://127.0.0.1:{port}{path}") as response:
                        return response.status, await response.text()

                await check(get)
        finally:
            await server.stop()

    asyncio.run(main())


def test_the_pages() -> None:
    status = status_of(p0=Phase.RUNNING)

    async def check(get: Any) -> None:
        assert await get("/livez") == (200, "alive\n")
        assert await get("/readyz") == (200, '{"ready":true,"reasons":[],"partitions":{"0":"running"}}\n')
        status.is_stopping = True
        code, body = await get("/readyz")
        assert (code, '"reasons":["stopping"]' in body) == (503, True)
        code, body = await get("/metrics")
        assert code == 200
        assert "walletstream_assigned_partitions 1.0" in body
        assert 'walletstream_waiting_records{partition="0"} 7.0' in body
        assert "process_resident_memory_bytes" in body
        assert (await get("/"))[0] == 404

    serving(status, check)


def test_rebalances_are_counted_once() -> None:
    def count() -> float:
        return metrics.REGISTRY.get_sample_value("walletstream_rebalances_total") or 0.0

    status = status_of(assignments=3)
    before = count()
    status.refresh_gauges()
    status.refresh_gauges()
    assert count() - before == 3


def test_for_how_long_an_open_transaction_holds_records_up() -> None:
    def shown(partition: int, topic: str = "requests") -> float | None:
        labels = {"partition": str(partition), "topic": topic}
        return metrics.REGISTRY.get_sample_value("walletstream_held_up_seconds", labels)

    now_s, held = [100.0], dict[tuple[str, int], int]()
    status = WorkerStatus(clock=lambda: now_s[0])
    status.supervisor = supervisor(p0=Phase.RUNNING, p3=Phase.RUNNING)
    status.held_up = lambda: held

    def after(seconds: float, **stands_at: int) -> None:
        now_s[0] += seconds
        held.clear()
        held.update({("requests", int(name[1:])): offset for name, offset in stands_at.items()})
        status.refresh_gauges()

    after(0)
    assert shown(0) is None
    after(0, p0=7, p3=9)
    assert (shown(0), shown(3)) == (0, 0)
    after(15, p0=7, p3=9)
    assert (shown(0), shown(3)) == (15, 15)
    after(15, p0=7, p3=11)
    assert (shown(0), shown(3)) == (30, 0), "that one has moved: it is another transaction"
    after(15, p3=11)
    assert (shown(0), shown(3)) == (0, 15)
    after(5, p0=7)
    assert (shown(0), shown(3)) == (0, 0)
    status.supervisor = supervisor(p3=Phase.RUNNING)
    after(5)
    assert (shown(0), shown(3)) == (None, 0)


def test_port_0_serves_nothing() -> None:
    async def main() -> None:
        server = HealthServer(WorkerStatus(), "127.0.0.1", 0)
        await server.start()
        await server.stop()

    asyncio.run(main())


def test_a_port_in_use_is_an_error() -> None:
    async def main() -> None:
        (port,) = free_ports("127.0.0.1", 1)
        first, second = (HealthServer(WorkerStatus(), "127.0.0.1", port) for _ in range(2))
        await first.start()
        with pytest.raises(OSError, match="address already in use"):
            await second.start()
        await second.stop()
        await first.stop()

    asyncio.run(main())


def test_the_lag_of_what_waits_grows_while_nothing_is_decided() -> None:
    now = [8.0]
    status = WorkerStatus(clock=lambda: now[0])
    status.supervisor = supervisor(p5=Phase.RECOVERING)

    def lag() -> float | None:
        status.refresh_gauges()
        return metrics.REGISTRY.get_sample_value("walletstream_partition_time_lag_seconds", {"partition": "5"})

    assert lag() == 3.0
    now[0] = 65.0
    assert lag() == 60.0
    status.supervisor.runs[5].processor.box.oldest_ms = None  # type: ignore[misc]
    assert lag() == 0.0


def test_gauges_forget_partitions_that_were_given_up() -> None:
    status = status_of(p6=Phase.RUNNING, p7=Phase.RUNNING)
    for gauge in metrics.OF_OWNED_PARTITIONS:
        gauge.labels(6).set(1)
        gauge.labels(7).set(1)
    status.supervisor = supervisor(p7=Phase.RUNNING)
    status.refresh_gauges()
    for gauge in metrics.OF_OWNED_PARTITIONS:
        assert {sample.labels["partition"] for family in gauge.collect() for sample in family.samples} == {"7"}

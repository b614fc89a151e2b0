"""What a worker's app is made of: Faust's settings, and the numbers that the commit protocol names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from faust.types import TP

from streams.app import RoleApp, create_app, limits_of
from streams.commit import Limits, Phase
from streams.errors import Refused
from streams.kafka_group import KafkaInputs
from streams.processor import PartitionProcessor
from streams.reference_data import ReferenceData, ReferenceRecord
from streams.rocks_memory import StoreMemory
from streams.rocks_stores import RocksStores
from streams.settings import Settings
from tests.streams.toy import COMMANDS, ROLE, SETTINGS, ToyMachine


def test_faust_waits_for_nothing_and_serves_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        app = create_app(Settings(data_dir=tmp_path, session_timeout_s=6.0), ROLE)
        conf = app.conf
        assert conf.stream_wait_empty is False
        assert conf.web_enabled is False
        assert conf.web_tables_enabled is False
        assert conf.broker_session_timeout == 6.0
        # A topic that Faust makes would have the brokers' settings, and a leader is a topic of its own.
        assert conf.topic_allow_declare is False
        assert conf.topic_disable_leader is True
        # Its producer writes outside of the partition's transaction.
        assert app.BootStrategy.enable_kafka_producer is False
        assert app.BootStrategy.enable_web is False

    asyncio.run(check())


class Busy:
    """A processor in a cycle that ends only when it is released."""

    phase = Phase.RUNNING

    def __init__(self, released: asyncio.Event):
        self._released = released
        self.is_closed = False

    async def run(self) -> None:
        await self._released.wait()

    def close(self) -> None:
        self.is_closed = True


def test_faust_s_callbacks_wait_for_no_cycle(tmp_path: Path) -> None:
    """While one of them runs this member does not join, and all partitions of the group stand still."""

    async def check() -> None:
        settings = Settings(data_dir=tmp_path)
        app, released, made = create_app(settings, ROLE), asyncio.Event(), list[Busy]()

        def make(_partition: int) -> PartitionProcessor:
            made.append(Busy(released))
            return cast(PartitionProcessor, made[-1])

        app.processors._make = make
        app.processors.start()
        tps = {TP(name, 0) for name in ROLE.input_names(settings).values()}
        async with asyncio.timeout(1):
            await app.on_partitions_assigned.send(tps)
            while not app.processors.is_assigned:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            await app.on_partitions_revoked.send(tps)
            assert made[0].is_closed, "its box is emptied at once"
            await app.on_partitions_assigned.send(tps)
        assert len(made) == 1, "the next one waits for the cycle of the first"
        released.set()
        await app.processors.stop()

    asyncio.run(check())


def test_a_cycle_under_way_has_5_seconds_when_its_partition_is_revoked(tmp_path: Path) -> None:
    async def check() -> None:
        assert create_app(Settings(data_dir=tmp_path), ROLE).processors._revoke_grace_s == 5

    asyncio.run(check())


def test_the_numbers_of_the_commit_protocol() -> None:
    settings = Settings()
    limits = limits_of(settings)
    assert limits.clock_tolerance_ms == 300_000
    assert limits.seal_interval_ms == 86_400_000
    assert limits.records_per_producer <= 1 << 30
    assert limits.revoke_grace_s == 5
    assert limits.commit_deadline_s * 1000 < settings.transaction_timeout_ms == 10_000
    assert limits.max_failures == settings.max_failures


def test_limits_are_those_of_the_settings() -> None:
    settings = Settings(
        batch_max_records=7,
        batch_max_bytes=1 << 17,
        commit_deadline_s=1.5,
        clock_tolerance_s=2.5,
        seal_interval_s=3.5,
        max_failures=4,
        state_cache_entries=200,
    )
    assert limits_of(settings) == Limits(
        batch_max_records=7,
        batch_max_bytes=1 << 17,
        commit_deadline_s=1.5,
        clock_tolerance_ms=2_500,
        seal_interval_ms=3_500,
        max_failures=4,
        cache_entries=200,
    )


@pytest.mark.parametrize("servers", ["::1", "[::1]", "fe80::1, k-2:9092,", "kafka", "k-1:9092, k-2:9093"])
def test_an_app_is_made_for_every_address_that_settings_take(tmp_path: Path, servers: str) -> None:
    async def check() -> None:
        app = create_app(Settings(data_dir=tmp_path, bootstrap_servers=servers), ROLE)
        assert app.conf.broker
        assert all(url.scheme == "kafka" and url.host for url in app.conf.broker)

    asyncio.run(check())


def test_a_processor_is_of_the_role_and_as_the_settings_have_it(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        worker_id="w",
        partitions=5,
        box_max_records=9,
        box_max_bytes=1 << 17,
        batch_max_records=7,
    )
    role = replace(ROLE, folder="f", logs=frozenset({COMMANDS}))

    async def check() -> None:
        data = ReferenceData(lambda: role.machine(settings))
        data.take(ReferenceRecord(SETTINGS, 0, b"mark", b"7"))
        processor = create_app(settings, role, None, data).processors._make(3)
        assert (processor.partition, processor.partitions, processor.event_log) == (3, 5, role.event_log)
        assert processor.logs == {COMMANDS}
        assert processor.limits == limits_of(settings)
        assert (processor.box._max_records, processor.box._max_bytes) == (9, 1 << 17)
        assert cast(ToyMachine, processor.machine).settings == {"mark": 7}, "what was said before is known"
        data.take(ReferenceRecord(SETTINGS, 1, b"mark", b"8"))
        assert cast(ToyMachine, processor.machine).settings == {"mark": 8}, "and news are heard"
        store = processor.ports.stores.open(3)
        assert (tmp_path / "w" / "f" / "3" / "CURRENT").exists()
        store.close()
        assert isinstance(processor.ports.inputs, KafkaInputs)

    asyncio.run(check())


def test_all_partitions_of_a_worker_share_one_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[int, int]] = []

    class Counted(StoreMemory):
        def __init__(self, cache_mb: int, write_buffer_mb: int):
            made.append((cache_mb, write_buffer_mb))
            super().__init__(cache_mb, write_buffer_mb)

    async def check() -> None:
        settings = Settings(data_dir=tmp_path, store_cache_mb=11, store_write_buffer_mb=5)
        processors = create_app(settings, ROLE).processors
        stores = [cast(RocksStores, processors._make(partition).ports.stores) for partition in range(3)]
        opened = [one.open(partition) for partition, one in enumerate(stores)]
        assert len({id(one._memory) for one in opened}) == 1
        assert made == [(11, 5)]
        for one in opened:
            one.close()

    monkeypatch.setattr("streams.app.StoreMemory", Counted)
    asyncio.run(check())


def test_all_workers_of_a_role_are_one_group_and_those_of_another_are_not(tmp_path: Path) -> None:
    async def check() -> None:
        settings = Settings(data_dir=tmp_path, namespace="n.")
        assert create_app(settings, ROLE).conf.id == "n.toy"
        assert create_app(settings, replace(ROLE, name="other")).conf.id == "n.other"

    asyncio.run(check())


def test_a_processor_that_ended_has_the_time_of_a_rebalance(tmp_path: Path) -> None:
    """Of members that may be silent for a session, and rejoin within 15 s; and no process stays without for long."""

    async def check() -> None:
        processors = create_app(Settings(data_dir=tmp_path), ROLE).processors
        assert processors._revoke_grace_s == 5
        assert 10 + 15 < processors._orphan_grace_s <= 60

    asyncio.run(check())


class Thread:
    """A consumer thread that knows when brokers answered, and what the group says of this member."""

    def __init__(self) -> None:
        self.thread_loop = SimpleNamespace(is_running=lambda: True)
        self.answered: int | None = None
        self.says: Exception | None = None
        self.asked = 0

    async def check_group(self) -> None:
        self.asked += 1
        if self.says is not None:
            raise self.says

    async def run(self, work: Coroutine[Any, Any, None], timeout_s: float) -> None:
        await asyncio.wait_for(work, timeout_s)

    def answered_at_ms(self) -> int | None:
        return self.answered

    def held_up(self) -> dict[TP, int]:
        return {TP("wallet.toy-commands.v1", 2): 5}


@pytest.fixture
def thread(monkeypatch: pytest.MonkeyPatch) -> Thread:
    monkeypatch.setattr("streams.app._CHECK_GROUP_S", 0.001)
    return Thread()


def with_app(folder: Path, thread: Thread, check: Callable[[RoleApp], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        app = create_app(Settings(data_dir=folder), ROLE)
        app.consumer = cast(Any, SimpleNamespace(thread=thread))
        await check(app)

    asyncio.run(main())


def test_a_member_that_the_group_refuses_does_not_wait_for_ever(tmp_path: Path, thread: Thread) -> None:
    async def check(app: RoleApp) -> None:
        looking = asyncio.ensure_future(app.until_refused())
        while thread.asked < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert not looking.done()
        thread.says = Refused("no session of 9 s")
        with pytest.raises(Refused, match="no session"):
            await asyncio.wait_for(looking, 5)

    with_app(tmp_path, thread, check)


def test_a_member_that_was_admitted_is_not_looked_after_any_more(tmp_path: Path, thread: Thread) -> None:
    async def check(app: RoleApp) -> None:
        app.processors.assignments = 1
        looking = asyncio.ensure_future(app.until_refused())
        await asyncio.sleep(0.02)
        assert (looking.done(), thread.asked) == (False, 0)
        looking.cancel()

    with_app(tmp_path, thread, check)


class Time:
    """The clock of the wall, which may be set, and the other one."""

    def __init__(self) -> None:
        self.wall_s = 1_000_000.0
        self.now_s = 50.0

    def time(self) -> float:
        return self.wall_s

    def monotonic(self) -> float:
        return self.now_s

    def after(self, seconds: float) -> None:
        self.wall_s += seconds
        self.now_s += seconds


def test_how_long_brokers_are_silent(tmp_path: Path, thread: Thread, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Time()
    monkeypatch.setattr("streams.app.time", clock)

    def answers() -> None:
        thread.answered = int(clock.wall_s * 1000)

    async def check(app: RoleApp) -> None:
        assert app.silence_s() == 0, "none has had the time to answer"
        clock.after(7)
        assert app.silence_s() == 7, "none does"
        answers()
        clock.after(8)
        assert app.silence_s() == 8
        answers()
        assert app.silence_s() == 0
        clock.wall_s -= 3_600
        clock.after(9)
        assert app.silence_s() == 9, "the clock was set back"
        answers()
        assert app.silence_s() == 0
        thread.answered = None
        assert app.silence_s() == 0, "other partitions, of which none has had the time to answer"

    with_app(tmp_path, thread, check)


def test_what_is_held_up_is_told_by_short_names(tmp_path: Path, thread: Thread) -> None:
    async def check(app: RoleApp) -> None:
        assert app.held_up() == {(COMMANDS, 2): 5}

    with_app(tmp_path, thread, check)

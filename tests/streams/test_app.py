"""What a worker's app is made of: Faust's settings, and the numbers that the commit protocol names."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest
from faust.types import TP

from streams.app import create_app, limits_of
from streams.commit import Limits, Phase
from streams.processor import PartitionProcessor
from streams.settings import Settings
from tests.streams.toy import ROLE


def test_faust_waits_for_nothing_and_serves_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        conf = create_app(Settings(data_dir=tmp_path, session_timeout_s=6.0), ROLE).conf
        assert conf.stream_wait_empty is False
        assert conf.web_enabled is False
        assert conf.web_tables_enabled is False
        assert conf.broker_session_timeout == 6.0

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

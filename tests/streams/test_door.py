"""That brokers do not let a process in is told while it is not ready, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from streams.connection_settings import ConnectionSettings
from streams.door import Door
from streams.refusals import Refusal
from streams.settings import Settings

LOGIN = Refusal("k:1 refuses the login of user w", "see whether the password is right")
SECURED = Settings(security_protocol="SSL")


class Process:
    """A process that is ready, or not."""

    def __init__(self) -> None:
        self.is_ready = False

    def report(self) -> dict[str, Any]:
        return {"ready": self.is_ready, "reasons": [] if self.is_ready else ["rebalancing"], "partitions": {}}

    def refresh_gauges(self) -> None:
        """There are none."""


class Brokers:
    """What brokers answer to whoever asks why, and how often somebody has."""

    def __init__(self) -> None:
        self.refusal: Refusal | None = LOGIN
        self.asked = 0

    async def why(self, _settings: ConnectionSettings) -> Refusal | None:
        self.asked += 1
        return self.refusal


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> Brokers:
    brokers = Brokers()
    monkeypatch.setattr("streams.door.why_refused", brokers.why)
    monkeypatch.setattr("streams.door._LOOK_EVERY_S", 0.001)
    return brokers


def test_a_refusal_is_told_until_brokers_let_us_in(brokers: Brokers) -> None:
    async def check() -> None:
        process = Process()
        door = Door(SECURED, process)
        assert door.report()["reasons"] == ["rebalancing"], "nobody has looked"
        async with door.watched():
            await until(lambda: len(door.report()["reasons"]) > 1)
            assert door.report()["reasons"] == ["rebalancing", f"connecting: {LOGIN}"]
            brokers.refusal = None
            await until(lambda: len(door.report()["reasons"]) == 1)
            assert door.report()["reasons"] == ["rebalancing"]
        asked = brokers.asked
        await asyncio.sleep(0.02)
        assert brokers.asked == asked

    asyncio.run(check())


def test_a_process_that_is_ready_has_no_reason_and_does_not_ask(brokers: Brokers) -> None:
    async def check() -> None:
        process = Process()
        door = Door(SECURED, process)
        async with door.watched():
            await until(lambda: door.refusal != "")
            process.is_ready = True
            assert door.report() == {"ready": True, "reasons": [], "partitions": {}}
            await until(lambda: door.refusal == "")
            asked = brokers.asked
            await asyncio.sleep(0.02)
            assert brokers.asked == asked

    asyncio.run(check())


def test_brokers_that_are_spoken_to_in_plain_refuse_nobody(brokers: Brokers) -> None:
    async def check() -> None:
        async with Door(Settings(), Process()).watched():
            await asyncio.sleep(0.02)
        assert brokers.asked == 0

    asyncio.run(check())

"""A worker without Kafka: its Faust app and its reader of reference data are fakes that keep a journal."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streams.settings import Settings
from streams.worker import Companion, Worker
from tests.streams.toy import ROLE

#: The last that the journal of a worker says.
STOPPED = ["processors end", "group left", "reference data followed no more", "reference data closed"]


async def nothing_is_wrong(*_arguments: object) -> list[object]:
    """A cluster as it must be."""
    return []


class Processors:
    """A supervisor with nothing to supervise."""

    def __init__(self, journal: list[str]):
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.never_end = False
        self._journal = journal

    def start(self) -> None:
        self._journal.append("processors start")

    async def stop(self) -> None:
        self._journal.append("processors end")
        if self.never_end:
            await asyncio.Event().wait()


class App:
    """A Faust app that is in the group from `start` to `stop`."""

    def __init__(self, journal: list[str]):
        self.processors = Processors(journal)
        self.crash_reason: BaseException | None = None
        self.fails_with: BaseException | None = None
        self.refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self._journal = journal

    async def start(self) -> None:
        self._journal.append("group joined")

    async def wait_until_stopped(self) -> None:
        await self.ended.wait()
        if self.fails_with is not None:
            raise self.fails_with

    async def stop(self) -> None:
        self._journal.append("group left")
        self.ended.set()

    async def until_refused(self) -> None:
        await self.refused

    def silence_s(self) -> float:
        return 7.0

    def held_up(self) -> dict[tuple[str, int], int]:
        return {("toy-requests", 1): 5}


class Follower:
    """A reader of reference data that is told how it ends."""

    def __init__(self, journal: list[str]):
        self.ends_with: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.cannot_load: Exception | None = None
        self.may_load = asyncio.Event()
        self.may_load.set()
        self._journal = journal

    def age_s(self) -> float:
        return 3.0

    async def load(self, _on_failure: Callable[[str], None]) -> bool:
        await self.may_load.wait()
        if self.cannot_load is not None:
            raise self.cannot_load
        self._journal.append("reference data loaded")
        return True

    async def follow(self) -> None:
        try:
            await self.ends_with
        finally:
            self._journal.append("reference data followed no more")

    async def close(self) -> None:
        self._journal.append("reference data closed")


class Beside:
    """A companion that ends as it is asked to, or as it is told."""

    def __init__(self, ends_with: BaseException | None = None, ignores_the_end: bool = False):
        self.journal: list[str] = []
        self.ends_with = ends_with
        self.ends = asyncio.Event()
        self._ignores_the_end = ignores_the_end

    async def run(self, stopped: asyncio.Event) -> None:
        asked = asyncio.ensure_future(stopped.wait())
        told = asyncio.ensure_future(self.ends.wait())
        try:
            waits_for = [told] if self._ignores_the_end else [asked, told]
            await asyncio.wait(waits_for, return_when=asyncio.FIRST_COMPLETED)
            if self.ends_with is not None:
                raise self.ends_with
        finally:
            self.journal.append("companion ends")
            asked.cancel()
            told.cancel()


class Life:
    """A worker of fakes, from its start to its end."""

    def __init__(self, folder: Path, companions: Sequence[Companion] = (), **role: Any):
        self.journal: list[str] = []
        self.follower = Follower(self.journal)
        self.app = App(self.journal)
        settings = Settings(bootstrap_servers="127.0.0.1:1", data_dir=folder, web_port=0)
        self.worker = Worker(replace(ROLE, **role), settings, (), companions)
        self._running: asyncio.Task[int] | None = None

    def begin(self) -> None:
        """Start the process."""
        self._running = asyncio.create_task(self.worker.run())

    async def until_running(self) -> None:
        """Wait until the app has joined the group."""
        if self._running is None:
            self.begin()
        async with asyncio.timeout(5):
            while "group joined" not in self.journal:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def code(self) -> int:
        """Wait until the process ends; returns its exit code."""
        if self._running is None:
            self.begin()
        assert self._running is not None
        async with asyncio.timeout(5):
            return await asyncio.shield(self._running)

    @contextlib.asynccontextmanager
    async def to_its_end(self) -> AsyncIterator[None]:
        """Nothing of it is left behind."""
        try:
            yield
        finally:
            if self._running is not None:
                self._running.cancel()
                await asyncio.wait([self._running])


def live(monkeypatch: pytest.MonkeyPatch, folder: Path, check: Callable[[Life], Any], **options: Any) -> None:
    """Await `check(life)`, for a life with these options."""

    async def main() -> None:
        life = Life(folder, **options)

        def make_app(*_arguments: object) -> App:
            life.journal.append("app made")
            return life.app

        monkeypatch.setattr("streams.foreground.check_cluster", nothing_is_wrong)
        monkeypatch.setattr("streams.worker.create_app", make_app)
        monkeypatch.setattr("streams.worker.ReferenceFollower", lambda *_arguments: life.follower)
        # Not in the process of the tests: all that follow would have the collector so.
        monkeypatch.setattr("streams.worker.collect_once", lambda: life.journal.append("collect_once"))
        monkeypatch.setattr("streams.worker.collect_rarely", lambda: life.journal.append("collect_rarely"))
        async with life.to_its_end():
            await check(life)

    asyncio.run(main())

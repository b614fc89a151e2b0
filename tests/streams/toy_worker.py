"""Toy workers as processes of their own, and what the toy's log must hold in the end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from streams.seal import chain_hash, decode_seal, is_seal, unhashed_bytes
from streams.settings import Settings
from tests.streams.toy import EVENTS, OUTCOMES
from tests.streams.traffic import committed_values


class ToyWorker:
    """`python -m tests.streams.toy` with settings from the environment."""

    def __init__(self, settings: Settings, log: Path):
        self.settings = settings
        self.log = log
        changed = settings.model_dump(mode="json", exclude_unset=True)
        environment = {f"WALLETSTREAM_{name.upper()}": str(value) for name, value in changed.items()}
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.streams.toy"], env=os.environ | environment, stdout=file, stderr=file
            )

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def terminate(self, timeout_s: float = 20.0) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def text(self) -> str:
        """Everything it has written."""
        return self.log.read_text()

    async def readyz(self) -> dict[str, Any]:
        """The body of `/readyz`; empty while nobody listens."""
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://127.0.0.1:{self.settings.web_port}/readyz") as response,
            ):
                return orjson.loads(await response.read())  # type: ignore[no-any-return]
        return {}


@contextlib.contextmanager
def toy_worker(settings: Settings, log: Path) -> Iterator[ToyWorker]:
    """A worker that is gone at the end."""
    worker = ToyWorker(settings, log)
    try:
        yield worker
    finally:
        if worker.process.poll() is None:
            worker.kill()


class Answers:
    """The committed answers, counted as they come: nothing is read twice."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._count = 0
        self._next = [0] * settings.partitions

    async def count(self) -> int:
        """How many there are now."""
        for partition, start in enumerate(self._next):
            found = await committed_values(self._settings, OUTCOMES, partition, start)
            self._count += len(found)
            self._next[partition] = found[-1][0] + 1 if found else start
        return self._count


async def verify(settings: Settings, sent: int, total: int) -> None:
    """Each record is decided exactly once, the chain is whole, and the totals add up."""
    added = 0
    seen: Counter[tuple[int, str, int]] = Counter()
    for partition in range(settings.partitions):
        values: list[bytes] = []
        previous, sequence = "0" * 64, -1
        positions: dict[str, int] = {}
        for _, value in await committed_values(settings, EVENTS, partition):
            if not is_seal(value):
                values.append(value)
                continue
            seal = decode_seal(value)
            assert seal.first_sequence == sequence + 1
            assert seal.sequence == sequence + len(values) + 1
            assert seal.hash == chain_hash(previous, values, unhashed_bytes(value))
            assert all(span.from_ == positions.get(topic, 0) for topic, span in seal.inputs.items())
            positions = {topic: span.to for topic, span in seal.inputs.items()}
            previous, sequence, values = seal.hash, seal.sequence, []
        assert values == [], "events without a seal"
        for _, value in await committed_values(settings, EVENTS, partition):
            if not is_seal(value):
                event = orjson.loads(value)
                seen[partition, event["topic"], event["offset"]] += 1
                added += event["add"]
    assert max(seen.values(), default=0) <= 1, "decided twice"
    assert len(seen) == sent
    assert added == total
    assert await Answers(settings).count() == sent


def wait_for_exit(worker: ToyWorker, timeout_s: float = 30.0) -> int:
    """The exit code of a worker that ends by itself."""
    return worker.process.wait(timeout_s)

"""How fast a worker rebuilds its state from the event log, and how much memory many wallets take."""

from __future__ import annotations

import asyncio
import shutil
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from ops.bench.stage import PARTITIONS, Place, Stage, Usage, require_running
from ops.bench.throughput import ours
from ops.errors import OperationError
from ops.load import Placed, Shape
from ops.processes import WorkerProcess
from schemas.partitioning import partition_of

_LIMIT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Recovery:
    """One restore from nothing but the log."""

    wallets: int
    events: int
    seconds: float
    rss_mb: float
    peak_rss_mb: float

    @property
    def events_per_s(self) -> float:
        """Events of the log folded a second."""
        return self.events / self.seconds

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "wallets": self.wallets,
            "events": self.events,
            "seconds": round(self.seconds, 2),
            "events_per_s": round(self.events_per_s),
            "rss_mb": round(self.rss_mb),
            "peak_rss_mb": round(self.peak_rss_mb),
        }


async def recoveries(stage: Stage, wallets: int) -> tuple[Recovery, Recovery]:
    """Two restores with as many wallets, the second from a log twice as long.

    The first log has opened the wallets and moved money half as often as that: every table holds something, so that
    what the second takes more is due to its length alone.

    Raises:
        OperationError: the worker ended or did not become ready.
    """
    async with stage.place() as place:
        opened = await stage.fill(place, _openings(wallets), wallets)
        await ours(stage, opened, f"open {wallets:,} wallets")
        moved = wallets // 2
        shape = Shape(wallets=min(wallets, 10_000), duplicates=0.02)
        await ours(stage, await stage.preload(place, replace(shape, run="some"), moved), "move money")
        first = await _restore(stage, place, wallets)
        more = replace(shape, run="more")
        longer = await stage.preload(place, more, wallets + moved, open_wallets=False)
        await ours(stage, longer, "a log twice as long")
        return first, await _restore(stage, place, wallets)


def _openings(wallets: int) -> Iterator[Placed]:
    for number in range(wallets):
        wallet = f"many-{number}"
        value = (
            f'{{"operation":"open_wallet","idempotency_key":"open","wallet_id":"{wallet}","owner_ref":"{wallet}",'
            '"assets":["EUR"]}'
        )
        yield Placed(partition_of(wallet, PARTITIONS), wallet.encode(), value.encode())


async def _restore(stage: Stage, place: Place, wallets: int) -> Recovery:
    """Throw the local state away and have a worker rebuild it."""
    shutil.rmtree(stage.state_dir(place))
    with stage.worker(place) as worker:
        usage = Usage(worker.pid)
        seconds = await _time_restore(stage, worker)
        # What is freed after the restore goes back to the system.
        await asyncio.sleep(1.0)
        events = _events(worker)
        return Recovery(wallets, events, seconds, usage.rss_mb(), usage.peak_rss_mb())


async def _time_restore(stage: Stage, worker: WorkerProcess) -> float:
    """Seconds from the beginning of the first partition's restore until all partitions take records."""
    limit, began = time.monotonic() + _LIMIT_S, 0.0
    while True:
        require_running(worker)
        readiness = await asyncio.to_thread(worker.readiness)
        if not began and any(reason.startswith("recovering") for reason in readiness.reasons):
            began = time.perf_counter()
            stage.tell("restore from the log", 0.0)
        if readiness.ready:
            return time.perf_counter() - began if began else float("nan")
        if time.monotonic() > limit:
            raise OperationError(f"the worker has not restored within {_LIMIT_S:.0f} s: {readiness.reasons}")
        await asyncio.sleep(0.02)


def _events(worker: WorkerProcess) -> int:
    """Events in the log, seals among them: their numbers are gapless in each partition."""
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.web_port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    for family in text_string_to_metric_families(text):
        if family.name == "walletstream_sequence":
            return sum(int(sample.value) + 1 for sample in family.samples)
    return 0

"""`/livez`, `/readyz` and `/metrics` of a worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, Protocol

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from streams import metrics
from streams.commit import Phase
from streams.observers import RestoreProgress
from streams.supervisor import Supervisor

#: A broker answers a fetch every 50 ms; silence for so long is worth a word, and more than a pause of ours.
_SILENT_S: Final = 5.0


class Reporting(Protocol):
    """What a process tells of itself over HTTP."""

    def report(self) -> dict[str, Any]:
        """The body of `/readyz`: `ready`, `reasons`, `partitions`."""

    def refresh_gauges(self) -> None:
        """Bring the gauges that nobody pushes up to date."""


class Status(Reporting, Protocol):
    """What a process knows of itself."""

    #: Why it has not come to its work yet; empty once it has.
    waiting_for: str
    #: True from the signal to stop.
    is_stopping: bool


class WorkerStatus:
    """What a worker is doing, gathered when somebody asks."""

    def __init__(self, progress: RestoreProgress | None = None, clock: Callable[[], float] = time.time):
        #: Why the worker has not come to its partitions yet; empty once it has joined the group.
        self.waiting_for = "starting"
        #: True from the signal to stop.
        self.is_stopping = False
        self.supervisor: Supervisor | None = None
        #: Seconds since a broker last answered.
        self.silence_s: Callable[[], float] = lambda: 0.0
        #: Seconds since a broker last answered for reference data.
        self.reference_age_s: Callable[[], float] = lambda: 0.0
        #: (Short name of an input, partition) -> where a producer's open transaction holds it up.
        self.held_up: Callable[[], Mapping[tuple[str, int], int]] = dict
        #: The same as it was last seen, and since when.
        self._held: dict[tuple[str, int], tuple[int, float]] = {}
        self._progress = progress or RestoreProgress()
        self._assignments = 0
        self._clock = clock

    def reasons(self) -> list[str]:
        """Why the worker is not ready; empty where every partition of it takes records."""
        if self.is_stopping:
            return ["stopping"]
        if self.waiting_for:
            return [self.waiting_for]
        supervisor = self.supervisor
        if supervisor is None:
            return ["starting"]
        if not supervisor.is_assigned:
            return ["rebalancing" if supervisor.assignments else "connecting: joining the consumer group"]
        if not supervisor.runs:
            return ["no assignment: there are as many other workers as partitions"]
        reasons = [
            self._reason(partition, run.processor.phase)
            for partition, run in sorted(supervisor.runs.items())
            if run.processor.phase is not Phase.RUNNING
        ]
        # Only while all run: a partition that is being restored has fetched what it may and asks for no more.
        if not reasons and (silence_s := self.silence_s()) > _SILENT_S:
            return [f"connecting: Kafka has not answered for {silence_s:.0f} s"]
        return reasons

    def _reason(self, partition: int, phase: Phase) -> str:
        if phase is Phase.CLOCK:
            return f"clock: records of partition {partition} are stamped later than this worker's clock allows"
        if phase is Phase.HELD_UP:
            return f"held up: somebody has a transaction open on the event log of partition {partition}"
        done_of = self._progress.of(partition)
        if phase is Phase.RECOVERING and done_of is not None:
            return f"recovering partition {partition}: at offset {done_of[0]} of {done_of[1]}"
        return f"{phase} partition {partition}"

    def report(self) -> dict[str, Any]:
        """The body of `/readyz`."""
        reasons = self.reasons()
        runs = self.supervisor.runs if self.supervisor is not None else {}
        return {
            "ready": not reasons,
            "reasons": reasons,
            "partitions": {str(partition): run.processor.phase for partition, run in sorted(runs.items())},
        }

    def refresh_gauges(self) -> None:
        """Bring the gauges that nobody pushes up to date."""
        metrics.REFERENCE_AGE_SECONDS.set(self.reference_age_s())
        supervisor = self.supervisor
        if supervisor is None:
            return
        metrics.ASSIGNED_PARTITIONS.set(len(supervisor.runs))
        metrics.REBALANCES.inc(supervisor.assignments - self._assignments)
        self._assignments = supervisor.assignments
        for partition, run in supervisor.runs.items():
            box = run.processor.box
            oldest_ms = box.oldest_ms
            lag_s = 0.0 if oldest_ms is None else max(0.0, self._clock() - oldest_ms / 1000)
            metrics.WAITING_RECORDS.labels(partition).set(box.waiting_records)
            metrics.TIME_LAG_SECONDS.labels(partition).set(lag_s)
        self._refresh_held_up(supervisor.runs)
        drop_all_but(supervisor.runs, (*metrics.OF_OWNED_PARTITIONS, metrics.HELD_UP_SECONDS))

    def _refresh_held_up(self, owned: Collection[int]) -> None:
        now_s, before = self._clock(), self._held
        self._held = {}
        for place, offset in (self.held_up() if owned else {}).items():
            was_at, since_s = before.get(place, (offset, now_s))
            # One that has moved is held up by another transaction.
            self._held[place] = offset, since_s if was_at == offset else now_s
        for place in before.keys() | self._held.keys():
            topic, partition = place
            if partition in owned:
                held = self._held.get(place)
                metrics.HELD_UP_SECONDS.labels(partition, topic).set(0.0 if held is None else now_s - held[1])


def drop_all_but(owned: Collection[int], gauges: Iterable[Gauge]) -> None:
    """Drop what gauges say of other partitions: they are another worker's, and what was last seen here is stale."""
    for gauge in gauges:
        for sample in [sample for family in gauge.collect() for sample in family.samples]:
            if int(sample.labels["partition"]) not in owned:
                gauge.remove(*sample.labels.values())


class HealthServer:
    """Serves the status over HTTP, without authentication: bind it to where only probes and Prometheus reach."""

    def __init__(self, status: Reporting, host: str, port: int):
        """Port 0 serves nothing."""
        self._status = status
        self._host = host
        self._port = port
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """
        Raises:
            OSError: the address cannot be listened on.
        """
        if not self._port:
            return
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def stop(self) -> None:
        """Close the listener."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _livez(self, _request: web.Request) -> web.Response:
        """The event loop turns: that is all."""
        return web.Response(text="alive\n")

    async def _readyz(self, _request: web.Request) -> web.Response:
        report = self._status.report()
        return web.Response(
            body=orjson.dumps(report) + b"\n", content_type="application/json", status=200 if report["ready"] else 503
        )

    async def _metrics(self, _request: web.Request) -> web.Response:
        self._status.refresh_gauges()
        return web.Response(body=generate_latest(metrics.REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})

"""Runs the demo from the broker's start to the verdict, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from ops.amlsim import expected_balances
from ops.broker import EmbeddedBroker
from ops.cli.topics import apply_topics
from ops.demo import stage
from ops.demo.balances import compare, published_balances
from ops.demo.data import Source
from ops.demo.day.run import live
from ops.demo.plot import draw
from ops.demo.result import Result
from ops.demo.stop import stoppable
from ops.demo.story.run import tell
from ops.demo.timeline import Timeline
from ops.demo.together import both, unless_down, unless_it_dies
from ops.demo.traffic import PREFIX, Traffic
from ops.demo.view import Scene, View, WorkerState
from ops.demo.workers import DemoWorker, stop_workers, until_ready
from ops.outcomes import read_outcomes
from ops.sender import Sender
from ops.tracker import Tracker
from schemas.topics import TRANSACTION_REQUESTS, full_name
from streams.connection import address_of
from streams.settings import Settings

#: Requests a second while wallets are opened, and how long the transfers shall take.
_OPENING_RATE: Final = 8_000.0
_TRANSFERS_S: Final = 30.0
_FAST_TRANSFERS_S: Final = 8.0
#: As quick as a supervisor is, so that the group hears of the death and of the new process in one rebalance.
_RESTART_AFTER_S: Final = 0.5
_SAMPLE_EVERY_S: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a demo is asked to do."""

    source: Source
    fast: bool = False
    workers: int = 2
    kill: bool = True
    keep: bool = False
    plot: Path | None = None
    #: Gets the lines of the story and of the day.
    write: Callable[[str], None] = print


class Demo:
    """One run. Use `run`."""

    def __init__(self, options: Options, view: View, announce: Callable[[str], None]):
        self._options = options
        self._view = view
        self._announce = announce
        self._started = time.perf_counter()
        self._scene = Scene("walletstream demo")
        self._timeline = Timeline()
        self._tracker = Tracker()
        self._workers: list[DemoWorker] = []

    def run(self) -> Result:
        """From the broker's start to the verdict.

        Raises:
            BrokerError: the broker cannot be had or started, or died.
            OperationError: a worker ended, or answers stayed away.
            KeyboardInterrupt: Ctrl-C or SIGTERM; everything is stopped and removed.
        """
        options = self._options
        with stoppable() as stop, stage.folder(options.keep) as folder:
            self._phase("starting Kafka")
            with (
                EmbeddedBroker(folder / "broker", announce=self._announce) as broker,
                asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
            ):
                driven = self._drive(folder, broker.bootstrap_servers)
                result = runner.run(stop.cancellable(unless_it_dies(broker, driven)))
            result.kept = str(folder) if options.keep else None
        result.seconds = self._now()
        return result

    # ---- the story ---------------------------------------------------------------------------------

    async def _drive(self, folder: Path, bootstrap_servers: str) -> Result:
        environment = stage.environment_of(folder, bootstrap_servers)
        settings = stage.settings_of(environment)
        self._phase("applying topics")
        await apply_topics(settings)
        self._phase(f"starting {self._options.workers} workers")
        self._workers = [
            DemoWorker(f"ledger-{n}", environment, folder / f"ledger-{n}.log")
            for n in range(1, self._options.workers + 1)
        ]
        try:
            for worker in self._workers:
                worker.start()
            # While they start, for that takes seconds.
            self._phase("telling a story of all operations")
            told = await tell(folder, bootstrap_servers, self._options.write)
            traffic = await asyncio.to_thread(Traffic, self._options.source, self._tracker)
            self._scene.total = traffic.total
            await self._watched(settings, traffic)
        finally:
            await stop_workers(self._workers)
        self._scene.workers = [WorkerState(worker.worker_id, 0, "stopped") for worker in self._workers]
        self._sample()
        result = await self._judge(folder, environment, settings, traffic)
        result.story = told
        return result

    async def _watched(self, settings: Settings, traffic: Traffic) -> None:
        watch = asyncio.create_task(self._watch())
        try:
            await unless_down(until_ready(self._workers), watch)
            await unless_down(self._send(settings, traffic), watch)
        finally:
            watch.cancel()

    async def _send(self, settings: Settings, traffic: Traffic) -> None:
        options = self._options
        topic = full_name(settings.namespace, TRANSACTION_REQUESTS)
        async with (
            read_outcomes(settings, settings.namespace, self._tracker.on_outcomes) as reader,
            Sender(settings, topic, on_sent=self._tracker.on_sent) as sender,
        ):
            self._phase(f"opening and funding {len(options.source.data.accounts):,} wallets", "wallets")
            opened_per_s = await traffic.open_wallets(sender, reader, _OPENING_RATE)
            self._sample()
            kinds, count = traffic.mixed.kinds, len(traffic.mixed.requests)
            rate = count / (_FAST_TRANSFERS_S if options.fast else _TRANSFERS_S / pace_of(opened_per_s))
            self._phase(
                f"{kinds['transfers']:,} transfers, {kinds['duplicates']:,} repeats, {kinds['malformed']:,} malformed, "
                f"{kinds['overdrafts']:,} overdrafts, {rate:,.0f} a second",
                "transfers",
            )
            half = asyncio.Event()
            killing = asyncio.create_task(self._kill_one(half, traffic)) if options.kill else None
            try:
                await traffic.transfer(
                    sender, reader, rate, lambda sent: half.set() if sent * 2 >= count and not half.is_set() else None
                )
                if killing is not None:
                    await killing
            finally:
                if killing is not None:
                    killing.cancel()

    async def _kill_one(self, half: asyncio.Event, traffic: Traffic) -> None:
        """In the middle: kill -9 the last worker, and start it again at once, as a supervisor would."""
        await half.wait()
        victim = self._workers[-1]
        pid = victim.pid
        victim.kill()
        self._sample()
        traffic.killed()
        self._mark("kill", f"kill -9 {victim.worker_id} (pid {pid})", "kill -9")
        await asyncio.sleep(_RESTART_AFTER_S)
        victim.start()
        self._mark("restart", f"{victim.worker_id} started again (pid {victim.pid})", "started again")

    async def _judge(self, folder: Path, environment: dict[str, str], settings: Settings, traffic: Traffic) -> Result:
        self._phase("verifying the ledger, and beside it a day of settlement and reconciliation")
        ((code, line), published), day = await both(
            both(stage.verify(folder, environment), published_balances(settings, settings.namespace)),
            live(folder, address_of(settings), self._options.write),
        )
        tracker = self._tracker
        expected = expected_balances(self._options.source.data, "sum-of-outgoing", PREFIX)
        result = Result(
            data=self._options.source.origin,
            requests=traffic.total,
            answered=tracker.answered,
            doubled=tracker.doubled,
            unsettled=tracker.settling,
            codes=tracker.codes,
            replayed=tracker.replayed,
            codes_due=traffic.mixed.due + Counter(ok=traffic.openings),
            replays_due=traffic.mixed.replays_due,
            balances=compare(published, expected),
            verify_line=line,
            verify_holds=code == 0,
            undisturbed=traffic.undisturbed.summary(),
            disturbed=traffic.disturbed.summary() if self._options.kill else None,
            timeline=self._timeline,
            seconds=self._now(),
            day=day,
        )
        self._plot(result)
        self._view.update(self._scene)
        return result

    # ---- what is seen ------------------------------------------------------------------------------

    def _now(self) -> float:
        return time.perf_counter() - self._started

    def _phase(self, text: str, label: str = "") -> None:
        self._scene.phase = text
        self._mark("phase", text, label)

    def _mark(self, kind: str, text: str, label: str = "") -> None:
        mark = self._timeline.mark(self._now(), kind, text, label)
        self._scene.marks.append(mark)
        self._view.mark(mark)
        self._view.update(self._scene)

    def _sample(self) -> None:
        tracker, scene, now_s = self._tracker, self._scene, self._now()
        sample = self._timeline.sample(now_s, tracker.answered, tracker.latencies.since_last(), tracker.waiting)
        scene.samples.append(sample)
        scene.at_s, scene.sent, scene.answered = now_s, tracker.sent, tracker.answered
        scene.settling, scene.codes, scene.replayed = tracker.settling, tracker.codes, tracker.replayed
        self._view.update(scene)

    async def _watch(self) -> None:
        """Sample and show, for as long as the workers run."""
        probe = asyncio.create_task(self._probe())
        try:
            while True:
                await asyncio.sleep(_SAMPLE_EVERY_S)
                for worker in self._workers:
                    worker.raise_if_down()
                self._sample()
        finally:
            probe.cancel()

    async def _probe(self) -> None:
        """Ask the workers how they are. Apart from the samples, for a busy worker answers late."""
        while True:
            self._scene.workers = [await worker.state() for worker in self._workers]
            await asyncio.sleep(_SAMPLE_EVERY_S)

    def _plot(self, result: Result) -> None:
        file = self._options.plot
        if file is None:
            return
        data = self._options.source.data
        title = f"{len(data.accounts):,} wallets, {len(data.payments):,} transfers, {len(self._workers)} workers"
        try:
            draw(self._timeline, file, title)
            result.plot = str(file)
        except ImportError:
            result.warnings.append("no plot: matplotlib is not installed (the extra `walletstream[plot]`)")
        except OSError as error:
            result.warnings.append(f"no plot: {file} cannot be written: {error.strerror or error}")


def pace_of(opened_per_s: float) -> float:
    """How fast a machine shall send transfers, 0.25 to 1, by how fast it opened wallets.

    One that could not keep up then does something else besides; with transfers, which take more, it would only
    build up a queue, and the latency shown would be that of the queue.
    """
    kept_up: float = min(1.0, opened_per_s / _OPENING_RATE)
    return max(0.25, kept_up * math.sqrt(kept_up))

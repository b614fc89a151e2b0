"""Runs a worker in the foreground: `run_worker` returns the exit code of the process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Coroutine, Sequence
from typing import Any, Final

import uvloop
from aiokafka.errors import KafkaError

from streams.app import RoleApp, create_app
from streams.cluster import check_cluster
from streams.errors import Refused, StoreError
from streams.health import HealthServer, WorkerStatus
from streams.kafka_reference import ReferenceFollower
from streams.logs import configure_logging, fields
from streams.memory import collect_rarely, keep_freed_memory
from streams.observer import Observer
from streams.observers import LogObserver, Observers, RestoreProgress
from streams.prometheus_observer import PrometheusObserver
from streams.reference_data import ReferenceData
from streams.role import Role
from streams.settings import Settings
from streams.topic_rules import Problem

log = logging.getLogger(__name__)

EXIT_OK: Final = 0
#: Something ended the worker that a restart may mend.
EXIT_FAILED: Final = 1
#: The cluster, the settings or the logs are wrong, and somebody has to act: a restart mends nothing.
EXIT_MISCONFIGURED: Final = 2

_LOADING: Final = "loading reference data"
_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 2.0
_STOP_S: Final = 20.0
_SETTLE_S: Final = 2.0


def run_worker(role: Role, settings: Settings, observers: Sequence[Observer] = ()) -> int:
    """Run a worker until SIGTERM or SIGINT, and stop it in order: each partition ends its cycle, nothing is lost.

    Returns:
        0 after a signal; 1 where the worker had to end and a restart may mend it; 2 where the cluster or the settings
        are not as they must be, or going on would risk money (`Refused`).
    """
    configure_logging(settings.log_level)
    keep_freed_memory()
    # Consumer and main thread hand records to each other: with Python's 5 ms a record waits 8 ms on its way, with
    # half a millisecond 5.
    sys.setswitchinterval(0.0005)
    # Faust makes the loop of its consumer thread by the policy.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    with asyncio.Runner() as runner:
        code = runner.run(Worker(role, settings, observers).run())
    leave_threads(code)
    return code


def leave_threads(code: int) -> None:
    """End the process with `code` if a thread is left that Python would wait for, such as on a broker that is away."""
    left = [
        thread.name for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()
    ]
    if left:
        log.warning("ending without waiting for %s", ", ".join(left))
        logging.shutdown()
        os._exit(code)


class Worker:
    """One worker process: health server, check of the cluster, Faust app and the processors in it."""

    def __init__(self, role: Role, settings: Settings, observers: Sequence[Observer] = ()):
        self._role = role
        self._settings = settings
        progress = RestoreProgress()
        self._observer = Observers([progress, PrometheusObserver(), LogObserver(), *observers])
        self.status = WorkerStatus(progress)
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask the worker to end in order."""
        self.status.is_stopping = True
        self._stop.set()

    async def run(self) -> int:
        """Run until `stop` or a signal, or until something ends the worker; returns the exit code."""
        self._stop = asyncio.Event()
        settings = self._settings
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread
                loop.add_signal_handler(number, self.stop)
        health = HealthServer(self.status, settings.web_host, settings.web_port)
        try:
            await health.start()
        except OSError as error:
            return _fatal(
                f"cannot listen on {settings.web_host}:{settings.web_port} for /readyz: {error.strerror or error}; set "
                "WALLETSTREAM_WEB_PORT to a free port, or to 0 for none",
                EXIT_MISCONFIGURED,
            )
        try:
            problems = await self._unless_stopped(self._check())
            if problems is None:
                return EXIT_OK
            if problems:
                listed = "\n".join(f"  {problem}" for problem in problems)
                return _fatal(f"the cluster is not as {self._role.name} needs it:\n{listed}", EXIT_MISCONFIGURED)
            return await self._run_with_reference_data()
        finally:
            await health.stop()

    async def _unless_stopped(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of `work`, or None if the worker is asked to stop before."""
        task, stop = asyncio.ensure_future(work), asyncio.ensure_future(self._stop.wait())
        try:
            await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            stop.cancel()
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task

    async def _check(self) -> list[Problem]:
        """What is wrong with the cluster. Waits for as long as no broker answers.

        A topic just created is not known to every broker at once, so bad news is asked for again for a while.
        """
        wait_s, role, settings = _FIRST_WAIT_S, self._role, self._settings
        believed_at: float | None = None
        self.status.waiting_for = f"connecting to Kafka at {settings.bootstrap_servers}"
        while True:
            try:
                problems = await check_cluster(settings, role.topics, list(role.inputs), role.event_log)
                believed_at = believed_at or time.monotonic() + _SETTLE_S
                if not problems or time.monotonic() >= believed_at:
                    return problems
            except (KafkaError, TimeoutError, OSError) as error:
                why = str(error) or type(error).__name__
                reason = f"connecting: Kafka at {settings.bootstrap_servers} does not answer: {why}"
                if reason != self.status.waiting_for:
                    log.warning(reason)
                self.status.waiting_for = reason
            await asyncio.sleep(wait_s)
            wait_s = min(_LONGEST_WAIT_S, wait_s * 2)

    async def _run_with_reference_data(self) -> int:
        """Read all reference data before anything is restored or taken, and follow it as long as the app runs."""
        role, settings = self._role, self._settings
        data = ReferenceData(lambda: role.machine(settings))
        follower = ReferenceFollower(settings, role.reference, data)
        self.status.waiting_for = _LOADING
        self.status.reference_age_s = follower.age_s
        try:
            if not await self._unless_stopped(follower.load(self._is_still_loading)):
                return EXIT_OK
            log.info("reference data loaded", extra=fields(records=len(data.values)))
            return await self._run_app(data, follower)
        finally:
            await follower.close()

    def _is_still_loading(self, why: str) -> None:
        self.status.waiting_for = f"{_LOADING}: {why}"

    async def _run_app(self, data: ReferenceData, follower: ReferenceFollower) -> int:
        """Run the Faust app until it is asked to stop or fails."""
        try:
            app = create_app(self._settings, self._role, self._observer, data)
        except StoreError as error:
            return _fatal(str(error), EXIT_MISCONFIGURED)
        self.status.supervisor = app.processors
        self.status.silence_s = app.silence_s
        self.status.waiting_for = ""
        app.processors.start()
        collect_rarely()
        stop = asyncio.ensure_future(self._stop.wait())
        running = asyncio.ensure_future(_run_until_stopped(app))
        following = asyncio.ensure_future(follower.follow())
        try:
            waited_for: list[asyncio.Future[Any]] = [stop, running, following, app.processors.failure]
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            reason = _first_error(app, running, following)
        finally:
            stop.cancel()
            await _stop_app(app, running)
            following.cancel()
            await asyncio.wait([following])
        if reason is not None:
            code = EXIT_MISCONFIGURED if isinstance(reason, Refused) else EXIT_FAILED
            return _fatal(f"{type(reason).__name__}: {reason}", code)
        log.info("stopped", extra=fields(role=self._role.name))
        return EXIT_OK


async def _run_until_stopped(app: RoleApp) -> None:
    await app.start()
    await app.wait_until_stopped()


def _first_error(app: RoleApp, running: asyncio.Future[None], following: asyncio.Future[None]) -> BaseException | None:
    """What ended the app; None where nothing did."""
    failure = app.processors.failure
    if failure.done() and (error := failure.exception()) is not None:
        return error
    if app.crash_reason is not None:
        return app.crash_reason
    if running.done():
        return running.exception() or RuntimeError("the Faust app has ended unasked")
    if following.done():
        return following.exception() or RuntimeError("reading reference data has ended unasked")
    return None


async def _stop_app(app: RoleApp, running: asyncio.Future[None]) -> None:
    """First the processors, while the group still knows us; then Faust, which leaves the group."""
    try:
        async with asyncio.timeout(_STOP_S):
            await app.processors.stop()
            await app.stop()
            await asyncio.wait([running])
    except TimeoutError:
        log.error("the worker did not stop within %g s and is left as it is", _STOP_S)
        running.cancel()
    if app.processors.failure.done():
        app.processors.failure.exception()


def _fatal(message: str, code: int) -> int:
    log.error(message)
    print(message, file=sys.stderr, flush=True)
    return code

"""Runs a worker in the foreground: `run_worker` returns the exit code of the process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final, Protocol

from aiokafka.errors import KafkaError

from streams.app import RoleApp, create_app
from streams.errors import StoreError
from streams.foreground import EXIT_MISCONFIGURED, EXIT_OK, Foreground, Needs, ended_by, fatal, run_foreground
from streams.health import WorkerStatus
from streams.kafka_reference import ReferenceFollower
from streams.logs import fields
from streams.memory import collect_once, collect_rarely
from streams.observer import Observer
from streams.observers import LogObserver, Observers, RestoreProgress
from streams.prometheus_observer import PrometheusObserver
from streams.reference_data import ReferenceData
from streams.role import Role
from streams.settings import Settings

log = logging.getLogger(__name__)

_LOADING: Final = "loading reference data"
_STOP_S: Final = 20.0
_COMPANION_S: Final = 5.0


class Companion(Protocol):
    """What runs beside the processors of a worker, such as what speaks to the world outside for them."""

    async def run(self, stopped: asyncio.Event) -> None:
        """Run until `stopped` is set, then end within a few seconds. Anything raised ends the worker."""


def run_worker(
    role: Role, settings: Settings, observers: Sequence[Observer] = (), companions: Sequence[Companion] = ()
) -> int:
    """Run a worker until SIGTERM, SIGINT or SIGHUP, then stop it in order: each ends its cycle, nothing is lost.

    `companions` start with the processors, and end before them.

    Returns:
        0 after a signal; 1 where the worker had to end and a restart may mend it; 2 where the cluster or the settings
        are not as they must be, or going on would risk money (`Refused`).
    """
    return run_foreground(Worker(role, settings, observers, companions), settings)


class Worker(Foreground):
    """One worker process: the Faust app of a role and the processors in it."""

    def __init__(
        self,
        role: Role,
        settings: Settings,
        observers: Sequence[Observer] = (),
        companions: Sequence[Companion] = (),
    ):
        progress = RestoreProgress()
        self.status = WorkerStatus(progress)
        own = [name for name in role.inputs if name not in role.logs]
        super().__init__(role.name, settings, Needs(role.topics, own, role.event_log), self.status)
        self._role = role
        self._companions = companions
        self._observer = Observers([progress, PrometheusObserver(), LogObserver(), *observers])

    async def serve(self) -> int:
        """Read all reference data before anything is restored or taken, and follow it as long as the app runs."""
        role, settings = self._role, self.settings
        data = ReferenceData(lambda: role.machine(settings))
        follower = ReferenceFollower(settings, role.reference, data)
        self.status.waiting_for = _LOADING
        self.status.reference_age_s = follower.age_s
        try:
            if not await self.unless_stopped(follower.load(self._is_still_loading)):
                return EXIT_OK
            log.info("reference data loaded", extra=fields(records=len(data.values)))
            return await self._run_app(data, follower)
        except KafkaError as error:
            return ended_by(error)
        finally:
            await follower.close()

    def _is_still_loading(self, why: str) -> None:
        self.status.waiting_for = f"{_LOADING}: {why}"

    async def _run_app(self, data: ReferenceData, follower: ReferenceFollower) -> int:
        """Run the Faust app until it is asked to stop or fails."""
        try:
            app = create_app(self.settings, self._role, self._observer, data)
        except StoreError as error:
            return fatal(str(error), EXIT_MISCONFIGURED)
        self.status.supervisor = app.processors
        self.status.silence_s = app.silence_s
        self.status.held_up = app.held_up
        self.status.waiting_for = ""
        app.processors.start()
        (collect_once if self._role.keeps_much else collect_rarely)()
        stop = asyncio.ensure_future(self.stopped.wait())
        running = asyncio.ensure_future(_run_until_stopped(app))
        following = asyncio.ensure_future(follower.follow())
        refused = asyncio.ensure_future(app.until_refused())
        parting = asyncio.Event()
        beside = [asyncio.ensure_future(companion.run(parting)) for companion in self._companions]
        try:
            waited_for: list[asyncio.Future[Any]] = [stop, running, refused, following, app.processors.failure, *beside]
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            reason = _first_error(app, running, refused, following) or _first_failed(beside)
        finally:
            stop.cancel()
            refused.cancel()
            parting.set()
            await _end_companions(beside)
            await _stop_app(app, running)
            following.cancel()
            await asyncio.wait([following])
        if reason is not None:
            return ended_by(reason)
        log.info("stopped", extra=fields(role=self._role.name))
        return EXIT_OK


def _first_failed(beside: Sequence[asyncio.Future[None]]) -> BaseException | None:
    """What ended a companion; None where nothing did."""
    ended = [task for task in beside if task.done()]
    return next((task.exception() or RuntimeError("a companion has ended unasked") for task in ended), None)


async def _end_companions(beside: Sequence[asyncio.Future[None]]) -> None:
    """Wait until they have ended as they were asked to; one that does not is cancelled."""
    if not beside:
        return
    _, late = await asyncio.wait(beside, timeout=_COMPANION_S)
    for task in late:
        task.cancel()
    if late:
        log.warning("cancelled %d companions that did not end within %g s", len(late), _COMPANION_S)
        await asyncio.wait(late)
    for task in beside:
        if not task.cancelled():
            task.exception()


async def _run_until_stopped(app: RoleApp) -> None:
    await app.start()
    await app.wait_until_stopped()


def _first_error(
    app: RoleApp, running: asyncio.Future[None], refused: asyncio.Future[None], following: asyncio.Future[None]
) -> BaseException | None:
    """What ended the app; None where nothing did."""
    failure = app.processors.failure
    if failure.done() and (error := failure.exception()) is not None:
        return error
    if app.crash_reason is not None:
        return app.crash_reason
    if refused.done() and (error := refused.exception()) is not None:
        return error
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

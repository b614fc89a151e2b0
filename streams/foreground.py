"""A process in the foreground: health server, check of the cluster, then its work, until it is asked to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import uvloop
from aiokafka.errors import KafkaError

from schemas.topics import Topic
from streams.closed_connections import tell_apart_closed_connections
from streams.cluster import check_cluster
from streams.door import Door
from streams.errors import Refused
from streams.health import HealthServer, Status
from streams.logs import configure_logging
from streams.memory import keep_freed_memory
from streams.refusals import refusal_of, why_refused
from streams.settings import Settings, unknown_variables
from streams.topic_rules import Problem

log = logging.getLogger(__name__)

EXIT_OK: Final = 0
#: Something ended the process that a restart may mend.
EXIT_FAILED: Final = 1
#: The cluster, the settings or the logs are wrong, and somebody has to act: a restart mends nothing.
EXIT_MISCONFIGURED: Final = 2

_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 2.0
_SETTLE_S: Final = 2.0
#: What is left when the work has ended may take so long. With the 25 s that a worker's work has to end in, it is less
#: than the 30 s after which a process that was asked to end is killed.
_END_S: Final = 3.0
#: A user that is just being created, or a secret that is just being mounted, is there by then.
_REFUSED_S: Final = 5.0


def run_foreground(process: Foreground, settings: Settings) -> int:
    """Run a process to its end; returns its exit code."""
    configure_logging(settings.log_level)
    for name, mend in unknown_variables(os.environ).items():
        log.warning("%s is no setting and has no effect: %s", name, mend)
    keep_freed_memory()
    _take_open_files()
    # Consumer and main thread hand records to each other: with Python's 5 ms a record waits 8 ms on its way, with
    # half a millisecond 5.
    sys.setswitchinterval(0.0005)
    # Faust makes the loop of its consumer thread by the policy.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    tell_apart_closed_connections()
    with asyncio.Runner() as runner:
        code = runner.run(process.run())
        # Closing waits for tasks that are cancelled and for calls in threads, however long they take.
        late = threading.Timer(_END_S, _leave, [code, "what is left of its work"])
        late.daemon = True
        late.start()
    late.cancel()
    leave_threads(code)
    return code


def _ending_signals() -> tuple[signal.Signals, ...]:
    """What ends a process in order: SIGHUP too, by which a terminal goes away, unless `nohup` has it ignored."""
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    return signals if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else signals[:2]


def _take_open_files() -> None:
    """Raise the limit on open files as far as this process may.

    Stores keep their files open, more with each GiB and with each day of idempotency keys. The 1,024 that shells and
    systemd give to programs that wait by `select` would end a worker of a few partitions months after its start.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS takes no infinity
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def pause(stopped: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until `stopped`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopped.wait()


def leave_threads(code: int) -> None:
    """End the process with `code` if a thread is left that Python would wait for, such as on a broker that is away."""
    left = [
        thread.name for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()
    ]
    if left:
        _leave(code, ", ".join(left))


def _leave(code: int, what: str) -> None:
    """End the process at once.

    Where it has failed nothing is said of that: the last line is the reason of the end.
    """
    if code == EXIT_OK:
        log.warning("ending without waiting for %s", what)
    logging.shutdown()
    os._exit(code)


@dataclass(frozen=True)
class Needs:
    """What must be right of the cluster before a process may start."""

    topics: tuple[Topic, ...]
    #: Short names of those that are inputs of a ledger.
    inputs: Sequence[str]
    event_log: str


class Foreground(ABC):
    """One process of a role."""

    def __init__(self, role: str, settings: Settings, needs: Needs, status: Status):
        self.role = role
        self.settings = settings
        self._needs = needs
        self._status = status
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask the process to end in order."""
        self._status.is_stopping = True
        self._stop.set()

    @property
    def stopped(self) -> asyncio.Event:
        """Set once the process was asked to end."""
        return self._stop

    @abstractmethod
    async def serve(self) -> int:
        """Do the work until `stopped`, or until something ends it; returns the exit code."""

    async def run(self) -> int:
        """Run until `stop` or a signal, or until something ends the process; returns the exit code."""
        self._stop = asyncio.Event()
        settings = self.settings
        loop = asyncio.get_running_loop()
        for number in _ending_signals():
            with contextlib.suppress(ValueError, RuntimeError):  # not in the main thread
                loop.add_signal_handler(number, self.stop)
        door = Door(settings, self._status)
        health = HealthServer(door, settings.web_host, settings.web_port)
        try:
            await health.start()
        except OSError as error:
            return fatal(
                f"cannot listen on {settings.web_host}:{settings.web_port} for /readyz: {error.strerror or error}; set "
                "WALLETSTREAM_WEB_PORT to a free port, or to 0 for none",
                EXIT_MISCONFIGURED,
            )
        try:
            try:
                problems = await self.unless_stopped(self._check())
            except Refused as error:
                return fatal(str(error), EXIT_MISCONFIGURED)
            if problems is None:
                return EXIT_OK
            if problems:
                listed = "\n".join(f"  {problem}" for problem in problems)
                return fatal(f"the cluster is not as {self.role} needs it:\n{listed}", EXIT_MISCONFIGURED)
            async with door.watched():
                return await self.serve()
        finally:
            await health.stop()

    async def unless_stopped(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of `work`, or None if the process is asked to stop before."""
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

        Raises:
            Refused: brokers are there, and do not let us in.
        """
        wait_s, needs, settings = _FIRST_WAIT_S, self._needs, self.settings
        believed_at: float | None = None
        refused_at: float | None = None
        self._status.waiting_for = f"connecting to Kafka at {settings.bootstrap_servers}"
        while True:
            try:
                problems = await check_cluster(settings, needs.topics, needs.inputs, needs.event_log)
                believed_at = believed_at or time.monotonic() + _SETTLE_S
                if not problems or time.monotonic() >= believed_at:
                    return problems
            except (KafkaError, TimeoutError, OSError) as error:
                refusal = refusal_of(error) or await why_refused(settings)
                refused_at = None if refusal is None else refused_at or time.monotonic() + _REFUSED_S
                if refused_at is not None and time.monotonic() >= refused_at:
                    raise Refused(f"Kafka does not let {self.role} in: {refusal}") from error
                why = str(error) or type(error).__name__
                reason = f"connecting: Kafka at {settings.bootstrap_servers} does not answer: {why}"
                if refusal is not None:
                    reason = f"connecting: {refusal}"
                if reason != self._status.waiting_for:
                    log.warning(reason)
                self._status.waiting_for = reason
            await asyncio.sleep(wait_s)
            wait_s = min(_LONGEST_WAIT_S, wait_s * 2)


def ended_by(error: BaseException) -> int:
    """Say what has ended the process; returns the code, which tells whether a restart may mend it."""
    if (refusal := refusal_of(error)) is not None:
        return fatal(f"{type(error).__name__}: {refusal}", EXIT_MISCONFIGURED)
    return fatal(f"{type(error).__name__}: {error}", EXIT_MISCONFIGURED if isinstance(error, Refused) else EXIT_FAILED)


def fatal(message: str, code: int) -> int:
    """Say why the process ends, in its log and as its last line; returns the code."""
    log.error(message)
    print(message, file=sys.stderr, flush=True)
    return code

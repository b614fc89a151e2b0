"""Worker processes that a command starts, watches, stops and, in demos and tests, kills."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ops.broker.ports import free_ports
from ops.broker.spawn import spawn_leashed
from ops.errors import OperationError

#: A worker ends its cycle and leaves its group in this time.
STOP_S: Final = 30.0
_SHOWN_LINES: Final = 15


class Readiness(NamedTuple):
    """What `/readyz` says: whether the worker is ready, and why not."""

    ready: bool
    reasons: tuple[str, ...]


class WorkerProcess:
    """One `walletstream worker ROLE` as a child process; on Linux it never outlives this process.

    It can be stopped, killed and started again any number of times, and keeps its name, port and data.

    Args:
        worker_id: its name; its local state lives below `DATA_DIR/<worker id>`.
        environ: settings as `WALLETSTREAM_*` variables, in addition to those of this process.
        log_path: where its log goes.
        role: what it runs.
        web_port: port of /readyz and /metrics; 0 chooses a free one.
    """

    def __init__(
        self, worker_id: str, environ: Mapping[str, str], log_path: Path, *, role: str = "ledger", web_port: int = 0
    ):
        self.worker_id = worker_id
        self.role = role
        self.log_path = log_path
        self.web_port = web_port or free_ports("127.0.0.1", 1)[0]
        self._environ = {
            **environ,
            "WALLETSTREAM_WORKER_ID": worker_id,
            "WALLETSTREAM_WEB_HOST": "127.0.0.1",
            "WALLETSTREAM_WEB_PORT": str(self.web_port),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id.

        Raises:
            OperationError: it was not started.
        """
        if self._process is None:
            raise OperationError(f"worker {self.worker_id} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Exit code of a process that has ended, negative where a signal ended it; else None."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it and return at once; see `readiness`."""
        assert not self.running
        env = shutil.which("env")
        if env is None:
            raise OperationError("the program `env` is not on the PATH; workers are started with it")
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        assignments = [f"{name}={value}" for name, value in self._environ.items()]
        # -P: the working directory is not a place to import from.
        command = [env, *assignments, sys.executable, "-P", "-m", "ops", "worker", self.role]
        with self.log_path.open("ab") as output:
            self._process = spawn_leashed(command, output=output, cwd=Path.cwd())

    def readiness(self, timeout_s: float = 1.0) -> Readiness:
        """What `/readyz` says; a worker that does not answer is not ready."""
        connection = http.client.HTTPConnection("127.0.0.1", self.web_port, timeout=timeout_s)
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            report = json.loads(response.read())
            return Readiness(response.status == 200, tuple(report["reasons"]))
        except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
            return Readiness(False, (f"no answer from /readyz: {error}",))
        finally:
            connection.close()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, such as SIGSTOP; does nothing where it has ended."""
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def terminate(self) -> None:
        """Ask it to end in order, and return at once."""
        self.signal(signal.SIGTERM)

    def wait(self, timeout_s: float = STOP_S) -> int:
        """Its exit code once it has ended; it is killed after `timeout_s` seconds."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return self.kill()

    def stop(self, timeout_s: float = STOP_S) -> int:
        """End it in order (SIGTERM), by force after `timeout_s` seconds; returns its exit code."""
        self.terminate()
        return self.wait(timeout_s)

    def kill(self) -> int:
        """Kill it as `kill -9` does and wait until it is gone; returns its exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        return self._process.wait()

    def last_lines(self) -> str:
        """The end of its log, to show with an error."""
        try:
            lines = self.log_path.read_text(errors="replace").splitlines()[-_SHOWN_LINES:]
        except OSError:
            lines = []
        return "\n".join(f"  {line}" for line in lines) or "  none"

    def failure(self) -> str:
        """What became of a process that ended unasked, with the end of its log."""
        return (
            f"worker {self.worker_id} ended with exit code {self.exit_code}\n"
            f"Last lines of {self.log_path}:\n{self.last_lines()}"
        )


def wait_until_ready(workers: Iterable[WorkerProcess], timeout_s: float = 120.0) -> None:
    """Return once every worker is ready.

    Raises:
        OperationError: one ended, with the end of its log, or was not ready in time, with its reasons.
    """
    deadline = time.monotonic() + timeout_s
    for worker in workers:
        while True:
            if not worker.running:
                raise OperationError(worker.failure())
            readiness = worker.readiness()
            if readiness.ready:
                break
            if time.monotonic() > deadline:
                reasons = "; ".join(readiness.reasons)
                raise OperationError(
                    f"worker {worker.worker_id} was not ready within {timeout_s:.0f} s: {reasons}\n"
                    f"Last lines of {worker.log_path}:\n{worker.last_lines()}"
                )
            time.sleep(0.05)


def stop_all(workers: Sequence[WorkerProcess]) -> None:
    """End all of them in order, at the same time."""
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.wait()

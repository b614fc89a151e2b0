"""Worker processes for tests that kill, freeze and starve them: real processes on a real Kafka.

Every process is leashed: it dies with the one that started it, however that one ends. Nothing is ever killed by name.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from ops.broker.ports import free_ports
from ops.broker.spawn import spawn_leashed
from ops.cli.topics import apply_topics
from streams.settings import Settings

ROOT: Final = Path(__file__).parents[2]
WALLETSTREAM: Final = Path(sys.executable).with_name("walletstream")
_HOST: Final = "127.0.0.1"
_PATIENCE_S: Final = 60.0
_TAIL_LINES: Final = 40


def wait_until(what: str, holds: Callable[[], bool], timeout_s: float = _PATIENCE_S, every_s: float = 0.05) -> float:
    """Wait until `holds()`; the seconds that it took.

    Raises:
        AssertionError: it did not hold within `timeout_s`.
    """
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > timeout_s:
            raise AssertionError(f"not within {timeout_s:g} s: {what}")
        time.sleep(every_s)
    return time.monotonic() - started


class Worker:
    """One `walletstream worker ledger`, or another command: its settings, its log, and every way to end it."""

    def __init__(
        self, name: str, environment: Mapping[str, str], log: Path, arguments: Sequence[str] = ("worker", "ledger")
    ):
        self.name = name
        self.arguments = tuple(arguments)
        self.environment = dict(environment)
        self.log = log
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    def start(self, web_port: int | None = None) -> Worker:
        """Start the process; returns at once. Default: a free port for `/readyz`."""
        assert not self.running, f"{self.name} runs already"
        port = web_port or free_ports(_HOST, 1)[0]
        self.environment |= {"WALLETSTREAM_WEB_PORT": str(port), "WALLETSTREAM_WEB_HOST": _HOST}
        pairs = [f"{name}={value}" for name, value in self.environment.items()]
        # `env` becomes the worker, so that the process id and the leash are the worker's.
        env = shutil.which("env") or "/usr/bin/env"
        command = [env, *pairs, str(WALLETSTREAM), *self.arguments]
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = spawn_leashed(command, output=output, cwd=ROOT)
        self.starts += 1
        return self

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process of the last start."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process

    def kill(self) -> None:
        """`kill -9`; returns when the process is gone. Frozen ones die too."""
        if self.running:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def terminate(self, timeout_s: float = 30.0) -> int:
        """SIGTERM, and the exit code.

        Raises:
            AssertionError: it did not end in time.
        """
        self.process.terminate()
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = _PATIENCE_S) -> int:
        """Wait until the process ends by itself: its exit code.

        Raises:
            AssertionError: it did not end in time.
        """
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {timeout_s:g} s\n{self.tail()}") from None

    def freeze(self) -> None:
        """SIGSTOP: it keeps its connections, its locks and its memory, and does nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on as if no time had passed."""
        self.process.send_signal(signal.SIGCONT)

    def get(self, path: str) -> tuple[int, str] | None:
        """Status and text of a page of the worker's web server; None where it does not answer."""
        url = f"http://{_HOST}:{self.environment['WALLETSTREAM_WEB_PORT']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return None

    def metric(self, name: str) -> float:
        """A Prometheus metric, summed over its labels; 0 where there is no sample."""
        answer = self.get("/metrics")
        assert answer is not None, f"{self.name} shows no metrics"
        lines = [line.rpartition(" ") for line in answer[1].splitlines() if not line.startswith("#")]
        return sum(float(value) for sample, _, value in lines if sample.partition("{")[0] == name)

    @property
    def ready(self) -> bool:
        """Whether `/readyz` says so."""
        answer = self.get("/readyz")
        return answer is not None and answer[0] == 200

    def wait_ready(self, timeout_s: float = _PATIENCE_S) -> float:
        """Wait for `/readyz`; the seconds that it took.

        Raises:
            AssertionError: it ended or was not ready in time.
        """

        def ready_or_dead() -> bool:
            return self.ready or not self.running

        try:
            seconds = wait_until(f"{self.name} is ready; it says {self.get('/readyz')}", ready_or_dead, timeout_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.tail()}") from None
        assert self.running, f"{self.name} ended with {self.process.returncode}\n{self.tail()}"
        return seconds

    def log_text(self) -> str:
        """What it has logged since its last start."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def tail(self) -> str:
        """The last lines of its log, for a message."""
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:] if self.log.exists() else []
        return "\n".join([f"--- {self.name}, last lines of {self.log}:", *lines])


class Cluster:
    """Workers on one namespace of a broker that somebody else starts and stops. A context manager: leaving kills all.

    Args:
        folder: where the workers' data and logs are kept.
        bootstrap_servers: the broker.
        namespace: prefix of the topics.
        partitions: of every co-partitioned topic.
        environment: further `WALLETSTREAM_*` variables of every worker.
    """

    def __init__(
        self,
        folder: Path,
        bootstrap_servers: str,
        namespace: str,
        partitions: int,
        environment: Mapping[str, str] | None = None,
    ):
        self.folder = folder
        self.data_dir = folder / "data"
        self.partitions = partitions
        self.workers: list[Worker] = []
        self.environment = {
            "WALLETSTREAM_BOOTSTRAP_SERVERS": bootstrap_servers,
            "WALLETSTREAM_NAMESPACE": namespace,
            "WALLETSTREAM_PARTITIONS": str(partitions),
            "WALLETSTREAM_DATA_DIR": str(self.data_dir),
            "WALLETSTREAM_SESSION_TIMEOUT_S": "3",
            **(environment or {}),
        }
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def settings(self) -> Settings:
        """The settings as a process of this cluster sees them."""
        prefix = "WALLETSTREAM_"
        return Settings.model_validate(
            {name.removeprefix(prefix).lower(): value for name, value in self.environment.items()}
        )

    def apply_topics(self) -> None:
        """Create the topics of the namespace."""
        todo = asyncio.run(apply_topics(self.settings))
        assert not todo.refused, todo.refused

    def worker(self, worker_id: str, *, name: str | None = None, **environment: str) -> Worker:
        """A worker, not started. `name` tells two of the same worker id apart; `environment` is `data_dir="..."`."""
        variables = {f"WALLETSTREAM_{key.upper()}": value for key, value in environment.items()}
        worker = Worker(
            name or worker_id,
            {**self.environment, "WALLETSTREAM_WORKER_ID": worker_id, **variables},
            self.folder / f"{name or worker_id}.log",
        )
        self.workers.append(worker)
        return worker

    def start(self, worker_id: str, **options: str) -> Worker:
        """A worker, started."""
        return self.worker(worker_id, **options).start()

    def command(self, name: str, *arguments: str) -> Worker:
        """Another command of the CLI, started in the background."""
        command = Worker(name, self.environment, self.folder / f"{name}.log", arguments)
        self.workers.append(command)
        return command.start()

    def run(self, *arguments: str, timeout_s: float = 1_800.0) -> subprocess.CompletedProcess[str]:
        """Run a command of the CLI to its end."""
        return subprocess.run(
            [str(WALLETSTREAM), *arguments],
            env={**os.environ, **self.environment},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def verify(self) -> dict[str, Any]:
        """`walletstream verify`, once the ledger is idle; it must hold.

        Raises:
            AssertionError: it does not; the message is what it said.
        """
        done = self.run("verify", "--wait", "120", "--json")
        assert done.returncode == 0, f"verify ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        said = json.loads(done.stdout)
        assert isinstance(said, dict)
        return said

    def put_reference(self, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Write reference data, a record for each topic: before workers start, or while they run."""
        for topic, fields in records.items():
            file = self.folder / f"{topic}.json"
            file.write_text(json.dumps(fields) + "\n")
            done = self.run("reference", "put", topic, str(file))
            assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"

    def tails(self) -> str:
        """The last log lines of every worker."""
        return "\n".join(worker.tail() for worker in self.workers)

    def stop(self) -> dict[str, int]:
        """SIGTERM to every worker that runs: exit codes by name."""
        running = [worker for worker in self.workers if worker.running]
        for worker in running:
            worker.process.terminate()
        return {worker.name: worker.wait(30) for worker in running}

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self.workers:
            worker.kill()
        if kind is not None:
            print(self.tails(), file=sys.stderr)

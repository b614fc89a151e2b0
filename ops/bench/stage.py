"""What every measurement stands on: a broker of its own, topics, requests in them, and processes to measure."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from ops import admin
from ops.broker import EmbeddedBroker
from ops.broker.spawn import spawn_leashed
from ops.errors import OperationError
from ops.load import Placed, RequestMaker, Shape, send_all
from ops.processes import WorkerProcess
from ops.sender import Sender
from ops.topics import Create, plan, wanted_topics
from schemas.topics import TRANSACTION_REQUESTS, full_name
from streams.connection import plain_environment

#: Partitions of every co-partitioned topic of the benchmark.
PARTITIONS: Final = 4
_SHOWN_LINES: Final = 15

#: Told what goes on, and how much of it is done, 0 to 1.
Tell = Callable[[str, float], None]


class Usage:
    """Processor time and memory of a process and its children."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._since = time.perf_counter()
        self._cpu_s = self.cpu_s()

    def cpu_s(self) -> float:
        """Processor seconds so far."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def reset(self) -> None:
        """Count from now."""
        self._since, self._cpu_s = time.perf_counter(), self.cpu_s()

    def cores(self) -> float:
        """Processor seconds a second since `reset`."""
        return (self.cpu_s() - self._cpu_s) / max(time.perf_counter() - self._since, 1e-9)

    def rss_mb(self) -> float:
        """Resident memory in MiB."""
        return float(self._process.memory_info().rss) / (1 << 20)

    def peak_rss_mb(self) -> float:
        """Most resident memory so far in MiB; the current where the system does not say."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return self.rss_mb()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024


@dataclass(frozen=True)
class Place:
    """A namespace with requests in it."""

    namespace: str
    #: Records in `transaction-requests`.
    requests: int

    @property
    def input(self) -> str:
        """Full name of the topic of requests."""
        return full_name(self.namespace, TRANSACTION_REQUESTS)

    def output(self, name: str) -> str:
        """Full name of one of our topics."""
        return full_name(self.namespace, name)


class Stage:
    """A running broker, and a folder for everything."""

    def __init__(self, broker: EmbeddedBroker, folder: Path, tell: Tell):
        self.broker = broker
        self.folder = folder
        self.tell = tell
        self._names = itertools.count(1)

    @property
    def brokers(self) -> str:
        """Address of the broker."""
        return self.broker.bootstrap_servers

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Place]:
        """A new namespace with its topics, deleted afterwards with the state of its workers."""
        place = Place(f"bench{next(self._names)}.", 0)
        wanted = wanted_topics(place.namespace, PARTITIONS, "embedded")
        async with admin.connect(self.brokers) as connected:
            await connected.create(plan(wanted, {}).create)
            await connected.wait_until_visible({want.name: want.partitions for want in wanted})
        try:
            yield place
        finally:
            async with admin.connect(self.brokers) as connected:
                await connected.delete(await connected.names(place.namespace))
            shutil.rmtree(self.state_dir(place), ignore_errors=True)

    async def create(self, *names: str) -> None:
        """Create topics that are not of the catalogue."""
        config = {"retention.ms": "-1", "max.message.bytes": str(8 << 20)}
        async with admin.connect(self.brokers) as connected:
            await connected.create([Create(name, PARTITIONS, 1, config) for name in names])
            await connected.wait_until_visible(dict.fromkeys(names, PARTITIONS))

    async def preload(self, place: Place, shape: Shape, count: int, *, open_wallets: bool = True) -> Place:
        """Put requests into the topic: wallets opened and funded, then `count` of the shape."""
        maker = RequestMaker(shape, PARTITIONS)
        openings = list(maker.openings()) if open_wallets else []
        total = len(openings) + count
        made = itertools.chain(openings, (maker.make() for _ in range(count)))
        return await self.fill(place, made, total)

    async def fill(self, place: Place, made: Iterator[Placed], total: int, topic: str = TRANSACTION_REQUESTS) -> Place:
        """Put requests, or commands of another topic, into it."""
        async with Sender(self.brokers, place.output(topic)) as sender:
            sent = await send_all(sender, made, lambda n: self.tell("preload", n / total))
        return Place(place.namespace, place.requests + sent)

    def state_dir(self, place: Place) -> Path:
        """Where workers of a namespace keep their state."""
        return self.folder / "state" / place.namespace

    @contextmanager
    def worker(self, place: Place, role: str = "ledger") -> Iterator[WorkerProcess]:
        """One worker, started; stopped afterwards."""
        environ = {
            **plain_environment(),
            "WALLETSTREAM_BOOTSTRAP_SERVERS": self.brokers,
            "WALLETSTREAM_NAMESPACE": place.namespace,
            "WALLETSTREAM_PARTITIONS": str(PARTITIONS),
            "WALLETSTREAM_DURABILITY": "embedded",
            "WALLETSTREAM_DATA_DIR": str(self.state_dir(place)),
        }
        worker = WorkerProcess("bench", environ, self.folder / f"worker-{place.namespace}log", role=role)
        worker.start()
        try:
            yield worker
        finally:
            worker.stop()

    @contextmanager
    def process(self, name: str, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
        """A pipeline of others, started; killed afterwards."""
        with (self.folder / f"{name}.log").open("ab") as output:
            process = spawn_leashed(command, output=output, cwd=self.folder)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def require_alive(self, name: str, process: subprocess.Popen[bytes]) -> None:
        """
        Raises:
            OperationError: the process has ended; the message has the end of its log.
        """
        if process.poll() is not None:
            log = self.folder / f"{name}.log"
            lines = log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:]
            shown = "".join(f"\n  {line}" for line in lines)
            raise OperationError(f"{name} ended with exit code {process.returncode}; its last lines:{shown}")


def require_running(worker: WorkerProcess) -> None:
    """
    Raises:
        OperationError: the worker has ended; the message has the end of its log.
    """
    if not worker.running:
        raise OperationError(worker.failure())

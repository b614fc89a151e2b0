"""Starts, kills, stops and restarts the processes of the workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.errors import Refused
from tests.simulation.faults import Kind, Point
from tests.simulation.worker import Worker, WorkerProcess

if TYPE_CHECKING:
    from tests.simulation.world import World


class Supervisor:
    """The processes of a world, alive and dead."""

    def __init__(self, world: World):
        self._world = world
        self.alive: list[WorkerProcess] = []
        self.dead: list[WorkerProcess] = []
        #: Starts that are still to come.
        self.starting = 0

    def start(self, worker: Worker) -> None:
        """Start a process of the worker."""
        process = WorkerProcess(self._world, worker)
        self.alive.append(process)
        process.start()

    def start_within(self, worker: Worker, first_s: float, last_s: float) -> None:
        """Start a process of the worker in a while."""
        self.starting += 1

        def start() -> None:
            self.starting -= 1
            self.start(worker)

        self._world.loop.outside(self._world.rng.uniform(first_s, last_s), start)

    def exit(self, process: WorkerProcess, error: BaseException) -> None:
        """The process ends with an error, and is started again."""
        world = self._world
        if process not in self.alive:
            return
        world.note(f"{process.name} exits: {error!r}")
        if isinstance(error, Refused) and not world.injector.struck[Point.DELIVER, Kind.DUPLICATE]:
            world.violated(f"refused without a reason: {error}")
        if any(error is one for one in world.errors_of_stop):
            world.violated(f"a producer that failed to stop ended the process: {error!r}")
        self.kill(process)

    def kill(self, process: WorkerProcess) -> None:
        """kill -9; a new process follows, unless another one of the same worker runs."""
        if process not in self.alive:
            return
        self._world.note(f"{process.name} is dead")
        process.process.killed = True
        self.alive.remove(process)
        self.dead.append(process)
        for files in process.held_files():
            files.crash()
        if self._world.rng.random() < 0.1:
            self._world.note(f"{process.worker.name} gets a new disk")
            for files in process.worker.files.values():
                if files.held_by is None:
                    files.wipe()
        if not any(one.worker is process.worker for one in self.alive):
            self.start_within(process.worker, 0.05, 4.0)

    def stop(self, process: WorkerProcess) -> None:
        """SIGSTOP for a while. Sometimes somebody starts another process under the same name meanwhile."""
        if process.process.killed:
            return
        rng = self._world.rng
        for_s = rng.choice((rng.uniform(0.01, 1.0), rng.uniform(8.0, 14.0), rng.uniform(15.0, 40.0)))
        self._world.note(f"{process.name} stops for {for_s:.2f} s")
        process.process.stopped = True
        self._world.loop.outside(for_s, self._resume, process)
        if rng.random() < 0.2:
            self.start_within(process.worker, 0.5, 12.0)

    def _resume(self, process: WorkerProcess) -> None:
        if not process.process.killed:
            self._world.note(f"{process.name} goes on")
            self._world.loop.resume(process.process)

    @property
    def is_settled(self) -> bool:
        """True where nothing is to be started and nothing stopped."""
        return not self.starting and not any(one.process.stopped for one in self.alive)

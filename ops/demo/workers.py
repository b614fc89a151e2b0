"""The demo's worker processes, watched while they are started, killed and started again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ops.demo.view import WorkerState
from ops.errors import OperationError
from ops.processes import WorkerProcess


class DemoWorker(WorkerProcess):
    """A worker that tells a kill of ours from an end of its own."""

    was_killed = False

    def start(self) -> None:
        """Start it and return at once."""
        super().start()
        self.was_killed = False

    def kill(self) -> int:
        """`kill -9`, and wait until it is gone."""
        self.was_killed = True
        return super().kill()

    async def state(self) -> WorkerState:
        """What it is doing, asked at `/readyz`."""
        if not self.running:
            state = "killed" if self.was_killed else "down" if self.exit_code is not None else "starting"
            return WorkerState(self.worker_id, 0, state)
        readiness = await asyncio.to_thread(self.readiness)
        return WorkerState(self.worker_id, self.pid, "ready" if readiness.ready else _shortened(readiness.reasons))

    def raise_if_down(self) -> None:
        """Do nothing while it lives, before its start, or after a kill of ours.

        Raises:
            OperationError: it ended by itself; the message shows the end of its log.
        """
        if self.exit_code is not None and not self.was_killed:
            raise OperationError(self.failure())


def _shortened(reasons: Sequence[str]) -> str:
    """The first reason without its details: `recovering partition 3: at ...` is `recovering`."""
    if not reasons or reasons[0].startswith("no answer"):
        return "starting"
    return reasons[0].partition(":")[0].partition(" partition")[0]


async def until_ready(workers: Sequence[DemoWorker], timeout_s: float = 60.0) -> None:
    """Return once all partitions of all workers take records.

    Raises:
        OperationError: not in time, or one has ended by itself.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        states = [await worker.state() for worker in workers]
        if all(state.state == "ready" for state in states):
            return
        for worker in workers:
            worker.raise_if_down()
        if asyncio.get_running_loop().time() > deadline:
            said = ", ".join(f"{state.name}: {state.state}" for state in states)
            raise OperationError(f"the workers were not ready within {timeout_s:.0f} s ({said})")
        await asyncio.sleep(0.1)


async def stop_workers(workers: Sequence[DemoWorker]) -> None:
    """Stop all in order, at the same time; by force those that take too long."""
    for worker in workers:
        worker.terminate()
    await asyncio.gather(*(asyncio.to_thread(worker.wait) for worker in workers))

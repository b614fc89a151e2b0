"""kill -9 at random moments: of one worker, of several at once, of one again while it restores. Seeded."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

from ops.processes import WorkerProcess
from ops.reading import OnProgress

#: From its start until a worker restores or has just begun to work, in seconds.
_RESTORES_S: Final = (0.8, 3.0)
#: Longest pause between work and the next strike, in seconds.
_PAUSE_S: Final = 1.0


class Strikes:
    """Kills workers and starts them again.

    Args:
        workers: those that may be hit.
        rng: which, how, and when.
        resumed: waits until work goes on; each strike comes after it, for a kill of what has stopped shows nothing.
    """

    def __init__(
        self, workers: Sequence[WorkerProcess], rng: random.Random, resumed: Callable[[], Coroutine[None, None, None]]
    ):
        self._workers, self._rng, self._resumed = workers, rng, resumed
        #: Role -> kills.
        self.by_role: Counter[str] = Counter()

    @property
    def kills(self) -> int:
        """How many there were."""
        return self.by_role.total()

    async def run(self, kills: int, on_progress: OnProgress) -> None:
        """So many kills."""
        while self.kills < kills:
            await self._resumed()
            await asyncio.sleep(self._rng.uniform(0.0, _PAUSE_S))
            await self._strike(kills - self.kills)
            on_progress(self.kills, kills)

    async def _strike(self, most: int) -> None:
        dice = self._rng.random()
        if dice < 0.2 and most > 1:
            await self._kill(*self._rng.sample(self._workers, min(most, self._rng.randint(2, len(self._workers)))))
            return
        worker = self._rng.choice(self._workers)
        await self._kill(worker)
        if dice < 0.45 and most > 1:
            await asyncio.sleep(self._rng.uniform(*_RESTORES_S))
            await self._kill(worker)

    async def _kill(self, *workers: WorkerProcess) -> None:
        """Kill them together; they are started again at once, or after others may have taken over."""
        for worker in workers:
            # A worker that has ended by itself is a failure of its own.
            assert worker.running, worker.failure()
        await asyncio.gather(*(asyncio.to_thread(worker.kill) for worker in workers))
        self.by_role.update(worker.role for worker in workers)
        for worker in workers:
            await asyncio.sleep(self._rng.choice((0.0, 0.0, self._rng.uniform(0.0, 2.0))))
            worker.start()

"""An asyncio event loop with virtual time, in which processes can be stopped and killed.

Nothing sleeps: when no callback is ready, the clock jumps to the next timer. With the same callbacks the same
run follows. Every callback belongs to the process (if any) of the context that scheduled it. A stopped process
keeps its callbacks, timers included, until it goes on, as after SIGSTOP; a killed one never runs again, not even
its `finally` blocks, as after kill -9.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections.abc import Callable, Coroutine
from typing import Any

PROCESS: contextvars.ContextVar[Process | None] = contextvars.ContextVar("process", default=None)


class Deadlock(Exception):
    """Nothing is ready, no timer runs, and the awaited result is not there."""


class Process:
    """A simulated operating system process: the owner of callbacks."""

    def __init__(self, name: str):
        self.name = name
        self.killed = False
        self.stopped = False
        #: Callbacks that came due while the process was stopped or after it was killed.
        self.held: list[asyncio.Handle] = []
        #: Its tasks, kept so that none is collected, which would run its `finally` blocks.
        self.tasks: list[asyncio.Task[Any]] = []
        self._context = contextvars.copy_context()
        self._context.run(PROCESS.set, self)

    def spawn(self, loop: SimulatedLoop, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` as a task of this process."""
        return _new_task(loop, work, self._context.copy())


class SimulatedLoop(asyncio.BaseEventLoop):
    """A deterministic event loop. Needs no selector: there is no I/O."""

    _ready: Any
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self._now_s = 0.0
        self._outside = contextvars.Context()
        self.set_task_factory(_new_task)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def outside(self, delay_s: float, callback: Callable[..., object], *args: Any) -> asyncio.TimerHandle:
        """Call later, in no process: what the world does, whoever asked for it may have died."""
        return self.call_at(self._now_s + delay_s, callback, *args, context=self._outside)

    def resume(self, process: Process) -> None:
        """Let a stopped process go on."""
        process.stopped = False
        self._ready.extend(process.held)
        process.held.clear()

    def _run_once(self) -> None:
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)._scheduled = False  # type: ignore[attr-defined]
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            if not scheduled:
                raise Deadlock("nothing is ready and no timer runs")
            self._now_s = max(self._now_s, scheduled[0].when())
        while scheduled and scheduled[0].when() <= self._now_s:
            timer = heapq.heappop(scheduled)
            timer._scheduled = False  # type: ignore[attr-defined]
            ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                process = handle._context.get(PROCESS)
                if process is None:
                    handle._run()
                elif process.stopped or process.killed:
                    process.held.append(handle)
                else:
                    handle._run()

    def bury(self, processes: list[Process]) -> None:
        """Cancel what is left of the processes, killed ones too, and let it end; for when a run is over."""
        for process in processes:
            process.killed = False
            self.resume(process)
        left = [task for process in processes for task in process.tasks if not task.done()]
        for task in left:
            task.cancel()
        self.run_until_complete(asyncio.wait(left) if left else asyncio.sleep(0))

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """There is no other thread to wake the loop up."""


def _new_task(
    loop: asyncio.AbstractEventLoop, work: Any, context: contextvars.Context | None = None
) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    process = PROCESS.get() if context is None else context.get(PROCESS)
    if process is not None:
        process.tasks.append(task)
    return task

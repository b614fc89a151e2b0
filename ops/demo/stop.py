"""Ctrl-C, SIGTERM, a terminal that goes away: once is enough, and what is to be cleaned up is so undisturbed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from ops.cli.stopping import stopping_signals

T = TypeVar("T")


class Stop:
    """Turns the first signal into a `KeyboardInterrupt` where the program is, and ignores those that follow."""

    def __init__(self) -> None:
        self.requested = False
        self.signals = stopping_signals()

    def raise_once(self, _signum: int, _frame: FrameType | None) -> None:
        """Handler outside of an event loop."""
        self.requested = True
        for signum in self.signals:
            signal.signal(signum, signal.SIG_IGN)
        raise KeyboardInterrupt

    async def cancellable(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` in the running loop; a signal cancels it, and its `finally` blocks run to their ends.

        Raises:
            KeyboardInterrupt: a signal came.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(work)

        def cancel() -> None:
            if not self.requested:
                self.requested = True
                task.cancel()

        for signum in self.signals:
            loop.add_signal_handler(signum, cancel)
        try:
            return await task
        except asyncio.CancelledError:
            if self.requested:
                raise KeyboardInterrupt from None
            raise
        finally:
            for signum in self.signals:
                loop.remove_signal_handler(signum)
                signal.signal(signum, signal.SIG_IGN if self.requested else self.raise_once)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Within this, signals are handled by the `Stop`; afterwards as before. For the main thread only."""
    stop = Stop()
    before = {signum: signal.signal(signum, stop.raise_once) for signum in stop.signals}
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)

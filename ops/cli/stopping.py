"""SIGTERM, SIGINT and SIGHUP as an end in order, for commands that run until they are told to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


def stopping_signals() -> tuple[signal.Signals, ...]:
    """What ends a command in order: SIGHUP too, by which a terminal goes away, unless `nohup` has it ignored."""
    signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    return signals if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else signals[:2]


class Stop(KeyboardInterrupt):
    """One of the signals arrived: leave in order.

    Not an `Exception`, so that nothing on the way swallows it; a `KeyboardInterrupt`, for event loops let no other
    exception out of a callback or a task, and the signals that follow are ignored.
    """


def _on_signal(_signum: int, _frame: FrameType | None) -> None:
    # One is enough: a second must not interrupt the stop in order.
    for signum in stopping_signals():
        signal.signal(signum, signal.SIG_IGN)
    raise Stop


@contextmanager
def until_stopped() -> Iterator[None]:
    """The first SIGTERM, SIGINT or SIGHUP ends the block as if it had come to its end."""
    for signum in stopping_signals():
        signal.signal(signum, _on_signal)
    with suppress(Stop):
        yield

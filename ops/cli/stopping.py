"""SIGTERM and SIGINT as an end in order, for commands that run until they are told to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class Stop(KeyboardInterrupt):
    """SIGTERM or SIGINT arrived: leave in order.

    Not an `Exception`, so that nothing on the way swallows it; a `KeyboardInterrupt`, for event loops let no other
    exception out of a callback or a task, and the signals that follow are ignored.
    """


def _on_signal(_signum: int, _frame: FrameType | None) -> None:
    # One is enough: a second must not interrupt the stop in order.
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, signal.SIG_IGN)
    raise Stop


@contextmanager
def until_stopped() -> Iterator[None]:
    """The first SIGTERM or SIGINT ends the block as if it had come to its end."""
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _on_signal)
    with suppress(Stop):
        yield

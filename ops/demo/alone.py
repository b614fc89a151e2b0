"""A part of the demo on a broker of its own, which ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

import uvloop

from ops.broker import EmbeddedBroker
from ops.demo import stage
from ops.demo.stop import stoppable
from ops.demo.together import unless_it_dies


class Told(Protocol):
    """What came of a part; `kept` is the folder that was kept."""

    kept: str | None


T = TypeVar("T", bound=Told)


def alone(play: Callable[[Path, str], Coroutine[Any, Any, T]], *, keep: bool, announce: Callable[[str], None]) -> T:
    """Play a part, given a folder and the broker's address.

    Raises:
        BrokerError: the broker cannot be had or started, or died.
        OperationError: the part did not go as it should.
        KeyboardInterrupt: Ctrl-C or SIGTERM; everything is stopped and removed.
    """
    with (
        stoppable() as stop,
        stage.folder(keep) as folder,
        EmbeddedBroker(folder / "broker", announce=announce) as broker,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        told = runner.run(stop.cancellable(unless_it_dies(broker, play(folder, broker.bootstrap_servers))))
        told.kept = str(folder) if keep else None
    return told

"""SIGTERM, SIGINT and SIGHUP as an end in order, wherever they meet a command."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any

import pytest

from ops.cli.running import run
from ops.cli.stopping import until_stopped
from ops.demo.stop import stoppable

_LONG_S = 20.0


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Those of a program in a terminal; afterwards those of the test run are put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def _in_a_callback(number: int) -> None:
    asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), number)
    await asyncio.sleep(_LONG_S)


async def _in_a_task_of_a_library(number: int) -> None:
    async def library() -> None:
        await asyncio.sleep(0.05)
        with suppress(Exception):
            os.kill(os.getpid(), number)

    tasks = [asyncio.create_task(library())]
    await asyncio.sleep(_LONG_S)
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
@pytest.mark.parametrize("place", [_in_a_callback, _in_a_task_of_a_library])
def test_a_signal_that_meets_an_event_loop_is_not_lost(
    place: Callable[[int], Coroutine[Any, Any, None]], number: int
) -> None:
    began, came_to_its_end = time.monotonic(), False
    with until_stopped():
        run(place(number))
        came_to_its_end = True
    assert not came_to_its_end
    assert time.monotonic() - began < _LONG_S / 2


def test_a_terminal_that_goes_away_ends_a_demo_in_order() -> None:
    """What it has written is removed only then."""

    def hung_up() -> None:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
            time.sleep(_LONG_S)

    with pytest.raises(KeyboardInterrupt):
        hung_up()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL


@pytest.mark.parametrize("within", [until_stopped, stoppable])
def test_who_is_to_outlive_the_terminal_does(within: Callable[[], AbstractContextManager[object]]) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    came_to_its_end = False
    with within():
        os.kill(os.getpid(), signal.SIGHUP)
        came_to_its_end = True
    assert came_to_its_end

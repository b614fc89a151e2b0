"""SIGTERM and SIGINT as an end in order, wherever they meet a command."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any

import pytest

from ops.cli.running import run
from ops.cli.stopping import until_stopped

_LONG_S = 20.0


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers of the test run are put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
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

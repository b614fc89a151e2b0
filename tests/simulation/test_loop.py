"""The simulated event loop: virtual time, stopped and killed processes, deadlock."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.simulation.loop import Deadlock, Process, SimulatedLoop


def test_sleeping_takes_virtual_time_only() -> None:
    loop = SimulatedLoop()
    began = time.perf_counter()
    loop.run_until_complete(asyncio.sleep(86_400.0))
    assert loop.time() == 86_400.0
    assert time.perf_counter() - began < 1.0
    loop.close()


def test_a_time_out_fires_when_virtual_time_has_passed() -> None:
    loop = SimulatedLoop()

    async def wait() -> None:
        async with asyncio.timeout(5.0):
            await loop.create_future()

    with pytest.raises(TimeoutError):
        loop.run_until_complete(wait())
    assert loop.time() == 5.0
    loop.close()


def test_waiting_for_nothing_is_a_deadlock() -> None:
    loop = SimulatedLoop()

    async def wait() -> None:
        await loop.create_future()

    with pytest.raises(Deadlock):
        loop.run_until_complete(wait())
    loop.close()


class _Ticker:
    """A process that notes the time once a second, and how it ended."""

    def __init__(self, loop: SimulatedLoop):
        self.times: list[float] = []
        self.ended = False
        self.process = Process("ticker")
        self.process.spawn(loop, self._run(loop))

    async def _run(self, loop: SimulatedLoop) -> None:
        try:
            while True:
                await asyncio.create_task(asyncio.sleep(1.0))
                self.times.append(loop.time())
        finally:
            self.ended = True


def test_a_stopped_process_stands_still_and_goes_on() -> None:
    loop = SimulatedLoop()
    ticker = _Ticker(loop)
    loop.outside(2.5, setattr, ticker.process, "stopped", True)
    loop.outside(7.25, loop.resume, ticker.process)
    loop.run_until_complete(asyncio.sleep(9.0))
    assert ticker.times == [1.0, 2.0, 7.25, 8.25]
    loop.bury([ticker.process])
    loop.close()


def test_a_killed_process_never_runs_again_not_even_to_clean_up() -> None:
    loop = SimulatedLoop()
    ticker = _Ticker(loop)
    loop.outside(2.5, setattr, ticker.process, "killed", True)
    loop.run_until_complete(asyncio.sleep(9.0))
    assert ticker.times == [1.0, 2.0]
    assert not ticker.ended
    loop.bury([ticker.process])
    assert ticker.ended
    loop.close()

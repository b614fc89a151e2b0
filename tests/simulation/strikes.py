"""What the faults do to the world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation.faults import Fault, Kind, Point

if TYPE_CHECKING:
    from tests.simulation.worker import WorkerProcess
    from tests.simulation.world import World


async def strike(world: World, process: WorkerProcess, partition: int, fault: Fault | None) -> Fault | None:
    """Do what a fault asks for; returned is what only the caller can do."""
    if fault is None:
        return None
    kind = fault.kind
    world.note(f"{process.name} p{partition} {fault.point}: {kind} ({fault.error})")
    if kind is Kind.CRASH:
        await _at_once_or_soon(world, lambda: world.supervisor.kill(process))
    elif kind is Kind.STOP:
        await _at_once_or_soon(world, lambda: world.supervisor.stop(process))
    elif kind is Kind.SHUT_DOWN:
        process.shut_down()
    elif kind is Kind.CANCEL:
        process.cancel(partition)
        await asyncio.sleep(0)
    elif kind is Kind.ERROR:
        error = fault.exception()
        if fault.point is Point.STOP:
            world.errors_of_stop.append(error)
        raise error
    elif kind is Kind.DEAF:
        process.deaf_until_s = world.loop.time() + world.rng.uniform(12.0, 30.0)
    elif kind is Kind.REBALANCE:
        _rebalance(world)
    elif kind is Kind.DISASTER:
        world.loop.outside(0.0, world.upstream.disaster)
    elif kind is Kind.INTRUDER:
        world.upstream.intrude(partition)
    elif kind is Kind.WORKER_CLOCK:
        process.worker.clock_offset_ms = world.rng.choice((-9_000, -3_000, 2_000, 8_000))
        world.loop.outside(world.rng.uniform(0.5, 20.0), setattr, process.worker, "clock_offset_ms", 0)
    elif kind is Kind.BROKER_CLOCK:
        world.broker_offset_ms = world.rng.choice((-9_000, -1_000, 3_000, 9_000, 9_000))
        world.loop.outside(world.rng.uniform(0.01, world.rng.choice((0.3, 3.0))), setattr, world, "broker_offset_ms", 0)
    elif kind is Kind.REPEATED:
        world.upstream.repeat_internal(partition)
    else:
        if kind is Kind.CLOSE_SLOW:
            _rebalance(world)
        return fault
    return None


async def _at_once_or_soon(world: World, act: Callable[[], None]) -> None:
    """At once, or a few milliseconds later in the middle of what comes next."""
    if world.rng.random() < 0.5:
        world.loop.outside(world.rng.random() * 0.02, act)
    else:
        act()
        await asyncio.sleep(0)


def _rebalance(world: World) -> None:
    group = world.group

    def back() -> None:
        group.rotation -= 1
        group.rebalance()

    group.rotation += 1
    group.rebalance()
    if world.rng.random() < 0.5:
        world.loop.outside(world.rng.uniform(0.5, 3.0), back)

"""Things at the same time, of which none outlives the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from ops.broker import BrokerError, EmbeddedBroker

A = TypeVar("A")
B = TypeVar("B")

#: How often it is looked whether a broker lives.
_LOOK_S: Final = 0.2


async def unless_down(work: Coroutine[Any, Any, None], watch: asyncio.Task[None]) -> None:
    """Do `work`, unless `watch` ends before with an error."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task, watch], return_when=asyncio.FIRST_COMPLETED)
        if watch.done() and not task.done():
            watch.result()
        await task
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task


async def both(one: Coroutine[Any, Any, A], other: Coroutine[Any, Any, B]) -> tuple[A, B]:
    """Do both; where one fails the other is ended, in order, before the error goes on."""
    tasks = asyncio.ensure_future(one), asyncio.ensure_future(other)
    try:
        first, second = await asyncio.gather(*tasks)
        return first, second
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def unless_it_dies(broker: EmbeddedBroker, work: Coroutine[Any, Any, A]) -> A:
    """Do `work`, and end it in order where the broker dies: clients would go on trying to reach it.

    Raises:
        BrokerError: it died; the message says why, with the end of its log.
    """
    task = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([task], timeout=_LOOK_S))[0]:
            if not broker.running:
                raise BrokerError(broker.failure())
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

"""Blocking calls of one rail in threads of its own: a disk or a lock that hangs holds up no other rail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_THREADS: Final = 4


class RailThreads:
    """A few threads that belong to one rail."""

    def __init__(self, rail: str):
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"rail-{rail}")

    async def call(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work`. Whoever is cancelled meanwhile leaves it running: it may still succeed."""
        return await asyncio.wrap_future(self._pool.submit(work, *args, **kwargs))

    def close(self) -> None:
        """Take no more work; does not wait for what hangs."""
        self._pool.shutdown(wait=False, cancel_futures=True)

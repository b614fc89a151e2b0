"""Calls of one rail: each within its time, through the rail's breaker, and with an error that says what it means."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from agents.settlement.rails.courier.breaker import Breaker, State
from agents.settlement.rails.courier.ports import Clock, CourierObserver
from agents.settlement.rails.port import RailError, RailUnknown
from schemas.rail_settings import Retry
from streams.logs import fields

log = logging.getLogger(__name__)

T = TypeVar("T")


class Calls:
    """Makes the calls of one rail."""

    def __init__(self, rail: str, retry: Retry, clock: Clock, observer: CourierObserver, share: Callable[[], float]):
        self._rail = rail
        self._retry = retry
        self._clock = clock
        self._observer = observer
        self._share = share
        self.breaker = Breaker(retry)
        self._breaker_was: State = "closed"

    async def make(self, name: str, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of a call, once the breaker lets it go; how long that takes is not part of its time.

        Raises:
            RailError: it failed; whatever else a rail raises, and a call that takes too long, is a `RailUnknown`.
        """
        while not self.breaker.begin(self._clock.now_ms()):
            await self._clock.sleep_ms(self.breaker.wait_ms(self._clock.now_ms()) or 1)
        self._tell()
        began_ms = self._clock.now_ms()
        try:
            result = await self._in_time(call())
        except asyncio.CancelledError:
            self.breaker.given_up()
            raise
        except Exception as error:
            self._failed(name, error, began_ms)
            if isinstance(error, RailError):
                raise
            log.exception("rail %s: %s raised what it should not", self._rail, name)
            raise RailUnknown(f"{name}: {error!r}") from error
        self.breaker.succeeded()
        self._tell()
        self._observer.called(self._rail, name, "ok", self._clock.now_ms() - began_ms)
        return result

    async def _in_time(self, call: Coroutine[Any, Any, T]) -> T:
        """
        Raises:
            RailUnknown: it took too long. It is cancelled, but what it has begun may yet be done.
        """
        task = asyncio.ensure_future(call)
        timer = asyncio.ensure_future(self._clock.sleep_ms(self._retry.timeout_ms))
        try:
            await asyncio.wait([task, timer], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise RailUnknown(f"no answer within {self._retry.timeout_ms} ms")
        finally:
            timer.cancel()
            if not task.done():
                task.cancel()
                task.add_done_callback(_seen)

    def _failed(self, name: str, error: Exception, began_ms: int) -> None:
        now_ms = self._clock.now_ms()
        self._observer.called(self._rail, name, type(error).__name__, now_ms - began_ms)
        if self.breaker.failed(now_ms, self._share()):
            where = fields(rail=self._rail, failures=self.breaker.failures)
            log.error("a rail is left alone for %d ms: %s", self.breaker.wait_ms(now_ms), error, extra=where)
        self._tell()

    def _tell(self) -> None:
        state = self.breaker.state(self._clock.now_ms())
        if state != self._breaker_was:
            self._breaker_was = state
            log.info("the breaker is %s", state.replace("_", " "), extra=fields(rail=self._rail))
            self._observer.breaker_changed(self._rail, state)


def _seen(task: asyncio.Future[Any]) -> None:
    """Mark a failure as seen: that it took too long has been told already."""
    if not task.cancelled():
        task.exception()

"""The courier's metrics."""

from __future__ import annotations

from typing import Final

from agents.settlement.rails.courier.ports import CourierObserver
from streams import metrics

_BREAKER: Final = {"closed": 0, "half_open": 1, "open": 2}


class CourierMetrics(CourierObserver):
    """Counts calls and shows what waits and what the breakers do. What is reported is counted where it is written."""

    def opened(self, rail: str) -> None:
        """Gauges say something from now on, and nothing that the desk before has left there."""
        for gauge in (metrics.RAIL_BREAKER, metrics.RAIL_WAITING, metrics.RAIL_FOLLOWED):
            gauge.labels(rail).set(0)

    def called(self, rail: str, call: str, result: str, took_ms: int) -> None:
        """A call has ended."""
        metrics.RAIL_CALLS.labels(rail, call, result).inc()
        metrics.RAIL_CALL_SECONDS.labels(rail, call).observe(took_ms / 1000)

    def breaker_changed(self, rail: str, state: str) -> None:
        """The breaker is in this state now."""
        metrics.RAIL_BREAKER.labels(rail).set(_BREAKER[state])

    def waiting(self, rail: str, batches: int) -> None:
        """So many batches have an attempt to be made."""
        metrics.RAIL_WAITING.labels(rail).set(batches)

    def followed(self, rail: str, batches: int) -> None:
        """So many batches are handed over and not final."""
        metrics.RAIL_FOLLOWED.labels(rail).set(batches)

    def tripped(self, rail: str) -> None:
        """The desk has ended by an error of its own."""
        metrics.RAIL_TRIPS.labels(rail).inc()

    def closed(self, rail: str) -> None:
        """Nobody cares for the rail here any more: what the gauges say of it would be stale."""
        for gauge in (metrics.RAIL_BREAKER, metrics.RAIL_WAITING, metrics.RAIL_FOLLOWED):
            gauge.remove(rail)

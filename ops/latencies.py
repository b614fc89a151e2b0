"""Latencies and their percentiles. Pure."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles in milliseconds, by the nearest rank; NaN where there is nothing."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float

    def as_json(self) -> dict[str, float | int | None]:
        """For scripts; None stands for NaN."""
        named = {"p50_ms": self.p50, "p95_ms": self.p95, "p99_ms": self.p99, "max_ms": self.max}
        rounded = {name: None if math.isnan(value) else round(value, 3) for name, value in named.items()}
        return {"count": self.count, **rounded}


def nearest_rank(ordered: Sequence[float], quantile: float) -> float:
    """The smallest value that at least `quantile` (0 to 1) of all values do not exceed; NaN of none."""
    if not ordered:
        return math.nan
    return ordered[max(0, math.ceil(len(ordered) * quantile) - 1)]


def percentiles(seconds: Sequence[float]) -> Percentiles:
    """Percentiles in milliseconds of latencies in seconds."""
    ordered = sorted(seconds)
    p50, p95, p99 = (nearest_rank(ordered, quantile) * 1000 for quantile in (0.50, 0.95, 0.99))
    return Percentiles(len(ordered), p50, p95, p99, ordered[-1] * 1000 if ordered else math.nan)


class Latencies:
    """Every latency of a run, 8 bytes each, and those since one looked last."""

    def __init__(self) -> None:
        self._seconds = array("d")
        self._looked = 0

    def add(self, seconds: float) -> None:
        """One more."""
        self._seconds.append(seconds)

    def __len__(self) -> int:
        return len(self._seconds)

    def summary(self) -> Percentiles:
        """Of the whole run."""
        return percentiles(self._seconds)

    def since_last(self) -> Percentiles:
        """Of those that were added since this was called last."""
        recent = self._seconds[self._looked :]
        self._looked = len(self._seconds)
        return percentiles(recent)

"""What is computed of a window: accumulators that take a value in and give it back exactly. Pure.

Every measure is a fraction of two exact numbers, so that nothing is rounded before it is compared. That of the
standard deviation is its square, the variance.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from agents.fraud.entries import Exact
from schemas.facts import Fact, FactValue

#: Numerator and denominator, the latter above 0.
Ratio = tuple[Exact, Exact]
#: Mean radius of the earth in metres (IUGG).
EARTH_RADIUS_M = 6_371_008.8
#: Zombies that a heap may hold before it is made anew.
_ZOMBIES = 32


def exact_number(value: FactValue | None) -> Exact | None:
    """An int as it is, a float as the decimal that is written there; None for text and what is no number."""
    if value.__class__ is int:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return Fraction(repr(value))
    return None


class Total:
    """Sum of numbers."""

    __slots__ = ("n", "total")

    def __init__(self) -> None:
        self.n = 0
        self.total: Exact = 0

    def add(self, value: Exact) -> None:
        self.n += 1
        self.total += value

    def remove(self, value: Exact) -> None:
        self.n -= 1
        self.total -= value


class Moments:
    """Sum of numbers and of their squares."""

    __slots__ = ("n", "squares", "total")

    def __init__(self) -> None:
        self.n = 0
        self.total: Exact = 0
        self.squares: Exact = 0

    def add(self, value: Exact) -> None:
        self.n += 1
        self.total += value
        self.squares += value * value

    def remove(self, value: Exact) -> None:
        self.n -= 1
        self.total -= value
        self.squares -= value * value


class Counts:
    """How often each value is there."""

    __slots__ = ("counts", "n")

    def __init__(self) -> None:
        self.n = 0
        self.counts: dict[FactValue, int] = {}

    def add(self, value: FactValue) -> None:
        self.n += 1
        self.counts[value] = self.counts.get(value, 0) + 1

    def remove(self, value: FactValue) -> None:
        self.n -= 1
        left = self.counts[value] - 1
        if left:
            self.counts[value] = left
        else:
            del self.counts[value]


class Pairs:
    """Sums of two numbers: those of a ratio."""

    __slots__ = ("above", "below", "n")

    def __init__(self) -> None:
        self.n = 0
        self.above: Exact = 0
        self.below: Exact = 0

    def add(self, value: tuple[Exact, Exact]) -> None:
        self.n += 1
        self.above += value[0]
        self.below += value[1]

    def remove(self, value: tuple[Exact, Exact]) -> None:
        self.n -= 1
        self.above -= value[0]
        self.below -= value[1]


class Least:
    """Least of numbers: a heap from which the removed go when they come to its top, or are too many.

    O(log n) amortised, in whatever order values come and go.
    """

    __slots__ = ("_counts", "_heap", "_zombies", "n")

    def __init__(self) -> None:
        self.n = 0
        self._heap: list[Exact] = []
        #: How often each value of the heap is there; 0 for one that is removed.
        self._counts: dict[Exact, int] = {}
        self._zombies = 0

    def add(self, value: Exact) -> None:
        self.n += 1
        held = self._counts.get(value)
        if held is None:
            heapq.heappush(self._heap, value)
            self._counts[value] = 1
            return
        if held == 0:
            self._zombies -= 1
        self._counts[value] = held + 1

    def remove(self, value: Exact) -> None:
        self.n -= 1
        held = self._counts[value] - 1
        self._counts[value] = held
        if held == 0:
            self._zombies += 1
            if self._zombies > _ZOMBIES and self._zombies * 2 > len(self._heap):
                self._counts = {each: count for each, count in self._counts.items() if count}
                self._heap = list(self._counts)
                heapq.heapify(self._heap)
                self._zombies = 0

    def least(self) -> Exact:
        """The least; there must be one."""
        heap, counts = self._heap, self._counts
        while counts[heap[0]] == 0:
            del counts[heapq.heappop(heap)]
            self._zombies -= 1
        return heap[0]


class Greatest(Least):
    """Greatest of numbers: the least of them with their signs turned."""

    __slots__ = ()

    def add(self, value: Exact) -> None:
        super().add(-value)

    def remove(self, value: Exact) -> None:
        super().remove(-value)


def of_sum(held: Total) -> Ratio | None:
    """The sum; 0 of nothing."""
    return held.total, 1


def of_avg(held: Total) -> Ratio | None:
    """The mean."""
    return (held.total, held.n) if held.n else None


def of_stddev(held: Moments) -> Ratio | None:
    """The variance of the population: its root is the standard deviation."""
    n = held.n
    return (n * held.squares - held.total * held.total, n * n) if n else None


def of_min(held: Least) -> Ratio | None:
    """The least."""
    return (held.least(), 1) if held.n else None


def of_max(held: Greatest) -> Ratio | None:
    """The greatest."""
    return (-held.least(), 1) if held.n else None


def of_distinct(held: Counts) -> Ratio | None:
    """How many different values."""
    return len(held.counts), 1


def of_ratio(held: Pairs) -> Ratio | None:
    """One sum to the other; None where the other is 0."""
    below = held.below
    if below > 0:
        return held.above, below
    return (-held.above, -below) if below else None


def metres_between(before: Fact, now: Fact) -> int | None:
    """Great-circle distance of two facts' places (haversine formula); None where one has no place."""
    places = [fact.get(name) for fact in (before, now) for name in ("latitude", "longitude")]
    if any(isinstance(place, str) or place is None or not math.isfinite(place) for place in places):
        return None
    lat1, lon1, lat2, lon2 = (math.radians(float(place)) for place in places if place is not None)
    half = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return round(2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, half))))


def signed_square(ratio: Ratio) -> Ratio:
    """Its square with its sign: in the same order as the numbers themselves."""
    above, below = ratio
    return (above * above if above >= 0 else -(above * above)), below * below


def shown(ratio: Ratio, squared: bool = False) -> Exact:
    """The number itself; of what is squared with its sign the root, to 6 decimals, rounded towards 0."""
    above, below = ratio
    if below == 1 and not squared and above.__class__ is int:
        return above
    value = Fraction(above) / Fraction(below)
    if squared:
        root = math.isqrt(int(abs(value) * 10**12))
        value = Fraction(-root if value < 0 else root, 10**6)
    return value.numerator if value.denominator == 1 else value


#: Function -> a new accumulator for it, and what is read off it; None where that hangs on the fact as well. The others
#: look at the window's entries.
ACCUMULATORS: dict[str, tuple[Callable[[], Any], Callable[[Any], Ratio | None] | None]] = {
    "sum": (Total, of_sum),
    "avg": (Total, of_avg),
    "stddev": (Moments, of_stddev),
    "min": (Least, of_min),
    "max": (Greatest, of_max),
    "count_distinct": (Counts, of_distinct),
    "ratio": (Pairs, of_ratio),
    "share": (Counts, None),
}

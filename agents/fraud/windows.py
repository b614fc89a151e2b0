"""Windows: the facts of a key that count for one aggregate, and a cursor over them that holds what is computed. Pure.

A window at an entry holds the counted entries after `t - window_ms` and before the entry (with it, where
`include_current` says so). The cursor includes those at [lo, hi) and moves in both directions: what comes in is added
to an accumulator, what goes out is taken away again, exactly. So an entry that arrives in order costs O(1) amortised,
however many are in the window, and one that is late costs what the cursor passes on its way.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from agents.fraud.compile import Spec
from agents.fraud.entries import Entry, Order
from agents.fraud.measures import Ratio, metres_between


def order_of(entry: Entry) -> Order:
    """What entries are sorted by."""
    return entry.order


class Window:
    """Cursor of one aggregate over the entries of one key that count for it."""

    __slots__ = ("_by_asset", "_extract", "_held", "_new", "_window_ms", "entries", "hi", "lo", "spec", "values")

    def __init__(self, spec: Spec):
        self.spec = spec
        self._window_ms = spec.window_ms
        self._by_asset = spec.by_asset
        self._extract = spec.extract
        self._new: Callable[[], Any] | None = spec.accumulator
        #: Asset (None where assets are not told apart) -> accumulator.
        self._held: dict[Any, Any] = {}
        self.entries: list[Entry] = []
        #: What each adds; empty where there is no accumulator.
        self.values: list[Any] = []
        self.lo = self.hi = 0

    def append(self, entry: Entry) -> bool:
        """Take in an entry that comes after all others. False where it has not what counts."""
        if self._extract is not None:
            value = self._extract(entry.fact)
            if value is None:
                return False
            if self._new is not None:
                self.values.append(value)
        self.entries.append(entry)
        return True

    def insert(self, entry: Entry) -> bool:
        """Take in a late entry. False where it has not what counts."""
        value = None
        if self._extract is not None:
            value = self._extract(entry.fact)
            if value is None:
                return False
        at = bisect_left(self.entries, entry.order, key=order_of)
        self.entries.insert(at, entry)
        if self._new is not None:
            self.values.insert(at, value)
        if at <= self.lo:
            self.lo += 1
            self.hi += 1
        elif at < self.hi:
            self.hi += 1
            if self._new is not None:
                self._add(at)
        return True

    def to_end(self, t_ms: int) -> None:
        """Move to an entry at `t_ms` that comes after all entries here, or is the last of them and included."""
        entries, end = self.entries, len(self.entries)
        if self._new is None:
            self.hi = end
        else:
            while self.hi < end:
                self._add(self.hi)
                self.hi += 1
        start_ms, lo = t_ms - self._window_ms, self.lo
        # Late entries may have come in before what was the beginning.
        while lo > 0 and entries[lo - 1].t_ms > start_ms:
            lo -= 1
            if self._new is not None:
                self._add(lo)
        while lo < end and entries[lo].t_ms <= start_ms:
            if self._new is not None:
                self._remove(lo)
            lo += 1
        self.lo = lo

    def to(self, entry: Entry) -> None:
        """Move to an entry, wherever it stands."""
        entries, order, include = self.entries, entry.order, self.spec.include_current
        start_ms, end, held = entry.t_ms - self._window_ms, len(self.entries), self._new is not None
        lo, hi = self.lo, self.hi
        # What comes in first, so that lo never passes hi.
        while hi < end and (entries[hi].order < order or (include and entries[hi].order == order)):
            if held:
                self._add(hi)
            hi += 1
        while lo > 0 and entries[lo - 1].t_ms > start_ms:
            lo -= 1
            if held:
                self._add(lo)
        while hi > lo and (entries[hi - 1].order > order or (not include and entries[hi - 1].order == order)):
            hi -= 1
            if held:
                self._remove(hi)
        while lo < hi and entries[lo].t_ms <= start_ms:
            if held:
                self._remove(lo)
            lo += 1
        self.lo, self.hi = lo, hi

    def measure(self, entry: Entry) -> Ratio | None:
        """What the window at `entry` comes to, once the cursor is there; None where that is nothing, or too few."""
        spec = self.spec
        if self._new is None:
            events = self.hi - self.lo
            if events < spec.min_events:
                return None
            return (events, 1) if spec.function == "count" else self._since_last(entry)
        held = self._held.get(entry.asset if self._by_asset else None)
        if held is None:
            if spec.min_events:
                return None
            held = self._new()
        elif held.n < spec.min_events:
            return None
        if spec.function == "share":
            return self._share(entry, held)
        measure = spec.measure
        assert measure is not None
        return measure(held)

    def events(self, entry: Entry) -> int:
        """How many entries the window holds."""
        if self._new is None:
            return self.hi - self.lo
        held = self._held.get(entry.asset if self._by_asset else None)
        return 0 if held is None else held.n

    def latest(self, entry: Entry, most: int) -> list[Entry]:
        """The last entries of the window, at most so many are looked at; those in other assets left out."""
        found = self.entries[max(self.lo, self.hi - most) : self.hi]
        return [each for each in found if each.asset == entry.asset] if self._by_asset else found

    def trim(self, before_ms: int) -> None:
        """Forget the entries before `before_ms`."""
        gone = bisect_left(self.entries, before_ms, key=lambda each: each.t_ms)
        if not gone:
            return
        if self._new is not None:
            for at in range(self.lo, min(gone, self.hi)):
                self._remove(at)
            del self.values[:gone]
        del self.entries[:gone]
        self.lo, self.hi = max(0, self.lo - gone), max(0, self.hi - gone)

    def _since_last(self, entry: Entry) -> Ratio | None:
        """Seconds since the entry before, or the speed in km/h from its place: at least a millisecond has passed."""
        if self.hi == self.lo:
            return None
        before = self.entries[self.hi - 1]
        passed_ms = entry.t_ms - before.t_ms
        if self.spec.function == "time_since_last":
            return passed_ms, 1000
        metres = metres_between(before.fact, entry.fact)
        return None if metres is None else (metres * 3600, max(1, passed_ms))

    def _share(self, entry: Entry, held: Any) -> Ratio | None:
        value = self.spec.value
        if value is None:
            extract = self._extract
            assert extract is not None
            value = extract(entry.fact)
        return None if value is None or not held.n else (held.counts.get(value, 0), held.n)

    def _add(self, at: int) -> None:
        group = self.entries[at].asset if self._by_asset else None
        held = self._held.get(group)
        if held is None:
            assert self._new is not None
            held = self._held[group] = self._new()
        held.add(self.values[at])

    def _remove(self, at: int) -> None:
        group = self.entries[at].asset if self._by_asset else None
        held = self._held[group]
        held.remove(self.values[at])
        if not held.n:
            del self._held[group]

"""Windows: the facts of a key that count for one aggregate, and a cursor over them that holds what is computed. Pure.

A window at an entry holds the counted entries after `t - window_ms` and before the entry (with it, where
`include_current` says so). The cursor includes those at [lo, hi) and moves in both directions: what comes in is added
to an accumulator, what goes out is taken away again, exactly. So an entry that arrives in order costs O(1) amortised,
however many are in the window, and one that is late costs what the cursor passes on its way.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from agents.fraud.compile import Spec
from agents.fraud.entries import Entry, Order
from agents.fraud.measures import Ratio, metres_between


def order_of(entry: Entry) -> Order:
    """What entries are sorted by."""
    return entry.order


def window_of(spec: Spec) -> Window:
    """An empty one."""
    return Window(spec) if spec.accumulator is None else Accumulated(spec)


class Window:
    """Cursor of one aggregate over the entries of one key that count for it, where it needs no more than them.

    Attributes:
        spec: the aggregate.
        entries: those that count, in order.
        lo, hi: the window is those at [lo, hi).
    """

    __slots__ = ("entries", "hi", "lo", "spec")

    def __init__(self, spec: Spec):
        self.spec = spec
        self.entries: list[Entry] = []
        self.lo = self.hi = 0

    def append(self, entry: Entry) -> None:
        """Take in an entry that comes after all others, if it has what counts."""
        extract = self.spec.extract
        if extract is None or extract(entry.fact) is not None:
            self.entries.append(entry)

    def insert(self, entry: Entry) -> bool:
        """Take in a late entry. False where it has not what counts."""
        extract = self.spec.extract
        value = None
        if extract is not None:
            value = extract(entry.fact)
            if value is None:
                return False
        at = bisect_left(self.entries, entry.order, key=order_of)
        self.entries.insert(at, entry)
        self._put(at, value)
        if at <= self.lo:
            self.lo += 1
            self.hi += 1
        elif at < self.hi:
            self.hi += 1
            self._add(at)
        return True

    def newest(self, entry: Entry, counts: bool = True) -> Ratio | None:
        """Move to an entry that comes after all here, taken in if it counts and is included; what that comes to."""
        entries = self.entries
        if counts and self.spec.include_current:
            self.append(entry)
        end = self.hi = len(entries)
        start_ms, lo = entry.t_ms - self.spec.window_ms, self.lo
        # Late entries may have come in before what was the beginning.
        while lo and entries[lo - 1].t_ms > start_ms:
            lo -= 1
        while lo < end and entries[lo].t_ms <= start_ms:
            lo += 1
        self.lo = lo
        return self.measure(entry)

    def to(self, entry: Entry) -> None:
        """Move to an entry, wherever it stands."""
        entries, order, include = self.entries, entry.order, self.spec.include_current
        start_ms, end, lo, hi = entry.t_ms - self.spec.window_ms, len(self.entries), self.lo, self.hi
        # What comes in first, so that lo never passes hi.
        while hi < end and (entries[hi].order < order or (include and entries[hi].order == order)):
            self._add(hi)
            hi += 1
        while lo > 0 and entries[lo - 1].t_ms > start_ms:
            lo -= 1
            self._add(lo)
        while hi > lo and (entries[hi - 1].order > order or (not include and entries[hi - 1].order == order)):
            hi -= 1
            self._remove(hi)
        while lo < hi and entries[lo].t_ms <= start_ms:
            self._remove(lo)
            lo += 1
        self.lo, self.hi = lo, hi

    def measure(self, entry: Entry) -> Ratio | None:
        """What the window at `entry` comes to, once the cursor is there; None where that is nothing, or too few."""
        spec, events = self.spec, self.hi - self.lo
        if events < spec.min_events:
            return None
        return (events, 1) if spec.function == "count" else self._since_last(entry)

    def events(self, entry: Entry) -> int:  # noqa: ARG002 - those in whatever asset
        """How many entries the window holds; where assets are counted apart, in the asset of `entry`."""
        return self.hi - self.lo

    def latest(self, entry: Entry, most: int) -> list[Entry]:
        """The last entries of the window, at most so many are looked at; those in other assets left out."""
        found = self.entries[max(self.lo, self.hi - most) : self.hi]
        return [each for each in found if each.asset == entry.asset] if self.spec.by_asset else found

    def trim(self, before_ms: int) -> None:
        """Forget the entries before `before_ms`."""
        entries = self.entries
        if not entries or entries[0].t_ms >= before_ms:
            return
        gone = bisect_left(entries, before_ms, key=lambda each: each.t_ms)
        for at in range(self.lo, min(gone, self.hi)):
            self._remove(at)
        self._cut(gone)
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

    def _put(self, at: int, value: Any) -> None:
        """Keep the value of a late entry."""

    def _cut(self, gone: int) -> None:
        """Drop so many entries."""
        del self.entries[:gone]

    def _add(self, at: int) -> None:
        """An entry comes into the window."""

    def _remove(self, at: int) -> None:
        """An entry goes out of the window."""


class Accumulated(Window):
    """One whose entries add up to something; where assets are counted apart, to something of each."""

    __slots__ = ("_by_asset", "_sum", "_values")

    def __init__(self, spec: Spec):
        self.spec = spec
        self.entries = []
        self.lo = self.hi = 0
        #: What each entry adds.
        self._values: list[Any] = []
        #: What those in the window come to, None where there are none. With assets apart: by asset.
        self._sum: Any = None
        self._by_asset: dict[Any, Any] | None = {} if spec.by_asset else None

    def append(self, entry: Entry) -> None:
        value = self.spec.extract(entry.fact)  # type: ignore[misc]
        if value is not None:
            self.entries.append(entry)
            self._values.append(value)

    def newest(self, entry: Entry, counts: bool = True) -> Ratio | None:
        spec, entries, lo = self.spec, self.entries, self.lo
        if counts and spec.include_current:
            self.append(entry)
        end = len(entries)
        for at in range(self.hi, end):
            self._add(at)
        self.hi = end
        start_ms = entry.t_ms - spec.window_ms
        while lo and entries[lo - 1].t_ms > start_ms:
            lo -= 1
            self._add(lo)
        while lo < end and entries[lo].t_ms <= start_ms:
            self._remove(lo)
            lo += 1
        self.lo = lo
        return self.measure(entry)

    def measure(self, entry: Entry) -> Ratio | None:
        spec, held = self.spec, self._sum if self._by_asset is None else self._by_asset.get(entry.asset)
        if held is None:
            if spec.min_events:
                return None
            held = spec.accumulator()  # type: ignore[misc]
        elif held.n < spec.min_events:
            return None
        if spec.function == "share":
            return self._share(entry, held)
        return spec.measure(held)  # type: ignore[misc]

    def events(self, entry: Entry) -> int:
        held = self._sum if self._by_asset is None else self._by_asset.get(entry.asset)
        return 0 if held is None else held.n

    def _share(self, entry: Entry, held: Any) -> Ratio | None:
        value = self.spec.value
        if value is None:
            value = self.spec.extract(entry.fact)  # type: ignore[misc]
        return None if value is None or not held.n else (held.counts.get(value, 0), held.n)

    def _put(self, at: int, value: Any) -> None:
        self._values.insert(at, value)

    def _cut(self, gone: int) -> None:
        del self.entries[:gone], self._values[:gone]

    def _add(self, at: int) -> None:
        by_asset = self._by_asset
        if by_asset is None:
            held = self._sum
            if held is None:
                held = self._sum = self.spec.accumulator()  # type: ignore[misc]
        else:
            asset = self.entries[at].asset
            held = by_asset.get(asset)
            if held is None:
                held = by_asset[asset] = self.spec.accumulator()  # type: ignore[misc]
        held.add(self._values[at])

    def _remove(self, at: int) -> None:
        by_asset = self._by_asset
        if by_asset is None:
            self._sum.remove(self._values[at])
            return
        asset = self.entries[at].asset
        held = by_asset[asset]
        held.remove(self._values[at])
        if not held.n:
            # Of all assets that ever were only those in the window are kept.
            del by_asset[asset]

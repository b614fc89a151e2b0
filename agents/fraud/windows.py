"""Windows: the facts of a key that count for one aggregate, and a cursor over them that holds what is computed. Pure.

A window at an entry holds the counted entries after `t - window_ms` and before the entry (with it, where
`include_current` says so). The cursor includes those at [lo, hi) and moves in both directions: what comes in is added
to an accumulator, what goes out is taken away again, exactly. So an entry that arrives in order costs O(1) amortised,
however many are in the window, and one that is late costs what the cursor passes on its way.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import Any

from agents.fraud.compile import Extract, Spec
from agents.fraud.entries import Entry, Order
from agents.fraud.filters import Passes
from agents.fraud.measures import Ratio, metres_between


def order_of(entry: Entry) -> Order:
    """What entries are sorted by."""
    return entry.order


class TrackSpec:
    """What a track holds, the same for all keys of a kind.

    Attributes:
        passes: which facts; None for each.
        extract: the value that a fact adds; None where each counts alike. A fact without one is left out.
        kept_ms: the longest window over it.
    """

    __slots__ = ("extract", "kept_ms", "passes")

    def __init__(self, passes: Passes | None, extract: Extract | None):
        self.passes = passes
        self.extract = extract
        self.kept_ms = 0


class Track:
    """The entries of one key that count for the same windows, in order: each is put there once for all of them.

    Attributes:
        entries, times, values: in step with each other; no values where each entry counts alike.
        windows: those that look at it.
    """

    __slots__ = ("entries", "spec", "times", "values", "windows")

    def __init__(self, spec: TrackSpec, entries: Iterable[Entry]):
        self.spec = spec
        self.entries: list[Entry] = []
        self.times: list[int] = []
        self.values: list[Any] = []
        self.windows: list[Window] = []
        passes = spec.passes
        for entry in entries:
            if passes is None or passes(entry.fact):
                self.append(entry)

    def append(self, entry: Entry) -> None:
        """Take in an entry that comes after all others and passes, if it has what counts."""
        extract = self.spec.extract
        if extract is not None:
            value = extract(entry.fact)
            if value is None:
                return
            self.values.append(value)
        self.entries.append(entry)
        self.times.append(entry.t_ms)

    def insert(self, entry: Entry) -> None:
        """Take in a late entry that passes, if it has what counts."""
        extract = self.spec.extract
        at = bisect_left(self.entries, entry.order, key=order_of)
        if extract is not None:
            value = extract(entry.fact)
            if value is None:
                return
            self.values.insert(at, value)
        self.entries.insert(at, entry)
        self.times.insert(at, entry.t_ms)
        for window in self.windows:
            window.came_in(at)

    def counts(self, entry: Entry) -> bool:
        """Whether an entry is one of those that are held here."""
        passes, extract = self.spec.passes, self.spec.extract
        return (passes is None or passes(entry.fact)) and (extract is None or extract(entry.fact) is not None)

    def trim(self, before_ms: int) -> None:
        """Forget what no window at an entry of `before_ms` or later holds."""
        gone = bisect_left(self.times, before_ms - self.spec.kept_ms)
        if not gone:
            return
        for window in self.windows:
            window.lose(gone)
        del self.entries[:gone], self.times[:gone], self.values[:gone]


def window_of(spec: Spec, track: Track) -> Window:
    """One over what a track holds; it begins before all of it."""
    window = Window(spec, track) if spec.accumulator is None else Accumulated(spec, track)
    track.windows.append(window)
    return window


class Window:
    """Cursor of one aggregate over the entries of one key that count for it, where it needs no more than them.

    Attributes:
        spec: the aggregate.
        track: the entries that count.
        lo, hi: the window is those at [lo, hi). It may lag behind newer ones.
    """

    __slots__ = ("hi", "lo", "spec", "track")

    def __init__(self, spec: Spec, track: Track):
        self.spec = spec
        self.track = track
        self.lo = self.hi = 0

    def newest(self, entry: Entry) -> Ratio | None:
        """Move to the last entry of the history; what that comes to."""
        spec, track = self.spec, self.track
        times = track.times
        end = len(times)
        if not spec.include_current and end and track.entries[-1] is entry:
            end -= 1
        start_ms, lo = entry.t_ms - spec.window_ms, self.lo
        # Late entries may have come in before what was the beginning.
        while lo and times[lo - 1] > start_ms:
            lo -= 1
        while lo < end and times[lo] <= start_ms:
            lo += 1
        self.lo, self.hi = lo, end
        if end - lo < spec.min_events:
            return None
        return (end - lo, 1) if spec.counts_alone else self._since_last(entry)

    def to(self, entry: Entry) -> None:
        """Move to an entry, wherever it stands."""
        entries, order, include = self.track.entries, entry.order, self.spec.include_current
        start_ms, end, lo, hi = entry.t_ms - self.spec.window_ms, len(entries), self.lo, self.hi
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
        return (events, 1) if spec.counts_alone else self._since_last(entry)

    def events(self, entry: Entry) -> int:  # noqa: ARG002 - those in whatever asset
        """How many entries the window holds; where assets are counted apart, in the asset of `entry`."""
        return self.hi - self.lo

    def latest(self, entry: Entry, most: int) -> list[Entry]:
        """The last entries of the window, at most so many; where assets are counted apart, in the asset of `entry`."""
        entries, at = self.track.entries, self.hi
        if not self.spec.by_asset:
            return entries[max(self.lo, at - most) : at]
        # Where it is rare among others it is as rare that somebody asks: on the whole each entry is passed that often.
        found: list[Entry] = []
        left, asset = min(most, self.events(entry)), entry.asset
        while left:
            at -= 1
            if entries[at].asset == asset:
                found.append(entries[at])
                left -= 1
        return found[::-1]

    def came_in(self, at: int) -> None:
        """A late entry stands at `at` of the track now."""
        if at <= self.lo:
            self.lo += 1
            self.hi += 1
        elif at < self.hi:
            self.hi += 1
            self._add(at)

    def lose(self, gone: int) -> None:
        """The first entries of the track, so many, are about to be forgotten."""
        for at in range(self.lo, min(gone, self.hi)):
            self._remove(at)
        self.lo, self.hi = max(0, self.lo - gone), max(0, self.hi - gone)

    def _since_last(self, entry: Entry) -> Ratio | None:
        """Seconds since the entry before, or the speed in km/h from its place: at least a millisecond has passed."""
        if self.hi == self.lo:
            return None
        before = self.track.entries[self.hi - 1]
        passed_ms = entry.t_ms - before.t_ms
        if self.spec.function == "time_since_last":
            return passed_ms, 1000
        metres = metres_between(before.fact, entry.fact)
        if metres is None:
            return None
        return (metres * 3600, max(1, passed_ms)) if metres >= self.spec.least_metres else (0, 1)

    def _add(self, at: int) -> None:
        """An entry comes into the window."""

    def _remove(self, at: int) -> None:
        """An entry goes out of the window."""


class Accumulated(Window):
    """One whose entries add up to something; where assets are counted apart, to something of each."""

    __slots__ = ("_by_asset", "_sum")

    def __init__(self, spec: Spec, track: Track):
        super().__init__(spec, track)
        #: What those in the window come to, or, with assets apart, by asset.
        self._sum: Any = None if spec.by_asset else spec.accumulator()  # type: ignore[misc]
        self._by_asset: dict[Any, Any] | None = {} if spec.by_asset else None

    def newest(self, entry: Entry) -> Ratio | None:
        spec, track = self.spec, self.track
        times = track.times
        end = len(times)
        if not spec.include_current and end and track.entries[-1] is entry:
            end -= 1
        start_ms, lo, at, by_asset = entry.t_ms - spec.window_ms, self.lo, self.hi, self._by_asset
        self.hi = end
        if by_asset is None:
            held, values = self._sum, track.values
            while at < end:
                held.add(values[at])
                at += 1
            while lo and times[lo - 1] > start_ms:
                lo -= 1
                held.add(values[lo])
            while lo < end and times[lo] <= start_ms:
                held.remove(values[lo])
                lo += 1
        else:
            while at < end:
                self._add(at)
                at += 1
            while lo and times[lo - 1] > start_ms:
                lo -= 1
                self._add(lo)
            while lo < end and times[lo] <= start_ms:
                self._remove(lo)
                lo += 1
            held = by_asset.get(entry.asset)
        self.lo = lo
        if held is None or spec.measure is None:
            return self.measure(entry)
        return spec.measure(held) if held.n >= spec.min_events else None

    def measure(self, entry: Entry) -> Ratio | None:
        spec, held = self.spec, self._sum if self._by_asset is None else self._by_asset.get(entry.asset)
        if held is None:
            if spec.min_events:
                return None
            held = spec.accumulator()  # type: ignore[misc]
        elif held.n < spec.min_events:
            return None
        return self._share(entry, held) if spec.measure is None else spec.measure(held)

    def events(self, entry: Entry) -> int:
        held = self._sum if self._by_asset is None else self._by_asset.get(entry.asset)
        return 0 if held is None else held.n

    def _share(self, entry: Entry, held: Any) -> Ratio | None:
        value = self.spec.value
        if value is None:
            value = self.spec.extract(entry.fact)  # type: ignore[misc]
        return None if value is None or not held.n else (held.counts.get(value, 0), held.n)

    def _add(self, at: int) -> None:
        track, by_asset = self.track, self._by_asset
        if by_asset is None:
            self._sum.add(track.values[at])
            return
        asset = track.entries[at].asset
        held = by_asset.get(asset)
        if held is None:
            held = by_asset[asset] = self.spec.accumulator()  # type: ignore[misc]
        held.add(track.values[at])

    def _remove(self, at: int) -> None:
        track, by_asset = self.track, self._by_asset
        if by_asset is None:
            self._sum.remove(track.values[at])
            return
        asset = track.entries[at].asset
        held = by_asset[asset]
        held.remove(track.values[at])
        if not held.n:
            # Of all assets that ever were only those in the window are kept.
            del by_asset[asset]

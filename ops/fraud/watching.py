"""One set of rules in a backtest: its engine, the rows that wait for it, and the fires that stand."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from zlib import crc32

from agents.fraud.alerts import Alert, Alerts
from agents.fraud.compile import compile_rules
from agents.fraud.engine import Change, Engine
from agents.fraud.entries import Entry, Key, Kind, Order, entry_of, keyed_by, whole
from schemas.facts import Fact, FactValue
from schemas.fraud_rules import Rule

#: Histories between two words on how far it is.
_TELL_EVERY: Final = 500
#: Fewest entries of histories that are looked through for what can be forgotten, and as many histories as there are.
_FEW: Final = 250_000
_ALL: Final = 2**62
#: Before all times.
_NEVER_MS: Final = -(2**63)


class RowEntry(Entry, eq=False, gc=False):
    """An entry, and the row that it is of, where `order` does not say so: a table may name where its facts are from."""

    row: int = 0


def _entry(order: tuple[int, int, int], leg: int, fact: Fact, row: int) -> Entry:
    if order[2] == row:
        return entry_of((*order, leg), fact)
    return RowEntry((*order, leg), fact, None, order[0], fact.get("asset"), fact.get("transaction_id"), row)


class FoundAlert(NamedTuple):
    """An alert, and the row and fact that opened it."""

    alert: Alert
    row: int
    opened_by: Fact


@dataclass
class Found:
    """What one rule said.

    Attributes:
        fired: rows at which it fired, as bits, once for each leg: under `party_id` a row may fire for both wallets.
        opened: its alerts in their order.
    """

    fired: list[int] = field(default_factory=lambda: [0, 0])
    opened: list[FoundAlert] = field(default_factory=list)

    @property
    def alerts(self) -> list[Alert]:
        """Its alerts in their order."""
        return [each.alert for each in self.opened]

    def merge(self, other: Found) -> None:
        """Take in what another process found of other keys."""
        self.fired = [mine | its for mine, its in zip(self.fired, other.fired, strict=True)]
        self.opened = sorted(self.opened + other.opened, key=_opening)


class RowBits:
    """Rows as bits of an int, which is quick to compare with others: bit n is row n."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, row: int) -> None:
        """Put a row in."""
        at = row >> 3
        if at >= len(self._bits):
            self._bits.extend(bytes(at + 1 - len(self._bits) + len(self._bits) // 8))
        self._bits[at] |= 1 << (row & 7)

    def as_int(self) -> int:
        """The rows as one int."""
        return int.from_bytes(self._bits, "little")


class Watched:
    """Rules and the rows that they are shown.

    Rows are gathered and then shown key by key, each key's in their order. That changes nothing of what stands in the
    end, and takes half the time: one history after the other stays in the processor's caches.

    Args:
        lateness_ms: how much earlier a row may be than the latest of those before it.
        share, shares: only keys of this share are looked at.
    """

    def __init__(self, rules: Sequence[Rule], lateness_ms: int, share: int = 0, shares: int = 1):
        # What they would say if all were in effect: the file is tried, not what is live of it.
        self._rules = compile_rules([rule.model_copy(update={"state": "active"}) for rule in rules])
        self._engine = Engine(self._rules, lateness_ms)
        self._lateness_ms = lateness_ms
        self._share, self._shares = share, shares
        self._latest_ms, self._in_order, self._kept = _NEVER_MS, True, 0
        #: Nothing older waits to be shown.
        self._waiting_from_ms = _NEVER_MS
        self._kinds = [_Waiting(kind) for kind in self._engine.kinds]
        #: Rule and key -> its fires by where they stand.
        self._fires: dict[tuple[str, Key], dict[Order, Change]] = {}

    def take(self, order: tuple[int, int, int], fact: Fact, row: int) -> None:
        """Take in the fact of a row: (event time in ms, 0, row), or the place that the row names."""
        t_ms = order[0]
        if t_ms < self._latest_ms:
            self._in_order = False
            if t_ms < self._waiting_from_ms:
                self._waiting_from_ms = t_ms
        elif self._latest_ms == _NEVER_MS:
            self._latest_ms = self._waiting_from_ms = t_ms
        else:
            self._latest_ms = t_ms
        shared = _entry(order, 0, fact, row)
        for waiting in self._kinds:
            if waiting.field is not None:
                value = fact.get(waiting.field)
                if value is not None:
                    held = waiting.by_value.get(value)
                    if held is None:
                        waiting.by_value[value] = [shared]
                    else:
                        held.append(shared)
                continue
            for key, seen, leg in waiting.keys_of(fact):
                entry = shared if seen is fact else _entry(order, leg, seen, row)
                waiting.by_key.setdefault(key, []).append(entry)

    @property
    def closed_before_ms(self) -> int:
        """No row comes that is older."""
        return self._latest_ms - self._lateness_ms

    def show(self, tell: Callable[[float], None], before_ms: int | None = None) -> None:
        """Show what was taken in to the rules; `tell` hears which share of it is done.

        What is not older than `before_ms` waits on. With `closed_before_ms` rules see each row once, in order of time,
        in whatever order rows come: to look again at what a late one changes may take as long as there are rows.
        """
        if before_ms is not None:
            if before_ms <= self._waiting_from_ms:
                return
            self._waiting_from_ms = before_ms
        insert_all, total, done = self._engine.insert_all, sum(map(len, self._kinds)), 0
        is_split = self._shares > 1
        for waiting in self._kinds:
            kind = waiting.kind
            for key, entries in waiting.take():
                done += 1
                if done % _TELL_EVERY == 0:
                    tell(done / total)
                if is_split and share_of(kind, key, self._shares) != self._share:
                    continue
                if not self._in_order:
                    entries.sort(key=_order_of)
                if before_ms is not None and entries[-1].t_ms >= before_ms:
                    at = bisect_left(entries, before_ms, key=_time_of)
                    waiting.put_back(key, entries[at:])
                    del entries[at:]
                    if not entries:
                        continue
                changes = insert_all(kind, key, entries)
                if changes:
                    self._note(changes)
        self._in_order = True

    def forget(self) -> None:
        """Forget what no row can see that is yet to come.

        What is idle goes at once, busy histories forget by themselves. What lies between is looked through once there
        is twice as much of it as the last time.
        """
        engine = self._engine
        engine.trim(self._latest_ms, histories=0)
        held = engine.forget_idle()
        if held > 2 * max(self._kept, _FEW):
            # The first call ends the engine's round, the second makes a whole one.
            engine.trim(self._latest_ms, histories=_ALL)
            engine.trim(self._latest_ms, histories=_ALL)
            self._kept = sum(len(engine.entries(kind, key)) for kind in engine.kinds for key in engine.keys(kind))

    def _note(self, changes: Sequence[Change]) -> None:
        for change in changes:
            name = change.rule.ref[0], change.key
            if change.fire is None:
                self._fires[name].pop(change.entry.order, None)
            else:
                self._fires.setdefault(name, {})[change.entry.order] = change

    def found(self) -> dict[str, Found]:
        """What the rules said, by `rule_id`."""
        by_id = {rule.ref[0]: rule for rule in self._rules}
        found = {rule_id: Found() for rule_id in by_id}
        bits = {rule_id: (RowBits(), RowBits()) for rule_id in by_id}
        alerts = Alerts()
        for (rule_id, key), fires in self._fires.items():
            for order, change in fires.items():
                bits[rule_id][order[3]].add(_row_of(change))
            rule = by_id[rule_id]
            alerts.load(rule, key, [fires[order] for order in sorted(fires)])
            for alert in alerts.of(rule.ref, key):
                opening = fires[alert.order]
                found[rule_id].opened.append(FoundAlert(alert, _row_of(opening), opening.entry.fact))
            alerts.forget(rule.ref, key)
        for rule_id, each in found.items():
            each.fired = [leg.as_int() for leg in bits[rule_id]]
            each.opened.sort(key=_opening)
        return found


class _Waiting:
    """Entries of one kind of key that were not shown yet, key by key.

    Attributes:
        field: the only field of the key, where that is all there is to it.
        by_value, by_key: that field's value, or the key -> its entries.
    """

    __slots__ = ("by_key", "by_value", "field", "keys_of", "kind")

    def __init__(self, kind: Kind):
        self.kind = kind
        self.field = kind[0] if len(kind) == 1 and kind[0] != "party_id" else None
        self.keys_of = keyed_by(kind)
        self.by_value: dict[FactValue, list[Entry]] = {}
        self.by_key: dict[Key, list[Entry]] = {}

    def __len__(self) -> int:
        return len(self.by_value) + len(self.by_key)

    def take(self) -> Iterator[tuple[Key, list[Entry]]]:
        """Each key with its entries, which wait no longer."""
        by_value, by_key = self.by_value, self.by_key
        self.by_value, self.by_key = {}, {}
        for value, entries in by_value.items():
            yield (whole(value),), entries
        yield from by_key.items()

    def put_back(self, key: Key, entries: list[Entry]) -> None:
        """Some of what was taken waits on."""
        if self.field is None:
            self.by_key[key] = entries
        else:
            self.by_value[key[0]] = entries


def _row_of(change: Change) -> int:
    entry = change.entry
    return entry.row if isinstance(entry, RowEntry) else entry.order[2]


def _opening(found: FoundAlert) -> Order:
    return found.alert.order


def _order_of(entry: Entry) -> Order:
    return entry.order


def _time_of(entry: Entry) -> int:
    return entry.t_ms


def share_of(kind: Kind, key: Key, shares: int) -> int:
    """Which of `shares` a key belongs to: the same in every process."""
    return crc32(repr((kind, key)).encode(errors="surrogatepass")) % shares

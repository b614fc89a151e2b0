"""One set of rules in a backtest: its engine, the rows that wait for it, and the fires that stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from zlib import crc32

from agents.fraud.alerts import Alert, Alerts
from agents.fraud.compile import compile_rules
from agents.fraud.engine import Change, Engine
from agents.fraud.entries import Entry, Key, Kind, Order, keyed_by
from schemas.facts import Fact
from schemas.fraud_rules import Rule

#: Histories between two words on how far it is.
_TELL_EVERY: Final = 500
#: Fewest entries of histories that are looked through for what can be forgotten, and as many histories as there are.
_FEW: Final = 250_000
_ALL: Final = 2**62


@dataclass
class Found:
    """What one rule said.

    Attributes:
        fired: rows at which it fired, as bits, once for each leg: under `party_id` a row may fire for both wallets.
        alerts: in their order.
    """

    fired: list[int] = field(default_factory=lambda: [0, 0])
    alerts: list[Alert] = field(default_factory=list)

    def merge(self, other: Found) -> None:
        """Take in what another process found of other keys."""
        self.fired = [mine | its for mine, its in zip(self.fired, other.fired, strict=True)]
        self.alerts = sorted(self.alerts + other.alerts, key=lambda alert: alert.order)


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
        self._latest_ms, self._in_order, self._kept = -(2**63), True, 0
        self._kinds: list[_Waiting] = [(kind, keyed_by(kind), {}) for kind in self._engine.kinds]
        #: Rule and key -> its fires by where they stand.
        self._fires: dict[tuple[str, Key], dict[Order, Change]] = {}

    def take(self, order: tuple[int, int, int], fact: Fact) -> None:
        """Take in a fact: (event time in ms, 0, row)."""
        if order[0] < self._latest_ms:
            self._in_order = False
        else:
            self._latest_ms = order[0]
        shared = Entry((*order, 0), fact)
        is_split = self._shares > 1
        for kind, keys_of, waiting in self._kinds:
            for key, seen, leg in keys_of(fact):
                if is_split and share_of(kind, key, self._shares) != self._share:
                    continue
                entry = shared if seen is fact else Entry((*order, leg), seen)
                held = waiting.get(key)
                if held is None:
                    waiting[key] = [entry]
                else:
                    held.append(entry)

    def show(self, tell: Callable[[float], None]) -> None:
        """Show what was taken in to the rules; `tell` hears which share of it is done."""
        insert, total, done = self._engine.insert, sum(len(waiting) for _, _, waiting in self._kinds), 0
        for kind, _, waiting in self._kinds:
            for key, entries in waiting.items():
                if not self._in_order:
                    entries.sort(key=_order_of)
                for entry in entries:
                    changes = insert(kind, key, entry)
                    if changes:
                        self._note(changes)
                done += 1
                if done % _TELL_EVERY == 0:
                    tell(done / total)
            waiting.clear()
        self._in_order = True

    def forget(self) -> None:
        """Forget what no row can see that is yet to come.

        What is idle goes at once, busy histories forget by themselves. What lies between is looked through once there
        is twice as much of it as the last time.
        """
        engine, before_ms = self._engine, self._latest_ms - self._lateness_ms
        engine.trim(self._latest_ms, histories=0)
        held = 0
        for kind in engine.kinds:
            oldest_ms = before_ms - engine.retained_ms(kind)
            for key in engine.keys(kind):
                entries = engine.entries(kind, key)
                if not entries or entries[-1].t_ms < oldest_ms:
                    engine.forget(kind, key)
                else:
                    held += len(entries)
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
            for _, _, row, leg in fires:
                bits[rule_id][leg].add(row)
            rule = by_id[rule_id]
            alerts.load(rule, key, [fires[order] for order in sorted(fires)])
            found[rule_id].alerts += alerts.of(rule.ref, key)
            alerts.forget(rule.ref, key)
        for rule_id, each in found.items():
            each.fired = [leg.as_int() for leg in bits[rule_id]]
            each.alerts.sort(key=lambda alert: alert.order)
        return found


_Waiting = tuple[Kind, Callable[[Fact], list[tuple[Key, Fact, int]]], dict[Key, list[Entry]]]


def _order_of(entry: Entry) -> Order:
    return entry.order


def share_of(kind: Kind, key: Key, shares: int) -> int:
    """Which of `shares` a key belongs to: the same in every process."""
    return crc32(repr((kind, key)).encode(errors="surrogatepass")) % shares

"""The judge: the engine and the groups of alerts of one partition, as far as memory holds them. Pure.

All of it is a cache: a history is loaded from its rows when a fact asks for it, and forgotten when others need the
room. So a worker that takes a partition over says what the one before it would have said.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Final

from agents.fraud import stored
from agents.fraud.alerts import AlertChange, Alerts
from agents.fraud.compile import CompiledRule
from agents.fraud.engine import Change, Engine
from agents.fraud.entries import Entry, Exact, Fire, Key, Kind, Order, RuleRef, seen_from
from agents.fraud.followed import LATER, KindInUse
from agents.fraud.state import FraudState, StoredEntry, history_name, rule_ref
from agents.fraud.windows import order_of
from schemas.fraud_events import Fired

#: Histories that are looked at for what is too old after each batch.
_TRIMMED: Final = 200
#: How often the entries of a history are counted anew.
_COUNTED_EVERY: Final = 16


class Judge:
    """Shows entries to rules.

    Attributes:
        shown: how many entries were shown to rules, for metrics.
    """

    def __init__(self, lateness_ms: int, cached_entries: int):
        self.shown = 0
        self._lateness_ms = lateness_ms
        self._cached_entries = cached_entries
        self.begin((), {})

    def begin(self, rules: Sequence[CompiledRule], kinds: Mapping[Kind, KindInUse]) -> None:
        """Forget everything, and go on with these rules."""
        self._rules = {rule.ref: rule for rule in rules}
        self._kinds = kinds
        self._engine = Engine(rules, self._lateness_ms)
        self._alerts = Alerts()
        self._looked_at = frozenset(self._engine.kinds)
        #: Histories in memory, the one used last at the end: how many entries it had then.
        self._held: OrderedDict[tuple[Kind, Key], int] = OrderedDict()
        self._entries = 0
        self._trimmed_ms = 0

    def show(self, state: FraudState, kind: Kind, key: Key, entry: Entry) -> tuple[list[Change], list[AlertChange]]:
        """What changes by an entry that is new: what rules say, and the alerts that this makes."""
        if kind not in self._looked_at:
            return [], []
        self.shown += 1
        if not self._engine.holds(kind, key):
            self._load(state, kind, key)
        changes = self._engine.insert(kind, key, entry)
        self._use(kind, key)
        return changes, self._alerts.apply(changes) if changes else []

    def entry(self, kind: Kind, key: Key, order: Order) -> Entry | None:
        """An entry of the history that was shown something last; None where it is forgotten."""
        entries = self._engine.entries(kind, key)
        at = bisect_left(entries, order, key=order_of)
        return entries[at] if at < len(entries) and entries[at].order == order else None

    def rule(self, rule_id: str) -> CompiledRule | None:
        """The version of a rule that sees facts."""
        return next((rule for rule in self._rules.values() if rule.ref[0] == rule_id), None)

    def trim(self, closed_before_ms: int) -> None:
        """Be told that nothing that occurred before that comes any more."""
        self._engine.trim(closed_before_ms + self._lateness_ms, _TRIMMED)
        if closed_before_ms - self._trimmed_ms >= 60_000:
            self._alerts.trim(closed_before_ms)
            self._trimmed_ms = closed_before_ms

    def _load(self, state: FraudState, kind: Kind, key: Key) -> None:
        use = self._kinds[kind]
        since_ms = state.closed_before_ms - use.kept_s * 1000
        rows = stored.read(state, history_name(kind, key), since_ms)
        entries: list[Entry] = []
        #: Rule -> its fires, from the first one on with which an alert opens.
        fires: dict[RuleRef, list[Change]] = {}
        for order, row in rows:
            if LATER in row.fact and not use.sees_all:
                continue
            entry = Entry(order, seen_from(kind, order[3], row.fact), self._fires(row))
            entries.append(entry)
            self._gather(fires, key, entry, row)
        self._engine.load(kind, key, entries)
        for ref, of_rule in fires.items():
            self._alerts.load(self._rules[ref], key, of_rule)

    def _fires(self, row: StoredEntry) -> dict[RuleRef, Fire] | None:
        return {rule_ref(name): read_fire(held.fired) for name, held in row.fires.items()} or None

    def _gather(self, fires: dict[RuleRef, list[Change]], key: Key, entry: Entry, row: StoredEntry) -> None:
        for name, held in row.fires.items():
            ref = rule_ref(name)
            rule = self._rules.get(ref)
            # What comes before the first opening belongs to an alert that is too old to change.
            if rule is not None and (held.opens or ref in fires):
                assert entry.fires is not None
                fires.setdefault(ref, []).append(Change(rule, key, entry, entry.fires[ref]))

    def _use(self, kind: Kind, key: Key) -> None:
        """Note that a history was used, and forget those that were not for longest where there is no room."""
        name = kind, key
        before = self._held.pop(name, 0)
        # One more each time; those that were trimmed are seen now and then.
        size = before + 1 if before % _COUNTED_EVERY else len(self._engine.entries(kind, key)) + 1
        self._entries += size - before
        self._held[name] = size
        while self._entries > self._cached_entries and len(self._held) > 1:
            (other_kind, other_key), other_size = self._held.popitem(last=False)
            self._entries -= other_size
            self._engine.forget(other_kind, other_key)
            for ref in self._refs_of(other_kind):
                self._alerts.forget(ref, other_key)

    def _refs_of(self, kind: Kind) -> Iterator[RuleRef]:
        return (ref for ref, rule in self._rules.items() if rule.kind == kind)


def write_fire(fire: Fire) -> Fired:
    """What a rule said, as events have it."""
    return Fired(
        written(fire.observed),
        written(fire.limit),
        written(fire.normal),
        fire.window_start_ms,
        fire.events,
        fire.evidence,
        fire.contributions,
    )


def read_fire(fired: Fired) -> Fire:
    """The inverse of `write_fire`."""
    return Fire(
        _exact(fired.observed),
        _exact(fired.limit),
        _exact(fired.normal),
        fired.window_start_ms,
        fired.events,
        fired.evidence,
        fired.contributions,
    )


def written(value: Exact | None) -> int | str | None:
    """An exact number on the wire: an int, or what is none as text, `7/2`."""
    return value if value is None or isinstance(value, int) else str(value)


def _exact(value: int | str | None) -> Exact | None:
    return Fraction(value) if isinstance(value, str) else value

"""The judge: the engine and the groups of alerts of one partition, as far as memory holds them. Pure.

All of it is a cache: a history is loaded from its rows when a fact asks for it, and forgotten when others need the
room. So a worker that takes a partition over says what the one before it would have said.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Final

from agents.fraud import stored
from agents.fraud.alerts import AlertChange, Alerts
from agents.fraud.compile import CompiledRule
from agents.fraud.engine import Change, Engine
from agents.fraud.entries import Entry, Exact, Fire, Key, Kind, Order, RuleRef, entry_of, seen_from
from agents.fraud.followed import LATER, KindInUse
from agents.fraud.history import History
from agents.fraud.state import FraudState, StoredFire, history_name, rule_ref
from agents.fraud.windows import order_of
from schemas.fraud_events import Fired
from schemas.money import INT64_MAX

#: Most histories that are looked at for what is too old after a batch; one for each entry that it has shown.
_TRIMMED: Final = 200
#: Room for as many histories as long as the longest: it is held whole, and would else have to be read for each fact.
_LONGEST: Final = 3

_NOTHING: Final[tuple[list[Change], list[AlertChange]]] = ([], [])


class Judge:
    """Shows entries to rules.

    Attributes:
        shown: how many entries were shown to rules, for metrics.
    """

    def __init__(self, lateness_ms: int, cached_entries: int):
        self.shown = 0
        self._lateness_ms = lateness_ms
        self._cached_entries = self._room = cached_entries
        self.begin((), {})

    def begin(self, rules: Sequence[CompiledRule], kinds: Mapping[Kind, KindInUse]) -> None:
        """Forget everything, and go on with these rules."""
        self._rules = {rule.ref: rule for rule in rules}
        self._kinds = kinds
        self._engine = Engine(rules, self._lateness_ms)
        self._histories = self._engine.histories
        self._alerts = Alerts()
        #: About how many entries are in memory, and the keys whose histories are looked at next where room is needed.
        self._entries, self._room = 0, self._cached_entries
        self._hand: Iterator[tuple[Kind, Key]] = iter(())
        self._trimmed_ms = 0
        self._trimmed_at = self.shown
        #: Histories that something has come into late, and what has come since: rules have yet to look at it.
        self._late: dict[tuple[Kind, Key], list[Order]] = {}
        #: About how many entries these histories have.
        self._late_entries = 0

    def show(self, state: FraudState, kind: Kind, key: Key, entry: Entry) -> tuple[list[Change], list[AlertChange]]:
        """What changes by an entry that is new: what rules say, and the alerts that this makes.

        Nothing yet by one that is late, nor by those that follow it in its history: `take_late` names them.
        """
        histories = self._histories.get(kind)
        if histories is None:
            return _NOTHING
        self.shown += 1
        # Before, not after: what was shown last stays.
        if self._entries >= self._room:
            self._make_room()
        history = histories.get(key)
        if history is None:
            history = self._load(state, kind, key)
        history.is_idle = False
        self._entries += 1
        is_late = entry.t_ms <= history.last_ms and history.is_late(entry)
        if is_late or (self._late and (kind, key) in self._late):
            if self._engine.put(history, entry):
                self._note_late(kind, key, history, entry)
            return _NOTHING
        changes = self._engine.show(history, entry)
        return (changes, self._alerts.apply(changes)) if changes else _NOTHING

    def _note_late(self, kind: Kind, key: Key, history: History, entry: Entry) -> None:
        orders = self._late.get((kind, key))
        if orders is None:
            self._late[kind, key] = [entry.order]
            self._late_entries += len(history.entries)
        else:
            orders.append(entry.order)

    @property
    def has_late(self) -> bool:
        """Whether there is something that rules have yet to look at."""
        return bool(self._late)

    def is_late(self, kind: Kind, key: Key) -> bool:
        """Whether there is in this history."""
        return (kind, key) in self._late

    @property
    def is_short_of_room(self) -> bool:
        """Whether histories that rules have yet to look at again, which are held until then, fill the memory."""
        return self._late_entries >= self._room

    def take_late(self) -> dict[tuple[Kind, Key], list[Order]]:
        """What rules have yet to look at, by history; none of it is kept here: `look_again` is to follow for each."""
        late, self._late, self._late_entries = self._late, {}, 0
        return late

    def look_again(self, kind: Kind, key: Key, orders: list[Order]) -> tuple[list[Change], list[AlertChange]]:
        """What changes by these entries of a history, which `take_late` has named."""
        found = (self.entry(kind, key, order) for order in sorted(orders))
        changes = self._histories[kind][key].look_again([entry for entry in found if entry is not None])
        return (changes, self._alerts.apply(changes)) if changes else _NOTHING

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
        shown, self._trimmed_at = self.shown - self._trimmed_at, self.shown
        # No more than what the batch has cost already: small batches come often.
        self._engine.trim(closed_before_ms + self._lateness_ms, min(_TRIMMED, shown))
        if closed_before_ms - self._trimmed_ms >= 60_000:
            self._alerts.trim(closed_before_ms)
            self._trimmed_ms = closed_before_ms

    def _load(self, state: FraudState, kind: Kind, key: Key) -> History:
        name = history_name(kind, key)
        if state.heads.get(name) is None:
            return self._engine.load(kind, key, ())
        use = self._kinds[kind]
        since_ms = state.closed_before_ms - use.kept_s * 1000
        rows = stored.read(state, name, since_ms)
        entries: list[Entry] = []
        #: Rule -> its fires, from the first one on with which an alert opens.
        fires: dict[RuleRef, list[Change]] = {}
        for order, fact, held in rows:
            if LATER in fact and not use.sees_all:
                continue
            entry = entry_of(order, seen_from(kind, order[3], fact), self._fires(held))
            entries.append(entry)
            if held:
                self._gather(fires, key, entry, held)
        self._entries += len(entries)
        for ref, of_rule in fires.items():
            self._alerts.load(self._rules[ref], key, of_rule)
        return self._engine.load(kind, key, entries)

    def _fires(self, held: Mapping[str, StoredFire]) -> dict[RuleRef, Fire] | None:
        return {rule_ref(name): read_fire(each.fired) for name, each in held.items()} or None

    def _gather(
        self, fires: dict[RuleRef, list[Change]], key: Key, entry: Entry, held: Mapping[str, StoredFire]
    ) -> None:
        for name, each in held.items():
            ref = rule_ref(name)
            rule = self._rules.get(ref)
            # What comes before the first opening belongs to an alert that is too old to change.
            if rule is not None and (each.opens or ref in fires):
                assert entry.fires is not None
                fires.setdefault(ref, []).append(Change(rule, key, entry, entry.fires[ref]))

    def _make_room(self) -> None:
        """Forget histories that were not used since they were looked at last, in turn, until there is room."""
        # Perhaps all were used in the first round, and some had left the hand in the one before.
        for _ in range(3):
            for kind, key in self._hand:
                history = self._histories[kind].get(key)
                if history is None:
                    continue
                if not history.is_idle:
                    history.is_idle = True
                    continue
                if (kind, key) in self._late:
                    # What it would be loaded from may be forgotten by now.
                    continue
                self._entries -= len(history.entries)
                self._engine.forget(kind, key)
                for ref in self._refs_of(kind):
                    self._alerts.forget(ref, key)
                if self._entries < self._room:
                    return
            self._hand = iter([(kind, key) for kind, held in self._histories.items() for key in held])
            # Those that were trimmed are seen here.
            lengths = [len(history.entries) for held in self._histories.values() for history in held.values()]
            self._entries = sum(lengths)
            self._room = max(self._cached_entries, _LONGEST * max(lengths, default=0))
            if self._entries < self._room:
                return

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
    """An exact number on the wire: an int, or as text what is none, `7/2`, and what 64 bits do not hold."""
    return value if value is None or (isinstance(value, int) and abs(value) <= INT64_MAX) else str(value)


def _exact(value: int | str | None) -> Exact | None:
    if not isinstance(value, str):
        return value
    exact = Fraction(value)
    return exact.numerator if exact.denominator == 1 else exact

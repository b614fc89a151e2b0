"""The engine: shows entries to rules and says which fire, and which no longer do. Pure; one for live and backtest.

    engine = Engine(compile_rules(rules))
    for change in engine.insert_fact((t_ms, partition, offset), fact):
        ...

Whatever the order of arrival, the fires that stand in the end are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from agents.fraud.compile import CompiledRule
from agents.fraud.entries import Entry, Fire, Key, Kind, RuleRef, entry_of, keyed_by
from agents.fraud.history import Change, History
from agents.fraud.rule_sets import RuleSet
from schemas.facts import Fact

__all__ = ["Change", "Engine"]


class Engine:
    """Rules and the histories that they look at.

    Attributes:
        rules: the rules that see facts.
        histories: kind of key -> key -> history; only of kinds that rules look at. Not to be changed.
        too_late: entries that were refused because what they would be compared with is forgotten.
    """

    def __init__(self, rules: Sequence[CompiledRule], lateness_ms: int | None = None, retention_ms: int = 0):
        """
        Args:
            rules: those that see facts (`in_effect`); `replace` changes them.
            lateness_ms: how much earlier than what `trim` was told an entry may be; None where nothing is forgotten.
            retention_ms: how far back histories reach at least, for rules that are yet to come.

        Raises:
            ValueError: two rules have one id.
        """
        self.lateness_ms = lateness_ms
        self.retention_ms = retention_ms
        self.too_late = 0
        self.rules: Sequence[CompiledRule] = ()
        self.histories: dict[Kind, dict[Key, History]] = {}
        self._sets: dict[Kind, RuleSet] = {}
        self._keyed: dict[Kind, Callable[[Fact], list[tuple[Key, Fact, int]]]] = {}
        self._before_ms: int | None = None
        self._sweep: Iterator[tuple[Kind, Key]] = iter(())
        self.replace(rules)

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of keys that rules look at."""
        return list(self._sets)

    def replace(self, rules: Sequence[CompiledRule]) -> None:
        """Go on with these rules. Histories of kinds that none looks at any more are forgotten.

        Raises:
            ValueError: two rules have one id.
        """
        by_kind: dict[Kind, list[CompiledRule]] = {}
        ids: set[str] = set()
        for rule in rules:
            if rule.rule.rule_id in ids:
                raise ValueError(f"rule {rule.rule.rule_id!r} is there twice: one version of a rule is looked at")
            ids.add(rule.rule.rule_id)
            by_kind.setdefault(rule.kind, []).append(rule)
        self.rules = tuple(rules)
        for before in self._sets.values():
            before.is_over = True
        self._sets = {kind: RuleSet(each, self.retention_ms) for kind, each in by_kind.items()}
        self._keyed = {kind: keyed_by(kind) for kind in by_kind}
        self.histories = {kind: self.histories.get(kind, {}) for kind in by_kind}

    def insert_fact(self, order: tuple[int, int, int], fact: Fact) -> list[Change]:
        """Show a fact to all rules, under each key that it has: (event time in ms, source partition, source offset)."""
        changes: list[Change] = []
        shared = entry_of((*order, 0), fact)
        for kind, keys_of in self._keyed.items():
            for key, seen, leg in keys_of(fact):
                entry = shared if seen is fact else entry_of((*order, leg), seen)
                found = self.insert(kind, key, entry)
                if found:
                    changes += found
        return changes

    def insert(self, kind: Kind, key: Key, entry: Entry) -> list[Change]:
        """Show one entry to the rules of a kind of key; nothing where there are none, or where it was there already."""
        histories = self.histories.get(kind)
        if histories is None:
            return []
        history = histories.get(key)
        if history is None or history.rules.is_over:
            before_ms = self._before_ms
            if before_ms is not None and entry.t_ms < before_ms:
                self.too_late += 1
                return []
            history = self._history(kind, key, self._sets[kind])
        return self.show(history, entry)

    def show(self, history: History, entry: Entry) -> list[Change]:
        """Show one entry to the rules of a history that is here, as `insert` does."""
        before_ms = self._before_ms
        if before_ms is None:
            return history.insert(entry)
        if entry.t_ms < before_ms:
            self.too_late += 1
            return []
        changes = history.insert(entry)
        if len(history.entries) >= history.trim_at:
            history.trim(before_ms)
        return changes

    def put(self, history: History, entry: Entry) -> bool:
        """Put one entry into a history that is here; `History.look_again` is to follow. False where nothing is new."""
        before_ms = self._before_ms
        if before_ms is not None and entry.t_ms < before_ms:
            self.too_late += 1
            return False
        return history.put(entry)

    def insert_all(self, kind: Kind, key: Key, entries: list[Entry]) -> list[Change]:
        """Show entries to the rules of a kind of key, as `insert` does one after the other.

        What changes of one rule stands in its order; a fire that a later entry takes back may be left out.
        """
        rules = self._sets.get(kind)
        if rules is None:
            return []
        before_ms = self._before_ms
        if before_ms is not None:
            given = len(entries)
            entries = [entry for entry in entries if entry.t_ms >= before_ms]
            self.too_late += given - len(entries)
            if not entries:
                return []
        history = self._history(kind, key, rules)
        changes = history.insert_all(entries)
        if len(history.entries) >= history.trim_at and before_ms is not None:
            history.trim(before_ms)
        return changes

    def _history(self, kind: Kind, key: Key, rules: RuleSet) -> History:
        """The history of a key, with the rules that look at it now."""
        histories = self.histories[kind]
        history = histories.get(key)
        if history is None:
            history = histories[key] = History(key, rules)
        elif history.rules is not rules:
            history.replace(rules)
        return history

    def holds(self, kind: Kind, key: Key) -> bool:
        """Whether a history is there."""
        return key in self.histories.get(kind, ())

    def load(self, kind: Kind, key: Key, entries: Iterable[Entry]) -> History:
        """Put a history there as it was: its entries in order, each with its fires. No rule is asked again.

        One that no rule looks at is not kept.
        """
        history = History(key, self._sets.get(kind) or RuleSet(()))
        if kind in self._sets:
            self.histories[kind][key] = history
        if entries:
            history.load(entries)
        return history

    def forget(self, kind: Kind, key: Key) -> None:
        """Drop a history from memory; `load` brings it back."""
        self.histories.get(kind, {}).pop(key, None)

    def forget_idle(self) -> int:
        """Drop the histories of which no entry can be seen that comes yet. Returns how many entries the others have."""
        if self._before_ms is None:
            return sum(len(history.entries) for held in self.histories.values() for history in held.values())
        kept = 0
        for kind, held in self.histories.items():
            since_ms = self._before_ms - self.retained_ms(kind)
            idle: list[Key] = []
            for key, history in held.items():
                entries = history.entries
                if not entries or entries[-1].t_ms < since_ms:
                    idle.append(key)
                else:
                    kept += len(entries)
            for key in idle:
                del held[key]
        return kept

    def keys(self, kind: Kind) -> list[Key]:
        """The keys of a kind whose histories are there."""
        return list(self.histories.get(kind, ()))

    def entries(self, kind: Kind, key: Key) -> Sequence[Entry]:
        """The entries of a history in order; not to be changed."""
        history = self.histories.get(kind, {}).get(key)
        return () if history is None else history.entries

    def retained_ms(self, kind: Kind) -> int:
        """How far back the rules of a kind look."""
        return self._sets[kind].retention_ms if kind in self._sets else 0

    def trim(self, now_ms: int, histories: int = 1_000) -> None:
        """Be told that no entry will come that is earlier than `now_ms` less the lateness.

        Busy histories forget what is older than that and their rules' windows as they grow; of the others so many are
        looked at with each call, in turn.
        """
        if self.lateness_ms is None:
            return
        before_ms = now_ms - self.lateness_ms
        # It may lie before 1970: facts of a backtest have any time.
        self._before_ms = before_ms if self._before_ms is None else max(before_ms, self._before_ms)
        looked_at = 0
        for kind, key in islice(self._sweep, histories):
            looked_at += 1
            history = self.histories.get(kind, {}).get(key)
            if history is not None:
                if history.rules is not self._sets[kind]:
                    history.replace(self._sets[kind])
                history.trim(self._before_ms)
                if not history.entries:
                    del self.histories[kind][key]
        if looked_at < histories:
            self._sweep = iter([(kind, key) for kind, held in self.histories.items() for key in held])

    def standing(self) -> Iterator[tuple[Kind, Key, Entry, RuleRef, Fire]]:
        """All fires that stand, of the entries that are not forgotten."""
        for kind, held in self.histories.items():
            rules = {rule.ref for rule in self.rules if rule.kind == kind}
            for key, history in held.items():
                for entry in history.entries:
                    for ref, fire in (entry.fires or {}).items():
                        if ref in rules:
                            yield kind, key, entry, ref, fire

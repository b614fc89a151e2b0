"""The history of one key: its entries in order, and the rules that look at it. Pure.

A history is a cache: it can be forgotten and loaded again from its entries and their fires.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agents.fraud.compile import CompiledRule
from agents.fraud.entries import Entry, Fire, Key
from agents.fraud.evaluating import MAX_EVIDENCE, Evaluation, concern, maker_of
from agents.fraud.filters import Passes, compile_filter
from agents.fraud.windows import order_of
from schemas.fraud_filters import Filter


class Change(NamedTuple):
    """A rule says something of an entry that it did not say before: `fire`, or None where it takes it back.

    A fire that stands and says something else now comes again.
    """

    rule: CompiledRule
    key: Key
    entry: Entry
    fire: Fire | None


class Combined(NamedTuple):
    """A combination: its rule, the scores of the rules that it adds up."""

    rule: CompiledRule
    scores: dict[str, int]
    threshold: int


class RuleSet:
    """The rules of one kind of key.

    Attributes:
        plain: those that look at facts.
        concerned: a filter (None for each fact), and the indexes in `plain` of the rules that facts which pass it
            concern: what rules have in common is asked once.
        makers: of each rule of `plain`, what makes its evaluations.
        combinations: those that look at other rules, each after those that it looks at.
        members: ids of the rules that combinations look at.
        retention_ms: how far back one of them looks.
    """

    __slots__ = ("combinations", "concerned", "makers", "members", "plain", "retention_ms")

    def __init__(self, rules: Sequence[CompiledRule], retention_ms: int = 0):
        self.plain = [each for each in rules if each.rule.combination is None]
        self.makers = [maker_of(each) for each in self.plain]
        by_filter: dict[Filter | None, list[int]] = {}
        for index, each in enumerate(self.plain):
            by_filter.setdefault(concern(each), []).append(index)
        self.concerned: list[tuple[Passes | None, list[int]]] = [
            (None if part is None else compile_filter(part), indexes) for part, indexes in by_filter.items()
        ]
        self.combinations = _combinations(rules)
        self.members = {rule_id for each in self.combinations for rule_id in each.scores}
        self.retention_ms = max([retention_ms, *(each.retention_ms for each in rules)])


def _combinations(rules: Sequence[CompiledRule]) -> list[Combined]:
    """In an order in which each comes after those that it looks at; those in a circle come last, as they stand.

    An active combination does not count what a rule in shadow says: nobody may feel that yet.
    """
    found: dict[str, Combined] = {}
    known = {each.rule.rule_id: each.rule for each in rules}
    for each in rules:
        combination = each.rule.combination
        if combination is not None:
            members = [known[rule_id] for rule_id in dict.fromkeys(combination.rules) if rule_id in known]
            scores = {
                member.rule_id: member.score
                for member in members
                if member.state != "shadow" or each.rule.state != "active"
            }
            found[each.rule.rule_id] = Combined(each, scores, combination.threshold)
    sorted_: list[Combined] = []
    waiting = list(found.values())
    while waiting:
        names = {each.rule.rule.rule_id for each in waiting}
        ready = [each for each in waiting if not names & each.scores.keys()] or waiting
        sorted_ += ready
        waiting = [each for each in waiting if each not in ready]
    return sorted_


class History:
    """Entries of one key in order, and what rules hold of them."""

    __slots__ = ("_changes", "_evaluations", "_fired", "_trim_at", "entries", "key", "rules")

    def __init__(self, key: Key, rules: RuleSet):
        self.key = key
        self.rules = rules
        self.entries: list[Entry] = []
        #: Of each rule of `plain`; None before the first fact that concerns it.
        self._evaluations: list[Evaluation | None] = [None] * len(rules.plain)
        #: Rule that a combination looks at -> entries at which it fired, in order.
        self._fired: dict[str, list[Entry]] = {}
        self._changes: list[Change] = []
        self._trim_at = 64

    def insert(self, entry: Entry) -> list[Change]:
        """Show an entry to the rules, and again those that it changes; one that is there already changes nothing."""
        entries, rules, held = self.entries, self.rules, self._evaluations
        fact, settle = entry.fact, self.settle
        changes: list[Change] = []
        self._changes = changes
        at = len(entries)
        if not at or entry.order > entries[-1].order:
            entries.append(entry)
            for passes, indexes in rules.concerned:
                if passes is None or passes(fact):
                    for index in indexes:
                        (held[index] or self._evaluation(index)).newest(entry, settle)
        else:
            at = bisect_left(entries, entry.order, key=order_of)
            if entries[at].order == entry.order:
                return []
            entries.insert(at, entry)
            for index in self._concerned(entry):
                (held[index] or self._evaluation(index)).late(entry, entries, at + 1, settle)
        if changes and rules.combinations:
            for combined in rules.combinations:
                self._combine(combined)
        return changes

    def load(self, entries: Iterable[Entry]) -> None:
        """Take in entries that were evaluated before, in order, with the fires that they have."""
        for entry in entries:
            self.entries.append(entry)
            for index in self._concerned(entry):
                (self._evaluations[index] or self._evaluation(index)).load(entry)
        self._index_fires()

    def replace(self, rules: RuleSet) -> None:
        """Go on with other rules. What the ones before said stands; new ones look back and say nothing of it."""
        known = dict(zip((rule.ref for rule in self.rules.plain), self._evaluations, strict=True))
        self.rules = rules
        self._evaluations = [known.get(rule.ref) for rule in rules.plain]
        for rule, evaluation in zip(rules.plain, self._evaluations, strict=True):
            if evaluation is not None:
                evaluation.rule = rule
        new = {index for index, rule in enumerate(rules.plain) if rule.ref not in known}
        for entry in self.entries if new else ():
            for index in new.intersection(self._concerned(entry)):
                (self._evaluations[index] or self._evaluation(index)).load(entry)
        self._index_fires()

    def trim(self, before_ms: int) -> None:
        """Forget what no entry at or after `before_ms` can see."""
        retained_ms = before_ms - self.rules.retention_ms
        del self.entries[: bisect_left(self.entries, retained_ms, key=lambda each: each.t_ms)]
        for fired in self._fired.values():
            del fired[: bisect_left(fired, retained_ms, key=lambda each: each.t_ms)]
        for evaluation in self._evaluations:
            if evaluation is not None:
                evaluation.trim(before_ms)
        self._trim_at = max(64, 2 * len(self.entries))

    def is_full(self) -> bool:
        """Whether it has twice the entries that it was left with: time to trim it, at a cost of O(1) for each."""
        return len(self.entries) >= self._trim_at

    def _concerned(self, entry: Entry) -> list[int]:
        """Which rules an entry concerns."""
        return [
            index
            for passes, indexes in self.rules.concerned
            if passes is None or passes(entry.fact)
            for index in indexes
        ]

    def _evaluation(self, index: int) -> Evaluation:
        """One for the rule at `index` of `plain`, which had none."""
        made = self._evaluations[index] = self.rules.makers[index](self.rules.plain[index])
        return made

    def settle(self, rule: CompiledRule, entry: Entry, fire: Fire | None) -> None:
        """Note what a rule says of an entry, as a change if it is one."""
        fires = entry.fires
        before = None if fires is None else fires.get(rule.ref)
        if fire == before:
            return
        if fire is None:
            assert fires is not None
            del fires[rule.ref]
            if not fires:
                entry.fires = None
        elif fires is None:
            entry.fires = {rule.ref: fire}
        else:
            fires[rule.ref] = fire
        if rule.rule.rule_id in self.rules.members:
            self._note(rule.rule.rule_id, entry)
        self._changes.append(Change(rule, self.key, entry, fire))

    def _note(self, rule_id: str, entry: Entry) -> None:
        """Keep the index of fires as the entry has them; several versions of a rule count once."""
        fired = self._fired.setdefault(rule_id, [])
        at = bisect_left(fired, entry.order, key=order_of)
        there = at < len(fired) and fired[at] is entry
        fires_now = entry.fires is not None and any(ref[0] == rule_id for ref in entry.fires)
        if fires_now and not there:
            fired.insert(at, entry)
        elif there and not fires_now:
            del fired[at]

    def _index_fires(self) -> None:
        members = self.rules.members
        self._fired = {}
        for entry in self.entries:
            for rule_id in {ref[0] for ref in entry.fires or ()} & members:
                self._fired.setdefault(rule_id, []).append(entry)

    def _combine(self, combined: Combined) -> None:
        """Look again at a combination wherever what it adds up has changed."""
        touched = [change.entry for change in self._changes if change.rule.rule.rule_id in combined.scores]
        if not touched:
            return
        rule, entries, orders = combined.rule, self.entries, {each.order for each in touched}
        until_ms = max(each.t_ms for each in touched) + rule.within_ms
        at = bisect_left(entries, min(orders), key=order_of)
        while at < len(entries) and entries[at].t_ms < until_ms:
            entry = entries[at]
            if entry.fires is not None or entry.order in orders:
                self.settle(rule, entry, self._combined(combined, entry))
            at += 1

    def _combined(self, combined: Combined, entry: Entry) -> Fire | None:
        """What a combination says of an entry at which a rule fired that it adds up."""
        rule = combined.rule
        if not rule.passes(entry.fact):
            return None
        start_ms = entry.t_ms - rule.within_ms
        contributions: list[tuple[str, int]] = []
        found: dict[tuple[int, int, int, int], str] = {}
        for rule_id, score in combined.scores.items():
            fired = self._fired.get(rule_id)
            at = bisect_right(fired, entry.order, key=order_of) if fired else 0
            if fired and at and fired[at - 1].t_ms > start_ms:
                contributions.append((rule_id, score))
                found[fired[at - 1].order] = fired[at - 1].evidence_id()
        total = sum(score for _, score in contributions)
        if entry.order not in found or total < combined.threshold:
            return None
        evidence = tuple(found[order] for order in sorted(found))[-MAX_EVIDENCE:]
        return Fire(total, combined.threshold, None, start_ms, len(found), evidence, tuple(contributions))

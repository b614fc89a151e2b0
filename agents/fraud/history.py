"""The history of one key: its entries in order, and the rules that look at it. Pure.

A history is a cache: it can be forgotten and loaded again from its entries and their fires.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from agents.fraud.compile import CompiledRule
from agents.fraud.entries import Entry, Fire, Key
from agents.fraud.evaluating import MAX_EVIDENCE, Evaluation
from agents.fraud.rule_sets import Combined, RuleSet
from agents.fraud.windows import Track, order_of, window_of
from schemas.facts import Fact

#: More than amounts come to.
_ENOUGH: Final = 1 << 200


class Change(NamedTuple):
    """A rule says something of an entry that it did not say before: `fire`, or None where it takes it back.

    A fire that stands and says something else now comes again.
    """

    rule: CompiledRule
    key: Key
    entry: Entry
    fire: Fire | None


#: Of most entries; not to be changed.
NOTHING: Final[list[Change]] = []


class History:
    """Entries of one key in order, and what rules hold of them."""

    __slots__ = (
        "_changes",
        "_evaluations",
        "_fired",
        "_tracks",
        "entries",
        "is_idle",
        "key",
        "last_ms",
        "minor",
        "rules",
        "seen",
        "trim_at",
    )

    def __init__(self, key: Key, rules: RuleSet):
        self.key = key
        self.entries: list[Entry] = []
        #: For whoever keeps it: it was not used for some time.
        self.is_idle = False
        self.last_ms: float = -math.inf
        #: How many entries there were, and what their absolute amounts come to; those that are forgotten counted too.
        self.seen = self.minor = 0
        self._changes: list[Change] = NOTHING
        #: With so many entries, twice those that it was left with, it is time to trim it, at a cost of O(1) for each.
        self.trim_at = 64
        # It holds nothing of any rule yet: most keys never have as many entries as one of them asks for.
        self.rules = rules
        #: Of each rule of `plain`; None before the first fact that concerns it and with which it may fire.
        self._evaluations: list[Evaluation | None] | None = None
        self._tracks: Sequence[Track | None] = ()
        #: Rule that a combination looks at -> entries at which it fired, in order.
        self._fired: dict[str, list[Entry]] | None = None

    def insert(self, entry: Entry) -> list[Change]:
        """Show an entry to the rules, and again those that it changes; one that is there already changes nothing.

        The list is not to be changed.
        """
        entries, t_ms = self.entries, entry.t_ms
        if t_ms <= self.last_ms and entry.order <= entries[-1].order:
            return self.look_again([entry]) if self.put(entry) else NOTHING
        self.last_ms = t_ms
        entries.append(entry)
        self.seen = seen = self.seen + 1
        fact, rules = entry.fact, self.rules
        if rules.weighs:
            self._weigh(fact)
        if seen < rules.least:
            return NOTHING
        changes: list[Change] = []
        self._changes = changes
        held, settle = self._evaluations or self._make_room(), self.settle
        tracks = self._tracks
        for least, passes, numbers, members in rules.groups:
            if seen < least or not (passes is None or passes(fact)):
                continue
            for number in numbers:
                track = tracks[number]
                if track is not None:
                    track.append(entry)
            for index, needs, minor in members:
                evaluation = held[index]
                if evaluation is None:
                    if seen < needs or self.minor < minor:
                        continue
                    evaluation = self._evaluation(index, entry)
                evaluation.newest(entry, settle)
        if changes:
            self._combine_all()
        return changes

    def is_late(self, entry: Entry) -> bool:
        """Whether an entry does not come after all that are here."""
        return entry.t_ms <= self.last_ms and entry.order <= self.entries[-1].order

    def put(self, entry: Entry) -> bool:
        """Put an entry where it belongs, late or not, and let no rule look at it yet: `look_again` is to follow.

        Returns False where it was there already.
        """
        entries, is_late = self.entries, self.is_late(entry)
        at = bisect_left(entries, entry.order, key=order_of) if is_late else len(entries)
        if is_late and entries[at].order == entry.order:
            return False
        entries.insert(at, entry)
        if not is_late:
            self.last_ms = entry.t_ms
        self.seen += 1
        fact, tracks = entry.fact, self._tracks
        if self.rules.weighs:
            self._weigh(fact)
        for _, passes, numbers, _ in self.rules.groups if tracks else ():
            if numbers and (passes is None or passes(fact)):
                for number in numbers:
                    track = tracks[number]
                    if track is not None:
                        track.insert(entry)
        return True

    def look_again(self, came: Sequence[Entry]) -> list[Change]:
        """Show rules entries that were put here, and those that they change: each once, whatever came.

        Args:
            came: the entries that were put here, in order; as of now.
        """
        seen, rules = self.seen, self.rules
        if seen < rules.least:
            return NOTHING
        changes: list[Change] = []
        self._changes = changes
        held, settle = self._evaluations or self._make_room(), self.settle
        for least, passes, _, members in rules.groups:
            if seen < least:
                continue
            concerned = came if passes is None else [entry for entry in came if passes(entry.fact)]
            if not concerned:
                continue
            for index, needs, minor in members:
                evaluation = held[index]
                if evaluation is None:
                    if seen < needs or self.minor < minor:
                        continue
                    evaluation = self._evaluation(index, None)
                evaluation.again(concerned, self.entries, settle)
        if changes:
            self._combine_all()
        return changes

    def _weigh(self, fact: Fact) -> None:
        amount = fact.get("amount_minor")
        if amount.__class__ is int:
            self.minor += abs(amount)
        elif amount is not None:
            # Not exact, and so no bound: from now on rules look for themselves.
            self.minor = _ENOUGH

    def insert_all(self, entries: Sequence[Entry]) -> list[Change]:
        """The same for several entries: one after the other, and from the first that is late on all at once."""
        changes: list[Change] = []
        for at, entry in enumerate(entries):
            if self.is_late(entry):
                came = sorted((each for each in entries[at:] if self.put(each)), key=order_of)
                changes += self.look_again(came)
                break
            changes += self.insert(entry)
        return changes

    def _combine_all(self) -> None:
        """Look again at combinations."""
        for combined in self.rules.combinations:
            self._combine(combined)

    def load(self, entries: Iterable[Entry]) -> None:
        """Take in entries that were evaluated before, in order, with the fires that they have."""
        self.entries += entries
        self.seen = len(self.entries)
        if self.entries:
            self.last_ms = self.entries[-1].t_ms
        if self.rules.weighs:
            for entry in self.entries:
                self._weigh(entry.fact)
        self._index_fires()

    def replace(self, rules: RuleSet) -> None:
        """Go on with other rules. What the ones before said stands; new ones look back and say nothing of it."""
        self.rules = rules
        self._evaluations, self._tracks = None, ()
        self.minor = _ENOUGH
        self._index_fires()

    def trim(self, before_ms: int) -> None:
        """Forget what no entry at or after `before_ms` can see."""
        retained_ms = before_ms - self.rules.retention_ms
        del self.entries[: bisect_left(self.entries, retained_ms, key=lambda each: each.t_ms)]
        for fired in (self._fired or {}).values():
            del fired[: bisect_left(fired, retained_ms, key=lambda each: each.t_ms)]
        for track in self._tracks:
            if track is not None:
                track.trim(before_ms)
        for evaluation in self._evaluations or ():
            if evaluation is not None:
                evaluation.trim(before_ms)
        self.trim_at = max(64, 2 * len(self.entries))

    def _make_room(self) -> list[Evaluation | None]:
        """One rule may fire: there is something to hold from now on."""
        self._tracks = [None] * len(self.rules.tracks)
        self._evaluations = self.rules.fresh.copy()
        return self._evaluations

    def _evaluation(self, index: int, shown: Entry | None) -> Evaluation:
        """One for the rule at `index` of `plain`, which had none: it knows all entries but one that it is shown yet."""
        rules = self.rules
        rule = rules.plain[index]
        made = rules.makers[index](
            rule, [window_of(spec, self._track(number)) for spec, number in rules.windows[index]]
        )
        if rule.steps:
            passes = rule.passes
            for entry in self.entries:
                if entry is not shown and passes(entry.fact):
                    made.load(entry)
        assert self._evaluations is not None
        self._evaluations[index] = made
        return made

    def _track(self, number: int) -> Track:
        track = self._tracks[number]
        if track is None:
            track = Track(self.rules.tracks[number], self.entries)
            self._tracks[number] = track  # type: ignore[index]
        return track

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
        if self._fired is None:
            self._fired = {}
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
        self._fired = {} if members else None
        for entry in self.entries:
            for rule_id in {ref[0] for ref in entry.fires or ()} & members:
                assert self._fired is not None
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
            fired = None if self._fired is None else self._fired.get(rule_id)
            at = bisect_right(fired, entry.order, key=order_of) if fired else 0
            if fired and at and fired[at - 1].t_ms > start_ms:
                contributions.append((rule_id, score))
                found[fired[at - 1].order] = fired[at - 1].evidence_id()
        total = sum(score for _, score in contributions)
        if entry.order not in found or total < combined.threshold:
            return None
        evidence = tuple(found[order] for order in sorted(found))[-MAX_EVIDENCE:]
        return Fire(total, combined.threshold, None, start_ms, len(found), evidence, tuple(contributions))

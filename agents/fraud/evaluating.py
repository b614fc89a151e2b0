"""How a rule looks at the history of one key: at the entry that arrives, and again at those that a late one changes.

One object for each rule and key. It is a cache: what it holds is a function of the key's entries and the rule. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from agents.fraud.compile import CompiledRule
from agents.fraud.entries import Entry, Fire
from agents.fraud.measures import Ratio, shown, signed_square
from agents.fraud.windows import Window, order_of, window_of
from schemas.fraud_filters import Filter

#: Ids of transactions that a fire names.
MAX_EVIDENCE: Final = 20


class Settle(Protocol):
    """Told what a rule says of an entry: a fire, or None."""

    def __call__(self, rule: CompiledRule, entry: Entry, fire: Fire | None) -> None: ...


class Evaluation(Protocol):
    """A rule on the history of one key. What concerns it not at all (`concern`) it is not shown."""

    rule: CompiledRule

    def newest(self, entry: Entry, settle: Settle) -> None:
        """An entry that comes after all others: say what the rule says of it."""

    def late(self, entry: Entry, entries: Sequence[Entry], after: int, settle: Settle) -> None:
        """An entry that is not the last: say what the rule says of it and of those that it changes.

        `entries` from index `after` on come later.
        """

    def load(self, entry: Entry) -> None:
        """An entry that comes after all others and was evaluated before: only take it in."""

    def trim(self, before_ms: int) -> None:
        """Forget what no entry at or after `before_ms` plus the rule's retention can see."""


def maker_of(rule: CompiledRule) -> Callable[[CompiledRule], Evaluation]:
    """What makes its evaluations, of keys without entries. Combinations are seen to by the history itself."""
    if rule.aggregate is not None:
        return ComparedEvaluation if concern(rule) is None else AggregateEvaluation
    return SequenceEvaluation if rule.steps else FactEvaluation


def concern(rule: CompiledRule) -> Filter | None:
    """The filter without which a fact changes nothing for a rule; None where each has to be looked at.

    Windows with filters of their own count facts that the rule does not look at.
    """
    specs = (rule.aggregate, rule.against)
    return rule.rule.filter if all(spec is None or spec.passes is None for spec in specs) else None


class FactEvaluation:
    """A rule that looks at nothing but the fact."""

    __slots__ = ("rule",)

    def __init__(self, rule: CompiledRule):
        self.rule = rule

    def newest(self, entry: Entry, settle: Settle) -> None:
        rule = self.rule
        observed = limit = None
        if rule.left is not None:
            left = rule.left(entry.fact)
            if left is None or rule.limit is None or rule.compare is None:
                return
            if not rule.compare(left * rule.limit[1], rule.limit[0]):
                return
            observed, limit = shown((left, 1)), shown(rule.limit)
        settle(rule, entry, Fire(observed, limit, None, entry.t_ms, 1, (entry.evidence_id(),)))

    def late(self, entry: Entry, entries: Sequence[Entry], after: int, settle: Settle) -> None:  # noqa: ARG002 - changes no other
        self.newest(entry, settle)

    def load(self, entry: Entry) -> None:
        pass

    def trim(self, before_ms: int) -> None:
        pass


class AggregateEvaluation:
    """A rule that compares what it computes of the facts that it looks at: of a window, or of one and another."""

    __slots__ = ("_against", "_main", "rule")

    def __init__(self, rule: CompiledRule):
        self.rule = rule
        assert rule.aggregate is not None
        self._main = window_of(rule.aggregate)
        self._against = None if rule.against is None else window_of(rule.against)

    def newest(self, entry: Entry, settle: Settle) -> None:
        main, against = self._main, self._against
        measured = main.newest(entry)
        normal = None if against is None else against.newest(entry)
        if measured is not None:
            fire = self._compared(entry, measured, normal)
            if fire is not None:
                settle(self.rule, entry, fire)
        if not main.spec.include_current:
            main.append(entry)
        if against is not None and not against.spec.include_current:
            against.append(entry)

    def late(self, entry: Entry, entries: Sequence[Entry], after: int, settle: Settle) -> None:
        until_ms = entry.t_ms
        for window in self._windows():
            if self._counts(window, entry) and window.insert(entry):
                until_ms = max(until_ms, entry.t_ms + window.spec.window_ms)
        self._look(entry, settle)
        for at in range(after, len(entries)):
            each = entries[at]
            if each.t_ms >= until_ms:
                break
            self._look(each, settle)

    def load(self, entry: Entry) -> None:
        for window in self._windows():
            if self._counts(window, entry):
                window.append(entry)

    def trim(self, before_ms: int) -> None:
        for window in self._windows():
            window.trim(before_ms - window.spec.window_ms)

    def _windows(self) -> tuple[Window, ...]:
        return (self._main,) if self._against is None else (self._main, self._against)

    def _counts(self, window: Window, entry: Entry) -> bool:
        return (window.spec.passes or self.rule.passes)(entry.fact)

    def _look(self, entry: Entry, settle: Settle) -> None:
        """Say again what the rule says of an entry that comes before others."""
        if not self.rule.passes(entry.fact):
            return
        for window in self._windows():
            window.to(entry)
        measured = self._main.measure(entry)
        normal = None if self._against is None else self._against.measure(entry)
        settle(self.rule, entry, None if measured is None else self._compared(entry, measured, normal))

    def _compared(self, entry: Entry, measured: Ratio, normal: Ratio | None) -> Fire | None:
        """What the rule says of an entry at which its windows come to so much."""
        rule = self.rule
        limit, compare = rule.limit, rule.compare
        assert compare is not None
        if limit is not None:
            if not compare(measured[0] * limit[1], limit[0] * measured[1]):
                return None
            return self._fire(entry, measured, limit, None)
        factor = rule.factor
        assert factor is not None
        if self._against is not None:
            if normal is None:
                return None
            observed = self._alike(measured, self._main.spec.squared)
            normal = self._alike(normal, self._against.spec.squared)
        else:
            assert rule.left is not None
            left = rule.left(entry.fact)
            if left is None:
                return None
            observed, normal = self._alike((left, 1), False), measured
        limit = factor[0] * normal[0], factor[1] * normal[1]
        if not compare(observed[0] * limit[1], limit[0] * observed[1]):
            return None
        return self._fire(entry, observed, limit, normal)

    def _alike(self, ratio: Ratio, squared: bool) -> Ratio:
        """A ratio as the rule compares: squared where one side is."""
        return signed_square(ratio) if self.rule.squared and not squared else ratio

    def _fire(self, entry: Entry, observed: Ratio, limit: Ratio, normal: Ratio | None) -> Fire:
        main, squared = self._main, self.rule.squared
        evidence = [each.evidence_id() for each in main.latest(entry, MAX_EVIDENCE) if each is not entry]
        return Fire(
            shown(observed, squared),
            shown(limit, squared),
            None if normal is None else shown(normal, squared),
            entry.t_ms - main.spec.window_ms,
            main.events(entry),
            (*evidence[1 - MAX_EVIDENCE :], entry.evidence_id()),
        )


class ComparedEvaluation(AggregateEvaluation):
    """One with a window that counts other facts than those that the rule looks at."""

    __slots__ = ()

    def newest(self, entry: Entry, settle: Settle) -> None:
        looked = self.rule.passes(entry.fact)
        measures: list[Ratio | None] = []
        after: list[Window] = []
        for window in self._windows():
            counts = self._counts(window, entry)
            if looked:
                measures.append(window.newest(entry, counts))
            if counts and not (looked and window.spec.include_current):
                after.append(window)
        if looked and measures[0] is not None:
            fire = self._compared(entry, measures[0], measures[-1])
            if fire is not None:
                settle(self.rule, entry, fire)
        for window in after:
            window.append(entry)


#: Of each number of steps, the entries that passed them, with the latest start there is; None where there are none.
_Chains = tuple[tuple[Entry, ...] | None, ...]


class SequenceEvaluation:
    """A rule that asks for facts in an order.

    Of the ways to have passed the first n steps only that which began last can matter: if its beginning has left the
    window, so have all others'. So one chain is held for each n, at each entry that passes a step.
    """

    __slots__ = ("_after", "_entries", "_first_steps", "_masks", "rule")

    def __init__(self, rule: CompiledRule):
        self.rule = rule
        self._entries: list[Entry] = []
        #: Which steps each entry passes, as bits.
        self._masks: list[int] = []
        self._after: list[_Chains] = []
        #: All steps but the last, as bits.
        self._first_steps = (1 << len(rule.steps) - 1) - 1

    def newest(self, entry: Entry, settle: Settle) -> None:
        mask = self._mask(entry)
        if mask:
            self._entries.append(entry)
            self._masks.append(mask)
            fire = self._judge(len(self._entries) - 1)
            if fire is not None:
                settle(self.rule, entry, fire)

    def late(self, entry: Entry, entries: Sequence[Entry], after: int, settle: Settle) -> None:  # noqa: ARG002 - has its own list
        mask = self._mask(entry)
        if not mask:
            return
        at = bisect_left(self._entries, entry.order, key=order_of)
        behind = self._after[at:]
        del self._after[at:]
        self._entries.insert(at, entry)
        self._masks.insert(at, mask)
        until_ms, done = entry.t_ms + self.rule.within_ms, 0
        for index in range(at, len(self._entries)):
            each = self._entries[index]
            if each.t_ms >= until_ms:
                break
            settle(self.rule, each, self._judge(index))
            done += 1
        # What is held further on may name the chains of before; those that it lacks have left each window there.
        self._after += behind[done - 1 :]

    def load(self, entry: Entry) -> None:
        mask = self._mask(entry)
        if mask:
            self._entries.append(entry)
            self._masks.append(mask)
            self._judge(len(self._entries) - 1)

    def trim(self, before_ms: int) -> None:
        gone = bisect_left(self._entries, before_ms - self.rule.within_ms, key=lambda each: each.t_ms)
        del self._entries[:gone], self._masks[:gone], self._after[:gone]

    def _mask(self, entry: Entry) -> int:
        fact, mask, bit = entry.fact, 0, 1
        for step in self.rule.steps:
            if step(fact):
                mask |= bit
            bit <<= 1
        return mask

    def _judge(self, at: int) -> Fire | None:
        """Go on to an entry by what is held of the one before; what the rule says of it."""
        steps, entry, mask = len(self.rule.steps), self._entries[at], self._masks[at]
        before: _Chains = self._after[at - 1] if at else (None,) * (steps - 1)
        # The last step alone begins no chain and takes none further.
        self._after.append(self._chains(before, entry, mask) if mask & self._first_steps else before)
        way = before[steps - 2]
        if way is None or not mask >> (steps - 1) & 1:
            return None
        start_ms = entry.t_ms - self.rule.within_ms
        if way[0].t_ms <= start_ms:
            return None
        evidence = tuple(each.evidence_id() for each in (*way, entry))
        return Fire(None, None, None, start_ms, steps, evidence)

    def _chains(self, before: _Chains, entry: Entry, mask: int) -> _Chains:
        """The chains after an entry that passes these steps."""
        chains = list(before)
        if mask & 1:
            chains[0] = (entry,)
        for index in range(1, len(chains)):
            way = before[index - 1]
            held = before[index]
            if mask >> index & 1 and way is not None and (held is None or way[0].order >= held[0].order):
                chains[index] = (*way, entry)
        return tuple(chains)

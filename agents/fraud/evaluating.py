"""How a rule looks at the history of one key: at the entry that arrives, and again at those that a late one changes.

One object for each rule and key. It is a cache: what it holds is a function of the key's entries and the rule. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, Protocol

from agents.fraud.compile import CompiledRule, Spec
from agents.fraud.entries import Entry, Fire
from agents.fraud.measures import Ratio, shown, signed_square
from agents.fraud.windows import Window, order_of

#: Ids of transactions that a fire names.
MAX_EVIDENCE: Final = 20


class Settle(Protocol):
    """Told what a rule says of an entry: a fire, or None."""

    def __call__(self, rule: CompiledRule, entry: Entry, fire: Fire | None) -> None: ...


class Evaluation(Protocol):
    """A rule on the history of one key."""

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


def evaluation_of(rule: CompiledRule) -> Evaluation:
    """A new one, of a key without entries. Combinations are seen to by the history itself."""
    if rule.aggregate is not None:
        return AggregateEvaluation(rule, rule.aggregate)
    if rule.steps:
        return SequenceEvaluation(rule)
    return FactEvaluation(rule)


class FactEvaluation:
    """A rule that looks at nothing but the fact."""

    __slots__ = ("rule",)

    def __init__(self, rule: CompiledRule):
        self.rule = rule

    def newest(self, entry: Entry, settle: Settle) -> None:
        rule = self.rule
        if not rule.passes(entry.fact):
            return
        observed = limit = None
        if rule.left is not None:
            left = rule.left(entry.fact)
            if left is None or rule.limit is None or rule.compare is None:
                return
            if not rule.compare(left * rule.limit[1], rule.limit[0]):
                return
            if rule.most is not None and left * rule.most[1] > rule.most[0]:
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
    """A rule that compares what it computes of a window."""

    __slots__ = ("_against", "_main", "rule")

    def __init__(self, rule: CompiledRule, spec: Spec):
        self.rule = rule
        self._main = Window(spec)
        self._against = None if rule.against is None else Window(rule.against)

    def newest(self, entry: Entry, settle: Settle) -> None:
        rule, fact, main, against = self.rule, entry.fact, self._main, self._against
        looked = rule.passes(fact)
        self._take_newest(main, entry, looked)
        if against is not None:
            self._take_newest(against, entry, looked)
        if looked:
            fire = self._judge(entry)
            if fire is not None:
                settle(rule, entry, fire)
        if not main.spec.include_current:
            self._take_newest_after(main, entry, looked)
        if against is not None and not against.spec.include_current:
            self._take_newest_after(against, entry, looked)

    def _take_newest(self, window: Window, entry: Entry, looked: bool) -> None:
        spec = window.spec
        if spec.include_current and (looked if spec.passes is None else spec.passes(entry.fact)):
            window.append(entry)
        if looked:
            window.to_end(entry.t_ms)

    def _take_newest_after(self, window: Window, entry: Entry, looked: bool) -> None:
        passes = window.spec.passes
        if looked if passes is None else passes(entry.fact):
            window.append(entry)

    def late(self, entry: Entry, entries: Sequence[Entry], after: int, settle: Settle) -> None:
        rule = self.rule
        looked = rule.passes(entry.fact)
        until_ms = entry.t_ms
        for window in self._windows():
            passes = window.spec.passes
            if (looked if passes is None else passes(entry.fact)) and window.insert(entry):
                until_ms = max(until_ms, entry.t_ms + window.spec.window_ms)
        if looked:
            self._look(entry, settle)
        for at in range(after, len(entries)):
            each = entries[at]
            if each.t_ms >= until_ms:
                break
            if rule.passes(each.fact):
                self._look(each, settle)

    def _look(self, entry: Entry, settle: Settle) -> None:
        for window in self._windows():
            window.to(entry)
        settle(self.rule, entry, self._judge(entry))

    def load(self, entry: Entry) -> None:
        looked = self.rule.passes(entry.fact)
        for window in self._windows():
            self._take_newest_after(window, entry, looked)

    def trim(self, before_ms: int) -> None:
        for window in self._windows():
            window.trim(before_ms - window.spec.window_ms)

    def _windows(self) -> tuple[Window, ...]:
        return (self._main,) if self._against is None else (self._main, self._against)

    def _judge(self, entry: Entry) -> Fire | None:
        """What it says of an entry that its windows stand at."""
        rule = self.rule
        measured = self._main.measure(entry)
        if measured is None or rule.compare is None:
            return None
        limit, most = rule.limit, rule.most
        if limit is not None:
            if most is not None and measured[0] * most[1] > most[0] * measured[1]:
                return None
            if not rule.compare(measured[0] * limit[1], limit[0] * measured[1]):
                return None
            return self._fire(entry, measured, limit, None)
        factor = rule.factor
        assert factor is not None
        if self._against is not None:
            normal = self._against.measure(entry)
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
        if not rule.compare(observed[0] * limit[1], limit[0] * observed[1]):
            return None
        if most is not None and observed[0] * most[1] * normal[1] > most[0] * normal[0] * observed[1]:
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


#: Of each number of steps, the entries that passed them, with the latest start there is; None where there are none.
_Chains = tuple[tuple[Entry, ...] | None, ...]


class SequenceEvaluation:
    """A rule that asks for facts in an order.

    Of the ways to have passed the first n steps only that which began last can matter: if its beginning has left the
    window, so have all others'. So one chain is held for each n, at each entry that passes a step.
    """

    __slots__ = ("_after", "_entries", "_masks", "rule")

    def __init__(self, rule: CompiledRule):
        self.rule = rule
        self._entries: list[Entry] = []
        #: Which steps each entry passes, as bits.
        self._masks: list[int] = []
        self._after: list[_Chains] = []

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
        fact = entry.fact
        if not self.rule.passes(fact):
            return 0
        return sum(1 << index for index, step in enumerate(self.rule.steps) if step(fact))

    def _judge(self, at: int) -> Fire | None:
        """Go on to an entry by what is held of the one before; what the rule says of it."""
        steps, entry, mask = len(self.rule.steps), self._entries[at], self._masks[at]
        before: _Chains = self._after[at - 1] if at else (None,) * (steps - 1)
        chains = list(before)
        if mask & 1:
            chains[0] = (entry,)
        for index in range(1, steps - 1):
            way = before[index - 1]
            held = before[index]
            if mask >> index & 1 and way is not None and (held is None or way[0].order >= held[0].order):
                chains[index] = (*way, entry)
        self._after.append(tuple(chains))
        way = before[steps - 2]
        start_ms = entry.t_ms - self.rule.within_ms
        if not mask >> (steps - 1) & 1 or way is None or way[0].t_ms <= start_ms:
            return None
        evidence = tuple(each.evidence_id() for each in (*way, entry))
        return Fire(None, None, None, start_ms, steps, evidence)

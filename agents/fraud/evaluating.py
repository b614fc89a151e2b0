"""How a rule looks at the history of one key: at the entry that arrives, and again at those that a late one changes.

One object for each rule and key. It is a cache: what it holds is a function of the key's entries and the rule. Pure.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

from agents.fraud.compile import CompiledRule
from agents.fraud.entries import Entry, Fire
from agents.fraud.measures import Ratio, shown, signed_square
from agents.fraud.sequences import SequenceEvaluation, Settle
from agents.fraud.windows import Window, order_of
from schemas.fraud_filters import Filter

#: Ids of transactions that a fire names.
MAX_EVIDENCE: Final = 20


class Evaluation(Protocol):
    """A rule on the history of one key. What concerns it not at all (`concern`) it is not shown.

    Tracks are held by the history: an entry is there before any rule is shown it.
    """

    def newest(self, entry: Entry, settle: Settle) -> None:
        """An entry that comes after all others: say what the rule says of it."""

    def again(self, came: Sequence[Entry], entries: Sequence[Entry], settle: Settle) -> None:
        """Entries that came in, in order: say what the rule says of them and of those that they change, each once.

        `entries` are all of the history.
        """

    def load(self, entry: Entry) -> None:
        """An entry that comes after all others and was evaluated before: only take it in."""

    def trim(self, before_ms: int) -> None:
        """Forget what no entry at or after `before_ms` plus the rule's retention can see."""


def maker_of(rule: CompiledRule) -> Callable[[CompiledRule, Sequence[Window]], Evaluation]:
    """What makes its evaluations, of a key with its windows. Combinations are seen to by the history itself."""
    if rule.aggregate is not None:
        return ComparedEvaluation if concern(rule) is None else AggregateEvaluation
    return _sequence if rule.steps else FactEvaluation


def _sequence(rule: CompiledRule, _windows: Sequence[Window]) -> Evaluation:
    return SequenceEvaluation(rule)


def concern(rule: CompiledRule) -> Filter | None:
    """The filter without which a fact changes nothing for a rule; None where each has to be looked at.

    Windows with filters of their own count facts that the rule does not look at.
    """
    specs = (rule.aggregate, rule.against)
    return rule.rule.filter if all(spec is None or spec.passes is None for spec in specs) else None


class Least(NamedTuple):
    """With less in a history than that a rule says nothing of any entry: nothing has to be held for it.

    Attributes:
        entries: how many there are.
        minor: what the absolute amounts of all of them come to, of whatever asset.
    """

    entries: int
    minor: int


def least_of(rule: CompiledRule) -> Least:
    """What a history must have at least for a rule to fire."""
    if rule.steps:
        return Least(len(rule.steps), 0)
    least = 1
    for spec in (rule.aggregate, rule.against):
        if spec is not None:
            counted = max(spec.min_events, spec.function not in ("count", "count_distinct", "sum"))
            if spec is rule.aggregate and spec.function in ("count", "count_distinct"):
                counted = max(counted, _reached(rule))
            if spec is rule.aggregate and spec.function == "ratio" and _reached(rule) > 1:
                # That of one entry is 0 or 1.
                counted = max(counted, 2)
            # The entry itself is there besides those that a window without it holds.
            least = max(least, counted + (not spec.include_current))
    main = rule.aggregate
    is_of_amounts = main is not None and main.function == "sum" and main.source == ("number", "amount_minor", None)
    return Least(least, max(0, _reached(rule)) if is_of_amounts else 0)


def _reached(rule: CompiledRule) -> int:
    """The least whole number that the rule fires at where it compares with a number; 0 where there may be none."""
    if rule.limit is None or rule.rule.condition is None:
        return 0
    above, below = rule.limit
    match rule.rule.condition.op:
        case "ge" | "eq":
            return int(-(-above // below))
        case "gt":
            return int(above // below) + 1
    return 0


class FactEvaluation:
    """A rule that looks at nothing but the fact."""

    __slots__ = ("rule",)

    def __init__(self, rule: CompiledRule, _windows: Sequence[Window] = ()):
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
            if rule.most is not None and left * rule.most[1] > rule.most[0]:
                return
            observed, limit = shown((left, 1)), shown(rule.limit)
        settle(rule, entry, Fire(observed, limit, None, entry.t_ms, 1, (entry.evidence_id(),)))

    def again(self, came: Sequence[Entry], entries: Sequence[Entry], settle: Settle) -> None:  # noqa: ARG002 - they change no other
        for entry in came:
            self.newest(entry, settle)

    def load(self, entry: Entry) -> None:
        pass

    def trim(self, before_ms: int) -> None:
        pass


class AggregateEvaluation:
    """A rule that compares what it computes of the facts that it looks at: of a window, or of one and another."""

    __slots__ = ("_against", "_main", "rule")

    def __init__(self, rule: CompiledRule, windows: Sequence[Window]):
        self.rule = rule
        self._main = windows[0]
        self._against = windows[1] if len(windows) > 1 else None

    def newest(self, entry: Entry, settle: Settle) -> None:
        measured = self._main.newest(entry)
        if measured is None:
            return
        rule = self.rule
        limit = rule.limit
        # Few facts fire: where a number is the limit, the others are told at once.
        if limit is not None and not rule.compare(measured[0] * limit[1], limit[0] * measured[1]):  # type: ignore[misc]
            return
        fire = self._compared(entry, measured, None if self._against is None else self._against.newest(entry))
        if fire is not None:
            settle(rule, entry, fire)

    def again(self, came: Sequence[Entry], entries: Sequence[Entry], settle: Settle) -> None:
        at, count = 0, len(entries)
        for entry in came:
            at = max(at, bisect_left(entries, entry.order, at, key=order_of))
            until_ms = entry.t_ms
            for window in self._windows():
                if window.track.counts(entry):
                    until_ms = max(until_ms, entry.t_ms + window.spec.window_ms)
            while at < count and (entries[at].t_ms < until_ms or entries[at] is entry):
                self._look(entries[at], settle)
                at += 1

    def load(self, entry: Entry) -> None:
        pass

    def trim(self, before_ms: int) -> None:
        pass

    def _windows(self) -> tuple[Window, ...]:
        return (self._main,) if self._against is None else (self._main, self._against)

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
        limit, most, compare = rule.limit, rule.most, rule.compare
        assert compare is not None
        if limit is not None:
            if most is not None and measured[0] * most[1] > most[0] * measured[1]:
                return None
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


class ComparedEvaluation(AggregateEvaluation):
    """One with a window that counts other facts than those that the rule looks at."""

    __slots__ = ()

    def newest(self, entry: Entry, settle: Settle) -> None:
        if self.rule.passes(entry.fact):
            super().newest(entry, settle)

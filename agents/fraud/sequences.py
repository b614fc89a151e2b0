"""How a rule that asks for facts in an order looks at the history of one key. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Protocol

from agents.fraud.compile import CompiledRule
from agents.fraud.entries import Entry, Fire
from agents.fraud.windows import order_of


class Settle(Protocol):
    """Told what a rule says of an entry: a fire, or None."""

    def __call__(self, rule: CompiledRule, entry: Entry, fire: Fire | None) -> None: ...


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
            fire = self._judge(self._insert(len(self._entries), entry, mask))
            if fire is not None:
                settle(self.rule, entry, fire)

    def again(self, came: Sequence[Entry], entries: Sequence[Entry], settle: Settle) -> None:  # noqa: ARG002 - has its own list
        held, concerned = self._entries, [(entry, mask) for entry in came if (mask := self._mask(entry))]
        for entry, mask in concerned:
            at = bisect_left(held, entry.order, key=order_of)
            # It is there where all were loaded.
            if at == len(held) or held[at] is not entry:
                self._insert(at, entry, mask)
        at = 0
        for entry, _ in concerned:
            at = max(at, bisect_left(held, entry.order, at, key=order_of))
            until_ms = entry.t_ms + self.rule.within_ms
            while at < len(held) and held[at].t_ms < until_ms:
                settle(self.rule, held[at], self._judge(at))
                at += 1
            # What is held further on may name the chains of before; those that it lacks have left each window there.

    def load(self, entry: Entry) -> None:
        mask = self._mask(entry)
        if mask:
            self._judge(self._insert(len(self._entries), entry, mask))

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

    def _insert(self, at: int, entry: Entry, mask: int) -> int:
        """Put an entry there, which is to be judged next; returns `at`."""
        self._entries.insert(at, entry)
        self._masks.insert(at, mask)
        self._after.insert(at, ())
        return at

    def _judge(self, at: int) -> Fire | None:
        """Go on to an entry by what is held of the one before; what the rule says of it."""
        steps, entry, mask = len(self.rule.steps), self._entries[at], self._masks[at]
        before: _Chains = self._after[at - 1] if at else (None,) * (steps - 1)
        # The last step alone begins no chain and takes none further.
        self._after[at] = self._chains(before, entry, mask) if mask & self._first_steps else before
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

"""What two sides say that share a reference and are no match: amounts, fees, assets, days."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from agents.reconciliation.matching.gates import Gate
from agents.reconciliation.matching.lines import Line
from schemas.matching_rules import Pass
from schemas.reconciliation_reasons import Reason

_WHOLE_BP = 10_000


class Verdict(NamedTuple):
    """A reason, and right less left where it is one of amounts."""

    reason: Reason
    difference_minor: int = 0


class Judge:
    """Judges lines that share the key of some passes.

    Args:
        passes: those that have the key, in order.
    """

    def __init__(self, passes: Sequence[Pass]):
        singles = [rule for rule in passes if rule.cardinality == "1:1"]
        self.splits = [rule for rule in passes if rule.cardinality != "1:1"]
        self.has_singles = bool(singles)
        self._gates = [Gate(rule) for rule in singles or passes]
        self._split_gates = [Gate(rule) for rule in self.splits]

    def nets(self, left: Line, right: Line) -> tuple[int, int]:
        """Amounts as the first pass compares them."""
        gate = self._gates[0]
        return gate.left_net(left), gate.right_net(right)

    def own_net(self, line: Line, *, is_left: bool) -> int:
        """Amount of a line as the first pass compares it."""
        gate = self._gates[0]
        return gate.left_net(line) if is_left else gate.right_net(line)

    def pair(self, left: Line, right: Line) -> Verdict:
        """Why two lines are no match."""
        if left.asset != right.asset:
            return Verdict("currency")
        for gate in self._gates:
            if gate.allows(gate.left_net(left), gate.right_net(right)):
                if not gate.in_window(left.day, right.day):
                    return Verdict("date")
                # Left over from a pass that asks for more than the key.
                return Verdict("reference" if gate.rule.fuzzy is not None else "ambiguous")
        return _of_amounts(self._gates[0], [left], [right])

    def group(self, lefts: Sequence[Line], rights: Sequence[Line]) -> Verdict:
        """Why lines of one asset are no whole and its parts."""
        gate = self._gate_of(lefts, rights)
        left, right = sum(map(gate.left_net, lefts)), sum(map(gate.right_net, rights))
        if gate.allows(left, right):
            ours, theirs = [line.day for line in lefts], [line.day for line in rights]
            near = gate.in_window(min(ours), max(theirs)) and gate.in_window(max(ours), min(theirs))
            return Verdict("split_incomplete" if near else "date")
        verdict = _of_amounts(gate, lefts, rights)
        parts, whole = (right, left) if gate.rule.cardinality == "1:n" else (left, right)
        if verdict.reason != "fee_variance" and abs(parts) < abs(whole):
            return Verdict("split_incomplete", verdict.difference_minor)
        return verdict

    def _gate_of(self, lefts: Sequence[Line], rights: Sequence[Line]) -> Gate:
        """Of the pass whose one side has one line, if there is one."""
        fitting = [gate for gate in self._split_gates if len(lefts if gate.rule.cardinality == "1:n" else rights) == 1]
        return (fitting or self._split_gates)[0]


def _of_amounts(gate: Gate, lefts: Sequence[Line], rights: Sequence[Line]) -> Verdict:
    left, right = sum(map(gate.left_net, lefts)), sum(map(gate.right_net, rights))
    difference, rule = right - left, gate.rule
    allowed = max(rule.fee_tolerance_minor * len(lefts), rule.fee_tolerance_bp * abs(left) // _WHOLE_BP)
    # A fee that is not known makes the right less; one that is known may have been more or less.
    if -allowed <= difference < 0 or 0 < abs(difference) <= abs(gate.fees_of(lefts, rights)):
        return Verdict("fee_variance", difference)
    over = abs(right) > abs(left) if (left < 0) == (right < 0) else right > left
    return Verdict("amount_over" if over else "amount_under", difference)

"""Passes of cardinality 1:n and n:1: the sum of several lines is one line of the other side."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from agents.reconciliation.matching.found import BY_KEY_PARTS, BY_KEY_SUM, BY_PARTS, Found, says
from agents.reconciliation.matching.gates import Gate
from agents.reconciliation.matching.groups import by_key, spread
from agents.reconciliation.matching.lines import Line, in_order, order
from agents.reconciliation.matching.subsets import Class, choices, steps
from schemas.matching_rules import Bounds, Pass, Rules
from schemas.reconciliation_reasons import Side

#: Answers that are looked for: with two, nobody knows which it is.
_MOST_ANSWERS: Final = 2
#: Lines within the window that are looked at at all for the parts of one line of several.
_MOST_NEAR: Final = 2_000
#: Most that lines which were left out take from the confidence, one each.
_MOST_FOR_CHOICE: Final = 20

Parts = tuple[Line, ...]


def match_splits(rule: Pass, rules: Rules, left: Sequence[Line], right: Sequence[Line], steps_before: int = 0) -> Found:
    """Match one line of a side with several of the other.

    Keys are gone through by their `spread`: what steps there are go to the same lines whatever the order they came in,
    and also where lines are parted by it, and the parts are matched one after the other.

    One line may be all the parts there are, a payout of one payment, unless passes of cardinality 1:1 have the same
    key: then it is theirs to say what belongs to what.
    """
    found = Found(Gate(rule))
    has_singles = any(each.cardinality == "1:1" and each.keys == rule.keys for each in rules.passes)
    splits = _Splits(found, rules.bounds, 2 if has_singles else 1, rules.bounds.subset_steps - steps_before)
    lefts, found.left = by_key(left, rule.keys)
    rights, found.right = by_key(right, rule.keys)
    for key in sorted(lefts, key=lambda key: (spread(key), key)):
        ours, theirs = lefts[key], rights.pop(key, None)
        if theirs is None:
            found.left += ours
        else:
            splits.match(ours, theirs)
    for theirs in rights.values():
        found.right += theirs
    found.steps = rules.bounds.subset_steps - steps_before - splits.steps_left
    return found


class _Answer(NamedTuple):
    """One line, and the choices of lines that come to it."""

    one: Line
    choices: list[Parts]
    #: Lines that the parts are chosen from; None: they are all there are.
    of: int | None


class _Splits:
    """The one side and the many side of a pass."""

    def __init__(self, found: Found, bounds: Bounds, least_parts: int, steps: int):
        gate = found.gate
        self._found, self._gate, self._bounds, self._least_parts = found, gate, bounds, least_parts
        self._is_keyed = bool(gate.rule.keys)
        self._one_is_left = one_is_left = gate.rule.cardinality == "1:n"
        self._one_net: Callable[[Line], int] = gate.left_net if one_is_left else gate.right_net
        self._part_net: Callable[[Line], int] = gate.right_net if one_is_left else gate.left_net
        self.steps_left = steps

    def match(self, ours: list[Line], theirs: list[Line]) -> None:
        """Match lines of one asset and key."""
        ones, parts = (ours, theirs) if self._one_is_left else (theirs, ours)
        # Lines are in order of days first.
        ones, parts = in_order(ones), in_order(parts)
        answers = [self._answer(one, parts, is_only=len(ones) == 1) for one in ones]
        taken = self._take(answers)
        found = self._found
        side, other = (found.left, found.right) if self._one_is_left else (found.right, found.left)
        side += [line for line in ones if line.line_id not in taken[0]]
        other += [line for line in parts if line.line_id not in taken[1]]

    def _answer(self, one: Line, parts: list[Line], *, is_only: bool) -> _Answer:
        start, end = self._near(one, parts)
        has_all = self._is_keyed and is_only
        if not has_all and (end - start > _MOST_NEAR or end - start > self.steps_left):
            self._found.not_tried += 1
            return _Answer(one, [], None)
        near = parts[start:end]
        if has_all and len(near) >= self._least_parts and self._allows(one, sum(map(self._part_net, near))):
            return _Answer(one, [tuple(near)], None)
        self.steps_left -= len(near)
        return _Answer(one, self._some(one, near), len(near))

    def _near(self, one: Line, parts: list[Line]) -> tuple[int, int]:
        """Where the parts within the window of the one begin and end; they are in order of days."""
        first, last = self._gate.first, self._gate.last
        if first is None or last is None:
            return 0, len(parts)
        low, high = (first, last) if self._one_is_left else (-last, -first)
        start = bisect_left(parts, one.day + low, key=lambda line: line.day)
        return start, bisect_right(parts, one.day + high, key=lambda line: line.day)

    def _allows(self, one: Line, total: int) -> bool:
        amount = self._one_net(one)
        return self._gate.allows(amount, total) if self._one_is_left else self._gate.allows(total, amount)

    def _some(self, one: Line, near: list[Line]) -> list[Parts]:
        """Choices among the parts: those that come to it exactly, else those within the tolerance."""
        amount = self._one_net(one)
        near = self._small_enough(amount, near)
        if len(near) < self._least_parts:
            return []
        if len(near) > self._bounds.subset_candidates:
            without_one = self._all_but_one(one, near) if self._is_keyed else []
            self._found.not_tried += not without_one
            return without_one
        lines = self._classes(near)
        classes = [Class(self._part_net(each[0]), len(each)) for each in lines]
        cost = steps(classes)
        if cost > self.steps_left:
            self._found.not_tried += 1
            return []
        self.steps_left -= cost
        found = choices(classes, amount, amount, _MOST_ANSWERS, least_lines=self._least_parts)
        if not found and not self._gate.is_exact:
            reach = self._reach(amount, near)
            found = choices(
                classes,
                amount - reach,
                amount + reach,
                _MOST_ANSWERS,
                least_lines=self._least_parts,
                accepts=lambda total: self._allows(one, total),
            )
        return [
            tuple(line for each, count in zip(lines, counts, strict=True) for line in each[:count]) for counts in found
        ]

    def _reach(self, amount: int, near: Sequence[Line]) -> int:
        most = sum(abs(self._part_net(line)) for line in near) + abs(amount)
        return self._gate.right_reach(amount) if self._one_is_left else self._gate.left_reach(amount, most)

    def _small_enough(self, amount: int, near: list[Line]) -> list[Line]:
        """Without parts that are larger than the whole, where all of them have its sign."""
        # What comes to nothing would be part of every choice, and of none.
        near = [line for line in near if self._part_net(line)]
        nets = [self._part_net(line) for line in near]
        if amount == 0 or any((net < 0) != (amount < 0) for net in nets):
            return near
        most = abs(amount) + self._reach(amount, near)
        return [line for line, net in zip(near, nets, strict=True) if abs(net) <= most]

    def _all_but_one(self, one: Line, near: list[Line]) -> list[Parts]:
        """All parts of a key but one: that one is in another payout, or in none."""
        excess = sum(map(self._part_net, near)) - self._one_net(one)
        left_out = [each[-1] for each in self._classes([line for line in near if self._part_net(line) == excess])]
        return [tuple(line for line in near if line is not out) for out in left_out[:_MOST_ANSWERS]]

    def _classes(self, near: list[Line]) -> list[list[Line]]:
        """Parts that stand for each other, in order."""
        found: dict[object, list[Line]] = {}
        for line in near:
            same = (line.day, self._part_net(line), line.kind, says(line, with_own_id=not self._is_keyed))
            found.setdefault(same, []).append(line)
        return [sorted(each, key=order) for each in found.values()]

    def _take(self, answers: list[_Answer]) -> tuple[set[str], set[str]]:
        """Match what has one answer that no other line's answer touches; the rest is tied. Ids that were matched."""
        claims: dict[str, int] = {}
        for answer in answers:
            for line_id in {line.line_id for parts in answer.choices for line in parts}:
                claims[line_id] = claims.get(line_id, 0) + 1
        ones: set[str] = set()
        others: set[str] = set()
        tied: dict[str, tuple[Line, list[Line]]] = {}
        for one, found, of in answers:
            if len(found) == 1 and all(claims[line.line_id] == 1 for line in found[0]):
                self._match(one, found[0], of)
                ones.add(one.line_id)
                others.update(line.line_id for line in found[0])
            elif found:
                parts = list({line.line_id: line for each in found for line in each}.values())
                self._found.tie(self._side(is_one=True), [one], parts)
                for part in parts:
                    tied.setdefault(part.line_id, (part, []))[1].append(one)
        for part, candidates in tied.values():
            self._found.tie(self._side(is_one=False), [part], candidates)
        return ones, others

    def _side(self, *, is_one: bool) -> Side:
        return "left" if is_one == self._one_is_left else "right"

    def _match(self, one: Line, parts: Parts, of: int | None) -> None:
        base = BY_KEY_SUM
        if of is not None:
            # The more there was to choose from, the sooner a sum comes about by chance.
            base = (BY_KEY_PARTS if self._is_keyed else BY_PARTS) - min(of - len(parts), _MOST_FOR_CHOICE)
        ordered = sorted(parts, key=order)
        if self._one_is_left:
            self._found.match([one], ordered, base)
        else:
            self._found.match(ordered, [one], base)

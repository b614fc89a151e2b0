"""Why lines are left: one reason each, by the strongest evidence first.

Passes are gone through in their order, as matching did. Of each pass: lines that were tied in it are `ambiguous`;
then lines that share its key with open lines of the other side differ in asset, amount or day; then lines that share
it with matched lines only are there once too often. Behind them come reversals of nothing, lines of the same amount
under another reference, and what has no counterpart at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from agents.reconciliation.matching.consumed import Accounted, Consumed, Step, keys_of, partners_of, steps_of
from agents.reconciliation.matching.gates import Gate
from agents.reconciliation.matching.groups import Key, values_of
from agents.reconciliation.matching.lines import MOST_CANDIDATES, Exception_, Line, in_order, order
from agents.reconciliation.matching.verdicts import Judge, Verdict
from schemas.matching_rules import Rules
from schemas.reconciliation_reasons import SIDES, Reason, Side

#: Side and id of a line -> ids of those that it is tied with.
Ties = Mapping[tuple[Side, str], Sequence[str]]
#: Pairs of lines of one group that are compared one by one; of more, lines are compared in order.
_MOST_PAIRS: Final = 10_000
#: Lines of the other side that one is compared with, where its own side has more than the other.
_MOST_COMPARED: Final = 100
_OTHER: Final[Mapping[Side, Side]] = {"left": "right", "right": "left"}


class Explaining:
    """Gives each open line its reason.

    Large sides may be explained in parts: a step is done right by itself for lines that hold all that share its key,
    or in the last step all of an asset and amount.

    Args:
        rules: by which lines were matched.
        left: open lines.
        right: open lines.
        ties: of each pass, what was tied in it.
        matched: finds what is matched.
        is_open: whether a line is open; those that were given are, if None.
    """

    def __init__(
        self,
        rules: Rules,
        left: Iterable[Line],
        right: Iterable[Line],
        ties: Sequence[Ties],
        matched: Accounted,
        is_open: Callable[[Side, str], bool] | None = None,
    ):
        self._rules, self._ties, self._matched = rules, ties, matched
        self._lines: dict[Side, dict[str, Line]] = {
            "left": {line.line_id: line for line in in_order(left)},
            "right": {line.line_id: line for line in in_order(right)},
        }
        self._is_open = is_open or (lambda side, line_id: line_id in self._lines[side])
        #: By side and id: what has its reason.
        self.said: dict[Side, dict[str, Exception_]] = {"left": {}, "right": {}}
        #: Of lines that may have no counterpart: ids of what came nearest to one.
        self.hints: dict[tuple[Side, str], tuple[str, ...]] = {}

    def explain(self) -> list[Exception_]:
        """The reason of each line: left, then right, each in order."""
        for number, step in enumerate(steps_of(self._rules)):
            self.take(number, step)
        return [self.said[side][line_id] for side in SIDES for line_id in self._lines[side]]

    def take(self, number: int, step: Step) -> None:
        """Take one step; steps have numbers in their order."""
        for each in step.passes:
            self._ambiguous(self._ties[each])
        if step.keys:
            self._by_key(number, step.keys)
            return
        self._take_back_nothing()
        if keys_of(self._rules):
            self._under_other_references()
        self._missing()

    def still_open(self, side: Side) -> list[Line]:
        """Lines without a reason so far, in order."""
        said = self.said[side]
        return [line for line_id, line in self._lines[side].items() if line_id not in said]

    def _say(self, side: Side, line: Line, verdict: Verdict, candidates: Sequence[str]) -> None:
        found = Exception_(side, line.line_id, verdict.reason, tuple(candidates[:MOST_CANDIDATES]), verdict[1])
        self.said[side][line.line_id] = found

    def _ambiguous(self, ties: Ties) -> None:
        """A tie is one as long as one of the candidates is open; a later pass may have taken them all."""
        for (side, line_id), candidates in ties.items():
            line = self._lines[side].get(line_id)
            if line is not None and line_id not in self.said[side]:
                still = [each for each in candidates if self._is_open(_OTHER[side], each)]
                if still:
                    self._say(side, line, Verdict("ambiguous"), still)

    def _by_key(self, number: int, keys: tuple[str, ...]) -> None:
        judge = Judge([rule for rule in self._rules.passes if rule.keys == keys])
        groups: dict[tuple[Key, str], tuple[list[Line], list[Line]]] = {}
        for side in SIDES:
            for line in self.still_open(side):
                values = values_of(line, keys)
                if values is not None:
                    group = groups.setdefault((values, line.kind), ([], []))
                    group[side == "right"].append(line)
        for (values, _), (lefts, rights) in groups.items():
            _Group(self, judge, number, values, lefts, rights).explain()

    def consumed(self, number: int, values: Key, side: Side) -> list[Consumed]:
        """Matched lines of a side that share a key, in order."""
        return sorted(self._matched.of(number, values, side), key=lambda each: order(each.line))

    def say_all(self, lefts: Sequence[Line], rights: Sequence[Line], verdict: Verdict) -> None:
        """One reason for lines of both sides, which are each other's candidates."""
        ours, theirs = ([line.line_id for line in lines[:MOST_CANDIDATES]] for lines in (lefts, rights))
        for line in lefts:
            self._say("left", line, verdict, theirs)
        for line in rights:
            self._say("right", line, verdict, ours)

    def say_one(self, side: Side, line: Line, verdict: Verdict, candidates: Sequence[str]) -> None:
        """One reason for one line."""
        self._say(side, line, verdict, candidates)

    def hint(self, side: Side, line: Line, candidates: Sequence[str]) -> None:
        """What a line came nearest to, should it have no counterpart; the first hint counts."""
        if candidates:
            self.hints.setdefault((side, line.line_id), tuple(candidates))

    def _take_back_nothing(self) -> None:
        for side in SIDES:
            for line in self.still_open(side):
                if line.kind != "payment" and not self._matched.is_linked(line):
                    reason: Reason = "unlinked_reversal" if line.kind == "reversal" else "unlinked_chargeback"
                    self._say(side, line, Verdict(reason), self.hints.get((side, line.line_id), ()))

    def _under_other_references(self) -> None:
        """Lines of one amount, asset and time that are each other's only ones, under different references."""
        gate = Gate(next(rule for rule in self._rules.passes if rule.keys))
        windows = [rule.date_window_days for rule in self._rules.passes if rule.date_window_days is not None]
        first = min((window[0] for window in windows), default=0)
        last = max((window[1] for window in windows), default=0)
        groups: dict[tuple[str, int, str], tuple[list[Line], list[Line]]] = {}
        for line in self.still_open("left"):
            groups.setdefault((line.asset, gate.left_net(line), line.kind), ([], []))[0].append(line)
        for line in self.still_open("right"):
            group = groups.get((line.asset, gate.right_net(line), line.kind))
            if group is not None:
                group[1].append(line)
        for lefts, rights in groups.values():
            if rights and len(lefts) * len(rights) <= _MOST_PAIRS:
                self._of_one_amount(lefts, rights, first, last)

    def _of_one_amount(self, lefts: Sequence[Line], rights: Sequence[Line], first: int, last: int) -> None:
        of_left = {one.line_id: [two for two in rights if first <= two.day - one.day <= last] for one in lefts}
        of_right = {two.line_id: [one for one in lefts if first <= two.day - one.day <= last] for two in rights}
        for one in lefts:
            partners = of_left[one.line_id]
            if len(partners) == 1 and len(of_right[partners[0].line_id]) == 1:
                self.say_all([one], partners, Verdict("reference"))
            else:
                self.hint("left", one, [each.line_id for each in partners])
        for two in rights:
            self.hint("right", two, [each.line_id for each in of_right[two.line_id]])

    def _missing(self) -> None:
        for side in SIDES:
            for line in self.still_open(side):
                reason: Reason = "missing_right" if side == "left" else "missing_left"
                self._say(side, line, Verdict(reason), self.hints.get((side, line.line_id), ()))


class _Group:
    """Open lines of both sides that share the values of a key."""

    def __init__(
        self,
        explaining: Explaining,
        judge: Judge,
        number: int,
        values: Key,
        lefts: list[Line],
        rights: list[Line],
    ):
        self._to, self._judge = explaining, judge
        self._number, self._values = number, values
        self._sides: dict[Side, list[Line]] = {"left": lefts, "right": rights}
        self._of_side: dict[Side, Sequence[Consumed]] = {}
        self._by_amount: dict[Side, Mapping[tuple[str, int], Sequence[Consumed]]] = {}
        self._partners: dict[Side, Mapping[tuple[str, int], Sequence[str]]] = {}

    def explain(self) -> None:
        lefts, rights = self._sides["left"], self._sides["right"]
        if not lefts or not rights:
            for side in SIDES:
                for line in self._sides[side]:
                    self._once_too_often(side, line, {})
        elif self._judge.splits and (not self._judge.has_singles or len(lefts) + len(rights) > 2):
            self._as_parts(lefts, rights)
        else:
            self._as_pairs(lefts, rights)

    def _as_parts(self, lefts: Sequence[Line], rights: Sequence[Line]) -> None:
        """The lines of each asset are judged together; what is in an asset of its own is in the wrong one."""
        for asset in sorted({line.asset for line in (*lefts, *rights)}):
            ours = [line for line in lefts if line.asset == asset]
            theirs = [line for line in rights if line.asset == asset]
            if ours and theirs:
                self._to.say_all(ours, theirs, self._judge.group(ours, theirs))
            for line in ours if not theirs else ():
                self._to.say_one("left", line, Verdict("currency"), [each.line_id for each in rights])
            for line in theirs if not ours else ():
                self._to.say_one("right", line, Verdict("currency"), [each.line_id for each in lefts])

    def _as_pairs(self, lefts: Sequence[Line], rights: Sequence[Line]) -> None:
        pairs = self._nearest(lefts, rights)
        taken: dict[Side, dict[str, Line]] = {"left": {}, "right": {}}
        for one, two in pairs:
            taken["left"][one.line_id] = two
            taken["right"][two.line_id] = one
            self._to.say_all([one], [two], self._judge.pair(one, two))
        for side in SIDES:
            for line in self._sides[side]:
                if line.line_id not in taken[side] and not self._once_too_often(side, line, taken[side]):
                    others = (lefts if side == "right" else rights)[:_MOST_COMPARED]
                    nearest = min(others, key=lambda other: (self._distance(side, line, other), order(other)))
                    verdict = self._judge.pair(line, nearest) if side == "left" else self._judge.pair(nearest, line)
                    self._to.say_one(side, line, verdict, [nearest.line_id])

    def _nearest(self, lefts: Sequence[Line], rights: Sequence[Line]) -> list[tuple[Line, Line]]:
        """Each line once with the nearest of the other side; by asset, amount, day."""
        if len(lefts) * len(rights) > _MOST_PAIRS:
            return list(zip(lefts, rights, strict=False))
        ranked = sorted(
            (self._distance("left", one, two), at, other)
            for at, one in enumerate(lefts)
            for other, two in enumerate(rights)
        )
        found, ones, twos = [], set(), set()
        for _, at, other in ranked:
            if at not in ones and other not in twos:
                ones.add(at)
                twos.add(other)
                found.append((lefts[at], rights[other]))
        return found

    def _distance(self, side: Side, line: Line, other: Line) -> tuple[bool, int, int]:
        left, right = (line, other) if side == "left" else (other, line)
        ours, theirs = self._judge.nets(left, right)
        return (left.asset != right.asset, abs(theirs - ours), abs(right.day - left.day))

    def _once_too_often(self, side: Side, line: Line, taken: Mapping[str, Line]) -> bool:
        """A `duplicate`, where its own side has its amount under the key once more, and that one is accounted for."""

        twins = self._twins(side).get(self._amount(side, line))
        if twins is not None:
            self._to.say_one(side, line, Verdict("duplicate"), partners_of(twins))
            return True
        paired = self._paired(side, taken).get(self._amount(side, line))
        if paired is not None:
            self._to.say_one(side, line, Verdict("duplicate"), paired)
            return True
        others = self._consumed(_OTHER[side])[:MOST_CANDIDATES]
        self._to.hint(side, line, [each.line.line_id for each in others])
        return False

    def _amount(self, side: Side, line: Line) -> tuple[str, int]:
        return line.asset, self._judge.own_net(line, is_left=side == "left")

    def _consumed(self, side: Side) -> Sequence[Consumed]:
        """Matched lines of a side that share the key, in order."""
        if side not in self._of_side:
            self._of_side[side] = self._to.consumed(self._number, self._values, side)
        return self._of_side[side]

    def _twins(self, side: Side) -> Mapping[tuple[str, int], Sequence[Consumed]]:
        """Matched lines of a side by what they amount to; some of each."""
        if side not in self._by_amount:
            found: dict[tuple[str, int], list[Consumed]] = {}
            for each in self._consumed(side):
                twins = found.setdefault(self._amount(side, each.line), [])
                if len(twins) < MOST_CANDIDATES:
                    twins.append(each)
            self._by_amount[side] = found
        return self._by_amount[side]

    def _paired(self, side: Side, taken: Mapping[str, Line]) -> Mapping[tuple[str, int], Sequence[str]]:
        """Partners of open lines of a side by what these amount to; some of each."""
        if side not in self._partners:
            found: dict[tuple[str, int], list[str]] = {}
            for each in self._sides[side]:
                if each.line_id in taken:
                    partners = found.setdefault(self._amount(side, each), [])
                    if len(partners) < MOST_CANDIDATES:
                        partners.append(taken[each.line_id].line_id)
            self._partners[side] = found
        return self._partners[side]

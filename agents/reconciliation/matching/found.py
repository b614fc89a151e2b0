"""What a pass finds, before it is told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from agents.reconciliation.matching.gates import Gate
from agents.reconciliation.matching.lines import MOST_CANDIDATES, OWN_ID, Line, order
from schemas.reconciliation_reasons import Side

#: Confidence of each kind of evidence, of 100; what is less exact takes from it.
BY_KEY: Final = 100
BY_KEY_SUM: Final = 95
BY_KEY_PARTS: Final = 85
BY_ALIKE: Final = 90
BY_AMOUNT: Final = 75
BY_PARTS: Final = 60
_MOST_FOR_DAYS: Final = 10
_FOR_AMOUNT: Final = 10


class Matched(NamedTuple):
    """Lines that a pass put together."""

    pass_name: str
    lefts: tuple[Line, ...]
    rights: tuple[Line, ...]
    confidence: int
    fee_minor: int
    difference_minor: int


class Found:
    """What one pass finds: matches, what is left, and what is tied."""

    __slots__ = ("gate", "left", "matched", "not_tried", "right", "steps", "ties")

    def __init__(self, gate: Gate):
        self.gate = gate
        self.matched: list[Matched] = []
        #: Lines that stay open.
        self.left: list[Line] = []
        self.right: list[Line] = []
        #: Of open lines: ids of those of the other side that are equally good, or nearly.
        self.ties: dict[tuple[Side, str], tuple[str, ...]] = {}
        self.not_tried = 0
        #: Sums that were formed.
        self.steps = 0

    def match(self, lefts: Sequence[Line], rights: Sequence[Line], base: int) -> None:
        """Put lines together; amounts and days that are not equal take from the confidence."""
        gate = self.gate
        difference = sum(map(gate.right_net, rights)) - sum(map(gate.left_net, lefts))
        days = max(abs(other.day - one.day) for one in lefts for other in rights)
        confidence = base - min(days, _MOST_FOR_DAYS) - (_FOR_AMOUNT if difference else 0)
        fee = gate.fees_of(lefts, rights)
        self.matched.append(
            Matched(gate.rule.name, tuple(lefts), tuple(rights), confidence, fee, difference),
        )

    def match_one(self, left: Line, right: Line, base: int) -> None:
        """Put two lines together: nearly all matches are of two."""
        gate = self.gate
        difference = gate.right_net(right) - gate.left_net(left)
        days = right.day - left.day
        confidence = base - min(abs(days), _MOST_FOR_DAYS) if days else base
        if difference:
            confidence -= _FOR_AMOUNT
        fee = gate.fees_of((left,), (right,)) if left.fee_minor or right.fee_minor else 0
        self.matched.append(Matched(gate.rule.name, (left,), (right,), confidence, fee, difference))

    def tie(self, side: Side, lines: Iterable[Line], candidates: Sequence[Line]) -> None:
        """Say that lines have several counterparts; they stay open for later passes."""
        named = tuple([each.line_id for each in sorted(candidates, key=order)[:MOST_CANDIDATES]])
        for line in lines:
            self.ties[side, line.line_id] = named


def says(line: Line, with_own_id: bool) -> tuple[tuple[str, str], ...]:
    """The references by which lines of one amount and day are told apart."""
    items = line.references.items()
    return tuple(sorted(items if with_own_id else (item for item in items if item[0] != OWN_ID)))


def are_alike(lines: Sequence[Line], with_own_id: bool) -> bool:
    """Whether it makes no difference which of these lines of one amount and day is taken."""
    if len(lines) < 2:
        return True
    first = (lines[0].kind, lines[0].fee_minor, says(lines[0], with_own_id))
    return all((line.kind, line.fee_minor, says(line, with_own_id)) == first for line in lines[1:])

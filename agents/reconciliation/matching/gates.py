"""What amounts and days a pass lets through. Whole numbers only."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agents.reconciliation.matching.lines import Line
from schemas.matching_rules import Pass

_WHOLE_BP = 10_000


def _gross(line: Line) -> int:
    return line.amount_minor


def _net(line: Line) -> int:
    return line.amount_minor - line.fee_minor


class Gate:
    """Amounts and days of one pass."""

    __slots__ = ("_bp", "_minor", "first", "last", "left_net", "right_net", "rule")

    #: Least and most days from left to right; None: any.
    first: int | None
    last: int | None

    def __init__(self, rule: Pass):
        self.rule = rule
        self._minor, self._bp = rule.amount_tolerance_minor, rule.amount_tolerance_bp
        window = rule.date_window_days
        self.first, self.last = (None, None) if window is None else window
        #: What of a line is compared, less its fee on the side that the pass names.
        self.left_net: Callable[[Line], int] = _net if rule.fees == "left" else _gross
        self.right_net: Callable[[Line], int] = _net if rule.fees == "right" else _gross

    @property
    def is_exact(self) -> bool:
        """Whether amounts must be equal."""
        return not (self._minor or self._bp)

    def allows(self, left_minor: int, right_minor: int) -> bool:
        """Whether the amounts are near enough: by minor units, or by basis points of the left one."""
        apart = abs(right_minor - left_minor)
        return apart <= self._minor or apart * _WHOLE_BP <= self._bp * abs(left_minor)

    def in_window(self, left_day: int, right_day: int) -> bool:
        """Whether the days are near enough."""
        return self.first is None or self.last is None or self.first <= right_day - left_day <= self.last

    def right_reach(self, left_minor: int) -> int:
        """How far from a left amount a right one can be that is allowed."""
        return max(self._minor, self._bp * abs(left_minor) // _WHOLE_BP)

    def left_reach(self, right_minor: int, most: int) -> int:
        """How far from a right amount a left one can be that is allowed, or somewhat further; at most `most`."""
        if self._bp >= _WHOLE_BP:
            return most
        by_bp = -(-self._bp * abs(right_minor) // (_WHOLE_BP - self._bp))
        return min(most, max(self._minor, by_bp))

    def fees_of(self, left: Iterable[Line], right: Iterable[Line]) -> int:
        """Fees that are taken off on the side that the pass names."""
        fees = self.rule.fees
        return 0 if fees == "none" else sum(line.fee_minor for line in (left if fees == "left" else right))

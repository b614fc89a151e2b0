"""What a reconciliation of files came to: `summary.json`. Counts and sums of minor units, each line once."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from agents.reconciliation.matching.found import Matched
from agents.reconciliation.matching.lines import Exception_, Line
from schemas.reconciliation_reasons import REASONS, SIDES, Side

_MILLION: Final = 1_000_000
_WHAT: Final = ("lines", "matched", "exceptions", "expected")


class Summary:
    """Counts while lines are read, matched and explained."""

    def __init__(self) -> None:
        #: By side, what became of lines, and asset: how many, and their sum.
        self._tallies: dict[tuple[Side, str, str], list[int]] = {}
        #: Pass -> matches.
        self._passes: Counter[str] = Counter()
        #: Reason -> lines, by side.
        self._reasons: dict[str, Counter[str]] = {}
        self._fees: Counter[str] = Counter()
        self._differences: Counter[str] = Counter()
        self.not_tried = 0

    def _count(self, side: Side, what: str, line: Line) -> None:
        key = side, what, line.asset
        tally = self._tallies.get(key)
        if tally is None:
            self._tallies[key] = [1, line.amount_minor]
        else:
            tally[0] += 1
            tally[1] += line.amount_minor

    def _lines(self, side: Side, what: str) -> int:
        return sum(tally[0] for key, tally in self._tallies.items() if key[:2] == (side, what))

    def _amounts(self, side: Side, asset: str) -> dict[str, int]:
        return {what: self._tallies.get((side, what, asset), (0, 0))[1] for what in _WHAT}

    def _assets(self, side: Side) -> list[str]:
        return sorted({asset for of_side, _, asset in self._tallies if of_side == side})

    def count_line(self, side: Side, line: Line) -> None:
        """A line that was read."""
        self._count(side, "lines", line)

    def count_match(self, found: Matched) -> None:
        """A match."""
        self._passes[found.pass_name] += 1
        for line in found.lefts:
            self._count("left", "matched", line)
        for line in found.rights:
            self._count("right", "matched", line)
        asset = found.lefts[0].asset
        if found.fee_minor:
            self._fees[asset] += found.fee_minor
        if found.difference_minor:
            self._differences[asset] += found.difference_minor

    def count_exception(self, found: Exception_, line: Line) -> None:
        """A line without a match."""
        self._count(found.side, "expected" if found.reason == "expected" else "exceptions", line)
        self._reasons.setdefault(found.reason, Counter())[found.side] += 1

    def check(self) -> None:
        """Each line is in one place, by count and by amount.

        Raises:
            AssertionError: it is not: a fault of the program, no result of it may be used.
        """
        for side in SIDES:
            counted = {what: self._lines(side, what) for what in _WHAT}
            for counts in (counted, *(self._amounts(side, asset) for asset in self._assets(side))):
                placed = counts["matched"] + counts["exceptions"] + counts["expected"]
                if placed != counts["lines"]:
                    raise AssertionError(f"{side}: {counts['lines']} lines or minor units were read, {placed} placed")

    @property
    def lines(self) -> dict[Side, int]:
        """Side -> lines that were read."""
        return {side: self._lines(side, "lines") for side in SIDES}

    @property
    def reasons(self) -> dict[str, dict[str, int]]:
        """Reason -> side -> lines, in the order of reasons."""
        return {
            reason: {side: self._reasons[reason][side] for side in SIDES}
            for reason in REASONS
            if reason in self._reasons
        }

    @property
    def passes(self) -> dict[str, int]:
        """Pass -> matches."""
        return dict(self._passes)

    def share_matched(self, side: Side, parts: int) -> int:
        """How many of so many parts of the lines of a side are matched: rounded down, so that all of them are all. All
        where there are no lines. A share of lines, never of money.
        """
        lines = self._lines(side, "lines")
        return self._lines(side, "matched") * parts // lines if lines else parts

    def as_json(self) -> dict[str, Any]:
        """For `summary.json`; amounts are minor units."""
        sides: dict[str, Any] = {
            side: {what: self._lines(side, what) for what in _WHAT}
            | {"match_rate": self.share_matched(side, _MILLION) / _MILLION}
            | {"amount_minor": {asset: self._amounts(side, asset) for asset in self._assets(side)}}
            for side in SIDES
        }
        return {
            **sides,
            "matches": sum(self._passes.values()),
            "passes": self.passes,
            "reasons": self.reasons,
            "fee_minor": dict(sorted(self._fees.items())),
            "difference_minor": dict(sorted(self._differences.items())),
            "not_tried": self.not_tried,
        }

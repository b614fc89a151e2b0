"""Clean books: two sides that agree in every line, in all the ways that lines can.

Deals of several shapes: one line and one, a whole and its parts, a payout less fees, a payment without a reference of
its own, a payment that is taken back. Each is a deal, so that a break can be planted into one without touching others.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from agents.reconciliation.matching.lines import OWN_ID, REVERSAL_OF, Line, LineKind, Statement
from schemas.matching_rules import Pass, Rules
from schemas.reconciliation_reasons import Side

#: Monday, 2 November 2026, and the last day of the books.
FIRST_DAY: Final = 739_922
LAST_DAY: Final = FIRST_DAY + 60
#: The day after the last; a Friday.
AS_OF_DAY: Final = LAST_DAY + 1
LAG_BUSINESS_DAYS: Final = 2
#: What may be kept back of a payment without a word.
FEE_MINOR: Final = 25
_ASSETS: Final = ("EUR", "EUR", "EUR", "USD", "JPY")
#: Prices that come again and again.
_PRICES: Final = (499, 999, 1_999, 4_999, 10_000)

RULES: Final = Rules(
    passes=(
        Pass(name="reference", keys=("ref",), date_window_days=(0, 3), fee_tolerance_minor=FEE_MINOR),
        Pass(name="parts", keys=("ref",), date_window_days=(0, 5), cardinality="1:n"),
        Pass(name="payout", keys=("payout",), date_window_days=(0, 5), cardinality="n:1"),
        Pass(name="customer", keys=("customer",), date_window_days=(0, 3)),
    ),
    expected_lag_business_days=LAG_BUSINESS_DAYS,
)


@dataclass
class Deal:
    """What belongs together: one match, or one and what takes it back."""

    shape: str
    left: list[Line] = field(default_factory=list)
    right: list[Line] = field(default_factory=list)


class Books:
    """Makes deals.

    Args:
        seed: the same seed makes the same deals.
    """

    def __init__(self, seed: int):
        self.chance = random.Random(seed)
        self._number = 0

    def deals(self, lines: int) -> Iterator[Deal]:
        """Deals until both sides together have so many lines, or somewhat more."""
        made = 0
        shapes = (self.single, self.single, self.single, self.split, self.payout, self.nameless, self.taken_back)
        weights = (40, 20, 10, 8, 3, 6, 2)
        while made < lines:
            deal = self.chance.choices(shapes, weights)[0]()
            made += len(deal.left) + len(deal.right)
            yield deal

    def line(
        self,
        side: Side,
        amount_minor: int,
        asset: str,
        day: int,
        references: Mapping[str, str],
        *,
        kind: LineKind = "payment",
        fee: int = 0,
    ) -> Line:
        """A line with an id of its own. Lines of the right are in the statement of their day."""
        self._number += 1
        line_id = f"{side[0]}{self._number:08d}"
        statement_id = f"statement {day}" if side == "right" else ""
        return Line(line_id, amount_minor, asset, day, {OWN_ID: line_id, **references}, fee, kind, statement_id)

    def name(self, prefix: str) -> str:
        """A reference that nothing else has; two of them have nothing in common but by chance."""
        self._number += 1
        return f"{prefix}{self._number:07d}{self.chance.getrandbits(32):08x}"

    def amount(self) -> int:
        """Small or large; some of them often."""
        if self.chance.random() < 0.2:
            return self.chance.choice(_PRICES)
        return int(self.chance.lognormvariate(9, 1.3)) + 100

    def day(self) -> int:
        """A day so long ago that nothing of it is still to come."""
        return self.chance.randrange(FIRST_DAY, LAST_DAY - 14)

    def asset(self) -> str:
        """An asset."""
        return self.chance.choice(_ASSETS)

    def single(self, amount_minor: int | None = None, day: int | None = None) -> Deal:
        """One line and one, by reference. Some go out."""
        amount = amount_minor or self.amount()
        signed = -amount if self.chance.random() < 0.3 else amount
        asset, day, ref = self.asset(), day or self.day(), self.name("P")
        return Deal(
            "single",
            [self.line("left", signed, asset, day, {"ref": ref})],
            [self.line("right", signed, asset, day + self.chance.randrange(4), {"ref": ref})],
        )

    def split(self, parts: int | None = None) -> Deal:
        """A whole and its parts, by reference."""
        asset, day, ref = self.asset(), self.day(), self.name("S")
        amounts = [self.amount() for _ in range(parts or self.chance.randrange(2, 6))]
        return Deal(
            "split",
            [self.line("left", sum(amounts), asset, day, {"ref": ref})],
            [self.line("right", each, asset, day + self.chance.randrange(6), {"ref": ref}) for each in amounts],
        )

    def payout(self) -> Deal:
        """Many payments less their fees in one sum."""
        asset, day, payout = self.asset(), self.day(), self.name("O")
        left = []
        for _ in range(self.chance.randrange(2, 40)):
            amount = self.amount()
            fee = 10 + amount // 100
            references = {"payout": payout, "ref": self.name("P")}
            left.append(self.line("left", amount, asset, day - self.chance.randrange(3), references, fee=fee))
        net = sum(each.amount_minor - each.fee_minor for each in left)
        return Deal(
            "payout", left, [self.line("right", net, asset, day + self.chance.randrange(3), {"payout": payout})]
        )

    def nameless(self) -> Deal:
        """A payment whose reference only we have; the other side names the customer."""
        asset, day, amount, customer = self.asset(), self.day(), self.amount(), self.name("C")
        return Deal(
            "nameless",
            [self.line("left", amount, asset, day, {"customer": customer, "order": self.name("N")})],
            [self.line("right", amount, asset, day + self.chance.randrange(4), {"customer": customer})],
        )

    def taken_back(self) -> Deal:
        """A payment, and what takes it back, on both sides."""
        deal = self.single()
        paid, ref = deal.left[0], self.name("R")
        of = {"ref": ref, REVERSAL_OF: paid.references["ref"]}
        day = paid.day + 5
        return Deal(
            "taken back",
            [*deal.left, self.line("left", -paid.amount_minor, paid.asset, day, of, kind="reversal")],
            [*deal.right, self.line("right", -paid.amount_minor, paid.asset, day + 1, of, kind="reversal")],
        )


def statements_of(right: list[Line]) -> list[Statement]:
    """What the statements of all lines say of themselves; each begins where it happens to begin."""
    sums: dict[str, int] = {}
    for line in right:
        sums[line.statement_id] = sums.get(line.statement_id, 0) + line.amount_minor
    return [Statement(each, "right", 1_000, 1_000 + total) for each, total in sorted(sums.items())]
